"""Every row of the table of crash kinds, in the wording of old and of new kernels: what is it called?

The titles are those of syzkaller's dashboard. In the reports, a tilde stands for the offset and size that follow a function.
"""

from __future__ import annotations

import pytest

from kernfix.crash import Crash, parse
from kernfix.crash.corruption import BROKEN_FORMAT, HALF_MATCHED, NO_FRAMES
from kernfix.crash.formats import FAMILIES

FRAMES = " frob~\n nob~\n hob~\n tob~\n"
TRACE = "CPU: 0 PID: 7 Comm: frob Not tainted 6.12.0 #1\nCall Trace:\n dump_stack~\n" + FRAMES
RIP = "RIP: 0010:frob~\nCode: 0f 0b\nRSP: 0018:ffff8880 EFLAGS: 00010246\nCall Trace:\n nob~\n hob~\n tob~\n"
ARM = "PC is at frob~\nLR is at nob~\npc : [<80102030>]    lr : [<80102040>]    psr: 60000013\nBacktrace: \n"
ARM += "".join(f"[<8010{n}000>] (f{n}) from [<8010{n}100>] (g{n}~)\n" for n in range(4))
ARM64 = "pc : frob~\nlr : nob~\nsp : ffff80008\nCall trace:\n frob~\n nob~\n hob~\n tob~\n"
RISCV = "epc : frob~\n ra : nob~\nstatus: 0000000000000120 badaddr: 0000000000000001 cause: 000000000000000f\n"
RISCV += "[<ffffffff80001234>] frob~\n[<ffffffff80001238>] nob~\n[<ffffffff8000123c>] hob~\n"
PPC = "NIP [c000000000123456] frob~\nLR [c000000000123450] nob~\nCall Trace:\n"
PPC += "".join(
    f"[c0000000{n}0000000] [c0000000{n}1000000] {name}~\n" for n, name in enumerate(("frob", "nob", "hob", "tob"))
)
AT = "ffff8880 (&frob_lock){+.+.}-{3:3}, at: frob~\n"
OLD_AT = " (&frob_lock){+.+.}, at: [<ffffffff81234567>] frob~\n"


def first(log: str) -> Crash:
    return parse(log.replace("~", "+0x1/0x2")).crashes[0]


def check(log: str, title: str, alts: tuple[str, ...] = (), corrupted: str | None = None) -> None:
    crash = first(log)
    assert (crash.title, crash.alt_titles, crash.corrupted) == (title, tuple(sorted(alts)), corrupted)


def tagged(log: str) -> str:
    """The same from a kernel that tells who prints, so that a later headline does not end it."""
    return "".join(f"[   12.345678][    T7] {line}\n" for line in log.splitlines())


def size(words: str = "Read of size 8 at addr ffff888012345678 by task frob/7\n") -> str:
    return words + "\n" + TRACE


BAD = ("bad-access in frob",)

# --- memory checkers -------------------------------------------------------------------------------------------------------------------

KASAN = [
    *(
        (f"BUG: KASAN: {kind} in frob~\n" + size(), f"KASAN: {kind} Read in frob", BAD)
        for kind in (
            "use-after-free", "slab-use-after-free", "slab-out-of-bounds", "stack-out-of-bounds", "global-out-of-bounds",
            "vmalloc-out-of-bounds", "alloca-out-of-bounds", "out-of-bounds", "use-after-scope", "null-ptr-deref", "wild-memory-access",
            "user-memory-access", "invalid-access", "unknown-crash",
        )
    ),
    # 4.x: the address at the end of the headline, a part of a function
    (
        "BUG: KASAN: use-after-free in frob.isra.2~ at addr ffff8801\n" + size("Write of size 4 by task frob/7\n"),
        "KASAN: use-after-free Write in frob",
        BAD,
    ),
    # tags: no size
    (
        "BUG: KASAN: invalid-access in frob~\n" + size("Write at addr f5ff000012345678 by task frob/7\nPointer tag: [f5]\n"),
        "KASAN: invalid-access Write in frob",
        BAD,
    ),
    # what the compiler or a helper did for another
    ("BUG: KASAN: use-after-free in memcpy~\n" + size(), "KASAN: use-after-free Read in frob", BAD),
    ("BUG: KASAN: double-free or invalid-free in frob~\n\n" + TRACE, "KASAN: invalid-free in frob", ("invalid-free in frob",)),
    ("BUG: KASAN: double-free in kfree~\nFree of addr f by task f/7\n\n" + TRACE, "KASAN: invalid-free in frob", ("invalid-free in frob",)),
    ("BUG: KASAN: invalid-free in frob~\n" + TRACE, "KASAN: invalid-free in frob", ("invalid-free in frob",)),
    ("BUG: KASAN: wild-memory-access on address ffff8801\n" + size(), "KASAN: wild-memory-access Read", ()),
    ("BUG: KASAN: null-ptr-deref on address           (null)\n" + size("Write of size 1 by task f/7\n"), "KASAN: null-ptr-deref Write", ()),
]  # fmt: skip

