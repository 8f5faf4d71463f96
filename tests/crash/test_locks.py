"""The locks that lockdep says are held, wanted or given back."""

from __future__ import annotations

import pytest

from kernfix.crash.lines import read_lines
from kernfix.crash.locks import held_locks_of
from kernfix.crash.model import HeldLock


def locks(report: str) -> tuple[HeldLock, ...]:
    return held_locks_of(read_lines(0, report.splitlines()))


def check(report: str, *expected: str) -> None:
    """The locks, each written ``task/pid held|wants NAME at FUNCTION+OFFSET`` (with the source line where there is one)."""
    assert [written(lock) for lock in locks(report)] == list(expected)


def written(lock: HeldLock) -> str:
    frame = lock.frame
    at = ""
    if frame:
        offset = "" if frame.offset is None else f"+{frame.offset:#x}"
        at = f" at {frame.function}{offset}" + (f" {frame.file}:{frame.line}" if frame.file else "")
    return f"{lock.task}/{lock.pid} {'held' if lock.held else 'wants'} {lock.name}{at}"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (" #0: ffff888012345678 (&frob->lock){+.+.}-{4:4}, at: take+0x12/0x40", "&frob->lock at take+0x12"),
        (" #0: ffff888012345678 (&frob->lock){+.+.}-{3:3}, at: take+0x12/0x40 fs/f.c:7", "&frob->lock at take+0x12 fs/f.c:7"),
        (" #0: c1234567 (&frob->lock){+.+.}-{4:4}, at: take+0x12/0x40 [frob]", "&frob->lock at take+0x12"),
        (" #0: c1234567 (&frob->lock){+.+.}-{4:4}, at: take (fs/f.c:7)", "&frob->lock at take fs/f.c:7"),
        (" #12:  (frob_mutex){+.+.}, at: [<ffffffff81234567>] take+0x12/0x40", "frob_mutex at take+0x12"),
        (" #0:  (frob_mutex){+.+.+.}, at: [<c036a6dc>]     take+0x12/0x40", "frob_mutex at take+0x12"),
        (" #0: 00000000e891bf2d ((work_completion)(&m->wq)){+.+.}, at: work.part.0+0x1/0x2",
         "(work_completion)(&m->wq) at work.part.0+0x1"),
        (' #0:  ((wq_completion)"events"){+.+.}, at: work+0x1/0x2', '(wq_completion)"events" at work+0x1'),
        (" #0: ffff888012345678 (&sb->s_type->i_mutex_key#3/1){+.+.}-{3:3}, at: take+0x1/0x2",
         "&sb->s_type->i_mutex_key#3/1 at take+0x1"),
        (" #0: ffff888012345678 (&q->q_usage_counter(io)#2){++++}-{0:0}, at: take+0x1/0x2",
         "&q->q_usage_counter(io)#2 at take+0x1"),
        (" #0: ffff888012345678 (&frob->lock){+.+.}-{4:4}, at: 0x0", "&frob->lock"),
        (" #0: ffff888012345678 (&frob->lock){+.+.}-{4:4}", "&frob->lock"),
    ],
)  # fmt: skip
def test_forms_of_a_lock(line: str, expected: str) -> None:
    check(f"1 lock held by kworker/0:1/34:\n{line}", f"kworker/0:1/34 held {expected}")


def test_the_frame_of_a_lock_points_into_the_log() -> None:
    report = (
        "[    1.000000][  T34] 1 lock held by frob/34:\n"
        "[    1.000000][  T34]  #0: ffff888012345678 (l){+.+.}-{4:4}, at: "
        "[<ffffffff81234567>] take+0x12/0x40 [mod 0123456789abcdef] a/f.c:7:3"
    )
    (lock,) = locks(report)
    frame = lock.frame
    assert frame is not None
    assert (frame.span.line, report.splitlines()[1][frame.span.start : frame.span.end]) == (
        1,
        "take+0x12/0x40 [mod 0123456789abcdef] a/f.c:7:3",
    )
    assert (frame.address, frame.offset, frame.size, frame.module, frame.build_id, frame.file, frame.line, frame.column) == (
        "ffffffff81234567", 18, 64, "mod", "0123456789abcdef", "a/f.c", 7, 3,
    )  # fmt: skip


def test_circular_dependency() -> None:
    check(
        "WARNING: possible circular locking dependency detected\n"
        "6.12.0 #1 Not tainted\n"
        "------------------------------------------------------\n"
        "repro/34 is trying to acquire lock:\n"
        "ffff888012345678 (&a->lock){+.+.}-{4:4}, at: one+0x1/0x2\n"
        "\n"
        "but task is already holding lock:\n"
        "ffff888012345679 (&b->lock){+.+.}-{4:4}, at: two+0x3/0x4\n"
        "\n"
        "which lock already depends on the new lock.\n"
        "\n"
        "the existing dependency chain (in reverse order) is:\n"
        "\n"
        "-> #1 (&b->lock){+.+.}-{4:4}:\n"
        "       three+0x5/0x6\n"
        "-> #0 (&a->lock){+.+.}-{4:4}:\n"
        "       four+0x7/0x8\n"
        "\n"
        "2 locks held by repro/34:\n"
        " #0: ffff888012345670 (&c->lock){+.+.}-{4:4}, at: five+0x9/0xa\n"
        " #1: ffff888012345679 (&b->lock){+.+.}-{4:4}, at: two+0x3/0x4\n",
        "repro/34 wants &a->lock at one+0x1",
        "repro/34 held &b->lock at two+0x3",
        "repro/34 held &c->lock at five+0x9",
    )


