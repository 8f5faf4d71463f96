"""Functions that are never to blame, by class, and those of nearly the same name that are."""

from __future__ import annotations

import pytest

from kernfix.crash.skips import is_machinery, skip_pattern

SKIPPED = {
    "sanitizer run-times": """
        kasan_report __kasan_check_read kasan_kmalloc __asan_report_load8_noabort __asan_memcpy __hwasan_check_x0_67043363 kmsan_report
        kmsan_internal_poison_memory __msan_warning __msan_metadata_ptr_for_load_8 kcsan_setup_watchpoint __tsan_read8
        __sanitizer_cov_trace_pc check_memory_region __check_heap_object __check_object_size read_word_at_a_time kfence_report_error
    """,
    "report printing": """
        panic check_panic_on_warn __reiserfs_panic nmi_panic warn_slowpath_fmt warn_slowpath_null __warn warn_bogus_irq_restore report_bug
        print_report print_address_description end_report dump_stack dump_stack_lvl __dump_stack show_stack show_regs __show_regs
        dump_backtrace unwind_backtrace nmi_cpu_backtrace walk_stackframe unwind_frame save_stack_trace stack_trace_save save_stack
        kasan_save_stack print_tainted get_taint lockdep_rcu_suspicious print_usage_bug print_lock_name print_circular_bug
        print_deadlock_bug print_irq_inversion_bug print_unlock_imbalance_bug show_usage
    """,
    "injected faults": "should_failslab __should_failslab should_fail_alloc_page should_fail_usercopy should_fail_bio",
    "traps of x86": "fixup_bug handle_bug do_invalid_op exc_invalid_op invalid_op do_trap do_error_trap kernel_trap do_error "
    "asm_exc_invalid_op asm_exc_page_fault __x86_indirect_thunk_rax trace_hardirqs_off_thunk",
    "traps of arm and arm64": """
        do_mem_abort do_translation_fault __do_kernel_fault do_kernel_fault do_bad_area do_tag_check_fault do_alignment_fault
        do_sp_pc_abort do_undefinstr do_DataAbort do_PrefetchAbort __dabt_svc __pabt_svc __und_svc do_debug_exception el1_abort el1_da
        el1_sync el1_sync_handler el1h_64_sync el1h_64_sync_handler el0t_64_sync el0_sync_handler el1_dbg el1_undef
    """,
    "traps of others": """
        program_check_exception program_check_common_virt do_program_check bad_page_fault __bad_page_fault do_trap_break handle_exception
        die_kernel_fault do_bp handle_bp __do_pgm_check pgm_check_handler illegal_op monitor_event_exception do_trap_or_bp
    """,
    "allocators": """
        kmalloc __kmalloc __kmalloc_node_track_caller kmalloc_slab kzalloc kcalloc kvmalloc_node __kvmalloc_node_noprof vmalloc vzalloc
        __vmalloc_node_range kmalloc_array ___kmalloc_large_node sock_kmalloc krealloc kmem_cache_alloc kmem_cache_free ___slab_alloc
        slab_post_alloc_hook __slab_free allocate_slab new_slab alloc_pages __alloc_pages_nodemask __alloc_frozen_pages_noprof
        alloc_pages_bulk_noprof page_pool_alloc_pages __get_free_pages get_zeroed_page folio_alloc_noprof warn_alloc
        vma_alloc_folio_noprof mempool_alloc
        pagecache_get_page find_or_create_page __filemap_get_folio filemap_alloc_folio_noprof grab_cache_page_write_begin
        find_get_page do_read_cache_folio do_read_cache_page read_cache_page_gfp kfree kvfree kfree_sensitive vfree kfree_skb
        kfree_skb_reason __dev_kfree_skb_any
    """,
    "locks": """
        lock_acquire __lock_acquire lock_release lock_is_held_type lockdep_init_map register_lock_class look_up_lock_class hlock_class
        mark_lock mark_lock_irq mark_usage validate_chain check_prev_add check_noncircular reacquire_held_locks debug_lockdep_rcu_enabled
        _raw_spin_lock_irqsave do_raw_spin_lock _raw_spin_trylock _raw_spin_unlock_irqrestore _raw_read_lock _raw_write_lock_bh
        do_raw_write_lock native_queued_spin_lock_slowpath __pv_queued_spin_lock_slowpath queued_write_lock_slowpath arch_spin_lock
        mutex_lock mutex_lock_nested __mutex_lock __mutex_unlock_slowpath mutex_trylock mutex_spin_on_owner ww_mutex_lock rt_mutex_lock
        rt_spin_lock rt_read_unlock rwsem_down_write_slowpath down down_trylock down_read down_write_killable down_interruptible __down
        __down_common up up_read up_write percpu_down_write __percpu_down_read osq_lock osq_unlock owner_on_cpu __local_bh_enable_ip
        local_bh_disable __seqprop_assert
    """,
    "atomics, bits, reference counts": """
        atomic_read atomic64_inc atomic_long_add raw_atomic_dec arch_atomic_fetch_add atomic_try_cmpxchg _atomic_dec_and_lock
        _atomic_dec_and_lock_irqsave test_and_set_bit test_and_clear_bit __set_bit clear_bit_unlock change_bit refcount_inc
        refcount_warn_saturate refcount_dec_and_test_checked kref_get kref_put ref_tracker_free ref_tracker_dir_exit
    """,
    "memory, strings, formatting": """
        memcpy __memcpy memset memset_erms memmove __memmove memcmp memchr memchr_inv memscan memcpy_toio bcmp strcpy strncpy strlcpy
        strscpy sized_strscpy strlen strnlen strcmp strncmp strcasecmp strcat strchr strrchr strnchr strstr strnstr strsep strspn strcspn
        strpbrk strim vsnprintf snprintf kasprintf kvasprintf_const seq_printf va_format print_hex_dump hex_dump_to_buffer hex_string
        string string_nocheck widen_string pointer number ip4_addr_string ip6_string mac_address_string uuid_string dentry_name
        format_decode crc16 crc32_le_base crc32c_le crc_itu_t crc_ccitt crc_t10dif
    """,
    "user copies": """
        copy_to_user _copy_from_user __copy_from_user_inatomic raw_copy_to_user copy_user_generic _copy_to_iter simple_copy_to_iter
        copyin copyout copy_page_to_iter copy_folio_from_iter_atomic get_user __get_user_4 __put_user_8 tun_get_user might_fault
        __might_fault ___might_sleep __might_resched __cond_resched clear_user
    """,
    "data structures": """
        list_add __list_add_valid list_del __list_del_entry_valid_or_report list_move_tail list_splice list_replace hlist_add_head
        hlist_bl_del hlist_nulls_del_rcu rb_erase rb_insert_color __rb_insert_augmented rb_next rb_first rb_prev rhashtable_lookup_fast
        __rhashtable_lookup rht_key_hashfn llist_add_batch plist_add xa_load xas_load xas_start klist_del klist_put klist_next
        work_is_static_object
        timer_is_static_object debug_object_activate debug_print_object debug_check_no_obj_freed __debug_object_init
    """,
    "timers, work, completions": """
        del_timer del_timer_sync try_to_del_timer_sync mod_timer __mod_timer add_timer timer_delete timer_delete_sync timer_shutdown_sync
        flush_work __flush_work flush_delayed_work flush_workqueue __flush_workqueue start_flush_work kthread_flush_work drain_workqueue
        destroy_workqueue queue_work_on __queue_work queue_delayed_work_on __queue_delayed_work queue_rcu_work mod_delayed_work_on
        insert_work cancel_work_sync cancel_delayed_work_sync __cancel_work_timer try_to_grab_pending complete complete_all
        wait_for_completion wait_for_completion_timeout wait_for_common __wait_for_common finish_wait __wake_up __wake_up_common_lock
        swake_up_locked kthread_stop
    """,
    "device core and other registries": """
        get_device put_device device_add device_del device_register device_unregister device_create device_create_groups_vargs
        device_destroy device_release devres_release_all tty_register_device_attr tty_unregister_device tty_port_unregister_device
        kobject_get kobject_put
        kobject_add_internal __kobject_del kset_register sysfs_create_dir_ns sysfs_remove_group sysfs_add_file_mode_ns
        internal_create_group register_netdev register_netdevice unregister_netdev unregister_netdevice_queue unregister_netdevice_many
        unregister_netdevice_many_notify rollback_registered rollback_registered_many usb_submit_urb usb_hcd_submit_urb usb_kill_urb
        usb_poison_urb usb_kill_anchored_urbs usb_control_msg usb_internal_control_msg usb_bulk_msg usb_interrupt_msg usb_start_wait_urb
        i2c_del_adapter hwrng_unregister cleanup_srcu_struct
    """,
    "inodes, dentries, pages": """
        iput ihold dput drop_nlink mark_buffer_dirty lock_page __lock_page __lock_page_killable unlock_page folio_lock __folio_lock
        folio_unlock truncate_inode_pages truncate_inode_pages_range truncate_inode_pages_final truncate_inode_folio find_lock_entries
    """,
    "I/O accessors and printing": """
        readb readl_relaxed __raw_readb __raw_writel writeq logic_inb logic_outw printk _printk vprintk_emit dev_printk_emit _dev_info
        _dev_err dev_err_probe netdev_warn __netdev_printk __phys_addr fortify_panic __fortify_report assertfail btrfs_assertfail
    """,
}

