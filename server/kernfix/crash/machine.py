"""Which machine, kernel and task a report is about.

Everything is found by a plain search for a word that the wanted line has, and then read from that one line: a report costs a few
microseconds, and time stays in proportion to its length.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from kernfix.crash.model import Machine

_TRIES = 8
"""Lines with the same word that are looked at: the first of a report are about its crash."""
_LINE_LIMIT = 1024


class _Row(NamedTuple):
    """A line to look for: a word that it has, and what it says by the names of the pattern's groups."""

    word: str
    pattern: re.Pattern[str]


def _row(word: str, pattern: str) -> _Row:
    return _Row(word, re.compile(pattern))


_RELEASE = r"\(?(?P<kernel>[\w.+~-]{1,80}(?: #[\w.~+-]{1,40})?)"
_TAINTED = r"(?:Not tainted|Tainted: (?P<taint>[A-Z](?:[A-Z ]{0,40}[A-Z])?))"
_CPU = r"CPU: (?P<cpu>\d{1,5}) (?:UID: (?P<uid>\d{1,10}) )?PID: (?P<pid>\d{1,10})\b"
_TASK = r"(?P<comm>\S.{0,63}?)"

_CPU_LINE = (
    # lib/dump_stack.c:dump_stack_print_info(), the second where the rest of the line is lost
    _row(" Comm: ", rf"^[ \t]*{_CPU} Comm: {_TASK} (?:Kdump: loaded )?{_TAINTED} +{_RELEASE}"),
    _row(" Comm: ", rf"^[ \t]*{_CPU} Comm: (?P<comm>\S{{1,64}})"),
)
_HEADLINES = (
    # kernel/hung_task.c
    _row("for more than", rf"INFO: task {_TASK}:(?P<pid>\d{{1,10}}) (?:blocked|can't die) for more than "),
    # kernel/watchdog.c
    _row(" stuck for ", rf"CPU#(?P<cpu>\d{{1,5}}) stuck for \d{{1,9}}s! \[{_TASK}:(?P<pid>\d{{1,10}})\]"),
    # kernel/panic.c since 6.17
    _row(", CPU#", rf", CPU#(?P<cpu>\d{{1,5}}): {_TASK}/(?P<pid>\d{{1,10}})\s*$"),
)
"""Headlines that name the task: the CPU line below may be that of the thread which found it."""
_LEAK = (_row('comm "', r'^ *comm "(?P<comm>[^"]{1,64})", pid (?P<pid>\d{1,10})\b'),)
"""mm/kmemleak.c"""
_TASKS = (
    # kernel/sched/core.c:sched_show_task()
    _row("task:", rf"^task:{_TASK} +state:.{{1,80}}?\bpid: *(?P<pid>\d{{1,10}})\b"),
    # arch/*/kernel/traps.c
    _row("(pid: ", rf"^Process {_TASK} \(pid: (?P<pid>\d{{1,10}})\b"),
    # mm/kasan/report.c
    _row(" by task ", rf"^(?:Read|Write|Free)\b.{{1,80}} by task {_TASK}/(?P<pid>\d{{1,10}})\s*$"),
    # kernel/locking/lockdep.c
    _row(" is trying to ", rf"^{_TASK}/(?P<pid>\d{{1,10}}) (?:\[HC.{{1,40}}\] )?is trying to "),
    # kernel/sched/core.c:__might_resched()
    _row(", name: ", r"\bpid: (?P<pid>\d{1,10}), name: (?P<comm>\S{1,64})"),
    # the head of an older WARN()
    _row(" PID: ", rf"\b{_CPU}"),
    # before 3.10
    _row("Pid: ", rf"^Pid: (?P<pid>\d{{1,10}}), comm: {_TASK} {_TAINTED} +{_RELEASE}"),
)
"""What names the task where there is no CPU line."""
_KERNELS = (
    # kernel/hung_task.c, and arch/powerpc/kernel/process.c: "TRAP: 0300   Not tainted  (5.4.0)"
    _row("ainted", rf"^(?: +|.{{0,80}}TRAP: .{{1,20}}){_TAINTED} +{_RELEASE}"),
    # kernel/locking/lockdep.c:print_kernel_ident()
    _row("ainted", rf"^(?P<kernel>\d[\w.+~-]{{1,80}} #[\w.~+-]{{1,40}}) {_TAINTED}"),
    _row(", comm: ", rf"^Pid: .{{1,80}} {_TAINTED} +{_RELEASE}"),
)
_TAINT_WORDS = (_row("Tainted: [", r"^Tainted: (?P<taint>\[\w\]=\w{1,40}(?:, \[\w\]=\w{1,40}){0,31})"),)
_HARDWARE = (_row("Hardware name: ", r"^ *Hardware name: (?P<hardware>\S.{0,200})"),)

