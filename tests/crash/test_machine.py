"""Which task, processor, kernel and architecture a report is about."""

from __future__ import annotations

import pytest

from kernfix.crash.machine import arch_of, machine_of
from kernfix.crash.model import Machine

BOARD = "Hardware name: Frob Inc. Board/Rev 2, BIOS 1.0 01/01/2020 "


def check(report: str, **expected: object) -> None:
    """The machine of the report is what is expected, and nothing else is known of it."""
    bodies = report.splitlines()
    assert machine_of(bodies, "\n".join(bodies)) == Machine(**expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "CPU: 3 PID: 34 Comm: repro Not tainted 6.12.0-rc1+ #2",
            {"cpu": 3, "pid": 34, "comm": "repro", "kernel": "6.12.0-rc1+ #2"},
        ),
        (
            "CPU: 0 PID: 34 Comm: repro Tainted: G        W  OE      6.12.0-rc1 #2",
            {"cpu": 0, "pid": 34, "comm": "repro", "kernel": "6.12.0-rc1 #2", "taint": "G W OE"},
        ),
        (
            "CPU: 1 UID: 1000 PID: 5 Comm: kworker/1:2 Not tainted 6.14.0-frob-g0123abcd #1 PREEMPT(full) ",
            {"cpu": 1, "uid": 1000, "pid": 5, "comm": "kworker/1:2", "kernel": "6.14.0-frob-g0123abcd #1"},
        ),
        (
            "CPU: 1 PID: 5 Comm: Web Content Kdump: loaded Not tainted 5.10.0 #1",
            {"cpu": 1, "pid": 5, "comm": "Web Content", "kernel": "5.10.0 #1"},
        ),
        (
            "CPU: 7 PID: 5 Comm: repro Tainted: G    B              frobnicate #0",
            {"cpu": 7, "pid": 5, "comm": "repro", "kernel": "frobnicate #0", "taint": "G B"},
        ),
        ("CPU: 0 PID: 5 Comm: swapper/0", {"cpu": 0, "pid": 5, "comm": "swapper/0"}),
        (
            "Pid: 1, comm: init Not tainted 3.2.0 #7 Frob Inc. Board",
            {"pid": 1, "comm": "init", "kernel": "3.2.0 #7"},
        ),
        (
            "Process insmod (pid: 77, threadinfo=80010000, task=8fc3d1a8, tls=77e3a440)",
            {"pid": 77, "comm": "insmod"},
        ),
        ("Process insmod (pid: 77, stack limit = 0x(____ptrval____))", {"pid": 77, "comm": "insmod"}),
        ("Read of size 8 at addr ffff888012345678 by task repro/99", {"pid": 99, "comm": "repro"}),
        ("task:repro           state:D stack:0     pid:12    tgid:12    ppid:11", {"pid": 12, "comm": "repro"}),
        ("task:repro           state:D stack:    0 pid:   12 ppid:    11 flags:0x4", {"pid": 12, "comm": "repro"}),
        ("repro/12 is trying to acquire lock:", {"pid": 12, "comm": "repro"}),
        ("kworker/0:1/12 [HC0[0]:SC0[0]:HE0:SE1] is trying to acquire:", {"pid": 12, "comm": "kworker/0:1"}),
        ("in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 9, name: repro", {"pid": 9, "comm": "repro"}),
        ("4.15.0+ #221 Not tainted", {"kernel": "4.15.0+ #221"}),
        ("      Not tainted 5.1.0-rc3 #1", {"kernel": "5.1.0-rc3 #1"}),
        (
            "REGS: c00000007a3ef6e0 TRAP: 0380   Tainted: G        W          (5.4.0-rc2-g0123abc)",
            {"kernel": "5.4.0-rc2-g0123abc", "taint": "G W"},
        ),
        (BOARD, {"hardware": "Frob Inc. Board/Rev 2, BIOS 1.0 01/01/2020"}),
        ("Hardware name: linux,dummy-virt (DT)", {"hardware": "linux,dummy-virt (DT)"}),
        # nothing of the kind
        ("CPU: x PID: y Comm: z", {}),
        ("CPU: 123456 PID: 1 Comm: x", {}),
        ("he said Hardware name: none", {}),
        ("CPU: 1 PID: 99999999999999999999 Comm: x", {}),
        ("", {}),
    ],
)
def test_one_line(line: str, expected: dict[str, object]) -> None:
    check(f"BUG: frob\n{line}\n frob+0x1/0x2", **expected)


@pytest.mark.parametrize(
    ("headline", "expected"),
    [
        ("WARNING: CPU: 2 PID: 78 at fs/frob.c:12 frob+0x1/0x2", {"cpu": 2, "pid": 78}),
        ("WARNING: fs/frob.c:12 at frob+0x1/0x2, CPU#2: kworker/2:0/78", {"cpu": 2, "pid": 78, "comm": "kworker/2:0"}),
        ("INFO: task kworker/u8:3:78 blocked for more than 143 seconds.", {"pid": 78, "comm": "kworker/u8:3"}),
        ("INFO: task repro:78 can't die for more than 143 seconds.", {"pid": 78, "comm": "repro"}),
        ("watchdog: BUG: soft lockup - CPU#2 stuck for 22s! [a:b:78]", {"cpu": 2, "pid": 78, "comm": "a:b"}),
    ],
)
def test_a_headline_names_the_task(headline: str, expected: dict[str, object]) -> None:
    check(f"{headline}\nCall Trace:\n frob+0x1/0x2", **expected)


