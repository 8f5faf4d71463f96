"""What a frame, a headline or a value is, and for a frame where it is in the tree, how that was found and how sure it is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lsprotocol import types

from kernfix.lsp import markdown
from kernfix.lsp.analysis import Analysis, PlacedFrame
from kernfix.lsp.session import KernfixServer

if TYPE_CHECKING:
    from kernfix.crash.model import Span
    from kernfix.source.model import Location

AROUND = 4
"""Lines of source shown before and after the one that a frame is at."""
HOW = {
    "log": "the log states it, and the line is in that function here",
    "debuginfo": "debug information of vmlinux",
    "symbol": "definition found by name",
    "relocated": "the line moved and was found again",
}


async def hover(server: KernfixServer, params: types.HoverParams) -> types.Hover | None:
    """Explain what is under the cursor; does not wait for the search in the tree."""
    log = server.log(params.text_document.uri)
    analysis = await log.parsed() if log else None
    if analysis is None:
        return None
    line, character = analysis.text.character(params.position)
    headline = analysis.headline_at(line)
    placed = analysis.frame_at(line, character)
    explained = None if _is_on(placed, character) else await asyncio.to_thread(_explain, analysis, line, character)
    if explained:
        span, parts = explained
    elif placed:
        span = placed.frame.span
        parts = _frame(server, analysis, placed)
    elif headline is not None:
        span = analysis.crashes[headline].headline
        parts = _headline(analysis, headline)
    else:
        return None
    contents = types.MarkupContent(kind=types.MarkupKind.Markdown, value="\n\n".join(parts))
    return types.Hover(contents=contents, range=analysis.text.span(span.line, span.start, span.end))


def _is_on(placed: PlacedFrame | None, character: int) -> bool:
    return placed is not None and placed.frame.span.start <= character <= placed.frame.span.end


def _explain(analysis: Analysis, line: int, character: int) -> tuple[Span, list[str]] | None:
    """A value of the log; in a thread, because the disassembler takes its time to load."""
    from kernfix.lsp.features.explain import explain_at

    return explain_at(analysis, line, character)


def _headline(analysis: Analysis, index: int) -> list[str]:
    crash = analysis.crashes[index]
    facts = {
        "type": crash.type,
        "function": crash.function,
        "file": crash.guilty_file,
        "architecture": crash.arch,
        "also": "; ".join(crash.alt_titles),
        **crash.facts,
    }
    told = [f"- {markdown.plain(name)}: {markdown.code(value)}" for name, value in facts.items() if value]
    stacks = ", ".join(f"{stack.kind} ({len(stack.frames)} frames)" for stack in crash.stacks)
    told += [f"- stacks: {stacks}"] if stacks else []
    told += [f"- {markdown.plain(f'damaged: {crash.corrupted}')}"] if crash.corrupted else []
    return [f"**{markdown.plain(crash.title)}**", "\n".join(told)]


def _frame(server: KernfixServer, analysis: Analysis, placed: PlacedFrame) -> list[str]:
    frame = placed.frame
    name = frame.function
    if frame.offset is not None:
        name += f"+{frame.offset:#x}" + (f"/{frame.size:#x}" if frame.size is not None else "")
    about = f"frame {placed.number} of the {placed.stack.kind} stack"
    about += ", inlined" if frame.inlined else ""
    about += "" if frame.reliable else ", found on the stack by chance perhaps (`?`)"
    about += f", module {markdown.code(frame.module)}" if frame.module else ""
    parts = [f"**{markdown.code(name)}** {about}"]
    if placed.location is None or analysis.root is None:
        return [*parts, markdown.plain(analysis.unlocated or "This function was not found in the kernel tree.")]
    return [*parts, *_location(server, analysis, placed.location)]


def _location(server: KernfixServer, analysis: Analysis, location: Location) -> list[str]:
    where = f"{markdown.code(f'{location.path}:{location.line}')}: {HOW[location.how]}, {location.confidence:.0%} sure"
    parts = [where, markdown.plain(location.reason)]
    if location.inlined_by:
        chain = " ← ".join(
            markdown.code(f"{outer.function} {outer.path}:{outer.line}") for outer in location.inlined_by
        )
        parts.append(f"inlined into {chain}")
    assert analysis.root is not None
    text = server.source(analysis.root / location.path)
    if text:
        first = max(1, location.line - AROUND)
        lines = text.lines[first - 1 : location.line + AROUND]
        shown = [
            f"{'>' if number == location.line else ' '} {number:5} {line}"
            for number, line in enumerate(lines, start=first)
        ]
        parts.append(markdown.block("\n".join(shown), "c"))
    return parts