OTHER_CHECKERS = [
    ("BUG: KMSAN: uninit-value in frob~\n" + FRAMES, "KMSAN: uninit-value in frob", BAD),
    ("BUG: KMSAN: uninit-value in frob~\n" + TRACE, "KMSAN: uninit-value in frob", BAD),
    ("BUG: KMSAN: kernel-infoleak in _copy_to_iter~\n _copy_to_iter~\n" + FRAMES, "KMSAN: kernel-infoleak in frob", BAD),
    ("BUG: KMSAN: kernel-infoleak-after-free in _copy_to_user~\n" + FRAMES, "KMSAN: kernel-infoleak-after-free in frob", BAD),
    ("BUG: KMSAN: uninit-value in netlink_ack~\n netlink_ack~\n" + FRAMES, "KMSAN: uninit-value in frob", BAD),
    (
        "BUG: KMSAN: kernel-usb-infoleak in usb_submit_urb~\n usb_submit_urb~\n hob~\n\n"
        "Uninit was created at:\n slab_alloc~\n kmem_cache_alloc~\n" + FRAMES,
        "KMSAN: kernel-usb-infoleak in frob",
        ("KMSAN origin in frob",),
    ),
    (
        "BUG: KMSAN: kernel-usb-infoleak in hob~\n hob~\n\nLocal variable buf created at:\n" + FRAMES,
        "KMSAN: kernel-usb-infoleak in frob",
        ("KMSAN origin in frob",),
    ),
    ("BUG: KCSAN: data-race in frob / nob\n\nwrite to 0xf of 4 bytes by task 7 on cpu 1:\n" + FRAMES, "KCSAN: data-race in frob / nob", ()),
    ("BUG: KCSAN: data-race in frob~\n", "KCSAN: data-race in frob", ()),
    ("BUG: KCSAN: assert: race in frob~\n", "KCSAN: assert: race in frob", ()),
    *(
        (f"BUG: KFENCE: {what} in frob~\n\nat 0xf:\n" + FRAMES + TRACE, f"KFENCE: {what} in frob", BAD)
        for kind in ("use-after-free", "out-of-bounds", "invalid")
        for what in (f"{kind} read", f"{kind} write")
    ),
    ("BUG: KFENCE: invalid free in frob~\n\nInvalid free of 0xf:\n" + FRAMES, "KFENCE: invalid free in frob", ("invalid-free in frob",)),
    ("BUG: KFENCE: memory corruption in frob~\n\nCorrupted memory:\n" + FRAMES, "KFENCE: memory corruption in frob", ()),
    (
        "UBSAN: Undefined behaviour in fs/frob.c:12:3\nshift exponent 64 is too large\nCPU: 0 PID: 7\nCall Trace:\n ubsan_epilogue~\n"
        " __ubsan_handle_shift_out_of_bounds~\n" + FRAMES,
        "UBSAN: undefined-behaviour in frob",
        (),
    ),
    ("UBSAN: shift-out-of-bounds in fs/frob.c:12:3\n" + TRACE, "UBSAN: shift-out-of-bounds in frob", ()),
    (
        "UBSAN: signed-integer-overflow in fs/frob.c:12:3\nCall Trace:\n handle_overflow~\n" + FRAMES,
        "UBSAN: signed-integer-overflow in frob",
        (),
    ),
    ("UBSAN: array-index-out-of-bounds in fs/frob.c:12:3\n" + TRACE, "UBSAN: array-index-out-of-bounds in frob", BAD),
    (
        "BUG: memory leak\nunreferenced object 0xffff8880 (size 32):\n  comm \"f\", pid 7\n  backtrace:\n"
        "    [<000000001234>] kmemleak_alloc~\n    [<000000001234>] kmalloc~\n    [<000000001234>] kstrdup~\n"
        "    [<000000001234>] security_inode_alloc~\n    [<000000001234>] frob~\n",
        "memory leak in frob",
        (),
    ),
    (
        "BUG: memory leak\nunreferenced object 0xffff8880 (size 32):\n  backtrace (crc 1a2b3c):\n    idr_get_free~\n    frob~\n"
        "    nob~\n",
        "memory leak in frob",
        (),
    ),
]  # fmt: skip

# --- faults and traps ------------------------------------------------------------------------------------------------------------------

PAGING, NULL = (
    "BUG: unable to handle kernel paging request in frob",
    "BUG: unable to handle kernel NULL pointer dereference in frob",
)
FAULTS = [
    ("BUG: unable to handle kernel paging request at ffffc90001234567\nIP: frob~\n" + TRACE, PAGING, BAD),
    ("BUG: unable to handle page fault for address: ffffc90001234567\n#PF: supervisor read\n" + RIP, PAGING, BAD),
    ("BUG: Unable to handle kernel data access on read at 0xc00c0000\nFaulting instruction address: 0xc0\n" + PPC, PAGING, BAD),
    ("BUG: unable to handle kernel NULL pointer dereference at 0000000000000008\nIP: [<ffffffff81234567>] frob~\n" + TRACE, NULL, BAD),
    ("BUG: unable to handle kernel NULL pointer dereference at   (null)\nIP: [<ffffffff81234567>] frob~\n" + TRACE, NULL, BAD),
    ("BUG: kernel NULL pointer dereference, address: 0000000000000008\n#PF: supervisor read\n" + RIP, NULL, BAD),
    ("BUG: Kernel NULL pointer dereference on read at 0x00000008\n" + PPC, NULL, BAD),
    ("BUG: kernel NULL pointer dereference, address: 0000000000000000\nRIP: 0010:0x0\nCall Trace:\n" + FRAMES, NULL, BAD),
    ("Unable to handle kernel paging request at virtual address 81234567 when read\n" + ARM, PAGING, BAD),
    ("Unable to handle kernel NULL pointer dereference at virtual address 00000008\n" + ARM, NULL, BAD),
    (
        "Unable to handle kernel pointer dereference in virtual kernel address space\nFailing address: 0000000000000000 TEID: 483\n"
        "Krnl PSW : 0704c00180000000 00000000001a2b3c (frob~)\nCall Trace:\n [<00000000001a2b3c>] frob~\n [<00000000001a2b40>] nob~\n"
        " [<00000000001a2b44>] hob~\n",
        PAGING,
        BAD,
    ),
    ("Unable to handle kernel paging request at virtual address dfff800000000001\n" + ARM64, PAGING, BAD),
    ("Unable to handle kernel NULL pointer dereference at virtual address 0000000000000008\n" + RISCV, NULL, BAD),
    ("CPU 0 Unable to handle kernel paging request at virtual address 00000010, epc == 8010\n" + ARM, PAGING, BAD),
    (
        "Unable to handle kernel access to user memory without uaccess routines at virtual address 0000001\n" + RISCV,
        "BUG: unable to handle kernel access to user memory in frob",
        BAD,
    ),
    ("general protection fault: 0000 [#1] SMP KASAN\n" + RIP, "general protection fault in frob", BAD),
    (
        "general protection fault, probably for non-canonical address 0xdffffc0000000000: 0000 [#1]\n" + RIP,
        "general protection fault in frob",
        BAD,
    ),
    (
        "Oops: general protection fault, probably for non-canonical address 0xdf: 0000 [#1] SMP\n" + RIP,
        "general protection fault in frob",
        BAD,
    ),
    (
        "general protection fault: 0000 [#1]\nRIP: 0010:__list_del_entry_valid~\nCall Trace:\n" + FRAMES,
        "general protection fault in frob",
        BAD,
    ),
    ("stack segment: 0000 [#1] SMP\n" + RIP, "stack segment fault in frob", ()),
    ("divide error: 0000 [#1] SMP\n" + RIP, "divide error in frob", ()),
    ("divide_error: 0000 [#1] SMP\n" + RIP, "divide error in frob", ()),
    ("invalid opcode: 0000 [#1] SMP\n" + RIP, "invalid opcode in frob", ()),
    ("int3: 0000 [#1] SMP\n" + RIP, "int3 in frob", ()),
    ("int3: 0000 [#1] SMP\n" + TRACE, "int3 in frob", ()),
    ("PANIC: double fault, error_code: 0x0\n" + RIP, "PANIC: double fault in frob", ()),
    ("Internal error: Oops: 5 [#1] PREEMPT SMP ARM\n" + ARM, "Internal error in frob", BAD),
    ("Internal error: synchronous external abort: 0000000096000050 [#1] PREEMPT SMP\n" + ARM64, "Internal error in frob", BAD),
    ("Unhandled fault: imprecise external abort (0x406) at 0x00000000\n" + ARM, "Unhandled fault in frob", BAD),
    ("Alignment trap: not handling instruction e1923f9f at [<80102030>]\n" + ARM, "Alignment trap in frob", ()),
    (
        "BUG: stack guard page was hit at 00000000c7a1b2c3 (stack is 0..1)\nRIP: 0010:hob~\nCall Trace:\n hob~\n nob~\n"
        " frob~\n process_one_work~\n",
        "BUG: stack guard page was hit in frob",
        ("stack-overflow in frob",),
    ),
    (
        "BUG: TASK stack guard page was hit at ffffc9 (stack is ffffc8..ffffca)\nRIP: 0010:hob~\nCall Trace:\n nob~\n"
        " __x64_sys_frob~\n do_syscall_64~\n",
        "BUG: stack guard page was hit in sys_frob",
        ("BUG: stack guard page was hit in __x64_sys_frob", "stack-overflow in __x64_sys_frob", "stack-overflow in sys_frob"),
    ),
]  # fmt: skip

