"""Console lines: what stands before the kernel's own words, and who printed them.

A console line may carry what a mail, a logger, a serial console or the kernel itself put in front: quote marks, a time of day, a host
name, a printk level, a time stamp and a caller tag (``CONFIG_PRINTK_CALLER``: ``T12`` a task, ``C1`` a processor). Lines of different
callers are interleaved freely, so a report is read from the lines of one *context*: the caller tag, `CONSOLE` where there is a time and no
tag, `PLAIN` where there is neither (a report that somebody has already cut out).
"""

from __future__ import annotations

import re
from typing import NamedTuple

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


class Line(NamedTuple):
    """One console line: its 0-based number, the kernel's own words, who printed it, and the column where the words begin.

    `raw` is the line as it is in the log where terminal escapes have been taken out of it, else None.
    """

    number: int
    body: str
    context: str
    begin: int
    raw: str | None = None

    def span(self, start: int, end: int) -> Span:
        """The place in the log of the body's characters ``[start, end)``."""
        first, last = self.begin + start, self.begin + end
        if self.raw is not None:
            columns = _columns(self.raw)
            first, last = columns[first], columns[last - 1] + 1 if end > start else columns[first]
        return Span(self.number, first, last)


def is_common(text: str) -> bool:
    """Whether text has nothing that only somebody else than the kernel writes to a line."""
    return "\r" not in text and "\x1b" not in text and " kernel: " not in text


def read_lines(first: int, texts: list[str], *, common: bool = False) -> list[Line]:
    """Take lines apart, numbered from `first`; none has a line feed. A common line is read without a detour, since there may be millions;
    where all are `common` it is not even asked of each.
    """
    lines: list[Line] = []
    add, prefix, new = lines.append, _COMMON.match, tuple.__new__
    for number, text in enumerate(texts, first):
        match = prefix(text) if common or is_common(text) else None
        if match is None:
            add(read_line(number, text))
        else:
            begin = match.end()
            add(new(Line, (number, text[begin:LINE_LIMIT], match[1] or CONSOLE, begin, None)))
    return lines


def read_line(number: int, text: str) -> Line:
    """Take one line apart; `text` has no line feed."""
    raw = None
    if "\x1b" in text:
        raw, text = text, _ANSI.sub("", text)
    text = text[:LINE_LIMIT].rstrip("\r")
    begin, context = _read_prefix(text)
    return Line(number, text[begin:], context, begin, raw)


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
