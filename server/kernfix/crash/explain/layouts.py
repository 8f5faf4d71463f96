"""What the kernel keeps where: ranges of addresses by architecture.

Sources: Documentation/arch/x86/x86_64/mm.rst, Documentation/arch/arm64/memory.rst, Documentation/arch/riscv/vm-layout.rst,
Documentation/arch/arm/memory.rst, and the headers named below. Bounds within the kernel's half hold without randomisation, so the regions
are probable, not sure; their order stays.
"""

from __future__ import annotations

from typing import NamedTuple

from kernfix.crash.explain.cpu import Cpu


class Region(NamedTuple):
    """Addresses from `start` to `end`, both included. `valid` is False where no mapping can be, or no kernel code should go by itself."""

    start: int
    end: int
    what: str
    valid: bool = True


_USER = "a user-space address"
_HOLE = "a non-canonical address, where no memory can be"
_DIRECT = "probably in the direct mapping of memory (slab objects, pages)"
_VMALLOC = "probably in vmalloc space (vmalloc(), ioremap(), kernel stacks)"
_VMEMMAP = "probably a `struct page` (in vmemmap)"
SHADOW = "probably in KASAN shadow memory"
"""What is said of that region: `values` tells what the shadow is of."""
_KERNEL = "a kernel address"

