"""The lines of a log's crashes, taken apart: what stands before the kernel's own words, and the words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernfix.lsp.analysis import Analysis

if TYPE_CHECKING:
    from kernfix.crash.lines import Lines


def printed(analysis: Analysis) -> tuple[Lines, ...]:
    """The lines of each crash, from its first to its last; those of two crashes may overlap, where they were printed at once."""
    from kernfix.crash.lines import read_lines

    lines = analysis.text.lines
    return tuple(
        read_lines(crash.start_line, list(lines[crash.start_line : crash.end_line + 1])) for crash in analysis.crashes
    )
