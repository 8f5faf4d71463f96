"""Who is to blame when a task waits or spins: not the innermost function, but the one that made it wait.

Names are told by parts of them, since the functions of a class have many variants (``__netif_receive_skb_list_core``).
"""

from __future__ import annotations

import re

_CALL_OTHERS = "smp_call_function"
_ANCHOR = re.compile(
    "|".join(
        (
            # the entry of a system call, on every architecture
            r"do_(?:fast_)?syscall|entry_(?:SYSCALL|SYSENTER|INT80)|sysenter_dispatch|tracesys|do_int80|x64_sys_call|ia32_sys_call",
            r"el0_svc|invoke_syscall|ret_fast_syscall|system_call|do_trap_ecall_u|handle_syscall|handle_sys",
            # softirqs, timers, work, threads
            r"do_softirq|handle_softirqs|run_ksoftirqd|irq_exit|tasklet_(?:hi_)?action",
            r"call_timer_fn|run_timers|run_timer_softirq|expire_timers|hrtimer_run",
            r"process_one_work|worker_thread|^kthread$|smpboot_thread_fn|ret_from_(?:kernel_)?(?:fork|thread)",
            r"cpu_startup_entry|start_secondary",
            # received packets, page faults
            r"netif_receive_skb",
            r"^(?:do_)?page_fault$",
            # where a file's own operation is called
            r"vfs_(?:iter_)?(?:read|write|ioctl)|new_sync_(?:read|write)|call_(?:read|write)_iter|do_iter_(?:readv_)?(?:read|write)",
            r"ksys_(?:read|write|ioctl)|[sS]y[sS]_ioctl|compat_ioctl|do_mmap|mmap_region|vfs_open|do_dentry_open",
            r"task_work_run|__fput|exit_to_user(?:mode|_mode)_loop",
            # where a socket's own operation is called
            r"sock_(?:sendmsg|recvmsg)|(?:sock|sys|sock_common)_[gs]etsockopt|netlink_dump$|rtnetlink_rcv_msg",
            _CALL_OTHERS,
        )
    )
)  # fmt: skip
"""Dispatchers: functions that many different things are called from."""

_TELLING = re.compile(r"rtnl_lock|synchronize_(?:s?rcu|net|sched)")
_WAITING = re.compile(
    r"sched|_lock|_slowlock|down|rwsem|completion|kthread|wait|synchronize|context_switch|__switch_to|rcu_barrier"
    r"|cancel_delayed_work"
)


def above_anchor(candidates: list[str]) -> str | None:
    """What a processor was busy with: the function that the nearest dispatcher (system call entry, softirq, work queue) called, or the
    dispatcher when nothing is above it.
    """
    for no, name in enumerate(candidates):
        if _CALL_OTHERS in name:
            return name
        if _ANCHOR.search(name):
            return candidates[max(no - 1, 0)]
    return None


def first_waiter(candidates: list[str]) -> str | None:
    """What a hung task was after: the first function that does not belong to waiting itself.

    What waits for the network's big lock or for an RCU grace period does so in random places, so that is what they are told by.
    """
    telling = next((name for name in candidates if _TELLING.search(name)), None)
    return telling or next((name for name in candidates if not _WAITING.search(name)), None)
