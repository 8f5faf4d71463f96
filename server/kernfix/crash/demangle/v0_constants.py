"""Constants as generic arguments and array lengths, in Rust's v0 mangling.

RFC 2603 has numbers, ``bool`` and ``char``; strings, references, arrays, tuples and values of structs and enums are from
"v0 Symbol Format" in the rustc book.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from kernfix.crash.demangle.cursor import Unreadable, looked_up
from kernfix.crash.demangle.v0_reader import Reader

_HEX = re.compile(r"[0-9a-f]*_")
_U64_DIGITS = 16
_BOOLEANS = {"0": "false", "1": "true"}
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}


class ConstantReader(Reader):
    """Reads constants."""

    def constant(self, in_value: bool = False) -> None:
        """Pass a constant. One that is no literal stands in braces, unless it is part of another (`in_value`)."""
        self.enter()
        tag = self.take()
        if tag == "B":
            self.backref(lambda: self.constant(in_value))
        elif tag in _LITERALS:
            _LITERALS[tag](self)
        elif tag == "R" and self.eat("e"):
            self._string()
        else:
            read = looked_up(_EXPRESSIONS, tag)
            self.say("" if in_value else "{")
            read(self)
            self.say("" if in_value else "}")
        self.leave()

    def _part(self) -> None:
        self.constant(in_value=True)

    def _hexadecimal(self) -> str:
        return self.match(_HEX)[:-1]

    def _unknown(self) -> None:
        self.say("_")

    def _unsigned(self) -> None:
        digits = self._hexadecimal().lstrip("0")
        self.say(str(int(digits or "0", 16)) if len(digits) <= _U64_DIGITS else f"0x{digits}")

    def _signed(self) -> None:
        self.say("-" if self.eat("n") else "")
        self._unsigned()

    def _boolean(self) -> None:
        self.say(looked_up(_BOOLEANS, self._hexadecimal()))

    def _character(self) -> None:
        digits = self._hexadecimal()
        code = int(digits, 16) if 0 < len(digits) <= 6 else -1
        if not 0 <= code <= 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise Unreadable
        self.say(_quoted(chr(code), "'"))

    def _string(self) -> None:
        digits = self._hexadecimal()
        try:
            text = bytes.fromhex(digits).decode()
        except ValueError:
            raise Unreadable from None
        self.say(_quoted(text, '"'))

    def _string_itself(self) -> None:
        # There is no literal for a `str`; this is what the literal, a reference, refers to.
        self.say("*")
        self._string()

    def _reference(self) -> None:
        self.say("&")
        self._part()

    def _mutable_reference(self) -> None:
        self.say("&mut ")
        self._part()

    def _array(self) -> None:
        self.say("[")
        self.items(self._part)
        self.say("]")

    def _tuple(self) -> None:
        self.say("(")
        count = self.items(self._part)
        self.say(",)" if count == 1 else ")")

    def _value(self) -> None:
        """A value of a struct, or of an enum's variant: one without fields, with numbered ones, or with named ones."""
        self.path(in_value=True)
        kind = self.take()
        if kind == "T":
            self.say("(")
            self.items(self._part)
            self.say(")")
        elif kind == "S":
            self.say(" { ")
            self.items(self._field)
            self.say(" }")
        elif kind != "U":
            raise Unreadable

    def _field(self) -> None:
        self.tagged_62("s")
        self.say(f"{self.identifier()}: ")
        self._part()


_LITERALS: dict[str, Callable[[ConstantReader], None]] = {
    "p": ConstantReader._unknown,
    "b": ConstantReader._boolean,
    "c": ConstantReader._character,
    **dict.fromkeys("htmyoj", ConstantReader._unsigned),
    **dict.fromkeys("aslxni", ConstantReader._signed),
}

_EXPRESSIONS: dict[str, Callable[[ConstantReader], None]] = {
    "e": ConstantReader._string_itself,
    "R": ConstantReader._reference,
    "Q": ConstantReader._mutable_reference,
    "A": ConstantReader._array,
    "T": ConstantReader._tuple,
    "V": ConstantReader._value,
}


def _quoted(text: str, quote: str) -> str:
    return quote + "".join(f"\\{quote}" if char == quote else _escaped(char) for char in text) + quote


def _escaped(char: str) -> str:
    # A combining mark would join what stands before it.
    visible = char.isprintable() and unicodedata.category(char) not in ("Mn", "Me")
    return _ESCAPES.get(char) or (char if visible else f"\\u{{{ord(char):x}}}")
