"""Paths and types in Rust's v0 mangling, RFC 2603."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress

from kernfix.crash.demangle.cursor import Unreadable
from kernfix.crash.demangle.v0_constants import ConstantReader
from kernfix.crash.demangle.v0_reader import Enough

_BODY = re.compile(r"[A-Z]\w*", re.ASCII)

_BASIC = {
    "a": "i8", "b": "bool", "c": "char", "d": "f64", "e": "str", "f": "f32", "h": "u8", "i": "isize", "j": "usize", "l": "i32",
    "m": "u32", "n": "i128", "o": "u128", "p": "_", "s": "i16", "t": "u16", "u": "()", "v": "...", "x": "i64", "y": "u64", "z": "!",
}  # fmt: skip
_NAMESPACES = {"C": "closure", "S": "shim"}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def v0_name(mangled: str) -> tuple[str, str]:
    """The path in a symbol, given without its ``_R``, and the suffix that follows.

    Of a path that is longer than a name may get, a little more than that is returned. `Unreadable` for what is not in the grammar.
    """
    body = _BODY.match(mangled)
    if body is None:
        raise Unreadable
    _PathReader(body[0], printing=False).symbol()
    printer = _PathReader(body[0], printing=True)
    with suppress(Enough):
        printer.path(in_value=True)
    return "".join(printer.said), mangled[body.end() :]


class _PathReader(ConstantReader):
    """Reads paths and types."""

    def __init__(self, text: str, *, printing: bool) -> None:
        super().__init__(text, printing=printing)
        self._binders = 0

    def symbol(self) -> None:
        """Pass a whole symbol: its path, and the crate that it was instantiated for."""
        self.path()
        if not self.done:
            self.path()
        if not self.done:
            raise Unreadable

    def path(self, in_value: bool = False) -> None:
        self.enter()
        tag = self.take()
        if tag == "C":
            self.tagged_62("s")
            self.say(self.identifier())
        elif tag == "N":
            self._nested(in_value)
        elif tag in "MXY":
            self._implementation(tag)
        elif tag == "I":
            self.path(in_value)
            self.say("::<" if in_value else "<")
            self.items(self._generic)
            self.say(">")
        elif tag == "B":
            self.backref(lambda: self.path(in_value))
        else:
            raise Unreadable
        self.leave()

    def _nested(self, in_value: bool) -> None:
        namespace = self.take()
        if not namespace.isalpha():
            raise Unreadable
        self.path(in_value)
        number = self.tagged_62("s")
        name = self.identifier()
        if namespace.isupper():
            self.say(f"::{{{_NAMESPACES.get(namespace, namespace)}{':' if name else ''}{name}#{number}}}")
        elif name:
            self.say(f"::{name}")

    def _implementation(self, tag: str) -> None:
        if tag != "Y":
            # Where the impl block stands.
            self.tagged_62("s")
            self.unsaid(self.path)
        self.say("<")
        self._type()
        if tag != "M":
            self.say(" as ")
            self.path()
        self.say(">")

    def _generic(self) -> None:
        if self.eat("L"):
            self._lifetime(self.base_62())
        elif self.eat("K"):
            self.constant()
        else:
            self._type()

    def _lifetime(self, index: int) -> None:
        """Name a lifetime by how many binders ago it was bound: 1 is the last one, and 0 is a lifetime without a name."""
        if index == 0:
            self.say("'_")
            return
        number = self._binders - index
        if number < 0:
            raise Unreadable
        self.say(f"'{_LETTERS[number]}" if number < len(_LETTERS) else f"'_{number}")

    def _bound(self, read: Callable[[], object]) -> None:
        """Pass something that may bind lifetimes, such as ``for<'a> fn(&'a u8)``."""
        count = self.tagged_62("G")
        outside = self._binders
        if count and self.printing:
            self.say("for<")
            for number in range(count):
                self.say(", " if number else "")
                self._binders += 1
                self._lifetime(1)
            self.say("> ")
        self._binders = outside + count
        read()
        self._binders = outside

    def _type(self) -> None:
        self.enter()
        tag = self.take()
        if tag in _BASIC:
            self.say(_BASIC[tag])
        elif tag == "B":
            self.backref(self._type)
        elif tag in _TYPES:
            _TYPES[tag](self)
        else:
            self.at -= 1
            self.path()
        self.leave()

    def _reference(self, mutable: str = "") -> None:
        self.say("&")
        if self.eat("L") and (index := self.base_62()):
            self._lifetime(index)
            self.say(" ")
        self.say(mutable)
        self._type()

    def _mutable_reference(self) -> None:
        self._reference("mut ")

    def _pointer(self) -> None:
        self.say("*const ")
        self._type()

    def _mutable_pointer(self) -> None:
        self.say("*mut ")
        self._type()

    def _slice(self) -> None:
        self.say("[")
        self._type()
        self.say("]")

    def _array_type(self) -> None:
        self.say("[")
        self._type()
        self.say("; ")
        self.constant(in_value=True)
        self.say("]")

    def _tuple_type(self) -> None:
        self.say("(")
        count = self.items(self._type)
        self.say(",)" if count == 1 else ")")

    def _function(self) -> None:
        self.say("unsafe " if self.eat("U") else "")
        if self.eat("K"):
            abi = "C" if self.eat("C") else self.identifier()
            self.say(f'extern "{abi.replace("_", "-")}" ')
        self.say("fn(")
        self.items(self._type)
        self.say(")")
        if not self.eat("u"):
            self.say(" -> ")
            self._type()

    def _dynamic(self) -> None:
        self.say("dyn ")
        self._bound(lambda: self.items(self._dynamic_trait, " + "))
        self.expect("L")
        if index := self.base_62():
            self.say(" + ")
            self._lifetime(index)

    def _dynamic_trait(self) -> None:
        """Pass a trait and its associated types, which are shown in the same angle brackets as its arguments."""
        opened = self._open_path()
        while self.eat("p"):
            self.say(", " if opened else "<")
            opened = True
            self.say(f"{self.identifier()} = ")
            self._type()
        self.say(">" if opened else "")

    def _open_path(self) -> bool:
        """Pass a path and leave its angle brackets open, if it has any, which is returned."""
        if self.eat("B"):
            return bool(self.backref(self._open_path))
        opened = self.eat("I")
        self.path()
        if opened:
            self.say("<")
            self.items(self._generic)
        return opened


_TYPES: dict[str, Callable[[_PathReader], None]] = {
    "R": _PathReader._reference,
    "Q": _PathReader._mutable_reference,
    "P": _PathReader._pointer,
    "O": _PathReader._mutable_pointer,
    "S": _PathReader._slice,
    "A": _PathReader._array_type,
    "T": _PathReader._tuple_type,
    "F": lambda reader: reader._bound(reader._function),
    "D": _PathReader._dynamic,
}
