"""What a report says that a fix can be built on."""

from __future__ import annotations

import pytest

from kernfix.crash.facts import executor_of, facts_of, site_of
from kernfix.crash.model import Executor, SourceLine

CASES: tuple[tuple[str, dict[str, str]], ...] = (
    # KASAN
    (
        "BUG: KASAN: slab-out-of-bounds in frob+0x1/0x2\n"
        "Write of size 8 at addr ffff888012345680 by task repro/34\n"
        "The buggy address belongs to the object at ffff888012345640\n"
        " which belongs to the cache kmalloc-64 of size 64\n"
        "The buggy address is located 4 bytes to the right of\n"
        " allocated 60-byte region [ffff888012345640, ffff88801234567c)",
        {
            "access": "Write", "access_size": "8", "address": "ffff888012345680", "cache": "kmalloc-64", "cache_size": "64",
            "object_size": "60", "region_offset": "64",
        },
    ),
    (
        "BUG: KASAN: use-after-free in frob+0x1/0x2\n"
        "Read of size 4 at addr ffff888012345648 by task repro/34\n"
        "The buggy address is located 8 bytes inside of\n"
        " 64-byte region [ffff888012345640, ffff888012345680)",
        {"access": "Read", "access_size": "4", "address": "ffff888012345648", "object_size": "64", "region_offset": "8"},
    ),
    (
        "BUG: KASAN: slab-use-after-free in frob+0x1/0x2\n"
        "The buggy address is located 3 bytes to the left of\n"
        " freed 64-byte region [ffff888012345640, ffff888012345680)",
        {"object_size": "64", "region_offset": "-3"},
    ),
    ("BUG: KASAN: frob\nRead of size 4 by task repro/34", {"access": "Read", "access_size": "4"}),
    ("BUG: KASAN: invalid-access in frob\nWrite at addr f0ff000012345678 by task a/1", {"access": "Write", "address": "f0ff000012345678"}),
    ("BUG: KASAN: double-free in frob\nFree of addr ffff888012345640 by task a/1", {"address": "ffff888012345640"}),
    ("BUG: frob\nObject at ffff888012345640, in cache frob_cache size: 96", {"cache": "frob_cache", "cache_size": "96"}),
    (
        "Oops: general protection fault, probably for non-canonical address 0xdffffc0000000003: 0000 [#1] SMP KASAN\n"
        "KASAN: null-ptr-deref in range [0x0000000000000018-0x000000000000001f]",
        {"address": "0xdffffc0000000003", "kind": "null-ptr-deref", "range": "0x0000000000000018-0x000000000000001f"},
    ),
    (
        "general protection fault: 0000 [#1]\nKASAN: maybe wild-memory-access in range [0x1-0x8]",
        {"kind": "wild-memory-access", "range": "0x1-0x8"},
    ),
    ("BUG: KASAN: frob\nThe buggy address belongs to the variable:\n frob_table+0x40/0x60", {"variable": "frob_table"}),
    ("BUG: KASAN: frob\nThis frame has 1 object:\n [32, 48) 'frob_buf'", {"variable": "frob_buf"}),
    ("BUG: KASAN: frob\nThis frame has 2 objects:\n [32, 48) 'a'\n [64, 80) 'b'", {}),
    # KFENCE
    (
        "BUG: KFENCE: out-of-bounds read in frob+0x1/0x2\n\n"
        "Out-of-bounds read at 0xffff8c2aae231fff (1B left of kfence-#24):\n frob+0x1/0x2\n\n"
        "kfence-#24: 0xffff8c2aae232000-0xffff8c2aae23201f, size=32, cache=kmalloc-32",
        {"access": "Read", "address": "0xffff8c2aae231fff", "kfence": "24",
         "object_size": "32", "cache": "kmalloc-32", "region_offset": "-1"},
    ),
    (
        "BUG: KFENCE: out-of-bounds write in frob\nOut-of-bounds write at 0xffff8c2aae232024 (4B right of kfence-#7):\n"
        "kfence-#7 [0xffff8c2aae232000-0xffff8c2aae23201f, size=32, cache=kmalloc-32] allocated by task 110:",
        {"access": "Write", "address": "0xffff8c2aae232024", "kfence": "7",
         "object_size": "32", "cache": "kmalloc-32", "region_offset": "36"},
    ),
    (
        "BUG: KFENCE: out-of-bounds write in frob\nOut-of-bounds write at 0xffff8c2aae232024 (4B right of kfence-#7):",
        {"access": "Write", "address": "0xffff8c2aae232024", "kfence": "7"},
    ),
    (
        "BUG: KFENCE: use-after-free read in frob\nUse-after-free read at 0xffff8c2aae240000 (in kfence-#31):",
        {"access": "Read", "address": "0xffff8c2aae240000", "kfence": "31"},
    ),
    (
        "BUG: KFENCE: memory corruption in frob\nCorrupted memory at 0xffff8c2aae24c020 [ 0x2a . ! ] (in kfence-#37):",
        {"address": "0xffff8c2aae24c020", "kfence": "37"},
    ),
    (
        "BUG: KFENCE: invalid free in frob\nInvalid free of 0xffff8c2aae248001 (in kfence-#35):",
        {"address": "0xffff8c2aae248001", "kfence": "35"},
    ),
    ("BUG: KFENCE: invalid read in frob\nInvalid read at 0xffff8c2aae248001:", {"access": "Read", "address": "0xffff8c2aae248001"}),
    # KMSAN
    (
        "BUG: KMSAN: kernel-infoleak in frob+0x1/0x2\nLocal variable ea_buf created at:\n f+0x1/0x2\n"
        "Bytes 4-7 of 48 are uninitialized\nMemory access of size 48 starts at ffff888119891000",
        {"variable": "ea_buf", "uninit_bytes": "4-7 of 48", "access_size": "48", "address": "ffff888119891000"},
    ),
    ("BUG: KMSAN: frob\nLocal variable ----path@step_into created at:\nByte 0 of 4 is uninitialized",
     {"variable": "path", "uninit_bytes": "0 of 4"}),
    # KCSAN
    (
        "BUG: KCSAN: data-race in a / b\n\nwrite to 0xffffffff85a7f140 of 8 bytes by interrupt on cpu 4:\n a+0x1/0x2\n\n"
        "read to 0xffffffff85a7f140 of 8 bytes by task 1082 on cpu 7:\n b+0x1/0x2\n\nvalue changed: 0x00000000 -> 0x00000001",
        {"access": "Write", "access_size": "8", "address": "0xffffffff85a7f140", "value": "0x00000000 -> 0x00000001"},
    ),
    (
        "BUG: KCSAN: frob\nread-write to 0xffff of 4 bytes by task 1 on cpu 0:",
        {"access": "Read-write", "access_size": "4", "address": "0xffff"},
    ),
    (
        "BUG: KCSAN: frob\nread (marked) to 0xffff of 4 bytes by task 1 on cpu 0:",
        {"access": "Read", "access_size": "4", "address": "0xffff"},
    ),
    (
        "BUG: KCSAN: assert: race in frob\nrace at unknown origin, with assert no writes to 0xffff of 4 bytes by task 1 on cpu 0:",
        {"access_size": "4", "address": "0xffff"},
    ),
    # UBSAN
    (
        "UBSAN: array-index-out-of-bounds in fs/frob.c:12:3\nindex -1 is out of range for type 'int [4]'",
        {"kind": "array-index-out-of-bounds", "index": "-1", "array": "int [4]"},
    ),
    ("UBSAN: shift-out-of-bounds in fs/frob.c:12:3\nshift exponent 72 is too large for 64-bit type 'long'",
     {"kind": "shift-out-of-bounds", "index": "72"}),
    ("UBSAN: shift-out-of-bounds in fs/frob.c:12:3\nleft shift of 1 by 31 places cannot be represented in type 'int'",
     {"kind": "shift-out-of-bounds", "value": "1", "index": "31"}),
    (
        "UBSAN: signed-integer-overflow in fs/frob.c:12:3\n2147483647 + 1 cannot be represented in type 'int'",
        {"kind": "signed-integer-overflow", "operation": "2147483647 + 1", "value_type": "int"},
    ),
    (
        "UBSAN: Undefined behaviour in fs/frob.c:12:3\nsigned integer overflow:\n-2 - 2147483647 cannot be represented in type 'int'",
        {"kind": "Undefined behaviour", "operation": "-2 - 2147483647", "value_type": "int"},
    ),
    ("UBSAN: invalid-load in fs/frob.c:12:3\nload of value 36 is not a valid value for type '_Bool'",
     {"kind": "invalid-load", "value": "36", "value_type": "_Bool"}),
    # page faults
    (
        "BUG: kernel NULL pointer dereference, address: 0000000000000008\n#PF: supervisor write access in kernel mode",
        {"address": "0000000000000008", "access": "Write"},
    ),
    ("BUG: unable to handle page fault for address: ffffc90001935030\n#PF: supervisor read access in kernel mode",
     {"address": "ffffc90001935030", "access": "Read"}),
    ("BUG: unable to handle kernel paging request at ffffc90001935030", {"address": "ffffc90001935030"}),
    ("BUG: unable to handle kernel NULL pointer dereference at           (null)", {"address": "(null)"}),
    (
        "lab login: Unable to handle kernel paging request at virtual address ffff800012345678\nMem abort info:\n"
        "  CM = 0, WnR = 1, TnD = 0",
        {"address": "ffff800012345678", "access": "Write"},
    ),
    ("Unable to handle kernel NULL pointer dereference at virtual address 00000004 when read", {"address": "00000004", "access": "Read"}),
    ("CPU 0 Unable to handle kernel paging request at virtual address 00000004, epc == 80101234, ra == 80101230", {"address": "00000004"}),
    ("BUG: Unable to handle kernel data access on write at 0x8000000041a25f20", {"address": "0x8000000041a25f20", "access": "Write"}),
    ("BUG: Kernel NULL pointer dereference on read at 0x00000008", {"address": "0x00000008", "access": "Read"}),
    ("Unable to handle kernel pointer dereference in virtual kernel address space\n"
     "Failing address: 0000000000000000 TEID: 0000000000000483",
     {"address": "0000000000000000"}),
    # assertions of the kernel's own data
    ("WARNING: CPU: 0 PID: 1 at lib/refcount.c:28\nrefcount_t: underflow; use-after-free.", {"kind": "underflow; use-after-free"}),
    (
        "kernel BUG at lib/list_debug.c:29!\nlist_del corruption, ffff888012345678->next is LIST_POISON1 (dead000000000100)",
        {"list": "list_del corruption, ffff888012345678->next is LIST_POISON1 (dead000000000100)"},
    ),
    (
        "WARNING: frob\nODEBUG: free active (active state 0) object: 0000000012345678 object type: timer_list hint: frob_timer+0x0/0x28",
        {"kind": "free active", "object_type": "timer_list", "hint": "frob_timer"},
    ),
    ("WARNING: frob\nODEBUG: init active (active state 0) object type: work_struct hint:           (null)",
     {"kind": "init active", "object_type": "work_struct"}),
    (
        "kernel BUG at mm/usercopy.c:102!\n"
        "usercopy: Kernel memory overwrite attempt detected to SLUB object 'names_cache' (offset 4104, size 2)!",
        {"access": "Write", "cache": "names_cache", "region_offset": "4104", "access_size": "2"},
    ),
    ("kernel BUG\nusercopy: Kernel memory exposure attempt detected from process stack (offset 0, size 9)!",
     {"access": "Read", "region_offset": "0", "access_size": "9"}),
    (
        "kernel BUG\nstrnlen: detected buffer overflow: 17 byte read of buffer size 16",
        {"access": "Read", "access_size": "17", "object_size": "16"},
    ),
    (
        'WARNING: frob\nmemcpy: detected field-spanning write (size 16) of single field "&frob->name" at fs/frob.c:12 (size 8)',
        {"access_size": "16", "variable": "&frob->name", "object_size": "8"},
    ),
    # hangs
    ("INFO: task repro:34 blocked for more than 143 seconds.", {"seconds": "143"}),
    (
        "INFO: task repro:34 blocked for more than 143 seconds.\n"
        "INFO: task repro:34 is blocked on a mutex likely owned by task kworker/0:1:35.",
        {"seconds": "143", "blocked_on": "mutex", "owner": "kworker/0:1:35"},
    ),
    ("INFO: task repro:34 can't die for more than 143 seconds.", {"seconds": "143"}),
    ("watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [repro:34]", {"seconds": "22"}),
    ("BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 32s!", {"seconds": "32"}),
    (
        "rcu: INFO: rcu_sched self-detected stall on CPU\nrcu: \t0-....: (1 GPs behind)\nrcu: \t(t=10500 jiffies g=1 q=2)",
        {"jiffies": "10500"},
    ),
    ("INFO: rcu_sched detected stalls on CPUs/tasks:\n\t(detected by 1, t=10502 jiffies, g=1)", {"jiffies": "10502"}),
    ("INFO: rcu_preempt detected stalls on CPUs/tasks: { 1} (detected by 0, t=10502 jiffies, g=1)", {"jiffies": "10502"}),
    # others
    ("BUG: memory leak\nunreferenced object 0xffff888012345678 (size 32):", {"address": "0xffff888012345678", "object_size": "32"}),
    (
        "BUG: sleeping function called from invalid context at mm/slab.h:1\nin_atomic(): 1, irqs_disabled(): 0, pid: 1, name: a",
        {"in_atomic": "1", "irqs_disabled": "0"},
    ),
)  # fmt: skip


