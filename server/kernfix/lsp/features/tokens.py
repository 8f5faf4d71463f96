"""Semantic tokens of a log, so that any theme tells what matters from what does not.

Types are standard ones: the headline is a keyword, what announces a stack a macro, a function is a function and one of the machinery of
reports has the modifier ``defaultLibrary``. What the unwinder does not vouch for is a comment, as is what stands before the kernel's words:
both recede. (The modifier ``deprecated`` would be struck out by many themes, and a guess may be right.)
"""

from __future__ import annotations

import asyncio
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from lsprotocol import types

from kernfix.lsp.analysis import Analysis, PlacedFrame
from kernfix.lsp.mentions import Mention, mentions
from kernfix.lsp.printed import printed, stack_lines
from kernfix.lsp.session import KernfixServer
from kernfix.lsp.text import Text

if TYPE_CHECKING:
    from kernfix.crash.model import Span

TYPES = ("keyword", "macro", "function", "comment", "string", "number", "property", "namespace", "variable")
LEGEND = types.SemanticTokensLegend(token_types=list(TYPES), token_modifiers=["defaultLibrary"])
_MACHINERY = 1
"""The bit of the modifier."""

_FILE = r"(?P<string>[\w./+-]{1,200}\.[A-Za-z]\w{0,2}:\d{1,7}(?::\d{1,5})?)"
_PIECE = re.compile(
    rf"{_FILE}|(?P<number>\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?)|\[(?P<namespace>[\w-]+)|(?P<function>[A-Za-z_$][\w.$]*)"
)
"""What a frame is made of."""
_NO_FUNCTIONS = frozenset({"from", "inline"})
_VALUE = re.compile(
    r"\b(?P<property>[A-Za-z]\w{0,7}(?= {0,4}:)|(?:[a-z]\d|pc|ra|fp|sp|tp|u0)(?= ))(?: {0,4}: {0,2}| )"
    r"(?:[0-9a-f]{4}:)?(?P<value>[0-9a-f]{16}|[0-9a-f]{8})(?![\w.+])"
    r"|(?<![\w+/.])(?P<number>0x[0-9a-f]{1,16}|[0-9a-f]{16}|<[0-9a-f]{2,8}>(?= [0-9a-f]))(?![\w.+])"
)
"""Registers with their values, addresses, and the byte of the code at which it ended; see arch/*/kernel/process.c:show_regs()."""


class Token(NamedTuple):
    """The characters ``[start, end)`` of a line, and what they are: an index into `TYPES` and bits of modifiers."""

    start: int
    end: int
    type: int
    modifiers: int = 0


async def full(server: KernfixServer, params: types.SemanticTokensParams) -> types.SemanticTokens:
    """The tokens of all crashes of a log."""
    log = server.log(params.text_document.uri)
    analysis = await log.parsed() if log else None
    if analysis is None:
        return types.SemanticTokens(data=[])
    return types.SemanticTokens(data=await asyncio.to_thread(analysis.once, _all))


async def of_range(server: KernfixServer, params: types.SemanticTokensRangeParams) -> types.SemanticTokens:
    """The tokens of some of its lines."""
    log = server.log(params.text_document.uri)
    analysis = await log.parsed() if log else None
    if analysis is None:
        return types.SemanticTokens(data=[])
    found = await asyncio.to_thread(analysis.once, tokens)
    lines = list(found)
    wanted = lines[bisect_left(lines, params.range.start.line) : bisect_right(lines, params.range.end.line)]
    return types.SemanticTokens(data=_encoded(analysis.text, {line: found[line] for line in wanted}))


def _all(analysis: Analysis) -> list[int]:
    return _encoded(analysis.text, analysis.once(tokens))


def _encoded(text: Text, found: dict[int, list[Token]]) -> list[int]:
    """Five numbers a token, each place relative to the one before (the protocol's ``relative`` format)."""
    data: list[int] = []
    last_line = 0
    for line, its in found.items():
        last_start = 0
        is_ascii = text.lines[line].isascii()
        for token in its:
            start = token.start if is_ascii else text.column(line, token.start).character
            end = token.end if is_ascii else text.column(line, token.end).character
            data += (line - last_line, start - last_start, end - start, token.type, token.modifiers)
            last_line, last_start = line, start
    return data


