"""What holds for all of a log, wherever it stands."""

from __future__ import annotations

import pytest

from kernfix.crash import Crash, parse
from kernfix.crash.whole import Whole

BUG = "BUG: frob is odd\n"


def seen(*texts: str) -> Whole:
    whole = Whole()
    first = 0
    for text in texts:
        whole.see(text, first)
        first += text.count("\n")
    return whole


def only(text: str) -> Crash:
    (crash,) = (crash for crash in parse(text).crashes if crash.title == "BUG: frob is odd")
    return crash


SUPPRESSED: tuple[tuple[str, str], ...] = (
    ("fatal error: runtime: out of memory", "fatal error: runtime: out of frobs"),
    ("fatal error: runtime: cannot allocate memory", "fatal error: runtime: cannot allocate a frob"),
    ("fatal error: newosproc", "fatal error: oldosproc"),
    ("fatal error: unexpected signal during runtime execution", "fatal error: unexpected signal during execution"),
    ("panic: mmap: cannot allocate memory", "panic: mmap: cannot allocate frobs"),
    ("panic: failed to start executor binary", "panic: failed to start frob"),
    ("panic: executor 3: failed to start executor binary", "panic: executor 3: failed"),
    ("panic: executor 3: pthread_create failed", "panic: executor 3: thread failed"),
    ("panic: failed to create temp dir: no space", "panic: failed to create a dir"),
    ("signal SIGBUS: bus error", "signal SIGBUS"),
    ("SYZFAIL: SIGBUS", "SYZFAIL: SIGSEGV"),
    ("Out of memory: Kill process 12 (syz-executor) score 3", "Out of memory: Kill process 12 (bash) score 3"),
    ("Out of memory: Killed process 12 (syz-executor.3)", "Out of memory: Killed process 12 (dash)"),
    ("Memory cgroup out of memory: Killed process 12 (sshd)", "Memory cgroup out of memory: Killed process 12 (frobd)"),
    ("Killed process 12 (syz-executor) total-vm:3kB", "Killed process 12 (frob-executor) total-vm:3kB"),
    ("Killed process 12 (sshd) total-vm:3kB", "Killed process sshd (12) total-vm:3kB"),
    ("lowmemorykiller: Killing 'syz-executor' (12)", "lowmemorykiller: Killing 'zygote' (12)"),
    ("lowmemorykiller: Killing 'sshd' (12)", "lowmemorykiller: sshd (12)"),
    ("INIT: PANIC: segmentation violation! sleeping", "INIT: PANIC: frob violation! sleeping"),
    ("*** stack smashing detected ***: terminated", "*** stack smashing detected ***: <unknown> frobbed"),
)
"""A message of a failing machine or fuzzer, and one much like it."""


@pytest.mark.parametrize(("message", "near"), SUPPRESSED, ids=[message for message, _ in SUPPRESSED])
def test_suppressed(message: str, near: str) -> None:
    assert seen(f"x\n[    1.000000] {message}\ny").suppressed
    assert not seen(f"x\n[    1.000000] {near}\ny").suppressed
    for text in (f"{message}\n{BUG}", f"{BUG}{message}\n", BUG + "noise\n" * 30_000 + message):
        assert only(text).suppressed
    assert not only(f"{near}\n{BUG}{near}\n").suppressed


def test_a_message_in_two_lines_is_none() -> None:
    assert not seen("fatal error:\nout of memory").suppressed
    assert not seen("panic: mmap\ncannot allocate memory").suppressed


def test_seen_stays_seen() -> None:
    whole = seen("SYZFAIL: SIGBUS\nserialport: VM disconnected.\n", "x\n", "y\n")
    assert (whole.suppressed, whole.disconnected) == (True, True)
    assert (seen("x\n").suppressed, seen("x\n").disconnected) == (False, False)


# --- panics ----------------------------------------------------------------------------------------------------------------------------

PANIC = "[    1.000000] Kernel panic - not syncing: frob\n"


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        ([], -1),
        (["x\n"], -1),
        ([PANIC], 0),
        (["x\ny\n", PANIC], 2),
        ([PANIC, "x\n", f"y\n{PANIC}z\n", "x\n"], 3),
        ([f"{PANIC}{PANIC}x\n"], 1),
        (["Kernel panic\n", "kernel panic - not syncing: frob\n"], -1),
    ],
)
def test_the_last_panic(texts: list[str], line: int) -> None:
    assert seen(*texts).last_panic == line


@pytest.mark.parametrize(
    ("text", "panicked"),
    [
        (BUG, False),
        (BUG + PANIC, True),
        (BUG + "noise\n" * 30_000 + PANIC, True),
        (PANIC + BUG, False),  # the machine was started again
    ],
)
def test_panicked(text: str, panicked: bool) -> None:
    assert only(text).panicked is panicked


# --- the console and the machine -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "lost"), [("serialport: VM disconnected.", True), ("serialport: VM disconnected", False)]
)
def test_disconnected(text: str, lost: bool) -> None:
    assert seen(text).disconnected is lost
    assert only(f"{BUG}{text}\n").corrupted == ("serial port was disconnected" if lost else None)


def test_the_architecture_is_that_of_all_crashes() -> None:
    told = "WARNING: CPU: 0 PID: 1 at fs/frob.c:1 frob+0x1/0x2\nRIP: 0010:frob+0x1/0x2\n"
    assert [crash.arch for crash in parse(told + BUG).crashes] == ["x86_64", "x86_64"]
    assert only(BUG).arch is None