def facts(report: str, above: str = "") -> dict[str, str]:
    return facts_of(above.splitlines(), report.split("\n"), report)


@pytest.mark.parametrize(("report", "expected"), CASES)
def test_facts(report: str, expected: dict[str, str]) -> None:
    assert facts(report) == expected
    assert facts(f"{report}\nRIP: 0010:frob+0x1/0x2\n frob+0x1/0x2\n") == expected


@pytest.mark.parametrize(
    "report",
    [
        "",
        "\n" * 10_000,
        "BUG: frob",
        "BUG: frob\nRead of size 123456789012345678901234567890 at addr ffff888012345678 by task a/1",
        "BUG: frob\nThe buggy address is located 8 bytes inside of",
        "BUG: frob\nThe buggy address is located 8 bytes inside of\n frob",
        "BUG: frob\nindex 4 is out of range",
        "BUG: frob\nrefcount_t: ",
        "BUG: frob\nsaid: Write of size 8 at addr ffff888012345680 by task repro/34",
        "INFO: task " + "x" * 10_000 + " blocked for more than 143 seconds.",
        "BUG: soft lockup - CPU#1 stuck for 99999999999999999999s!",
        "UBSAN: " + "-" * 10_000,
        "watchdog: " * 1_000 + "BUG: soft lockup - CPU#1 stuck for 22s!",
    ],
)
def test_no_facts(report: str) -> None:
    assert facts(report) == {}