_X86_TOP = (
    Region(0xFFFFFE0000000000, 0xFFFFFE7FFFFFFFFF, "in cpu_entry_area (entry stacks, IDT, debug store)"),
    Region(0xFFFFFF0000000000, 0xFFFFFF7FFFFFFFFF, "in %esp fixup stacks"),
    Region(0xFFFFFFEF00000000, 0xFFFFFFFEFFFFFFFF, "in EFI region mapping space"),
    Region(0xFFFFFFFF80000000, 0xFFFFFFFF9FFFFFFF, "in the kernel image (code or static data)"),
    Region(0xFFFFFFFFA0000000, 0xFFFFFFFFBFFFFFFF, "in a module or a BPF program, or with KASLR in the kernel image"),
    Region(0xFFFFFFFFC0000000, 0xFFFFFFFFFEFFFFFF, "in a module or a BPF program"),
    Region(0xFFFFFFFFFF000000, 0xFFFFFFFFFF5FFFFF, "in the fixmap"),
    Region(0xFFFFFFFFFF600000, 0xFFFFFFFFFF600FFF, "in the legacy vsyscall page"),
    Region(0xFFFF800000000000, 0xFFFFFFFFFFFFFFFF, "a kernel address in an unused hole of the layout", valid=False),
)
_X86_64 = (
    Region(0, 0x00007FFFFFFFFFFF, _USER, valid=False),
    Region(0x0000800000000000, 0xFFFF7FFFFFFFFFFF, _HOLE, valid=False),
    Region(
        0xFFFF880000000000,
        0xFFFF887FFFFFFFFF,
        "probably in the direct mapping of memory, as before Linux 4.20 (since then the LDT of page table isolation)",
    ),
    Region(0xFFFF888000000000, 0xFFFFC87FFFFFFFFF, _DIRECT),
    Region(0xFFFFC90000000000, 0xFFFFE8FFFFFFFFFF, _VMALLOC),
    Region(0xFFFFEA0000000000, 0xFFFFEAFFFFFFFFFF, _VMEMMAP),
    Region(0xFFFFEC0000000000, 0xFFFFFBFFFFFFFFFF, SHADOW),
    *_X86_TOP,
)
_X86_64_5 = (
    Region(0, 0x00FFFFFFFFFFFFFF, _USER, valid=False),
    Region(0x0100000000000000, 0xFEFFFFFFFFFFFFFF, _HOLE, valid=False),
    Region(0xFF11000000000000, 0xFF90FFFFFFFFFFFF, _DIRECT),
    Region(0xFFA0000000000000, 0xFFD1FFFFFFFFFFFF, _VMALLOC),
    Region(0xFFD4000000000000, 0xFFD5FFFFFFFFFFFF, _VMEMMAP),
    Region(0xFFDF000000000000, 0xFFFFFBFFFFFFFFFF, SHADOW),
    *_X86_TOP,
)
_ARM64 = (
    # 48 bits, 4 KiB pages; the halves of the kernel's range changed places in Linux 5.4
    Region(0, 0x0000FFFFFFFFFFFF, _USER, valid=False),
    Region(
        0x0001000000000000,
        0xFFFEFFFFFFFFFFFF,
        "an address between the user's and the kernel's, where no memory can be",
        valid=False,
    ),
    Region(0xFFFF000000000000, 0xFFFF7FFFFFFFFFFF, "probably in the linear mapping of memory (slab objects, pages)"),
    Region(
        0xFFFF800000000000,
        0xFFFF80007FFFFFFF,
        "probably in a module or the kernel image (before Linux 5.4 in the linear mapping of memory)",
    ),
    Region(
        0xFFFF800080000000,
        0xFFFFFBFFEFFFFFFF,
        "probably in vmalloc space (kernel image, kernel stacks, vmalloc(), ioremap())",
    ),
    Region(0xFFFFFBFFF0000000, 0xFFFFFBFFFDFFFFFF, "probably in fixmap"),
    Region(0xFFFFFC0000000000, 0xFFFFFDFFFFFFFFFF, _VMEMMAP),
    Region(
        0xFFFFFE0000000000,
        0xFFFFFFFFFFFFFFFF,
        f"{_KERNEL}: vmemmap on older kernels, linear mapping or vmalloc with 39-bit addresses",
    ),
)
_RISCV64 = (
    Region(0, 0x00007FFFFFFFFFFF, _USER, valid=False),
    # Sv39
    Region(0xFFFFFFFF80000000, 0xFFFFFFFFFFFFFFFF, "in the kernel image (code or static data)"),
    Region(0xFFFFFFFF00000000, 0xFFFFFFFF7FFFFFFF, "in a module or a BPF program"),
    Region(0xFFFFFFF700000000, 0xFFFFFFFEFFFFFFFF, SHADOW),
    Region(0xFFFFFFD600000000, 0xFFFFFFF5FFFFFFFF, f"{_DIRECT} of Sv39"),
    Region(0xFFFFFFC600000000, 0xFFFFFFD5FFFFFFFF, f"{_VMALLOC} of Sv39"),
    Region(0xFFFFFFC500000000, 0xFFFFFFC5FFFFFFFF, f"{_VMEMMAP} of Sv39"),
    # Sv48
    Region(0xFFFF8D8000000000, 0xFFFF8F7FFFFFFFFF, f"{_VMEMMAP} of Sv48"),
    Region(0xFFFF8F8000000000, 0xFFFFAF7FFFFFFFFF, f"{_VMALLOC} of Sv48"),
    Region(0xFFFFAF8000000000, 0xFFFFEF7FFFFFFFFF, f"{_DIRECT} of Sv48"),
    Region(0xFFFFEF8000000000, 0xFFFFFFBFFFFFFFFF, SHADOW),
    # Sv57
    Region(0xFF1C000000000000, 0xFF1FFFFFFFFFFFFF, f"{_VMEMMAP} of Sv57"),
    Region(0xFF20000000000000, 0xFF5FFFFFFFFFFFFF, f"{_VMALLOC} of Sv57"),
    Region(0xFF60000000000000, 0xFFDEFFFFFFFFFFFF, f"{_DIRECT} of Sv57"),
    Region(0xFFDF000000000000, 0xFFFF7FFFFFFFFFFF, SHADOW),
    Region(0x0100000000000000, 0xFEFFFFFFFFFFFFFF, _HOLE, valid=False),
)
_PPC64 = (
    # arch/powerpc/include/asm/book3s/64/{radix,hash-64k}.h
    Region(0, 0x000FFFFFFFFFFFFF, _USER, valid=False),
    Region(0xC000000000000000, 0xC007FFFFFFFFFFFF, "in linear mapping of memory (kernel image, slab objects, pages)"),
    Region(0xC008000000000000, 0xC009FFFFFFFFFFFF, "probably in vmalloc space (modules, vmalloc())"),
    Region(0xC00A000000000000, 0xC00BFFFFFFFFFFFF, "probably in I/O memory"),
    Region(0xC00C000000000000, 0xC00DFFFFFFFFFFFF, _VMEMMAP),
    Region(0xD000000000000000, 0xDFFFFFFFFFFFFFFF, "in vmalloc space of older kernels"),
)
_LOONGARCH = (
    # arch/loongarch/include/asm/addrspace.h
    Region(0, 0x00007FFFFFFFFFFF, _USER, valid=False),
    Region(0x8000000000000000, 0x8000FFFFFFFFFFFF, "in uncached direct mapping (device registers)"),
    Region(
        0x9000000000000000, 0x9000FFFFFFFFFFFF, "in cached direct mapping of memory (kernel image, slab objects, pages)"
    ),
    Region(
        0xFFFF800000000000, 0xFFFFFFFFFFFFFFFF, "in mapped kernel space (modules, vmalloc(), vmemmap, KASAN shadow)"
    ),
)
_MIPS64 = (
    # arch/mips/include/asm/addrspace.h
    Region(0, 0x3FFFFFFFFFFFFFFF, _USER, valid=False),
    Region(0x8000000000000000, 0xBFFFFFFFFFFFFFFF, "in xkphys: direct mapping of memory"),
    Region(0xC000000000000000, 0xFFFFFFFF7FFFFFFF, "in xkseg: mapped kernel space (vmalloc())"),
    Region(0xFFFFFFFF80000000, 0xFFFFFFFF9FFFFFFF, "in ckseg0: direct mapping of memory, cached (kernel image)"),
    Region(0xFFFFFFFFA0000000, 0xFFFFFFFFBFFFFFFF, "in ckseg1: direct mapping, uncached (device registers)"),
    Region(0xFFFFFFFFC0000000, 0xFFFFFFFFFFFFFFFF, "in ckseg2: mapped kernel space (modules)"),
)
_MIPS32 = (
    Region(0, 0x7FFFFFFF, _USER, valid=False),
    Region(0x80000000, 0x9FFFFFFF, "in kseg0: direct mapping of memory, cached (kernel image, slab objects)"),
    Region(0xA0000000, 0xBFFFFFFF, "in kseg1: direct mapping, uncached (device registers)"),
    Region(0xC0000000, 0xFFFFFFFF, "in kseg2: mapped kernel space (modules, vmalloc())"),
)
_ANY_64 = (
    Region(0, 0x00007FFFFFFFFFFF, _USER, valid=False),
    Region(0xFFFF000000000000, 0xFFFFFFFFFFFFFFFF, _KERNEL),
)
_LAYOUTS = {
    "x86_64": _X86_64,
    "arm64": _ARM64,
    "riscv64": _RISCV64,
    "ppc64": _PPC64,
    "loongarch": _LOONGARCH,
    "mips": _MIPS64,
    "s390": (),
}


def _split(cpu: Cpu) -> tuple[Region, ...]:
    """32 bits: a program below, the kernel above (CONFIG_VMSPLIT_*: at 3 GiB, more rarely at 2)."""
    return (
        Region(0, cpu.split - 1, f"{_USER}, with the kernel's from {cpu.split:#x} on", valid=False),
        Region(cpu.split, 0xFFFFFFFF, f"{_KERNEL} (direct mapping of low memory, or above it vmalloc space)"),
    )


def region_of(value: int, cpu: Cpu) -> Region | None:
    """The region that an address is in; None where nothing is known of it."""
    if cpu.bits == 32:
        regions = _MIPS32 if cpu.arch == "mips" else _split(cpu)
    elif cpu.arch == "x86_64":
        regions = _X86_64_5 if cpu.five_levels else _X86_64
    else:
        regions = _LAYOUTS.get(cpu.arch or "", _ANY_64)
    return next((region for region in regions if region.start <= value <= region.end), None)
