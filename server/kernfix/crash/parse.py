"""Console text to crashes: reads each report by the table of kinds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from kernfix.crash import corruption
from kernfix.crash.classes import type_of
from kernfix.crash.facts import arch_of, executor_of, facts_of, registers_of, site_of
from kernfix.crash.guilty import blamed_function, guilty_file
from kernfix.crash.lines import without_colours
from kernfix.crash.model import Crash, Log
from kernfix.crash.report import Report, reports
from kernfix.crash.rules import Family, Kind, rx
from kernfix.crash.scan import MAX_HEADLINES, headlines
from kernfix.crash.stacks import end_of, stacks_of
from kernfix.crash.titles import normalised, plain_names

PANIC = "Kernel panic - not syncing"

_SUPPRESSED = (
    ("fatal error:", rx(r"fatal error: .*(?:out of memory|cannot allocate memory|newosproc|unexpected signal during runtime execution)")),
    ("panic:", rx(r"panic: (?:.*(?:cannot allocate memory|failed to (?:start executor|create temp dir)|pthread_create)"
            r"|executor .* failed to start)")),
    ("SIGBUS", rx(r"signal SIGBUS: bus error|SYZFAIL: SIGBUS")),
    ("ut of memory", rx(r"ut of memory: Kill(?:ed)? process \d+ \((?:syz-exec|sshd)")),
    ("Killed process", rx(r"Killed process \d+ \((?:syz-exec|sshd)")),
    ("lowmemorykiller", rx(r"lowmemorykiller: Kill(?:ing|ed)? '(?:syz-exec|sshd)")),
    ("INIT: PANIC", rx(r"INIT: PANIC: segmentation violation!")),
    ("stack smashing", rx(r"\*\*\* stack smashing detected \*\*\*: terminated")),
)  # fmt: skip
"""Failures of the machine or the fuzzer that make a crash not worth reporting: a literal that the pattern holds, and the pattern."""


class _Named(NamedTuple):
    """What the table says of a report."""

    title: str
    alt_titles: tuple[str, ...]
    function: str | None
    corrupted: str | None
    file_after: re.Pattern[str] | None = None


def decode(data: bytes) -> str:
    """Console bytes as text; bytes that are no UTF-8 become lone surrogates, so nothing is lost."""
    return data.decode("utf-8", "surrogateescape")


def parse(text: str) -> Log:
    """All crashes of a console log, in log order. Never raises, and takes time in proportion to the log."""
    clean = without_colours(text)
    found, more = headlines(clean)
    if not found:
        return Log(())
    raw_lines = text.split("\n")
    problems = (
        (f"more than {MAX_HEADLINES} headlines: the log is not read beyond line {found[-1].line + 1}",) if more else ()
    )
    last_panic = clean.rfind(PANIC)
    whole = _WholeLog(
        suppressed=any(hint in clean and pattern.search(clean) for hint, pattern in _SUPPRESSED),
        panic_line=clean.count("\n", 0, last_panic) if last_panic >= 0 else -1,
        disconnected="serialport: VM disconnected." in clean,
    )
    offsets = _ByteOffsets(raw_lines)
    crashes = tuple(_crash(report, offsets.of(report.lines[0].number), whole) for report in reports(raw_lines, found))
    return Log(crashes, problems)


def same_crash(one: Crash | Iterable[str], other: Crash | Iterable[str]) -> bool:
    """Whether two crashes, or lists of the titles that crashes go by, are taken for the same bug: they share a title."""
    return not _titles(one).isdisjoint(_titles(other))


def _titles(of: Crash | Iterable[str]) -> frozenset[str]:
    return of.titles if isinstance(of, Crash) else frozenset(of)


class _WholeLog(NamedTuple):
    """What holds for every crash of a log."""

    suppressed: bool
    panic_line: int
    disconnected: bool


class _ByteOffsets:
    """Where lines begin, in bytes; asked in rising order, so that the log is measured once."""

    def __init__(self, raw_lines: list[str]) -> None:
        self._lines = raw_lines
        self._line = self._bytes = 0

    def of(self, line: int) -> int:
        for number in range(self._line, line):
            self._bytes += _byte_length(self._lines[number]) + 1
        self._line = line
        return self._bytes


def _byte_length(text: str) -> int:
    if text.isascii():
        return len(text)
    escaped = sum("\udc80" <= char <= "\udcff" for char in text)
    return len(text.encode("utf-8", "surrogatepass")) - 2 * escaped


def _crash(report: Report, start_byte: int, whole: _WholeLog) -> Crash:
    first = report.lines[0]
    lines = report.analysed()
    text = "\n".join(lines)
    named = _named(report.family, lines, text)
    torn = corruption.DISCONNECTED if whole.disconnected else corruption.torn_title(named.title) or named.corrupted
    headline = first.body.rstrip()
    everything = "\n".join(line.body for line in report.lines)
    stacks = stacks_of(report.lines, named.function)
    return Crash(
        title=named.title,
        headline=first.span(len(headline) - len(headline.lstrip()), len(headline)),
        start_line=first.number,
        end_line=end_of(report.lines, stacks),
        start_byte=start_byte,
        alt_titles=named.alt_titles,
        type=type_of(named.title),
        function=named.function,
        guilty_file=guilty_file(lines, named.file_after),
        site=site_of(headline),
        corrupted=torn,
        suppressed=whole.suppressed,
        panicked=whole.panic_line >= first.number,
        executor=executor_of(everything),
        arch=arch_of(everything),
        stacks=stacks,
        registers=registers_of(lines),
        facts=facts_of("\n".join(line.body for line in report.before), text),
    )


def _named(family: Family, lines: list[str], text: str) -> _Named:
    """Title, blame and wholeness, from the first line that a kind of the family fits."""
    start = 0
    half = False
    for number, line in enumerate(lines):
        at = line.find(family.keyword)
        kinds = [(kind, match) for kind in family.kinds if at >= 0 and (match := kind.headline.match(text, start + at))]
        for kind, match in kinds:
            named = _of_kind(kind, match, lines[number:], text)
            if named:
                return named
        if kinds:
            half = True
            break
        start += len(line) + 1
    line = lines[0]
    title = normalised(line[max(line.find(family.keyword), 0) :])
    return _Named(title, (), None, corruption.HALF_MATCHED if half else None)


def _of_kind(kind: Kind, match: re.Match[str], lines: list[str], text: str) -> _Named | None:
    """What a kind makes of a report whose headline fits; None when its body does not."""
    body = kind.body.search(text, match.end()) if kind.body else None
    if kind.body and body is None:
        return None
    words = [*(match.groups("")), *(body.groups("") if body else ())]
    function = blamed_function(kind, lines) if kind.names_function else None
    names = plain_names(function) if function else (corruption.NO_FUNCTION,)
    titles = [normalised(form.format(*words, F=name)) for name in names for form in (kind.title, *kind.alts)]
    corrupted = _wholeness(kind, function, lines)
    return _Named(titles[0], tuple(sorted(set(titles) - {titles[0]})), function, corrupted, kind.file_after)


def _wholeness(kind: Kind, function: str | None, lines: list[str]) -> str | None:
    if kind.broken:
        return corruption.BROKEN_FORMAT
    if kind.names_function and function is None:
        return corruption.NO_FRAMES
    return corruption.torn_stack(lines) if kind.needs_stack else None