# --- locks and sleeping ----------------------------------------------------------------------------------------------------------------


def lockdep(headline: str, middle: str) -> list[tuple[str, str]]:
    """A report of the lock validator as kernels before 4.14 and after print it."""
    return [
        (f"[ INFO: {headline} ]\n4.4.0 Not tainted\n-----\n" + middle + OLD_AT + TRACE, "INFO"),
        (f"WARNING: {headline}\n6.12.0 Not tainted\n-----\n" + middle + AT + TRACE, "WARNING"),
    ]


LOCKS = [
    *(
        (log, "possible deadlock in frob", ())
        for headline, middle in (
            ("possible circular locking dependency detected", "frob/7 is trying to acquire lock:\n"),
            ("possible recursive locking detected", "frob/7 is trying to acquire lock:\n"),
            ("possible irq lock inversion dependency detected", "frob/7 just changed the state of lock:\n"),
            ("HARDIRQ-safe -> HARDIRQ-unsafe lock order detected", "frob/7 [HC0[0]:SC0[2]:HE0:SE0] is trying to acquire:\n"),
            ("SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected", "frob/7 [HC0[0]:SC0[2]:HE0:SE0] is trying to acquire:\n"),
        )
        for log, _ in lockdep(headline, middle)
    ),
    (
        "WARNING: possible circular locking dependency detected\nfrob/7 is trying to acquire lock:\n"
        "f (&a){+.+.}-{3:3}, at: mutex_lock~\n\nbut task is already holding lock:\n" + AT + TRACE,
        "possible deadlock in frob",
        (),
    ),
    (
        "WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected\nf/7 [HC0[0]] is trying to acquire:\nf (&a){.}-{2:2}, at: hob~\n\n"
        "which became HARDIRQ-irq-safe at:\n  lock_acquire~\n  _raw_spin_lock_irqsave~\n  frob~\n" + TRACE,
        "possible deadlock in frob",
        (),
    ),
    *(
        (log, "inconsistent lock state in frob", ())
        for log, _ in lockdep("inconsistent lock state", "inconsistent {SOFTIRQ-ON-W} usage.\nf/7 [HC0[0]] takes:\n")
    ),
    *(
        (log, f"{word}: suspicious RCU usage in frob", ())
        for log, word in lockdep("suspicious RCU usage", "net/frob.c:12 suspicious rcu_dereference_check() usage!\n")
    ),
    (
        "WARNING: suspicious RCU usage\n6.12.0\n-----\ninclude/linux/rcu.h:389 Illegal context switch in RCU read-side critical section!\n"
        "Call Trace:\n dump_stack~\n lockdep_rcu_suspicious~\n __might_resched~\n kmem_cache_alloc~\n" + FRAMES,
        "WARNING: suspicious RCU usage in frob",
        (),
    ),
    (
        "[ BUG: Invalid wait context ]\n5.12.0\n-----\nf/7 is trying to lock:\n" + AT.replace("frob+", "hob+") + TRACE,
        "WARNING: locking bug in frob",
        (),
    ),
    (
        "[ BUG: f/7 still has locks held! ]\n4.4.0\n-----\n1 lock held by f/7:\n #0: " + OLD_AT + TRACE,
        "BUG: still has locks held in frob",
        (),
    ),
    (
        "WARNING: f/7 still has locks held!\n6.12.0\n-----\n1 lock held by f/7:\n #0: " + AT + TRACE,
        "WARNING: still has locks held in frob",
        (),
    ),
    (
        "[ BUG: lock held when returning to user space! ]\n4.4.0\n-----\n"
        "f/7 is leaving the kernel with locks still held!\n1 lock held by f/7:\n #0: " + OLD_AT,
        "BUG: lock held when returning to user space in frob",
        (),
    ),
    (
        "WARNING: lock held when returning to user space!\n6.12.0\n-----\n"
        "f/7 is leaving the kernel with locks still held!\n1 lock held by f/7:\n #0: " + AT,
        "WARNING: lock held when returning to user space in frob",
        (),
    ),
    (
        "[ BUG: bad unlock balance detected! ]\n4.4.0\n-----\nf/7 is trying to release lock (&l) at:\n[<ffffffff81234567>] frob~\n" + TRACE,
        "BUG: bad unlock balance in frob",
        (),
    ),
    (
        "WARNING: bad unlock balance detected!\n6.12.0\n--\nf/7 is trying to release lock (&l) at:\n[<ffffffff81234567>] frob~\n" + TRACE,
        "WARNING: bad unlock balance in frob",
        (),
    ),
    (
        "WARNING: bad unlock balance detected!\n6.12.0\n--\nf/7 is trying to release lock (&l) at:\nmutex_unlock~\n" + TRACE,
        "WARNING: bad unlock balance in frob",
        (),
    ),
    (
        "[ BUG: held lock freed! ]\n4.4.0\n-----\nf/7 is freeing memory f-f, with a lock still held there!\n" + OLD_AT + TRACE,
        "BUG: held lock freed in frob",
        (),
    ),
    (
        "WARNING: held lock freed!\n6.12.0\n-----\nf/7 is freeing memory f-f, with a lock still held there!\n" + AT + TRACE,
        "WARNING: held lock freed in frob",
        (),
    ),
    (
        "WARNING: Nested lock was not taken\n6.12.0\n-----\nf/7 is trying to lock:\n" + AT + TRACE,
        "WARNING: nested lock was not taken in frob",
        (),
    ),
    (
        "INFO: trying to register non-static key.\nthe code is fine but needs lockdep annotation.\nCall Trace:\n dump_stack~\n"
        " register_lock_class~\n __lock_acquire~\n" + FRAMES,
        "INFO: trying to register non-static key in frob",
        (),
    ),
    ("BUG: spinlock bad magic on CPU#1, f/7\n lock: 0xf, .magic: 0\n" + TRACE, "BUG: spinlock bad magic in frob", ()),
    ("BUG: spinlock wrong CPU on CPU#1, f/7\n lock: 0xf, .magic: 0\n" + TRACE, "BUG: spinlock wrong CPU in frob", ()),
    (
        "BUG: spinlock recursion on CPU#1, f/7\nCall Trace:\n spin_dump~\n do_raw_spin_lock~\n" + FRAMES,
        "BUG: spinlock recursion in frob",
        (),
    ),
    ("BUG: rwlock bad magic on CPU#0, f/7, ffff8880\n" + TRACE, "BUG: rwlock bad magic in frob", ()),
    ("BUG: rwlock lockup suspected on CPU#0, f/7\n" + TRACE, "BUG: rwlock lockup suspected in frob", ()),
    (
        "BUG: scheduling while atomic: f/7/0x00000002\nCall Trace:\n __schedule_bug~\n __schedule~\n schedule~\n" + FRAMES,
        "BUG: scheduling while atomic in frob",
        (),
    ),
    (
        "BUG: sleeping function called from invalid context at mm/slab.h:12\nin_atomic(): 1\nCall Trace:\n ___might_sleep~\n"
        " __mutex_lock~\n" + FRAMES,
        "BUG: sleeping function called from invalid context in frob",
        (),
    ),
    (
        "BUG: using smp_processor_id() in preemptible [00000000] code: f/7\ncaller is hob~\nCall Trace:\n check_preemption_disabled~\n"
        " debug_smp_processor_id~\n" + FRAMES,
        "BUG: using smp_processor_id() in preemptible code in frob",
        (),
    ),
    (
        "BUG: using __this_cpu_add() in preemptible [00000000] code: f/7\n" + TRACE,
        "BUG: using __this_cpu_add() in preemptible code in frob",
        (),
    ),
    (
        "BUG: workqueue leaked lock or atomic: kworker/0:1/0x00000001/7\n     last function: frob\n",
        "BUG: workqueue leaked lock or atomic in frob",
        (),
    ),
    ("BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 224s!\n", "BUG: workqueue lockup", ()),
]  # fmt: skip

