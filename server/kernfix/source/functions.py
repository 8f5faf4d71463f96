"""Which functions a text has, and which one a line is in, without an index.

The kernel closes functions with a brace in column 0, so a line is looked up in the piece between two of those: well under a millisecond.
"""

from __future__ import annotations

from collections.abc import Sequence

from kernfix.source.index.model import Defined, Use
from kernfix.source.index.scan import functions_of, scan
from kernfix.source.model import Function

_C = "text.c"


def functions(text: str) -> tuple[Function, ...]:
    """All functions that `text` defines, in order; of ``#if``/``#else`` twins, both."""
    return tuple(map(_function, functions_of(plain_bytes(text))))


def function_at(text: str, line: int) -> Function | None:
    """The function that 1-based `line` is in, its head included; None between functions and outside the text."""
    return function_in(text.split("\n"), line)


def function_in(lines: Sequence[str], line: int) -> Function | None:
    """The same for a text that is cut into lines."""
    if not 1 <= line <= len(lines):
        return None
    start, piece = _piece(lines, line)
    found = _around(functions_of(piece), line - start)
    if found is None and lines[line - 1][:1].isspace():
        # Bodies that are not closed in column 0.
        start, found = 0, _around(functions_of(plain_bytes("\n".join(lines))), line)
    return found and Function(found.name, found.start + start, found.end + start)


def invocation_in(lines: Sequence[str], line: int) -> Use | None:
    """The macro that is invoked on 1-based `line` outside of functions: it may make some, which then have no lines of their own."""
    if not 1 <= line <= len(lines):
        return None
    start, piece = _piece(lines, line)
    found = next((use for use in scan(piece, _C).uses if use.start <= line - start <= use.end), None)
    return found and found._replace(start=found.start + start, end=found.end + start)


def _piece(lines: Sequence[str], line: int) -> tuple[int, bytes]:
    """How many lines are above the piece around `line`, and its text."""
    at = line - 1
    start = next((above + 1 for above in range(at - 1, -1, -1) if lines[above].startswith("}")), 0)
    end = next((below + 1 for below in range(at, len(lines)) if lines[below].startswith("}")), len(lines))
    return start, plain_bytes("\n".join(lines[start:end]))


def _around(found: Sequence[Defined], line: int) -> Defined | None:
    return next((each for each in found if each.start <= line <= each.end), None)


def _function(defined: Defined) -> Function:
    return Function(defined.name, defined.start, defined.end)


def plain_bytes(text: str) -> bytes:
    """`text` with one byte for each character, so that offsets in bytes are offsets in characters: other letters than ASCII's stand in
    comments and strings only.
    """
    return text.encode("ascii", "replace")