def test_a_hung_task_is_not_the_thread_that_found_it() -> None:
    check(
        "INFO: task repro:78 blocked for more than 143 seconds.\n"
        "      Not tainted 6.1.0 #1\n"
        "task:repro state:D stack:0 pid:78 ppid:1\n"
        f"CPU: 1 UID: 0 PID: 30 Comm: khungtaskd Tainted: G        W          6.1.0 #1\n{BOARD}",
        pid=78,
        comm="repro",
        kernel="6.1.0 #1",
        taint="G W",
        hardware=BOARD.removeprefix("Hardware name: ").rstrip(),
    )


def test_the_processor_of_a_lockup_is_known_better_from_its_own_line() -> None:
    check(
        "watchdog: BUG: soft lockup - CPU#2 stuck for 22s! [repro:78]\nCPU: 2 UID: 5 PID: 78 Comm: repro Not tainted 6.12.0 #1",
        cpu=2,
        uid=5,
        pid=78,
        comm="repro",
        kernel="6.12.0 #1",
    )


def test_a_leak_is_of_the_task_that_allocated() -> None:
    check(
        'BUG: memory leak\nunreferenced object 0xffff888012345678 (size 32):\n  comm "my repro", pid 78, jiffies 4294 (age 9.0s)\n'
        "CPU: 0 PID: 30 Comm: kmemleak Not tainted 6.1.0 #1",
        pid=78,
        comm="my repro",
        kernel="6.1.0 #1",
    )


def test_the_words_of_a_taint_say_more_than_its_letters() -> None:
    check(
        "BUG: frob\nCPU: 0 UID: 0 PID: 1 Comm: a Tainted: G        W    L      6.14.0 #1 PREEMPT(full)\n"
        "Tainted: [W]=WARN, [L]=SOFTLOCKUP",
        cpu=0,
        uid=0,
        pid=1,
        comm="a",
        kernel="6.14.0 #1",
        taint="[W]=WARN, [L]=SOFTLOCKUP",
    )


def test_the_first_task_counts() -> None:
    check(
        "BUG: frob\nCPU: 0 PID: 1 Comm: first Not tainted 6.1.0 #1\nCPU: 1 PID: 2 Comm: second Not tainted 6.2.0 #1",
        cpu=0,
        pid=1,
        comm="first",
        kernel="6.1.0 #1",
    )


def test_no_lines_say_nothing() -> None:
    assert machine_of([], "") == Machine()


@pytest.mark.parametrize(
    ("arch", "line"),
    [
        ("x86_64", "RIP: 0010:frob+0x1/0x2"),
        ("x86_64", " do_syscall_64+0x1/0x2"),
        ("x86_64", "RIP  [<ffffffff81234567>] frob+0x1/0x2"),
        ("x86_64", " entry_SYSENTER_compat+0x1/0x2\n do_fast_syscall_32+0x1/0x2"),
        ("x86_64", "Read of size 8 at addr ffff888012345678 by task a/1"),
        ("i386", "EIP: frob+0x1/0x2"),
        ("i386", "EAX: 00000000 EBX: c1234567 ECX: 00000000 EDX: 00000000"),
        ("arm64", "pstate: 60400005 (nZCv daif +PAN -UAO -TCO -DIT -SSBS BTYPE=--)"),
        ("arm64", " el0t_64_sync_handler+0x1/0x2"),
        ("arm64", "PC is at frob+0x1/0x2\npc : [<ffff000008091958>] lr : [<ffff000008091958>] pstate: 60000145"),
        ("arm", "PC is at frob+0x1/0x2\npc : [<c0123456>]    lr : [<c0123456>]    psr: 60000013"),
        ("arm", "Internal error: Oops: 5 [#1] PREEMPT SMP ARM"),
        ("riscv64", "epc : frob+0x1/0x2\nepc : ffffffff80014264 ra : ffffffff80014264 sp : ffff8f8000fd7860"),
        ("riscv64", "[<ffffffff80014264>] frob+0x1/0x2\nHardware name: riscv-virtio,qemu (DT)"),
        ("riscv32", "epc : c0014264 ra : c0014264 sp : c0fd7860"),
        ("riscv", "Hardware name: riscv-virtio,qemu (DT)"),
        ("ppc64", "NIP [c00000000022d79c] frob+0x1/0x2"),
        ("ppc64", "GPR00: c00000000022d784 c00000007a3ef970 c000000001f24600 0000000000004000 "),
        ("s390", "Krnl PSW : 0704c00180000000 000000000011c9ba (frob+0x1/0x2)"),
        ("loongarch", " CRMD: 000000b0 (PLV0 -IE -DA +PG DACF=CC DACM=CC -WE)"),
        ("mips", "$ 0   : 00000000 1000a400 00000001 80410000"),
        ("mips", "epc   : 80101234 frob+0x1/0x2"),
        (None, " frob+0x1/0x2"),
        (None, ""),
        (None, " channel0_frob+0x1/0x2"),
    ],
)
def test_arch(arch: str | None, line: str) -> None:
    assert arch_of(f"BUG: frob\nCall Trace:\n{line}") == arch