# --- stalls and hangs ------------------------------------------------------------------------------------------------------------------

IRQ = "Call Trace:\n <IRQ>\n dump_stack~\n rcu_sched_clock_irq~\n"
BUSY = " hob~\n frob~\n vfs_write~\n __x64_sys_write~\n do_syscall_64~\n"
STALL, STUCK = "INFO: rcu detected stall in frob", ("stall in frob",)
WAIT = "Call Trace:\n context_switch~\n __schedule~\n schedule~\n"

STALLS = [
    *(
        (f"{words}\n{IRQ} {entry}~\n </IRQ>\nRIP: 0010:nob~\nRSP: 0018:ffff\n{BUSY}", STALL, STUCK)
        for words in (
            "INFO: rcu_sched self-detected stall on CPU",
            "INFO: rcu_preempt detected stalls on CPUs/tasks:",
            "INFO: rcu_bh detected stalls on CPUs/tasks: { 1} (detected by 0, t=65002 jiffies)",
            "rcu: INFO: rcu_preempt self-detected stall on CPU",
            "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-...D } 10502 jiffies",
            "rcu: INFO: rcu_tasks detected stalls on tasks:",
        )
        for entry in ("apic_timer_interrupt", "asm_sysvec_apic_timer_interrupt")
    ),
    (f"rcu: INFO: rcu_preempt self-detected stall on CPU\n{IRQ} apic_timer_interrupt~\n </IRQ>\n{BUSY}", STALL, STUCK),
    (f"rcu: INFO: rcu_preempt self-detected stall on CPU\nCall trace:\n rcu_sched_clock_irq~\n el1h_64_irq~\n{BUSY}", STALL, STUCK),
    (
        "INFO: rcu_preempt self-detected stall on CPU\nException stack(0x81234567 to 0x81234568)\n"
        "[<80102030>] (__irq_svc) from [<80102040>] (hob~)\n[<80102030>] (hob) from [<80102040>] (frob~)\n"
        "[<80102030>] (frob) from [<80102040>] (vfs_write~)\n[<80102030>] (vfs_write) from [<80102040>] (ksys_write~)\n"
        "Backtrace: \n" + "".join(f"[<8010{n}000>] (f{n}) from [<8010{n}100>] (g{n}~)\n" for n in range(4)),
        STALL,
        STUCK,
    ),
    (f"watchdog: BUG: soft lockup - CPU#1 stuck for 123s! [f:7]\nRIP: 0010:nob~\nCall Trace:\n{BUSY}", "BUG: soft lockup in frob", STUCK),
    (
        # what the interrupt does is what takes so long
        "BUG: soft lockup - CPU#1 stuck for 123s! [f:7]\nRIP: 0010:nob~\nCall Trace:\n <IRQ>\n frob~\n call_timer_fn~\n"
        f" apic_timer_interrupt~\n </IRQ>\n{BUSY.replace('frob', 'tob')}",
        "BUG: soft lockup in frob",
        STUCK,
    ),
    (
        "watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [f:7]\nRIP: 0010:smp_call_function_many_cond~\nCall Trace:\n on_each_cpu~\n"
        " do_syscall_64~\n entry_SYSCALL_64_after_hwframe~\n",
        "BUG: soft lockup in smp_call_function",
        ("BUG: soft lockup in smp_call_function_many_cond", "stall in smp_call_function", "stall in smp_call_function_many_cond"),
    ),
    (
        "INFO: task f:7 blocked for more than 120 seconds.\n      Not tainted 4.4.0\n" + WAIT + FRAMES,
        "INFO: task hung in frob",
        ("hang in frob",),
    ),
    (
        "INFO: task f:7 blocked in I/O wait for more than 143 seconds.\n      Not tainted\n" + WAIT + FRAMES,
        "INFO: task hung in frob",
        ("hang in frob",),
    ),
    ("INFO: task f:7 can't die for more than 143 seconds.\n" + WAIT + FRAMES, "INFO: task can't die in frob", ("hang in frob",)),
    (
        "INFO: task f:7 blocked for more than 143 seconds.\n" + WAIT + " __mutex_lock~\n hob~\n rtnl_lock~\n" + FRAMES,
        "INFO: task hung in rtnl_lock",
        ("hang in rtnl_lock",),
    ),
    (
        "INFO: task f:7 blocked for more than 143 seconds.\n" + WAIT + " hob~\n synchronize_net~\n" + FRAMES,
        "INFO: task hung in synchronize_rcu",
        ("INFO: task hung in synchronize_net", "hang in synchronize_net", "hang in synchronize_rcu"),
    ),
]  # fmt: skip

