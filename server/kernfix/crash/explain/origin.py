"""Where a register got its value, in the straight code before an instruction.

Only the instructions of the `Code:` line are known, and not which jumps lead between them: what is found is how the code stands, and it
counts only as far as the values of the registers agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from kernfix.crash.explain.disassemble import Instruction, Listing
from kernfix.crash.explain.operands import named


class Source(NamedTuple):
    """A register that a value was made of: ``(register + offset) >> shift``. `by` is the instruction that took it from there, None for the
    register itself."""

    register: str
    offset: int = 0
    shift: int = 0
    by: Instruction | None = None


class Loaded(NamedTuple):
    """What set a register first, as far as the code goes back: a load, a call, anything else; `register` is what it set."""

    register: str
    by: Instruction


_COPIES = {
    # operation → pattern with the register that is set (to), the one that it is made of (of) and a number (n)
    "x86": (
        (r"lea[lq] (?P<n>-?(?:0x)?[0-9a-f]+)?\(%(?P<of>\w+)\), %(?P<to>\w+)", 1, 0),
        (r"add[lq] \$(?P<n>-?(?:0x)?[0-9a-f]+), %(?P<to>\w+)", 1, 0),
        (r"sub[lq] \$(?P<n>-?(?:0x)?[0-9a-f]+), %(?P<to>\w+)", -1, 0),
        (r"mov[lq] %(?P<of>\w+), %(?P<to>\w+)", 0, 0),
        (r"shrq \$(?P<n>3), %(?P<to>\w+)", 0, 3),
    ),
    "other": (
        (r"(?:c\.)?addi? (?P<to>\w+), (?P<of>\w+), #?(?P<n>-?(?:0x)?[0-9a-f]+)", 1, 0),
        (r"c\.addi (?P<to>\w+), (?P<n>-?(?:0x)?[0-9a-f]+)", 1, 0),
        (r"subi? (?P<to>\w+), (?P<of>\w+), #?(?P<n>-?(?:0x)?[0-9a-f]+)", -1, 0),
        (r"(?:mov|(?:c\.)?mv|mr) (?P<to>\w+), (?P<of>\w+)", 0, 0),
        (r"(?:lsr|srli) (?P<to>\w+), (?P<of>\w+), #?(?P<n>3)", 0, 3),
        (r"(?:lsr|srli) (?P<to>\w+), (?P<of>\w+), #?(?P<n>4)", 0, 4),
        (r"c\.srli (?P<to>\w+), (?P<n>3)", 0, 3),
    ),
}
_CALLS = re.compile(r"call|blx?r?$|jalr?$|c\.jalr?$|bctrl$|brasl?$")
_RESULTS = {
    "x86_64": "RAX",
    "i386": "EAX",
    "arm64": "x0",
    "arm": "r0",
    "riscv64": "a0",
    "riscv32": "a0",
    "ppc64": "GPR03",
    "s390": "r2",
    "mips": "$2",
}
"""Where functions return their value."""


def sources(listing: Listing, register: str, arch: str | None) -> tuple[list[Source], Loaded | None]:
    """The registers that a register's value at the marked instruction goes back to, the nearest first, and what set the last of them."""
    found, offset, shift = [Source(register)], 0, 0
    for instruction in _before(listing):
        if not _sets(instruction, register, arch):
            continue
        copy = _copy(instruction, register, arch)
        if copy is None or (copy.shift and (shift or offset)):
            return found, Loaded(register, instruction)
        register, offset, shift = copy.register, offset + copy.offset, shift or copy.shift
        found.append(Source(register, offset, shift, instruction))
    return found, None


def is_call(instruction: Instruction) -> bool:
    """Whether it calls a function."""
    return _CALLS.match(instruction.mnemonic) is not None


def _before(listing: Listing) -> Iterator[Instruction]:
    return reversed(listing.instructions[: listing.marked or 0])


def _sets(instruction: Instruction, register: str, arch: str | None) -> bool:
    if is_call(instruction):
        return register == _RESULTS.get(arch or "")
    return register in instruction.writes or _copy(instruction, register, arch) is not None


def _copy(instruction: Instruction, register: str, arch: str | None) -> Source | None:
    """What an instruction that only copies, adds or shifts sets the register to."""
    x86 = arch in ("x86_64", "i386")
    for pattern, sign, shift in _COPIES["x86" if x86 else "other"]:
        match = re.fullmatch(pattern, instruction.text)
        if match and named(match["to"], arch) == register:
            words = match.groupdict()
            of = named(words.get("of") or match["to"], arch)
            return Source(of, sign * int(words.get("n") or "0", 0), shift, instruction) if of else None
    return None
