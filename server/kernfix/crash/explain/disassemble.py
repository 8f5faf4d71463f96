"""Machine code to instructions: the only module that knows capstone, which is an optional package.

The `Code:` line of a crash is bytes (x86), half words (riscv, Thumb) or words around the instruction pointer, with a mark on the
instruction that it points to; each architecture's show_code() or dump_instr() prints it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from kernfix.crash.explain.operands import Access, Memory, memory_in, named

MISSING = "Install kernfix[symbols] to see the instruction."
"""What to say where capstone is not installed."""
_BEFORE = 16
_AFTER = 4
"""Instructions that are shown before and after the marked one."""
_LONG = re.compile(r"\$(\d{5,20})\b")
_ADDRESS = 0xFFFF_FFFF_FFFF_FFFF
_ACCESS: dict[int, Access] = {1: "reads", 2: "writes", 3: "reads and writes"}
"""capstone's CS_AC_READ and CS_AC_WRITE."""
_MOVES = frozenset(
    (
        "mov",
        "movz",
        "movk",
        "mv",
        "li",
        "lui",
        "mr",
        "add",
        "addi",
        "sub",
        "lsr",
        "lsl",
        "srli",
        "and",
        "orr",
        "lgr",
        "la",
        "adr",
        "adrp",
    )
)
"""Operations that only set their first register."""
_LIMIT = 1024
"""Bytes that are decoded: the kernel prints 64."""


class Instruction(NamedTuple):
    """One instruction: its bytes as hexadecimal digits, its text in the assembler syntax that the kernel uses, what it does with memory.

    `offset` is in bytes from the marked instruction. `writes` are the registers that it sets, by the names of the log; `registers` are the
    other operands, in their order.
    """

    offset: int
    digits: str
    text: str
    memory: tuple[Memory, ...] = ()
    writes: frozenset[str] = frozenset()
    registers: tuple[str, ...] = ()

    @property
    def mnemonic(self) -> str:
        """The operation, without prefixes such as ``lock``."""
        words = self.text.split()
        return next((word for word in words if word not in ("lock", "rep", "repne", "notrack", "bnd", "data16")), "")

    @property
    def operands(self) -> str:
        """All after the operation."""
        return self.text.partition(self.mnemonic)[2].strip()


class Listing(NamedTuple):
    """The code around the marked instruction, in order; `marked` is its index, None (with a `problem`) where it could not be decoded."""

    instructions: tuple[Instruction, ...] = ()
    marked: int | None = None
    problem: str = ""

    @property
    def trapping(self) -> Instruction | None:
        """The marked instruction."""
        return None if self.marked is None else self.instructions[self.marked]


class _Isa(NamedTuple):
    """How the code of an architecture, as the log names it, is decoded: capstone's names, byte order of the words of the line, and the
    least size of instructions."""

    log: str
    arch: str
    modes: tuple[str, ...]
    order: Literal["big", "little"]
    step: int


_ISAS = {
    "x86_64": _Isa("x86_64", "X86", ("64",), "big", 1),
    "i386": _Isa("i386", "X86", ("32",), "big", 1),
    "arm64": _Isa("arm64", "ARM64", ("ARM",), "little", 4),
    "arm": _Isa("arm", "ARM", ("ARM",), "little", 4),
    "thumb": _Isa("arm", "ARM", ("THUMB",), "little", 2),
    "riscv64": _Isa("riscv64", "RISCV", ("RISCV64", "RISCVC"), "little", 2),
    "riscv32": _Isa("riscv32", "RISCV", ("RISCV32", "RISCVC"), "little", 2),
    "ppc64": _Isa("ppc64", "PPC", ("64", "BIG_ENDIAN"), "big", 4),
    "s390": _Isa("s390", "SYSZ", ("BIG_ENDIAN",), "big", 2),
    "mips": _Isa("mips", "MIPS", ("MIPS64", "BIG_ENDIAN"), "big", 4),
}
"""Words are printed as numbers. Where the order is big, their digits are taken as they stand, whatever the order of the machine."""


