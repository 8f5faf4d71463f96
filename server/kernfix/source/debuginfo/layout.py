"""Where the code of a relocatable file goes: a module has no addresses until the kernel loads it.

Sections of code are laid one after another as layout_sections() in kernel/module/main.c lays them, since the distance to the next symbol is
what a report calls a function's size, also from the end of one section to the beginning of the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kernfix.source.debuginfo.elf import Image, symbols
from kernfix.source.debuginfo.table import Table

_BASES = {False: 0x1000_0000, True: 0x4000_0000}
"""Where the code begins that stays, and the code for the start (`.init*`); any addresses do that leave room for both."""
_ROOM = 0x2000_0000
_PAGE = 4096


class Part(NamedTuple):
    """A section of code in its place."""

    section: str
    start: int
    size: int


def place(image: Image) -> dict[int, Part]:
    """The sections of code of a relocatable file by number, in their places; those of a hostile size are left out."""
    parts, next_free = {}, dict(_BASES)
    for number, section in enumerate(image.sections):
        if section.runs:
            init = section.name.startswith(".init")
            align = section.align if 0 < section.align <= 1 << 20 else 1
            start = -(-next_free[init] // align) * align
            if start + section.size <= _BASES[init] + _ROOM:
                parts[number] = Part(section.name, start, section.size)
                next_free[init] = start + section.size
    return parts


def table_of(image: Image, parts: dict[int, Part]) -> Table:
    """Where the functions of a file are; those of a relocatable one in the places of `parts`."""
    if image.relocatable:
        return Table(*symbols(image, {number: part.start for number, part in parts.items()}), _ends(parts.values()))
    linked = {number: each for number, each in enumerate(image.sections) if each.runs}
    end = max((each.address + each.size for each in linked.values()), default=0)
    return Table(*symbols(image, dict.fromkeys(linked, 0)), [end])


def _ends(parts: Iterable[Part]) -> Iterator[int]:
    """Where the pages of each stretch of code end: a module's last function reaches up to there."""
    for base in _BASES.values():
        within = [part.start + part.size for part in parts if base <= part.start < base + _ROOM]
        yield -(-max(within, default=base) // _PAGE) * _PAGE