TO_BLAME = {
    "the letters of a class, but another thing": """
        lockref_get lock_sock_nested lock_downgrade lock_two_nondirectories pipe_lock console_lock console_unlock rtnl_lock
        atomic_notifier_call_chain upload_frob download_frob up_frob rb_insert_pages blacklist_add frob_memcmp stream_open
        string_get_size usb_string hfsplus_strcasecmp strp_data_ready number_of_frobs pointer_frob crcs_differ
        list_netdevice list_set_destroy list_lru_add hlist_frob xa_destroy xas_create xas_clear_mark rht_deferred_worker
        device_release_driver_internal device_rename register_netdevice_notifier cfg80211_register_netdevice netdev_register_kobject
        lookup_or_create_module_kobject firmware_fallback_sysfs deactivate_slab free_percpu free_netdev bio_uncopy_user
        iov_iter_advance truncate_setsize f2fs_truncate_inode_blocks ocfs2_truncate_inode_frob read_cache_folio readahead_frob
        kernel_write complete_frob wake_up_new_task try_to_wake_up remove_wait_queue timerqueue_del enqueue_timer lock_timer_base
        hrtimer_forward rcu_core call_rcu kvfree_call_rcu __srcu_read_lock synchronize_rcu
    """,
    "helpers that check what they are given, and are named by the reference": """
        kmemdup memdup_user_nul dev_uevent skb_free_head skb_release_data qlist_free_all pcpu_alloc stack_depot_fetch usercopy_abort
        csum_partial jhash idr_find radix_tree_next_chunk kernfs_get kernfs_remove_by_name_ns cdev_get __alloc_skb evict __dentry_kill
        io_serial_out ktime_get bug_handler should_fail should_fail_ex
    """,
    "walkers and entries that fail themselves": """
        unwind_next_frame __unwind_start arch_stack_walk do_page_fault __do_page_fault do_user_addr_fault
    """,
}


