"""Symbols of Rust and C++, as their programmers wrote them.

The symbols are written by hand after the grammars of RFC 2603 and of the Itanium C++ ABI, section 5.1.
"""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernfix.crash.demangle import demangled

LONGEST = 1000
HASH = "17h0123456789abcdef"


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        # crates, modules, functions
        ("_RNvC6kernel3foo", "kernel::foo"),
        ("_RNvCs1234_6kernel3foo", "kernel::foo"),
        ("__RNvCs1234_6kernel3foo", "kernel::foo"),
        ("_RNvNtNtC6kernel4sync4lock6unlock", "kernel::sync::lock::unlock"),
        ("_RNvC6kernel5___foo", "kernel::__foo"),
        ("_RNvC6kernel4_2foo", "kernel::2foo"),
        ("_RNvC6kernel3fooCs5678_5rnull", "kernel::foo"),
        # identifiers that are not ASCII
        ("_RNvC1au9maana_pta", "a::mañana"),
        ("_RNvC1au9gre_6ka8i", "a::größe"),
        ("_RNvC1au7fiq228c", "a::中文"),
        # closures, shims, and namespaces of the compiler's own
        ("_RNCNvC6kernel3foo0", "kernel::foo::{closure#0}"),
        ("_RNCNvC6kernel3foos_0", "kernel::foo::{closure#1}"),
        ("_RNCNCNvC6kernel3foos0_00", "kernel::foo::{closure#2}::{closure#0}"),
        ("_RNSNvC6kernel3foo6vtable", "kernel::foo::{shim:vtable#0}"),
        ("_RNZNvC6kernel3foo3bar", "kernel::foo::{Z:bar#0}"),
        ("_RNkNvC6kernel3foo0", "kernel::foo"),
        # methods, and references back to what was named before
        ("_RNvMC6kernelj3len", "<usize>::len"),
        ("_RNvMs0_C6kernelj3len", "<usize>::len"),
        ("_RNvMNtC6kernel4listNtB2_4List3new", "<kernel::list::List>::new"),
        ("_RNvMNtCs1234_6kernel4listINtB2_4ListxE3new", "<kernel::list::List<i64>>::new"),
        ("_RNvYNtC1a1SNtC1b1T1f", "<a::S as b::T>::f"),
        (
            "_RNvXCs1_5rnullNtB2_13NullBlkModuleNtCs2_6kernel13InPlaceModule4init",
            "<rnull::NullBlkModule as kernel::InPlaceModule>::init",
        ),
        ("_RINvC1a1fNtC1b1SBa_E", None),
        ("_RINvC1a1fNtC1b1SB7_E", "a::f::<b::S, b::S>"),
        ("_RINvC1a1fShB7_E", "a::f::<[u8], [u8]>"),
        # in the path of a value, generic arguments follow "::"
        ("_RINvC1a1fhE", "a::f::<u8>"),
        ("_RINvC1a1fINtC1b3VecmEE", "a::f::<b::Vec<u32>>"),
        ("_RNvMINtC1b3VecmEhs_1f", "<u8>::f"),
        ("_RINvC1a1fE", "a::f::<>"),
        ("_RINvC1a1fL_hE", "a::f::<'_, u8>"),
        # what the compiler hung on
        ("_RNvC1a1f.llvm.1234567890", "a::f"),
        ("_RNvC1a1f.llvm.12AB@@16", "a::f"),
        ("_RNvC1a1f.cold", "a::f.cold"),
        ("_RNvC1a1f.llvm.1234.cold", "a::f.cold"),
        ("_RNvC1a1f.llvm.12x", "a::f.llvm.12x"),
    ],
)
def test_v0_paths(symbol: str, name: str | None) -> None:
    assert demangled(symbol) == name


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        (
            "abcdefhijlmnopstuvxyz",
            "i8, bool, char, f64, str, f32, u8, isize, usize, i32, u32, i128, u128, _, i16, u16, (), ..., i64, u64, !",
        ),
        ("Rh", "&u8"),
        ("RL_h", "&u8"),
        ("QRe", "&mut &str"),
        ("PhOh", "*const u8, *mut u8"),
        ("Sh", "[u8]"),
        ("Ahj7_", "[u8; 7]"),
        ("Ahp", "[u8; _]"),
        ("TE", "()"),
        ("ThE", "(u8,)"),
        ("ThtE", "(u8, u16)"),
        ("FEu", "fn()"),
        ("FhtEl", "fn(u8, u16) -> i32"),
        ("FUKCPhvEz", 'unsafe extern "C" fn(*const u8, ...) -> !'),
        ("FK8C_unwindEu", 'extern "C-unwind" fn()'),
        ("FG_RL0_hEu", "for<'a> fn(&'a u8)"),
        ("FG0_RL1_hEBe_", None),
        ("FG0_RL1_hRL0_hEu", "for<'a, 'b> fn(&'a u8, &'b u8)"),
        ("FG_RL0_hFG_RL0_hRL1_hEuEu", "for<'a> fn(&'a u8, for<'b> fn(&'b u8, &'a u8))"),
        ("DNtC1b1TEL_", "dyn b::T"),
        ("DNtC1b1TNtC1c1UEL_", "dyn b::T + c::U"),
        ("DNtC1b1Tp4ItemtEL_", "dyn b::T<Item = u16>"),
        ("DINtC1b1ThEp1Atp1BlEL_", "dyn b::T<u8, A = u16, B = i32>"),
        ("DG_INtC1b1TRL0_hEEL_", "dyn for<'a> b::T<&'a u8>"),
        ("FG_DNtC1b1TEL0_Eu", "for<'a> fn(dyn b::T + 'a)"),
    ],
)
def test_v0_types(code: str, shown: str | None) -> None:
    assert demangled(f"_RINvC1a1f{code}E") == (f"a::f::<{shown}>" if shown else None)


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("j0_", "0"),
        ("j_", "0"),
        ("h2a_", "42"),
        ("yffffffffffffffff_", "18446744073709551615"),
        ("o10000000000000000_", "0x10000000000000000"),
        ("sn1_", "-1"),
        ("x7f_", "127"),
        ("b0_", "false"),
        ("b1_", "true"),
        ("b2_", None),
        ("c61_", "'a'"),
        ("c27_", r"'\''"),
        ("ca_", r"'\n'"),
        ("ce9_", "'é'"),
        ("c202e_", r"'\u{202e}'"),
        ("c301_", r"'\u{301}'"),
        ("cd800_", None),
        ("c110000_", None),
        ("c_", None),
        ("p", "_"),
        ("Re6869_", '"hi"'),
        ("Re22c3a9_", r'"\"é"'),
        ("Reff_", None),
        ("Re686_", None),
        ("e6869_", '{*"hi"}'),
        ("Rj1_", "{&1}"),
        ("QAj1_j2_E", "{&mut [1, 2]}"),
        ("Tj1_E", "{(1,)}"),
        ("Tj1_b1_E", "{(1, true)}"),
        ("VNvC1a1XU", "{a::X}"),
        ("VNvC1a1XTj1_TEE", "{a::X(1, ())}"),
        ("VNtC1a1XS1xj1_1ypE", "{a::X { x: 1, y: _ }}"),
        ("VNvC1a1XW", None),
        ("f0_", None),
        ("j1", None),
    ],
)
def test_v0_constants(code: str, shown: str | None) -> None:
    assert demangled(f"_RINvC1a1fK{code}E") == (f"a::f::<{shown}>" if shown else None)


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        (f"_ZN4core3fmt5Write9write_fmt{HASH}E", "core::fmt::Write::write_fmt"),
        (f"__ZN4core3fmt5Write9write_fmt{HASH}E", "core::fmt::Write::write_fmt"),
        (f"_ZN4core3fmt{HASH}E.llvm.123", "core::fmt"),
        (f"_ZN4core3fmt{HASH}E.cold", "core::fmt.cold"),
        (f"_ZN8$RF$test{HASH}E", "&test"),
        (f"_ZN15a$SP$$LP$b$RP$c{HASH}E", "a@(b)c"),
        (f"_ZN17a$SP$$LP$b$RP$$C${HASH}E", "a@(b),"),
        (f"_ZN16a$SP$$LP$b$RP$$C${HASH}E", None),
        (f"_ZN35Bar$LT$$u5b$u32$u3b$$u20$4$u5d$$GT${HASH}E", "Bar<[u32; 4]>"),
        (f"_ZN28_$u7b$$u7b$closure$u7d$$u7d${HASH}E", "{{closure}}"),
        (f"_ZN38_$LT$core..option..Option$LT$T$GT$$GT$6unwrap{HASH}E", "<core::option::Option<T>>::unwrap"),
        (f"_ZN6a.b..c{HASH}E", "a.b::c"),
        (f"_ZN7_$under{HASH}E", "$under"),
        (f"_ZN3_ab{HASH}E", "_ab"),
        (f"_ZN6$u4e2d${HASH}E", None),
        (f"_ZN7$u4e2d${HASH}E", "中"),
        # no character that could play with the terminal
        (f"_ZN7$u202e${HASH}E", "$u202e$"),
        (f"_ZN5$u1b${HASH}E", "$u1b$"),
        (f"_ZN9$uffffff${HASH}E", "$uffffff$"),
        (f"_ZN3a\x1bb{HASH}E", None),
        (f"_ZN{HASH}E", "h0123456789abcdef"),
    ],
)
def test_legacy(symbol: str, name: str | None) -> None:
    assert demangled(symbol) == name


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("_Z8fakeNameiii", "fakeName"),
        ("_Z8fakeNameiii.isra.0", "fakeName.isra.0"),
        ("__Z8fakeNameiii", "fakeName"),
        ("_ZL3bari", "bar"),
        ("_ZN3foo3barEi", "foo::bar"),
        ("_ZNK3foo3barEv", "foo::bar"),
        ("_ZNVKR3foo3barEv", "foo::bar"),
        ("_ZNO3foo3barEv", "foo::bar"),
        ("_ZN3fooC1Ev", "foo::foo"),
        ("_ZN3fooD0Ev", "foo::~foo"),
        ("_ZN3fooIiEC2Ev", "foo<int>::foo"),
        ("_ZN12_GLOBAL__N_13fooEv", "(anonymous namespace)::foo"),
        ("_ZSt4movev", "std::move"),
        ("_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector<int, std::allocator<int>>::push_back"),
        ("_ZNSs4sizeEv", "std::string::size"),
        ("_ZN3foo3barB5cxx11Ev", "foo::bar[abi:cxx11]"),
        # operators
        ("_ZN3fooplERKS_", "foo::operator+"),
        ("_ZN3foonwEm", "foo::operator new"),
        ("_ZN3foocvPKcEv", "foo::operator char const*"),
        ("_ZN3fooltIiEEbT_", "foo::operator< <int>"),
        # templates; the first type after the name is the result
        ("_Z3fooIiEvv", "foo<int>"),
        ("_Z3fooIiEvT_", "foo<int>"),
        ("_Z3fooIiJcdEEvT_DpT0_", "foo<int, char, double>"),
        ("_ZN1AIJEE1fEv", "A<>::f"),
        ("_ZN1a1PIJNS0_IJiEEEEEC1Ev", "a::P<a::P<int>>::P"),
        ("_ZN1AILi3ELb1ELjn5EE1fEv", "A<3, true, -5u>::f"),
        ("_ZN1AILc97ELN1b1EE0EE1fEv", "A<(char)97, (b::E)0>::f"),
        # types
        ("_ZN1AIPFivEE1fEv", "A<int (*)()>::f"),
        ("_ZN1AIPFPKcizEE1fEv", "A<char const* (*)(int, ...)>::f"),
        ("_ZN1AIFvicEE1fEv", "A<void (int, char)>::f"),
        ("_ZN1AIA3_iRA3_A4_iE1fEv", "A<int [3], int (&) [3][4]>::f"),
        ("_ZN1AIM1BiMS0_KFvvEE1fEv", "A<int B::*, void (B::*)() const>::f"),
        ("_ZN1AIPVKiOcDnE1fEv", "A<int const volatile*, char&&, decltype(nullptr)>::f"),
        ("_ZN1A1BI1CS1_SsE1fES2_", "A::B<C, C, std::string>::f"),
    ],
)
def test_itanium(symbol: str, name: str | None) -> None:
    assert demangled(symbol) == name


