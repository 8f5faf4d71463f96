"""The source file to blame."""

from __future__ import annotations

import pytest

from kernfix.crash.guilty import guilty_file
from kernfix.crash.rules import rx


def check(guilty: str | None, *lines: str, after: str | None = None) -> None:
    assert guilty_file(list(lines), rx(after) if after else None) == guilty


def test_the_first_file() -> None:
    check("fs/frob.c", " frob+0x1/0x2 fs/frob.c:12", " nob+0x1/0x2 net/nob.c:3")


@pytest.mark.parametrize(
    "lines", [[], [""], [" frob+0x1/0x2"], ["fs/frob.c"], ["fs/frob.c:"], ["fs/frob.rs:12"], ["frob.com:80"]]
)
def test_none(lines: list[str]) -> None:
    check(None, *lines)


BORING = """
    include/linux/frob.h fs/frob.h lib/list_debug.c lib/frob/nob.c virt/lib/frob.c mm/kasan/report.c mm/kmsan/hooks.c
    kernel/locking/lockdep.c kernel/rcu/tree.c kernel/sched/core.c trusty/frob.c mm/percpu.c mm/percpu-vm.c
    mm/slab.c mm/slub.c mm/slab_common.c mm/filemap.c mm/folio-compat.c mm/truncate.c mm/memory.c mm/vmalloc.c mm/page_alloc.c
    mm/mempool.c mm/util.c
    kernel/kcov.c kernel/panic.c kernel/printk/printk.c kernel/softirq.c kernel/kthread.c kernel/stacktrace.c kernel/workqueue.c
    kernel/time/timer.c
    net/core/dev.c net/core/sock.c net/core/skbuff.c fs/proc/generic.c drivers/usb/core/urb.c
    arch/x86/kernel/traps.c arch/x86/kernel/unwind_orc.c arch/x86/mm/fault.c arch/arm64/mm/fault.c arch/x86/mm/physaddr.c
    arch/arm64/kernel/stacktrace.c arch/x86/kernel/apic/apic.c arch/arm64/lib/crc32.c arch/arm64/kernel/entry.c
    arch/arm64/kernel/process.c
"""

TELLING = """
    fs/frob.c library/frob.c fs/lib/frob.c mm/mmap.c mm/gup.c mm/memory_hotplug.c mm/slabinfo.c mm/frob/slub.c
    kernel/fork.c kernel/bpf/core.c kernel/panics.c net/core/devlink.c net/core/filter.c net/ipv4/dev.c fs/proc/base.c
    drivers/usb/core/hub.c drivers/frob/traps.c arch/x86/kvm/x86.c arch/x86/mm/init.c arch/x86/kernel/process.c
"""


@pytest.mark.parametrize("path", BORING.split())
def test_dull_files_are_passed_over(path: str) -> None:
    check("fs/frob.c", f" a+0x1/0x2 {path}:12", " frob+0x1/0x2 fs/frob.c:3")


@pytest.mark.parametrize("path", TELLING.split())
def test_other_files_are_not(path: str) -> None:
    check(path, f" a+0x1/0x2 {path}:12", " z+0x1/0x2 zoo/frob.c:3")


def test_where_all_are_dull_the_first_is_better_than_none() -> None:
    check(
        "mm/slub.c", " a mm/slub.c:12 [inline]", " b+0x1/0x2 kernel/kthread.c:3", " c include/linux/frob.h:3 [inline]"
    )


@pytest.mark.parametrize(
    "line",
    [
        "hardirqs last  enabled at (12): [<ffffffff81234567>] nob+0x1/0x2 net/nob.c:12".replace("  ", " "),
        "hardirqs last disabled at (12): [<ffffffff81234567>] nob+0x1/0x2 net/nob.c:12",
        "softirqs last enabled at (12): nob net/nob.c:12 [inline]",
        "softirqs last disabled at (12): nob net/nob.c:12 [inline]",
        " #0: ffff888000000000 (&nob->lock){+.+.}-{3:3}, at: nob+0x1/0x2 net/nob.c:12",
        "#12: 00000000abcdef01 (nob_lock){....} at nob net/nob.c:12",
        "Register r3 information: nob+0x1/0x2 net/nob.c:12",
        "Register x12 information: nob+0x1/0x2 net/nob.c:12",
    ],
)
def test_lines_about_locks_and_registers_tell_nothing(line: str) -> None:
    check("fs/frob.c", line, " frob+0x1/0x2 fs/frob.c:3")


@pytest.mark.parametrize(
    "line",
    [
        " nob+0x1/0x2 net/nob.c:12",
        "hardirqs frobbed at (12): nob net/nob.c:12",
        "but task is already holding lock at: net/nob.c:12",
        "Registers: net/nob.c:12",
    ],
)
def test_lines_that_only_look_like_that(line: str) -> None:
    check("net/nob.c", line, " frob+0x1/0x2 fs/frob.c:3")


@pytest.mark.parametrize(
    ("guilty", "paths"),
    [
        ("fs/ext4/dir.c", ["fs/namei.c", "fs/ext4/dir.c"]),
        ("fs/ext4/dir.c", ["fs/namei.c", "net/frob.c", "fs/ext4/dir.c"]),
        ("fs/ext4/a/b.c", ["fs/namei.c", "fs/ext4/dir.c", "fs/ext4/a/b.c"]),
        ("fs/ext4/dir.c", ["fs/namei.c", "fs/ext4/dir.c", "fs/xfs/dir.c"]),
        ("fs/ext4/dir.c", ["fs/ext4/dir.c", "fs/namei.c"]),
        ("fs/ext4/dir.c", ["fs/ext4/dir.c", "fs/ext4/file.c"]),
        ("fs/ext4/dir.c", ["fs/ext4/dir.c", "fs/ext42/file.c"]),
        ("fs/namei.c", ["fs/namei.c", "fs/file.c", "fsfs/ext4/a.c"]),
        ("fs/namei.c", ["fs/namei.c", "fs/ext4/frob.h", "fs/proc/generic.c"]),
    ],
)
def test_deeper_path(guilty: str, paths: list[str]) -> None:
    check(guilty, *(f" f+0x1/0x2 {path}:12" for path in paths))


def test_only_the_first_path_of_a_line_counts() -> None:
    check("fs/frob.c", " a include/nob.h:3 net/nob.c:12", " b fs/frob.c:12")


@pytest.mark.parametrize(
    ("printed", "path"),
    [
        ("./fs//frob.c", "fs/frob.c"),
        ("fs/nob/../frob.c", "fs/frob.c"),
        ("../fs/frob.c", "fs/frob.c"),
        ("/home/frob/linux/fs/frob.c", "/home/frob/linux/fs/frob.c"),
        ("./mm/slub.c", "mm/slub.c"),
    ],
)
def test_paths_are_cleaned(printed: str, path: str) -> None:
    check(path, f" frob+0x1/0x2 {printed}:12")


LINES = (" a+0x1/0x2 kernel/watch.c:12", " irq+0x1/0x2", " b+0x1/0x2 fs/frob.c:3")


@pytest.mark.parametrize(
    ("after", "guilty"),
    [(None, "kernel/watch.c"), (r"irq\+0x", "fs/frob.c"), (r"b\+0x", "kernel/watch.c"), ("nothing", "kernel/watch.c")],
)
def test_the_lines_below_the_interrupt_first(after: str | None, guilty: str) -> None:
    check(guilty, *LINES, after=after)