# --- WARN(), BUG() ---------------------------------------------------------------------------------------------------------------------


def warns(where: str, function: str) -> list[str]:
    """A WARN() at a place in a function, as kernels from 4.4 on have it."""
    stack = f"RIP: 0010:{function}~\nRSP: 0018:ffff8880\nCall Trace:\n" + FRAMES
    return [
        f"WARNING: CPU: 1 PID: 7 at {where} {function}~()\nCall Trace:\n dump_stack~\n warn_slowpath_null~\n {function}~\n" + FRAMES,
        f"WARNING: CPU: 1 PID: 7 at {where} {function}~\n" + stack,
        f"WARNING: CPU: 1 PID: 7 at {where} {function}.cold~\n" + stack,
        f"WARNING: {where} at {function}~, CPU#1: f/7\n" + stack,
        f"WARNING: [x > (long) y && z(1, 2)] {where} at {function}~, CPU#1: f/7\n" + stack,
        # panic_on_warn: the reporting comes first, and the code that warned below its registers
        f"WARNING: CPU: 1 PID: 7 at {where} {function}~\nKernel panic - not syncing: panic_on_warn set ...\nCall Trace:\n dump_stack~\n"
        f" panic~\n __warn~\n report_bug~\n do_error_trap~\n invalid_op~\nRIP: 0010:{function}~\nR13: 0\n" + FRAMES,
        f"WARNING: CPU: 1 PID: 7 at {where} {function}~\n" + ARM64.replace("frob", function, 1),
    ]  # fmt: skip


