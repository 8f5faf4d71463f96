"""Which functions a text has, and which one a line is in, without an index.

The kernel closes functions with a brace in column 0, so a line is looked up in the piece between two of those: well under a millisecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kernfix.source.index.model import Defined, Use
from kernfix.source.index.scan import functions_of, use_on
from kernfix.source.model import Function


class Spot(NamedTuple):
    """A 1-based line of a source, and the offset where it begins: to count lines takes longer than all that is asked of one."""

    source: bytes
    line: int
    start: int

    @property
    def said(self) -> bytes:
        """What the line says, without its end."""
        end = self.source.find(b"\n", self.start)
        return self.source[self.start :] if end < 0 else self.source[self.start : end]


def spot(source: bytes, line: int) -> Spot | None:
    """The 1-based `line` of `source`; None when it has no such line."""
    if not 1 <= line <= len(source):
        return None
    parts = source.split(b"\n", line - 1)  # in one call: as many searches for the next line break take longer
    return Spot(source, line, len(source) - len(parts[-1])) if len(parts) == line else None


def functions(text: str) -> tuple[Function, ...]:
    """All functions that `text` defines, in order; of ``#if``/``#else`` twins, both."""
    return tuple(map(_function, functions_of(plain_bytes(text))))


def function_at(text: str, line: int) -> Function | None:
    """The function that 1-based `line` is in, its head included; None between functions and outside the text."""
    there = spot(plain_bytes(text), line)
    return there and function_around(there)


def function_around(there: Spot) -> Function | None:
    """The same for a line that was found before."""
    above, piece = _piece(there)
    found = _around(functions_of(piece), there.line - above)
    if found is None and there.source.startswith((b" ", b"\t"), there.start):
        # Bodies that are not closed in column 0.
        above, found = 0, _around(functions_of(there.source), there.line)
    return found and Function(found.name, found.start + above, found.end + above)


def invocation_around(there: Spot) -> Use | None:
    """The macro that is invoked on a line outside of functions: it may make some, which then have no lines of their own."""
    above, piece = _piece(there)
    found = use_on(piece, there.line - above)
    return found and found._replace(start=found.start + above, end=found.end + above)


def _piece(there: Spot) -> tuple[int, bytes]:
    """How many lines are above the piece around a line, and the piece: from behind a brace in column 0 to the next one."""
    source, line, start = there
    before = source.rfind(b"\n}", 0, start)
    begin = source.find(b"\n", before + 1) + 1 if before >= 0 else 0
    closed = source.find(b"\n}", max(start - 1, 0))
    end = source.find(b"\n", closed + 1) if closed >= 0 else -1
    return line - 1 - source.count(b"\n", begin, start), source[begin:end] if end >= 0 else source[begin:]


def _around(found: Sequence[Defined], line: int) -> Defined | None:
    return next((each for each in found if each.start <= line <= each.end), None)


def _function(defined: Defined) -> Function:
    return Function(defined.name, defined.start, defined.end)


def plain_bytes(text: str) -> bytes:
    """`text` with one byte for each character, so that offsets in bytes are offsets in characters: other letters than ASCII's stand in
    comments and strings only.
    """
    return text.encode("ascii", "replace")
