"""Edits, unified diffs and text edits: pure. What is asked for is loaded then: who only checks a path needs no parser of patches."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kernfix.patch.apply import apply_diff
    from kernfix.patch.edits import apply_edits
    from kernfix.patch.model import Change, Diff, Edit, FileDiff, Hunk, LineEdit, Problem, Reader
    from kernfix.patch.papering import papering_over
    from kernfix.patch.parse import parse_diff
    from kernfix.patch.text import unsafe_path
    from kernfix.patch.unified import line_edits, unified_diff

_MODULES = {
    "apply_diff": "kernfix.patch.apply",
    "apply_edits": "kernfix.patch.edits",
    "Change": "kernfix.patch.model",
    "Diff": "kernfix.patch.model",
    "Edit": "kernfix.patch.model",
    "FileDiff": "kernfix.patch.model",
    "Hunk": "kernfix.patch.model",
    "LineEdit": "kernfix.patch.model",
    "Problem": "kernfix.patch.model",
    "Reader": "kernfix.patch.model",
    "papering_over": "kernfix.patch.papering",
    "parse_diff": "kernfix.patch.parse",
    "unsafe_path": "kernfix.patch.text",
    "line_edits": "kernfix.patch.unified",
    "unified_diff": "kernfix.patch.unified",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


__all__ = [
    "Change",
    "Diff",
    "Edit",
    "FileDiff",
    "Hunk",
    "LineEdit",
    "Problem",
    "Reader",
    "apply_diff",
    "apply_edits",
    "line_edits",
    "papering_over",
    "parse_diff",
    "unified_diff",
    "unsafe_path",
]
