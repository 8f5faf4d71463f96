"""Addresses of lines, made and resolved after edits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernfix.source import Function, Tree, function_at
from kernfix.source.selector import MAX_CANDIDATES, Selector, make_selector, parse_selector, resolve

TEXT = """\
#define SLOTS 8

int ring_cut(struct ring *r, int by)
{
	if (!r)
		return -EINVAL;
	if (by > SLOTS)
		return -EINVAL;
	ring_trim(r, by);
	return 0;
}

int ring_end(struct ring *r)
{
	ring_stop(r);
	return 0;
}
"""


def selector(line: int, text: str = TEXT) -> str:
    return make_selector("kernel/ring.c", line, function_at(text, line), text.split("\n")[line - 1])


def reader(text: str) -> Callable[[str], str | None]:
    return {"kernel/ring.c": text}.get


def test_format() -> None:
    assert make_selector("a/b.c", 12, Function("f", 10, 20), "\treturn 0; ") == "a/b.c#f+2~6be2e46a"
    assert make_selector("a/b.c", 12, None, "return 0;") == "a/b.c#+11~6be2e46a"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a/b.c#f+2~0123abcd", ("a/b.c", "f", 2, "0123abcd")),
        ("a/b.c#+0~0123abcd", ("a/b.c", "", 0, "0123abcd")),
        ("a#b.c#f+2~0123abcd", ("a#b.c", "f", 2, "0123abcd")),
        ("", None),
        ("a/b.c", None),
        ("#f+2~0123abcd", None),
        ("a/b.c#f+2~0123ABCD", None),
        ("a/b.c#f+2~0123abc", None),
        ("a/b.c#f+2~0123abcd\n", None),
        ("a/b.c#f+-2~0123abcd", None),
        ("a/b.c#f+٣~0123abcd", None),
        ("a/b.c#f+" + "9" * 5000 + "~0123abcd", None),
        ("a/b.c#f g+2~0123abcd", None),
        ("x" * 5000 + "#f+2~0123abcd", None),
    ],
)
def test_parse(text: str, parts: tuple[str, str, int, str] | None) -> None:
    assert parse_selector(text) == (Selector(*parts) if parts else None)


RENAMED = TEXT.replace("ring_cut", "ring_cut_locked")
MOVED = TEXT.replace("\tring_trim(r, by);\n", "").replace("\tring_stop(r);\n", "\tring_trim(r, by);\n\tring_stop(r);\n")
INSERTED = TEXT.replace("\tif (!r)\n", "\tring_look(r);\n\tif (!r)\n")
TWINS = TEXT + "#else\n" + TEXT


@pytest.mark.parametrize(
    ("line", "new", "expected"),
    [
        # where it was: alone, and as one of two
        (9, TEXT, [(9, 1.0)]),
        (6, TEXT, [(6, 0.9)]),
        (8, TEXT, [(8, 0.9)]),
        (1, TEXT, [(1, 1.0)]),
        # the function or the line has moved
        (9, "\n\n" + TEXT, [(11, 1.0)]),
        (9, TEXT.replace("\tring_trim", "\t\tring_trim"), [(9, 1.0)]),
        (9, INSERTED, [(10, 0.8)]),
        (10, INSERTED, [(11, 0.8)]),
        (1, "\n" + TEXT, [(2, 0.6)]),
        # in another function, or in one of another name
        (9, MOVED, [(14, 0.6)]),
        (9, RENAMED, [(9, 0.6)]),
        # nothing tells them apart
        (6, INSERTED, [(7, 0.4), (9, 0.4)]),
        (10, RENAMED, [(10, 0.3), (16, 0.3)]),
        (9, TWINS, [(9, 0.4), (27, 0.4)]),
    ],
)
def test_resolve(line: int, new: str, expected: list[tuple[int, float]]) -> None:
    found = resolve(selector(line), reader(new))
    assert [(each.line, each.score) for each in found.candidates] == expected, found
    assert found.problem is None
    assert (found.best.line if found.best else None) == (expected[0][0] if len(expected) == 1 else None)
    assert all(each.reason.endswith(".") and each.path == "kernel/ring.c" for each in found.candidates)


@pytest.mark.parametrize(
    ("text", "new", "words"),
    [
        ("nonsense", TEXT, "no selector"),
        ("", TEXT, "no selector"),
        ("kernel/gone.c#f+0~0123abcd", TEXT, "kernel/gone.c is not"),
        (selector(9), TEXT.replace("ring_trim(r, by)", "ring_trim(r)"), "No line of kernel/ring.c"),
        (selector(9), "", "No line"),
        (selector(9), "ring_trim(r, by);\n" * (MAX_CANDIDATES + 1), "21 lines"),
    ],
)
def test_no_candidate(text: str, new: str, words: str) -> None:
    found = resolve(text, reader(new))
    assert (found.candidates, found.best) == ((), None)
    assert words in (found.problem or "")


def test_of_a_tree(tree: Tree) -> None:
    text = tree.read("kernel/ring.c") or ""
    made = make_selector("kernel/ring.c", 11, function_at(text, 11), text.split("\n")[10])
    found = resolve(made, tree.read)
    assert found.best is not None
    assert found.best.line == 11
    for outside in ("../ring.c", "/etc/passwd"):
        assert resolve(made.replace("kernel/ring.c", outside), tree.read).problem == f"{outside} is not in this tree."


@given(st.text() | st.from_regex(r"[a#/+~]{1,9}#\w{0,5}\+\d{1,9}~[0-9a-f]{7,9}"), st.text())
def test_never_raises(text: str, new: str) -> None:
    found = resolve(text, lambda _: new)
    assert bool(found.candidates) != bool(found.problem)


@given(st.integers(1, TEXT.count("\n")), st.integers(0, 9))
def test_lines_above_a_function_do_not_matter(line: int, above: int) -> None:
    function = function_at(TEXT, line)
    if function and "EINVAL" not in TEXT.split("\n")[line - 1]:
        best = resolve(selector(line), reader("/* */\n" * above + TEXT)).best
        assert best is not None
        assert best.line == line + above
