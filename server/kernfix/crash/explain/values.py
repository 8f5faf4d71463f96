"""What a value may be: a pointer gone wrong, a mark that the kernel leaves, or an address of some region.

The recognisers stand in the order of how sure they are; the first that knows the value speaks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from kernfix.crash.explain.cpu import Cpu, cpu_of
from kernfix.crash.explain.errnos import MAX_ERRNO, errno_name
from kernfix.crash.explain.flags import flags
from kernfix.crash.explain.layouts import SHADOW, region_of
from kernfix.crash.explain.poisons import DELTAS, FILLS, MAGICS, POINTERS, STACKLEAK_POISON, Poison
from kernfix.crash.explain.shadow import SHADOWS, Shadow, constants, shadow_of_null, shadow_of_user

PAGE = 4096
"""Below it nothing is mapped, on any architecture (``vm.mmap_min_addr``)."""
_REACH = 0x1000
"""Bytes by which a member's address differs from a poisoned pointer at most."""
_INT = 1 << 32
_USER_END = 1 << 47
_NUMBERS = {64: _INT, 32: 1 << 20}
"""Below it, by the width of registers, a value is rather a number than a program's address."""


class Meaning(NamedTuple):
    """What a value is, as words that go after "is", and what else is to be said; `bad` means that it is no pointer to follow."""

    what: str
    notes: tuple[str, ...] = ()
    bad: bool = False


UNKNOWN = Meaning("in no region that is known")
"""Of a value that nothing can be said of."""

_Recogniser = Callable[[int, Cpu], Meaning | None]


def explain(
    value: int, arch: str | None = None, registers: Mapping[str, str] | None = None, name: str = ""
) -> tuple[str, ...]:
    """What a value is, in short sentences, the most telling first; none where nothing can be said.

    `registers` are those of the crash; `name` is the register or the word that the value stands behind, such as ``CR2``. A value that is
    wider than the architecture's registers is cut.
    """
    cpu = cpu_of(arch, registers or {}, len(f"{max(value, 0):x}"))
    value &= cpu.mask
    bits = flags(name, value, arch)
    if bits is not None:
        return bits
    if name in _NO_POINTERS:
        return ()
    meaning = as_pointer(value, cpu) if name in ADDRESSES else meaning_of(value, cpu)
    if name in _CODE and meaning.bad and not PAGE <= value < _USER_END:  # a program's registers are in the log too
        meaning = Meaning(f"{as_pointer(value, cpu).what}: the kernel jumped there, perhaps by a bad function pointer")
    about = (_NAMES[name],) if name in _NAMES else ()
    return (*about, meaning.what, *meaning.notes) if meaning is not UNKNOWN else about


ADDRESSES = frozenset({"CR2", "badaddr", "BadVA", "DAR", "BADV", "address", "FAR"})
"""Names of what is an address for sure: where the processor faulted."""
_CODE = frozenset({"RIP", "EIP", "pc", "epc", "NIP", "ERA"})
_NAMES = {
    "CR2": "the address of the last page fault (a general protection fault does not set it)",
    "GS": "the base of the processor's per-CPU data",
    "knlGS": "the base of GS that is not in use: the program's",
    "FS": "the base of the program's thread-local data",
}
"""What some registers are for."""
_NO_POINTERS = frozenset(
    "pstate psr status Status cause Cause MSR CR XER DSISR CRMD PRMD EUEN ECFG ESTAT ESR PKRU DR0 DR1 DR2 DR3 DR6 DR7 CS DS ES SS".split()  # noqa: SIM905
)
"""Registers of bits that the log itself spells out, or that no crash depends on."""


def near_null(value: int) -> str:
    """Of a small address."""
    return f"offset {value:#x} of a NULL pointer" if value else "NULL"


def meaning_of(value: int, cpu: Cpu) -> Meaning:
    """The likeliest meaning of a value as a pointer; it fits in the registers of that processor."""
    for recogniser in _RECOGNISERS:
        if meaning := recogniser(value, cpu):
            return meaning
    return UNKNOWN


def as_pointer(value: int, cpu: Cpu) -> Meaning:
    """The meaning of a value that was followed: a small number is an offset from NULL then, and none is a number."""
    if value < PAGE:
        return Meaning(near_null(value), bad=True)
    if name := error_pointer(value, cpu):
        return Meaning(name, bad=True)
    meaning, region = meaning_of(value, cpu), region_of(value, cpu)
    return Meaning(region.what, bad=True) if region and meaning.what.startswith("the number") else meaning


def error_pointer(value: int, cpu: Cpu) -> str | None:
    """``ERR_PTR(-ENAME)``, where a value is that (include/linux/err.h)."""
    name = errno_name(cpu.mask + 1 - value, cpu.arch)
    return name and f"ERR_PTR(-{name})"


