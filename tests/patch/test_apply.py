"""Reading and applying patches that others wrote."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernfix.patch import Change, apply_diff, parse_diff

TEXT = "".join(f"line {n}\n" for n in range(1, 31))
HUNK = "@@ -9,3 +9,3 @@ some_function\n line 9\n-line 10\n+line ten\n line 11\n"
PLAIN = f"--- a/fs/x.c\t2026-01-01 00:00:00\n+++ b/fs/x.c\t2026-01-02 00:00:00\n{HUNK}"


def apply(patch: str, text: str | None = TEXT, path: str = "fs/x.c") -> Change:
    return apply_diff(patch, lambda name: text if name == path else None)


def check_problem(change: Change, *words: str) -> None:
    assert len(change.problems) == 1, change.problems
    for word in words:
        assert word in change.problems[0].message


def test_plain_diff() -> None:
    assert apply(PLAIN).after == {"fs/x.c": TEXT.replace("line 10\n", "line ten\n")}


def test_mail_around_the_diff() -> None:
    mail = (
        f"From: someone\nSubject: [PATCH] fs: count in words\n\nLong text.\n---\n fs/x.c | 2 +-\n\n{PLAIN}-- \n2.47\n\n"
    )
    assert apply(mail) == apply(PLAIN)


def test_hunk_at_another_line() -> None:
    moved = "new\n" * 7 + TEXT
    assert apply(PLAIN, moved).after == {"fs/x.c": moved.replace("line 10\n", "line ten\n")}


def test_drift_carries_over_to_the_next_hunk() -> None:
    text = "top\n" + "same\n" * 4 + "middle\n" + "same\n" * 20
    patch = "--- a/f.c\n+++ b/f.c\n@@ -1 +1 @@\n-top\n+TOP\n@@ -3,1 +3,1 @@\n-same\n+SAME\n"
    moved = "first\n" * 3 + text
    lines = apply(patch, moved, "f.c").after["f.c"].split("\n")  # type: ignore[union-attr]
    assert [at for at, line in enumerate(lines) if line.isupper()] == [3, 5]


def test_empty_context_line_stripped_by_a_mailer() -> None:
    patch = "--- a/f.c\n+++ b/f.c\n@@ -1,3 +1,3 @@\n a\n\n-b\n+c\n"
    assert apply(patch, "a\n\nb\n", "f.c").after == {"f.c": "a\n\nc\n"}


def test_two_parts_for_one_file() -> None:
    again = PLAIN.replace("line 10\n", "line ten\n").replace("+line ten", "+line X")
    assert apply(PLAIN + again).after == {"fs/x.c": TEXT.replace("line 10\n", "line X\n")}


def test_insertion_without_context() -> None:
    patch = "--- a/f.c\n+++ b/f.c\n@@ -1,0 +2 @@\n+b\n"
    assert apply(patch, "a\nc\n", "f.c").after == {"f.c": "a\nb\nc\n"}


def test_quoted_name() -> None:
    patch = '--- "a/d\\303\\266.c"\n+++ "b/d\\303\\266.c"\n@@ -1 +1 @@\n-a\n+b\n'
    assert apply(patch, "a\n", "dö.c").after == {"dö.c": "b\n"}


def test_removed_line_that_looks_like_a_head() -> None:
    patch = "--- a/f.c\n+++ b/f.c\n@@ -1,2 +1 @@\n--- a/g.c\n x\n"
    assert apply(patch, "-- a/g.c\nx\n", "f.c").after == {"f.c": "x\n"}


def test_empty_file_made_and_deleted() -> None:
    head = "diff --git a/n.c b/n.c\n"
    assert apply(f"{head}new file mode 100644\nindex 0000000..e69de29\n", None).after == {"n.c": ""}
    assert apply(f"{head}deleted file mode 100644\nindex e69de29..0000000\n", "", "n.c").after == {"n.c": None}


def test_tree_differs() -> None:
    change = apply(PLAIN, TEXT.replace("line 10\n", "line changed\n"))
    check_problem(change, "Hunk 1 of fs/x.c (line 9)", "at line 10", "`line 10`", "`line changed`")


def test_already_applied() -> None:
    check_problem(apply(PLAIN, TEXT.replace("line 10\n", "line ten\n")), "applied already")


def test_nothing_of_it_is_there() -> None:
    check_problem(apply(PLAIN, "other\n"), "none of its lines")


def test_ambiguous() -> None:
    block = "line 9\nline 10\nline 11\n"
    check_problem(apply(PLAIN, "x\n" * 5 + block + "x\n" * 3 + block), "lines 6 and 12 fit equally well")


def test_second_hunk_fails_and_is_named() -> None:
    change = apply(PLAIN + "@@ -20,1 +20,1 @@\n-line twenty\n+x\n")
    check_problem(change, "Hunk 2 of fs/x.c (line 20)")


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ("", ("no unified diff",)),
        ("just words\n--- and a rule\n", ("no unified diff",)),
        (PLAIN.replace("fs/x.c", "fs/none.c"), ("no readable file", "fs/none.c")),
        (PLAIN.replace("fs/x.c", "../../etc/passwd"), ("leaves the tree",)),
        (PLAIN.replace("a/fs/x.c", "/etc/passwd").replace("b/fs/x.c", "/etc/passwd"), ("absolute",)),
        (PLAIN.replace("fs/x.c", ".git/hooks/x"), ("git's own folder",)),
        (PLAIN.replace("@@ -9,3 +9,3 @@", "@@ -9,4 +9,4 @@"), ("Hunk 1", "counts")),
        (PLAIN.replace("@@ -9,3 +9,3 @@", "@@ -9,2 +9,3 @@"), ("Hunk 1", "counts")),
        (PLAIN.replace("b/fs/x.c", "b/fs/y.c"), ("renames",)),
        ("diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\n", ("renames",)),
        ("diff --git a/x b/x\nindex 1..2\nGIT binary patch\nliteral 1\n", ("binary",)),
        ("diff --git a/x b/x\nindex 1..2 100644\nBinary files a/x and b/x differ\n", ("binary",)),
        ("diff --git a/x b/x\nold mode 100644\nnew mode 100755\n", ("mode",)),
        (
            "diff --git a/x b/x\nnew file mode 120000\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+/etc\n",
            ("symbolic link",),
        ),
        (HUNK, ("belongs to no file",)),
        ("--- a/f.c\n+++ b/f.c\n@@ -99,0 +100 @@\n+b\n", ("no readable file",)),
    ],
)
def test_refused(patch: str, words: tuple[str, ...]) -> None:
    change = apply(patch)
    assert change.problems
    for word in words:
        assert word in change.problems[0].message


def test_creating_what_exists() -> None:
    check_problem(apply("--- /dev/null\n+++ b/fs/x.c\n@@ -0,0 +1 @@\n+x\n"), "exists already")


def test_deleting_what_has_more_lines() -> None:
    check_problem(apply("--- a/fs/x.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-line 1\n"), "more lines")


def test_too_large() -> None:
    assert parse_diff(" " * ((32 << 20) + 1)).problems[0].message == "The patch is too large."


@given(
    st.lists(
        st.sampled_from(
            [*PLAIN.split("\n"), "diff --git a/x b/x", "new file mode 100644", "\\ No", "@@ -1 +1 @@", '--- "', "+++ "]
        )
    )
)
def test_never_raises(lines: list[str]) -> None:
    apply("\n".join(lines))
    parse_diff("\n".join(lines))
