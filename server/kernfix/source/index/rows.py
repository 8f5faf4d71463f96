"""What goes from one process to the next and into the tables: plain tuples, because there are a million of them."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["function", "label", "macro"]
"""A function with its body in C, a label of an assembler file, or a function that the macro invoked there makes."""
KINDS: tuple[Kind, ...] = ("function", "label", "macro")
"""By their numbers in the index."""

Job = tuple[int, str]
"""A file to read: its number, and its path in the tree."""
Row = tuple[str, int, int, int, int]
"""A definition: name, number of the file, first line, lines that follow it, number of the kind."""
Read = tuple[int, int, int, str, str]
"""A file that was read: its number, size in bytes, time in ns, and its uses and makers as JSON, ``""`` for none."""


class Reply(NamedTuple):
    """What a batch of files says: the files, their definitions, and the files that could not be read, with the reason."""

    files: list[Read]
    rows: list[Row]
    failed: list[tuple[int, str]]
