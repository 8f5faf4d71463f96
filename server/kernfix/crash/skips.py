"""Functions that are in a stack because of how the kernel works or reports, not because of the bug.

A name is told by a part of it wherever the functions of a class are many (``kmalloc``: ``__kmalloc_node_track_caller``,
``sock_kmalloc``), and by all of it (``^…$``) where the same letters also stand in names that are to blame.
"""

from __future__ import annotations

import re
from functools import cache

_BY_SUBJECT = {
    "sanitizer run-times": r"""
        kasan hwasan ^_*asan_ kmsan ^_*msan_ kcsan_setup_watchpoint ^_*tsan_ ^__sanitizer check_memory_region
        check_(?:heap_)?object read_word_at_a_time ^kfence_(?:report|handle)
    """,
    "report printing": r"""
        panic warn_slowpath ^_*warn$ ^warn_bogus report_bug ^print_(?:report|address_description|hex_dump)
        ^end_report$ dump_stack show_(?:stack|regs) backtrace walk_stack ^unwind_frame$ stack_trace save_stack
        _taint(?:ed)?$ ^print_(?:lock|usage|circular|deadlock|irq|bad_irq|unlock|freed_lock|held_locks) show_usage
        ^die$ ^oops_(?:begin|end|enter|exit)$ crash_kexec
    """,
    "injected faults": r"""
        ^_*should_fail(?:slab$|_(?!ex$))
    """,
    "traps, all architectures": r"""
        fixup_bug handle_bug invalid_op ^asm_exc_ do_trap _trap$ do_error _thunk
    """,
    "traps, arm and arm64": r"""
        debug_exception ^_*do_kernel_fault$ ^do_translation_fault$ ^do_bad_area$ ^do_mem_abort$ ^do_sp_pc_abort$
        ^do_alignment_fault$ ^do_tag_ ^do_(?:Data|Prefetch)Abort$ ^do_undef ^__(?:dabt|pabt|und)_svc$
        ^el[01][ht]?(?:_(?:32|64))?_(?:sync|irq|fiq|error|abort|[id]a|dbg|undef|inv|bti|fpac|mops|gcs|brk64|pc|sp)(?:_handler)?$
    """,
    "traps, others": r"""
        program_check ^_*bad_page_fault$ ^data_access_common ^handle_exception$ ^die_kernel_fault$ ^do_bp$ ^handle_bp
        ^_*do_pgm_check$ ^pgm_check_handler$ ^illegal_op$ ^monitor_event_exception$
    """,
    "allocators": r"""
        [kv][vz]?[mzc]alloc ^warn_alloc krealloc kmem_cache slab_ ^_*allocate_slab$ ^new_slab$ ^cache_grow
        alloc_(?:frozen_|bulk_)?page ^_*get_(?:free_page|zeroed_page) folio_alloc ^vma_alloc_folio mempool_alloc
        pagecache_get_page ^find_or_create_page$ filemap_(?:get_folio|alloc_folio) grab_cache_page ^find_get_page
        read_cache_page ^do_read_cache_(?:page|folio) ^_*k[vz]*free(?:_sensitive|_bulk|_const)?$ ^_*vfree kfree_skb
    """,
    "locks": r"""
        lockdep ^_*lock_(?:acquire|acquired|release|is_held) lock_class$ ^mark_(?:lock|usage|held_locks)
        reacquire_held_locks validate_chain ^check_(?:prev|irq_usage|noncircular|wait_context|deadlock)
        ^_*(?:do_|arch_)?(?:_*raw_)*(?:spin|read|write)_(?:try)?(?:un)?lock
        (?:queued|ticket)_(?:spin|read|write)_(?:try)?(?:un)?lock mutex_(?:un|try)?lock ^_*mutex_ ww_mutex rt_mutex
        rt_spin ^_*rt_(?:read|write)_ rwsem
        ^_*(?:percpu_)?(?:down|up)(?:_(?:read|write|interruptible|killable|timeout|trylock|common)\w*)?$
        osq_(?:un)?lock owner_on_cpu local_bh_(?:en|dis)able ^_*seqprop_
    """,
    "atomics, bits, reference counts": r"""
        ^(?:raw_|arch_|arch_raw_)?_*atomic(?:64|_long)?_(?:read|set|inc|dec|add|sub|and|or|xor|andnot|fetch|xchg|cmpxchg|try)
        ^_atomic_dec_and ^_*(?:arch_)?(?:test_and_)?(?:set|clear|change|test)_bit(?:_|$) ^instrument_ refcount_ ^kref_
        ref_tracker
    """,
    "memory, strings, formatting": r"""
        ^_*(?:rep_)?mem(?:cpy|set|move|cmp|chr|scan|zero) ^_*bcmp$
        ^_*(?:sized_)?str(?:n?len|[nls]?cpy|scpy|n?cmp|n?casecmp|[nl]?cat|n?r?chr|chrnul|n?str|pbrk|sep|c?spn|im|replace)
        printf ^va_format$ hex_dump hex_string ^(?:widen_)?string(?:_nocheck)?$ ^(?:\w+_)?pointer$
        ^(?:special_hex_)?number$ ^format_decode$ ^ptr_to_id$
        ^(?:symbol|mac_address|ip[46]?|ip[46]?_(?:addr|compressed|addr_string)|uuid|escaped|resource|bitmap|bitmap_list|fourcc|error)_string(?:_sa)?$
        ^(?:file_dentry|dentry|bdev|device_node|fwnode)_(?:name|string)$ crc(?:\d|_|t)
    """,
    "user copies": r"""
        copy_(?:to|from|in)_(?:user|iter) ^_*(?:raw_)?copy_user ^copy(?:in|out)(?:_|$)
        copy_(?:page|folio)_(?:to|from)_iter (?:get|put)_user might_(?:fault|sleep|resched) cond_resched ^_*clear_user
    """,
    "data structures": r"""
        ^_*list_(?:add|del|replace|move|splice|empty|cut|rotate|swap|bulk|is_|sort)
        ^_*hlist_(?:bl_|nulls_)?(?:add|del|move|splice|replace|unhashed|empty)
        ^_*rb_(?:insert_(?:color|augmented)|erase|next|prev|first|last|link|replace) rhashtable_lookup
        ^_*rht_(?:key|head|bucket|ptr) xa_load xas_(?:load|start|descend) ^klist_ ^llist_(?:add|del|reverse)
        ^plist_(?:add|del|check|requeue) _is_static_object$
        debug_(?:object|print_object|check_no_obj|timer|hrtimer|work|rcu_head)
    """,
    "timers, work, completions": r"""
        ^_*(?:try_to_)?(?:del|mod|add)_timer ^_*(?:try_to_)?timer_(?:delete|shutdown) flush_(?:work|delayed_work)
        ^_*queue_(?:delayed_|rcu_)?work ^_*mod_delayed_work ^insert_work$ ^_*cancel_(?:delayed_)?work
        ^try_to_grab_pending$ ^work_grab_pending$ drain_workqueue ^destroy_workqueue$ ^complete(?:_all|_with_flags)?$
        wait_for_completion ^_*(?:do_)?wait_for_common ^finish_wait$ ^__wake_up
        ^wake_up(?:_all|_poll|_interruptible|_bit|_locked)?$ ^swake_up kthread_stop
    """,
    "device core and other registries": r"""
        ^(?:get|put)_device$ ^device_(?:add|del|register|unregister|create|destroy)(?:_with_groups|_groups_vargs)?$
        ^device_release$ ^devres_release ^tty_(?:port_)?(?:un)?register_device kobject_ ^kset_ sysfs_
        ^internal_create_groups?$ ^_*(?:un)?register_netdev(?:ice)?(?:_many\w*|_queue)?$ rollback_registered
        usb_(?:submit|kill|poison)_urb ^usb_kill_anchored usb_hcd_submit_urb
        usb_(?:control|internal_control|bulk|interrupt)_msg usb_start_wait_urb ^i2c_del_adapter$ ^hwrng_unregister
        ^cleanup_srcu_struct
    """,
    "inodes, dentries, pages": r"""
        ^iput ^ihold$ ^_*dput$ drop_nlink ^mark_buffer_dirty$ ^_*(?:try|un)?lock_page(?:_killable|_or_retry|_async)?$
        ^_*folio_(?:try|un)?lock(?:_killable|_or_retry|_async)?$ truncate_inode_pages
        ^truncate_inode_(?:partial_)?folio$ ^find_lock_entries$
    """,
    "I/O accessors and printing": r"""
        ^_*(?:raw_)?(?:read|write)[bwlq](?:_relaxed)?$ ^logic_(?:in|out)s?[bwl]$ printk
        ^_*(?:net)?dev_(?:err|warn|info|notice|crit|alert|emerg|dbg)(?:_probe)?$ __phys_addr fortify assertfail
    """,
}  # fmt: skip
"""Patterns, separated by white space, that are searched for anywhere in a function's name."""

