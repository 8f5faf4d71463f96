[    1.000000] Linux version 6.12.0
[    2.000000] Run /init as init process
[    3.000000] BUG: kernel NULL pointer dereference, address: 0000000000000008
[    3.000001] #PF: supervisor read access in kernel mode
[    3.000002] #PF: error_code(0x0000) - not-present page
[    3.000003] Oops: Oops: 0000 [#1] PREEMPT SMP KASAN
[    3.000004] CPU: 0 UID: 0 PID: 50 Comm: repro Not tainted 6.12.0 #1
[    3.000005] RIP: 0010:toy_read+0x10/0x20
[    3.000006] Call Trace:
[    3.000007]  <TASK>
[    3.000008]  vfs_read+0x10/0x20
[    3.000009]  do_syscall_64+0x10/0x20
[    3.000010]  </TASK>
[    3.000011] Kernel panic - not syncing: Fatal exception
