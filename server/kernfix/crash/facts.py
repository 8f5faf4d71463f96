"""Details of a report that a fix can be built on."""

from __future__ import annotations

import re

from kernfix.crash.model import Executor, SourceLine
from kernfix.crash.rules import rx

_SITE = re.compile(r"(?<![\w./-])([\w./+-]{1,200}\.(?:[chS]|rs)):(\d{1,7})(?::(\d{1,5}))?")
_EXECUTOR = re.compile(r" Comm: syz\.(\d{1,9})\.(\d{1,9}) ")
_RANGE = (
    r"(?P<kind>null-ptr-deref|user-memory-access|wild-memory-access) in range \[(?P<range>0x[0-9a-f]+-0x[0-9a-f]+)\]"
)

_FACTS = (
    rx(r"(?P<access>Read|Write) of size (?P<access_size>\d{1,9}) (?:at addr (?P<address>[0-9a-f]+)|by)"),
    rx(r"Free of addr (?P<address>[0-9a-f]+)"),
    rx(_RANGE),
    rx(r"index (?P<index>-?\w{1,20}) is out of range for type '(?P<array>[^'\n]{1,200})'"),
    rx(r"UBSAN: (?P<kind>[A-Za-z-]+(?: behaviour)?) in "),
    rx(r"refcount_t: (?P<kind>[^.\n]{1,100})"),
    rx(
        r"unable to handle (?:kernel )?(?:page fault for address:|paging request at|NULL pointer dereference at)\s+"
        r"(?P<address>[0-9a-f]+|\(null\))"
    ),
    rx(r"kernel NULL pointer dereference, address: (?P<address>[0-9a-f]+)"),
    rx(r"#PF: supervisor (?P<access>read|write) access"),
    rx(r"non-canonical address (?P<address>0x[0-9a-f]+)"),
    rx(r"(?P<list>list_(?:add|del) (?:corruption|double add)\b.{0,200})"),
    rx(r"shift exponent (?P<index>-?\w{1,20}) "),
)

_REGISTER = re.compile(
    r"\b(R[A-Z]{2}|R\d{1,2}|E[A-Z]{2}|CR\d|EFLAGS|[xr]\d{1,2}|lr|sp|pc)\s*: ?(?:[0-9a-f]{4}:)?([0-9a-f]{8,16})\b"
)
_REGISTERS_LINE = re.compile(r"\s*(?:RSP|RAX|RDX|RBP|R10|R13|RIP|CS|EAX|ESI|CR2|x\d+ |sp |pc |r\d+ )\s*:")
_USER_MODE = re.compile(r"\s*RIP: 00(?:33|2b|23):")

_ARCHES = (
    ("x86_64", rx(r"\bR(?:IP|AX|SP|BP): |entry_SYSCALL_64|do_syscall_64|knlGS|x86_64|__x64_sys_")),
    ("i386", rx(r"\bE(?:IP|AX|SP): |entry_SYSENTER_32|entry_INT80_32")),
    ("arm64", rx(r"\bpc : |el[01]h?_|\bx29: |__arm64_sys_|arm64")),
    ("ppc64", rx(r"\bNIP:? |^MSR: |ppc64|powerpc")),
    ("riscv", rx(r"\bbadaddr: |\bepc : |riscv")),
    ("arm", rx(r"\bPC is at |\bret_fast_syscall|ARM-Versatile|\bpsr: ")),
)  # fmt: skip


def facts_of(before: str, text: str) -> dict[str, str]:
    """The facts of a report and of the lines right `before` it, by name; the first mention of each counts."""
    facts: dict[str, str] = {}
    for pattern in _FACTS:
        match = pattern.search(text) or pattern.search(before)
        for name, value in match.groupdict().items() if match else ():
            if value:
                facts.setdefault(name, value.capitalize() if name == "access" else value)
    return facts


def site_of(headline: str) -> SourceLine | None:
    """The source line that a headline names."""
    match = _SITE.search(headline)
    return SourceLine(match[1], int(match[2]), int(match[3]) if match[3] else None) if match else None


def executor_of(text: str) -> Executor | None:
    """The syzkaller process that ran the program, from ``Comm: syz.PROC.ID``."""
    match = _EXECUTOR.search(text)
    return Executor(int(match[1]), int(match[2])) if match else None


def registers_of(lines: list[str]) -> dict[str, str]:
    """The kernel's registers of the first dump, as hexadecimal numbers; those of user space are no help."""
    registers: dict[str, str] = {}
    user = False
    for line in lines:
        if "RIP" in line:
            user = _USER_MODE.match(line) is not None
            if user and registers:
                break
        if not user and _REGISTERS_LINE.match(line):
            for name, digits in _REGISTER.findall(line):
                registers.setdefault(name, "0x" + digits)
    return registers


def arch_of(text: str) -> str | None:
    """The architecture, from what only its reports say."""
    return next((name for name, pattern in _ARCHES if pattern.search(text)), None)
