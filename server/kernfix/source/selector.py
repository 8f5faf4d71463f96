"""Addresses of source lines that survive edits."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from kernfix.source.model import Function
from kernfix.source.relocate import named

MAX_CANDIDATES = 20
"""A text on more lines than this is no address."""

_SELECTOR = re.compile(
    r"(?P<path>[^\n]{1,4096})#(?P<symbol>\w{0,512})\+(?P<offset>[0-9]{1,8})~(?P<digest>[0-9a-f]{8})", re.ASCII
)


class Selector(NamedTuple):
    """The parts of a selector, as `make_selector` documents them."""

    path: str
    symbol: str
    offset: int
    digest: str


class Candidate(NamedTuple):
    """A line that a selector may mean; `score` is 0 to 1, and `reason` one sentence."""

    path: str
    line: int
    score: float
    reason: str


class Resolution(NamedTuple):
    """The lines that a selector may mean, best first, or the `problem` why there is none."""

    candidates: tuple[Candidate, ...] = ()
    problem: str | None = None

    @property
    def best(self) -> Candidate | None:
        """The one candidate that scores above all others; None at a tie."""
        first, second = (*self.candidates, None, None)[:2]
        return first if first and (second is None or first.score > second.score) else None


def make_selector(path: str, line: int, function: Function | None, text: str) -> str:
    """``path#symbol+offset~hash`` of 1-based `line`, whose text is `text`: the hash is the first 8 hexadecimal digits of the SHA-256 of
    the text without surrounding blanks, the offset is in lines from the function's first, or from the file's when there is none.
    """
    symbol, offset = (function.name, line - function.start) if function else ("", line - 1)
    return f"{path}#{symbol}+{offset}~{_digest(text)}"


def parse_selector(selector: str) -> Selector | None:
    """The parts of what `make_selector` made; None when it did not make this."""
    match = _SELECTOR.fullmatch(selector)
    return match and Selector(match["path"], match["symbol"], int(match["offset"]), match["digest"])


def resolve(selector: str, read: Callable[[str], str | None]) -> Resolution:
    """The line that `selector` means in the texts that `read` gives by path, such as `Tree.read`.

    The same text at the same offset comes first, then the same text in the function, then in the file. Lines that nothing tells apart score
    the same.
    """
    parts = parse_selector(selector)
    if parts is None:
        return Resolution(problem="This is no selector: those are path#symbol+offset~hash.")
    text = read(parts.path)
    if text is None:
        return Resolution(problem=f"{parts.path} is not in this tree.")
    lines = [number for number, each in enumerate(text.split("\n"), 1) if _digest(each) == parts.digest]
    if not lines:
        return Resolution(problem=f"No line of {parts.path} has this text any more.")
    found = tuple(sorted(_candidates(parts, lines, text), key=lambda candidate: (-candidate.score, candidate.line)))
    if len(found) > MAX_CANDIDATES:
        return Resolution(problem=f"{len(found)} lines of {parts.path} have this text, and none is in its old place.")
    return Resolution(found)


def _candidates(parts: Selector, lines: list[int], text: str) -> Iterator[Candidate]:
    """Every one of `lines`, which all have the text, by where it is; where some are in the old place or in the function, those alone."""
    homes = named(text, parts.symbol) if parts.symbol else []
    starts = [home.start for home in homes] if parts.symbol else [1]
    unmoved = [line for line in lines if any(line == start + parts.offset for start in starts)]
    inside = [line for line in lines if any(home.start <= line <= home.end for home in homes)]
    where = f"in {parts.symbol}()" if parts.symbol else "in the file"
    if len(unmoved) == 1:
        others = len(inside if homes else lines) - 1
        reason = f"The same text at the same place {where}"
        yield Candidate(
            parts.path,
            unmoved[0],
            0.9 if others else 1.0,
            f"{reason}, and on {others} other lines." if others else f"{reason}.",
        )
    elif inside:
        yield from _alike(parts.path, unmoved or inside, 0.8, f"The same text {where}")
    else:
        yield from _alike(parts.path, lines, 0.6, "The same text elsewhere in the file")


def _alike(path: str, lines: list[int], score: float, reason: str) -> Iterator[Candidate]:
    """Lines that nothing tells apart: they share the score."""
    among = f"{reason}." if len(lines) == 1 else f"{reason}, on one of {len(lines)} lines."
    return (Candidate(path, line, round(score / len(lines), 2), among) for line in lines)


def _digest(text: str) -> str:
    return hashlib.sha256(text.strip().encode("utf-8", "surrogateescape")).hexdigest()[:8]
