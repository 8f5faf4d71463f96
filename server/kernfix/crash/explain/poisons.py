"""Values that the kernel writes to mark memory, so that its use is seen: include/linux/poison.h and where the tables say else."""

from __future__ import annotations

from typing import NamedTuple


class Poison(NamedTuple):
    """A mark, what it is, and what it tells of a pointer that has this value."""

    value: int
    name: str
    tells: str


_DELETED = "the entry was taken off its list before (list_del(), hlist_del())"

POINTERS = (
    Poison(0x40, "PP_SIGNATURE", "mark of a page of a page pool (net/core/page_pool.c)"),
    Poison(0xF5, "VFS_PTR_POISON", "the pointer must not be used by the file system code that uses it"),
    Poison(0x100, "LIST_POISON1", f"`->next` of a deleted list entry: {_DELETED}"),
    Poison(0x122, "LIST_POISON2", f"`->prev` or `->pprev` of a deleted list entry: {_DELETED}"),
    Poison(0x200, "LIST_POISON2", f"as before Linux 5.3; `->prev` or `->pprev` of a deleted list entry: {_DELETED}"),
    Poison(0x300, "TIMER_ENTRY_STATIC", "a timer that was never enqueued, or was taken off its list before"),
    Poison(0x400, "TAIL_MAPPING", "`->mapping` of a tail page: use the head page of the compound page"),
    Poison(0x500, "MUTEX_POISON_WW_CTX", "a wait/wound context that was finished before"),
    Poison(0x800, "SKB_LIST_POISON_NEXT", "`->next` of a packet that was taken off its list"),
    Poison(0x801, "NET_PTR_POISON", "a network pointer that must not be used any more"),
    Poison(0xEB9F, "BPF_PTR_POISON", "a pointer of the BPF verifier that must not be followed"),
    Poison(0xD390, "STACK_DEPOT_POISON", "the list of a stack record that is in use"),
    Poison(0x100100, "LIST_POISON1", f"as before Linux 4.3; `->next` of a deleted list entry: {_DELETED}"),
    Poison(0x200200, "LIST_POISON2", f"as before Linux 4.3; `->prev` or `->pprev` of a deleted list entry: {_DELETED}"),
)
"""To be added to POISON_POINTER_DELTA; in the order of preference."""

DELTAS = {"ppc64": 0x5DEADBEEF0000000, **dict.fromkeys(("x86_64", "arm64", "riscv64", None), 0xDEAD000000000000)}
"""``CONFIG_ILLEGAL_POINTER_VALUE``, 0 for other architectures: their Kconfig."""

FILLS = (
    Poison(0x6B, "POISON_FREE", "freed slab memory: a use after free"),
    Poison(
        0x5A, "POISON_INUSE", "slab memory that was never written since it was allocated: a use of uninitialised memory"
    ),
    Poison(0xA5, "POISON_END", "last byte of a poisoned slab object"),
    Poison(0xBB, "SLUB_RED_INACTIVE", "red zone of a slab object that is free: read beyond the object"),
    Poison(
        0xCC,
        "SLUB_RED_ACTIVE",
        "red zone of a slab object in use (read beyond the object), or freed init memory (POISON_FREE_INITMEM)",
    ),
    Poison(
        0xAA,
        "PAGE_POISON",
        "freed page, or a stack variable that was never set (CONFIG_INIT_STACK_ALL_PATTERN with clang)",
    ),
    Poison(0xFE, "stack pattern", "a stack variable that was never set (CONFIG_INIT_STACK_ALL_PATTERN with GCC)"),
    Poison(0xBD, "KEY_DESTROY", "payload of a key that was destroyed"),
    Poison(0x11, "MUTEX_DEBUG_INIT", "a waiter of a mutex that is not set up yet"),
    Poison(0x22, "MUTEX_DEBUG_FREE", "a waiter of a mutex that is done"),
    Poison(0x5B, "JBD_POISON_FREE", "freed memory of the journal of ext3"),
    Poison(0x5C, "JBD2_POISON_FREE", "freed memory of the journal of ext4"),
    Poison(0xA7, "POOL_POISON_FREED", "freed memory of a DMA pool"),
    Poison(0xA9, "POOL_POISON_ALLOCATED", "memory of a DMA pool that was never written"),
    Poison(0x12, "ATM_POISON_FREE", "freed memory of the ATM drivers"),
)
"""Bytes that fill memory."""

MAGICS = (
    Poison(0xDEAD4EAD, "SPINLOCK_MAGIC", "mark inside of a spinlock (include/linux/spinlock_types_raw.h)"),
    Poison(0xDEAF1EED, "RWLOCK_MAGIC", "mark inside of a reader-writer lock (include/linux/rwlock_types.h)"),
    Poison(0x57AC6E9D, "STACK_END_MAGIC", "mark at the end of a kernel stack (include/uapi/linux/magic.h)"),
    Poison(
        0x41B58AB3,
        "KASAN_CURRENT_STACK_FRAME_MAGIC",
        "begin of a stack frame that KASAN instruments (mm/kasan/kasan.h)",
    ),
    Poison(0xDEADBEEF, "0xdeadbeef", "a mark that drivers like to use"),
)
"""Words of 32 bits."""

STACKLEAK_POISON = 0xFFFFFFFFFFFF4111
"""include/linux/stackleak.h: stack that was erased."""
