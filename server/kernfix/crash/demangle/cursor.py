"""Reading a mangled symbol from left to right."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

NAME_LIMIT = 1000
"""Characters of a demangled name; back references can make a short symbol mean an endless one."""

_DEPTH_LIMIT = 64
"""Constructs within one another; the standard library and the compiler of Rust stay below 40."""

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,4}")

_T = TypeVar("_T")


class Unreadable(Exception):
    """The symbol does not follow the grammar, or uses a part of it that is not read."""


class Cursor:
    """A place in a symbol, which moves on as the symbol is read, and how many constructs enclose it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    @property
    def next(self) -> str:
        """The character ahead, empty at the end."""
        return self.text[self.at : self.at + 1]

    @property
    def done(self) -> bool:
        """Whether all was read."""
        return self.at >= len(self.text)

    def eat(self, expected: str) -> bool:
        """Pass `expected` if it is ahead."""
        if not self.text.startswith(expected, self.at):
            return False
        self.at += len(expected)
        return True

    def expect(self, expected: str) -> None:
        """Pass `expected`, which has to be ahead."""
        if not self.eat(expected):
            raise Unreadable

    def take(self, count: int = 1) -> str:
        """Pass that many characters, which have to be there."""
        taken = self.text[self.at : self.at + count]
        if len(taken) < count:
            raise Unreadable
        self.at += count
        return taken

    def match(self, pattern: re.Pattern[str]) -> str:
        """Pass what the pattern finds, which has to be there."""
        found = pattern.match(self.text, self.at)
        if found is None:
            raise Unreadable
        self.at = found.end()
        return found[0]

    def decimal(self) -> int:
        """Pass a decimal number without leading zeros."""
        return int(self.match(_DECIMAL))

    def enter(self) -> None:
        """Begin a construct that can hold others; to be followed by `leave`."""
        self.depth += 1
        if self.depth > _DEPTH_LIMIT:
            raise Unreadable

    def leave(self) -> None:
        """End what `enter` began."""
        self.depth -= 1


def looked_up(table: Mapping[str, _T], key: str) -> _T:
    """What the table has for `key`, which has to be in it."""
    if key not in table:
        raise Unreadable
    return table[key]
