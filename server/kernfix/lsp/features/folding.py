"""What of a log is noise: folded, a reader sees the crash.

Noise has the kind ``comment``, so that the command of an editor which folds all comments leaves what matters; a crash and its stacks have
the kind ``region``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, NamedTuple

from lsprotocol import types
from pygls.capabilities import get_capability

from kernfix.lsp.analysis import Analysis, PlacedFrame
from kernfix.lsp.printed import printed, stack_lines
from kernfix.lsp.session import KernfixServer
from kernfix.lsp.words import PANIC, stack_name

if TYPE_CHECKING:
    from kernfix.crash.lines import Lines

REGION, NOISE = types.FoldingRangeKind.Region, types.FoldingRangeKind.Comment

_HEX = "[0-9a-f]{8,16}"
_WORD = "[0-9a-f]{16}"
_NOISE = {
    "memory": (
        r"Memory state around|\s+\^\s*$|(?:raw|head|flags|page|page_type|memcg|aops): ?\S|page dumped because",
        rf"[ >]{_HEX}: [0-9a-f]{{2}} |(?:Object|Redzone|Padding|Bytes b4|Bytes) +(?:\([^)]{{1,40}}\) )?{_HEX}: ",
    ),
    "registers": (
        rf"\s{{0,20}}[A-Za-z]\w{{0,6}} {{0,4}}: {{0,2}}(?:[0-9a-f]{{4}}:)?{_HEX}\b",
        r"[CDEF]S: {1,2}[0-9a-f]{4} |[DR]IP: 00(?:33|2b|23|73):",
        rf"(?:GPR|\$ ?)\d{{1,2}} {{0,4}}: {{0,2}}{_HEX}|Krnl GPRS:| {{0,16}}{_WORD} {_WORD}",
        rf"(?:[a-z]\d|pc|ra|fp|sp|tp|u0) {_WORD} ",
    ),
    "loaded modules": (r"Modules linked in:",),
}
"""Lines that come in dumps, and what they are a dump of; formats as in arch/*/kernel/process.c and lib/show_mem.c, mm/kasan/report.c,
mm/slub.c, kernel/module/main.c."""
_DUMPED = tuple((what, re.compile("|".join(patterns))) for what, patterns in _NOISE.items())
_CODE = re.compile(r"Code: ")
_MODULES = re.compile(r" ?[\w-]+(?:\([A-Z+-]+\))?(?: [\w-]+(?:\([A-Z+-]+\))?)* ?$| ?\[last unloaded:")
"""How a list of modules goes on when it was too long for a line."""


class Fold(NamedTuple):
    """Lines ``[start, end]`` that fold into the first; `words` tell what is hidden."""

    start: int
    end: int
    kind: types.FoldingRangeKind
    words: str


async def ranges(server: KernfixServer, params: types.FoldingRangeParams) -> list[types.FoldingRange]:
    """The stretches to fold; where the client limits their number, whole crashes go before stacks, and those before noise in them."""
    log = server.log(params.text_document.uri)
    analysis = await log.parsed() if log else None
    if analysis is None:
        return []
    limit = get_capability(server.client_capabilities, "text_document.folding_range.range_limit")
    tells = server.can("text_document.folding_range.folding_range.collapsed_text")
    return [
        types.FoldingRange(
            start_line=fold.start, end_line=fold.end, kind=fold.kind, collapsed_text=fold.words if tells else None
        )
        for fold in sorted(analysis.once(folds)[:limit])
    ]


def folds(analysis: Analysis) -> list[Fold]:
    """All folds, the most important first. They lie beside or in each other, and no two begin on the same line."""
    if not analysis.crashes:
        return []
    whole = list(_crashes(analysis))
    found = [*whole, *_between(analysis)]
    stacks, noise = [], []
    for index, (lines, crash) in enumerate(zip(analysis.once(printed), whole, strict=True)):
        its = {at: list(frames) for at, frames in groupby(analysis.frames_of[index], key=lambda placed: placed.at)}
        own = [_stack(frames, lines) for frames in its.values()]
        dull = [
            *_frames(its.values()),
            *_dumps(lines, {placed.frame.span.line for placed in analysis.frames_of[index]}),
        ]
        stacks += [fold for fold in own if fold and fold.end <= crash.end]
        noise += [fold for fold in dull if fold.end <= crash.end]
    return list(_nested([*found, *stacks, *noise]))


def _nested(candidates: list[Fold]) -> Iterator[Fold]:
    """Those that hide a line at least and cross none that is more important; where two begin together, the lesser one gives way."""
    begun: set[int] = set()
    fitting = []
    for number, fold in enumerate(candidates):
        start = next((line for line in range(fold.start, fold.end) if line not in begun), None)
        if start is not None:
            begun.add(start)
            fitting.append((start, -fold.end, number))
    kept, open_ends = set(), [max((fold.end for fold in candidates), default=0)]
    for start, minus_end, number in sorted(fitting):
        while open_ends[-1] < start:
            open_ends.pop()
        if -minus_end <= open_ends[-1]:
            open_ends.append(-minus_end)
            kept.add(number)
    starts = {number: start for start, _, number in fitting}
    yield from (candidates[number]._replace(start=starts[number]) for number in sorted(kept))


def _crashes(analysis: Analysis) -> Iterator[Fold]:
    """Each crash from its headline to its end, or to where another begins."""
    crashes = analysis.crashes
    nexts = [crash.headline.line - 1 for crash in crashes[1:]] + [len(analysis.text.lines)]
    for crash, before in zip(crashes, nexts, strict=True):
        yield Fold(crash.headline.line, min(crash.end_line, before), REGION, crash.title)


def _between(analysis: Analysis) -> Iterator[Fold]:
    """What the kernel and others print when nothing is wrong."""
    text = analysis.text.lines
    last = len(text) - 1 - (not text[-1])
    edges = [(-1, -1), *((crash.start_line, crash.end_line) for crash in analysis.crashes), (last + 1, last + 1)]
    for (_, end), (start, _) in pairwise(edges):
        count = start - end - 1
        yield Fold(end + 1, start - 1, NOISE, f"{count} lines without a crash")


def _stack(frames: list[PlacedFrame], lines: Lines) -> Fold | None:
    """A stack with its heading."""
    found = stack_lines(frames, lines)
    if found is None:
        return None
    heading, first, last = found
    name = stack_name(frames[0].stack)
    start = first if heading is None else heading
    count = sum(placed.frame.register is None for placed in frames)
    return Fold(start, last, NOISE if name == PANIC else REGION, f"{name}: {count} frames")


def _frames(stacks: Iterable[list[PlacedFrame]]) -> Iterator[Fold]:
    """Runs of frames that only print the report or enter the kernel, or that the unwinder does not vouch for."""
    for frames in stacks:
        run: list[PlacedFrame] = []
        for placed in frames:
            if run and not (_is_dull(placed) and placed.frame.span.line - run[-1].frame.span.line in (0, 1)):
                yield _run(run)
                run = []
            if _is_dull(placed):
                run.append(placed)
        if run:
            yield _run(run)


def _is_dull(placed: PlacedFrame) -> bool:
    from kernfix.crash.skips import is_machinery

    return placed.frame.register is None and (not placed.frame.reliable or is_machinery(placed.frame.function))


def _run(run: list[PlacedFrame]) -> Fold:
    guesses = sum(not placed.frame.reliable for placed in run)
    if guesses == len(run):
        words = f"{guesses} unreliable frames"
    else:
        words = f"{len(run)} frames of reporting or entry code" + (", some unreliable" if guesses else "")
    return Fold(run[0].frame.span.line, run[-1].frame.span.line, NOISE, words)


def _dumps(lines: Lines, taken: set[int]) -> Iterator[Fold]:
    """Dumps of registers, memory and loaded modules; lines that are frames are none."""
    start, of = 0, ""
    for at, (number, body) in enumerate(zip(lines.numbers, lines.bodies, strict=True)):
        what = "" if number in taken else _dump_of(body, of)
        if what != of:
            if of:
                yield Fold(lines.numbers[start], number - 1, NOISE, of)
            start, of = at, what
    if of:
        yield Fold(lines.numbers[start], lines.numbers[-1], NOISE, of)


def _dump_of(body: str, above: str) -> str:
    """What a line is dumped of, judged also by what the line above it is."""
    if above == "loaded modules" and _MODULES.match(body):
        return above
    if above == "registers" and _CODE.match(body):
        return above
    return next((what for what, pattern in _DUMPED if pattern.match(body)), "")