def shadow_meaning(address: int, shadow: Shadow, cpu: Cpu) -> Meaning:
    """Of an address in the shadow: what the memory is that it tells of."""
    first = shadow.memory(address) & cpu.mask
    last = first + shadow.granule - 1
    memory = f"{first:#x}–{last:#x}"
    about = _errors(first, last, cpu) or as_pointer(first, cpu).what
    note = f"({address:#x} − {shadow.offset:#x}) << {shadow.scale} = {first:#x}"
    return Meaning(f"the KASAN shadow of {memory}: {about}", (note,), bad=True)


def _errors(first: int, last: int, cpu: Cpu) -> str | None:
    """Error pointers by name, where an address lies among them and only its granule is known."""
    names = [name for value in range(first, last + 1) if (name := error_pointer(value, cpu))]
    return f"one of {', '.join(names)}, perhaps with an offset" if names else None


# --- recognisers -------------------------------------------------------------------------------------------------------------------------


def _null(value: int, cpu: Cpu) -> Meaning | None:
    return Meaning("NULL (or the number 0)", bad=True) if value == 0 else None


def _stackleak(value: int, cpu: Cpu) -> Meaning | None:
    return Meaning("STACKLEAK_POISON: stack that was erased") if value == STACKLEAK_POISON else None


def _negative(value: int, cpu: Cpu) -> Meaning | None:
    """include/linux/err.h: an error as a pointer."""
    number = cpu.mask + 1 - value
    if not 0 < number <= MAX_ERRNO:
        return None
    if name := error_pointer(value, cpu):
        return Meaning(f"{name}, or the number -{number}", bad=True)
    return Meaning(
        f"the number -{number}", ("in the range of error pointers (ERR_PTR), but no error has that number",), bad=True
    )


def _negative_int(value: int, cpu: Cpu) -> Meaning | None:
    number = _INT - value
    if cpu.bits != 64 or not 0 < number <= MAX_ERRNO:
        return None
    name = errno_name(number, cpu.arch)
    return Meaning(f"-{number} as an `int`" + (f": -{name}" if name else ""), bad=True)


def _small(value: int, cpu: Cpu) -> Meaning | None:
    if value >= PAGE:
        return None
    notes = tuple(
        f"or {poison.name}{_plus(value - poison.value)}: {poison.tells}"
        for poison in POINTERS
        if DELTAS.get(cpu.arch, 0) == 0
        and poison.name in ("LIST_POISON1", "LIST_POISON2")
        and value - poison.value in (0, 4, 8)
    )
    return Meaning(f"the number {value}, or offset {value:#x} of a NULL pointer", notes, bad=True)


def _pointer_poison(value: int, cpu: Cpu) -> Meaning | None:
    """A poisoned pointer, or what is made of it: a member behind it, or what list_entry() makes of a deleted entry."""
    delta = DELTAS.get(cpu.arch, 0)
    low = value - delta
    if not delta or cpu.bits != 64 or not -_REACH <= low < 1 << 24:
        return None
    exact = next((poison for poison in POINTERS if poison.value == low), None)
    nearest = exact or _nearest(low)
    if nearest is None:
        return Meaning(f"POISON_POINTER_DELTA{_plus(low)}: a poisoned pointer", bad=True)
    offset = low - nearest.value
    notes = (nearest.tells, *_of_list(nearest, offset))
    return Meaning(f"{nearest.name}{_plus(offset)}", notes, bad=True)


def _nearest(low: int) -> Poison | None:
    """Which poison a value is made of: of lists, since their pointers are the ones that are followed, to members that are aligned."""
    near = [poison for poison in POINTERS if poison.name.startswith("LIST_POISON") and abs(low - poison.value) < _REACH]
    return min(near, key=lambda poison: ((low - poison.value) % 8 != 0, abs(low - poison.value)), default=None)


def _of_list(poison: Poison, offset: int) -> tuple[str, ...]:
    if not poison.name.startswith("LIST_POISON") or not offset:
        return ()
    if offset < 0:
        return (f"probably list_entry() of it: the list is in the structure at {-offset:#x}",)
    return (
        ("probably `->prev` or `->pprev` of what the entry points to: the entry was deleted twice",)
        if offset == 8
        else ()
    )