WARNINGS = [
    *(
        (log, title, ())
        for where, function, title in (
            ("fs/frob.c:12", "frob", "WARNING in frob"),
            ("./include/frob.h:12", "frob", "WARNING in frob"),
            ("/build/linux-6.12/fs/frob.c:12", "frob", "WARNING in frob"),
            ("rust/kernel/frob.rs:12", "frob", "WARNING in frob"),
            ("lib/debugobjects.c:12", "debug_print_object", "WARNING: ODEBUG bug in frob"),
            ("/build/linux-6.12/lib/debugobjects.c:12", "debug_check_no_obj_freed", "WARNING: ODEBUG bug in frob"),
            ("mm/usercopy.c:12", "usercopy_warn", "WARNING: bad usercopy in frob"),
            ("lib/kobject.c:12", "kobject_add_internal", "WARNING: kobject bug in frob"),
            ("fs/proc/generic.c:12", "remove_proc_entry", "WARNING: proc registration bug in frob"),
            ("lib/refcount.c:28", "refcount_warn_saturate", "WARNING: refcount bug in frob"),
            ("kernel/locking/lockdep.c:12", "hlock_class", "WARNING: locking bug in frob"),
            ("kernel/locking/lockdep.c:12", "__lock_acquire", "WARNING: locking bug in frob"),
            ("mm/slab_common.c:12", "kmalloc_slab", "WARNING: kmalloc bug in frob"),
            ("mm/util.c:12", "kvmalloc_node", "WARNING: kmalloc bug in frob"),
            ("mm/vmalloc.c:12", "__vmalloc_node_range", "WARNING: zero-size vmalloc in frob"),
            ("drivers/usb/core/urb.c:12", "usb_submit_urb", "WARNING in frob/usb_submit_urb"),
            # these free or allocate, but for a reason of their own
            ("mm/slab_common.c:12", "free_large_kmalloc", "WARNING in frob"),
            ("mm/page_alloc.c:12", "__alloc_pages", "WARNING in frob"),
            ("kernel/softirq.c:12", "__local_bh_enable_ip", "WARNING in frob"),
        )
        for log in warns(where, function)
    ),
    (
        "WARNING: lib/debugobjects.c:12 at debug_print_object~, CPU#0: f/7\nRIP: 0010:debug_print_object~\nCall Trace:\n"
        " debug_check_no_obj_freed~\n __vunmap~\n free_percpu_irq~\n rcu_free_work~\n slave_kobj_release~\n" + FRAMES,
        "WARNING: ODEBUG bug in slave_kobj_release",
        (),
    ),
    ("WARNING: CPU: 5 PID: -534549613 at fs/frob.c:12 frob~\n" + ARM64, "WARNING in frob", ()),
    ("WARNING: fs/frob.c:12 at 0x0, CPU#0: f/7\n" + RIP, "WARNING in frob", ()),
    (
        "WARNING: lib/debugobjects.c:12 at 0x0, CPU#0: f/7\nRIP: 0010:debug_print_object~\nCall Trace:\n" + FRAMES,
        "WARNING: ODEBUG bug in frob",
        (),
    ),
    ("WARNING: CPU: 5 PID: 7 at frob~\n" + RIP, "WARNING in frob", ()),
    ("WARNING: at 0xffffffff81234567, CPU#1: f/7\n" + RIP, "WARNING in frob", ()),
    ("WARNING: at fs/frob.c:12 frob~()\n" + TRACE, "WARNING in frob", ()),
    ("WARNING: CPU: 1 PID: 7 at fs/frob.c:12 frob~\n" + PPC, "WARNING in frob", ()),
    (
        "WARNING: CPU: 1 PID: 7 at fs/frob.c:12 panic~\nCall Trace:\n[c000] [c001] dump_stack~ (unreliable)\n"
        "[c0000000f0000000] [c0000000f1000000] __warn~\n--- interrupt: 700 at frob~\n    LR = hob~\n"
        "[c0000000f0000000] [c0000000f1000000] nob~\n",
        "WARNING in frob",
        (),
    ),
    # a helper of one driver is that driver's, though its name begins like those of the core
    (
        "WARNING: CPU: 1 PID: 7 at drivers/usb/core/urb.c:12 usb_submit_urb~\nRIP: 0010:usb_submit_urb~\nCall Trace:\n"
        " usb_start_wait_urb~\n usb_bulk_msg~\n usb_stor_msg_common~\n" + FRAMES,
        "WARNING in usb_stor_msg_common/usb_submit_urb",
        (),
    ),
    (
        "WARNING: kernel stack regs at ffff8880 in f:7 has bad 'bp' value ffff8881d100ff28\nunwind stack type:0\n",
        "WARNING: kernel stack regs has bad 'bp' value",
        (),
    ),
    (
        "WARNING: kernel stack frame pointer at ffff8880 in f:7 has bad value ffff8881d100ff28\n",
        "WARNING: kernel stack frame pointer has bad value",
        (),
    ),
    (
        "WARNING: kernel stack regs at         (ptrval) in f:7 has bad 'bp' value         (ptrval)\n",
        "WARNING: kernel stack regs has bad value",
        (),
    ),
    ("WARNING: kernel stack frame pointer at         (ptrval) in f:7 ha\n", "WARNING: kernel stack regs has bad value", ()),
    ("kernel BUG at fs/frob.c:12!\ninvalid opcode: 0000 [#1] SMP\n" + RIP, "kernel BUG in frob", ()),
    ("kernel BUG at /build/fs/frob.c:12!\nInternal error: Oops - BUG: 0 [#1] SMP ARM\n" + ARM, "kernel BUG in frob", ()),
    (
        "kernel BUG at net/core/skbuff.c:12!\ninvalid opcode: 0000 [#1]\nRIP: 0010:skb_panic~\nCall Trace:\n skb_put~\n" + FRAMES,
        "kernel BUG in frob",
        (),
    ),
    (
        "kernel BUG at mm/usercopy.c:12!\nRIP: 0010:usercopy_abort~\nCall Trace:\n __check_object_size~\n" + FRAMES,
        "BUG: bad usercopy in frob",
        (),
    ),
    ("kernel BUG at lib/list_debug.c:12!\nRIP: 0010:__list_add_valid~\nCall Trace:\n" + FRAMES, "BUG: corrupted list in frob", BAD),
    ("Kernel BUG [#1]\n" + RISCV, "kernel BUG [#NUM]", ()),
    ("BUG kmalloc-64 (Not tainted): Object already free\n" + TRACE, "BUG: Object already free", ()),
    (
        tagged(
            "rust_kernel: panicked at drivers/frob.rs:12:5:\nattempt to subtract with overflow\nkernel BUG at rust/helpers/bug.c:7!\n"
            "RIP: 0010:rust_helper_BUG~\nCall Trace:\n rust_begin_unwind~\n" + FRAMES
        ),
        "attempt to subtract with overflow in frob",
        (),
    ),
]  # fmt: skip

# --- the rest --------------------------------------------------------------------------------------------------------------------------

