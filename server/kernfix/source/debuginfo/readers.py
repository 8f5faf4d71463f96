"""Which program reads debug information: the quickest that is there and takes the file."""

from __future__ import annotations

from typing import NamedTuple

from kernfix.source.debuginfo import by_drgn
from kernfix.source.debuginfo.elf import Image
from kernfix.source.debuginfo.layout import Part
from kernfix.source.debuginfo.model import Reader


class Opened(NamedTuple):
    """A reader, and the name of the program behind it."""

    read: Reader
    tool: str


def open_reader(image: Image, parts: dict[int, Part]) -> Opened | str:
    """A reader of one file, or one sentence that says why there is none."""
    problem = "Reading debug information needs drgn (pip install 'kernfix[symbols]'), llvm-symbolizer or addr2line."
    if by_drgn.installed():
        read = by_drgn.open_drgn(image, parts)
        if not isinstance(read, str):
            return Opened(read, "drgn")
        problem = read
    from kernfix.source.debuginfo import by_program  # starting processes is slow to load

    if by_program.installed(by_program.LLVM) and not image.relocatable:
        return Opened(by_program.llvm_reader(image), by_program.LLVM)
    if by_program.installed(by_program.BINUTILS):
        return Opened(by_program.binutils_reader(image, parts), by_program.BINUTILS)
    return problem