def _fill(value: int, cpu: Cpu) -> Meaning | None:
    """Memory that holds one byte all over, as a pointer, with a member's offset; or as an `int` or half of a page fault's address."""
    for poison in FILLS:
        for bytes_ in dict.fromkeys((cpu.bits // 8, 4)):
            fill = int.from_bytes(bytes([poison.value]) * bytes_, "little")
            words = _as_fill(value, fill, exact=bytes_ * 8 != cpu.bits or poison.value in (0x11, 0x12, 0x22))
            if words is not None:
                return Meaning(f"{fill:#x}{words} ({poison.name})", (poison.tells,), bad=True)
    return None


def _as_fill(value: int, fill: int, *, exact: bool) -> str | None:
    """How a value differs from a fill, in words; None where it is another."""
    if value == fill:
        return ""
    if exact:
        return None
    if value & 0xFFF == 0 and value >> 12 == fill >> 12:
        return ", rounded down to its page"
    if fill & 0xFF == 0x6B and value ^ fill in (0x6B ^ 0xA5, (0x6B ^ 0xA5) << fill.bit_length() // 8 * 8):
        return " with 0xa5 (POISON_END) at the object's end"
    return _plus(value - fill) if abs(value - fill) < _REACH else None


def _magic(value: int, cpu: Cpu) -> Meaning | None:
    for magic in MAGICS:
        if magic.value in (value & 0xFFFFFFFF, value >> 32):
            return Meaning(f"{magic.name}", (magic.tells,), bad=cpu.bits == 64)
    return None


def _text(value: int, cpu: Cpu) -> Meaning | None:
    """Text where a pointer should be: something wrote a string over it. At least all but one byte must be printable."""
    order = "big" if cpu.arch == "s390" else "little"
    text = value.to_bytes(cpu.bits // 8, order)  # type: ignore[arg-type]
    shown = text.rstrip(b"\0")
    enough = len(shown) >= len(text) - (cpu.bits == 64)
    if not enough or not all(0x20 <= byte < 0x7F for byte in shown):
        return None
    return Meaning(
        f"the text “{shown.decode('ascii')}”",
        ("looks like a string; if this was a pointer, one was written over it",),
        bad=True,
    )


def _shadow_constant(value: int, cpu: Cpu) -> Meaning | None:
    if cpu.bits != 64 or value not in constants(cpu):
        return None
    return Meaning(
        "KASAN_SHADOW_OFFSET",
        ("the constant that the compiler's KASAN checks add to an address >> 3; as an address, the shadow of NULL",),
    )


def _shadow(value: int, cpu: Cpu) -> Meaning | None:
    if cpu.bits != 64:
        return None
    shadow = shadow_of_null(value, cpu)
    if shadow is None and (found := shadow_of_user(value, cpu)) and value - found.offset >= PAGE:
        shadow = found
    if shadow is None and (region := region_of(value, cpu)) and region.what == SHADOW:
        meaning = shadow_meaning(value, SHADOWS[cpu.arch or ""][0], cpu)
        return meaning._replace(what=f"probably {meaning.what}", bad=False)
    return shadow_meaning(value, shadow, cpu) if shadow else None


def _shifted(value: int, cpu: Cpu) -> Meaning | None:
    """On its way to the shadow: KASAN's checks keep addresses shifted in registers."""
    address = value << 3 & cpu.mask
    if cpu.bits != 64 or value >> 61 or address < 0xFFFF << 48 or cpu.arch not in SHADOWS:
        return None
    return Meaning(
        f"probably a kernel address >> 3, for a KASAN check: {address:#x}–{address + 7:#x}",
        (meaning_of(address, cpu).what,),
        bad=True,
    )


def _tagged(value: int, cpu: Cpu) -> Meaning | None:
    """KASAN's tags in the top byte of an arm64 pointer (Documentation/dev-tools/kasan.rst)."""
    tag, plain = value >> 56, value | 0xFF << 56
    if cpu.arch != "arm64" or tag == 0xFF or plain >> 48 != 0xFFFF:
        return None
    region = region_of(plain, cpu)
    return Meaning(f"a kernel pointer with tag {tag:#x}", (f"without it {plain:#x}: {region.what}",) if region else ())


def _region(value: int, cpu: Cpu) -> Meaning | None:
    region = region_of(value, cpu)
    if cpu.on_stack(value) and (region is None or region.valid):
        offset = value - (cpu.stack or 0)
        return Meaning(
            "on the kernel stack"
            + (f", {abs(offset):#x} {'above' if offset > 0 else 'below'} its pointer" if offset else "")
        )
    if region is None:
        return None
    if not region.start and value < _NUMBERS[cpu.bits]:
        return Meaning(f"the number {value}, or a user-space address", bad=True)
    return Meaning(region.what, () if region.valid else _one_bit(value, cpu), bad=not region.valid)


def _one_bit(value: int, cpu: Cpu) -> tuple[str, ...]:
    """What a non-canonical value of x86-64 may have been: bad memory and stray writes flip bits."""
    if cpu.arch != "x86_64" or cpu.five_levels or value < 1 << 47:
        return ()
    for bit in range(47, 64):
        if (plain := value ^ 1 << bit) >> 47 == 0x1FFFF:
            return (f"differs from the kernel address {plain:#x} in bit {bit} only: perhaps a flipped bit",)
    return (
        ("perhaps a stack canary (its lowest byte is 0)",)
        if value & 0xFF == 0 and value >> 56 and value & 0xFF00
        else ()
    )


def _plus(offset: int) -> str:
    return "" if not offset else f" + {offset:#x}" if offset > 0 else f" − {-offset:#x}"


_RECOGNISERS: tuple[_Recogniser, ...] = (
    _null, _stackleak, _negative, _small, _negative_int, _pointer_poison, _fill, _magic, _shadow_constant, _shadow, _text,
    _shifted, _tagged, _region,
)  # fmt: skip
