"""Drafts to candidates: the checks in their order, and identity by diff."""

from __future__ import annotations

import pytest

from kernfix.fix.checks import MAX_CHANGED_LINES, check
from kernfix.fix.model import Candidate, Draft
from kernfix.patch.model import Edit

TEXT = """\
int f(struct a *a)
{
	int n;

	WARN_ON(!a);
	n = a->n;
	return n;
}

int g(void)
{
	return 1;
}
"""
FILES = {
    "mm/a.c": TEXT,
    "mm/odd.c": "FOO(x) int f( { return 1; }\n\nint g(void)\n{\n\treturn 1;\n}\n",
    "Documentation/a.rst": "Title\n=====\n",
}


def checked(search: str, replace: str, file: str = "mm/a.c", hypothesis: str = "h") -> Candidate:
    return check(Draft("llm", hypothesis, (Edit(file, search, replace),)), FILES.get)


def test_a_good_draft_passes_all_checks() -> None:
    candidate = checked("\tn = a->n;\n", "\tif (!a)\n\t\treturn -EINVAL;\n\tn = a->n;\n")
    assert candidate.ok
    assert list(candidate.checks) == ["applies", "size", "parses", "papering-over"]
    assert all(test.ok and test.detail and test.seconds >= 0 for test in candidate.checks.values())
    assert candidate.change.after["mm/a.c"] == TEXT.replace(
        "\tn = a->n;\n", "\tif (!a)\n\t\treturn -EINVAL;\n\tn = a->n;\n"
    )
    assert "--- a/mm/a.c\n+++ b/mm/a.c\n" in candidate.diff


@pytest.mark.parametrize(
    ("search", "replace", "failing", "detail"),
    [
        pytest.param("\tn = b->n;\n", "\tn = 1;\n", "applies", "does not occur", id="not-there"),
        pytest.param("\treturn ", "\treturn 2 + ", "applies", "2 times", id="twice"),
        pytest.param("\tn = a->n;\n", "\tn = a->n;\n", "applies", "by itself", id="no-op"),
        pytest.param("\tn = a->n;\n", "\tn++;\n" * (MAX_CHANGED_LINES + 1), "size", "42 changed lines", id="too-large"),
        pytest.param("\tn = a->n;\n", "\tif (a) {\n\t\tn = a->n;\n", "parses", "mm/a.c", id="open-brace"),
        pytest.param("\tn = a->n;\n", "\tn = a->;\n", "parses", "mm/a.c", id="no-expression"),
        pytest.param("\treturn n;\n}\n", "\treturn n;\n", "parses", "mm/a.c", id="lost-brace"),
    ],
)
def test_the_first_failure_ends_the_checks(search: str, replace: str, failing: str, detail: str) -> None:
    candidate = checked(search, replace)
    assert not candidate.ok
    assert list(candidate.checks)[-1] == failing
    assert detail in candidate.checks[failing].detail


def test_papering_over_is_shown_and_does_not_block() -> None:
    candidate = checked("\tWARN_ON(!a);\n", "")
    assert candidate.ok
    assert not candidate.checks["papering-over"].ok
    assert "WARN_ON" in candidate.checks["papering-over"].detail


def test_a_file_that_never_parsed_may_still_be_mended() -> None:
    assert checked("\treturn 1;\n", "\treturn 2;\n", "mm/odd.c").ok


def test_only_c_is_parsed() -> None:
    assert checked("Title\n", "Title {{{\n", "Documentation/a.rst").ok


@pytest.mark.parametrize("file", ["../a.c", "/etc/passwd", "mm/none.c", ""])
def test_no_edit_outside_the_tree(file: str) -> None:
    candidate = checked("root", "toor", file)
    assert not candidate.checks["applies"].ok
    assert candidate.diff == ""


def test_the_same_change_has_one_id() -> None:
    whole = checked("\tn = a->n;\n\treturn n;\n", "\tn = 0;\n\treturn n;\n", hypothesis="one")
    part = checked("\tn = a->n;\n", "\tn = 0;\n", hypothesis="two")
    assert whole.id == part.id
    assert len(whole.id) == 12
    assert whole.id != checked("\tn = a->n;\n", "\tn = 1;\n").id


def test_the_id_does_not_hang_on_line_numbers() -> None:
    edit = Edit("mm/a.c", "\tn = a->n;\n", "\tn = 0;\n")
    ids = {check(Draft("llm", "h", (edit,)), {"mm/a.c": text}.get).id for text in (TEXT, "/* moved */\n" * 9 + TEXT)}
    assert len(ids) == 1


def test_drafts_that_do_not_apply_are_told_apart() -> None:
    assert checked("one more\n", "x\n").id != checked("another\n", "x\n").id
