"""The outline of a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types

from kernfix.lsp.analysis import Analysis
from kernfix.lsp.session import KernfixServer

if TYPE_CHECKING:
    from kernfix.crash.model import Stack


async def symbols(
    server: KernfixServer, params: types.DocumentSymbolParams
) -> list[types.DocumentSymbol] | list[types.SymbolInformation]:
    """The outline: crash, its stacks, their frames; flat for clients that know no tree."""
    log = server.log(params.text_document.uri)
    analysis = await log.parsed() if log else None
    if analysis is None:
        return []
    outline = [_crash_symbol(analysis, index) for index in range(len(analysis.crashes))]
    if server.can("text_document.document_symbol.hierarchical_document_symbol_support"):
        return outline
    return [flat for symbol in outline for flat in _flatten(symbol, analysis.uri, None)]


def _crash_symbol(analysis: Analysis, index: int) -> types.DocumentSymbol:
    crash = analysis.crashes[index]
    text, headline = analysis.text, crash.headline
    whole = types.Range(text.column(crash.start_line, 0), text.column(crash.end_line, len(text.lines[-1]) + (1 << 20)))
    return types.DocumentSymbol(
        name=crash.title,
        detail=crash.type,
        kind=types.SymbolKind.Event,
        range=whole,
        selection_range=text.span(headline.line, headline.start, headline.end),
        children=[_stack_symbol(analysis, stack) for stack in crash.stacks if stack.frames],
    )


def _stack_symbol(analysis: Analysis, stack: Stack) -> types.DocumentSymbol:
    spans = [analysis.text.span(frame.span.line, frame.span.start, frame.span.end) for frame in stack.frames]
    return types.DocumentSymbol(
        name=f"{stack.kind} stack",
        detail=stack.task,
        kind=types.SymbolKind.Namespace,
        range=types.Range(spans[0].start, spans[-1].end),
        selection_range=spans[0],
        children=[
            types.DocumentSymbol(
                name=frame.function,
                detail=f"{frame.file}:{frame.line}" if frame.file else None,
                kind=types.SymbolKind.Function,
                range=span,
                selection_range=span,
            )
            for frame, span in zip(stack.frames, spans, strict=True)
        ],
    )


def _flatten(symbol: types.DocumentSymbol, uri: str, parent: str | None) -> list[types.SymbolInformation]:
    own = types.SymbolInformation(
        name=symbol.name, kind=symbol.kind, location=types.Location(uri, symbol.range), container_name=parent
    )
    return [own, *(flat for child in symbol.children or () for flat in _flatten(child, uri, symbol.name))]