@pytest.mark.parametrize(
    "symbol",
    [
        # not mangled
        "",
        "_",
        "printk",
        "_raw_spin_lock",
        "__x64_sys_read",
        "_RET_IP_",
        "__RESTORE",
        "__ZSTD_compress",
        "R6kernel",
        # cut off, with too much, or against the grammar
        "_R",
        "_RNvC6kerne",
        "_RNvC6kernel3fo",
        "_RNvC6kernel3foo!",
        "_RNvC6kernel3foo x",
        "_RNvC6kernel3foo.",
        "_RNvC6kernel3foo.a b",
        "_RNvC6kernel3fooh",
        "_R0NvC6kernel3foo",
        "_RN1C6kernel3foo",
        "_RNvC6kernel03foo",
        "_RNvC6kernel99999999foo",
        "_RNvCszzzzzzzzzzzzz_6kernel3foo",
        "_RNvC1ä1f",
        "_RNvC1a\u0663fo",
        # Punycode of nothing, of nonsense, of what is no identifier (a right-to-left override)
        "_RNvC1au0",
        "_RNvC1au4abc_",
        "_RNvC1au5abc__",
        "_RNvC1au6zzzzzz",
        "_RNvC1au6ab_g4t",
        # back references that lead forward, to themselves, or to what is of another kind
        "_RNvB0_1f",
        "_RNvB_1f",
        "_RMC0RB2_",
        "_RINvC1a1fBz_E",
        # a lifetime that nobody bound
        "_RINvC1a1fRL0_hE",
        # Rust's first mangling, broken
        f"_ZN4core3fmt{HASH}",
        f"_ZN04core3fmt{HASH}E",
        f"_ZN4core3fmt{HASH}E!",
        f"_ZN99core3fmt{HASH}E",
        # C++: broken, or more than is read
        "_Z",
        "_ZN",
        "_ZN3foo",
        "_ZNE",
        "_Z3fo",
        "_Z3foo_bar",
        "_Z3fooiQ",
        "_Z3foo2b!v",
        "_Z3fooS_",
        "_ZNStE",
        "_ZN3fooIiE3barES9_",
        "_ZNC1Ev",
        "_ZN3fooplC1Ev",
        "_ZN3foozzEv",
        "_ZN1AIFvEE1fEv",
        "_ZN1AILd3EE1fEv",
        "_ZN1AILb2EE1fEv",
        "_ZTV3foo",
        "_ZZ4mainE1x",
        "_ZN3fooIT_E3barEv",
        "_ZNK3fooUlvE_clEv",
        "_ZN1AIXadL_Z3foovEEE1fEv",
    ],
)
def test_what_cannot_be_read_has_no_name(symbol: str) -> None:
    assert demangled(symbol) is None


