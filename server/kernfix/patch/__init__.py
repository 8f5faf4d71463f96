"""Edits, unified diffs and text edits: pure."""

from kernfix.patch.apply import apply_diff
from kernfix.patch.edits import apply_edits
from kernfix.patch.model import Change, Diff, Edit, FileDiff, Hunk, LineEdit, Problem, Reader
from kernfix.patch.papering import papering_over
from kernfix.patch.parse import parse_diff
from kernfix.patch.text import unsafe_path
from kernfix.patch.unified import line_edits, unified_diff

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
