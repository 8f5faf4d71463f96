"""Which function is blamed, for kinds of crash made up for the purpose."""

from __future__ import annotations

from typing import Any

import pytest

from kernfix.crash.blame import blame, is_plumbing
from kernfix.crash.picks import above_anchor, first_waiter
from kernfix.crash.report import Words, reports
from kernfix.crash.rules import CALL_TRACE, FAULT, FUNC, TRACE, Kind, Look, rx
from kernfix.crash.stretch import Cutter

STACK: Look = (CALL_TRACE, TRACE)


def words_of(text: str) -> Words:
    cutter = Cutter()
    return next(one for each in (*cutter.feed(text), *cutter.finish()) for one in reports(each)).words()[0]


def check(text: str, function: str | None, *looks: Look, start: int = 0, **kind: Any) -> None:
    made = Kind(headline=rx("BUG: "), title="{F}", looks=looks or (STACK,), **kind)
    assert blame(made, words_of("BUG: a\n" + text), start).function == function


# --- ways to look ----------------------------------------------------------------------------------------------------------------------

TRACED = "Call Trace:\n f+0x1/0x2\n g+0x1/0x2\n"


@pytest.mark.parametrize(
    ("text", "function"),
    [
        (TRACED, "f"),
        ("Backtrace:\n f+0x1/0x2\n", "f"),
        ("x+0x1/0x2\n" + TRACED, "f"),
        ("Call Trace:\n", None),
        ("", None),
        ("  backtrace:\n f+0x1/0x2\n", None),
        ("Freed by task 3:\n f+0x1/0x2\n", None),
        ("Call Trace:\n\nFreed by task 3:\n f+0x1/0x2\n", None),
        ("Call Trace:\n\nUninit was created at:\n f+0x1/0x2\n", None),
        ("Call Trace:\nNMI backtrace for cpu 1\n f+0x1/0x2\n", "f"),  # ends no stack
        (f"Call Trace:\n{TRACED}", None),
    ],
)
def test_the_trace(text: str, function: str | None) -> None:
    check(text, function)


@pytest.mark.parametrize(
    ("text", "function"),
    [
        (f"RIP: 0010:r+0x1/0x2\n{TRACED}", "r"),
        (f"pc : r+0x1/0x2\nlr : f+0x1/0x2\n{TRACED}", "r"),
        (f"RIP: 0010:kfree+0x1/0x2\n{TRACED}", "f"),
        (f"RIP: 0033:0x7f3c1d2aa740\n{TRACED}", "f"),
        (TRACED, "f"),
        (f"{TRACED}RIP: 0010:r+0x1/0x2\n", "r"),
        ("RIP: 0010:r+0x1/0x2\n", "r"),
        (f"RIP: 0010:i fs/frob.c:12 [inline]\nRIP: 0010:r+0x1/0x2 fs/frob.c:3\n{TRACED}", "r"),
    ],
)
def test_the_fault_line_comes_first(text: str, function: str | None) -> None:
    """The default way: the program counter and the trace below it, else the trace."""
    check(text, function, (FAULT, CALL_TRACE, TRACE), STACK)


def test_steps_go_down() -> None:
    second = rx(r"^second " + FUNC)
    text = "second f+0x1/0x2\nfirst\nsecond g+0x1/0x2\nCall Trace:\n h+0x1/0x2\n"
    check(text, "f", (second,))
    check(text, "g", (rx("first"), second))
    check(text, "h", (rx("first"), second, CALL_TRACE, TRACE), skip=("^g$",))
    check(text, None, (rx("first"), second, second, CALL_TRACE, TRACE), skip=("^g$",))
    check(text, None, (rx("third"), second))
    check(text, "h", (rx("third"), second), STACK)


def test_not_above_the_headline() -> None:
    check(" f+0x1/0x2\nCall Trace:\n g+0x1/0x2\nCall Trace:\n h+0x1/0x2\n", "h", start=3)


def test_a_word_of_the_headline() -> None:
    check("", None, (rx(r"BUG: " + FUNC),))
    text = words_of("BUG: frob+0x1/0x2\n")
    kind = Kind(headline=rx("BUG: "), title="{F}", looks=((rx(r"BUG: " + FUNC),),))
    assert blame(kind, text, 0) == ("frob", False)


# --- what is passed over ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plumbing",
    """
    dump_stack_lvl print_report kasan_report __asan_load8 check_memory_region kmsan_report __msan_warning kfence_report_error
    panic __warn warn_slowpath_fmt report_bug fixup_bug handle_bug exc_invalid_op asm_exc_page_fault do_trap do_error_trap show_stack
    dump_backtrace unwind_frame do_translation_fault el1h_64_sync stack_trace_save print_lock_name
    kmalloc_trace __kmalloc kzalloc kcalloc vmalloc krealloc kmem_cache_alloc slab_free alloc_pages folio_alloc kfree vfree kfree_skb
    lock_acquire lockdep_rcu_suspicious _raw_spin_lock_irqsave mutex_lock __mutex_lock_common down_read down_write up_read rt_mutex_lock
    osq_lock __local_bh_enable_ip owner_on_cpu
    atomic_inc refcount_warn_saturate kref_put ref_tracker_free test_and_set_bit
    memcpy __memset strlen strcmp vsnprintf hex_dump_to_buffer crc32_le
    _copy_to_user copy_from_user copyin __get_user_4 put_user __might_fault __might_sleep __might_resched
    __list_add_valid list_del rb_insert_color rhashtable_lookup xas_load klist_put debug_object_assert_init
    del_timer_sync flush_work __queue_work cancel_work_sync complete kthread_stop
    put_device device_del kobject_put sysfs_remove_group register_netdevice unregister_netdev usb_submit_urb usb_kill_urb
    iput ihold dput drop_nlink __lock_page truncate_inode_pages
    readl writew _printk dev_err __phys_addr fortify_panic assertfail
    """.split(),  # noqa: SIM905
)
def test_plumbing_is_passed_over(plumbing: str) -> None:
    check(f"Call Trace:\n {plumbing}+0x1/0x2\n frob+0x1/0x2\n", "frob")
    assert is_plumbing(plumbing)


