"""Is a report whole?"""

from __future__ import annotations

import pytest

from kernfix.crash import parse
from kernfix.crash.corruption import TIMESTAMP, torn_stack, torn_title
from kernfix.crash.report import reports
from kernfix.crash.stretch import Cutter

MISSED = "call trace is missed"
NO_FRAMES = "no frames in a stack trace"
NO_STACK = "no stack trace in report"
TRACE = "Call Trace:\n frob+0x1/0x2\n nob+0x1/0x2\n hob+0x1/0x2\n"


def check(text: str, reason: str | None) -> None:
    cutter = Cutter()
    (only,) = (one for each in (*cutter.feed(f"BUG: a\n{text}"), *cutter.finish()) for one in reports(each))
    assert torn_stack(only.words()[1]) == reason


def check_crash(text: str, reason: str | None) -> None:
    assert parse(text).crashes[0].corrupted == reason


# --- stacks ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", NO_STACK),
        ("frob+0x1/0x2\nnob+0x1/0x2\n", NO_STACK),
        ("RIP: 0010:frob+0x1/0x2\n" * 5, NO_STACK),
        ("NMI backtrace for cpu 1\n frob+0x1/0x2\nx\nx\n", NO_STACK),
        ("Uninit was created at:\n frob+0x1/0x2\nx\nx\n", NO_STACK),
        ("stack backtrace:\n frob+0x1/0x2\nx\nx\n", NO_STACK),
        (TRACE, None),
        ("Call Trace:\n", MISSED),
        ("Call Trace:\n frob+0x1/0x2\n", MISSED),
        ("Call Trace:\nx\ny\nz\n", NO_FRAMES),
        ("Call Trace:\n" + "x\n" * 14 + " frob+0x1/0x2\n", None),
        ("Call Trace:\n" + "x\n" * 15 + " frob+0x1/0x2\n", NO_FRAMES),
        ("Call Trace:\n(stack is not available)\nx\nx\n", None),
        ("Call Trace:\nRIP: 0010:frob+0x1/0x2\nx\nx\n", NO_FRAMES),
        ("Call Trace:\n frob fs/frob.c:12 [inline]\nx\nx\n", NO_FRAMES),
        ("Call Trace:\n frob fs/frob.c:12 [inline]\n nob+0x1/0x2\nx\n", None),
        (f"Call Trace:\nx\nFreed by task 3:\n{TRACE}", NO_FRAMES),
        (f"{TRACE}Call Trace:\n", None),  # only the first of each kind
        (f"{TRACE}Allocated by task 3:\n", MISSED),
        (f"{TRACE}Freed by task 3:\n", MISSED),
        (f"{TRACE}Freed by task 3:\nx\ny\nz\n", NO_FRAMES),
        (f"{TRACE}Freed by task 3:\n(stack is not available)\n\n\n", None),
        (f"{TRACE}Allocated by task 3:\n a+0x1/0x2\n\n\nFreed by task 3:\n b+0x1/0x2\n\n\n", None),
        (f"{TRACE}Uninit was stored to memory at:\nx\ny\nz\n", NO_FRAMES),
        (f"{TRACE}  backtrace:\nx\ny\nz\n", NO_FRAMES),
        ("Backtrace:\n f from g+0x1/0x2\nx\nx\n", None),
        ("status: 0000000000000120 badaddr: 0000000000000008 cause: 000000000000000d\nx\nx\nx\n", None),
        ("status: 0000000000000120 badaddr: 0000000000000008 cause: 000000000000000d\n", MISSED),
    ],
)  # fmt: skip
def test_torn_stack(text: str, reason: str | None) -> None:
    check(text, reason)


# --- titles ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("title", ["KASAN: [   41.500000] use-after-free", "BUG: a[1.000000]", "[12345.123456]"])
def test_torn_title(title: str) -> None:
    assert torn_title(title) == "title contains timestamp"