_ARCHES = (
    ("x86_64", ("RIP: 0", "RAX: ", "do_syscall_64", "entry_SYSCALL_64", "RIP  [<", "__x64_sys_", "entry_SYSENTER_compat", "x86_64")),
    ("arm64", ("pstate: ", "x29: ", " el0t_64_", " el1h_64_", " el0_", " el1_", "arm64")),
    ("arm", ("PC is at ", "psr: ", "ret_fast_syscall", "__irq_svc", "__dabt_svc", "unwind_backtrace", " SMP ARM", "ARM-Versatile")),
    ("riscv", ("badaddr: ", "epc : ", "riscv")),
    ("i386", ("EIP: ", "EAX: ", "entry_SYSENTER_32", "entry_INT80_32")),
    ("ppc64", ("NIP [", "NIP: ", "GPR00: ", "powerpc", "ppc64", "system_call_exception", "pSeries")),
    ("s390", ("Krnl PSW", "Krnl GPRS", "s390")),
    ("loongarch", ("CRMD: ", "oongarch", "Loongson-3")),
    ("mips", ("$ 0   : ", "epc   : ", "BadVA : ", "mips", "MIPS")),
    # Where the registers are missing: its timer, its direct mapping of memory, its text in old reports, its virtual machine.
    ("x86_64", ("apic_timer_interrupt", "ffff888", "ffff8801", "ffff8800", "[<ffffffff8", "Standard PC (")),
)  # fmt: skip
"""Words that only the reports of one architecture have; where two fit, the upper."""
_ARCH_WORDS = tuple((word, arch) for arch, words in _ARCHES for word in words)
_RISCV_ADDRESS = re.compile(r"(?:\bepc ?: |\[<)([0-9a-f]{16}|[0-9a-f]{8})\b")


def machine_of(bodies: list[str], text: str) -> Machine:
    """What ran when the crash came; None for what the report does not say.

    `bodies` are the kernel's own words of each line, the headline first; `text` is the same, joined by line feeds. A task that hung or
    leaked is the one that its report names, not the thread that reported it.
    """
    headline = bodies[0] if bodies else ""
    line = _first_of(text, _CPU_LINE)
    named = _first_of(headline, _HEADLINES) or (_first_of(text, _LEAK) if "leak" in headline else {})
    task = named or line or _first_of(text, _TASKS)
    if named and named["pid"] == line.get("pid"):
        task = {**line, **named}
    kernel = line if line.get("kernel") else _first_of(text, _KERNELS)
    taint = kernel.get("taint")
    if taint:
        taint = _first_of(text, _TAINT_WORDS).get("taint") or taint
    return Machine(
        comm=task.get("comm"),
        pid=_number(task.get("pid")),
        uid=_number(task.get("uid")),
        cpu=_number(task.get("cpu")),
        kernel=kernel.get("kernel"),
        taint=" ".join(taint.split()) if taint else None,
        hardware=_first_of(text, _HARDWARE).get("hardware", "").rstrip() or None,
    )


def arch_of(text: str) -> str | None:
    """The architecture, from words that only its reports have: None where there is no such word."""
    for word, arch in _ARCH_WORDS:
        if word in text:
            address = _RISCV_ADDRESS.search(text) if arch == "riscv" else None
            return f"riscv{4 * len(address[1])}" if address else arch
    return None


def _first_of(text: str, rows: tuple[_Row, ...]) -> dict[str, str]:
    """What the first row that fits says of the first line that it fits; nothing where none does."""
    for word, pattern in rows:
        if word in text and (match := _match(text, word, pattern)):
            return {name: value for name, value in match.groupdict().items() if value}
    return {}


def _match(text: str, word: str, pattern: re.Pattern[str]) -> re.Match[str] | None:
    at = text.find(word)
    for _ in range(_TRIES):
        if at < 0:
            break
        start, end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
        line = text[start : end if end >= 0 else len(text)]
        if match := pattern.search(line[:_LINE_LIMIT]):
            return match
        at = text.find(word, start + len(line))
    return None


def _number(digits: str | None) -> int | None:
    return int(digits) if digits else None
