"""Registers and codes that are made of bits, by the names of their bits: arch/x86/include/uapi/asm/processor-flags.h and
arch/x86/include/asm/trap_pf.h, arch/riscv/include/asm/csr.h."""

from __future__ import annotations

_RFLAGS = {
    0: "CF", 2: "PF", 4: "AF", 6: "ZF", 7: "SF", 8: "TF", 9: "IF", 10: "DF", 11: "OF", 14: "NT", 16: "RF", 17: "VM", 18: "AC", 19: "VIF",
    20: "VIP", 21: "ID",
}  # fmt: skip
_CR0 = {0: "PE", 1: "MP", 2: "EM", 3: "TS", 4: "ET", 5: "NE", 16: "WP", 18: "AM", 29: "NW", 30: "CD", 31: "PG"}
_CR4 = {
    0: "VME", 1: "PVI", 2: "TSD", 3: "DE", 4: "PSE", 5: "PAE", 6: "MCE", 7: "PGE", 8: "PCE", 9: "OSFXSR", 10: "OSXMMEXCPT", 11: "UMIP",
    12: "LA57", 13: "VMXE", 14: "SMXE", 16: "FSGSBASE", 17: "PCIDE", 18: "OSXSAVE", 20: "SMEP", 21: "SMAP", 22: "PKE", 23: "CET",
    28: "LAM_SUP", 32: "FRED",
}  # fmt: skip
_RISCV_CAUSES = {
    0: "instruction address misaligned", 1: "instruction access fault", 2: "illegal instruction", 3: "breakpoint (ebreak: BUG() or WARN())",
    4: "load address misaligned", 5: "load access fault", 6: "store address misaligned", 7: "store access fault", 8: "system call",
    12: "instruction page fault", 13: "load page fault", 15: "store page fault",
}  # fmt: skip
_INTERRUPT = 63


def flags(name: str, value: int, arch: str | None) -> tuple[str, ...] | None:
    """What the bits of a register or code say; None where it has none that we know."""
    if arch in ("x86_64", "i386"):
        return _x86(name, value)
    if arch in ("riscv64", "riscv32") and name == "cause" and not value >> _INTERRUPT:
        return (f"cause of the trap: {_RISCV_CAUSES.get(value, 'unknown')}",)
    return None


def _x86(name: str, value: int) -> tuple[str, ...] | None:
    if name in ("EFLAGS", "RFLAGS", "EFL"):
        interrupts = "interrupts were enabled" if value >> 9 & 1 else "interrupts were disabled"
        more = ("AC is set: the kernel was allowed to access user memory (SMAP was off)",) if value >> 18 & 1 else ()
        return _named(value, _RFLAGS), interrupts, *more
    if name in ("CR0", "CR4"):
        return (_named(value, _CR0 if name == "CR0" else _CR4),)
    if name == "CR3":
        return (
            f"page table of the task: physical address {value & ~0xFFF & (1 << 52) - 1:#x}, PCID {value & 0xFFF:#x}",
        )
    return _page_fault(value) if name == "error_code" else None


def _page_fault(value: int) -> tuple[str, ...]:
    access = "instruction fetch" if value >> 4 & 1 else "write" if value >> 1 & 1 else "read"
    mode = "user mode" if value >> 2 & 1 else "kernel mode"
    why = "the page is there, its permissions forbid it" if value & 1 else "no page is mapped there"
    special = {
        3: "a reserved bit is set in the page table",
        5: "protection key",
        6: "shadow stack",
        15: "SGX",
        31: "RMP (SEV-SNP)",
    }
    return (
        f"if this was a page fault: {access} in {mode}; {why}",
        *(words for bit, words in special.items() if value >> bit & 1),
    )


def _named(value: int, names: dict[int, str]) -> str:
    return "flags: " + (" ".join(name for bit, name in names.items() if value >> bit & 1) or "none")
