"""ELF files as the linker writes them, of every class and byte order: sections, symbols, build id (elf(5), the System V gABI).

Files are hostile: every offset and count is held against the file's size before anything is read, and nothing here raises on them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, NamedTuple

_MAGIC = b"\x7fELF"
_IDENT = 16
_HEADS = {1: "HHIIIIIHHHHHH", 2: "HHIQQQIHHHHHH"}
_SECTIONS = {1: "IIIIIIIIII", 2: "IIQQQQIIQQ"}
_SYMBOLS = {1: "II4xBxH", 2: "IBxHQ8x"}
"""Name, value, kind and section, which are in another order in files of 64 bits; sizes are skipped."""
_ORDERS = {1: "<", 2: ">"}
_RELOCATABLE = 1
_NO_BITS, _SYMTAB, _NOTE = 8, 2, 7
_ALLOC, _EXEC = 2, 4
_STT_FUNC = 2
_IGNORED = (b".L", b"$")
_ARM = 40
_BUILD_ID = 3
_MAX_SECTIONS = 1 << 20
_MAX_PART = 1 << 30
"""The largest table in bytes that is read; the strings of the largest kernels have some ten million."""


class Section(NamedTuple):
    """A section: its name, where it is in memory (0 in a relocatable file) and in the file, in bytes."""

    name: str
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    align: int

    @property
    def runs(self) -> bool:
        """Whether it is code that is loaded."""
        return bool(self.flags & _ALLOC) and bool(self.flags & _EXEC)


class Image(NamedTuple):
    """One ELF file; `machine` is its number in elf.h, `build_id` is in hexadecimal digits. Raises OSError where it cannot be read again."""

    path: Path
    bits: int
    little: bool
    machine: int
    relocatable: bool
    sections: tuple[Section, ...]
    build_id: str | None = None

    @property
    def has_lines(self) -> bool:
        """Whether there is debug information, packed or not."""
        return any(
            each.name in (".debug_info", ".zdebug_info") and each.size and each.type != _NO_BITS
            for each in self.sections
        )

    def content(self, section: Section, most: int = _MAX_PART) -> bytes:
        """The bytes of a section, `most` at the most; nothing where the file holds none of them."""
        if section.type == _NO_BITS:
            return b""
        with self.path.open("rb") as file:
            file.seek(section.offset)
            return file.read(min(section.size, most))

    def named(self, name: str, most: int = _MAX_PART) -> bytes:
        """The content of the section of that name, `most` bytes at the most; nothing where there is none."""
        return next((self.content(each, most) for each in self.sections if each.name == name), b"")


def symbols(image: Image, bases: Mapping[int, int]) -> tuple[list[bytes], list[int]]:
    """The names of the symbols in the sections `bases`, which gives what is to be added to a symbol's value, and their addresses.

    Left out are those that the kernel does not count either, the compiler's local labels and the marks between code and data
    (is_ignored_symbol in scripts/kallsyms.c, is_mapping_symbol in kernel/module/kallsyms.c).
    """
    table = next((each for each in image.sections if each.type == _SYMTAB), None)
    if table is None or table.link >= len(image.sections):
        return [], []
    raw, names = image.content(table), image.content(image.sections[table.link])
    row = struct.Struct(("<" if image.little else ">") + _SYMBOLS[image.bits // 32])
    rows: Iterable[tuple[int, ...]] = row.iter_unpack(memoryview(raw)[: len(raw) // row.size * row.size])
    if image.bits == 32:
        rows = map(itemgetter(0, 2, 3, 1), rows)
    size, end, thumb = len(names), names.find, image.machine == _ARM
    # Two lists of plain values: as many pairs would be as much work again for the garbage collector.
    found: list[bytes] = []
    addresses: list[int] = []
    for name, info, section, value in rows:
        if section in bases and 0 < name < size:  # Those of files are in no section, those of sections have no name.
            text = names[name : end(b"\0", name)]
            if not text.startswith(_IGNORED):
                found.append(text)
                odd = thumb and info & 15 == _STT_FUNC and value & 1
                addresses.append(value + bases[section] - odd)
    return found, addresses


def read_image(path: Path) -> Image | str:
    """The ELF file at `path`, or one sentence that says why it is none."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            return _read(path, file, size)
    except OSError as error:
        return f"{path} cannot be read: {error.strerror or error}."


def _read(path: Path, file: BinaryIO, size: int) -> Image | str:
    ident = file.read(_IDENT)
    if len(ident) < _IDENT or ident[:4] != _MAGIC or ident[4] not in _HEADS or ident[5] not in _ORDERS:
        return f"{path} is not an ELF file."
    order = _ORDERS[ident[5]]
    head, row = struct.Struct(order + _HEADS[ident[4]]), struct.Struct(order + _SECTIONS[ident[4]])
    raw = file.read(head.size)
    if len(raw) < head.size:
        return f"{path} is damaged: its head is cut short."
    type_, machine, _, _, _, offset, _, _, _, _, row_size, count, names = head.unpack(raw)
    rows = _rows(file, row, offset, count, size) if row_size == row.size else None
    if not rows:
        return f"{path} is damaged: its section table is cut short."
    names = rows[0][6] if names == 0xFFFF else names
    sections = _sections(file, rows, names, size) if names < len(rows) else None
    if sections is None:
        return f"{path} is damaged: a section ends after the file."
    image = Image(path, 32 * ident[4], order == "<", machine, type_ == _RELOCATABLE, sections)
    return image._replace(build_id=_build_id(image, order))


def _rows(file: BinaryIO, row: struct.Struct, offset: int, count: int, size: int) -> list[tuple[int, ...]] | None:
    """The section table; where there are more sections than its count can tell, the first row has their number."""
    if count == 0 and 0 < offset <= size - row.size:
        file.seek(offset)
        count = row.unpack(file.read(row.size))[5]
    if not 0 < count <= _MAX_SECTIONS or offset + count * row.size > size:
        return None
    file.seek(offset)
    table = file.read(count * row.size)
    return list(row.iter_unpack(table)) if len(table) == count * row.size else None


def _sections(file: BinaryIO, rows: list[tuple[int, ...]], names: int, size: int) -> tuple[Section, ...] | None:
    if any(row[1] != _NO_BITS and row[4] + row[5] > size for row in rows[1:]):
        return None
    file.seek(rows[names][4])
    labels = file.read(min(rows[names][5], _MAX_PART))

    def label(at: int) -> str:
        return labels[at : labels.find(b"\0", at)].decode("utf-8", "replace") if at < len(labels) else ""

    return tuple(Section(label(row[0]), row[1], row[2], row[3], row[4], row[5], row[6], row[8]) for row in rows)


def _build_id(image: Image, order: str) -> str | None:
    """What ``ld --build-id`` wrote: the description of the note of owner GNU and type 3, among other notes in vmlinux."""
    head = struct.Struct(order + "III")
    for section in image.sections:
        notes, at = image.content(section, 1 << 16) if section.type == _NOTE else b"", 0
        while at + head.size <= len(notes):
            owner, size, kind = head.unpack_from(notes, at)
            begin = at + head.size + (owner + 3) // 4 * 4
            if (
                kind == _BUILD_ID
                and notes[at + head.size : begin].rstrip(b"\0") == b"GNU"
                and begin + size <= len(notes)
            ):
                return notes[begin : begin + size].hex()
            at = begin + (size + 3) // 4 * 4
    return None
