"""Who is to blame when a task waits or spins: not the innermost function, but the one that made it wait."""

from __future__ import annotations

import re

_ANCHOR = re.compile(
    r"^(?:do_syscall_|do_fast_syscall_|do_int80_|entry_(?:SYSCALL|SYSENTER|INT80)|system_call|el0_svc|invoke_syscall|ret_fast_syscall|_*ret_from_fork|x64_sys_call"
    r"|ia32_sys_call|irq_exit|netif_receive_skb|_*netif_receive_skb|run_ksoftirqd|call_timer_fn|run_timer_softirq|expire_timers"
    r"|process_one_work|worker_thread|kthread$|(?:do_)?page_fault$"
    r"|_*vfs_(?:read|write|ioctl|writev|readv)|new_sync_(?:read|write)|call_(?:read|write)_iter|do_iter_(?:read|write)|do_vfs_ioctl|vfs_ioctl|ksys_ioctl|\w*_compat_ioctl$|compat_SyS_ioctl|SyS_ioctl|(?:__x64_|__se_)sys_ioctl|do_mmap|mmap_region"
    r"|vfs_open|do_dentry_open|do_sys_open|sock_sendmsg|sock_recvmsg|_*sys_[gs]etsockopt$|sock_common_[gs]etsockopt|ret_fast_syscall|syscall_handler|do_trap_ecall_u|netlink_dump$"
    r"|rtnetlink_rcv_msg|netlink_unicast_kernel|task_work_run|_*fput|exit_to_usermode_loop|_*run_hrtimer|_*hrtimer_run_queues|smp_call_function|tasklet_action"
    r"|__do_fast_syscall)"
)
_TELLING = re.compile(r"rtnl_lock|_*synchronize_(?:s?rcu|net|sched)")
_WAITING = re.compile(
    r"sched|_lock|_slowlock|down(?:_|$)|rwsem|completion|kthread|wait|synchronize|context_switch|__switch_to|rcu_barrier|cancel_delayed|cancel_work|mutex|io_schedule|flush_work"
    r"|bit_wait|_lock_page|lock_page|_*folio_lock"
)


def above_anchor(candidates: list[str]) -> str | None:
    """What a processor was busy with: the function that the nearest dispatcher (system call entry, softirq, work queue) called."""
    for no, name in enumerate(candidates):
        if name.startswith("smp_call_function"):
            return name
        if no and _ANCHOR.match(name):
            return candidates[no - 1]
    return None


def first_waiter(candidates: list[str]) -> str | None:
    """What a hung task was after: the first function that does not belong to waiting itself."""
    telling = next((name for name in candidates if _TELLING.match(name)), None)
    return telling or next((name for name in candidates if not _WAITING.search(name)), None)
