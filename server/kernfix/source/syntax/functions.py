"""Which functions a text has, and which one a line is in.

The kernel closes functions with a brace in column 0, so a text is cut there and each piece is parsed alone, its body left out: a macro that
the grammar cannot read spoils one piece and not the file, and a line is looked up in well under a millisecond.
"""

from __future__ import annotations

from collections.abc import Iterator

from kernfix.source.model import Function
from kernfix.source.syntax.parser import declared_name, error_rows, outermost_functions, parse
from kernfix.source.syntax.prepass import blank, plain_bytes, prepass

MAX_WHOLE = 1 << 20
"""The largest text in bytes that is parsed as a whole where cutting it finds nothing."""


def functions(text: str) -> tuple[Function, ...]:
    """All functions that `text` defines, in order; of ``#if``/``#else`` twins, both."""
    lines = _lines(text)
    return tuple(function for start, end in _pieces(lines) for function in _in_piece(lines, start, end))


def syntax_errors(text: str) -> tuple[int, ...]:
    """The 1-based lines that the grammar stumbles over. Rare kernel macros are among them, so only a rise after an edit means something."""
    lines = _lines(text)
    return tuple(
        row + start + 1
        for start, end in _pieces(lines)
        for row in error_rows(parse(prepass(b"\n".join(lines[start:end]))))
    )


def function_at(text: str, line: int) -> Function | None:
    """The function that 1-based `line` is in, its head included; None between functions and outside the text."""
    lines = _lines(text)
    at = line - 1
    if not 0 <= at < len(lines):
        return None
    start = next((above + 1 for above in range(at - 1, -1, -1) if lines[above].startswith(b"}")), 0)
    end = next((below + 1 for below in range(at, len(lines)) if lines[below].startswith(b"}")), len(lines))
    found = _around(_in_piece(lines, start, end), line)
    if found is None and len(text) <= MAX_WHOLE and lines[at][:1].isspace():
        # Bodies that are not closed in column 0.
        found = _around(_parsed(prepass(b"\n".join(lines)), 0), line)
    return found


def _lines(text: str) -> list[bytes]:
    return plain_bytes(text).split(b"\n")


def _pieces(lines: list[bytes]) -> Iterator[tuple[int, int]]:
    """``lines[start:end]`` up to each brace in column 0, and what is left."""
    start = 0
    for end, line in enumerate(lines, 1):
        if line.startswith(b"}") or end == len(lines):
            yield start, end
            start = end


def _around(found: list[Function], line: int) -> Function | None:
    return next((function for function in found if function.start <= line <= function.end), None)


def _in_piece(lines: list[bytes], start: int, end: int) -> list[Function]:
    """The functions of ``lines[start:end]``, which ends with a brace in column 0 if the file does not end first."""
    piece = lines[start:end]
    opening = next((at for at, line in enumerate(piece) if line.startswith(b"{") and b"}" not in line), None)
    if opening is not None and piece[-1].startswith(b"}"):
        piece = [*piece[: opening + 1], *map(blank, piece[opening + 1 : -1]), piece[-1]]
    if not any(b"(" in line or b")" in line for line in piece):
        return []
    return _parsed(prepass(b"\n".join(piece)), start)


def _parsed(source: bytes, line_offset: int) -> list[Function]:
    found = []
    for node in outermost_functions(parse(source)):
        declarator = node.child_by_field_name("declarator")
        name = declared_name(declarator) if declarator else None
        if name is not None and name.text:
            label = name.text.decode("ascii")
            found.append(Function(label, node.start_point.row + line_offset + 1, node.end_point.row + line_offset + 1))
    return sorted(found, key=lambda function: function.start)
