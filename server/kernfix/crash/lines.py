"""Console lines: what stands before the kernel's own words, and who printed them.

A console line may carry a syslog or mail prefix, a printk level, a time stamp and a caller tag (``CONFIG_PRINTK_CALLER``: ``T12`` a task,
``C1`` a processor). Lines of different callers are interleaved freely, so a report is read from the lines of one *context*: the caller
tag, `CONSOLE` where there is a time and no tag, `PLAIN` where there is neither (a report that somebody has already cut out).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from kernfix.crash.model import Span

LINE_LIMIT = 1024
"""Characters of a line that are read. printk itself cuts a record at about 1000, so what is longer is not the kernel's."""

CONSOLE = "console"
PLAIN = ""

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

_PREFIX = re.compile(
    r"[\x00\r]*"
    r"(?:> ?){0,4}"
    r"(?:(?:\w{3} [ \d]\d [\d:]{8}|\d{4}-\d\d-\d\dT\S{8,24}) \S{1,64} kernel: )?"
    r"(?:\*\* \d+ printk messages dropped \*\* ?)?"
    r"(?:<\d{1,3}>)?"
    r"(?:(?P<time>\[ *\d+\.\d+\]|\[\w{3} \w{3} [ \d]\d [\d:]{8} \d{4}\]) ?)?"
    r"(?:\[ *(?P<caller>[TC]\d+)\] ?)?"
)


class Line(NamedTuple):
    """One console line: its 0-based number, its text, the column where the kernel's words begin, and its context."""

    number: int
    text: str
    begin: int
    context: str
    raw: str

    @property
    def body(self) -> str:
        """The kernel's own words."""
        return self.text[self.begin :]

    def span(self, start: int, end: int) -> Span:
        """The place in the log of the body's characters ``[start, end)``."""
        first, last = self.begin + start, self.begin + end
        if self.raw != self.text:
            columns = _columns(self.raw)
            first, last = columns[first], columns[last - 1] + 1 if end > start else columns[first]
        return Span(self.number, first, last)


def read_line(number: int, raw: str) -> Line:
    """Take one line apart; `raw` has no line feed."""
    raw = raw[:LINE_LIMIT]
    text = _ANSI.sub("", raw) if "\x1b" in raw else raw
    text = text.rstrip("\r")
    at = text.find("login: ") + len("login: ") if "login: " in text else 0
    match = _PREFIX.match(text, at)
    assert match is not None, "every part of the prefix is optional"
    if at and not match["time"]:
        match = _PREFIX.match(text)
        assert match is not None
    caller = match["caller"]
    context = caller or (CONSOLE if match["time"] else PLAIN)
    return Line(number, text, match.end(), context, raw if len(raw) != len(text) else text)


def without_colours(text: str) -> str:
    """The text without terminal escape sequences; line numbers stay, columns do not."""
    return _ANSI.sub("", text) if "\x1b" in text else text


def _columns(raw: str) -> list[int]:
    """For each character that is left without escapes, its column in the raw line; one more at the end."""
    hidden = {at for match in _ANSI.finditer(raw) for at in range(*match.span())}
    return [*(at for at in range(len(raw)) if at not in hidden), len(raw)]
