"""ELF files of every class and byte order, written here by hand, and damaged ones."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from kernfix.source.debuginfo import open_symbols
from kernfix.source.debuginfo.elf import Image, read_image
from kernfix.source.debuginfo.fit import identity_of
from kernfix.source.debuginfo.layout import place, table_of

KINDS = [(bits, order) for bits in (32, 64) for order in "<>"]
BUILD_ID = bytes(range(20))
BASE = 0x1000
ALLOC_CODE, ALLOC = 6, 2


def elf(bits: int, order: str, symbols: list[tuple[str, int, int, int]], machine: int = 62) -> bytes:
    """A linked program; `symbols` are name, value, section (1 is .text, 2 is .rodata) and type."""
    wide = bits == 64
    names = b"\0" + b"".join(name.encode() + b"\0" for name, *_ in symbols)
    rows, at = [bytes(24 if wide else 16)], 1
    for name, value, section, kind in symbols:
        fields = (at, 16 + kind, 0, section, value, 4) if wide else (at, value, 4, 16 + kind, 0, section)
        rows.append(struct.pack(order + ("IBBHQQ" if wide else "IIIBBH"), *fields))
        at += len(name) + 1
    note = struct.pack(order + "III", 4, 4, 1) + b"XYZ\0" + bytes(4)
    note += struct.pack(order + "III", 4, len(BUILD_ID), 3) + b"GNU\0" + BUILD_ID
    parts = [
        (b".text", 1, ALLOC_CODE, BASE, bytes(64), 0),
        (b".rodata", 1, ALLOC, 2 * BASE, b"\0\0Linux version 6.1.0-x (a@b) (gcc) #7 SMP\n\0", 0),
        (b".notes", 7, ALLOC, 3 * BASE, note, 0),
        (b".debug_info", 1, 0, 0, b"dwarf", 0),
        (b".symtab", 2, 0, 0, b"".join(rows), 6),
        (b".strtab", 3, 0, 0, names, 0),
        (b".shstrtab", 3, 0, 0, b"", 0),
    ]
    labels, heads = b"\0", [(0,) * 10]
    content, start = b"", 64 if wide else 52
    for label, kind, flags, address, body, link in parts:
        body = labels + b".shstrtab\0" if label == b".shstrtab" else body
        heads.append((len(labels), kind, flags, address, start + len(content), len(body), link, 0, 4, 0))
        labels += label + b"\0"
        content += body
    ident = b"\x7fELF" + bytes((2 if wide else 1, 1 if order == "<" else 2, 1)) + bytes(9)
    table = b"".join(struct.pack(order + ("IIQQQQIIQQ" if wide else "IIIIIIIIII"), *head) for head in heads)
    sizes = (64, 0, 0, 64) if wide else (52, 0, 0, 40)
    tail = (2, machine, 1, 0, 0, start + len(content), 0, *sizes, len(heads), len(heads) - 1)
    return ident + struct.pack(order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"), *tail) + content + table


SYMBOLS = [
    ("alpha", BASE, 1, 2),
    ("long_alpha", BASE + 16, 1, 2),
    ("alpha", BASE + 32, 1, 2),
    ("beta.llvm.77", BASE + 48, 1, 2),
    ("$x", BASE + 8, 1, 0),
    (".Llocal", BASE + 12, 1, 0),
    ("data", 2 * BASE + 2, 2, 1),
    ("absolute", 5, 0xFFF1, 0),
    ("undefined", 0, 0, 0),
    ("beyond", 0, 99, 0),
    ("of_debug_information", 1, 4, 0),
]


def image(tmp_path: Path, raw: bytes) -> Image:
    (tmp_path / "vmlinux").write_bytes(raw)
    read = read_image(tmp_path / "vmlinux")
    assert not isinstance(read, str), read
    return read


@pytest.mark.parametrize(("bits", "order"), KINDS)
def test_symbols(bits: int, order: str, tmp_path: Path) -> None:
    table = table_of(image(tmp_path, elf(bits, order, SYMBOLS)), {})
    found = {name: table.find(name) for name in ("alpha", "long_alpha", "beta")}
    assert found == {"alpha": {BASE, BASE + 32}, "long_alpha": {BASE + 16}, "beta": {BASE + 48}}
    assert [(table.knows(name, 16), table.knows(name, 15)) for name in found] == [(True, False)] * 3
    for name in (
        "lph",
        "alph",
        "",
        "$x",
        "absolute",
        "undefined",
        "beyond",
        "data",
        "of_debug_information",
        "gamma",
        "bet",
    ):
        assert table.find(name) == set()


@pytest.mark.parametrize(("bits", "order"), KINDS)
def test_identity(bits: int, order: str, tmp_path: Path) -> None:
    read = image(tmp_path, elf(bits, order, SYMBOLS, machine=22))
    assert (read.bits, read.little, read.has_lines, read.build_id) == (bits, order == "<", True, BUILD_ID.hex())
    identity = identity_of(read)
    assert (identity.release, identity.build_id, identity.arch) == ("6.1.0-x", BUILD_ID.hex(), "s390")


def test_banner_is_far_behind(tmp_path: Path) -> None:
    raw = elf(64, "<", SYMBOLS)
    banner = b"\0Linux version 6.1.0-x ("
    assert raw.count(banner) == 1
    read = image(tmp_path, raw + bytes(1 << 20) + banner)
    sections = tuple(
        each._replace(offset=len(raw), size=(1 << 20) + len(banner)) if each.name == ".rodata" else each
        for each in read.sections
    )
    assert identity_of(read._replace(sections=sections)).release == "6.1.0-x"


def test_thumb(tmp_path: Path) -> None:
    symbols = [("thumb", BASE + 5, 1, 2), ("label", BASE + 7, 1, 0)]
    read = image(tmp_path, elf(32, "<", symbols, machine=40))
    table = table_of(read, {})
    assert (table.find("thumb"), table.find("label")) == ({BASE + 4}, {BASE + 7})


@pytest.mark.parametrize(("bits", "order"), KINDS)
def test_cut_short(bits: int, order: str, tmp_path: Path) -> None:
    raw, file = elf(bits, order, SYMBOLS), tmp_path / "vmlinux"
    for size in range(0, len(raw), 7):
        file.write_bytes(raw[:size])
        read = read_image(file)
        assert isinstance(read, str)
        assert read.startswith(str(file))
        assert read.endswith(("is not an ELF file.", "cut short.", "ends after the file."))


@pytest.mark.parametrize(("bits", "order"), KINDS)
def test_damaged(bits: int, order: str, tmp_path: Path) -> None:
    raw, file, dice = elf(bits, order, SYMBOLS), tmp_path / "vmlinux", random.Random(4)
    for _ in range(300):
        damaged = bytearray(raw)
        for _ in range(dice.choice((1, 1, 8, 200))):
            damaged[dice.randrange(4, len(raw))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
        file.write_bytes(damaged)
        read = read_image(file)
        if isinstance(read, str):
            assert read.startswith(str(file))
        else:
            table = table_of(read, place(read) if read.relocatable else {})
            assert len(table) < len(raw)
            assert all(address < 1 << 65 for address in table.find("alpha"))
            identity_of(read)


def test_not_elf(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("x" * 100)
    (tmp_path / "empty").touch()
    for name, expected in (("text", "not an ELF"), ("empty", "not an ELF"), ("none", "cannot be read"), ("", "cannot")):
        opened, problem = open_symbols(tmp_path / name)
        assert opened is None
        assert str(problem).startswith(str(tmp_path / name))
        assert expected in str(problem)
