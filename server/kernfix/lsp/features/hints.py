"""Inlay hints in a log: file and line of what the log names without them, or where its line is here."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from lsprotocol import types

from kernfix.lsp import markdown
from kernfix.lsp.analysis import Analysis
from kernfix.lsp.mentions import mentions
from kernfix.lsp.session import KernfixServer
from kernfix.lsp.words import how, place

if TYPE_CHECKING:
    from kernfix.source.model import Location

DOUBTFUL = 0.5
"""Below this confidence, a question mark is added."""
SHOWN = 3
"""Places of a chain of inlined functions that are shown; those between are left out."""


class Told(NamedTuple):
    """Something of one line of the log that is in the tree, and the file and line that the log states for it, if it does."""

    location: Location
    file: str | None
    line: int | None


async def hints(server: KernfixServer, params: types.InlayHintParams) -> list[types.InlayHint]:
    """The hints of a range of a log, at the ends of its lines.

    A client that can be told to ask anew gets what is known now; for another, the search in the tree is waited for.
    """
    log = server.log(params.text_document.uri)
    if log is None:
        return []
    analysis = await (log.parsed() if server.can("workspace.inlay_hint.refresh_support") else log.settled())
    if analysis is None or analysis.root is None:
        return []
    by_line = analysis.once(_told)
    lines = analysis.once(_lines)
    wanted = lines[bisect_left(lines, params.range.start.line) : bisect_right(lines, params.range.end.line)]
    found = (_hint(server, analysis, line, by_line[line]) for line in wanted)
    return [hint for hint in found if hint]


def _lines(analysis: Analysis) -> list[int]:
    return sorted(analysis.once(_told))


def _told(analysis: Analysis) -> dict[int, list[Told]]:
    """What is in the tree, by the line of the log; on a headline it is the place of the crash alone."""
    headlines = {crash.headline.line for crash in analysis.crashes}
    found: dict[int, list[Told]] = {}
    for placed in analysis.frames:
        if placed.location:
            told = Told(placed.location, placed.frame.file, placed.frame.line)
            found.setdefault(placed.frame.span.line, []).append(told)
    for line, there in analysis.once(mentions).items():
        for mention in there:
            if mention.location and mention.lock and mention.lock.frame and line not in headlines:
                told = Told(mention.location, mention.lock.frame.file, mention.lock.frame.line)
                found.setdefault(line, []).append(told)
    for index, crash in enumerate(analysis.crashes):
        if site := analysis.site(index):
            stated = (crash.site.file, crash.site.line) if crash.site else (None, None)
            found[crash.headline.line] = [Told(site, *stated)]
    return found


def _hint(server: KernfixServer, analysis: Analysis, line: int, there: list[Told]) -> types.InlayHint | None:
    """One hint for a line; None where the log says it all."""
    parts = [part for told in there for part in _parts(server, analysis, told)]
    if not parts:
        return None
    text = analysis.text.lines[line]
    label = parts if server.can("text_document.inlay_hint") else "".join(part.value for part in parts)
    return types.InlayHint(position=analysis.text.column(line, len(text.rstrip())), label=label, padding_left=True)


def _parts(server: KernfixServer, analysis: Analysis, told: Told) -> Iterator[types.InlayHintLabelPart]:
    """``drivers/fox.c:19``, with an arrow where the log states another line; the functions that were inlined lead to their caller."""
    assert analysis.root is not None
    line = server.places.line(analysis.root / told.location.path, told.location)
    if line is None or _is_stated(told, line):
        return
    if told.file:
        yield types.InlayHintLabelPart(value="→ ")
    chain = _chain(told.location)
    for lead, location in chain:
        if lead:
            yield types.InlayHintLabelPart(value=lead)
        path = analysis.root / location.path
        at = server.places.line(path, location)
        name = f" {location.function}()" if location.function != chain[-1][1].function else ""
        start = types.Position(max(0, (at or location.line) - 1), 0)
        yield types.InlayHintLabelPart(
            value=f"{place(location, at)}{'?' * (location.confidence < DOUBTFUL)}{name}",
            tooltip=types.MarkupContent(types.MarkupKind.Markdown, _about(location)),
            location=types.Location(server.address(path), types.Range(start, start)),
        )


def _chain(location: Location) -> list[tuple[str, Location]]:
    """A location and those that it was inlined into, each with what stands before it; the last is in the frame's own function."""
    callers = location.inlined_by
    whole = len(callers) < SHOWN
    shown = callers if whole else (callers[0], callers[-1])
    leads = [" ← "] * len(shown) if whole else [" ← ", " ← … ← "]
    return [("", location), *zip(leads, shown, strict=True)]


def _is_stated(told: Told, line: int) -> bool:
    """Whether the log states this very place; it may name the file from the root of another machine's tree."""
    location, file = told.location, told.file
    if file is None or told.line != line or location.inlined_by:
        return False
    return file == location.path or file.endswith(f"/{location.path}")


def _about(location: Location) -> str:
    return "\n\n".join([how(location), markdown.plain(location.reason)])