def test_the_first_mention_counts_and_the_report_before_what_stands_above_it() -> None:
    above = "refcount_t: saturated; leaking memory.\nlist_add double add: new=1, prev=1, next=2."
    report = "WARNING: frob\nrefcount_t: underflow; use-after-free.\nrefcount_t: addition on 0; use-after-free."
    assert facts(report, above) == {
        "kind": "underflow; use-after-free",
        "list": "list_add double add: new=1, prev=1, next=2.",
    }


@pytest.mark.parametrize(
    ("headline", "site"),
    [
        ("WARNING: CPU: 0 PID: 1 at fs/frob.c:12 frob+0x1/0x2", SourceLine("fs/frob.c", 12)),
        ("kernel BUG at ./include/linux/frob.h:7!", SourceLine("./include/linux/frob.h", 7)),
        ("UBSAN: shift-out-of-bounds in arch/x86/frob.S:12:34", SourceLine("arch/x86/frob.S", 12, 34)),
        ("rust_kernel: panicked at drivers/frob.rs:12:5:", SourceLine("drivers/frob.rs", 12, 5)),
        ("kernel BUG at fs/frob.c", None),
        ("kernel BUG at fs/frob.cc:12", None),
        ("kernel BUG at fs/frob.c:123456789", None),
        ("a" * 1000 + ".c:12", None),
        ("", None),
    ],
)
def test_site(headline: str, site: SourceLine | None) -> None:
    assert site_of(headline) == site


@pytest.mark.parametrize(
    ("text", "executor"),
    [
        ("CPU: 0 PID: 1 Comm: syz.3.45 Not tainted", Executor(3, 45)),
        ("CPU: 0 PID: 1 Comm: syz-executor Not tainted\nCPU: 0 PID: 1 Comm: syz.0.1 Not tainted", Executor(0, 1)),
        ("CPU: 0 PID: 1 Comm: syz.3 Not tainted", None),
        ("CPU: 0 PID: 1 Comm: syz.3.9999999999 Not tainted", None),
        ("Comm: syz.3.45 ", None),
        ("", None),
    ],
)
def test_executor(text: str, executor: Executor | None) -> None:
    assert executor_of(text) == executor
