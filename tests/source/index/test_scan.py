"""What one file adds to the index: functions through the kernel's idioms, macros that make functions, labels of assembler."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernfix.source.index.macros import makers_of
from kernfix.source.index.model import Defined, Maker, Use
from kernfix.source.index.scan import scan

BODY = "{\n\treturn 0;\n}\n"


def defined(text: str, path: str = "x.c") -> list[tuple[str, int, int]]:
    return [(each.name, each.start, each.end) for each in scan(text.encode(), path).defined]


def check(text: str, *names: str) -> None:
    """The text defines these functions, and another one behind it is found at its place."""
    after = text.count("\n") + 1
    assert [name for name, _, _ in defined(text)] == list(names)
    assert defined(f"{text}int after(void)\n{BODY}")[-1] == ("after", after, after + 3)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ("int plain(int a)", "plain"),
        ("static struct ring __percpu *\nsplit(int a,\n      int b)", "split"),
        ("static __printf(2, 3) void said(int a, const char *f, ...)", "said"),
        ("int locked(struct ring *r)\n\t__acquires(&r->lock)\n\t__releases(&r->lock)", "locked"),
        ("static int (*pick(int a))(int)", "pick"),
        ("void __warn(const char *file)", "__warn"),
        ("int f(struct ring *r /* the ) ring { */, int b)", "f"),
        ("int f(a, b)\n\tint a;\n\tint b;", "f"),
        ("#ifdef A\nint f(int a)\n#else\nint f(long a)\n#endif", "f"),
        ("SYSCALL_DEFINE2(ring_cut, int, fd, unsigned long, by)", "sys_ring_cut"),
        ("COMPAT_SYSCALL_DEFINE1(ring_cut, int, fd)", "compat_sys_ring_cut"),
        ("BPF_CALL_1(bpf_ring, struct ring *, r)", "bpf_ring"),
        ("DEFINE_IDTENTRY_RAW(exc_ring)", "exc_ring"),
        ("static int UVERBS_HANDLER(METHOD_RING)(\n\tstruct bundle *attrs)", "METHOD_RING"),
    ],
)
def test_head(head: str, name: str) -> None:
    check(f"{head}\n{BODY}", name)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("static inline int one(void) { return 1; }\nstatic inline int two(void) { return 2; }\n", ["one", "two"]),
        ("int stub(int a)\n{ return 0; }\n", ["stub"]),
        ("int other(void) {\n\treturn 1;\n}\n", ["other"]),
        ("int inset(void)\n  {\n    if (a) {\n      b();\n    }\n  }\n", ["inset"]),
        ("EXPORT_SYMBOL(a)\nint b(void)\n{\n}\nmodule_init(b)\n", ["b"]),
        ("int f(void)\n{\n#ifdef A\n\tif (a) {\n#else\n\tif (b) {\n#endif\n\t\tc();\n\t}\n}\n", ["f"]),
        ("#ifdef A\nint f(int a)\n{\n\tx();\n#else\nint f(void)\n{\n#endif\n\ty();\n}\n", ["f"]),
        # what is not built, whatever is in it
        ("#if 0\nint gone(void)\n{\n#ifdef A\n}\n#endif\n#else\nint kept(void)\n{\n}\n#endif\n", ["kept"]),
        ("#if 0 /* later */\nint gone(void)\n{\n}\n#endif\n", []),
        ("#if 01\nint kept(void)\n{\n}\n#endif\n", ["kept"]),
        # what looks like a function
        ("struct ring {\n\tint (*run)(void);\n} __aligned(8);\n", []),
        ("struct ring\n{\n\tint a;\n};\nenum { A, B };\n", []),
        ("static const struct ops o = {\n\t.run = RUN(1),\n};\n", []),
        ("static int t[] = { 1, 2,\n\t\t   3, 4 };\n", []),
        ("static DEFINE_PER_CPU(struct ring, r) = {\n\t.a = 1,\n};\n", []),
        ("/*\n * int f(void)\n * {\n */\n", []),
        ("// int f(void) {\n", []),
        ("#define MAKE(x)\t\\\nint x(void)\t\\\n{\t\t\\\n}\n", []),
        ("int g(void);\nextern int h(int a, int b);\n", []),
        ('extern "C" {\nint c(void)\n{\n}\n}\n', ["c"]),
        ("TRACE_EVENT(ring,\n\tTP_fast_assign(\n\t\ta = 1;\n\t\tif (b) {\n\t\t\tc = 2;\n\t\t}\n\t),\n\tTP_printk(\"x\")\n);\n", []),
        ("", []),
    ],
)  # fmt: skip
def test_text(text: str, names: list[str]) -> None:
    check(text, *names)


def test_spans() -> None:
    text = "#include <a.h>\n\n/* Says f(). */\nstatic int\nf(int a)\n{\n\treturn a;\n}\n\nint g(void) { return 0; }\n"
    assert defined(text) == [("f", 4, 8), ("g", 10, 10)]


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        ("\nDEFINE_SHOW_ATTRIBUTE(ring);\n", [Use("DEFINE_SHOW_ATTRIBUTE", ("ring",), 2, 2)]),
        ("\nTRACE_EVENT(ring,\n\tTP_PROTO(int a, int b),\n\tTP_ARGS(a)\n);\n", [Use("TRACE_EVENT", ("ring", "", ""), 2, 5)]),
        ("\nMAKE(1, \"a, b)\", c)\n", [Use("MAKE", ("1", "", "c"), 2, 2)]),
        ("int a;\nMAKE(a)\n\nMAKE(b)\n", [Use("MAKE", ("a",), 2, 2), Use("MAKE", ("b",), 4, 4)]),
        ("\nBPF_CALL_1(ring, int, a)\n{\n}\n", [Use("BPF_CALL_1", ("ring", "int", "a"), 2, 4)]),
        # the rest of a declaration, or nothing that makes a function
        ("static int\nf(int a);\n", []),
        ("\nEXPORT_SYMBOL_GPL(ring);\nMODULE_LICENSE(\"GPL\");\n", []),
        ("\nMAKE(never closed\n", []),
    ],
)  # fmt: skip
def test_uses(text: str, uses: list[Use]) -> None:
    assert list(scan(text.encode(), "x.c").uses) == uses


@pytest.mark.parametrize(
    ("text", "makers"),
    [
        (
            "#define SHOW(name) \\\nstatic int name##_show(struct ring *r) \\\n{ \\\n\treturn 0; \\\n}\n",
            [Maker("SHOW", "", ((0, "_show"),))],
        ),
        (
            "#define BOTH(pre, name) \\\nint pre##_get_##name(void) { return 1; } \\\nvoid pre ## _put(int a) { }\n",
            [Maker("BOTH", "", ((0, "_get_", 1),)), Maker("BOTH", "", ((0, "_put"),))],
        ),
        ("#define HEAD(name) static void run_##name(struct ring *r)\n", [Maker("HEAD", "", (("run_", 0),))]),
        ("#define NAME(x) fast_##x\n", [Maker("NAME", "", (("fast_", 0),))]),
        ("#define OUTER(a, b) \\\n\tINNER(a##_x, b, 7)\n", [Maker("OUTER", "INNER", ((0, "_x"), (1,), ("7",)))]),
        (
            "#define LONG(one, \\\n\t     two) \\\n/* why */ \\\nint two ## _run(int a) \\\n{ \\\n}\n",
            [Maker("LONG", "", ((1, "_run"),))],
        ),
        (
            "#define DECLARE_IDTENTRY(vector, func) idtentry vector asm_##func func\n",
            [Maker("DECLARE_IDTENTRY", "", (("asm_", 1),))],
        ),
        ("#define READ(a) ((a) << 3)\n#define IS(a) if (a) {\n#define N 1\n", []),
        ("#define WALK(p) for (p = first(); p; p = next(p)) {\n", []),
    ],
)
def test_makers(text: str, makers: list[Maker]) -> None:
    assert list(makers_of(text.encode())) == makers


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("SYM_FUNC_START(copy)\n\tret\nSYM_FUNC_END(copy)\n", [Defined("copy", 1, 3, "label")]),
        ("\nSYM_CODE_START_LOCAL(entry)\n\tnop\nSYM_INNER_LABEL(middle, SYM_L_GLOBAL)\n\tret\nSYM_CODE_END(entry)\n",
         [Defined("entry", 2, 6, "label"), Defined("middle", 4, 6, "label")]),
        ("ENTRY(old)\n\tret\nENDPROC(old)\n", [Defined("old", 1, 3, "label")]),
        ("plain:\n\tret\nnext:\n\tret\n", [Defined("plain", 1, 2, "label"), Defined("next", 3, 4, "label")]),
        ("1:\tjmp 1b\n", []),
    ],
)  # fmt: skip
def test_assembly(text: str, labels: list[Defined]) -> None:
    found = {each.name: each for each in scan(text.encode(), "x.S").defined}
    assert list(found) == [label.name for label in labels]
    for label in labels:
        assert found[label.name].start == label.start
        assert found[label.name].end == label.end


TOKENS = ["{", "}", "(", ")", ";", ",", "\n", "\\\n", "#if 0\n", "#else\n", "#endif\n", "#define M(x) ", "##", "/*", "*/", "//",
          '"', "'", "int f", "STATIC", "\n}", "\n{", " ", "=", "\x00", "\xff", "struct s "]  # fmt: skip


@given(st.lists(st.sampled_from(TOKENS), max_size=60), st.sampled_from(["x.c", "x.h", "x.S", "x"]))
def test_any_text_is_read(tokens: list[str], path: str) -> None:
    text = "".join(tokens).encode("latin-1")
    found = scan(text, path)
    last = text.count(b"\n") + 1
    for each in (*found.defined, *found.uses):
        assert 1 <= each.start <= each.end <= last


PIECES = [
    "(",
    "{",
    "}",
    "\nf(",
    "f(\n",
    "#if 0\n",
    "/*",
    "\n{",
    "\nM(a,b)",
    "#define M(a) a##b(\\\n",
    "f(a) {",
    "\nf(a) {\n",
]
MACROS = ["x##", "x##a(", "x##a(){", "x( ", "xxxx"]


@pytest.mark.parametrize(
    "text",
    [*(piece * 20_000 for piece in PIECES), *(f"#define M(a) {piece * 20_000}" for piece in MACROS)],
    ids=[*PIECES, *MACROS],
)
def test_long_texts_take_time_in_proportion(text: str) -> None:
    scan(f"{text}\n{{;".encode(), "x.c")  # minutes, if it were quadratic
