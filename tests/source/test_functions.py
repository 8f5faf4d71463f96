"""Functions in a text, through the idioms that a C grammar does not know."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernfix.source import Function, function_at, functions
from kernfix.source.functions import plain_bytes, spot
from kernfix.source.syntax import syntax_errors
from kernfix.source.syntax.prepass import prepass

BODY = "{\n\tfor_each_cpu(cpu, mask) {\n\t\tif (a)\n\t\t\treturn 1;\n\t}\n\treturn 0;\n}\n"


def check(text: str, *expected: Function) -> None:
    assert functions(text) == expected
    for function in expected:
        for line in range(function.start, function.end + 1):
            assert function_at(text, line) == function


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ("int plain(int a)\n", "plain"),
        ("static int __init early(void)\n", "early"),
        ("static noinline struct ring *made(int a)\n", "made"),
        ("static struct ring __percpu *\nsplit(int a,\n      int b)\n", "split"),
        ("asmlinkage __visible void __sched notrace deep(void)\n", "deep"),
        ("static __printf(2, 3) void said(int a, const char *f, ...)\n", "said"),
        ("__bpf_kfunc int kfunc(void)\n", "kfunc"),
        ("int locked(struct ring *r)\n\t__acquires(&r->lock)\n\t__releases(&r->lock)\n", "locked"),
        ("void (*pick(int a))(int)\n", "pick"),
        ("SYSCALL_DEFINE0(getring)\n", "sys_getring"),
        ("SYSCALL_DEFINE2(ring_cut, int, fd, unsigned long, by)\n", "sys_ring_cut"),
        ("COMPAT_SYSCALL_DEFINE2(ring_cut, int, fd,\n\t\tcompat_ulong_t, by)\n", "compat_sys_ring_cut"),
        ("BPF_CALL_2(bpf_ring, struct ring *, r, u64, flags)\n", "bpf_ring"),
        ("DEFINE_IDTENTRY_RAW(exc_ring)\n", "exc_ring"),
        ("static int old(a, b)\n\tint a;\n\tint b;\n", "old"),
    ],
)
def test_head(head: str, name: str) -> None:
    start = len(head.rstrip("\n").split("\n"))
    check(f"{head}{BODY}", Function(name, 1, start + 7))
    before = "struct x {\n\tint a;\n};\n"
    check(f"{before}{head}{BODY}", Function(name, 4, start + 10))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("int a(void)\n{\n}\nEXPORT_SYMBOL(a)\n\nint b(void)\n{\n}\nmodule_init(b)\n", [("a", 1, 3), ("b", 6, 8)]),
        ("#ifdef A\nint f(int a)\n#else\nint f(void)\n#endif\n{\n\treturn 0;\n}\n", [("f", 2, 8)]),
        ("#ifdef A\nint f(int a)\n{\n}\n#else\nint f(void)\n{\n}\n#endif\n", [("f", 2, 4), ("f", 6, 8)]),
        (
            "int f(void)\n{\n#ifdef A\n\tif (a) {\n#else\n\tif (b) {\n#endif\n\t\tc();\n\t}\n}\nint g(void)\n{\n}\n",
            [("f", 1, 10), ("g", 11, 13)],
        ),
        ("#define MAKE(x)\t\\\nint x(void)\t\\\n{\t\t\\\n}\nint real(void)\n{\n}\n", [("real", 5, 7)]),
        (
            "static inline int one(void) { return 1; }\nstatic inline int two(void) { return 2; }\n",
            [("one", 1, 1), ("two", 2, 2)],
        ),
        ("int stub(int a)\n{ return 0; }\nint next(void)\n{\n}\n", [("stub", 1, 2), ("next", 3, 5)]),
        ("int indented(void) {\n\treturn 1;\n\t}\n", [("indented", 1, 3)]),
        ("/*\n}\n */\nint after(void)\n{\n}\n", [("after", 4, 6)]),
        ("static const struct ops o = {\n\t.run = run,\n};\nint a;\n", []),
        ("", []),
        ("int f(void)\n{\n\treturn 1;\n", [("f", 1, 3)]),
    ],
)
def test_functions(text: str, expected: list[tuple[str, int, int]]) -> None:
    assert [(each.name, each.start, each.end) for each in functions(text)] == expected


@pytest.mark.parametrize("line", [-1, 0, 1, 3, 4, 8, 99])
def test_no_function_at(line: int) -> None:
    assert function_at("int x;\n\nstruct s {\n\tint a;\n};\n\nint g(void);\n\tint y;\n", line) is None


@pytest.mark.parametrize(
    "source", [b"", b"\n", b"a", b"a\n", b"\n\nb", b"a\r\n\n\tb\x0cc\nd\n", "é\n\u2028\n".encode(), b"\xe9\n"]
)
def test_spot(source: bytes) -> None:
    lines = source.split(b"\n")
    found = [spot(source, number) for number in range(1, len(lines) + 1)]
    for line, there in zip(lines, found, strict=True):
        assert line == (there.said if there else b"")
    assert [there for there in (spot(source, number) for number in (-1, 0, len(lines) + 1, 1 << 80)) if there] == []


def test_other_letters_do_not_move_lines() -> None:
    check('/* äöü\udce9 */\nint f(void)\n{\n\tp("é");\n}\n', Function("f", 2, 5))


def test_syntax_errors() -> None:
    good = "int f(void)\n{\n\tif (a)\n\t\treturn 1;\n\treturn 0;\n}\n"
    assert syntax_errors(good) == ()
    assert syntax_errors(good.replace("return 1;", "return 1 +;")) != ()
    assert syntax_errors(good.replace("if (a)", "if (a")) != ()
    assert syntax_errors(good + good.replace("\treturn 0;\n", "\treturn 0\n"))[0] >= 10


PIECES = [
    *"abS({});,\n\t #/*\\\"'=é",
    "#if\n",
    "#else\n",
    "#endif\n",
    "SYSCALL_DEFINE1(",
    "__init ",
    "\tfor_each(",
    "\n{\n",
    "\n}\n",
]


@given(st.lists(st.sampled_from(PIECES), max_size=120).map("".join))
def test_prepass_keeps_lengths_and_lines(text: str) -> None:
    before = plain_bytes(text)
    after = prepass(before)
    assert len(before) == len(after) == len(text)
    assert [at for at, byte in enumerate(before) if byte == 10] == [at for at, byte in enumerate(after) if byte == 10]
    for function in functions(text):
        assert 1 <= function.start <= function.end <= text.count("\n") + 1


@pytest.mark.parametrize(
    "line",
    [
        "a()" + " " * 50_000 + "x",
        "\tcase " + "..." * 30_000,
        "A(" * 30_000,
        "A()\n" * 10_000,
        "(" * 100_000,
        "{" * 100_000,
        "\tfor_each" * 10_000,
        "\tx" + "y" * 100_000,
    ],
)
def test_odd_text_takes_no_long_time(line: str) -> None:
    text = f"int f(void)\n{{\n{line}\n}}\n"
    function_at(text, 3)
    syntax_errors(text)
