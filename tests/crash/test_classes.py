"""The class of a crash, from its title alone."""

from __future__ import annotations

import pytest

from kernfix.crash.classes import type_of

CLASSES: dict[str | None, str] = {
    "KASAN-USE-AFTER-FREE-READ": """
        KASAN: use-after-free Read in f
        KASAN: slab-use-after-free Read in f
        KASAN: use-after-free in f at addr ADDR
        KASAN: slab-use-after-free in f
    """,
    "KASAN-USE-AFTER-FREE-WRITE": """
        KASAN: use-after-free Write in f
        KASAN: slab-use-after-free Write in f
    """,
    "KASAN-READ": """
        KASAN: out-of-bounds Read in f
        KASAN: slab-out-of-bounds Read in f
        KASAN: slab-out-of-bounds in f at addr ADDR
        KASAN: stack-out-of-bounds Read in f
        KASAN: stack-out-of-bounds in f
        KASAN: global-out-of-bounds Read in f
        KASAN: vmalloc-out-of-bounds Read in f
        KASAN: wild-memory-access Read in f
        KASAN: wild-memory-access Read
        KASAN: wild-memory-access in f
        KASAN: user-memory-access Read in f
        KASAN: invalid-access Read in f
        KASAN: unknown-crash Read in f
    """,
    "KASAN-WRITE": """
        KASAN: out-of-bounds Write in f
        KASAN: slab-out-of-bounds Write in f
        KASAN: stack-out-of-bounds Write in f
        KASAN: global-out-of-bounds Write in f
        KASAN: vmalloc-out-of-bounds Write in f
        KASAN: wild-memory-access Write in f
        KASAN: user-memory-access Write in f
    """,
    "KASAN-NULL-POINTER-DEREFERENCE-READ": "KASAN: null-ptr-deref Read in f",
    "KASAN-NULL-POINTER-DEREFERENCE-WRITE": "KASAN: null-ptr-deref Write in f",
    "KASAN-INVALID-FREE": """
        KASAN: invalid-free in f
        KASAN: double-free or invalid-free in f
    """,
    "KASAN-UNKNOWN": """
        KASAN: invalid-access
        KASAN: invalid-access Write in f
        KASAN: unknown-crash Write in f
        KASAN: use-after-scope Read in f
        KASAN: alloca-out-of-bounds Read in f
        KASAN: null-ptr-deref in f
        KASAN: something new in f
    """,
    "KFENCE-USE-AFTER-FREE-READ": """
        KFENCE: use-after-free read in f
        KFENCE: use-after-free in f
    """,
    "KFENCE-USE-AFTER-FREE-WRITE": "KFENCE: use-after-free write in f",
    "KFENCE-READ": """
        KFENCE: out-of-bounds read in f
        KFENCE: out-of-bounds in f
        KFENCE: invalid read in f
    """,
    "KFENCE-WRITE": """
        KFENCE: out-of-bounds write in f
        KFENCE: invalid write in f
    """,
    "KFENCE-MEMORY-CORRUPTION": "KFENCE: memory corruption in f",
    "KFENCE-INVALID-FREE": "KFENCE: invalid free in f",
    "KFENCE-UNKNOWN": "KFENCE: something new in f",
    "KMSAN-UNINIT-VALUE": "KMSAN: uninit-value in f",
    "KMSAN-INFO-LEAK": """
        KMSAN: kernel-infoleak in f
        KMSAN: kernel-usb-infoleak in f
    """,
    "KMSAN-USE-AFTER-FREE-READ": """
        KMSAN: use-after-free in f
        KMSAN: kernel-infoleak-after-free in f
        KMSAN: kernel-usb-infoleak-after-free in f
    """,
    "KMSAN-UNKNOWN": "KMSAN: something new in f",
    "KCSAN-DATARACE": """
        KCSAN: data-race in f / g
        KCSAN: data-race in f
    """,
    "KCSAN-ASSERT": "KCSAN: assert: race in f",
    "KCSAN-UNKNOWN": "KCSAN: something new in f",
    "NULL-POINTER-DEREFERENCE": "BUG: unable to handle kernel NULL pointer dereference in f",
    "MEMORY_SAFETY_BUG": """
        BUG: unable to handle kernel paging request in f
        BUG: corrupted list in f
    """,
    "MEMORY_SAFETY_UBSAN": "UBSAN: array-index-out-of-bounds in f",
    "UBSAN": """
        UBSAN: shift-out-of-bounds in f
        UBSAN: undefined-behaviour in f
    """,
    "REFCOUNT_WARNING": "WARNING: refcount bug in f",
    "LOCKDEP": """
        possible deadlock in f
        inconsistent lock state in f
        BUG: spinlock bad magic in f
        BUG: rwlock recursion in f
        BUG: using smp_processor_id() in preemptible code in f
        BUG: bad unlock balance in f
        WARNING: bad unlock balance in f
        BUG: held lock freed in f
        WARNING: held lock freed in f
        BUG: still has locks held in f
        WARNING: still has locks held in f
        WARNING: lock held when returning to user space in f
        WARNING: locking bug in f
        WARNING: nested lock was not taken in f
        WARNING: suspicious RCU usage in f
    """,
    "ATOMIC_SLEEP": """
        BUG: scheduling while atomic in f
        BUG: sleeping function called from invalid context in f
    """,
    "LEAK": "memory leak in f",
    "BUG": """
        kernel BUG in f
        kernel BUG [#NUM]
        BUG: bad usercopy in f
    """,
    "WARNING": """
        WARNING in f
        WARNING in f/usb_submit_urb
        WARNING: ODEBUG bug in f
        WARNING: kobject bug in f
        WARNING: bad usercopy in f
        WARNING: possible circular locking dependency detected
        WARNING: suspicious RCU usage
    """,
    "HANG": """
        BUG: soft lockup in f
        INFO: rcu detected stall in f
        INFO: task hung in f
        INFO: task can't die in f
    """,
    "DoS": """
        general protection fault in f
        divide error in f
        invalid opcode in f
        int3 in f
        stack segment fault in f
        Internal error in f
        Unhandled fault in f
        Alignment trap in f
        PANIC: double fault in f
        kernel panic: out of frobs
        kernel stack overflow in f
        panic: out of frobs
        trusty: panic: frob
        trusty: ASSERT FAILED: frob
        unregister_netdevice: waiting for DEV to become free
        VFS: Busy inodes after unmount (use-after-free)
        VFS: Close: file count is zero (use-after-free)
        go runtime error
        BUG: Object already free
    """,
    "REBOOT": "unexpected kernel reboot",
    "NO_OUTPUT": "no output from test machine",
    "LOST_CONNECTION": "lost connection to test machine",
    "SYZ_FAILURE": """
        SYZFAIL: frob
        SYZFATAL: frob
    """,
    None: """
        BUG: unable to handle kernel
        BUG: unable to handle kernel access to user memory in f
        BUG: lock held when returning to user space in f
        BUG: workqueue lockup
        BUG: workqueue leaked lock or atomic in f
        BUG: Bad page state in f
        BUG: Bad page map
        BUG: Bad rss-counter state
        BUG: Dentry still in use in unmount
        BUG: stack guard page was hit in f
        BUG: corrupted
        INFO: corrupted
        INFO: suspicious RCU usage in f
        INFO: trying to register non-static key in f
        WARNING: kernel stack regs has bad 'bp' value
        WARNING: kernel stack regs has bad value
        WARNING: kernel stack frame pointer has bad value
        WARNING: corrupted
        anything else
    """,
}


@pytest.mark.parametrize(
    ("title", "name"),
    [(title.strip(), name) for name, titles in CLASSES.items() for title in titles.strip().split("\n")],
)
def test_type(title: str, name: str | None) -> None:
    assert type_of(title) == name
