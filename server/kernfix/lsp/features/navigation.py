"""From the log into the code: links and definition, of frames, of what headlines name, and of where locks were taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types

from kernfix.lsp.analysis import Analysis
from kernfix.lsp.mentions import mention_at, mentions
from kernfix.lsp.session import KernfixServer

if TYPE_CHECKING:
    from kernfix.crash.model import Span
    from kernfix.source.model import Location


async def links(server: KernfixServer, params: types.DocumentLinkParams) -> list[types.DocumentLink]:
    """A link from each place in the log that was located to its line, as ``file:///path#L12``."""
    log = server.log(params.text_document.uri)
    analysis = await log.settled() if log else None
    if analysis is None or analysis.root is None:
        return []
    tooltips = server.can("text_document.document_link.tooltip_support")
    addresses: dict[str, str] = {}
    found = []
    for span, location in analysis.once(_located):
        path = analysis.root / location.path
        if location.path not in addresses:
            addresses[location.path] = server.address(path)
        line = server.places.line(path, location)
        if line is not None:
            found.append(
                types.DocumentLink(
                    range=analysis.text.span(*span),
                    target=f"{addresses[location.path]}#L{line}",
                    tooltip=f"{location.path}:{line}" if tooltips else None,
                )
            )
    return found


def _located(analysis: Analysis) -> list[tuple[Span, Location]]:
    """The places in the log that lead to a place in the tree, in log order."""
    frames = ((placed.frame.span, placed.location) for placed in analysis.frames)
    named = ((each.span, each.location) for there in analysis.once(mentions).values() for each in there)
    return sorted(((span, place) for span, place in (*frames, *named) if place), key=lambda pair: pair[0])


async def definition(server: KernfixServer, params: types.DefinitionParams) -> types.Location | None:
    """The code of what is under the cursor; anywhere else on a headline, the place of the crash."""
    log = server.log(params.text_document.uri)
    analysis = await log.settled() if log else None
    if analysis is None or analysis.root is None:
        return None
    location = _location_at(analysis, *analysis.text.character(params.position))
    return server.places.of(analysis.root, location) if location else None


def _location_at(analysis: Analysis, line: int, character: int) -> Location | None:
    """Where it leads: what is under the character, else the frame, the crash or the lock that the line is about."""
    if mention := mention_at(analysis, line, character):
        return mention.location
    if placed := analysis.frame_at(line, character):
        return placed.location
    headline = analysis.headline_at(line)
    if headline is not None:
        return analysis.site(headline)
    return next((mention.location for mention in analysis.once(mentions).get(line, ())), None)
