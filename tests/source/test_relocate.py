"""A line of an old text, found again in a new one."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernfix.source.relocate import Quoted, align, by_offset, named, relocate

OLD = """\
#include "ring.h"

int ring_fill(struct ring *r, int count)
{
	int i, err;

	err = ring_lock(r);
	if (err)
		return err;
	for (i = 0; i < count; i++) {
		err = ring_put(r, i);
		if (err)
			return err;
		r->filled++;
	}
	ring_trace(r, count);
	return 0;
}

#ifdef CONFIG_RING_DEBUG
static int ring_check(struct ring *r)
{
	ring_dump(r);
	return r->filled;
}
#else
static int ring_check(struct ring *r)
{
	return 0;
}
#endif

SYSCALL_DEFINE2(ring_open, int, size, int, flags)
{
	struct ring *r = ring_alloc(size);

	return ring_install(r, flags);
}
"""


def line_of(text: str, part: str, occurrence: int = 0) -> int:
    """The line that `part` begins in, the 0-based `occurrence` of it."""
    at = -1
    for _ in range(occurrence + 1):
        at = text.index(part, at + 1)
    return text.count("\n", 0, at) + 1


def changed(*edits: tuple[str, str]) -> str:
    text = OLD
    for before, after in edits:
        assert before in text
        text = text.replace(before, after, 1)
    return text


SPLIT = changed(
    ("\t\tr->filled++;\n", "\t\tring_count(r);\n"),
    (
        "#ifdef",
        "static void ring_count(struct ring *r)\n{\n\tlockdep_assert_held(&r->lock);\n\tr->filled++;\n}\n\n#ifdef",
    ),
)
RENAMED = changed(("ring_fill", "ring_fill_locked"), ("#include", "/* A\n * longer\n * head.\n */\n#include"))


@pytest.mark.parametrize(
    ("new", "part", "occurrence", "expected", "step"),
    [
        # unchanged, moved by lines above it, indented anew
        (OLD, "ring_trace", 0, ("ring_trace", 0), "function"),
        ("\n\n" + OLD, "ring_trace", 0, ("ring_trace", 0), "function"),
        (changed(("\tring_trace", "\tif (count)\n\t\tring_trace")), "ring_trace", 0, ("ring_trace", 0), "function"),
        # of repeated lines, each is itself, with others added before, between and after
        (OLD, "return err;", 0, ("return err;", 0), "function"),
        (OLD, "return err;", 1, ("return err;", 1), "function"),
        (
            changed(("\terr = ring_lock", "\tif (!r)\n\t\treturn err;\n\terr = ring_lock")),
            "return err;",
            1,
            ("return err;", 2),
            "function",
        ),
        (
            changed(("\tring_trace", "\tif (err)\n\t\treturn err;\n\tring_trace")),
            "return err;",
            1,
            ("return err;", 1),
            "function",
        ),
        # of #if twins, the like one
        ("int x;\n" + OLD, "return 0;", 1, ("return 0;", 1), "function"),
        (OLD, "static int ring_check", 0, ("static int ring_check", 0), "function"),
        (OLD, "static int ring_check", 1, ("static int ring_check", 1), "function"),
        # a system call, its macro's line, and a line outside of functions
        ("\n" + OLD, "ring_install", 0, ("ring_install", 0), "function"),
        ("\n" + OLD, "SYSCALL_DEFINE2", 0, ("SYSCALL_DEFINE2", 0), "function"),
        ("/* */\n" + OLD, "#include", 0, ("#include", 0), "file"),
        # a small change in place
        (
            changed(("ring_trace(r, count);", "ring_trace(r, counts);")),
            "ring_trace",
            0,
            ("ring_trace", 0),
            "fuzzy",
        ),
        # another order in the function
        (
            changed(("\tring_trace(r, count);\n", ""), ("\tint i, err;\n", "\tint i, err;\n\tring_trace(r, count);\n")),
            "ring_trace",
            0,
            ("ring_trace", 0),
            "function",
        ),
        # the function has another name
        (RENAMED, "r->filled++", 0, ("r->filled++", 0), "file"),
        (RENAMED, "return err;", 1, ("return err;", 1), "file"),
    ],
)
def test_found(new: str, part: str, occurrence: int, expected: tuple[str, int], step: str) -> None:
    found = relocate(OLD, line_of(OLD, part, occurrence), new)
    assert (found.line, found.step) == (line_of(new, *expected), step), found
    assert 0.5 < found.confidence < 1
    assert found.reason.endswith(".")


@pytest.mark.parametrize(
    ("new", "part", "near"),
    [
        (changed(("\tring_trace(r, count);\n", "")), "ring_trace", "return 0;"),
        (changed(("ring_trace(r, count)", "trace_ring_was_filled(r)")), "ring_trace", "trace_ring_was_filled"),
        (
            changed(("\t\tr->filled++;\n", "\t\tcpu_relax();\n\t\tatomic_inc(&r->filled);\n")),
            "r->filled++",
            "atomic_inc",
        ),
        (SPLIT, "r->filled++", "ring_count"),
        (changed((OLD[line_of(OLD, "err = ring_lock") :], "")), "ring_dump", None),
        ("", "ring_trace", None),
        ("\x00\n}{\n" * 9, "ring_trace", None),
        ("int ring_fill(void)\n{\n\treturn 7;\n}\n", "ring_trace", None),
        ("int other(void)\n{\n\treturn 0;\n}\n", "return 0;", None),
    ],
)
def test_gone(new: str, part: str, near: str | None) -> None:
    found = relocate(OLD, line_of(OLD, part), new)
    assert (found.line, found.confidence, found.step) == (None, 0.0, "none"), found
    assert found.near == (line_of(new, near) if near else None)
    assert found.reason.endswith(".")


@pytest.mark.parametrize(
    ("line", "words"), [(0, "no line 0"), (-5, "no line -5"), (10**9, "no line"), (4, "no word"), (2, "no word")]
)
def test_nothing_asked(line: int, words: str) -> None:
    found = relocate(OLD, line, OLD)
    assert found.line is None
    assert words in found.reason


def test_not_the_next_best_of_repeated_lines() -> None:
    """The line's own neighbours are gone; another line of the same text is not it."""
    new = changed(("\t\terr = ring_put(r, i);\n\t\tif (err)\n\t\t\treturn err;\n", "\t\tring_put(r, i);\n"))
    assert relocate(OLD, line_of(OLD, "return err;", 1), new).line is None
    assert relocate(OLD, line_of(OLD, "return err;", 0), new).line == line_of(new, "return err;")