def params(table: dict[str, str]) -> list[object]:
    return [pytest.param(name, id=name) for names in table.values() for name in names.split()]


@pytest.mark.parametrize("name", params(SKIPPED))
def test_passed_over(name: str) -> None:
    assert skip_pattern().search(name)


@pytest.mark.parametrize("name", params(TO_BLAME))
def test_to_blame(name: str) -> None:
    found = skip_pattern().search(name)
    assert found is None, found


def test_a_kinds_own_list() -> None:
    assert not skip_pattern().search("frobnicate")
    assert skip_pattern(("^frob", "^nob")).search("frobnicate")
    assert not skip_pattern(("^frob", "^nob")).search("refrobnicate")


MACHINERY = """
    kasan_report panic el1_abort do_translation_fault asm_exc_page_fault exc_page_fault bug_handler brk_handler unwind_next_frame
    do_syscall_64 x64_sys_call entry_SYSCALL_64_after_hwframe ret_from_fork el0_svc start_kernel __might_sleep
"""


@pytest.mark.parametrize("name", MACHINERY.split())
def test_machinery(name: str) -> None:
    assert is_machinery(name)


@pytest.mark.parametrize("name", ["kmalloc", "mutex_lock", "frob", "sys_frob", "process_one_work"])
def test_no_machinery(name: str) -> None:
    assert not is_machinery(name)
