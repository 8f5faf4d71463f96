"""The memory that an instruction uses, from its text, and registers by the names that logs give them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from kernfix.crash.explain.cpu import Cpu

Access = Literal["reads", "writes", "reads and writes", "uses"]


class Memory(NamedTuple):
    """Memory at segment + base + indexed × scale + displacement; registers by the names of the log, None where there is none.

    `size` is in bytes, None where the instruction does not tell. `extend` is how a 32-bit index is widened (arm64 ``sxtw``, ``uxtw``).
    """

    access: Access
    size: int | None
    base: str | None
    indexed: str | None = None
    scale: int = 1
    displacement: int = 0
    segment: str | None = None
    extend: str | None = None

    @property
    def registers(self) -> tuple[str, ...]:
        """The registers that the address is made of."""
        return tuple(name for name in (self.segment, self.base, self.indexed) if name)

    @property
    def shown(self) -> str:
        """The sum, such as ``RBX+0x18``."""
        index = self.indexed and (self.indexed if self.scale == 1 else f"{self.indexed}*{self.scale}")
        sum_ = "+".join(part for part in (self.segment, self.base, index) if part)
        if not sum_:
            return f"{self.displacement & 0xFFFF_FFFF_FFFF_FFFF:#x}"
        if not self.displacement:
            return sum_
        return f"{sum_}{'-' if self.displacement < 0 else '+'}{abs(self.displacement):#x}"

    def address(self, numbers: Mapping[str, int], cpu: Cpu) -> int | None:
        """The sum, from the values of registers; None where one is not known."""
        if any(name not in numbers for name in self.registers):
            return None
        parts = {name: numbers[name] for name in self.registers}
        index = parts.get(self.indexed or "", 0)
        if self.extend:
            index &= 0xFFFFFFFF
            index -= (index >> 31) << 32 if self.extend == "sxtw" else 0
        start = parts.get(self.base or "", 0) + parts.get(self.segment or "", 0)
        return start + index * self.scale + self.displacement & cpu.mask


# --- names of registers ------------------------------------------------------------------------------------------------------------------

_PARTS = {
    **{part: full for full in ("ax", "bx", "cx", "dx") for part in (full, full[0] + "l", full[0] + "h")},
    **{part: full for full in ("si", "di", "bp", "sp") for part in (full, full + "l")},
}
_R8 = re.compile(r"r(\d+)[dwb]?")
_MIPS = (
    *("zero", "at", "v0", "v1", "a0", "a1", "a2", "a3", "t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7"),
    *("s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "t8", "t9", "k0", "k1", "gp", "sp", "fp", "ra"),
)
_ARM = {"sb": "r9", "sl": "r10", "r11": "fp", "r12": "ip", "r13": "sp", "r14": "lr"}
_ARM64 = {"fp": "x29", "x30": "lr", "w30": "lr"}
_ZERO = frozenset({"zero", "xzr", "wzr", "$0"})


def named(register: str, arch: str | None) -> str | None:
    """The name of a register in logs; parts of one (``%al``, ``w3``) go by the whole. None for one that is always 0."""
    register = register.strip(" %$")
    if not register or register in _ZERO:
        return None
    if arch in ("x86_64", "i386"):
        return _x86(register, "R" if arch == "x86_64" else "E")
    if arch == "arm64":
        return _ARM64.get(register) or (f"x{register[1:]}" if re.fullmatch(r"w\d+", register) else register)
    if arch == "ppc64":
        return f"GPR{int(register[1:]):02}" if re.fullmatch(r"r\d{1,2}", register) else register.upper()
    if arch == "s390":
        return f"r{register.removeprefix('r')}"
    if arch == "mips":
        return f"${_MIPS.index(register)}" if register in _MIPS else f"${register}"
    return _ARM.get(register, register) if arch == "arm" else register


def _x86(register: str, letter: str) -> str:
    if numbered := _R8.fullmatch(register):
        return f"R{int(numbered[1]):02}"
    short = register[1:] if register[0] in "re" and len(register) == 3 else register
    return letter + _PARTS[short].upper() if short in _PARTS else register.upper()


# --- memory in the text of an instruction ------------------------------------------------------------------------------------------------

_PARENTHESES = re.compile(r"(?:(-?(?:0x)?[0-9a-f]+)|(?<![\w)]))\(([^()]{0,40})\)")
_BRACKETS = re.compile(r"\[([^\]]{0,60})\]")
_INDEXED = re.compile(r"(?:l|st)[a-z0-9]*x\.?")
_NUMBER = re.compile(r"#?(-?(?:0x)?[0-9a-f]+)")
_SHIFT = re.compile(r"(?:(lsl|sxtw|uxtw|sxtx)\b)? *#?(\d)?")

_LOADS = {
    # mnemonic → bytes; the first that fits. Sources: the instruction sets.
    "arm64": (
        (r"(?:ld|st)\w*rs?b$|swp\w*b$|cas\w*b$", 1),
        (r"(?:ld|st)\w*rs?h$|swp\w*h$|cas\w*h$", 2),
        (r"ld\w*sw$", 4),
    ),
    "arm": ((r"(?:ld|st)r\w*b", 1), (r"(?:ld|st)r\w*h", 2), (r"(?:ld|st)r\w*d", 8), (r"(?:ld|st)r", 4)),
    "riscv": (
        (r"(?:c\.)?[ls]bu?$", 1),
        (r"(?:c\.)?[ls]hu?$", 2),
        (r".*\.w|(?:c\.)?[ls]wu?", 4),
        (r".*\.d|(?:c\.)?[ls]d", 8),
    ),
    "ppc64": ((r"(?:l|st)b", 1), (r"(?:l|st)h", 2), (r"(?:l|st)w", 4), (r"(?:l|st)d", 8)),
    "mips": ((r"[ls]bu?$", 1), (r"[ls]hu?$", 2), (r"[ls]wu?$|ll$|sc$", 4), (r"[ls]d$|lld$|scd$", 8)),
    "s390": ((r"lg$|stg$", 8), (r"(?:l|st|lt|lgf|llgf)$", 4)),
}
_WRITES = re.compile(r"(?:c\.)?(?:st|s[bhwd](?:sp)?$|sc)")
_READS = re.compile(r"(?:c\.)?l|ic$|[cai]g?$")
_BOTH = re.compile(r"amo|swp|cas|ld(?:add|clr|eor|set|smax|smin|umax|umin)|la[ang]g?$|cs")


_NO_ACCESS = frozenset({"jalr", "jr", "la", "lay", "larl", "prfm", "pref", "basr", "br"})
"""Operations whose operand looks like memory, and that touch none."""


def memory_in(mnemonic: str, operands: str, arch: str) -> tuple[Memory, ...]:
    """The memory that an instruction uses, as its text says; x86 apart, where capstone tells more than the text."""
    access: Access = (
        "reads and writes"
        if _BOTH.match(mnemonic)
        else "writes"
        if _WRITES.match(mnemonic)
        else "reads"
        if _READS.match(mnemonic)
        else "uses"
    )
    if mnemonic.removeprefix("c.") in _NO_ACCESS:
        return ()
    size = _size(mnemonic, operands, arch)
    if "[" in operands:
        return tuple(_in_brackets(found[1], arch, access, size) for found in _BRACKETS.finditer(operands))
    if arch == "ppc64" and _INDEXED.fullmatch(mnemonic):
        registers = operands.split(",")
        base = None if registers[1:2] == [" r0"] else named(registers[1], arch) if len(registers) == 3 else None
        return (Memory(access, size, base, named(registers[2], arch)),) if len(registers) == 3 else ()
    return tuple(_in_parentheses(found, arch, access, size) for found in _PARENTHESES.finditer(operands))


def _in_parentheses(found: re.Match[str], arch: str, access: Access, size: int | None) -> Memory:
    registers = [part.strip() for part in found[2].split(",")]
    displacement = int(found[1], 0) if found[1] else 0
    if arch == "s390":  # displacement(index, base), or displacement(length, base)
        length = (
            int(registers[0], 0)
            if not registers[0].startswith("%") and registers[0].isalnum() and registers[0].isdecimal()
            else None
        )
        index = None if length is not None or len(registers) < 2 else named(registers[0], arch)
        return Memory(access, length or size, named(registers[-1], arch), index, displacement=displacement)
    return Memory(access, size, named(registers[0], arch), displacement=displacement)


def _in_brackets(text: str, arch: str, access: Access, size: int | None) -> Memory:
    parts = [part.strip() for part in text.split(",")]
    base = named(parts[0], arch)
    if len(parts) == 1:
        return Memory(access, size, base)
    if number := _NUMBER.fullmatch(parts[1]):
        return Memory(access, size, base, displacement=int(number[1], 0))
    index, scale, extend = parts[1], 1, None
    if len(parts) > 2 and (shift := _SHIFT.fullmatch(parts[2])):
        scale, extend = 1 << int(shift[2] or 0), shift[1] if shift[1] in ("sxtw", "uxtw") else None
    return Memory(
        access, size, base, named(index.lstrip("-"), arch), -scale if index.startswith("-") else scale, extend=extend
    )


def _size(mnemonic: str, operands: str, arch: str) -> int | None:
    rows = _LOADS.get("riscv" if arch.startswith("riscv") else arch, ())
    for pattern, size in rows:
        if re.match(pattern, mnemonic):
            return size
    if arch == "arm64":  # by the register that is loaded or stored, or two of them
        width = {"w": 4, "x": 8, "q": 16, "d": 8, "s": 4}.get(operands.split(",")[0].strip()[:1])
        return width and width * (2 if re.match(r"(?:ld|st)n?x?p", mnemonic) else 1)
    return None