def excerpt(part: str, around: int, occurrence: int = 0) -> list[Quoted]:
    line = line_of(OLD, part, occurrence)
    texts = OLD.split("\n")
    return [Quoted(number, texts[number - 1]) for number in range(line - around, line + around + 1)]


@pytest.mark.parametrize(
    ("quoted", "part", "occurrence", "symbol", "expected"),
    [
        (excerpt("ring_put", 2), "ring_put", 0, "ring_fill", ("ring_put", 0)),
        (excerpt("ring_put", 2)[::-1], "ring_put", 0, "ring_fill", ("ring_put", 0)),
        (excerpt("ring_put", 2), "ring_put", 0, None, ("ring_put", 0)),
        (excerpt("ring_put", 2), "ring_put", 0, "ring_nowhere", ("ring_put", 0)),
        (excerpt("ring_put", 0), "ring_put", 0, "ring_fill", ("ring_put", 0)),
        (excerpt("ring_put", 0), "ring_put", 0, None, ("ring_put", 0)),
        (excerpt("return err;", 2, 1), "return err;", 1, "ring_fill", ("return err;", 1)),
        # one line alone, of which there are two; one that is not quoted; one of another function
        (excerpt("return err;", 0, 1), "return err;", 1, "ring_fill", None),
        (excerpt("return err;", 0, 1), "return err;", 1, None, None),
        (excerpt("ring_put", 2), "ring_trace", 0, "ring_fill", None),
        ([], "ring_trace", 0, "ring_fill", None),
    ],
)
def test_quoted_in_a_report(
    quoted: list[Quoted], part: str, occurrence: int, symbol: str | None, expected: tuple[str, int] | None
) -> None:
    new = "/* new */\n" + OLD
    found = relocate(quoted, line_of(OLD, part, occurrence), new, symbol)
    assert found.line == (line_of(new, *expected) if expected else None), found


