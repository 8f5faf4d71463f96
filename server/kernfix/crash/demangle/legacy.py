"""Rust's first mangling: a C++ nested name of plain path elements, the last of which is a hash.

What cannot stand in a C++ identifier is escaped within an element (rustc's ``symbol_names/legacy.rs``): ``$LT$`` and the like for
punctuation, ``$u20$`` for any character by its code point, ``..`` for ``::``.
"""

from __future__ import annotations

import re
import sys

from kernfix.crash.demangle.cursor import Cursor, Unreadable

_ELEMENT = re.compile(r"[\w.$]+", re.ASCII)
_HASH = re.compile(r"h[0-9a-f]{16}")

_PUNCTUATION = {"SP": "@", "BP": "*", "RF": "&", "LT": "<", "GT": ">", "LP": "(", "RP": ")", "C": ","}
_ESCAPE = re.compile(rf"\$({'|'.join(_PUNCTUATION)}|u[0-9a-f]{{1,6}})\$|\.\.")


def legacy_name(mangled: str) -> tuple[str, str]:
    """The path in a symbol, given without its ``_ZN``, and what follows the symbol's end.

    `Unreadable` for a symbol without a hash, which is C++.
    """
    cursor = Cursor(mangled)
    elements = []
    while not cursor.eat("E"):
        elements.append(cursor.take(cursor.decimal()))
    if len(elements) < 2 or not _HASH.fullmatch(elements.pop()):
        raise Unreadable
    return "::".join(map(_unescaped, elements)), mangled[cursor.at :]


def _unescaped(element: str) -> str:
    if not _ELEMENT.fullmatch(element):
        raise Unreadable
    # An element that would begin with an escape is given an underscore, for an identifier cannot begin with "$".
    return _ESCAPE.sub(_character, element.removeprefix("_") if element.startswith("_$") else element)


def _character(escape: re.Match[str]) -> str:
    code = escape[1]
    if code is None:
        return "::"
    if code in _PUNCTUATION:
        return _PUNCTUATION[code]
    point = int(code[1:], 16)
    return chr(point) if point <= sys.maxunicode and chr(point).isprintable() else escape[0]
