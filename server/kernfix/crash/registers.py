"""The processor's registers, and the instructions around the fault, as the dump of a report shows them.

Each architecture prints its own lines (``show_regs()`` and ``show_code()`` in process.c, traps.c and dumpstack.c of arch/*/kernel). A line
is known by its first characters; nearly all of them then hold pairs of a name and a number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

_Pairs = Iterable[tuple[str, str]]
_Reader = Callable[[list[str], int], _Pairs]
"""Reads the dump's line of that number; takes more of the lines where a row goes on."""
_UserMode = Callable[[list[str], int], bool]
"""Whether the dump that begins at the line of that number shows the registers of a program."""

_NUMBER = r"(?:[0-9a-f]{16}|[0-9a-f]{8})"
# `NAME: number`, `name : number` or `name number`; x86 prints the segment of an address, older kernels brackets. A symbol is no number.
_PAIR = re.compile(rf"\b([A-Za-z]\w{{0,7}})(?: {{0,4}}: {{0,2}}| )(?:[0-9a-f]{{4}}:)?(?:\[<)?({_NUMBER})(?![\w.+])")
_VALUE = re.compile(rf"\b{_NUMBER}\b")
_PSW = re.compile(rf"Krnl PSW : ({_NUMBER}) ({_NUMBER})")
_NUMBERED = re.compile(r"(GPR|\$)([ \d]\d) {0,4}:")

# --- whose registers they are ------------------------------------------------------------------------------------------------------------

_X86_USER = re.compile(r"RIP: 00(?:33|2b|23):|EIP: 0073:|EIP: 0x(?:[0-9a-f]{5,7}|[0-9ab][0-9a-f]{7})\b")
"""A code segment of ring 3 (arch/x86/include/asm/segment.h), or an address without a symbol below the 32-bit kernel's."""
_ARM64_USER = re.compile(r"pc : [0-9a-f]{16}\b")
"""arm64 prints a symbol for the kernel."""
_RISCV_USER = re.compile(r"epc : 0[0-9a-f]{0,14}[1-9a-f]")


def _x86(bodies: list[str], number: int) -> bool:
    return _X86_USER.match(bodies[number]) is not None


def _riscv_mips(bodies: list[str], number: int) -> bool:
    """riscv prints two lines with symbols before the numbers of the kernel, mips the mode in the lines after."""
    symbols = bodies[number - 1].startswith(" ra : ")
    return (not symbols and _RISCV_USER.match(bodies[number]) is not None) or _mips(bodies, number)


def _kernel(bodies: list[str], number: int) -> bool:
    return False


def _arm_loongarch(bodies: list[str], number: int) -> bool:
    return _ARM64_USER.match(bodies[number]) is not None or _told(bodies[number : number + 20], "Mode USER", "(PPLV3")


def _mips(bodies: list[str], number: int) -> bool:
    return _told(bodies[number : number + 20], "USER ")


def _ppc(bodies: list[str], number: int) -> bool:
    return _told(bodies[number : number + 3], ",PR,")


def _told(lines: list[str], *signs: str) -> bool:
    return any(sign in line for line in lines for sign in signs)


_LEADS: dict[str, _UserMode] = {
    "RIP": _x86, "EIP": _x86, "CR2": _kernel, "epc": _riscv_mips, "pc ": _arm_loongarch, "$ 0": _mips, "NIP": _ppc,
}  # fmt: skip
"""The lines that tell whose dump it is; control registers are shown for the kernel only."""

# --- the lines of a dump -----------------------------------------------------------------------------------------------------------------


def _pairs(bodies: list[str], number: int) -> _Pairs:
    return () if bodies[number].startswith("Stack") else _PAIR.findall(bodies[number])


def _numbered(bodies: list[str], number: int) -> _Pairs:
    """``GPR04: …`` and ``$ 4   : …``: the registers from that one on."""
    lead = _NUMBERED.match(bodies[number])
    if lead is None:
        return ()
    width = "{}{:02}" if lead[1] == "GPR" else "{}{}"
    values = _VALUE.findall(bodies[number], lead.end())
    return [(width.format(lead[1], int(lead[2]) + no), value) for no, value in enumerate(values)]


def _krnl(bodies: list[str], number: int) -> _Pairs:
    """s390: the program status word, or four rows of general registers."""
    if status := _PSW.match(bodies[number]):
        return ("PSW mask", status[1]), ("PSW addr", status[2])
    if not bodies[number].startswith("Krnl GPRS:"):
        return ()
    values = _VALUE.findall("\n".join(bodies[number : number + 4]))
    return [(f"r{no}", value) for no, value in enumerate(values[:16])]


def _keys(words: str, *more: str) -> tuple[str, ...]:
    return *words.split(), *more