def test_irq_order_lists_no_dependency_as_held() -> None:
    check(
        "WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected\n"
        "repro/34 [HC0[0]:SC0[0]:HE0:SE1] is trying to acquire:\n"
        " (a_lock){+.+.}, at: [<ffffffff81234567>] one+0x1/0x2\n"
        "\n"
        "and this task is already holding:\n"
        " (b_lock){-...}, at: [<ffffffff81234568>] two+0x3/0x4\n"
        "which would create a new lock dependency:\n"
        " (b_lock){-...} -> (a_lock){+.+.}\n"
        "\n"
        "but this new dependency connects a HARDIRQ-irq-safe lock:\n"
        " (b_lock){-...}\n",
        "repro/34 wants a_lock at one+0x1",
        "repro/34 held b_lock at two+0x3",
    )


def test_inconsistent_state() -> None:
    check(
        "inconsistent {HARDIRQ-ON-W} -> {IN-HARDIRQ-W} usage.\n"
        "repro/34 [HC1[1]:SC0[0]:HE0:SE1] takes:\n"
        "ffff888012345678 (a_lock){?...}-{3:3}, at: one+0x1/0x2\n"
        "{HARDIRQ-ON-W} state was registered at:\n"
        "  two+0x1/0x2\n",
        "repro/34 held a_lock at one+0x1",
    )


@pytest.mark.parametrize("word", ["release", "contend"])
def test_a_lock_that_is_not_held(word: str) -> None:
    check(
        "WARNING: bad unlock balance detected!\n"
        f"repro/34 is trying to {word} lock (a_lock) at:\n"
        "[<ffffffff81234567>] one+0x1/0x2\n"
        "but there are no more locks to release!\n"
        "1 lock held by repro/34:\n"
        " #0: ffff888012345678 (b_lock){+.+.}-{4:4}, at: two+0x3/0x4\n",
        "repro/34 wants a_lock at one+0x1",
        "repro/34 held b_lock at two+0x3",
    )
    check(f"WARNING: bad unlock balance detected!\nrepro/34 is trying to {word} lock (a_lock) at:")


def test_all_locks_of_the_system() -> None:
    check(
        "Showing all locks held in the system:\n"
        "1 lock held by khungtaskd/30:\n"
        " #0: ffffffff8c912345 (rcu_read_lock){....}-{1:3}, at: show+0x1/0x2\n"
        "2 locks held by kworker/u8:3/78:\n"
        " #0: ffff888012345678 (a_lock){+.+.}-{4:4}, at: one+0x1/0x2\n"
        "binder: somebody else's line\n"
        " #1: ffff888012345679 (b_lock){+.+.}-{4:4}, at: two+0x3/0x4\n",
        "khungtaskd/30 held rcu_read_lock at show+0x1",
        "kworker/u8:3/78 held a_lock at one+0x1",
        "kworker/u8:3/78 held b_lock at two+0x3",
    )


def test_a_place_with_inlined_functions_is_that_of_the_code() -> None:
    lead = "ffff888012345678 (a_lock){+.+.}-{4:4}, at: "
    check(
        f"repro/34 is trying to acquire lock:\n"
        f"{lead}lock include/l.h:1 [inline]\n{lead}wrap fs/f.c:2 [inline]\n{lead}one+0x1/0x2 fs/f.c:3\n"
        f"1 lock held by repro/34:\n #0: {lead}lock include/l.h:1 [inline]\n #0: {lead}one+0x1/0x2 fs/f.c:3\n",
        "repro/34 wants a_lock at one+0x1 fs/f.c:3",
        "repro/34 held a_lock at one+0x1 fs/f.c:3",
    )


@pytest.mark.parametrize(
    "report",
    [
        "",
        "BUG: frob",
        # nothing says whose
        " #0: ffff888012345678 (a_lock){+.+.}-{4:4}, at: one+0x1/0x2",
        "but task is not:\nffff888012345678 (a_lock){+.+.}-{4:4}, at: one+0x1/0x2",
        # too far below
        "1 lock held by repro/34:\n" + "x\n" * 50 + " #0: ffff888012345678 (a_lock){+.+.}-{4:4}, at: one+0x1/0x2",
        # no lock
        "1 lock held by repro/34:\nint f(){ return 1; }",
        "no locks held by repro/34.",
        "1 lock held by repro/34:\n #0: <RELEASED>",
        "1 lock held by repro/34:\n" + "(" * 900 + "){",
        "a" * 900 + "/1 is trying to acquire lock:\n (a_lock){+.+.}, at: one+0x1/0x2",
        "bad " + "\n" + " " * 900 + "x/1 is trying to release lock (",
    ],
)
def test_no_lock(report: str) -> None:
    assert locks(report) == ()


def test_the_holder_may_be_unknown() -> None:
    check("but task is already holding lock:\n (a_lock){+.+.}, at: one+0x1/0x2", "None/None held a_lock at one+0x1")
