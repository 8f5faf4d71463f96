"""Names of functions in the mangling of C++, Itanium C++ ABI, section 5.1.

Read are plain, nested and templated names, operators, constructors and destructors. A name that takes more, such as one within a function,
a lambda, an expression or a `decltype`, is unreadable, and so is one whose parameters take more, for then it may be no C++ name at all.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from kernfix.crash.demangle.cursor import NAME_LIMIT, Cursor, Unreadable, looked_up
from kernfix.crash.demangle.itanium_tables import BUILTINS, LITERALS, OPERATORS, STANDARD

_BODY = re.compile(r"\w+", re.ASCII)
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_SEQUENCE = re.compile(r"[0-9A-Z]{0,4}_")
_PARAMETER = re.compile(r"T[0-9]{0,4}_")
_NUMBER = re.compile(r"n?[0-9]{1,40}")

_CONSTRUCTORS = ("C1", "C2", "C3", "C4", "C5")
_DESTRUCTORS = ("D0", "D1", "D2", "D4", "D5")
_QUALIFIERS = {"r": " restrict", "V": " volatile", "K": " const"}
_BOOLEANS = {"0": "false", "1": "true"}
_SIGNS = {"P": "*", "R": "&", "O": "&&"}


def itanium_name(mangled: str) -> tuple[str, str]:
    """The name in a symbol, given without its ``_Z``, and the suffix that the compiler added.

    `Unreadable` for what is not in the part of the grammar that is read.
    """
    body = _BODY.match(mangled)
    if body is None:
        raise Unreadable
    return _NameReader(body[0]).function(), mangled[body.end() :]


class _Type(NamedTuple):
    """A type as it is written: what comes before and after the name that it declares.

    `postfix` says that a pointer to it needs parentheses, as those to arrays and functions do.
    """

    before: str
    after: str = ""
    postfix: bool = False

    @property
    def text(self) -> str:
        return self.before + self.after

    @property
    def is_function(self) -> bool:
        return self.postfix and self.after.startswith("(")

    def pointed(self, sign: str) -> _Type:
        """A pointer or reference to it."""
        if self.postfix:
            return _Type(_cut(f"{self.before}({sign}"), _cut(f"){'' if self.is_function else ' '}{self.after}"))
        return _Type(_cut(self.before + sign), self.after)


class _NameReader(Cursor):
    """Reads names and types; `_known` are those that a substitution can refer to, in their order."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._known: list[_Type] = []
        self._in_name = True

    def function(self) -> str:
        """Pass a whole symbol: a name, and the types of the parameters (after that of the result, for a template)."""
        name = self._name()
        self._in_name = False
        while not self.done:
            self._type()
        return name

    # Names

    def _name(self) -> str:
        if self.eat("N"):
            return self._nested()
        if self.eat("St"):
            name = "std::" + "".join(self._unqualified())
        elif self.next == "S":
            name = self._substitution().text
            if self.next != "I":
                raise Unreadable
            return self._with_arguments(name)
        else:
            name = "".join(self._unqualified())
        if self.next != "I":
            return name
        self._know(_Type(name))
        return self._with_arguments(name)

    def _nested(self) -> str:
        while self.next and self.next in "rVK":
            self.take()
        if self.next and self.next in "RO":
            self.take()
        name = self._first_part()
        last = ""
        if self.next == "E":
            raise Unreadable
        while not self.eat("E"):
            if self.next == "I":
                name = self._with_arguments(name)
            else:
                is_class = self.next == "L" or self.next.isdigit()
                part, tags = self._unqualified(last)
                name = _cut(f"{name}::{part}{tags}" if name else part + tags)
                last = part if is_class else ""
            if self.next != "E":
                self._know(_Type(name))
        return name

    def _first_part(self) -> str:
        """What a nested name may begin with that is not a name of its own."""
        if self.eat("St"):
            return "std"
        return self._substitution().text if self.next == "S" else ""

    def _unqualified(self, enclosing: str = "") -> tuple[str, str]:
        """Pass one name and its ABI tags; `enclosing` is the class around it, whose name constructors and destructors bear."""
        if self.next == "L" or self.next.isdigit():
            self.eat("L")
            name = self._identifier()
        elif self.next in ("C", "D") and enclosing:
            name = self._structor(enclosing)
        elif self.eat("cv"):
            name = f"operator {self._type().text}"
        else:
            name = f"operator{looked_up(OPERATORS, self.take(2))}"
        tags = ""
        while self.eat("B"):
            tags += f"[abi:{self._identifier()}]"
        return name, tags

    def _identifier(self) -> str:
        name = self.take(self.decimal())
        if not _IDENTIFIER.fullmatch(name):
            raise Unreadable
        return "(anonymous namespace)" if name.startswith("_GLOBAL__N") else name

    def _structor(self, enclosing: str) -> str:
        code = self.take(2)
        if code in _CONSTRUCTORS:
            return enclosing
        if code in _DESTRUCTORS:
            return f"~{enclosing}"
        raise Unreadable

    def _with_arguments(self, name: str) -> str:
        self.expect("I")
        # As in C++ source, a blank keeps "operator<" apart from the bracket.
        return _cut(f"{name}{' ' if name.endswith('<') else ''}<{', '.join(self._arguments())}>")

    def _arguments(self) -> list[str]:
        self.enter()
        texts: list[str] = []
        while not self.eat("E"):
            if self.eat("J"):
                texts += self._arguments()
            elif self.eat("L"):
                texts.append(self._literal())
            else:
                texts.append(self._type().text)
        self.leave()
        return texts

    def _literal(self) -> str:
        kind = self.next
        if kind in BUILTINS:
            prefix, suffix = looked_up(LITERALS, self.take())
        else:
            # A value of an enumeration.
            prefix, suffix = f"({self._type().text})", ""
        number = self.match(_NUMBER).replace("n", "-")
        self.expect("E")
        return looked_up(_BOOLEANS, number) if kind == "b" else _cut(prefix + number + suffix)

    # Types

    def _type(self) -> _Type:
        self.enter()
        code = self.next
        if code in BUILTINS:
            self.take()
            read = _Type(BUILTINS[code])
        elif code in _QUALIFIERS:
            read = self._know(self._qualified())
        elif code in _SIGNS:
            self.take()
            read = self._know(self._type().pointed(_SIGNS[code]))
        else:
            read = self._compound(code)
        self.leave()
        return read

    def _qualified(self) -> _Type:
        qualifiers = ""
        while self.next in _QUALIFIERS:
            qualifiers = _QUALIFIERS[self.take()] + qualifiers
        base = self._type()
        if base.is_function:
            return base._replace(after=_cut(base.after + qualifiers))
        if base.postfix:
            raise Unreadable
        return _Type(_cut(base.before + qualifiers), base.after)

    def _compound(self, code: str) -> _Type:
        if code == "S" and not self.text.startswith("St", self.at):
            read = self._substitution()
            return self._know(_Type(self._with_arguments(read.text))) if self.next == "I" else read
        if code == "D":
            return self._two_letters()
        if code == "T":
            return self._parameter()
        if code == "F":
            return self._know(self._function_type())
        if code == "A":
            return self._know(self._array())
        if code == "M":
            return self._know(self._member())
        return self._know(_Type(self._name()))

    def _two_letters(self) -> _Type:
        if self.eat("Dp"):
            return self._know(self._type())
        return _Type(looked_up(BUILTINS, self.take(2)))

    def _parameter(self) -> _Type:
        # What a template parameter stands for matters in a name only: what comes later is not shown.
        if self._in_name:
            raise Unreadable
        known = self._know(_Type(self.match(_PARAMETER)))
        return self._know(_Type(self._with_arguments(known.text))) if self.next == "I" else known

    def _function_type(self) -> _Type:
        self.expect("F")
        self.eat("Y")
        result = self._type()
        parameters = []
        while not self.eat("E"):
            parameters.append(self._type().text)
        if result.after or not parameters:
            raise Unreadable
        shown = "" if parameters == ["void"] else ", ".join(parameters)
        return _Type(f"{result.before} ", _cut(f"({shown})"), postfix=True)

    def _array(self) -> _Type:
        self.expect("A")
        size = "" if self.next == "_" else self.match(_NUMBER)
        self.expect("_")
        item = self._type()
        return _Type(item.before if item.postfix else f"{item.before} ", _cut(f"[{size}]{item.after}"), postfix=True)

    def _member(self) -> _Type:
        self.expect("M")
        holder = self._type().text
        member = self._type()
        return member.pointed(f"{holder}::*" if member.postfix else f" {holder}::*")

    # Substitutions

    def _know(self, read: _Type) -> _Type:
        self._known.append(read)
        return read

    def _substitution(self) -> _Type:
        self.expect("S")
        if self.next in STANDARD:
            return _Type(STANDARD[self.take()])
        digits = self.match(_SEQUENCE)[:-1]
        index = int(digits, 36) + 1 if digits else 0
        if index >= len(self._known):
            raise Unreadable
        return self._known[index]


def _cut(text: str) -> str:
    """A text that is too long for a name anyway is not carried along: substitutions could double it at every step."""
    return text[: NAME_LIMIT + 1]