@pytest.mark.parametrize(
    "function",
    """
    frob vfs_read ext4_iget tcp_sendmsg frob_ioctl pipe_release bpf_prog_run inode_init_once filp_close sk_common_release
    timerfd_read signalfd_poll skb_clone nf_hook_slow
    """.split(),  # noqa: SIM905
)
def test_others_are_not(function: str) -> None:
    check(f"Call Trace:\n {function}+0x1/0x2\n nobody+0x1/0x2\n", function)
    assert not is_plumbing(function)


def test_a_kind_has_skips_of_its_own() -> None:
    check(TRACED, "g", skip=("^f$",))
    check(TRACED, None, skip=("^f$", "g"))
    check("Call Trace:\n frobber+0x1/0x2\n", None, skip=("frob",))
    check("Call Trace:\n kfree+0x1/0x2\n f+0x1/0x2\n g+0x1/0x2\n", "g", skip=("^f$",))  # beside the common ones


@pytest.mark.parametrize(
    ("frame", "function"),
    [
        ("frob.isra.0+0x1/0x2", "frob"),
        ("frob.constprop.0.cold+0x1/0x2", "frob"),
        ("kfree.part.0+0x1/0x2", None),
        ("frob fs/frob.c:12 [inline]", None),
        ("RIP: 0010:frob+0x1/0x2", None),
        ("frob", None),
    ],
)
def test_only_frames_with_an_address_count(frame: str, function: str | None) -> None:
    check(f"Call Trace:\n {frame}\n", function)


def test_arm_names_both() -> None:
    check("Backtrace:\n f from g+0x1/0x2\n", "f")
    check("Backtrace:\n kfree from g+0x1/0x2\n", "g")
    check(
        "Backtrace:\n[<80123456>] (dump_backtrace) from [<80654321>] (show_stack+0x1/0x2)\n kfree from kzalloc+0x1/0x2\n",
        None,
    )


# --- injected faults -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("injected", ["should_fail", "should_fail_ex", "should_failslab"])
def test_an_injected_fault_spoils_the_stack(injected: str) -> None:
    spoilt = f"Call Trace:\n dump_stack+0x1/0x2\n {injected}+0x1/0x2\n kmalloc+0x1/0x2\n frob+0x1/0x2\n"
    check(spoilt, None)
    check(spoilt, None, STACK, STACK)
    check(f"{injected}+0x1/0x2\n{TRACED}", None)
    check(f"Call Trace:\n frob+0x1/0x2\n {injected}+0x1/0x2\n", "frob")


def test_what_only_sounds_like_one() -> None:
    check("Call Trace:\n frob_should_fail+0x1/0x2\n", "frob_should_fail")


# --- picks -----------------------------------------------------------------------------------------------------------------------------


def test_a_pick_chooses_among_all_that_are_left() -> None:
    text = "Call Trace:\n f+0x1/0x2\n kfree+0x1/0x2\n g+0x1/0x2\n h+0x1/0x2\n"
    check(text, "h", pick=lambda names: names[-1] if names == ["f", "g", "h"] else None)


def test_where_a_pick_finds_none_the_next_look_is_tried() -> None:
    text = "RIP: 0010:x+0x1/0x2\nCall Trace:\n f+0x1/0x2\n vfs_read+0x1/0x2\n"
    check(text, "f", (FAULT,), STACK, pick=above_anchor)
    check(text, None, (FAULT,), pick=above_anchor)


def test_waiting_is_no_reason_to_hang() -> None:
    text = (
        "Call Trace:\n __schedule+0x1/0x2\n schedule+0x1/0x2\n wait_for_completion+0x1/0x2\n frob+0x1/0x2\n g+0x1/0x2\n"
    )
    check(text, "frob", pick=first_waiter)


def test_what_tears_a_report_ends_a_step_and_not_the_way() -> None:
    kind = Kind(headline=rx("BUG: "), title="{F}", looks=((FAULT, CALL_TRACE, TRACE), (CALL_TRACE, TRACE)))
    torn = "BUG: a\n should_failslab+0x1/0x2\nRIP: 0010:frob+0x1/0x2\nCall Trace:\n grab+0x1/0x2\n"
    assert blame(kind, words_of(torn), 0) == ("grab", True)
    lost = "BUG: a\nCall Trace:\n frob+0x1/0x2\nslab index 9 out of bounds (4) for stack id 02aece30\n grab+0x1/0x2\n"
    assert blame(kind, words_of(lost), 0) == ("frob", True)
    assert blame(kind, words_of(lost.replace("out of bounds", "in bounds")), 0) == ("frob", False)