def tokens(analysis: Analysis) -> dict[int, list[Token]]:
    """The tokens of each line of a crash that has any, in order; none overlap."""
    headlines = {crash.headline.line: crash.headline for crash in analysis.crashes}
    named = analysis.once(mentions)
    headings = set(_headings(analysis))
    found: dict[int, list[Token]] = {}
    for lines in analysis.once(printed):
        for number, begin in zip(lines.numbers, lines.begins, strict=True):
            if number in found:  # of two crashes that were printed at once
                continue
            text = analysis.text.lines[number]
            pieces = _line(text, begin, analysis.by_line.get(number, ()), named.get(number, ()), headlines.get(number))
            if number in headings:
                pieces = [_token(begin, len(text.rstrip()), "macro")]
            stamp = [_token(0, len(text[:begin].rstrip()), "comment")] if begin and number not in lines.raws else []
            found[number] = [token for token in _apart([*stamp, *pieces]) if token.end > token.start]
    return {line: found[line] for line in sorted(found) if found[line]}


def _headings(analysis: Analysis) -> Iterator[int]:
    """The lines that announce a stack."""
    for frames, lines in zip(analysis.frames_of, analysis.once(printed), strict=True):
        for _, its in groupby(frames, key=lambda placed: placed.at):
            where = stack_lines(list(its), lines)
            if where and where[0] is not None:
                yield where[0]


def _line(
    text: str, begin: int, frames: Iterable[PlacedFrame], named: Iterable[Mention], headline: Span | None
) -> list[Token]:
    """The tokens of the kernel's own words in one line."""
    found = [token for placed in frames for token in _frame(text, placed)]
    found += [token for mention in named for token in _pieces(text, mention.span.start, mention.span.end)]
    if headline:
        found.sort()
        edges = [headline.start, *(edge for token in found for edge in (token.start, token.end)), headline.end]
        found += [
            _token(*_trimmed(text, start, end), "keyword") for start, end in zip(edges[::2], edges[1::2], strict=True)
        ]
    elif not found:
        found = list(_values(text, begin))
    elif (first := min(found).start) > begin:
        found += _values(text[:first], begin)
    return found


def _frame(text: str, placed: PlacedFrame) -> Iterator[Token]:
    """A frame in its pieces; one that may be there by chance is all one."""
    from kernfix.crash.skips import is_machinery

    _, start, end = placed.frame.span
    if not placed.frame.reliable:
        yield _token(text.rfind("?", 0, start) if "?" in text[:start] else start, end, "comment")
        return
    modifiers = _MACHINERY if is_machinery(placed.frame.function) else 0
    yield from _pieces(text, start, end, modifiers)


def _pieces(text: str, start: int, end: int, modifiers: int = 0) -> Iterator[Token]:
    for match in _PIECE.finditer(text, start, end):
        kind = match.lastgroup or ""
        if match[0] not in _NO_FUNCTIONS and match[kind] not in _NO_FUNCTIONS:
            yield _token(*match.span(kind), kind)._replace(modifiers=modifiers if kind == "function" else 0)


def _values(text: str, begin: int) -> Iterator[Token]:
    for match in _VALUE.finditer(text, begin):
        if match["property"]:
            yield _token(*match.span("property"), "property")
        yield _token(*match.span("value" if match["property"] else "number"), "number")


def _token(start: int, end: int, kind: str) -> Token:
    return Token(start, end, TYPES.index(kind))


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Without the space at both ends."""
    words = text[start:end]
    return start + len(words) - len(words.lstrip()), start + len(words.rstrip())


def _apart(candidates: Iterable[Token]) -> Iterator[Token]:
    """In order, without those that reach into the one before."""
    end = 0
    for token in sorted(candidates):
        if token.start >= end:
            yield token
            end = token.end
