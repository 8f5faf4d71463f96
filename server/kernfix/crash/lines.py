"""Console lines: what stands before the kernel's own words, and who printed them.

A console line may carry what a mail, a logger, a serial console or the kernel itself put in front: quote marks, a time of day, a host
name, a printk level, a time stamp and a caller tag (``CONFIG_PRINTK_CALLER``: ``T12`` a task, ``C1`` a processor). Lines of different
callers are interleaved freely, so a report is read from the lines of one *context*: the caller tag, `CONSOLE` where there is a time and no
tag, `PLAIN` where there is neither (a report that somebody has already cut out).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from kernfix.crash.model import Span

LINE_LIMIT = 1024
"""Characters of a line that are read. printk itself cuts a record at about 1000, so what is longer is not the kernel's."""

CONSOLE = "console"
PLAIN = ""

_ANSI = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[()][0-9A-B]|[=>78])")

_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
_ISO = rf"\d{{4}}-\d\d-\d\d[T ]{_CLOCK}(?:Z|[+-]\d\d:?\d\d)?"
_DAY = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d"

_COMMON = re.compile(r"\[ *[0-9]+\.[0-9]+\](?: ?\[ *([TC][0-9]+)\])? ?")
"""What nearly every line begins with: the kernel's own time stamp and caller."""
_PREFIX = re.compile(
    r"[\x00\r]*"
    # quoted in a mail, perhaps more than once
    r"(?:[>|] ?){0,8}"
    # a test harness or terminal program that stamps every line
    rf"(?:\[?(?P<stamp>{_ISO})\]? (?!\S{{1,64}} kernel: )|\[{_CLOCK}\] )?"
    # syslog, journalctl -k, kern.log
    rf"(?:(?P<syslog>(?:{_DAY} {_CLOCK}|{_ISO}|\[ *\d+\.\d+\]) \S{{1,64}} kernel: ))?"
    # the record of /dev/kmsg and of extended netconsole: level, sequence, microseconds, flags
    r"(?:(?P<record>(?:[\w.~+-]{1,64},)?\d{1,4},\d{1,20},\d{1,20},[-c+](?:,caller=(?P<recorded>[TC]\d{1,10}))?(?:,[\w=/.-]{1,64}){0,4};))?"
    r"(?:\*\* \d+ printk messages dropped \*\* ?)?"
    # dmesg -x
    r"(?:(?:kern|user|daemon|syslog) *:(?:emerg|alert|crit|err|warn|notice|info|debug) *: )?"
    r"(?:<\d{1,3}>)?"
    # the kernel's own time stamp, or what dmesg -T, -d and --time-format=iso make of it
    rf"(?:(?P<time>\[ *\d+\.\d+(?: <[ +\d.]*>)?\]|\[{_DAY} {_CLOCK} \d{{4}}\]|{_ISO}) ?)?"
    r"(?:\[ *(?P<caller>[TC]\d{1,10})\] ?)?"
)


_INDENT = "", " ", "\t"
"""What no prefix begins with."""


@dataclass(slots=True)
class Lines:
    """Console lines in log order, in columns, which are quicker to make, to cut and to read than a value for each line.

    For each line its 0-based number, the kernel's own words, the column where they begin, and who printed it. `raws` are, by number, lines
    as they are in the log where terminal escapes have been taken out of them; it may know more lines than these.
    """

    numbers: Sequence[int]
    bodies: list[str]
    begins: list[int]
    contexts: list[str]
    raws: dict[int, str]

    def between(self, start: int, end: int) -> Lines:
        """The lines ``[start, end)``, counted from the first of these."""
        cut = slice(start, end)
        return Lines(self.numbers[cut], self.bodies[cut], self.begins[cut], self.contexts[cut], self.raws)

    def at(self, places: list[int]) -> Lines:
        """The lines at these places, counted from the first of these."""
        return Lines(
            [*map(self.numbers.__getitem__, places)],
            [*map(self.bodies.__getitem__, places)],
            [*map(self.begins.__getitem__, places)],
            [*map(self.contexts.__getitem__, places)],
            self.raws,
        )

    def by_context(self) -> dict[str, Lines]:
        """The lines of each context."""
        if len(set(self.contexts)) == 1:
            return {self.contexts[0]: self}
        places: defaultdict[str, list[int]] = defaultdict(list)
        for at, context in enumerate(self.contexts):
            places[context].append(at)
        return {context: self.at(its) for context, its in places.items()}

    def span(self, at: int, start: int, end: int) -> Span:
        """The place in the log of the characters ``[start, end)`` of the words at a place."""
        number, begin = self.numbers[at], self.begins[at]
        first, last = begin + start, begin + end
        if number in self.raws:
            columns = _columns(self.raws[number])
            first, last = columns[first], columns[last - 1] + 1 if end > start else columns[first]
        return Span(number, first, last)


def is_common(text: str) -> bool:
    """Whether text has nothing that only somebody else than the kernel writes to a line."""
    return "\r" not in text and "\x1b" not in text and " kernel: " not in text


def read_lines(first: int, texts: list[str], *, common: bool = False) -> Lines:
    """Take lines apart, numbered from `first`; none has a line feed. A common line is read without a detour, since there may be millions;
    where all are `common` it is not even asked of each.
    """
    bodies: list[str] = []
    begins: list[int] = []
    contexts: list[str] = []
    raws: dict[int, str] = {}
    add_body, add_begin, add_context, prefix = bodies.append, begins.append, contexts.append, _COMMON.match
    for number, text in enumerate(texts, first):
        match = prefix(text) if common or is_common(text) else None
        if match is None:
            if "\x1b" in text:
                raws[number] = text
            begin, body, context = _read_line(text)
        else:
            begin, context = match.end(), match[1] or CONSOLE
            body = text[begin:LINE_LIMIT]
        add_body(body)
        add_begin(begin)
        add_context(context)
    return Lines(range(first, first + len(texts)), bodies, begins, contexts, raws)


def _read_line(text: str) -> tuple[int, str, str]:
    """Where the kernel's words begin, the words, and their context; `text` has no line feed."""
    text = without_colours(text)[:LINE_LIMIT].rstrip("\r")
    begin, context = _read_prefix(text)
    return begin, text[begin:], context


def _read_prefix(text: str) -> tuple[int, str]:
    """Where the kernel's words begin, and their context."""
    match = None
    if "login: " in text:
        match = _PREFIX.match(text, text.find("login: ") + len("login: "))
    elif text[:1] in _INDENT:
        return 0, PLAIN
    if match is None or not match["time"]:
        match = _PREFIX.match(text)
    assert match is not None, "every part of the prefix is optional"
    if match.lastindex is None:
        return match.end(), PLAIN
    timed = match["time"] or match["stamp"] or match["record"] or match["syslog"]
    return match.end(), match["caller"] or match["recorded"] or (CONSOLE if timed else PLAIN)


def without_colours(text: str) -> str:
    """The text without terminal escape sequences; line numbers stay, columns do not."""
    return _ANSI.sub("", text) if "\x1b" in text else text


def _columns(raw: str) -> list[int]:
    """For each character that is left without escapes, its column in the raw line; one more at the end."""
    hidden = {at for match in _ANSI.finditer(raw) for at in range(*match.span())}
    return [*(at for at in range(len(raw)) if at not in hidden), len(raw)]
