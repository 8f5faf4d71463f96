"""Who is to blame for a stall or a hang: the candidates are in a stack, innermost first."""

from __future__ import annotations

import pytest

from kernfix.crash.picks import above_anchor, first_waiter

ANCHORS = """
    do_syscall_64 do_fast_syscall_32 __do_fast_syscall_32 do_int80_syscall_32 entry_SYSCALL_64_fastpath sysenter_dispatch tracesys_phase2
    x64_sys_call el0_svc_handler el0_svc_common invoke_syscall do_el0_svc ret_fast_syscall system_call_exception
    __do_softirq do_softirq_own_stack handle_softirqs run_ksoftirqd irq_exit_rcu tasklet_action_common
    call_timer_fn __run_timers run_timer_softirq expire_timers __hrtimer_run_queues hrtimer_run_softirq
    process_one_work worker_thread kthread smpboot_thread_fn ret_from_fork ret_from_fork_asm ret_from_kernel_thread cpu_startup_entry
    start_secondary
    netif_receive_skb __netif_receive_skb_core __netif_receive_skb_list_core netif_receive_skb_internal page_fault do_page_fault
    vfs_read vfs_write __vfs_write vfs_iter_write vfs_ioctl do_vfs_ioctl new_sync_read call_write_iter do_iter_write do_iter_readv_writev
    ksys_write ksys_ioctl __se_sys_ioctl __x64_sys_ioctl __arm64_sys_ioctl SyS_ioctl compat_SyS_ioctl __ia32_compat_sys_ioctl
    kvm_vcpu_compat_ioctl do_mmap mmap_region vfs_open do_dentry_open task_work_run __fput ____fput exit_to_usermode_loop
    sock_sendmsg __sock_sendmsg sock_recvmsg sock_common_setsockopt do_sock_setsockopt __sys_getsockopt netlink_dump rtnetlink_rcv_msg
"""
NO_ANCHORS = """
    vfs_rmdir vfs_fsync_range path_openat do_filp_open do_sys_openat2 exc_page_fault asm_exc_page_fault do_user_addr_fault
    kvm_mmu_page_fault handle_mm_fault netlink_unicast genl_rcv_msg kthread_should_park compat_sock_ioctl_frob do_exit frob
"""


@pytest.mark.parametrize("anchor", ANCHORS.split())
def test_above_anchor(anchor: str) -> None:
    assert above_anchor(["hob", "frob", anchor, "nob", "do_syscall_64"]) == "frob"


@pytest.mark.parametrize("name", NO_ANCHORS.split())
def test_no_anchor(name: str) -> None:
    assert above_anchor(["hob", name, "frob", "do_syscall_64"]) == "frob"


@pytest.mark.parametrize(
    ("candidates", "blamed"),
    [
        ([], None),
        (["frob", "nob"], None),
        (["do_syscall_64", "entry_SYSCALL_64_after_hwframe"], "do_syscall_64"),  # nothing is above it
        (["kvm_vm_compat_ioctl", "compat_SyS_ioctl"], "kvm_vm_compat_ioctl"),
        (["frob", "smp_call_function_single", "nob", "do_syscall_64"], "smp_call_function_single"),
        (["frob", "flush_smp_call_function_queue", "nob"], "flush_smp_call_function_queue"),
        (["frob", "process_one_work", "smp_call_function_many"], "frob"),
    ],
)
def test_stall(candidates: list[str], blamed: str | None) -> None:
    assert above_anchor(candidates) == blamed


WAITING = """
    schedule __schedule io_schedule schedule_timeout schedule_preempt_disabled __mutex_lock rt_mutex_slowlock pipe_lock down_read
    ldsem_down_write rwsem_frob wait_for_completion __wait_for_common kthread_park wait_on_page_bit_common folio_wait_bit_common bit_wait_io
    nfs_wait_client_init_complete context_switch __switch_to rcu_barrier synchronize_irq cancel_delayed_work_frob shutdown_frob
"""


@pytest.mark.parametrize("name", WAITING.split())
def test_what_waits_is_not_hung(name: str) -> None:
    assert first_waiter([name, "frob"]) == "frob"
    assert first_waiter([name]) is None


@pytest.mark.parametrize(
    ("candidates", "blamed"),
    [
        ([], None),
        (["frob", "nob"], "frob"),
        (["schedule", "lock_sock_nested", "frob"], "lock_sock_nested"),
        (["schedule", "frob", "rtnl_lock", "nob"], "rtnl_lock"),
        (["schedule", "frob", "rtnl_lock_killable"], "rtnl_lock_killable"),
        (["schedule", "frob", "__rtnl_lock"], "__rtnl_lock"),
        (["schedule", "frob", "__synchronize_srcu"], "__synchronize_srcu"),
        (["schedule", "synchronize_rcu_expedited", "synchronize_net"], "synchronize_rcu_expedited"),
        (["schedule", "frob", "synchronize_sched", "rtnl_lock"], "synchronize_sched"),
        (["schedule", "register_netdevice_notifier"], "register_netdevice_notifier"),
    ],
)
def test_hang(candidates: list[str], blamed: str | None) -> None:
    assert first_waiter(candidates) == blamed
