"""What is known of each class of bug, in a few words for the model: where the cause tends to be, and what a right fix looks like.

A bare class name helps little; how such bugs are repaired, together with the facts of this one, helps more (ViTAD; VulKey,
arXiv 2605.01769).
"""

from __future__ import annotations

from kernfix.crash.model import Crash

_NULL = """\
A pointer that may be NULL is used. Find where it gets its value: a lookup, an allocation or a setup step that can
fail or has not run yet. Test it there and leave by the function's own error path, or keep the object from being
reachable before it is complete. A test right at the crash is a last resort: say root_cause false then."""
_FREED = """\
Memory is used after it was freed, or freed twice. The alloc and free stacks show the object's life: find which
reference or pointer outlives it. Right fixes take a reference, clear or unlink the pointer under the lock that
readers hold, wait for readers (RCU, cancel_work_sync, timer_shutdown_sync), or reorder teardown. A NULL test does not
help."""
_BOUNDS = """\
An index or a length goes past its object. Find the check that should bound it: it may be missing, use the wrong limit
or > for >=, or be done in a signed or narrower type, so that negative or large values pass. Correct that check before
the first use; keep its error code. Do not enlarge the object."""
_REFCOUNT = """\
A reference count went wrong. Pair every get with one put on all paths, error paths first; a get on an object whose
count may be zero must be the _not_zero form and its result be tested."""
_LOCKING = """\
A locking rule is broken. The reports name both lock sites: keep one order everywhere, use the _irqsave or _bh form
where an interrupt takes the same lock, do not sleep or allocate with GFP_KERNEL under a spinlock or RCU, and release
on every path. Do not drop a lock that protects data."""
_UNINIT = """\
Memory is read before it was written. Initialise the whole object where it is created (kzalloc, = {}, memset), padding
included, or write the field on the path that forgets it; or test the return value of the call that should have filled
it."""
_LEAK = """\
An allocation is lost. Follow the pointer from the allocation stack: each error path after it must free it, and each
owner that is destroyed must free what it owns, exactly once."""
_ASSERT = """\
An assertion of the code itself failed: its condition says what was believed. Find who breaks that belief, which is
most often input from user space that was not checked or a state that changed without the lock, and refuse it there.
Do not remove or weaken the assertion, unless it is provably wrong."""
_RACE = """\
Two contexts access the same data without order. Take the lock that the other accesses take; READ_ONCE and WRITE_ONCE
only where the race is harmless."""
_DIVIDE = """\
A divisor is zero. Find where it is set, which is most often from user space or from hardware, and refuse or correct
zero there, or test it right before the division and use the meaning of an empty measurement."""
_HANG = """\
The kernel stopped making progress. Look for a loop whose end depends on user input or on a value that stops changing,
a lock taken twice, or a wait whose wake-up was lost; bound the loop or correct the condition."""
_ANY = """\
Find the first place where a value or a state is wrong, not where it shows. Prefer a check of the input or a corrected
order there to a guard at the crash."""

_CARDS = (
    ("KASAN-USE-AFTER-FREE", _FREED),
    ("KFENCE-USE-AFTER-FREE", _FREED),
    ("KMSAN-USE-AFTER-FREE", _FREED),
    ("KASAN-INVALID-FREE", _FREED),
    ("KFENCE-INVALID-FREE", _FREED),
    ("KASAN-NULL", _NULL),
    ("NULL-POINTER", _NULL),
    ("KASAN-", _BOUNDS),
    ("KFENCE-", _BOUNDS),
    ("MEMORY_SAFETY_UBSAN", _BOUNDS),
    ("REFCOUNT", _REFCOUNT),
    ("LOCKDEP", _LOCKING),
    ("ATOMIC_SLEEP", _LOCKING),
    ("KMSAN-", _UNINIT),
    ("KCSAN-", _RACE),
    ("LEAK", _LEAK),
    ("HANG", _HANG),
    ("WARNING", _ASSERT),
    ("BUG", _ASSERT),
)
"""Beginning of the crash type → card; the first that fits."""

_BY_TITLE = (("divide error", _DIVIDE), ("division by zero", _DIVIDE), ("general protection fault", _NULL))
"""For the types that say little: part of the title → card."""


def card(crash: Crash) -> str:
    """The advice for this crash's class."""
    title = crash.title.lower()
    by_title = next((text for part, text in _BY_TITLE if part in title), None)
    return by_title or next((text for prefix, text in _CARDS if (crash.type or "").startswith(prefix)), _ANY)
