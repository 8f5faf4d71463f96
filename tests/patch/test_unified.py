"""Unified diffs and line edits: what is written can be read back, by us and by git."""

from __future__ import annotations

import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernfix.patch import Change, apply_diff, line_edits, parse_diff, unified_diff
from kernfix.patch.text import split_lines

LINES = st.lists(
    st.sampled_from(["a", "b", "c", "", "}", "\tx = 1;", "-- a", "++ b", "\\ odd", "@@ -1 +1 @@"]), max_size=30
)
TEXTS = st.builds(lambda lines, end: "\n".join(lines) + end, LINES, st.sampled_from(["", "\n"]))


def diff(before: str | None, after: str | None, path: str = "a/b.c") -> str:
    return unified_diff(Change({path: before}, {path: after}))


def test_format() -> None:
    before = "".join(f"line {n}\n" for n in range(1, 21))
    after = before.replace("line 2\n", "line two\n").replace("line 20\n", "line 20\nline 21\n")
    assert diff(before, after, "kernel/x.c") == (
        "diff --git a/kernel/x.c b/kernel/x.c\n--- a/kernel/x.c\n+++ b/kernel/x.c\n"
        "@@ -1,5 +1,5 @@\n line 1\n-line 2\n+line two\n line 3\n line 4\n line 5\n"
        "@@ -18,3 +18,4 @@\n line 18\n line 19\n line 20\n+line 21\n"
    )


def test_created_and_deleted() -> None:
    assert diff(None, "x\n") == (
        "diff --git a/a/b.c b/a/b.c\nnew file mode 100644\n--- /dev/null\n+++ b/a/b.c\n@@ -0,0 +1 @@\n+x\n"
    )
    assert diff("x\n", None) == (
        "diff --git a/a/b.c b/a/b.c\ndeleted file mode 100644\n--- a/a/b.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"
    )


def test_missing_newline() -> None:
    text = diff("x\ny", "x\ny\n")
    assert text.endswith("@@ -1,2 +1,2 @@\n x\n-y\n\\ No newline at end of file\n+y\n")


def test_unchanged_is_empty() -> None:
    assert diff("x\n", "x\n") == ""
    assert unified_diff(Change()) == ""


def test_sorted_by_path() -> None:
    change = Change({"z.c": "1\n", "a.c": "1\n"}, {"z.c": "2\n", "a.c": "2\n"})
    assert [file.path for file in parse_diff(unified_diff(change)).files] == ["a.c", "z.c"]


@given(TEXTS, TEXTS)
def test_applies_back(before: str, after: str) -> None:
    change = apply_diff(diff(before, after), {"a/b.c": before}.get)
    if before == after:
        assert change.problems
    else:
        assert change.problems == ()
        assert change.after == {"a/b.c": after}


@given(TEXTS)
def test_creation_and_deletion_apply_back(text: str) -> None:
    assert apply_diff(diff(None, text), {}.get).after == {"a/b.c": text}
    assert apply_diff(diff(text, None), {"a/b.c": text}.get).after == {"a/b.c": None}


@given(TEXTS, TEXTS)
def test_line_edits_turn_before_into_after(before: str, after: str) -> None:
    lines = split_lines(before)
    edits = line_edits(before, after)
    assert all(edit.start < edit.end or edit.text for edit in edits)
    assert all(first.end < second.start for first, second in pairwise(edits))
    for edit in reversed(edits):
        lines[edit.start : edit.end] = [edit.text]
    assert "".join(lines) == after


def test_line_edits_are_small() -> None:
    (edit,) = line_edits("a\nb\nc\n", "a\nB\nc\n")
    assert (edit.start, edit.end, edit.text) == (1, 2, "B\n")


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a\nb\n", "a\nc\n"),
        ("a", "b"),
        (None, "new\n"),
        ("old\n", None),
        ("a\x0cb\r\n", "a\x0cc\r\n"),
        (None, ""),
        ("é\n", "è\n"),
    ],
)
@pytest.mark.parametrize("path", ["plain.c", "with blank/ö.c"])
def test_git_agrees(tmp_path: Path, before: str | None, after: str | None, path: str) -> None:
    file = tmp_path / path
    file.parent.mkdir(exist_ok=True)
    if before is not None:
        file.write_bytes(before.encode())
    command = ["git", "apply", "--whitespace=nowarn", "-"]
    subprocess.run(command, cwd=tmp_path, input=diff(before, after, path).encode(), check=True, timeout=30)
    assert (file.read_bytes().decode() if file.exists() else None) == after
