"""A model's text to a draft. The text is untrusted: it can name only files that were sent, and only so much of them."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kernfix.fix.llm.untrusted import clean, clean_line
from kernfix.fix.model import Draft, Usage
from kernfix.patch.model import Edit

MAX_TEXT = 16_000
"""Characters of one search or replace text, and of the hypothesis."""
MAX_EDITS = 8

_Text = Annotated[str, Field(max_length=MAX_TEXT)]
_THINKING = re.compile(r"\s*<think(?:ing)?>")
_FENCE = re.compile(r"^[ \t]*```.*$", re.MULTILINE)


class _Edit(BaseModel):
    model_config = ConfigDict(strict=True)

    file: _Text
    search: Annotated[_Text, Field(min_length=1)]
    replace: _Text


class _Answer(BaseModel):
    """The object that was asked for. A member that was not asked for has no meaning and does no harm."""

    model_config = ConfigDict(strict=True)

    hypothesis: Annotated[_Text, Field(min_length=1)]
    root_cause: bool | None = None
    edits: Annotated[list[_Edit], Field(min_length=1, max_length=MAX_EDITS)]


def read_answer(text: str, files: Collection[str], model: str, usage: Usage) -> Draft | str:
    """The draft that the text holds, or one sentence on why it holds none.

    Accepted: the bare JSON object, or one code fence with it; a reasoning block before either is dropped.
    """
    try:
        answer = _Answer.model_validate_json(_unwrapped(text))
    except ValidationError as error:
        return _complaint(error)
    outside = sorted({edit.file for edit in answer.edits} - set(files))
    if outside:
        return f"The answer edits {clean_line(', '.join(outside))}, which was not shown."
    return Draft(
        source="llm",
        hypothesis=clean(answer.hypothesis, 2000).strip(),
        edits=tuple(Edit(edit.file, edit.search, edit.replace) for edit in answer.edits),
        kind=None if answer.root_cause is None else "root-cause" if answer.root_cause else "symptom",
        model=model,
        usage=usage,
    )


def _unwrapped(text: str) -> str:
    if _THINKING.match(text):
        text = re.split(r"</think(?:ing)?>", text, maxsplit=1)[-1]
    text = text.strip()
    fences = list(_FENCE.finditer(text))
    if not text.startswith("{") and len(fences) == 2:
        return text[fences[0].end() : fences[1].start()]
    return text


def _complaint(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    if first["type"] == "json_invalid":
        return "The answer is not one JSON object."
    where = ".".join(str(part) for part in first["loc"]) or "it"
    return f"The answer is not the object that was asked for: {where}: {clean_line(first['msg'])}."