DENTRY = "BUG: Dentry 00000000c7a1b2c3{i=12,n=frob}  still in use (1) [unmount of {}]\n"
STATE = "BUG: Bad page state in process f  pfn:12345\npage: f\npage_owner tracks the page as allocated\npage last allocated via order 0\n"
OTHERS = [
    ("BUG: Bad rss-counter state mm:f idx:1 val:2\n", "BUG: Bad rss-counter state", ()),
    ("BUG: Bad rss-counter state mm:f type:MM_ANONPAGES val:2\n", "BUG: Bad rss-counter state", ()),
    ("BUG: non-zero nr_ptes on freeing mm: 1\n", "BUG: non-zero nr_ptes on freeing mm", ()),
    ("BUG: non-zero nr_pmds on freeing mm: 1\n", "BUG: non-zero nr_pmds on freeing mm", ()),
    ("BUG: non-zero pgtables_bytes on freeing mm: 4096\n", "BUG: non-zero pgtables_bytes on freeing mm: NUM", ()),
    ("BUG: Bad page map in process f  pte:ffff pmd:ffff\n" + TRACE, "BUG: Bad page map", ()),
    *(
        (DENTRY.replace("{}", of) + TRACE, "BUG: Dentry still in use in unmount", (f"BUG: Dentry still in use [unmount of {of}]",))
        for of in ("ext4 loop4", "fuse.frob dm-root", "tmpfs none")
    ),
    (STATE + " prep_new_page~\n get_page_from_freelist~\n __alloc_pages~\n" + FRAMES + TRACE, "BUG: Bad page state in frob", ()),
    ("BUG: Bad page cache in process f  pfn:12345\n" + TRACE, "BUG: Bad page state in frob", ()),
    (
        "Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: frob~\n",
        "kernel panic: stack is corrupted in frob",
        (),
    ),
    (
        "Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: ffffffff81234567\nCall Trace:\n panic~\n"
        " __stack_chk_fail~\n" + FRAMES,
        "kernel panic: stack is corrupted in frob",
        (),
    ),
    (
        "Kernel panic - not syncing: corrupted stack end detected inside scheduler\nCall Trace:\n panic~\n __schedule~\n" + BUSY,
        "kernel panic: corrupted stack end in frob",
        ("stack-overflow in frob",),
    ),
    (
        "Kernel panic - not syncing: kernel stack overflow\n" + "pc : hob~\nCall trace:\n" + BUSY,
        "kernel stack overflow in frob",
        ("stack-overflow in frob",),
    ),
    ("Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b\n" + TRACE, "kernel panic: Attempted to kill init!", ()),
    (
        "Kernel panic - not syncing: Couldn't open N_TTY ldisc for tty3 --- error -12.\n" + TRACE,
        "kernel panic: Couldn't open N_TTY ldisc",
        (),
    ),
    (
        "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(8,1)\n" + TRACE,
        "kernel panic: VFS: Unable to mount root fs on unknown-block(NUM,NUM)",
        (),
    ),
    ("Booting the kernel.\n", "unexpected kernel reboot", ()),
    ("unregister_netdevice: waiting for lo to become free. Usage count = 3\n", "unregister_netdevice: waiting for DEV to become free", ()),
    ("VFS: Close: file count is 0\n", "VFS: Close: file count is zero (use-after-free)", ()),
    ("VFS: Busy inodes after unmount of loop0. Self-destruct in 5 seconds.\n", "VFS: Busy inodes after unmount (use-after-free)", ()),
    ("trusty: panic (caller 0xf): DEBUG ASSERT FAILED at (lib/frob.c:12): !frob\n", "trusty: ASSERT FAILED: !frob", ()),
    ("trusty: panic (caller 0xf): ASSERT FAILED at (lib/frob.c:12): !frob\n", "trusty: ASSERT FAILED: !frob", ()),
    ("trusty: panic (caller 0xf): failed(-2) to start\n", "trusty: panic: failed(-NUM) to start", ()),
    ("fatal error: all goroutines are asleep - deadlock!\n", "go runtime error", ()),
    ("SYZFAIL: frob failed\n", "SYZFAIL: frob failed", ()),
    ("SYZFATAL: frob failed 3 times\n", "SYZFATAL: frob failed NUM times", ("SYZFATAL",)),
    ("panic: frob: 3\n", "panic: frob: NUM", ()),
    # no row fits: the line itself, and that is no reason to distrust it
    ("BUG: workqueue leaked atomic, lock or RCU: kworker/0:1[7]\n", "BUG: workqueue leaked atomic, lock or RCU: kworker/NUM:NUM[NUM]", ()),
    (
        "Unable to handle kernel read from unreadable memory at virtual address 0000000000000008\n",
        "Unable to handle kernel read from unreadable memory at virtual address ADDR",
        (),
    ),
    ("frob: WARNING: chain_key collision\n", "WARNING: chain_key collision", ()),
    ("Decompressing and Booting the kernel.\n", "Booting the kernel.", ()),
]  # fmt: skip

ALL = [*KASAN, *OTHER_CHECKERS, *FAULTS, *LOCKS, *STALLS, *WARNINGS, *OTHERS]


@pytest.mark.parametrize(
    ("log", "title", "alts"), ALL, ids=lambda value: value.partition("\n")[0][:90] if isinstance(value, str) else ""
)
def test_title(log: str, title: str, alts: tuple[str, ...]) -> None:
    check(log, title, alts)


BROKEN = [
    ("BUG: KASAN: use-after-free in frob~\n" + TRACE, "KASAN: use-after-free in frob", BROKEN_FORMAT),  # no size line
    ("BUG: KASAN: slab-out-of-bounds in frob at addr ffff8880123\n", "KASAN: slab-out-of-bounds in frob at addr ADDR", BROKEN_FORMAT),
    ("BUG: KASAN: invalid-access\n" + TRACE, "KASAN: invalid-access", BROKEN_FORMAT),  # asynchronous tag check
    ("BUG: unable to handle kernel\n" + TRACE, "BUG: unable to handle kernel", BROKEN_FORMAT),
    ("BUG:\n" + TRACE, "BUG: corrupted", BROKEN_FORMAT),
    ("WARNING: \n" + TRACE, "WARNING: corrupted", BROKEN_FORMAT),
    ("INFO:\n" + TRACE, "INFO: corrupted", BROKEN_FORMAT),
    ("INFO: Freed in frob age=12 cpu=1 pid=7\n" + TRACE, "INFO: Freed in frob age=NUM cpu=NUM pid=NUM", BROKEN_FORMAT),
    ("INFO: Allocated in frob age=12 cpu=1 pid=7\n" + TRACE, "INFO: Allocated in frob age=NUM cpu=NUM pid=NUM", BROKEN_FORMAT),
    ("Kernel panic - not syncing: Fatal exception in interrupt\n", "kernel panic: Fatal exception", BROKEN_FORMAT),
    ("Kernel panic - not syncing: panic_on_warn set ...\n", "kernel panic: panic_on_warn set", BROKEN_FORMAT),
    ("Kernel panic - not syncing: hung_task: blocked tasks\n", "kernel panic: hung_task: blocked tasks", BROKEN_FORMAT),
    ("trusty: panic (caller 0xf): ASSERT FAILED at\n", "trusty: ASSERT FAILED:", BROKEN_FORMAT),
    ("WARNING: possible recursive locking detected\n" + TRACE, "WARNING: possible recursive locking detected", HALF_MATCHED),
    ("[ INFO: inconsistent lock state ]\n" + TRACE, "INFO: inconsistent lock state ]", HALF_MATCHED),
    ("WARNING: suspicious RCU usage\n6.12.0\n" + TRACE, "WARNING: suspicious RCU usage", HALF_MATCHED),
    ("BUG: memory leak\n" + TRACE, "BUG: memory leak", HALF_MATCHED),
    (
        "BUG: workqueue leaked lock or atomic: kworker/0:1/0x00000001/7\n",
        "BUG: workqueue leaked lock or atomic: kworker/NUM:NUM/ADDR/NUM",
        HALF_MATCHED,
    ),
    ("divide error: 0000 [#1]\n" + TRACE, "divide error in corrupted", NO_FRAMES),  # only the registers tell
    ("invalid opcode: 0000 [#1]\n" + TRACE, "invalid opcode in corrupted", NO_FRAMES),
    ("PANIC: double fault, error_code: 0x0\n" + TRACE, "PANIC: double fault in corrupted", NO_FRAMES),
    ("rcu: INFO: rcu_preempt self-detected stall on CPU\n" + TRACE, "INFO: rcu detected stall in corrupted", NO_FRAMES),
    ("WARNING: CPU: 1 PID: 7 at fs/frob.c:12 frob~\nModules linked in:\n", "WARNING in corrupted", NO_FRAMES),
]  # fmt: skip


