"""The instruction at a crash: decoded, with the register that made its address a bad one. The code is assembled by hand."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernfix import crash
from kernfix.crash.explain import Explained, explain_code, explain_crash
from kernfix.crash.explain.disassemble import MISSING

SHADOW = "0xdffffc0000000000"
# lea 0x18(%rbx),%rdi; mov %rdi,%rax; shr $3,%rax; cmpb $0,(%rax,%rdx)
LEA, COPY, SHIFT, CHECK = "48 8d 7b 18", "48 89 f8", "48 c1 e8 03", "<80> 3c 10 00"
NULL_MEMBER = {"RAX": "0x0000000000000003", "RBX": "0x0000000000000000", "RDI": "0x0000000000000018", "RDX": SHADOW}


def check(code: str, arch: str, registers: dict[str, str], *words: str, faulted: bool = True) -> Explained:
    """The sentences have these words."""
    explained = explain_code(code, arch, registers, faulted=faulted)
    told = " ".join(explained.sentences)
    for word in words:
        assert word in told, (word, told, explained.listing)
    return explained


@pytest.mark.parametrize(
    ("code", "registers", "words"),
    [
        # mov 0x18(%rbx),%rax
        ("53 <48> 8b 43 18 c3", {"RBX": "0x0"}, ["reads 8 bytes at RBX+0x18 = 0x18: RBX is NULL."]),
        ("53 <48> 8b 43 18 c3", {"RBX": "0xfffffffffffffff4"}, ["RBX+0x18 = 0xc: RBX is ERR_PTR(-ENOMEM)."]),
        ("53 <48> 8b 43 18 c3", {"RBX": "0x6b6b6b6b6b6b6b6b"}, ["RBX is 0x6b6b6b6b6b6b6b6b (POISON_FREE)."]),
        ("53 <48> 8b 43 18 c3", {"RBX": "0xdead000000000100"}, ["RBX is LIST_POISON1."]),
        ("53 <48> 8b 43 18 c3", {"RBX": "0xffff888004c51a00"},
         ["= 0xffff888004c51a18: probably in the direct mapping"]),
        ("53 <48> 8b 43 18 c3", {}, ["reads 8 bytes at RBX+0x18; RBX cannot be read from the log."]),
        # mov 0x10(%rdi),%rbx before it; a call before it
        ("48 8b 5f 10 <48> 8b 43 18", {"RBX": "0x0"}, ["RBX was loaded from RDI+0x10 (`movq 0x10(%rdi), %rbx`)"]),
        ("e8 00 00 00 00 <48> 8b 40 18", {"RAX": "0x0"}, ["RAX is NULL.", "RAX is what the call before returned"]),
        ("e8 00 00 00 00 48 89 c3 <48> 8b 43 18", {"RBX": "0x0"}, ["RBX comes from what the call before returned"]),
        # lea 0x18(%rbx),%rdi; mov 0x8(%rdi),%rax
        ("48 8d 7b 18 <48> 8b 47 08", {"RBX": "0x0", "RDI": "0x18"},
         ["RDI = RBX+0x18: RBX is NULL, so the member is at offset 0x20."]),
        # movl $0,(%rax,%rcx,4); a value of 32 bits as index
        ("<c7> 04 88 00 00 00 00", {"RAX": "0xffff888000000000", "RCX": "0x2"},
         ["writes 4 bytes at RAX+RCX*4 = 0xffff888000000008"]),
        # lock incl (%rdi)
        ("<f0> ff 07", {"RDI": "0x40"},
         ["reads and writes 4 bytes at RDI = 0x40: RDI is offset 0x40 of a NULL pointer"]),
        # rep movsq; rep stosb
        ("<f3> 48 a5", {"RSI": "0x0", "RDI": "0xffff888000000000"}, ["reads 8 bytes at RSI", "writes 8 bytes at RDI"]),
        ("<f3> aa", {"RDI": "0xffffc90001691000"},
         ["writes 1 byte at RDI = 0xffffc90001691000: probably in vmalloc space"]),
        # push %r15; mov %gs:0x28,%rax
        ("<41> 57", {"RSP": "0xffffc90000004000"}, ["writes 8 bytes at RSP-0x8 = 0xffffc90000003ff8"]),
        ("<65> 48 8b 04 25 28 00 00 00", {"GS": "0xffff88806ce00000"},
         ["at GS+0x28 = 0xffff88806ce00028: a per-CPU variable"]),
        # mov 0x100(%rip),%rax
        ("<48> 8b 05 00 01 00 00", {"RIP": "0xffffffff81000000"}, ["reads 8 bytes at RIP+0x100: static data"]),
        # call *%rax; a retpoline's mov %rax,(%rsp); ret
        ("<ff> d0", {"RAX": "0x0"}, ["an indirect jump or call to the address in RAX = 0x0: NULL."]),
        ("48 89 04 24 <c3>", {"RAX": "0x6b6b6b6b6b6b6b6b"},
         ["to the address in RAX = 0x6b6b6b6b6b6b6b6b", "POISON_FREE"]),
    ],
)  # fmt: skip
def test_x86(code: str, registers: dict[str, str], words: list[str]) -> None:
    check(code, "x86_64", registers, *words)


def test_kasan_check_is_traced_to_the_member() -> None:
    told = check(
        f"{LEA} {COPY} {SHIFT} {CHECK} 75 0c",
        "x86_64",
        NULL_MEMBER,
        "RAX+RDX = 0xdffffc0000000003: the KASAN shadow of 0x18–0x1f: offset 0x18 of a NULL pointer",
        "The access is to RDI = 0x18 = RBX+0x18: RBX is NULL.",
    )
    assert told.roles["RDX"] == ("KASAN_SHADOW_OFFSET in the KASAN check",)
    assert told.roles["RAX"] == ("an address >> 3, to which the KASAN check adds KASAN_SHADOW_OFFSET",)
    assert told.roles["RBX"] == ("the pointer whose member at offset 0x18 is to be accessed",)
    assert told.roles["RDI"] == ("the address of the access that the KASAN check is for",)


def test_kasan_check_is_told_by_the_access_behind_it() -> None:
    after = "75 0c 48 8b 43 18"  # jne; mov 0x18(%rbx),%rax
    told = check(
        f"{COPY} {SHIFT} {CHECK} {after}",
        "x86_64",
        NULL_MEMBER,
        "The access is `movq 0x18(%rbx), %rax`: it reads 8 bytes at RBX+0x18 = 0x18: RBX is NULL.",
    )
    assert "RBX" in told.roles


def test_kasan_check_is_not_told_by_values_that_disagree() -> None:
    registers = NULL_MEMBER | {"RBX": "0x0000000000000100", "RDI": "0x0000000000000999"}
    told = check(
        f"{LEA} {COPY} {SHIFT} {CHECK} 75 0c 48 8b 43 18", "x86_64", registers, "offset 0x18 of a NULL pointer"
    )
    assert "The access is" not in " ".join(told.sentences)


def test_kasan_of_an_error_pointer() -> None:
    registers = {"RAX": "0x1fffffffffffffff", "RDX": SHADOW, "RDI": "0xfffffffffffffffc", "RBX": "0xffffffffffffffe4"}
    check(
        f"{LEA} {COPY} {SHIFT} {CHECK}",
        "x86_64",
        registers,
        "the KASAN shadow of 0xfffffffffffffff8",
        "RBX+0x18: RBX is ERR_PTR(-ENOSPC)",
    )


@pytest.mark.parametrize(
    ("code", "arch", "registers", "words"),
    [
        ("8b 53 18 <89> 42 2c", "i386", {"EDX": "0x00000000"}, ["writes 4 bytes at EDX+0x2c = 0x2c: EDX is NULL."]),
        ("f9400401 (f9000420)", "arm64", {"x1": "0xdead000000000100"},
         ["writes 8 bytes at x1+0x8 = 0xdead000000000108: x1 is LIST_POISON1", "x1 was loaded from x0+0x8"]),
        ("(f8626820)", "arm64", {"x1": "0x0", "x2": "0x10"}, ["reads 8 bytes at x1+x2 = 0x10: x1 is NULL"]),
        ("(f862d820)", "arm64", {"x1": "0xffff000000000000", "x2": "0xffffffff"}, ["x1+x2*8 = 0xfffefffffffffff8"]),
        ("91006260 d343fc02 (38e16841)", "arm64", {"x0": "0x18", "x1": "0xdfff800000000000", "x2": "0x3", "x19": "0x0"},
         ["the KASAN shadow of 0x18–0x1f", "x0 = 0x18 = x19+0x18: x19 is NULL"]),
        ("(e5943018)", "arm", {"r4": "0x6b6b6b6b"},
         ["reads 4 bytes at r4+0x18 = 0x6b6b6b83: r4 is 0x6b6b6b6b (POISON_FREE)"]),
        ("(6f9c) cb91", "riscv64", {"a5": "0x0000000000000000"}, ["reads 8 bytes at a5+0x18 = 0x18: a5 is NULL."]),
        ("e93f0018 <f9490010>", "ppc64", {"GPR09": "0x0000000000000000"},
         ["writes 8 bytes at GPR09+0x10 = 0x10: GPR09 is NULL.", "GPR09 was loaded from GPR31+0x18"]),
        ("<7d2a482a>", "ppc64", {"GPR09": "0x8", "GPR10": "0xc000000000000000"},
         ["reads 8 bytes at GPR10+GPR09 = 0xc000000000000008"]),
        ("e31020000004 #a7080000 >e31010080004 1801", "s390", {"r1": "0x6b6b6b6b6b6b6b6b"},
         ["reads 8 bytes at r1+0x8 = 0x6b6b6b6b6b6b6b73: r1 is", "r1 was loaded from r2"]),
        ("10400004 <8c430014>", "mips", {"$2": "0x00000000"}, ["reads 4 bytes at $2+0x14 = 0x14: $2 is NULL."]),
    ],
)  # fmt: skip
def test_other_architectures(code: str, arch: str, registers: dict[str, str], words: list[str]) -> None:
    check(code, arch, registers, *words)


@pytest.mark.parametrize(
    ("code", "arch", "registers", "words"),
    [
        ("<0f> 0b", "x86_64", {}, "the trap of BUG(), BUG_ON(), WARN() or WARN_ON()"),
        ("<67> 0f b9 40 10", "x86_64", {}, "UBSAN"),
        ("<cc>", "x86_64", {}, "breakpoint"),
        ("<f7> f1", "x86_64", {"RCX": "0xffffffff00000000"}, "a division by RCX = 0: division by zero"),
        ("<f7> f1", "x86_64", {"RCX": "0x2"}, "a division by RCX = 2."),
        ("<0f> 30", "x86_64", {"RCX": "0x00000000000001d9"}, "a model specific register: 0x1d9"),
        ("(d4210000)", "arm64", {}, "BUG_ON()"),
        ("(d4212000)", "arm64", {}, "KASAN"),
        ("(e7f001f2)", "arm", {}, "BUG_ON()"),
        ("(9002)", "riscv64", {}, "BUG_ON()"),
        ("<0fe00000>", "ppc64", {}, "BUG_ON()"),
        ("<000c000d>", "mips", {}, "BUG_ON()"),
    ],
)
def test_traps(code: str, arch: str, registers: dict[str, str], words: str) -> None:
    check(code, arch, registers, words, faulted=False)


def test_code_that_did_not_fault_is_only_described() -> None:
    told = check(
        "48 8b 5f 10 <48> 8b 43 18", "x86_64", {"RBX": "0x1000"}, "reads 8 bytes at RBX+0x18 = 0x1018", faulted=False
    )
    assert "loaded" not in " ".join(told.sentences)
    assert told.roles["RBX"][0].startswith("part of the address in the marked instruction")


def test_code_of_a_program_in_a_system_call() -> None:
    check("b8 2d 00 00 00 0f 05 <48> 3d 01 f0 ff ff", "x86_64", {"RAX": "0x0"}, "made a system call", faulted=False)


def test_code_before_is_that_which_leads_to_the_mark() -> None:
    told = check("ff ff 48 8b 5f 10 <48> 8b 43 18 c3 c3 c3 c3 c3 c3", "x86_64", {})
    texts = [its.text for its in told.listing.instructions]
    assert texts[-6:-4] == ["movq 0x10(%rdi), %rbx", "movq 0x18(%rbx), %rax"]
    assert told.listing.trapping == told.listing.instructions[-5]
    assert [its.offset for its in told.listing.instructions[-6:-3]] == [-4, 0, 4]
    assert len(texts) - (told.listing.marked or 0) == 5


def test_where_in_the_function() -> None:
    log = """\
