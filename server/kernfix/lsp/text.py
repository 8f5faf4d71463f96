"""Lines and positions of a document as LSP counts them.

LSP ends a line at ``\\n``, ``\\r\\n`` or ``\\r`` and nowhere else, while Python's `str.splitlines` also ends one at form feeds and other
characters that console logs are full of. Columns are in the units that client and server agreed on (UTF-8, -16, -32); ours are characters.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from lsprotocol import types
from pygls.workspace import PositionCodec, TextDocument

_EOL = re.compile(r"\r\n|\n|\r")


def split_lines(text: str) -> tuple[str, ...]:
    """The lines without their ends; a text that ends in a newline has an empty last line."""
    return tuple(text.split("\n") if "\r" not in text else _EOL.split(text))


@dataclass(frozen=True)
class Text:
    """One version of a document, with positions in the client's units. Positions out of range are moved to the nearest place."""

    source: str
    codec: PositionCodec

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The lines without their ends."""
        return split_lines(self.source)

    @cached_property
    def _starts(self) -> list[int]:
        """The offset of each line's first character."""
        return [0, *(match.end() for match in _EOL.finditer(self.source))]

    def column(self, line: int, character: int) -> types.Position:
        """The client's position of a character of a line, both 0-based."""
        line = max(0, min(line, len(self.lines) - 1))
        head = self.lines[line][: max(0, character)]
        return types.Position(line, len(head) if head.isascii() else self.codec.client_num_units(head))

    def span(self, line: int, start: int, end: int) -> types.Range:
        """The client's range of the characters ``[start, end)`` of a line."""
        return types.Range(self.column(line, start), self.column(line, end))

    def code(self, line: int) -> types.Range:
        """The client's range of a line without its indentation and trailing space; 0-based."""
        text = self.lines[line] if 0 <= line < len(self.lines) else ""
        return self.span(line, len(text) - len(text.lstrip()), len(text.rstrip()))

    def position(self, offset: int) -> types.Position:
        """The client's position of a character offset into the whole text."""
        line = bisect_right(self._starts, offset) - 1
        return self.column(line, offset - self._starts[line])

    def character(self, position: types.Position) -> tuple[int, int]:
        """The line and the character that the client means."""
        if position.line >= len(self.lines):
            return len(self.lines) - 1, len(self.lines[-1])
        line = self.lines[position.line]
        if line.isascii():
            return position.line, min(position.character, len(line))
        ends = list(accumulate(self.codec.client_num_units(character) for character in line))
        return position.line, bisect_right(ends, position.character)

    def offset(self, position: types.Position) -> int:
        """The offset into the whole text that the client means."""
        line, character = self.character(position)
        return self._starts[line] + character


class Document(TextDocument):
    """pygls' document, but an incremental change lands where the client put it, whatever characters the lines hold."""

    @property
    def text(self) -> Text:
        """The present version as a value."""
        return Text(self.source, self.position_codec)

    def apply_change(self, change: types.TextDocumentContentChangeEvent) -> None:
        """Replace the whole text, or the range that changed."""
        if not isinstance(change, types.TextDocumentContentChangePartial):
            self._source = change.text
            return
        text = self.text
        start, end = text.offset(change.range.start), text.offset(change.range.end)
        self._source = text.source[:start] + change.text + text.source[max(start, end) :]
