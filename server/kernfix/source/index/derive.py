"""The functions that macros make, of all that the files of a tree say about macros."""

from __future__ import annotations

import json
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping

from kernfix.source.index.model import Maker, Piece, Use
from kernfix.source.index.rows import KINDS, Row

MACRO = KINDS.index("macro")
_DEPTH = 8
"""How many macros may invoke one another."""
_MOST = 200
"""Functions of one invocation."""

Template = tuple[Piece, ...]
"""The name of a function: literal text, and the numbers of the invocation's arguments that stand there."""


def derive(uses: Iterable[tuple[int, list[Use]]], makers: Mapping[int, str], headers: set[int]) -> Iterator[Row]:
    """What invocations make, from the uses of each file and the makers of all, by the files' numbers, as JSON.

    A file's own macros come before those of headers, and those before the ones of other sources, which it may include.
    """
    shared = by_macro(text for number, text in makers.items() if number in headers)
    private = by_macro(text for number, text in makers.items() if number not in headers)
    everywhere = Makers(ChainMap(shared, private))
    for number, invoked in uses:
        here = Makers(ChainMap(by_macro([makers[number]]), shared, private)) if number in makers else everywhere
        names = {(name, use.start, use.end) for use in invoked for name in here.made(use.macro, use.arguments)}
        for name, start, end in names:
            yield name, number, start, end - start, MACRO


def by_macro(texts: Iterable[str]) -> dict[str, list[Maker]]:
    """Makers from JSON, by their macros."""
    makers: dict[str, list[Maker]] = {}
    for text in texts:
        for macro, calls, arguments in json.loads(text):
            makers.setdefault(macro, []).append(Maker(macro, calls, tuple(map(tuple, arguments))))
    return makers


class Makers:
    """What macros make in the end, through the macros that they invoke; worked out once for each."""

    def __init__(self, makers: Mapping[str, list[Maker]]) -> None:
        self._makers = makers
        self._known: dict[tuple[str, int], tuple[Template, ...]] = {}

    def made(self, macro: str, arguments: tuple[str, ...]) -> Iterator[str]:
        """The names of the functions that an invocation makes; an argument that is no name is ``""``, and so is what is made of it."""
        for template in self.templates(macro):
            parts = [_argument(arguments, piece) if isinstance(piece, int) else piece for piece in template]
            if all(parts):
                yield "".join(parts)

    def templates(self, macro: str, depth: int = _DEPTH) -> tuple[Template, ...]:
        """The functions that a macro makes, in terms of its arguments."""
        key = macro, depth
        if key not in self._known:
            self._known[key] = tuple(dict.fromkeys(self._flat(macro, depth)))[:_MOST]
        return self._known[key]

    def _flat(self, macro: str, depth: int) -> Iterator[Template]:
        for maker in self._makers.get(macro, ()):
            if not maker.calls:
                yield from maker.arguments[:1]
            elif depth:
                inner = self.templates(maker.calls, depth - 1)
                yield from filter(None, (_composed(template, maker.arguments) for template in inner))


def _argument(arguments: tuple[str, ...], number: int) -> str:
    return arguments[number] if number < len(arguments) else ""


def _composed(template: Template, arguments: tuple[Template, ...]) -> Template:
    """A template with other templates put in; nothing where one is missing or is no name."""
    parts = [_part(arguments, piece) if isinstance(piece, int) else (piece,) for piece in template]
    return tuple(piece for part in parts for piece in part) if all(parts) else ()


def _part(arguments: tuple[Template, ...], number: int) -> Template:
    return arguments[number] if number < len(arguments) else ()
