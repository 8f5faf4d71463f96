"""What is common to all parts of a symbol in Rust's v0 mangling: numbers, identifiers, lists, back references, and what is printed."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from kernfix.crash.demangle.cursor import NAME_LIMIT, Cursor, Unreadable

_STEP_LIMIT = 10_000
"""Paths, types and constants that are printed; back references can make a short symbol hold any number of them."""

_BASE_62 = re.compile(r"[0-9A-Za-z]{0,11}_")
_DIGITS = {digit: value for value, digit in enumerate("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")}
_U64 = 2**64

_T = TypeVar("_T")


class Enough(Exception):
    """The name is as long as a name may get."""


class Reader(Cursor, ABC):
    """Reads a symbol and, when `printing`, says what it reads.

    Only what is printed follows back references. So reading takes as long as the symbol, and printing ends when enough is said.
    """

    def __init__(self, text: str, *, printing: bool) -> None:
        super().__init__(text)
        self.printing = printing
        self.said: list[str] = []
        self._room = NAME_LIMIT
        self._steps = 0

    @abstractmethod
    def path(self, in_value: bool = False) -> None:
        """Pass a path; `in_value` means that it names a value, where generic arguments follow ``::``."""

    def say(self, text: str) -> None:
        """Print, until there is `Enough`."""
        if not self.printing:
            return
        self.said.append(text)
        self._room -= len(text)
        if self._room < 0:
            raise Enough

    def enter(self) -> None:
        """Begin a path, type or constant."""
        super().enter()
        self._steps += 1
        if self._steps > _STEP_LIMIT:
            raise Unreadable

    def base_62(self) -> int:
        """Pass a number: ``_`` is 0, ``0_`` is 1."""
        digits = self.match(_BASE_62)[:-1]
        if not digits:
            return 0
        value = 0
        for digit in digits:
            value = value * 62 + _DIGITS[digit]
        if value >= _U64:
            raise Unreadable
        return value + 1

    def tagged_62(self, tag: str) -> int:
        """Pass a number that may be left out: nothing is 0, ``_`` after the tag is 1."""
        return self.base_62() + 1 if self.eat(tag) else 0

    def identifier(self) -> str:
        """Pass an identifier."""
        punycode = self.eat("u")
        length = self.decimal()
        # An underscore divides the length from a name that begins with a digit or an underscore.
        self.eat("_")
        name = self.take(length)
        return _unicode(name) if punycode else name

    def items(self, read: Callable[[], object], separator: str = ", ") -> int:
        """Pass a list up to its end mark; how many items it has."""
        count = 0
        while not self.eat("E"):
            self.say(separator if count else "")
            read()
            count += 1
        return count

    def backref(self, read: Callable[[], _T]) -> _T | None:
        """Pass a back reference, whose tag ``B`` was just passed, and print what it refers to."""
        tag = self.at - 1
        target = self.base_62()
        if target >= tag:
            raise Unreadable
        if not self.printing:
            return None
        here, self.at = self.at, target
        self.enter()
        result = read()
        self.leave()
        self.at = here
        return result

    def unsaid(self, read: Callable[[], object]) -> None:
        """Pass something that is not shown."""
        printing, self.printing = self.printing, False
        read()
        self.printing = printing


def _unicode(name: str) -> str:
    """An identifier in Punycode (RFC 3492), which v0 delimits with an underscore instead of a hyphen."""
    ascii_part, _, insertions = name.rpartition("_")
    try:
        decoded = f"{ascii_part}-{insertions}".encode("ascii").decode("punycode")
    except UnicodeError:
        raise Unreadable from None
    # Nothing but what Rust takes for an identifier: no control characters, none that turn the direction of the text.
    if not insertions or not decoded.isidentifier():
        raise Unreadable
    return decoded
