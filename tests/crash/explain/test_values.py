"""What a value may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernfix.crash.explain import explain
from kernfix.crash.explain.cpu import cpu_of, parsed
from kernfix.crash.explain.errnos import errno_name
from kernfix.crash.explain.values import as_pointer

ARCHES = ("x86_64", "i386", "arm64", "arm", "riscv64", "riscv32", "ppc64", "s390", "loongarch", "mips", None, "vax")


def check(value: int, arch: str | None, *words: str, name: str = "", registers: dict[str, str] | None = None) -> None:
    said = explain(value, arch, registers, name)
    for word in words:
        assert any(word in sentence for sentence in said), (hex(value), word, said)


@pytest.mark.parametrize(
    ("value", "arch", "words"),
    [
        (0x0, "x86_64", ["NULL"]),
        (0x18, "x86_64", ["the number 24", "offset 0x18 of a NULL pointer"]),
        (0xFFF, "x86_64", ["offset 0xfff of a NULL pointer"]),
        (0x1000, "x86_64", ["the number 4096, or a user-space address"]),
        # include/linux/err.h
        (0xFFFFFFFFFFFFFFF4, "x86_64", ["ERR_PTR(-ENOMEM), or the number -12"]),
        (0xFFFFFFF4, "i386", ["ERR_PTR(-ENOMEM)"]),
        (0xFFFFFFF4, "x86_64", ["-12 as an `int`", "-ENOMEM"]),
        (0xFFFFFFFFFFFFFE00, "arm64", ["ERR_PTR(-ERESTARTSYS)"]),
        (0xFFFFFFFFFFFFFDFB, "x86_64", ["ERR_PTR(-EPROBE_DEFER)"]),
        (0xFFFFFFFFFFFFFDF4, "x86_64", ["ERR_PTR(-ENOTSUPP)"]),
        (0xFFFFFFFFFFFFF001, "x86_64", ["the number -4095", "no error has that number"]),
        (0xFFFFFFFFFFFFFFDD, "mips", ["the number -35"]),  # numbers of its own from 35 on
        # include/linux/poison.h
        (0xDEAD000000000100, "x86_64", ["LIST_POISON1", "`->next` of a deleted list entry"]),
        (0xDEAD000000000122, "arm64", ["LIST_POISON2", "`->prev` or `->pprev`"]),
        (0xDEAD000000000108, "arm64", ["LIST_POISON1 + 0x8", "deleted twice"]),
        (0xDEAD00000000012A, "x86_64", ["LIST_POISON2 + 0x8"]),
        (0xDEAD000000000160, "x86_64", ["LIST_POISON1 + 0x60"]),  # a member is aligned
        (0xDEAD0000000000F0, "x86_64", ["LIST_POISON1 − 0x10", "list_entry()"]),
        (0xDEACFFFFFFFFFF00, "x86_64", ["LIST_POISON1 − 0x200"]),
        (0xDEAD000000000200, "x86_64", ["LIST_POISON2", "before Linux 5.3"]),
        (0xDEAD000000200200, "x86_64", ["LIST_POISON2", "before Linux 4.3"]),
        (0xDEAD000000000300, "x86_64", ["TIMER_ENTRY_STATIC"]),
        (0xDEAD000000000500, "x86_64", ["MUTEX_POISON_WW_CTX"]),
        (0xDEAD000000003000, "x86_64", ["POISON_POINTER_DELTA + 0x3000"]),
        (0x05DEADBEEF0000100, "ppc64", ["LIST_POISON1"]),
        (0x100, "i386", ["offset 0x100 of a NULL pointer", "or LIST_POISON1"]),
        (0x126, "mips", ["or LIST_POISON2 + 0x4"]),
        (0x6B6B6B6B6B6B6B6B, "x86_64", ["POISON_FREE", "use after free"]),
        (0x6B6B6B6B6B6B6B83, "x86_64", ["0x6b6b6b6b6b6b6b6b + 0x18"]),
        (0x6B6B6B6B6B6B6B4B, "x86_64", ["0x6b6b6b6b6b6b6b6b − 0x20"]),
        (0xA56B6B6B6B6B6B6B, "x86_64", ["POISON_END"]),
        (0x6B6B6B6B6B6B6000, "s390", ["rounded down to its page"]),
        (0x6B6B6B6B, "arm", ["POISON_FREE"]),
        (0x6B6B6B6B, "x86_64", ["POISON_FREE"]),
        (0x5A5A5A5A5A5A5A5A, "x86_64", ["POISON_INUSE", "uninitialised"]),
        (0xBBBBBBBBBBBBBBBB, "x86_64", ["SLUB_RED_INACTIVE", "red zone"]),
        (0xCCCCCCCCCCCCCCCC, "x86_64", ["SLUB_RED_ACTIVE", "POISON_FREE_INITMEM"]),
        (0xAAAAAAAAAAAAAAAA, "arm64", ["PAGE_POISON", "CONFIG_INIT_STACK_ALL_PATTERN"]),
        (0xBDBDBDBDBDBDBDBD, "x86_64", ["KEY_DESTROY"]),
        (0x2222222222222222, "x86_64", ["MUTEX_DEBUG_FREE"]),
        (0x57AC6E9D, "x86_64", ["STACK_END_MAGIC"]),
        (0xDEAD4EAD, "x86_64", ["SPINLOCK_MAGIC"]),
        (0xDEAD4EAD00000001, "x86_64", ["SPINLOCK_MAGIC"]),
        (0xFFFFFFFFFFFF4111, "x86_64", ["STACKLEAK_POISON"]),
        # text
        (int.from_bytes(b"/dev/nul", "little"), "x86_64", ["the text “/dev/nul”"]),
        (int.from_bytes(b"eth0_fo", "little"), "x86_64", ["the text “eth0_fo”"]),
        (int.from_bytes(b"/dev/nul", "big"), "s390", ["the text “/dev/nul”"]),
        (0x6161616161616161, "arm64", ["the text “aaaaaaaa”"]),
        (0x5555555555554A20, "i386", ["the text"]),  # cut to the register's 32 bits
        # KASAN
        (0xDFFFFC0000000003, "x86_64", ["the KASAN shadow of 0x18–0x1f: offset 0x18 of a NULL pointer", "<< 3 = 0x18"]),
        (0xDFFFFC0000000000, "x86_64", ["KASAN_SHADOW_OFFSET"]),
        (0xDFFFFC0002C3FEFA, "x86_64", ["the KASAN shadow of 0x161ff7d0–0x161ff7d7: a user-space address"]),
        (0xDFFF800000000003, "arm64", ["the KASAN shadow of 0x18–0x1f: offset 0x18 of a NULL pointer"]),
        (0xDFFFA00000000003, "arm64", ["the KASAN shadow of 0x18–0x1f"]),  # Linux 5.4 to 5.10
        (0xEFFF800000000003, "arm64", ["the KASAN shadow of 0x30–0x3f"]),  # software tags
        (0xDFFFFFFF00000003, "riscv64", ["the KASAN shadow of 0x18–0x1f"]),
        (0xFFFFED1000000000, "x86_64", ["probably the KASAN shadow of 0xffff888000000000", "direct mapping"]),
        (0xFFFFFBFFFFFFFFFE, "x86_64", ["ERR_PTR(-ENOMEM)", "ERR_PTR(-EACCES)"]),
        (0x1FFFF1000C412EB3, "x86_64", ["kernel address >> 3", "0xffff880062097598–0xffff88006209759f", "direct mapping"]),
        (0xF5FF000012345678, "arm64", ["a kernel pointer with tag 0xf5", "linear mapping"]),
        # Documentation/arch/x86/x86_64/mm.rst
        (0x00007F3C1D2AA740, "x86_64", ["a user-space address"]),
        (0x0000800000000000, "x86_64", ["non-canonical"]),
        (0xFFFEF88004C51A00, "x86_64", ["non-canonical"]),
        (0xFFFE888004C51A00, "x86_64", ["differs from the kernel address 0xffff888004c51a00 in bit 48 only"]),
        (0xFFFF888004C51A00, "x86_64", ["direct mapping of memory"]),
        (0xFFFF8801D386D928, "x86_64", ["direct mapping of memory, as before Linux 4.20"]),
        (0xFFFFC9000056FD68, "x86_64", ["vmalloc"]),
        (0xFFFFEA0000000000, "x86_64", ["`struct page`"]),
        (0xFFFFFE0000001000, "x86_64", ["cpu_entry_area"]),
        (0xFFFFFFFF81A2B3C4, "x86_64", ["kernel image"]),
        (0xFFFFFFFFC0123456, "x86_64", ["module"]),
        (0xFFFFFFFFFF578000, "x86_64", ["fixmap"]),
        # arm64, riscv, 32 bits
        (0xFFFF0000C1E5C018, "arm64", ["linear mapping"]),
        (0xFFFF800082D3BC50, "arm64", ["vmalloc space"]),
        (0xFFFFFC0000000040, "arm64", ["struct page"]),
        (0xFF600000820B9A00, "riscv64", ["direct mapping", "Sv57"]),
        (0xFFFFFFD600001000, "riscv64", ["direct mapping", "Sv39"]),
        (0xFFFFAF8000001000, "riscv64", ["direct mapping", "Sv48"]),
        (0xC2F1A400, "i386", ["a kernel address"]),
        (0xB7F27579, "i386", ["a user-space address, with the kernel's from 0xc0000000 on"]),
        (0xC0000000005F1E50, "ppc64", ["linear mapping"]),
        (0x9000000012345678, "loongarch", ["cached direct mapping"]),
        (0x82B1C400, "mips", ["kseg0"]),
        (0xFFFF888004C51A00, None, ["a kernel address"]),
    ],
)  # fmt: skip
def test_what_a_value_is(value: int, arch: str | None, words: list[str]) -> None:
    check(value, arch, *words)


@pytest.mark.parametrize(
    ("value", "arch", "name", "words"),
    [
        (0x10246, "x86_64", "EFLAGS", ["flags: PF ZF IF RF", "interrupts were enabled"]),
        (0x50046, "x86_64", "EFLAGS", ["interrupts were disabled", "user memory"]),
        (0x80050033, "x86_64", "CR0", ["flags: PE MP ET NE WP AM PG"]),
        (0x750EF0, "x86_64", "CR4", ["SMEP SMAP"]),
        (0x5F3C007, "x86_64", "CR3", ["physical address 0x5f3c000, PCID 0x7"]),
        (0x2, "x86_64", "error_code", ["write in kernel mode", "no page is mapped there"]),
        (0x11, "x86_64", "error_code", ["instruction fetch in kernel mode", "permissions"]),
        (0x5, "x86_64", "error_code", ["read in user mode"]),
        (0x18, "x86_64", "CR2", ["offset 0x18 of a NULL pointer", "last page fault"]),
        (0x18, "riscv64", "badaddr", ["offset 0x18 of a NULL pointer"]),
        (0xD, "riscv64", "cause", ["load page fault"]),
        (0xFFFFFFFFFFFFFFF4, "x86_64", "address", ["ERR_PTR(-ENOMEM)"]),
        (0x0, "x86_64", "RIP", ["NULL: the kernel jumped there"]),
        (0x6B6B6B6B6B6B6B6B, "x86_64", "RIP", ["POISON_FREE", "the kernel jumped there"]),
        (0x449069, "x86_64", "RIP", ["user-space address"]),
        (0xFFFF88806CE00000, "x86_64", "GS", ["per-CPU"]),
    ],
)
def test_what_the_name_tells(value: int, arch: str, name: str, words: list[str]) -> None:
    check(value, arch, *words, name=name)


@pytest.mark.parametrize(
    ("value", "arch", "name"),
    [
        (0x80400005, "arm64", "pstate"),  # the log spells it out
        (0x0, "x86_64", "DR0"),
        (0x466F123456, "s390", ""),  # programs and kernel have spaces of their own
        (0x8000000041A25F20, "ppc64", "GPR31"),
    ],
)
def test_nothing_is_made_up(value: int, arch: str, name: str) -> None:
    assert explain(value, arch, {}, name) == ()


def test_flags_are_those_of_the_architecture() -> None:
    check(0x246, "arm64", "the number 582", name="EFLAGS")
    check(0x8000000000000005, "riscv64", "non-canonical", name="a0")


@pytest.mark.parametrize("value", [0x6B6B6B6B6B6B8B6B, 0x6C6B6B6B6B6B6B6B, 0x5555555555554A20])
def test_a_likeness_is_not_enough(value: int) -> None:
    assert not any("POISON" in sentence for sentence in explain(value, "x86_64"))


def test_an_executable_of_a_program_is_no_text() -> None:
    check(0x0000555555554A20, "x86_64", "a user-space address")


def test_registers_tell_the_layout() -> None:
    five = {"CR4": "0x0000000000751ef0", "RSP": "0xffa0000000543210"}
    check(0xFF11000004C51A00, "x86_64", "direct mapping", registers=five)
    check(0xFF11000004C51A00, "x86_64", "non-canonical")
    check(0xFFA0000000543250, "x86_64", "on the kernel stack, 0x40 above its pointer", registers=five)
    check(0xFFA0000000599999, "x86_64", "vmalloc", registers=five)
    check(0x90000000, "arm", "a kernel address", registers={"pc": "0x80534a10"})
    check(0x90000000, "arm", "a user-space address", registers={"pc": "0xc0534a10"})


def test_a_pointer_that_was_followed_is_no_number() -> None:
    cpu = cpu_of("x86_64", {})
    assert as_pointer(0, cpu).what == "NULL"
    assert as_pointer(0x18, cpu).what == "offset 0x18 of a NULL pointer"
    assert as_pointer(0x161FF7D0, cpu).what == "a user-space address"
    assert as_pointer(0xFFFFFFFFFFFFFFEA, cpu).what == "ERR_PTR(-EINVAL)"
    assert not as_pointer(0xFFFF888004C51A00, cpu).bad


def test_error_numbers() -> None:
    names = {errno_name(number, "x86_64") for number in range(1, 4096)} - {None}
    assert len(names) == 131 + 19
    assert errno_name(11, "mips") == "EAGAIN"
    assert errno_name(35, "mips") is None
    assert errno_name(133, "x86_64") == "EHWPOISON"
    assert errno_name(531, "arm64") == "ENOGRACE"
    assert errno_name(0, "x86_64") is None


@pytest.mark.parametrize("text", [None, "", "0x", "xyz", "0x1_0", "-1", "0x12345678901234567"])
def test_what_is_no_number(text: str | None) -> None:
    assert parsed(text) is None


@given(
    st.integers(-(1 << 70), 1 << 70),
    st.sampled_from(ARCHES),
    st.sampled_from(["", "CR2", "RIP", "EFLAGS", "GS", "cause"]),
    st.text(),
)
def test_never_raises(value: int, arch: str | None, name: str, junk: str) -> None:
    said = explain(value, arch, {"RSP": junk, "CR4": junk, "pc": junk}, name)
    assert all(sentence and "\n" not in sentence for sentence in said)
