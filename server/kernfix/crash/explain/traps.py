"""Instructions that trap on purpose, or for their operands: BUG(), WARN(), sanitizers, division.

Sources: arch/x86/kernel/traps.c, arch/x86/include/asm/bug.h, arch/arm64/include/asm/brk-imm.h, arch/*/include/asm/bug.h.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from kernfix.crash.explain.disassemble import Instruction
from kernfix.crash.explain.operands import named

_BUG = "the trap of BUG(), BUG_ON(), WARN() or WARN_ON(): a check of the kernel itself failed"
_BREAKPOINT = "a breakpoint: a probe, code that is just being patched, or what lies between functions"
_UBSAN = "a trap of UBSAN (CONFIG_UBSAN_TRAP)"
_CFI = "a trap of control flow integrity: an indirect call to a function of another type"

_TRAPS = (
    (r"x86_64|i386", r"ud2.*", _BUG),
    (r"x86_64|i386", r"ud1.*|ud0.*", _UBSAN),
    (r"x86_64|i386", r"int3.*", _BREAKPOINT),
    (r"x86_64|i386", r"hlt", "the processor waits here for an interrupt: it was idle"),
    (r"arm64", r"brk #0x800", _BUG),
    (r"arm64", r"brk #0x9[0-9a-f]{2}", "the report of a failed KASAN check (software tags)"),
    (r"arm64", r"brk #0x55[0-9a-f]{2}", _UBSAN),
    (r"arm64", r"brk #0x8[0-3][0-9a-f]{2}", _CFI),
    (r"arm64", r"brk .*", _BREAKPOINT),
    (r"arm64", r"wf[ie]", "the processor waits here for an interrupt or event"),
    (r"arm", r"udf #0x12", _BUG),
    (r"riscv\d\d", r"(?:c\.)?ebreak", _BUG),
    (r"riscv\d\d", r"wfi", "the processor waits here for an interrupt: it was idle"),
    (r"ppc64", r"(?:tw|td)\w* .*|trap", _BUG),
    (r"mips", r"(?:break|t(?:ne|eq)i?\b).*", _BUG),
    (r"s390", r"mc .*", _BUG),
)
_DIVISION = re.compile(r"i?div([bwlq]) %(\w+)")
_WIDTHS = {"b": 8, "w": 16, "l": 32, "q": 64}


def trap_of(instruction: Instruction, arch: str | None, numbers: Mapping[str, int]) -> str | None:
    """Why an instruction traps, where that is known from itself and the values of registers: words that go after "This is"."""
    for machine, pattern, what in _TRAPS:
        if re.fullmatch(machine, arch or "") and re.fullmatch(pattern, instruction.text):
            return what
    return _division(instruction, arch, numbers) or _msr(instruction, numbers)


def _division(instruction: Instruction, arch: str | None, numbers: Mapping[str, int]) -> str | None:
    division = _DIVISION.fullmatch(instruction.text)
    register = named(division[2], arch) if division else None
    if division is None or register not in numbers:
        return None
    divisor = numbers[register or ""] & (1 << _WIDTHS[division[1]]) - 1
    return f"a division by {register} = {divisor}" + ("" if divisor else ": division by zero")


def _msr(instruction: Instruction, numbers: Mapping[str, int]) -> str | None:
    if instruction.mnemonic not in ("rdmsr", "wrmsr"):
        return None
    number = numbers.get("RCX", numbers.get("ECX"))
    return "an access to a model specific register" + ("" if number is None else f": {number & 0xFFFFFFFF:#x}")
