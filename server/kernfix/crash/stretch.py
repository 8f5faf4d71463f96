"""Which stretches of a log are worth reading: what is near its headlines. The rest is passed over, and not kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import AnyStr

from kernfix.crash.lines import is_common, without_colours
from kernfix.crash.scan import Headline, headlines

MAX_HEADLINES = 10_000
"""Headlines that are read of one log; a log with more is a loop of the same fault."""
LEAD = 40
"""Lines that are read before a headline."""
WINDOW = 20_000
"""Lines that are read after a headline, for a report whose lines other contexts have been mixed into."""
STRETCH_LIMIT = 50_000
"""Lines of a stretch after which the next headline begins a new one."""


@dataclass(slots=True)
class Stretch:
    """Lines in a row, the number and the byte offset of the first, and the headlines among them (numbered as in the log).

    `common` as `kernfix.crash.lines.read_lines` takes it.
    """

    first: int
    start_byte: int
    lines: list[str]
    headlines: list[Headline]
    common: bool = field(default=True, compare=False)

    @property
    def end(self) -> int:
        """The number of the line behind the last."""
        return self.first + len(self.lines)


_ESCAPED = re.compile("[\udc80-\udcff]")
"""Bytes that are no UTF-8, as surrogateescape shows them."""


class Cutter:
    """Cuts a log, given in pieces of whole lines, into stretches; what it cuts does not depend on where the pieces end."""

    def __init__(self) -> None:
        self._open: Stretch | None = None
        self._lead: list[str] = []
        self.lines = 0
        """How many have been taken."""
        self._bytes = 0
        self._headlines = 0
        self._common = True
        self.beyond: int | None = None
        """The line of the first headline that is not read any more."""

    def feed(self, text: str) -> Iterator[Stretch]:
        """Take lines; each ends with a line feed, except perhaps the last of the log."""
        base = self.lines
        found = (
            [Headline(base + line, family) for line, family in headlines(without_colours(text))]
            if self.beyond is None
            else []
        )
        self._common = self._common and is_common(text)
        if found or self._open:
            lines = text.removesuffix("\n").split("\n")
            yield from self._cut(lines, self._allowed(found))
            self.lines += len(lines)
        else:
            lines = text.removesuffix("\n").rsplit("\n", LEAD)[-LEAD:]
            self.lines += text.count("\n") + (not text.endswith("\n"))
        self._lead = [*self._lead, *lines[-LEAD:]][-LEAD:]
        self._bytes += byte_length(text)

    def finish(self) -> Iterator[Stretch]:
        """The stretch that the end of the log has cut off."""
        if self._open:
            yield self._done()

    def _allowed(self, found: list[Headline]) -> list[Headline]:
        left = MAX_HEADLINES - self._headlines
        if len(found) > left:
            self.beyond = found[left].line
        self._headlines += min(left, len(found))
        return found[:left]

    def _cut(self, lines: list[str], found: list[Headline]) -> Iterator[Stretch]:
        for headline in found:
            if self._open and (headline.line > self._last + WINDOW or headline.line - self._open.first > STRETCH_LIMIT):
                yield self._close(lines, headline.line)
            if self._open is None:
                self._start(lines, headline.line)
            assert self._open is not None
            self._keep(lines, headline.line)
            self._open.headlines.append(headline)
        if self._open:
            self._keep(lines, self._last + WINDOW)
            if self.lines + len(lines) > self._last + WINDOW:
                yield self._done()

    @property
    def _last(self) -> int:
        assert self._open is not None
        return self._open.headlines[-1].line

    def _close(self, lines: list[str], before: int) -> Stretch:
        self._keep(lines, min(before, self._last + WINDOW))
        return self._done()

    def _done(self) -> Stretch:
        stretch = self._open
        assert stretch is not None
        self._open = None
        stretch.common = self._common
        return stretch

    def _start(self, lines: list[str], headline: int) -> None:
        """Open a stretch a little before a headline, where that has not been read already."""
        at = headline - self.lines
        lead = [*self._lead, *lines[max(0, at - LEAD) : at]][-LEAD:] if at < LEAD else lines[at - LEAD : at]
        before = byte_length("\n".join(lines[:at])) + (at > 0)
        start = self._bytes + before - length_of(lead)
        self._open = Stretch(headline - len(lead), start, lead, [])

    def _keep(self, lines: list[str], end: int) -> None:
        """Take lines into the open stretch, up to the line numbered `end`."""
        assert self._open is not None
        self._open.lines.extend(lines[self._open.end - self.lines : max(0, end - self.lines)])


def byte_length(text: str) -> int:
    """The length of text in the bytes that it was decoded from (UTF-8, surrogateescape)."""
    if text.isascii():
        return len(text)
    return len(text.encode("utf-8", "surrogatepass")) - 2 * len(_ESCAPED.findall(text))


def length_of(lines: list[str]) -> int:
    """The same for whole lines, each with its line feed."""
    return byte_length("\n".join(lines)) + 1 if lines else 0


def whole_lines(blocks: Iterable[AnyStr], feed: AnyStr, glued: AnyStr, least: int = 1) -> Iterator[AnyStr]:
    """The same text in pieces that end with a line feed, of `least` characters or bytes where that can be; a line that holds `glued` stays
    in one piece with the line above it.
    """
    held: list[AnyStr] = []
    size, enough = 0, least
    for block in blocks:
        held.append(block)
        size += len(block)
        if size < enough:
            continue
        text = feed[:0].join(held)
        cut = _last_cut(text, feed, glued)
        if cut:
            yield text[:cut]
        held = [text[cut:]]
        size = len(text) - cut
        enough = (
            least if cut else max(least, 2 * size)
        )  # nothing to cut: a line longer than a block must not be joined over and over
    rest = feed[:0].join(held)
    if rest:
        yield rest


def _last_cut(text: AnyStr, feed: AnyStr, glued: AnyStr) -> int:
    """Where to cut so that the line below the cut is whole and not glued to the one above; 0 when there is no such place."""
    end = text.rfind(feed)
    while end > 0:
        start = text.rfind(feed, 0, end)
        if glued not in text[start + 1 : end]:
            return start + 1
        end = start
    return 0