@pytest.mark.parametrize(
    ("symbol", "offset", "line", "confidence"),
    [
        ("ring_fill", 4, 7, 0.6),
        ("ring_fill.isra.0", 4, 7, 0.6),
        ("ring_fill", None, 3, 0.3),
        ("ring_fill", 400, 3, 0.3),
        ("ring_fill", -1, 3, 0.3),
        ("ring_check", 1, 22, 0.3),
        ("__x64_sys_ring_open", 2, 35, 0.6),
        ("ring_nowhere", 2, None, 0.0),
        ("ring_put", 0, None, 0.0),
        ("", 0, None, 0.0),
        (".", None, None, 0.0),
    ],
)
def test_by_offset(symbol: str, offset: int | None, line: int | None, confidence: float) -> None:
    found = by_offset(OLD, symbol, offset)
    assert (found.line, found.confidence) == (line, confidence)
    assert found.step == ("offset" if line else "none")


@pytest.mark.parametrize(
    ("symbol", "starts"),
    [
        ("ring_fill", [3]),
        ("ring_check", [21, 27]),
        ("ring_open", []),
        ("sys_ring_open", [33]),
        ("ring", []),
        ("ring_put", []),
    ],
)
def test_named(symbol: str, starts: list[int]) -> None:
    assert [each.start for each in named(OLD, symbol)] == starts


@pytest.mark.parametrize(
    ("old", "new", "pairs"),
    [
        ("abc", "abc", {0: 0, 1: 1, 2: 2}),
        ("abc", "xaybzc", {0: 1, 1: 3, 2: 5}),
        ("abcd", "bcda", {1: 0, 2: 1, 3: 2}),
        ("aXbXc", "aXc", {0: 0, 1: 1, 4: 2}),
        ("", "abc", {}),
        ("abc", "", {}),
        ("abc", "xyz", {}),
    ],
)
def test_align(old: str, new: str, pairs: dict[int, int]) -> None:
    found = align(old, new)
    assert pairs.items() <= found.items()
    assert all(old[here] == new[there] for here, there in found.items())


def rising(pairs: Iterable[tuple[int, int]]) -> bool:
    there = [index for _, index in sorted(pairs)]
    return all(one < two for one, two in pairwise(there))


@given(st.text("abcX ", max_size=60), st.text("abcX ", max_size=60))
def test_alignment_is_of_equal_lines_and_rises(old: str, new: str) -> None:
    pairs = align(old, new)
    assert all(old[here] == new[there] for here, there in pairs.items())
    assert rising(pairs.items())


SOURCES = st.one_of(
    st.text(max_size=300), st.lists(st.sampled_from([*OLD.split("\n"), "{", "}", "\udcff"])).map("\n".join)
)


@given(SOURCES, st.integers(-2, 60), SOURCES, st.sampled_from([None, "", "ring_fill", "a b(", "ä"]))
def test_never_raises_and_stays_in_the_file(old: str, line: int, new: str, symbol: str | None) -> None:
    quoted = [Quoted(number, text) for number, text in enumerate(old.split("\n"), 1)]
    for found in (
        relocate(old, line, new, symbol),
        relocate(quoted, line, new, symbol),
        by_offset(new, symbol or "", line),
    ):
        for each in (found.line, found.near):
            assert each is None or 1 <= each <= new.count("\n") + 1
        assert 0 <= found.confidence <= 1
        assert (found.line is None) == (found.confidence == 0) == (found.step == "none")


@given(st.integers(0, 12), st.integers(0, 30))
def test_lines_above_do_not_matter(above: int, line: int) -> None:
    found = relocate(OLD, line, "/* new */\n" * above + OLD)
    assert found.line in (None, line + above)


@pytest.mark.parametrize(
    "text",
    [
        "int f(void)\n{\n" + "\tfoo(1);\n\tbar(2);\n" * 20_000 + "}\n",
        "int f(void)\n{\n" + "".join(f"\tfoo({number * number % 7});\n" for number in range(20_000)) + "}\n",
        "int f(void)\n{\n\t" + "f(x); " * 200_000 + "\n}\n",
        "f " * 500_000,
        "f(\n" * 10_000,
    ],
    ids=["two lines over and over", "few lines in disorder", "one long line", "the name on one line", "heads"],
)
def test_hostile_text_takes_no_long_time(text: str) -> None:
    before = time.process_time()
    relocate(text, 3, text.replace("foo(1)", "foo(3)"), "f")
    relocate([Quoted(1, "f(x)"), Quoted(2, "foo(1);")], 2, text, "f")
    by_offset(text, "f", 3)
    assert time.process_time() - before < 20
