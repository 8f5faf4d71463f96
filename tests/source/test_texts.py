"""The files of a tree while a crash is being located."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernfix.source import Function, Tree
from kernfix.source.texts import Texts

ENTRY = """\
SYM_CODE_START(entry_call)
	call one
SYM_INNER_LABEL(entry_middle, SYM_L_GLOBAL)
	call two
SYM_CODE_END(entry_call)
	nop
SYM_FUNC_START(copy)
	ret
SYM_FUNC_END(copy)
"""
MADE = "}\nSHOW(temperature);\n\nSHOW_TWO(alarm,\n\tother);\nint x;\n"
CODE = "arch/x86/entry/more.S"


@pytest.fixture
def texts(make_tree: Callable[..., Tree]) -> Texts:
    return Texts(make_tree({CODE: ENTRY, "kernel/made.c": MADE, "kernel/empty.c": "", "kernel/odd.c": b"/* \xe9 */\n"}))


@pytest.mark.parametrize(
    ("path", "line", "text"),
    [
        ("kernel/ring.c", 1, "// SPDX-License-Identifier: MIT"),
        ("kernel/odd.c", 1, "/* \udce9 */"),
        ("kernel/ring.c", 0, None),
        ("kernel/ring.c", -1, None),
        ("kernel/ring.c", 4000, None),
        ("kernel/empty.c", 1, None),
        ("kernel/none.c", 1, None),
        ("../secret.c", 1, None),
        ("/etc/passwd", 1, None),
    ],
)
def test_line(texts: Texts, path: str, line: int, text: str | None) -> None:
    (texts.tree.root.parent / "secret.c").write_text("secret\n")
    assert texts.line(path, line) == text


@pytest.mark.parametrize(
    ("path", "line", "function"),
    [
        ("kernel/ring.c", 11, Function("ring_put", 7, 13)),
        ("kernel/ring.c", 7, Function("ring_put", 7, 13)),
        ("kernel/ring.c", 14, None),
        ("kernel/ring.c", 4000, None),
        ("kernel/none.c", 1, None),
        (CODE, 2, Function("entry_call", 1, 5)),
        (CODE, 4, Function("entry_middle", 3, 5)),
        (CODE, 6, None),
        (CODE, 8, Function("copy", 7, 9)),
        (CODE, 4000, None),
    ],
)
def test_function(texts: Texts, path: str, line: int, function: Function | None) -> None:
    assert texts.function(path, line) == function


@pytest.mark.parametrize(
    ("path", "symbol", "start"),
    [
        ("kernel/ring.c", "ring_put.isra.0", 7),
        ("kernel/ring.c", "__x64_sys_ring_write", 22),
        ("kernel/ring.c", "ring", None),
        ("kernel/none.c", "ring_put", None),
        (CODE, "entry_middle", 3),
        (CODE, "__pfx_copy", 7),
        (CODE, "one", None),
    ],
)
def test_named(texts: Texts, path: str, symbol: str, start: int | None) -> None:
    found = texts.named(path, symbol)
    assert (found and found.start) == start


@pytest.mark.parametrize(
    ("line", "macro"),
    [(1, None), (2, "SHOW"), (3, None), (4, "SHOW_TWO"), (5, "SHOW_TWO"), (6, None), (0, None), (4000, None)],
)
def test_invocation(texts: Texts, line: int, macro: str | None) -> None:
    use = texts.invocation("kernel/made.c", line)
    assert (use and use.macro) == macro


def test_a_file_is_read_once(texts: Texts) -> None:
    before = texts.text("kernel/ring.c")
    (texts.tree.root / "kernel/ring.c").unlink()
    assert texts.text("kernel/ring.c") is before
    assert texts.function("kernel/ring.c", 11) == Function("ring_put", 7, 13)


@pytest.mark.parametrize("line", [11, 4000])
def test_location_without_a_function(texts: Texts, line: int) -> None:
    location = texts.location("kernel/ring.c", line, None, "log", 1 / 3, "So it is.")
    assert (location.function, location.function_start, location.function_end) == (None, None, None)
    assert location.confidence == 0.33
    assert location.selector.startswith(f"kernel/ring.c#+{line - 1}~")
