"""From the log into the code: links and definition."""

from __future__ import annotations

from lsprotocol import types

from kernfix.lsp.analysis import Analysis
from kernfix.lsp.session import KernfixServer


async def links(server: KernfixServer, params: types.DocumentLinkParams) -> list[types.DocumentLink]:
    """A link from each located frame to its line."""
    log = server.log(params.text_document.uri)
    analysis = await log.settled() if log else None
    tooltips = server.can("text_document.document_link.tooltip_support")
    return frame_links(server, analysis, tooltips=tooltips) if analysis else []


def frame_links(server: KernfixServer, analysis: Analysis, *, tooltips: bool) -> list[types.DocumentLink]:
    """The links of a log, as ``file:///path#L12``."""
    return [
        types.DocumentLink(
            range=analysis.text.span(placed.frame.span.line, placed.frame.span.start, placed.frame.span.end),
            target=f"{server.address(analysis.root / placed.location.path)}#L{placed.location.line}",
            tooltip=f"{placed.location.path}:{placed.location.line}" if tooltips else None,
        )
        for placed in analysis.frames
        if placed.location and analysis.root
    ]


async def definition(server: KernfixServer, params: types.DefinitionParams) -> types.Location | None:
    """The code of the frame under the cursor; on a headline, the place of the crash."""
    log = server.log(params.text_document.uri)
    analysis = await log.settled() if log else None
    if analysis is None:
        return None
    line, character = analysis.text.character(params.position)
    placed = analysis.frame_at(line, character)
    headline = analysis.headline_at(line)
    location = placed.location if placed else analysis.site(headline) if headline is not None else None
    return server.places.of(analysis.root, location) if location and analysis.root else None
