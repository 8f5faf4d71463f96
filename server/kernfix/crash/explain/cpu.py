"""What must be known of the processor to read a value: its architecture, how wide it is, how its addresses are laid out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

_BITS = {
    "x86_64": 64,
    "arm64": 64,
    "riscv64": 64,
    "ppc64": 64,
    "s390": 64,
    "loongarch": 64,
    "i386": 32,
    "arm": 32,
    "riscv32": 32,
}
_FIVE_LEVELS = 1 << 12
"""CR4.LA57 (arch/x86/include/uapi/asm/processor-flags.h)."""
_STACK_POINTERS = ("RSP", "ESP", "sp", "GPR01", "r15", "$29")
_STACK = 1 << 14
"""Bytes next to the stack pointer that are taken for the same stack: THREAD_SIZE of most configurations."""


class Cpu(NamedTuple):
    """The processor of a crash; `arch` is None where the log does not tell it.

    `split` is where the kernel's addresses begin on 32 bits (``PAGE_OFFSET``); `five_levels` is whether x86-64 pages with five levels;
    `stack` is the stack pointer.
    """

    arch: str | None
    bits: int = 64
    five_levels: bool = False
    split: int = 0xC0000000
    stack: int | None = None

    @property
    def mask(self) -> int:
        """All bits of a register."""
        return (1 << self.bits) - 1

    def on_stack(self, value: int) -> bool:
        """Whether an address is that near to the stack pointer of the crash."""
        return self.stack is not None and self.stack > _STACK and abs(value - self.stack) < _STACK


def cpu_of(arch: str | None, registers: Mapping[str, str], digits: int = 16) -> Cpu:
    """The processor of a crash, from its architecture and its registers; `digits` of a value tell the width where nothing else does."""
    numbers = {
        name: number for name in (*_STACK_POINTERS, "CR4", "pc") if (number := parsed(registers.get(name))) is not None
    }
    widest = max((len(value) - 2 for value in registers.values()), default=digits)
    bits = _BITS.get(arch or "", 64 if widest > 8 else 32)
    pc = numbers.get("pc", 0)
    return Cpu(
        arch,
        bits,
        five_levels=bool(numbers.get("CR4", 0) & _FIVE_LEVELS),
        split=0x80000000 if arch == "arm" and 0x80000000 <= pc < 0xBF000000 else 0xC0000000,
        stack=next((numbers[name] for name in _STACK_POINTERS if name in numbers), None),
    )


def parsed(text: str | None) -> int | None:
    """The number that hexadecimal digits are, with or without ``0x``; None where they are none."""
    digits = (text or "").removeprefix("0x")
    return (
        int(digits, 16) if digits and len(digits) <= 16 and all(c in "0123456789abcdefABCDEF" for c in digits) else None
    )