def listing(code: str | None, arch: str | None, *, where: int = 0, faulted: bool = True) -> Listing:
    """The instructions of a `Code:` line; `code` as `Crash.code` has it, `where` the offset of the marked instruction in its
    function, from which the targets of jumps are counted.

    On s390 the kernel marks two, the one before the pointer and the one at it; a fault that took memory away (`faulted`) points to itself,
    any other trap behind itself (Principles of Operation, "nullification").
    """
    words = (code or "").split()[:_LIMIT]
    if not words:
        return Listing(problem="There is no code.")
    thumb = arch == "arm" and all(len(word.strip("()")) == 4 for word in words)
    isa = _ISAS.get("thumb" if thumb else arch or "")
    if isa is None:
        return Listing(problem=f"Code of {arch or 'an unknown architecture'} cannot be shown.")
    marked = _mark(words, "#" if arch == "s390" and not faulted else "<(>")
    if marked is None:
        return Listing(problem="The line marks no instruction: it is cut off.")
    before, after = (_bytes(part, isa) for part in (words[:marked], words[marked:]))
    if before is None or after is None:
        return Listing(problem="The line holds what is no code.")
    try:
        engine = _engine(isa)
    except ImportError:
        return Listing(problem=MISSING)
    following = list(_decoded(engine, isa, after, 0, where))[: 1 + _AFTER]
    if not following:
        return Listing(problem="The marked bytes are no instruction.")
    preceding = _before(engine, isa, before, where)[-_BEFORE:]
    return Listing((*preceding, *following), len(preceding))


def _mark(words: list[str], marks: str) -> int | None:
    return next((number for number, word in enumerate(words) if word[0] in marks), None)


def _bytes(words: list[str], isa: _Isa) -> bytes | None:
    """The bytes in memory of the words of a line; None where one is no code (``XXXXXXXX``, ``????????``)."""
    plain = [word.strip("<>()#") for word in words]
    if not all(word and len(word) % 2 == 0 and re.fullmatch("[0-9a-f]+", word) for word in plain):
        return None
    return b"".join(int(word, 16).to_bytes(len(word) // 2, isa.order) for word in plain)


def _engine(isa: _Isa) -> Any:
    import capstone

    mode = sum(getattr(capstone, f"CS_MODE_{name}") for name in isa.modes)
    engine = capstone.Cs(getattr(capstone, f"CS_ARCH_{isa.arch}"), mode)
    if isa.arch == "X86":
        engine.syntax = capstone.CS_OPT_SYNTAX_ATT
    engine.detail = True
    return engine


def _before(engine: Any, isa: _Isa, code: bytes, where: int) -> list[Instruction]:
    """The instructions that end where `code` does, from the first place on where decoding leads there; instructions of x86 have no bounds
    that can be seen, but nearly all ways into them meet soon.
    """
    for start in range(0, len(code), isa.step):
        found = list(_decoded(engine, isa, code[start:], start - len(code), where))
        if found and found[-1].offset + len(found[-1].digits) // 2 == 0:
            return found
    return []


def _decoded(engine: Any, isa: _Isa, code: bytes, offset: int, where: int) -> Iterator[Instruction]:
    """Instructions from `code`, which begins `offset` bytes from the marked one; addresses in their text count from the same as `where`."""
    for found in engine.disasm(code, where + offset & _ADDRESS):
        yield _x86(found, offset, isa) if isa.arch == "X86" else _other(found, offset, isa)
        offset += found.size


def _text(found: Any) -> str:
    """As people read it: no number of more than four digits is decimal."""
    text = f"{found.mnemonic} {found.op_str}".strip()
    return _LONG.sub(lambda number: f"${int(number[1]):#x}", text)


def _x86(found: Any, offset: int, isa: _Isa) -> Instruction:
    import capstone

    def name(number: int) -> str | None:
        return named(found.reg_name(number), isa.log) if number else None

    memory, registers = [], []
    for operand in found.operands:
        if operand.type == capstone.CS_OP_MEM:
            place = operand.mem
            memory.append(
                Memory(
                    _ACCESS.get(operand.access, "uses"), operand.size, name(place.base), name(place.index), place.scale, place.disp,
                    name(place.segment),
                )
            )  # fmt: skip
        elif operand.type == capstone.CS_OP_REG and (register := name(operand.reg)):
            registers.append(register)
    writes = frozenset(
        its for number in found.regs_access()[1] if (its := name(number)) and its not in ("RFLAGS", "EFLAGS")
    )
    if found.mnemonic.startswith(("lea", "nop", "prefetch")):
        memory = [place._replace(access="uses") for place in memory]
    if "stos" in found.mnemonic:  # capstone has it that it reads
        memory = [place._replace(access="writes") for place in memory]
    return Instruction(offset, found.bytes.hex(), _text(found), tuple(memory), writes, tuple(registers))


def _other(found: Any, offset: int, isa: _Isa) -> Instruction:
    memory = memory_in(found.mnemonic, found.op_str, isa.log)
    first = named(found.op_str.split(",")[0], isa.log) if found.op_str else None
    loads = bool(memory) and memory[0].access == "reads"
    writes = frozenset({first} if first and (loads or found.mnemonic.removeprefix("c.") in _MOVES) else ())
    registers = tuple(its for its in (first,) if its and memory)
    return Instruction(offset, found.bytes.hex(), _text(found), memory, writes, registers)
