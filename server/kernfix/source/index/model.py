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


class Maker(NamedTuple):
    """What a macro makes: a function called `prefix`, the macro's argument number `parameter` (from 0), `suffix`."""

    macro: str
    prefix: str
    parameter: int
    suffix: str


class Scan(NamedTuple):
    """All that one file says, each in the order of the text."""

    defined: tuple[Defined, ...] = ()
    uses: tuple[Use, ...] = ()
    makers: tuple[Maker, ...] = ()
