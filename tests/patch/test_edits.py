"""Search and replace: one place, or a problem that says why not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernfix.patch import Change, Edit, apply_edits

RING = (
    "int ring_put(struct ring *r, int v)\n{\n\tif (r->full)\n\t\treturn -1;\n\tr->slot[r->head] = v;\n\treturn 0;\n}\n"
)
FILES = {"lib/ring.c": RING, "lib/two.c": "x = 1000;\nx = 1000;\n", "lib/tail.c": "int last;"}


def apply(*edits: Edit) -> Change:
    return apply_edits(edits, FILES.get)


def check(change: Change, path: str, expected: str) -> None:
    assert change.problems == ()
    assert change.after == {path: expected}
    assert change.before == {path: FILES[path]}


def check_problem(change: Change, *words: str) -> None:
    assert len(change.problems) == 1
    for word in words:
        assert word in change.problems[0].message


def test_exact() -> None:
    edit = Edit("lib/ring.c", "\treturn 0;\n", "\treturn v;\n")
    check(apply(edit), "lib/ring.c", RING.replace("return 0", "return v"))


def test_part_of_a_line() -> None:
    check(apply(Edit("lib/ring.c", "r->full", "r->is_full")), "lib/ring.c", RING.replace("r->full", "r->is_full"))


def test_edits_apply_in_sequence() -> None:
    first, second = Edit("lib/ring.c", "r->full", "r->stopped"), Edit("lib/ring.c", "r->stopped", "r->ended")
    check(apply(first, second), "lib/ring.c", RING.replace("r->full", "r->ended"))


def test_spaces_for_tabs_keeps_the_lines_of_the_file() -> None:
    search = "    if (r->full)\n        return -1;\n"
    replace = "    if (r->full)\n        return -1;\n    if (r->head >= SLOTS)\n        return -2;\n"
    expected = RING.replace("\t\treturn -1;\n", "\t\treturn -1;\n\tif (r->head >= SLOTS)\n\t\treturn -2;\n")
    check(apply(Edit("lib/ring.c", search, replace)), "lib/ring.c", expected)


def test_search_without_indentation() -> None:
    edit = Edit("lib/ring.c", "if (r->full)\nreturn -1;\nr->slot[r->head]  =  v;", "r->slot[0] = v;")
    expected = RING.replace("\tif (r->full)\n\t\treturn -1;\n\tr->slot[r->head] = v;\n", "\tr->slot[0] = v;\n")
    check(apply(edit), "lib/ring.c", expected)


def test_loose_match_at_the_end_keeps_the_missing_newline() -> None:
    check(apply(Edit("lib/tail.c", "  int   last;\n", "  long last;\n")), "lib/tail.c", "long last;")


def test_deletion_of_lines() -> None:
    check(apply(Edit("lib/ring.c", "\treturn 0;\n", "")), "lib/ring.c", RING.replace("\treturn 0;\n", ""))


def test_carriage_returns_of_the_answer_are_dropped() -> None:
    check(
        apply(Edit("lib/ring.c", "{\r\n\tif (r->full)\r\n", "{\r\n")),
        "lib/ring.c",
        RING.replace("\tif (r->full)\n", ""),
    )


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../x.c",
        "lib/../../x.c",
        "lib\\ring.c",
        "lib/\0.c",
        "./lib/ring.c",
        "lib//ring.c",
        ".git/config",
    ],
)
def test_unsafe_path(path: str) -> None:
    asked: list[str] = []
    change = apply_edits([Edit(path, "return 0", "return 1")], lambda name: asked.append(name))
    check_problem(change, "cannot be edited")
    assert asked == []


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (Edit("lib/none.c", "return 0", "x"), ("no readable file", "lib/none.c")),
        (Edit("lib/ring.c", "return 7;", "x"), ("does not occur", "return 7;")),
        (Edit("lib/two.c", "x = 1000;", "y"), ("occurs 2 times",)),
        (Edit("lib/two.c", "x   =  1000;", "y"), ("occurs 2 times", "white space")),
        (Edit("lib/ring.c", "}\n", "x"), ("too short",)),
        (Edit("lib/ring.c", "", "x"), ("too short",)),
        (Edit("lib/ring.c", "return 0;", "return 0;"), ("by itself",)),
        (Edit("lib/ring.c", "  if (r->full)", "    if  (r->full)"), ("by itself",)),
        (Edit("lib/ring.c", "return 0;", "x" * (33 << 20)), ("too large",)),
    ],
)
def test_problem(edit: Edit, words: tuple[str, ...]) -> None:
    check_problem(apply(edit), *words)


def test_no_edits() -> None:
    check_problem(apply(), "change nothing")


def test_edits_that_undo_each_other() -> None:
    change = apply(Edit("lib/ring.c", "r->full", "r->done"), Edit("lib/ring.c", "r->done", "r->full"))
    check_problem(change, "change nothing")


def test_overlapping_occurrences_are_counted() -> None:
    change = apply_edits([Edit("a.c", "abab", "x")], {"a.c": "ababab\n"}.get)
    check_problem(change, "times")


def test_every_problem_is_reported() -> None:
    change = apply(Edit("lib/none.c", "return 0", "x"), Edit("lib/ring.c", "return 7;", "x"))
    assert [problem.file for problem in change.problems] == ["lib/none.c", "lib/ring.c"]


@given(st.text(max_size=200), st.text(max_size=40), st.text(max_size=40))
def test_never_raises_and_keeps_its_word(text: str, search: str, replace: str) -> None:
    change = apply_edits([Edit("a.c", search, replace)], {"a.c": text}.get)
    if not change.problems:
        assert change.after["a.c"] != text
        if search in text:
            assert change.after["a.c"] == text.replace(search, replace, 1) or "\r" in search + replace
