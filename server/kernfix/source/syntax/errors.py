"""Where the grammar stumbles over a text.

The kernel closes functions with a brace in column 0, so a text is cut there and each piece is parsed alone: a macro that the grammar cannot
read spoils one piece and not the file.
"""

from __future__ import annotations

from collections.abc import Iterator

from kernfix.source.functions import plain_bytes
from kernfix.source.syntax.parser import error_rows, parse
from kernfix.source.syntax.prepass import prepass


def syntax_errors(text: str) -> tuple[int, ...]:
    """The 1-based lines that the grammar stumbles over. Rare kernel macros are among them, so only a rise after an edit means something."""
    lines = plain_bytes(text).split(b"\n")
    return tuple(
        row + start + 1
        for start, end in _pieces(lines)
        for row in error_rows(parse(prepass(b"\n".join(lines[start:end]))))
    )


def _pieces(lines: list[bytes]) -> Iterator[tuple[int, int]]:
    """``lines[start:end]`` up to each brace in column 0, and what is left."""
    start = 0
    for end, line in enumerate(lines, 1):
        if line.startswith(b"}") or end == len(lines):
            yield start, end
            start = end