def test_a_long_name_is_cut() -> None:
    name = demangled("_RINvC1a1f" + "Rh" * 500 + "E.cold")
    assert name is not None
    assert name.startswith("a::f::<&u8, &u8, ")
    assert len(name) == LONGEST
    assert name.endswith("…")


def test_a_name_of_just_the_limit_is_whole() -> None:
    letters = "x" * (LONGEST - len("a::"))
    assert demangled(f"_RNvC1a{len(letters)}{letters}") == f"a::{letters}"
    assert demangled(f"_RNvC1a{len(letters) + 1}{letters}x") == f"a::{letters[:-1]}…"


def doubling(levels: int) -> str:
    """Tuples, each of which holds the one before twice: every level doubles what is to be printed."""
    symbol = "INvC1a1f"
    tuples = []
    for _ in range(levels):
        tuples.append(len(symbol))
        held = f"B{base_62(tuples[-2])}" * 2 if len(tuples) > 1 else "uu"
        symbol += f"T{held}E"
    return f"_R{symbol}E"


def doubling_cxx(levels: int) -> str:
    """The same of template arguments; the codes of substitutions count up from those of `f`, ``S_``, and of `A`, ``S0_``."""
    arguments = "1A"
    for level in range(1, levels + 1):
        before = in_base(2 * level - 2, DIGITS[:10] + DIGITS[36:])
        arguments += f"1BIS{before}_S{before}_E"
    return f"_Z1fI{arguments}Evv"


DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def in_base(number: int, digits: str) -> str:
    return (in_base(number // len(digits), digits) if number >= len(digits) else "") + digits[number % len(digits)]


def base_62(number: int) -> str:
    return f"{in_base(number - 1, DIGITS) if number else ''}_"


def test_doubling_is_read_right() -> None:
    assert (
        demangled(doubling(3)) == "a::f::<((), ()), (((), ()), ((), ())), ((((), ()), ((), ())), (((), ()), ((), ())))>"
    )
    assert demangled(doubling_cxx(2)) == "f<A, B<A, A>, B<B<A, A>, B<A, A>>>"


@pytest.mark.parametrize(
    "symbol",
    [
        doubling(60),
        doubling(200),
        # as many lifetimes as can be asked for
        "_RMC0FGZZZ_Eu",
        "_RMC0FGZZZZZZZZZZ_Eu",
        "_RNvC1a" + "9" * 4000,
        "_R" + "Nv" * 2000,
        "_RINvC1a1f" + "R" * 4000,
        "_RINvC1a1f" + "FG_" * 1000,
        "_RINvC1a1fK" + "T" * 4000,
        "_RINvC1a1fK" + "j" + "f" * 4000 + "_E",
        "_RNvC1au4000" + "z" * 4000,
        "_RNvC1as" + "Z" * 4000 + "_1f",
        "_ZN" + "1a" * 2000,
        "_ZN" + "9" * 4000,
        "_Z1f" + "P" * 4000,
        "_Z1f" + "I" * 4000,
        "_ZN" + "2cv" * 1000,
        "_Zcv" + "NcvN" * 1000,
        "_Z1f" + "I1aS_" + "IS0_S0_E" * 400,
        doubling_cxx(60),
        doubling_cxx(250),
        "_R" + "NvC1a1f" * 1_000_000,
    ],
    ids=lambda symbol: symbol[:24],
)
def test_a_hostile_symbol_is_done_with_soon(symbol: str) -> None:
    start = time.perf_counter()
    name = demangled(symbol)
    assert time.perf_counter() - start < 1
    assert name is None or len(name) <= LONGEST


def check_any(symbol: str) -> None:
    name = demangled(symbol)
    assert name is None or (name and len(name) <= LONGEST and name.isprintable())


@given(st.sampled_from(["_R", "_RNv", "_RINvC1a1f", "_ZN", "_Z", "__R", "_Z1fI"]), st.text(max_size=300))
def test_any_text_is_borne(prefix: str, text: str) -> None:
    check_any(prefix + text)


LETTERS = "0123456789_ECNMXYIBKLRQPOSATFDGUVJWZuvpehsjbxyznctkm.$"


@given(
    st.sampled_from(["_R", "_RNv", "_RINvC1a1f", "_RINvC1a1fK", "_ZN", "_Z", "_Z1fI"]), st.text(LETTERS, max_size=200)
)
def test_any_codes_are_borne(prefix: str, text: str) -> None:
    check_any(prefix + text)


@given(
    st.sampled_from(
        [
            doubling(4),
            f"_ZN38_$LT$core..option..Option$LT$T$GT$$GT$6unwrap{HASH}E",
            "_ZNSt6vectorIiSaIiEE9push_backERKi",
        ]
    ),
    st.lists(st.tuples(st.integers(2, 60), st.integers(0, 3), st.text(LETTERS, max_size=3)), min_size=1, max_size=4),
)
def test_a_broken_symbol_is_borne(symbol: str, edits: list[tuple[int, int, str]]) -> None:
    for at, removed, added in edits:
        symbol = symbol[:at] + added + symbol[at + removed :]
    check_any(symbol)


# A second, much simpler, writer of the grammar: pairs of a code and what it stands for.

Pair = tuple[str, str]

names = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True)
crates = names.map(lambda name: (f"Cs1_{len(name)}{name}", name))
paths = st.recursive(
    crates,
    lambda inner: st.builds(lambda path, name: (f"Nt{path[0]}{len(name)}{name}", f"{path[1]}::{name}"), inner, names),
    max_leaves=3,
)
basics = st.sampled_from([("h", "u8"), ("e", "str"), ("u", "()"), ("z", "!"), ("j", "usize")])


def combined(inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    many = st.lists(inner, min_size=2, max_size=3).map(
        lambda pairs: ("".join(p[0] for p in pairs), ", ".join(p[1] for p in pairs))
    )
    return st.one_of(
        inner.map(lambda one: (f"R{one[0]}", f"&{one[1]}")),
        inner.map(lambda one: (f"O{one[0]}", f"*mut {one[1]}")),
        st.builds(lambda one, size: (f"A{one[0]}j{size:x}_", f"[{one[1]}; {size}]"), inner, st.integers(0, 2**64 - 1)),
        many.map(lambda all_: (f"T{all_[0]}E", f"({all_[1]})")),
        many.map(lambda all_: (f"F{all_[0]}Eb", f"fn({all_[1]}) -> bool")),
        st.builds(lambda path, all_: (f"I{path[0]}{all_[0]}E", f"{path[1]}<{all_[1]}>"), paths, many),
    )


types = st.recursive(st.one_of(basics, paths), combined, max_leaves=8)


@given(types, paths, names)
def test_what_is_written_by_the_grammar_is_read(self_type: Pair, trait: Pair, method: str) -> None:
    name = f"<{self_type[1]} as {trait[1]}>::{method}"
    expected = name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
    assert demangled(f"_RNvXC1a{self_type[0]}{trait[0]}{len(method)}{method}") == expected
