"""What one file adds to the index: values only. Lines are 1-based and inclusive."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["function", "label"]
"""A function with its body in C, or a label of an assembler file."""


class Defined(NamedTuple):
    """A name that a file defines, from the first line of its head to the last of its body."""

    name: str
    start: int
    end: int
    kind: Kind = "function"


class Use(NamedTuple):
    """A macro invoked in column 0, which may make functions out of its arguments: ``DEFINE_SHOW_ATTRIBUTE(foo);``."""

    macro: str
    arguments: tuple[str, ...]
    start: int
    end: int


Piece = str | int
"""A part of a name that a macro builds: literal text, or the number (from 0) of the macro's argument that stands there."""


class Maker(NamedTuple):
    """What an invocation of `macro` does: it defines a function (`calls` is empty, `arguments` has the pieces of its name alone), or it
    invokes the macro `calls` with arguments that are made of these pieces.
    """

    macro: str
    calls: str
    arguments: tuple[tuple[Piece, ...], ...]


class Scan(NamedTuple):
    """All that one file says, each in the order of the text."""

    defined: tuple[Defined, ...] = ()
    uses: tuple[Use, ...] = ()
    makers: tuple[Maker, ...] = ()
