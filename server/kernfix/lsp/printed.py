"""The lines of a log's crashes, taken apart: what stands before the kernel's own words, and the words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kernfix.lsp.analysis import Analysis, PlacedFrame

if TYPE_CHECKING:
    from kernfix.crash.lines import Lines

_NEAR = 4
"""Lines above the first frame of a stack in which its heading is: marks such as ``<TASK>`` come between."""


def printed(analysis: Analysis) -> tuple[Lines, ...]:
    """The lines of each crash, from its first to its last; those of two crashes may overlap, where they were printed at once."""
    from kernfix.crash.lines import read_lines

    lines = analysis.text.lines
    return tuple(
        read_lines(crash.start_line, list(lines[crash.start_line : crash.end_line + 1])) for crash in analysis.crashes
    )


def stack_lines(frames: Sequence[PlacedFrame], lines: Lines) -> tuple[int | None, int, int] | None:
    """The line that announces a stack if one does, and those of its first and last frame; None for one without a trace.

    A register's line that was read as a frame is not part of the trace. `lines` are those of the crash.
    """
    own = [placed.frame.span.line for placed in frames if placed.frame.register is None]
    if not own:
        return None
    first, label = min(own), (frames[0].stack.label or "").strip()
    above = range(first - 1, max(first - _NEAR, lines.numbers[0]) - 1, -1) if label else ()
    bodies = ((line, lines.bodies[line - lines.numbers[0]].strip()) for line in above)
    return next((line for line, body in bodies if body.startswith(label)), None), first, max(own)