_PAIR_KEYS = (
    # x86
    *_keys("RIP RSP RAX RDX RBP R10 R13 FS: CS: CR2 PKR EIP EAX ESI DS: CR0 EFL", " DS", " OR"),
    # arm64, arm
    *_keys("pst r10", "pc ", "lr ", "sp ", "r7 ", "r3 ", *(f"x{no:<2}" for no in range(30))),
    # riscv
    *_keys("epc sta", " ra", " gp", " t1", " s1", " a2", " a5", " s2", " s5", " s8", " t5"),
    # powerpc
    *_keys("NIP MSR CFA DAR DEA"),
    # loongarch
    *_keys("", "a0 ", "a4 ", "t0 ", "t4 ", "t8 ", "s1 ", "s5 ", "  E", " CR", " PR", " EU", " EC", " ES", "EST", " BA"),
    # mips
    *_keys("Acx Sta Cau Bad", "Hi ", "Lo ", "ra "),
)
_KEY = 3
"""Characters by which a line of a dump is known."""
_READERS: dict[str, _Reader] = {
    **dict.fromkeys(_PAIR_KEYS, _pairs),
    **dict.fromkeys(("GPR", *(f"${no:>2}" for no in range(0, 32, 4))), _numbered),
    "Krn": _krnl,
}


def _of_crash(bodies: list[str]) -> list[str]:
    """Without what the other processors were doing, where the crash is a task that waits: it is on none."""
    if " for more than " not in "".join(bodies[:1]):
        return bodies
    end = next((number for number, line in enumerate(bodies) if "NMI backtrace for" in line), len(bodies))
    return bodies[:end]


def registers_of(bodies: list[str]) -> dict[str, str]:
    """The kernel's registers of the first dump, by name as printed, as hexadecimal numbers (``0x…``).

    `bodies` are the kernel's own words of each line. A register that only a later dump shows is taken from there; those of programs
    are left out. PSW mask and PSW addr are the two halves of the program status word of s390.
    """
    registers: dict[str, str] = {}
    user = False
    seen: set[str] = set()
    bodies = _of_crash(bodies)
    for number in [number for number, line in enumerate(bodies) if line[:_KEY] in _READERS]:
        line = bodies[number]
        key = line[:_KEY]
        if key in _LEADS:
            user = _LEADS[key](bodies, number)
        read = _READERS[key]
        if user or (line in seen and read is not _krnl):  # a dump is printed again when the kernel dies
            continue
        seen.add(line)
        for name, digits in read(bodies, number):
            registers.setdefault(name, "0x" + digits)
    return registers


# --- the instructions --------------------------------------------------------------------------------------------------------------------

_BYTES = re.compile(r"\s*([<(]?(?:[0-9a-f]{8}|[0-9a-f]{4}|[0-9a-f]{2}|X{8})(?:[>)\s][0-9a-fX<>()\s]*|$))")
_S390 = re.compile(r"(?:Krnl Code:|\s{4,16})([ #>]?) ?[0-9a-f]{8,16}: ?([0-9a-f]{4,12})\b")
_S390_ROWS = 8
_POWERPC_ROWS = 2
_TRIES = 64
"""Lines that may be the code; those before it are of programs, or say that there is none."""


def _code(bodies: list[str], number: int) -> str | None:
    # x86 prints it right below the instruction pointer.
    user = any(_X86_USER.match(above) for above in bodies[max(0, number - 2) : number])
    return None if user else _words(bodies[number], len("Code:"))


def _s390_code(bodies: list[str], number: int) -> str | None:
    rows = (_S390.match(row) for row in bodies[number : number + _S390_ROWS])
    return " ".join(row[1].strip() + row[2] for row in rows if row) or None


def _powerpc_code(bodies: list[str], number: int) -> str | None:
    rows = (_words(row, 0) for row in bodies[number + 1 : number + 1 + _POWERPC_ROWS])
    return " ".join(row for row in rows if row) or None


def _words(line: str, at: int) -> str | None:
    found = _BYTES.match(line, at)
    if found is None:
        return None
    words = found[1].split()
    if found.end() < len(line) and not line[found.end() - 1].isspace():
        words.pop()  # the begin of something else
    return " ".join(words) or None


_CODE_READERS = (("Code:", _code), ("Krnl Code:", _s390_code), ("Instruction dump:", _powerpc_code))
_CODE_KEYS = {words[:_KEY] for words, _ in _CODE_READERS}


def code_of(bodies: list[str]) -> str | None:
    """The bytes or words around the faulting instruction, with the kernel's marks on it; None where there are none.

    The marks are those of the architecture: ``<0f>``, ``(d4210000)``; on s390 ``#`` before the instruction that was running and ``>``
    before the next. The instructions of programs are left out.
    """
    bodies = _of_crash(bodies)
    starts = [number for number, line in enumerate(bodies) if line[:_KEY] in _CODE_KEYS]
    for words, read in _CODE_READERS if starts else ():
        for number in [number for number in starts if bodies[number].startswith(words)][:_TRIES]:
            if code := read(bodies, number):
                return code
    return None