@pytest.mark.parametrize(("log", "title", "why"), BROKEN)
def test_damaged(log: str, title: str, why: str) -> None:
    crash = first(log)
    assert (crash.title, crash.corrupted) == (title, why)


WITHOUT_STACK = (
    "BUG: KMSAN", "BUG: KCSAN", "BUG: KFENCE", "lock held when returning", "Bad rss-counter", "non-zero nr_", "workqueue lockup",
    "workqueue leaked", "kernel stack", "is corrupted in: ([A-Za-z_]", "Booting", "unregister_netdevice", "VFS", "trusty", "fatal error:",
    "SYZF", "(panic:",
)  # fmt: skip
"""What is told by kinds whose report need not have a stack.

The reference asks it of KFENCE reports of a bad read or write, whose own stack has no heading: they would be whole only where registers
were printed below (``no_hash_pointers``), which says nothing of how whole they are.
"""


def test_which_reports_need_a_stack() -> None:
    free = [kind.headline.pattern for family in FAMILIES for kind in family.kinds if not kind.needs_stack]
    for pattern in free:
        assert any(words in pattern for words in WITHOUT_STACK), pattern
    for words in WITHOUT_STACK:
        assert any(words in pattern for pattern in free), words


def test_every_kind_has_a_report_here() -> None:
    logs = [row[0].replace("~", "+0x1/0x2") for row in (*ALL, *BROKEN)]
    for family in FAMILIES:
        near = [log for log in logs if family.keyword in log]
        for kind in family.kinds:
            assert any(kind.headline.match(log, log.index(family.keyword)) for log in near), kind.headline.pattern


# --- no crash --------------------------------------------------------------------------------------------------------------------------

FALSE_ALARMS = """
ODEBUG: Out of memory. ODEBUG disabled; BUG: frob
Boot_DEBUG: frob BUG: frob
frob DEBUG: frob
xlog_status: frob BUG:
BUG: no syscalls can create resource fd_frob
WARNING: /etc/ssh/moduli does not exist, using fixed modulus
WARNING: workqueue cpumask: online intersect > possible intersect
WARNING: the mand mount option is being deprecated and
WARNING: The mand mount option has been deprecated and
WARNING: Unsupported flag value(s) of 0x8000000 in DT_FLAGS_1.
Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on, data leaks possible via Spectre v2 BHB attacks!
fbcon: WARNING: Driver 'frob' missed to adjust virtual screen size (0x0 vs. 64x768)
Speculative Return Stack Overflow: WARNING: See https://kernel.org/doc/html/latest/admin-guide/hw-vuln/srso.html for mitigation options.
EXT4-fs (loop0): WARNING: mounting ext4 with frob
WARNING: `frob' uses deprecated v2 capabilities in a way that may be insecure
WARNING: `frob' uses wireless extensions which will stop working for Wi-Fi 7 hardware
XFS (loop0): WARNING: Reset corrupted AGFL on AG 0.
INFO: lockdep is turned off.
INFO: Stall ended before state dump start
INFO: NMI handler (perf_event_nmi_handler) took too long to run: 3.4 msecs
INFO: interrupt took too long (2512 > 2500), lowering kernel.perf_event_max_sample_rate
EXT4-fs (sda1): INFO: recovery required on readonly filesystem
INFO: sys_frob is not present in /proc/kallsyms
INFO: no syscalls can create resource fd_frob
rmt_storage:INFO: frob
FROB_INFO: frob
traps: frob[7] general protection fault ip:7f12 sp:7ffc error:0 in libfrob.so[7f+1000]
skb_over_panic: text:ffff len:3
ddb.onpanic: 0
evtlog_status: panic: frob
Parsing ELF... Booting the kernel.
Decompressing Linux... done. Booting the kernel.
Unknown parameter 'Booting the kernel.'
ALSA: fatal error: frob
frob: fatal error: cannot create timer
"""


@pytest.mark.parametrize("line", FALSE_ALARMS.strip().split("\n"))
def test_no_crash(line: str) -> None:
    assert parse(line + "\n").crashes == ()


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("BUG: Bad rss-counter state WARNING: frob", "BUG: Bad rss-counter state"),
        ("WARNING: INFO: frob", "WARNING: INFO: frob"),
        ("INFO: frob general protection fault", "INFO: frob general protection fault"),
        ("Kernel panic - not syncing: frob: UBSAN: frob", "kernel panic: frob: UBSAN: frob"),
        ("SYZFAIL: panic: frob", "SYZFAIL: panic: frob"),
    ],
)
def test_the_earlier_keyword_claims_the_line(line: str, title: str) -> None:
    assert first(line + "\n").title == title
