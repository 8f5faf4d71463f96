"""A model's text to a draft: what is accepted, and all that is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kernfix.fix.llm.answer import read_answer
from kernfix.fix.model import Draft, Usage
from kernfix.patch.model import Edit

EDIT = {"file": "mm/a.c", "search": "\tx = 1;\n", "replace": "\tx = 2;\n"}
GOOD = {"hypothesis": "x is wrong", "root_cause": True, "edits": [EDIT]}


def read(answer: str | dict[str, Any]) -> Draft | str:
    return read_answer(answer if isinstance(answer, str) else json.dumps(answer), {"mm/a.c", "mm/b.c"}, "m", Usage())


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(json.dumps(GOOD), id="bare"),
        pytest.param(f"\n  {json.dumps(GOOD, indent=2)}\n", id="indented"),
        pytest.param(f"```json\n{json.dumps(GOOD)}\n```", id="fence"),
        pytest.param(f"Here it is:\n```\n{json.dumps(GOOD)}\n```\nDone.", id="fence-with-words"),
        pytest.param(f"<think>{{ hm }} ```c\nx\n```</think>\n{json.dumps(GOOD)}", id="reasoning"),
        pytest.param(json.dumps({**GOOD, "explanation": "more"}), id="a-member-too-many"),
    ],
)
def test_accepted(text: str) -> None:
    draft = read(text)
    assert isinstance(draft, Draft)
    assert draft.edits == (Edit("mm/a.c", "\tx = 1;\n", "\tx = 2;\n"),)
    assert (draft.source, draft.model, draft.kind, draft.hypothesis) == ("llm", "m", "root-cause", "x is wrong")


@pytest.mark.parametrize(("root_cause", "kind"), [(True, "root-cause"), (False, "symptom"), (None, None)])
def test_the_model_says_which_kind_it_is(root_cause: bool | None, kind: str | None) -> None:
    draft = read({**GOOD, "root_cause": root_cause})
    assert isinstance(draft, Draft)
    assert draft.kind == kind


def test_fences_inside_the_object_are_text() -> None:
    draft = read({**GOOD, "hypothesis": "```\nx\n```"})
    assert isinstance(draft, Draft)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("", "not one JSON object"),
        ("I cannot help with that.", "not one JSON object"),
        (json.dumps(GOOD) * 2, "not one JSON object"),
        (f"Sure! {json.dumps(GOOD)}", "not one JSON object"),
        (f"<think>{json.dumps(GOOD)}", "not one JSON object"),
        (f"```\n{json.dumps(GOOD)}\n```\n```\n{json.dumps(GOOD)}\n```", "not one JSON object"),
        ("[" * 100_000, "not one JSON object"),
        ("[]", "not the object"),
        ("{}", "hypothesis"),
        ({**GOOD, "hypothesis": ""}, "hypothesis"),
        ({**GOOD, "hypothesis": 3}, "hypothesis"),
        ({**GOOD, "root_cause": "yes"}, "root_cause"),
        ({**GOOD, "edits": []}, "edits"),
        ({**GOOD, "edits": [EDIT] * 9}, "edits"),
        ({**GOOD, "edits": [{**EDIT, "search": ""}]}, "edits.0.search"),
        ({**GOOD, "edits": [{**EDIT, "replace": "x" * 20_000}]}, "edits.0.replace"),
        ({**GOOD, "edits": [{**EDIT, "replace": None}]}, "edits.0.replace"),
        ({**GOOD, "edits": [EDIT, {**EDIT, "file": "mm/c.c"}]}, "mm/c.c, which was not shown"),
        ({**GOOD, "edits": [{**EDIT, "file": "../../etc/passwd"}]}, "which was not shown"),
        ({**GOOD, "edits": [{**EDIT, "file": "/etc/passwd"}]}, "which was not shown"),
        ({**GOOD, "edits": [{**EDIT, "file": "mm/./a.c"}]}, "which was not shown"),
        ({**GOOD, "edits": [{**EDIT, "file": "mm/\u202ea.c"}]}, "which was not shown"),
    ],
)
def test_refused(answer: str | dict[str, Any], words: str) -> None:
    problem = read(answer)
    assert isinstance(problem, str)
    assert words in problem


def test_the_hypothesis_cannot_fool_the_eye() -> None:
    draft = read({**GOOD, "hypothesis": "a\u202eb\x1b[31mc\u200b\U000e0041\x07 " + "d" * 5000})
    assert isinstance(draft, Draft)
    assert draft.hypothesis.startswith("abc ddd")
    assert len(draft.hypothesis) < 2100