_COMMON = tuple(pattern for patterns in _BY_SUBJECT.values() for pattern in patterns.split())


@cache
def skip_pattern(patterns: tuple[str, ...] = _COMMON) -> re.Pattern[str]:
    """The common list, or a kind's own, as one pattern to search a function's name with.

    What tells a name by its begin is put together, so that the rest of a name is not compared with it: four times as quick.
    """
    begins = "|".join(pattern[1:] for pattern in patterns if pattern.startswith("^"))
    anywhere = [pattern for pattern in patterns if not pattern.startswith("^")]
    return re.compile("|".join([f"^(?:{begins})", *anywhere] if begins else anywhere))


_REPORTING = tuple(
    pattern
    for subject, patterns in _BY_SUBJECT.items()
    if subject.startswith(("sanitizer", "report", "traps"))
    for pattern in patterns.split()
)
_MACHINERY = re.compile(
    "|".join(
        (
            *_REPORTING,
            r"^(?:asm_)?exc_|(?:bug|brk)_handler$|^call_break_hook$|^unwind_|^_*might_(?:sleep|resched)",
            r"^print_|^lockdep_|ubsan|^_*warn|_report$|^report_",
            r"^x64_sys_call|^ia32_sys_call|^do_syscall_|^do_fast_syscall|^entry_|^ret_from_fork|^el0|^invoke_syscall|^system_call|^asm_",
            r"^start_kernel|^x86_64_start|^common_startup|^secondary_startup",
        )
    )
)


def is_machinery(function: str) -> bool:
    """Whether a function only prints the report or only enters the kernel: what a reader of a stack passes over first."""
    return _MACHINERY.search(function) is not None
