"""KASAN's shadow memory: one byte of it tells of 8 bytes (generic KASAN) or 16 bytes (software tags) of memory.

``shadow = (address >> scale) + offset`` (include/linux/kasan.h:kasan_mem_to_shadow()); the compiler puts this sum before each access, so
that a bad pointer faults at its shadow and not at itself. Offsets: KASAN_SHADOW_OFFSET in arch/*/Kconfig; loongarch and 32-bit arm are
left out, since theirs depend on more than the architecture.
"""

from __future__ import annotations

from typing import NamedTuple

from kernfix.crash.explain.cpu import Cpu


class Shadow(NamedTuple):
    """A way to lay out the shadow."""

    offset: int
    scale: int = 3

    def memory(self, address: int) -> int:
        """The first address that the byte at a shadow address tells of."""
        return ((address - self.offset) << self.scale) & 0xFFFF_FFFF_FFFF_FFFF

    @property
    def granule(self) -> int:
        """Bytes that one byte of the shadow tells of."""
        return 1 << self.scale


_ARM64 = (
    # 48 bits of address first, which nearly all have; then 47, 42, 39, 36: Documentation/arch/arm64/kasan-offsets.sh
    *(Shadow(offset, 3) for offset in (0xDFFF800000000000, 0xDFFFC00000000000, 0xDFFFFE0000000000, 0xDFFFFFC000000000, 0xDFFFFFF800000000)),
    *(Shadow(offset, 4) for offset in (0xEFFF800000000000, 0xEFFFC00000000000, 0xEFFFFE0000000000, 0xEFFFFFC000000000, 0xEFFFFFF800000000)),
)  # fmt: skip
_OLDER_ARM64 = (Shadow(0xDFFFA00000000000), Shadow(0xDFFF200000000000))
"""48 bits of address: from Linux 5.4 to 5.10, and before."""
SHADOWS = {
    "x86_64": (Shadow(0xDFFFFC0000000000),),
    "arm64": (*_ARM64, *_OLDER_ARM64),
    "riscv64": (Shadow(0xDFFFFFFF00000000),),
    "s390": (Shadow(0x1C000000000000),),
    "ppc64": (Shadow(0xA80E000000000000),),
}
_NULL = 1 << 12
_USER = 1 << 47


def shadow_of_null(address: int, cpu: Cpu) -> Shadow | None:
    """The layout by which an address is the shadow of the first page: few other values look like that."""
    return _of(address, cpu, _NULL)


def shadow_of_user(address: int, cpu: Cpu) -> Shadow | None:
    """The layout by which an address is the shadow of a program's address."""
    return _of(address, cpu, _USER)


def constants(cpu: Cpu) -> frozenset[int]:
    """All values that KASAN_SHADOW_OFFSET may have: the compiler keeps it in a register."""
    return frozenset(shadow.offset for shadow in SHADOWS.get(cpu.arch or "x86_64", ()))


def _of(address: int, cpu: Cpu, limit: int) -> Shadow | None:
    layouts = SHADOWS.get(cpu.arch or "x86_64", ())
    reach = [
        (address - shadow.offset, shadow) for shadow in layouts if 0 <= address - shadow.offset < limit >> shadow.scale
    ]
    return min(reach, default=(0, None), key=lambda pair: pair[0])[1]
