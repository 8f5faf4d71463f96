"""Functions that are in a stack because of how the kernel works or reports, not because of the bug."""

from __future__ import annotations

import re
from functools import cache

# Searched for anywhere in the function's name unless anchored.
_COMMON: tuple[str, ...] = (
    # Sanitizer run-times.
    r"kasan", r"(?:^|_)h?w?asan_", r"kmsan", r"^_*msan_", r"kcsan_setup_watchpoint", r"^_*tsan_", r"check_memory_region",
    r"check_(?:heap_)?object", r"read_word_at_a_time", r"(?:mem|str)_?dup_user", r"kfence",
    # Report printing, traps, stack walkers.
    r"panic", r"warn_slowpath", r"^_*warn$", r"^warn_bogus", r"report_bug", r"fixup_bug", r"invalid_op", r"handle_bug", r"bug_handler", r"brk_handler",
    r"print_address_description", r"print_report", r"panic_on_warn", r"end_report", r"dump_stack", r"show_(?:stack|regs)", r"dump_backtrace",
    r"backtrace", r"^unwind_", r"walk_stack", r"_thunk", r"stack_trace", r"do_trap", r"_trap$", r"do_error", r"^(?:asm_)?exc_", r"call_break_hook", r"^die$",
    r"^oops_", r"crash_kexec", r"debug_exception", r"do_(?:translation|page|mem|sp_pc|alignment|undef\w*)_?(?:fault|abort|instr)", r"^el[01]\w*_",
    r"stack_trace_save", r"save_stack", r"print_lock", r"print_usage", r"show_usage", r"print_circular", r"print_deadlock", r"print_irq_inversion",
    r"print_unlock", r"print_bad", r"report_usercopy", r"usercopy_", r"get_stack_info",
    # Allocators.
    r"kmalloc|kcalloc|kzalloc|vmalloc|vzalloc|kvzalloc|kmalloc_array", r"warn_alloc", r"kmemdup", r"krealloc", r"kmem_cache", r"slab_", r"slub", r"slob", r"alloc_(?:\w+_)?pages?(?:_|$)", r"folio_alloc",
    r"alloc_slab", r"allocate_slab", r"new_slab", r"qlink_free", r"^_*cache_free", r"cache_grow", r"mempool_alloc", r"^_*alloc_percpu", r"pcpu_alloc",
    r"pagecache_get_page", r"find_or_create_page", r"filemap_(?:get_folio|alloc)", r"grab_cache_page", r"find_get_page",
    r"^_*k[vz]*free(?:_rcu|_sensitive|_bulk)?$", r"^_*vfree", r"^_*kvfree", r"kfree_skb", r"^_*skb_free_head",
    # Locks.
    r"lockdep", r"^_*lock_(?:acquire|acquired|release|is_held|downgrade|chain|commit)", r"^_*(?:_?raw_)*(?:spin|read|write)_(?:try)?(?:un)?lock",
    r"queued_spin", r"queued_(?:read|write)_lock", r"native_queued", r"pv_queued", r"mutex_(?:un|try)?lock", r"^_*mutex_", r"rt_mutex", r"rt_spin",
    r"rwsem", r"^_*(?:down|up)(?:_read|_write|_interruptible|_killable|_timeout|_trylock)?(?:_\w+)?$", r"osq_(?:un)?lock", r"owner_on_cpu",
    r"mark_lock", r"local_bh_(?:en|dis)able", r"reacquire_held_locks", r"validate_chain", r"check_(?:prev|irq|noncircular|wait_context)",
    r"percpu_(?:down|up)_", r"^rcu_(?:read_)?(?:un)?lock", r"^seqcount_", r"ww_mutex",
    # Atomics, bits, reference counts.
    r"^(?:raw_|arch_|arch_raw_)?atomic", r"^_*(?:test_and_)?(?:set|clear|change|test)_bit", r"^_?find_(?:next|first)_bit$", r"instrument_", r"refcount_",
    r"^kref_", r"ref_tracker",
    # Memory, strings, formatting.
    r"^_*(?:rep_)?mem(?:cpy|set|move|cmp|chr|scan|chr_inv|zero)", r"^_*bcmp$", r"^_*str(?:n?len|n?cpy|n?cmp|l?cpy|scpy|n?cat|n?chr|r?chr|s?tr|n?str|pbrk|sep|n?casecmp|nul)",
    r"^_*v?s?c?n?printf", r"printf", r"hex_dump", r"hex_string", r"^(?:pointer|string|string_nocheck|number|ip6?_\w*string|uuid_string)$", r"crc(?:\d|_|t)",
    r"^_*checksum", r"csum_partial",
    # User copies.
    r"copy_(?:to|from|in)_(?:user|iter)", r"copy_user", r"copyin", r"copyout", r"copy_page_(?:to|from)_iter", r"(?:get|put)_user", r"atomic_dec_and_lock", r"might_(?:fault|sleep|resched)",
    r"cond_resched", r"^clear_user", r"^fault_in_", r"sanitize_",
    # Data structures.
    r"^_*list_", r"^_*hlist_", r"^_*rb_(?:insert|erase|next|prev|first|link)", r"rhashtable_lookup", r"rht_", r"xa_load", r"xas_", r"klist_", r"debug_(?:object|print_object|check_no_obj)",
    r"debug_(?:timer|hrtimer|work|rcu_head)_\w*", r"^idr_find", r"radix_tree_lookup",
    # Timers, work, completions.
    r"^(?:try_to_)?(?:del|mod|add)_timer", r"^timer_(?:delete|shutdown)", r"hrtimer_(?:active|cancel|try_to_cancel)", r"^_*flush_(?:work|delayed|workqueue)", r"start_flush_work",
    r"^_*queue_(?:delayed_)?work", r"insert_work", r"^_*cancel_(?:delayed_)?work", r"drain_workqueue", r"destroy_workqueue", r"^complete(?:_all)?$",
    r"^wait_for_co", r"^do_wait_for_co", r"kthread_stop",
    # Device core and other registries.
    r"^device_(?:add|del|register|unregister|initialize|create|destroy|release|bind|links)", r"^kobject_", r"^kset_", r"sysfs_", r"^(?:un)?register_netdev", r"unregister_netdevice",
    r"rollback_registered", r"usb_(?:submit|kill|poison)_urb", r"usb_hcd_submit_urb", r"usb_control_msg", r"usb_internal_control_msg", r"usb_start_wait_urb", r"usb_bulk_msg",
    r"i2c_del_adapter", r"hwrng_unregister", r"dev_uevent",
    # Inodes, dentries, pages.
    r"^_*iput", r"^ihold", r"^_*dput", r"drop_nlink", r"clear_nlink", r"inc_nlink", r"^_*lock_page", r"unlock_page", r"folio_(?:un)?lock", r"truncate_inode", r"find_lock_entries",
    # I/O accessors and printing.
    r"^_*(?:raw_)?(?:read|write)[bwlq](?:_relaxed)?$", r"printk", r"^_*dev_(?:err|warn|info|printk|crit|notice|dbg|emerg|alert)", r"__phys_addr", r"fortify", r"assertfail", r"assfail",
    r"^netdev_(?:warn|err|info|printk)",
)  # fmt: skip


@cache
def skip_pattern(extra: tuple[str, ...] = ()) -> re.Pattern[str]:
    """The common list and a kind's own, as one pattern to search a function's name with."""
    return re.compile("|".join((*_COMMON, *extra)))
