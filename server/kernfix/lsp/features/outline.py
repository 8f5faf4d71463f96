"""The outline of a log, and the crashes of the session by name."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lsprotocol import types

from kernfix.lsp.addresses import path_of
from kernfix.lsp.analysis import Analysis, PlacedFrame
from kernfix.lsp.logs import OpenLog
from kernfix.lsp.session import KernfixServer
from kernfix.lsp.words import place, stack_name

if TYPE_CHECKING:
    from kernfix.crash.model import Stack

PATIENCE_SECONDS = 1.0
"""How long an outline waits for the search in the tree. No client asks anew when that is over, and without it no entry has its line."""
HEADINGS = frozenset({"call trace", "backtrace", "stack backtrace"})
"""What stands over any stack."""


async def crashes(server: KernfixServer, params: types.WorkspaceSymbolParams) -> list[types.WorkspaceSymbol]:
    """The crashes of the session whose title has the words of the query, each letter by letter in order; all for an empty one.

    Clients match and sort again by rules of their own, so more is better than less. As each has its full location, clients that know no
    workspace symbols read them as the symbol information of old, which looks the same.
    """
    words = params.query.casefold().split()
    return [
        types.WorkspaceSymbol(
            name=analysis.crashes[index].title,
            kind=types.SymbolKind.Event,
            container_name=_file_name(log.uri),
            location=types.Location(log.uri, analysis.text.span(*analysis.crashes[index].headline)),
        )
        for log in list(server.logs.values())
        if (analysis := log.analysis)
        for index in log.shown()
        if all(_has(analysis.crashes[index].title.casefold(), word) for word in words)
    ]


def _has(title: str, word: str) -> bool:
    """Whether the letters of a word come in a title in their order."""
    rest = iter(title)
    return all(letter in rest for letter in word)


def _file_name(uri: str) -> str:
    path = path_of(uri)
    return path.name if path else uri


async def symbols(
    server: KernfixServer, params: types.DocumentSymbolParams
) -> list[types.DocumentSymbol] | list[types.SymbolInformation]:
    """The outline: crash, its stacks, their frames; flat for clients that know no tree."""
    log = server.log(params.text_document.uri)
    analysis = await _soon(log) if log else None
    if analysis is None:
        return []
    outline = [_crash_symbol(server, analysis, index) for index in range(len(analysis.crashes))]
    if server.can("text_document.document_symbol.hierarchical_document_symbol_support"):
        return outline
    return [flat for symbol in outline for flat in _flatten(symbol, analysis.uri, None)]


async def _soon(log: OpenLog) -> Analysis | None:
    """The analysis with its places in the tree if they come soon, else without."""
    try:
        return await asyncio.wait_for(log.settled(), PATIENCE_SECONDS)
    except TimeoutError:
        return await log.parsed()


def _crash_symbol(server: KernfixServer, analysis: Analysis, index: int) -> types.DocumentSymbol:
    crash = analysis.crashes[index]
    text, headline = analysis.text, crash.headline
    last = min(crash.end_line, len(text.lines) - 1)
    whole = types.Range(text.column(crash.start_line, 0), text.column(last, len(text.lines[last])))
    stacks: dict[int, list[PlacedFrame]] = {}
    for placed in analysis.frames_of[index]:
        stacks.setdefault(placed.at, []).append(placed)
    return types.DocumentSymbol(
        name=crash.title,
        detail=crash.type,
        kind=types.SymbolKind.Event,
        range=whole,
        selection_range=text.span(*headline),
        children=[_stack_symbol(server, analysis, frames) for frames in stacks.values()],
    )


def _stack_symbol(server: KernfixServer, analysis: Analysis, frames: list[PlacedFrame]) -> types.DocumentSymbol:
    spans = [analysis.text.span(*placed.frame.span) for placed in frames]
    first = min(spans, key=lambda span: (span.start.line, span.start.character))
    last = max(spans, key=lambda span: (span.end.line, span.end.character))
    stack = frames[0].stack
    return types.DocumentSymbol(
        name=stack_name(stack),
        detail=", ".join(_about(stack)) or None,
        kind=types.SymbolKind.Namespace,
        range=types.Range(first.start, last.end),
        selection_range=first,
        children=[
            types.DocumentSymbol(
                name=placed.frame.shown if placed.frame.reliable else f"? {placed.frame.shown}",
                detail=_place(server, analysis, placed),
                kind=types.SymbolKind.Function,
                range=span,
                selection_range=span,
            )
            for placed, span in zip(frames, spans, strict=True)
        ],
    )


def _about(stack: Stack) -> Iterator[str]:
    """Whose it is, and what the log says over it where that is more than its kind."""
    if stack.task:
        yield stack.task if stack.pid is None else f"{stack.task}/{stack.pid}"
    elif stack.pid is not None:
        yield f"task {stack.pid}"
    label = (stack.label or "").strip().rstrip(":")
    if label and stack.kind in ("lock", "other", "race") and label.casefold() not in HEADINGS:
        yield label


def _place(server: KernfixServer, analysis: Analysis, placed: PlacedFrame) -> str | None:
    """File and line in the tree, else as the log states them."""
    location, frame = placed.location, placed.frame
    if location and analysis.root:
        return place(location, server.places.line(analysis.root / location.path, location))
    return f"{frame.file}:{frame.line}" if frame.file else None


def _flatten(symbol: types.DocumentSymbol, uri: str, parent: str | None) -> list[types.SymbolInformation]:
    own = types.SymbolInformation(
        name=symbol.name, kind=symbol.kind, location=types.Location(uri, symbol.range), container_name=parent
    )
    return [own, *(flat for child in symbol.children or () for flat in _flatten(child, uri, symbol.name))]
