"""Crash classes, decided from the beginning of the canonical title; the first row that fits wins."""

from __future__ import annotations

import re
from functools import lru_cache

_WILD = r"(?:(?:(?:slab|stack|global|vmalloc)-)?out-of-bounds|(?:wild|user)-memory-access)"

_ROWS: tuple[tuple[str, str | None], ...] = (
    (r"KASAN: (?:slab-)?use-after-free(?: Read)?(?! Write)\b", "KASAN-USE-AFTER-FREE-READ"),
    (r"KASAN: (?:slab-)?use-after-free Write", "KASAN-USE-AFTER-FREE-WRITE"),
    (r"KASAN: null-ptr-deref Write", "KASAN-NULL-POINTER-DEREFERENCE-WRITE"),
    (r"KASAN: null-ptr-deref Read", "KASAN-NULL-POINTER-DEREFERENCE-READ"),
    (r"KASAN: (?:double-free or )?invalid-free", "KASAN-INVALID-FREE"),
    (rf"KASAN: {_WILD} Write", "KASAN-WRITE"),
    (rf"KASAN: (?:{_WILD}|invalid-access|unknown-crash) Read", "KASAN-READ"),
    (r"KASAN: (?:slab-out-of-bounds|stack-out-of-bounds|wild-memory-access)", "KASAN-READ"),
    (r"KASAN:", "KASAN-UNKNOWN"),
    (r"KFENCE: use-after-free write", "KFENCE-USE-AFTER-FREE-WRITE"),
    (r"KFENCE: use-after-free", "KFENCE-USE-AFTER-FREE-READ"),
    (r"KFENCE: (?:out-of-bounds|invalid) write", "KFENCE-WRITE"),
    (r"KFENCE: (?:out-of-bounds|invalid read)", "KFENCE-READ"),
    (r"KFENCE: memory corruption", "KFENCE-MEMORY-CORRUPTION"),
    (r"KFENCE: invalid free", "KFENCE-INVALID-FREE"),
    (r"KFENCE:", "KFENCE-UNKNOWN"),
    (r"KMSAN: uninit-value", "KMSAN-UNINIT-VALUE"),
    (r"KMSAN: (?:use-after-free|kernel-(?:usb-)?infoleak-after-free)", "KMSAN-USE-AFTER-FREE-READ"),
    (r"KMSAN: kernel-(?:usb-)?infoleak", "KMSAN-INFO-LEAK"),
    (r"KMSAN:", "KMSAN-UNKNOWN"),
    (r"KCSAN: data-race", "KCSAN-DATARACE"),
    (r"KCSAN: assert: race in", "KCSAN-ASSERT"),
    (r"KCSAN:", "KCSAN-UNKNOWN"),
    (r"BUG: unable to handle kernel NULL pointer dereference in", "NULL-POINTER-DEREFERENCE"),
    (r"BUG: (?:unable to handle kernel paging request|corrupted list)", "MEMORY_SAFETY_BUG"),
    (r"UBSAN: array-index-out-of-bounds", "MEMORY_SAFETY_UBSAN"),
    (r"UBSAN:", "UBSAN"),
    (r"WARNING: refcount bug", "REFCOUNT_WARNING"),
    (r"possible deadlock in|inconsistent lock state in", "LOCKDEP"),
    (r"BUG: (?:spinlock|rwlock|using) ", "LOCKDEP"),
    (r"(?:BUG|WARNING): (?:bad unlock balance|held lock freed|still has locks held) in|WARNING: lock held", "LOCKDEP"),
    (r"WARNING: (?:locking bug|nested lock was not taken|suspicious RCU usage) in", "LOCKDEP"),
    (r"BUG: (?:scheduling while atomic|sleeping function called from invalid context)", "ATOMIC_SLEEP"),
    (r"memory leak in", "LEAK"),
    (r"kernel BUG|BUG: bad usercopy in", "BUG"),
    (r"BUG: soft lockup|INFO: (?:rcu detected stall|task hung|task can't die)", "HANG"),
    (r"WARNING: (?:kernel stack (?:regs|frame pointer)|corrupted)", None),
    (r"WARNING", "WARNING"),
    (
        r"general protection fault|divide error|invalid opcode|int3|stack segment|Internal error|Unhandled fault"
        r"|Alignment trap|PANIC: double fault|kernel (?:panic:|stack overflow)|panic:|trusty:|unregister_netdevice|VFS:"
        r"|go runtime error|BUG: Object already free|rust_kernel panicked",
        "DoS",
    ),
    (r"unexpected kernel reboot", "REBOOT"),
    (r"no output from test machine", "NO_OUTPUT"),
    (r"lost connection to test machine", "LOST_CONNECTION"),
    (r"SYZFAIL|SYZFATAL:", "SYZ_FAILURE"),
)

_ANY = re.compile("|".join(f"({pattern})" for pattern, _ in _ROWS))
"""All rows in one pattern; none has a group of its own, so that the number of the group is that of the row."""


@lru_cache(maxsize=4096)
def type_of(title: str) -> str | None:
    """The class of a canonical title; None where there is no finer class than "a crash"."""
    match = _ANY.match(title)
    return _ROWS[match.lastindex - 1][1] if match and match.lastindex else None
