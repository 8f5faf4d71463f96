"""Functions that are in a stack because of how the kernel works or reports, not because of the bug."""

from __future__ import annotations

import re
from functools import cache

_BY_SUBJECT = {
    "sanitizer run-times": r"""
        kasan (?:^|_)h?w?asan_ kmsan ^_*msan_ kcsan_setup_watchpoint sanitizer_cov ^_*tsan_ check_memory_region
        check_(?:heap_)?object read_word_at_a_time (?:mem|str)_?dup_user kfence
    """,
    "report printing, traps, stack walkers": r"""
        panic warn_slowpath ^_*warn$ ^warn_bogus report_bug fixup_bug invalid_op handle_bug bug_handler brk_handler
        print_address_description print_report panic_on_warn end_report dump_stack show_(?:stack|regs) dump_backtrace
        backtrace ^unwind_ walk_stack _thunk taint stack_trace do_trap _trap$ do_error ^(?:asm_)?exc_ call_break_hook
        ^die$ ^oops_ crash_kexec debug_exception
        do_(?:translation|mem|sp_pc|alignment|undef\w*)_?(?:fault|abort|instr) ^_*do_kernel_fault ^do_bad_area
        ^do_tag_ ^el[01][ht]?(?:_\d\d)?_(?:sync|irq|fiq|error|abort|[id]a|dbg|undef|bti|fpac|mops|pc|sp)
        stack_trace_save save_stack print_lock print_usage show_usage print_circular print_deadlock
        print_irq_inversion print_unlock print_bad get_stack_info
    """,
    "allocators": r"""
        kmalloc|kcalloc|kzalloc|vmalloc|vzalloc|kvzalloc|kmalloc_array warn_alloc kmemdup krealloc kmem_cache slab_
        slub slob alloc_(?:\w+_)?pages?(?:_|$) folio_alloc free_pages alloc_slab allocate_slab new_slab qlink_free
        ^_*cache_free cache_grow mempool_alloc ^_*alloc_percpu pcpu_alloc pagecache_get_page find_or_create_page
        filemap_(?:get_folio|alloc) grab_cache_page find_get_page ^do_read_cache_(?:page|folio)
        ^_*k[vz]*free(?:_rcu|_sensitive|_bulk)?$ ^_*vfree ^_*vunmap ^_*kvfree kfree_skb ^_*skb_free_head
    """,
    "locks": r"""
        lockdep ^_*lock_(?:acquire|acquired|release|is_held|chain|commit)
        ^_*(?:do)?(?:_?raw_)*(?:spin|read|write)_(?:try)?(?:un)?lock queued_spin queued_(?:read|write)_lock
        native_queued pv_queued mutex_(?:un|try)?lock ^_*mutex_ rt_mutex rt_spin rwsem
        ^_*(?:down|up)(?:_read|_write|_interruptible|_killable|_timeout|_trylock)?(?:_\w+)?$ osq_(?:un)?lock
        owner_on_cpu mark_lock lock_class$ local_bh_(?:en|dis)able reacquire_held_locks validate_chain
        check_(?:prev|irq|noncircular|wait_context) percpu_(?:down|up)_ ^rcu_(?:read_)?(?:un)?lock ^seqcount_
        ^_*seqprop_ ww_mutex
    """,
    "atomics, bits, reference counts": r"""
        ^(?:raw_|arch_|arch_raw_)?atomic ^_*(?:test_and_)?(?:set|clear|change|test)_bit ^_?find_(?:next|first)_bit$
        instrument_ refcount_ ^kref_ ref_tracker
    """,
    "memory, strings, formatting": r"""
        ^_*(?:rep_)?mem(?:cpy|set|move|cmp|chr|scan|chr_inv|zero) ^_*bcmp$
        ^_*str(?:n?len|n?cpy|n?cmp|l?cpy|scpy|n?cat|n?chr|r?chr|s?tr|n?str|pbrk|sep|n?casecmp|nul) ^_*v?s?c?n?printf
        printf ^va_format$ hex_dump hex_string ^(?:pointer|string|string_nocheck|number|ip6?_\w*string|uuid_string)$
        crc(?:\d|_|t) ^_*checksum csum_partial
    """,
    "user copies": r"""
        copy_(?:to|from|in)_(?:user|iter) copy_user copyin copyout copy_page_(?:to|from)_iter (?:get|put)_user
        atomic_dec_and_lock might_(?:fault|sleep|resched) cond_resched ^clear_user ^fault_in_ sanitize_
    """,
    "data structures": r"""
        ^_*list_ ^_*hlist_ ^_*rb_(?:insert|erase|next|prev|first|link) rhashtable_lookup rht_ xa_load xas_ klist_
        work_is_static_object debug_(?:object|print_object|check_no_obj) debug_(?:timer|hrtimer|work|rcu_head)_\w*
        ^idr_find radix_tree_lookup
    """,
    "timers, work, completions": r"""
        ^(?:try_to_)?(?:del|mod|add)_timer ^timer_(?:delete|shutdown) hrtimer_(?:active|cancel|try_to_cancel)
        ^_*flush_(?:work|delayed|workqueue) start_flush_work ^_*queue_(?:delayed_)?work insert_work
        ^_*cancel_(?:delayed_)?work drain_workqueue destroy_workqueue ^complete(?:_all)?$ ^_*wake_up(?!_new)
        ^finish_wait$ ^prepare_to_wait ^wait_for_co ^do_wait_for_co kthread_stop
    """,
    "device core and other registries": r"""
        ^(?:get|put)_device$ ^device_(?:add|del|register|unregister|initialize|create|destroy|release|bind|links)
        ^kobject_ ^kset_ sysfs_ ^(?:un)?register_netdev(?:ice)?$ unregister_netdevice_(?:many|queue)
        rollback_registered usb_(?:submit|kill|poison)_urb usb_hcd_submit_urb usb_control_msg usb_internal_control_msg
        usb_start_wait_urb usb_bulk_msg i2c_del_adapter hwrng_unregister dev_uevent usb_kill_anchored
        ^tty_unregister_dev ^devres_release srcu_struct
    """,
    "inodes, dentries, pages": r"""
        ^_*iput ^ihold ^_*dput drop_nlink clear_nlink inc_nlink ^mark_buffer_dirty ^_*lock_page unlock_page
        folio_(?:un)?lock truncate_inode find_lock_entries
    """,
    "I/O accessors and printing": r"""
        ^_*(?:raw_)?(?:read|write)[bwlq](?:_relaxed)?$ ^logic_(?:in|out)s?[bwl]$ printk
        ^_*dev_(?:err|warn|info|printk|crit|notice|dbg|emerg|alert) __phys_addr fortify assertfail assfail
        ^netdev_(?:warn|err|info|printk)
    """,
}
"""Patterns, separated by white space, that are searched for anywhere in a function's name."""

_COMMON = tuple(pattern for patterns in _BY_SUBJECT.values() for pattern in patterns.split())


@cache
def skip_pattern(extra: tuple[str, ...] = ()) -> re.Pattern[str]:
    """The common list and a kind's own, as one pattern to search a function's name with."""
    return re.compile("|".join((*_COMMON, *extra)))


_MACHINERY = re.compile(
    "|".join(
        (
            *_BY_SUBJECT["sanitizer run-times"].split(),
            *_BY_SUBJECT["report printing, traps, stack walkers"].split(),
            r"^_*might_(?:sleep|resched)|^print_|^lockdep_|ubsan|^_*warn|_report$|^report_",
            r"^x64_sys_call|^ia32_sys_call|^do_syscall_|^do_fast_syscall|^entry_|^ret_from_fork|^el0|^invoke_syscall|^system_call|^asm_",
            r"^start_kernel|^x86_64_start|^common_startup|^secondary_startup",
        )
    )
)


def is_machinery(function: str) -> bool:
    """Whether a function only prints the report or only enters the kernel: what a reader of a stack passes over first."""
    return _MACHINERY.search(function) is not None