@pytest.mark.parametrize("title", ["", "BUG: a", "BUG: a [1.5]", "BUG: [  T12] a", "BUG: 1.000000", "BUG: [ 1.00000a]"])
def test_whole_title(title: str) -> None:
    assert torn_title(title) is None


# --- each reason, in a crash -----------------------------------------------------------------------------------------------------------

KASAN = "BUG: KASAN: use-after-free in frob+0x1/0x2\nRead of size 8 at addr ffff888000000000 by task frob/1\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (KASAN + TRACE, None),
        (KASAN, NO_STACK),
        (KASAN + "Call Trace:\n", MISSED),
        (KASAN + "Call Trace:\nx\ny\nz\n", NO_FRAMES),
        ("kernel BUG at fs/frob.c:12!\nx\n", "extracted no frames"),
        (
            "kernel BUG at fs/frob.c:12!\nCall Trace:\n should_fail+0x1/0x2\n frob+0x1/0x2\nx\n",
            "extracted no frames",
        ),
        ("Kernel panic - not syncing: panic_on_warn set ...\n" + TRACE, "report format is marked as corrupted"),
        ("INFO:\n" + TRACE, "report format is marked as corrupted"),
        ("WARNING: inconsistent lock state\n" + TRACE, "matched title but not report regexp"),
        (KASAN + TRACE + "serialport: VM disconnected.\n", "serial port was disconnected"),
        ("serialport: VM disconnected.\n" + KASAN + TRACE, "serial port was disconnected"),
        (KASAN + TRACE + "serialport: VM connected.\n", None),
    ],
)
def test_reasons(text: str, reason: str | None) -> None:
    check_crash(text, reason)


@pytest.mark.parametrize(
    "text",
    [
        "BUG: KMSAN: uninit-value in frob+0x1/0x2\n frob+0x1/0x2\n",
        "BUG: KCSAN: data-race in frob / nob\n",
        "BUG: KFENCE: invalid free in frob+0x1/0x2\n",
        "BUG: KFENCE: memory corruption in frob+0x1/0x2\n",
        "BUG: Bad rss-counter state mm:12 idx:0 val:3\n",
        "BUG: non-zero nr_ptes on freeing mm: 3\n",
        "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 33s!\n",
        "WARNING: kernel stack regs at ffff888000000000 in frob:12 has bad 'bp' value 00000000abcdef01\n",
        "Booting the kernel.\n",
        "unregister_netdevice: waiting for frob0 to become free. Usage count = 3\n",
        "VFS: Busy inodes after unmount of frob0\n",
        "trusty: panic (caller 0xffff): no frob\n",
        "SYZFAIL: no frob\n",
        "panic: no frob\n",
        "fatal error: all goroutines are asleep\n",
        "BUG: frob is odd\n",
    ],
)
def test_what_needs_no_stack(text: str) -> None:
    check_crash(text, None)
    (crash,) = parse(text).crashes
    assert ("there is no stack trace in this report" in crash.problems) == (crash.title == "BUG: frob is odd")


@pytest.mark.parametrize(
    "text", [KASAN, "BUG: Bad page map in process frob\n", "UBSAN: shift-out-of-bounds in fs/frob.c:12:3\n"]
)
def test_what_does(text: str) -> None:
    (crash,) = parse(text).crashes
    assert crash.corrupted
    assert "there is no stack trace in this report" in crash.problems


# --- lines that nothing tells apart ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lead", "said"),
    [("", True), ("[    1.000000] ", True), ("[    1.000000][   T1] ", False)],
)
def test_mixed_lines_are_said(lead: str, said: bool) -> None:
    lines = [*f"{KASAN}{TRACE}".splitlines(), "eth7: [    1.500000] link is up"]
    (crash,) = parse("".join(f"{lead}{line}\n" for line in lines)).crashes
    assert any("mixed" in problem for problem in crash.problems) is said


def test_a_time_stamp_in_the_title_is_seen_before_numbers_are_taken_out() -> None:
    (crash,) = parse("BUG: frob [   41.500000] nob\n").crashes
    assert crash.corrupted == TIMESTAMP
