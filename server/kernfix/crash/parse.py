"""Console text to crashes: the way of the data through this room."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from kernfix.crash import corruption
from kernfix.crash.classes import type_of
from kernfix.crash.facts import executor_of, facts_of, site_of
from kernfix.crash.guilty import guilty_file
from kernfix.crash.lines import CONSOLE, PLAIN
from kernfix.crash.locks import held_locks_of
from kernfix.crash.machine import arch_of, machine_of
from kernfix.crash.model import Crash, Frame, Log, Stack
from kernfix.crash.naming import Named, named
from kernfix.crash.registers import code_of, registers_of
from kernfix.crash.report import REPORT_LIMIT, Report, reports
from kernfix.crash.rules import rx
from kernfix.crash.scan import REPLAY
from kernfix.crash.stacks import end_of, stacks_of
from kernfix.crash.stretch import MAX_HEADLINES, Cutter, Stretch, length_of, whole_lines
from kernfix.crash.titles import base_name
from kernfix.crash.whole import Whole

PIECE = 1 << 20
"""Characters of a log that are looked at in one go."""
_LOCKS = "){", "trying to release"
"""One of them is in every report that has anything to say about locks."""
_IN = rx(r" in ([A-Za-z_]\w*)")
_PID = rx(r"\bPID: (\d{1,9}) Comm: ")
_MERGED = rx(r"\[(?<=[^\n]\[) {0,5}\d{1,6}\.\d{6}\]")
"""A time stamp in the middle of a line."""


def decode(data: bytes) -> str:
    """Console bytes as text; bytes that are no UTF-8 become lone surrogates, so nothing is lost."""
    return data.decode("utf-8", "surrogateescape")


def parse(text: str) -> Log:
    """All crashes of a console log, in log order. Never raises, and takes time in proportion to the log."""
    return _parse(whole_lines((text[at : at + PIECE] for at in range(0, len(text), PIECE)), "\n", REPLAY, PIECE))


def parse_stream(blocks: Iterable[bytes]) -> Log:
    """The same for a log that comes in blocks of bytes: it is never held as a whole."""
    return _parse(map(decode, whole_lines(blocks, b"\n", REPLAY.encode(), PIECE)))


def same_crash(one: Crash | Iterable[str], other: Crash | Iterable[str]) -> bool:
    """Whether two crashes, or lists of the titles that crashes go by, are taken for the same bug: they share a title."""
    return not _titles(one).isdisjoint(_titles(other))


def _titles(of: Crash | Iterable[str]) -> frozenset[str]:
    return of.titles if isinstance(of, Crash) else frozenset(of)


def _parse(pieces: Iterable[str]) -> Log:
    cutter, whole = Cutter(), Whole()
    crashes: list[Crash] = []
    for piece in pieces:
        whole.see(piece, cutter.lines)
        for stretch in cutter.feed(piece):
            crashes += _crashes(stretch, len(crashes), whole)
    for stretch in cutter.finish():
        crashes += _crashes(stretch, len(crashes), whole)
    problems = (
        ()
        if cutter.beyond is None
        else (f"more than {MAX_HEADLINES} headlines: the log is not read beyond line {cutter.beyond}",)
    )
    return Log(tuple(_known(crash, whole) for crash in crashes), problems)


def _known(crash: Crash, whole: Whole) -> Crash:
    """A crash with what only the whole log tells."""
    panicked = whole.last_panic >= crash.start_line
    corrupted = corruption.DISCONNECTED if whole.disconnected else crash.corrupted
    if (crash.suppressed, crash.panicked, crash.corrupted) == (whole.suppressed, panicked, corrupted):
        return crash
    return replace(crash, suppressed=whole.suppressed, panicked=panicked, corrupted=corrupted)


def _crashes(stretch: Stretch, base: int, whole: Whole) -> Iterator[Crash]:
    """The crashes of a stretch; `base` is how many there were in the log before, `whole` what is known of the log by now."""
    line, offset = stretch.first, stretch.start_byte
    for report in reports(stretch):
        number = report.part.lines.numbers[0]
        offset += length_of(stretch.lines[line - stretch.first : number - stretch.first])
        line = number
        yield _crash(report, offset, base, whole)


def _crash(report: Report, start_byte: int, base: int, whole: Whole) -> Crash:
    lines, _, text, _ = report.part
    first = lines.numbers[0]
    name = named(report)
    headline = lines.bodies[0].rstrip()
    stacks = stacks_of(report.part, name.function)
    whole.arch = whole.arch or arch_of(text)
    has_sources = ".c:" in text or ".h:" in text
    return Crash(
        title=name.title,
        headline=lines.span(0, len(headline) - len(headline.lstrip()), len(headline)),
        start_line=first,
        end_line=end_of(report.part, stacks),
        start_byte=start_byte,
        alt_titles=name.alt_titles,
        type=type_of(name.title),
        function=name.function or _mentioned(name.title, stacks),
        guilty_file=guilty_file(report.reliable(), name.kind.file_after if name.kind else None)
        if has_sources
        else None,
        site=site_of(headline),
        corrupted=name.corrupted,
        suppressed=whole.suppressed,
        panicked=whole.last_panic >= first,
        executor=executor_of(text),
        arch=whole.arch,
        stacks=stacks,
        consequence_of=None if report.root is None else base + report.root,
        problems=tuple(_problems(report, name, stacks)),
        **(_details(report, name) if report.root is None else {}),
    )


def _details(report: Report, name: Named) -> dict[str, Any]:
    """What a crash says beside its names and stacks. A consequence has none: they are in the crash that it follows from."""
    lines, entries, text, _ = report.part
    said = [
        body for body, entry in zip(lines.bodies, entries, strict=True) if type(entry) is not Frame or entry.register
    ]
    has_locks = _LOCKS[0] in text or _LOCKS[1] in text
    return {
        "locks": held_locks_of(lines) if has_locks else (),
        "machine": machine_of(said, "\n".join(said)),
        "registers": registers_of(said),
        "code": code_of(said),
        "facts": facts_of(report.before, name.words.bodies, name.words.text),
    }


def _has_two_tasks(report: Report) -> bool:
    """Whether two tasks introduce themselves before anything of a stack is printed."""
    if report.part.text.count("PID: ") < 2:
        return False
    end = next((at for at, entry in enumerate(report.part.entries) if entry), len(report.part.entries))
    said = "\n".join(report.part.lines.bodies[:end])
    return len({*_PID.findall(said)}) > 1


def _mentioned(title: str, stacks: tuple[Stack, ...]) -> str | None:
    """The function that a title names without being made to (``data-race in a / b``): one that is in a stack."""
    match = _IN.search(title)
    if match is None or match[1] == corruption.NO_FUNCTION:
        return None
    return (
        match[1] if any(base_name(frame.function) == match[1] for stack in stacks for frame in stack.frames) else None
    )


def _problems(report: Report, name: Named, stacks: tuple[Stack, ...]) -> Iterator[str]:
    """What could not be made sense of, and what is missing."""
    if name.kind is None:
        yield "no known kind of crash begins like this: the headline itself is the title"
    if not stacks and (name.kind is None or name.kind.needs_stack):
        yield "there is no stack trace in this report"
    if report.part.lines.contexts[0] in (PLAIN, CONSOLE) and (
        _MERGED.search(report.part.text) or _has_two_tasks(report)
    ):
        yield "lines of several tasks or processors are mixed here, and there are no caller tags (CONFIG_PRINTK_CALLER) to tell them apart"
    if len(report.part.entries) >= REPORT_LIMIT:
        yield f"only the first {REPORT_LIMIT} lines of this report are read"