[    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000018
[    1.000100] Oops: Oops: 0000 [#1] SMP
[    1.000200] CPU: 0 UID: 0 PID: 7 Comm: fox Not tainted 6.12.0 #1
[    1.000300] RIP: 0010:fox_tail+0x1f/0x40
[    1.000400] Code: 53 48 8b 5f 10 <48> 8b 43 18 74 04
[    1.000500] RSP: 0018:ffffc9000056fd68 EFLAGS: 00010246
[    1.000600] RAX: 0000000000000000 RBX: 0000000000000000 RCX: 0000000000000001
[    1.000700] CR2: 0000000000000018
[    1.000800] Call Trace:
[    1.000900]  fox_read+0x10/0x20
"""
    (fault,) = crash.parse(log).faults
    told = explain_crash(fault)
    assert (told.function, told.offset, told.faulted) == ("fox_tail", 0x1F, True)
    assert [its.text for its in told.listing.instructions][-1] == "je 0x29"
    assert "RBX is NULL." in told.sentences[0]
    (other,) = crash.parse(log.replace("RBX: 0000", "RBX: ffff")).faults
    assert "The kernel names 0x18 as the address, which these registers do not give" in " ".join(
        explain_crash(other).sentences
    )


@pytest.mark.parametrize(
    ("code", "arch", "problem"),
    [
        (None, "x86_64", "There is no code."),
        ("48 8b 43 18", "x86_64", "marks no instruction"),
        ("<48> XX 43", "x86_64", "no code"),
        ("<0f>", "x86_64", "no instruction"),
        ("(????????)", "arm64", "no code"),
        ("(d4210000)", "loongarch", "Code of loongarch cannot be shown."),
        ("(d4210000)", None, "Code of an unknown architecture"),
    ],
)
def test_why_there_is_none(code: str | None, arch: str | None, problem: str) -> None:
    told = explain_code(code, arch, {}, faulted=True)
    assert problem in told.listing.problem
    assert (told.sentences, told.roles, told.listing.trapping) == ((), {}, None)


def test_without_capstone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "capstone", None)
    assert explain_code("<0f> 0b", "x86_64", {}).listing.problem == MISSING
    assert "kernfix[symbols]" in MISSING


_ARCHES = ("x86_64", "i386", "arm64", "arm", "riscv64", "riscv32", "ppc64", "s390", "mips")
_NUMBERS = st.integers(0, (1 << 64) - 1).map(lambda number: f"0x{number:016x}")
_REGISTERS = (
    "RAX",
    "RCX",
    "RDX",
    "RBX",
    "RSP",
    "RBP",
    "RSI",
    "RDI",
    "EAX",
    "x0",
    "x1",
    "r1",
    "a5",
    "GPR09",
    "$2",
    "GS",
    "CR4",
    "pc",
)


@given(
    st.binary(max_size=48),
    st.binary(min_size=1, max_size=24),
    st.sampled_from(_ARCHES),
    st.dictionaries(st.sampled_from(_REGISTERS), st.one_of(_NUMBERS, st.sampled_from([SHADOW, "0x0", "", "junk"]))),
    st.booleans(),
)
def test_never_raises(before: bytes, after: bytes, arch: str, registers: dict[str, str], faulted: bool) -> None:
    width = 1 if arch in ("x86_64", "i386") else 2 if arch in ("riscv64", "riscv32", "s390") else 4
    after = after + bytes(-len(after) % width)
    words = [
        part[at : at + width].hex()
        for part in (before[: len(before) // width * width], after)
        for at in range(0, len(part), width)
    ]
    mark = len(before) // width
    words[mark] = f">{words[mark]}" if arch == "s390" else f"<{words[mark]}>"
    told = explain_code(" ".join(words), arch, registers, faulted=faulted)
    assert all("\n" not in sentence for sentence in told.sentences)
    assert (told.listing.marked is None) == bool(told.listing.problem)


@given(st.text(alphabet="0123456789abcdef<>()#? XG\n", max_size=120), st.sampled_from([*_ARCHES, "loongarch", None]))
def test_never_raises_on_junk(code: str, arch: str | None) -> None:
    explain_code(code, arch, {"RAX": code})
