"""No input makes the parser raise, and none makes it take long: what is bounded is bounded."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernfix.crash import decode, parse
from kernfix.crash.formats import FAMILIES
from kernfix.crash.stretch import MAX_HEADLINES

TESTS = Path(__file__).resolve().parents[1]
LOGS = {path.stem: decode(path.read_bytes()) for path in sorted((TESTS / "crash" / "logs").glob("*.log"))}


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


invariants = load(TESTS / "fuzz" / "invariants.py")


def check(text: str) -> Any:
    """What holds for any text; where the text is what bytes decode to, also for the log in blocks."""
    try:
        data = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return invariants.check_text(text)
    return invariants.check_bytes(data) if decode(data) == text else invariants.check_text(text)


# --- properties ------------------------------------------------------------------------------------------------------------------------

PIECES = [
    *(family.keyword for family in FAMILIES),
    "BUG: KASAN: use-after-free in f+0x1/0x2",
    "Read of size 8 at addr ffff888000000000 by task a/1",
    "WARNING: CPU: 0 PID: 1 at a/b.c:1 f+0x1/0x2",
    "WARNING: possible circular locking dependency detected",
    "INFO: task a:1 blocked for more than 143 seconds.",
    "Call Trace:",
    " f+0x1/0x2 a/b.c:3 [inline]",
    " ? g+0x1/0x2 [m 0123456789abcdef0123456789abcdef]",
    " f a/b.c:3:7 [inline]",
    " f (a/b.c:3)",
    "(f) from [<80000000>] (g+0x1/0x2)",
    "RIP: 0010:f+0x1/0x2",
    "pc : f+0x1/0x2",
    "RAX: 0000000000000000 RBX: ffff888000000000",
    "Code: 00 <0f> 0b",
    "Allocated by task 1:",
    "Freed by task 2:",
    "... acquired at:",
    "1 lock held by a/1:",
    " #0: ffff888000000000 (&a){+.+.}-{0:0}, at: f+0x1/0x2",
    "Sending NMI from CPU 0 to CPUs 1:",
    "NMI backtrace for cpu 1",
    "** replaying previous printk message **",
    "Kernel panic - not syncing: Fatal exception",
    "CPU: 1 UID: 0 PID: 2 Comm: syz.3.4 Not tainted 6.12.0 #1",
    "[    1.000000][   T1] ",
    "[    1.000000][   C1] ",
    "[    1.000000] ",
    "<6>",
    "\x1b[31m",
    "\x1b[",
    "\r",
    "\x00",
    "\udc80",
    "\ud800",
    "\N{GREEK SMALL LETTER ALPHA}",
    "\N{LINE SEPARATOR}",
    "> ",
    "login: ",
    " at: ",
    "{0} {F}",
    "\n",
    "\n",
    "\n",
]


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_scraps_of_reports(text: str) -> None:
    check(text)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=200), st.binary(max_size=200))
def test_noise(text: str, data: bytes) -> None:
    check("BUG: " + text)
    invariants.check_bytes(b"WARNING: " + data)


def _part(log: str) -> st.SearchStrategy[list[str]]:
    lines = log.split("\n")
    place = st.integers(0, len(lines))
    return st.tuples(place, place).map(lambda ends: lines[min(ends) : max(ends)])


PARTS = st.sampled_from(list(LOGS.values())).flatmap(_part)


@settings(deadline=None)
@given(st.lists(PARTS, min_size=1, max_size=5), st.sampled_from(["\n", "\r\n", "\r", "\n\r"]))
def test_parts_of_logs_one_after_the_other(parts: list[list[str]], end: str) -> None:
    check(end.join(line for part in parts for line in part))


@settings(deadline=None)
@given(PARTS, PARTS, st.randoms(use_true_random=False))
def test_parts_of_logs_mixed_line_by_line(one: list[str], other: list[str], chance: Any) -> None:
    parts = [iter(one), iter(other)]
    order = [0] * len(one) + [1] * len(other)
    chance.shuffle(order)
    check("\n".join(next(parts[which]) for which in order))


@settings(deadline=None)
@given(st.sampled_from(list(LOGS.values())), st.data())
def test_logs_with_bytes_that_do_not_belong(log: str, data: st.DataObject) -> None:
    for odd in data.draw(st.lists(st.sampled_from(["\x00", "\r", "\x1b", "\x1b[0m", "\udcff", "\ud800", "\n", "é"]))):
        at = data.draw(st.integers(0, len(log)))
        log = log[:at] + odd + log[at:]
    check(log)


@settings(deadline=None)
@given(st.sampled_from(list(LOGS.values())), st.data())
def test_logs_cut_off_anywhere(log: str, data: st.DataObject) -> None:
    encoded = log.encode("utf-8", "surrogateescape")
    invariants.check_bytes(encoded[: data.draw(st.integers(0, len(encoded)))])


@given(st.binary(max_size=300))
def test_decode_loses_nothing(data: bytes) -> None:
    assert decode(data).encode("utf-8", "surrogateescape") == data


# --- what changes nothing --------------------------------------------------------------------------------------------------------------


def told(text: str) -> list[tuple[object, ...]]:
    return [(crash.title, crash.alt_titles, crash.corrupted, crash.consequence_of) for crash in check(text).crashes]


UNCHANGED: dict[str, Callable[[str], str]] = {
    "carriage returns": lambda log: re.sub(r"\r?\n", "\r\n", log),
    "no line feed at the end": lambda log: log.rstrip("\n"),
    "noise before": lambda log: "[    0.000000] all is well\n" * 100 + log,
    "other callers before": lambda log: "[    0.000000][T99999] all is well\n" * 100 + log,
    "a line of a million characters before": lambda log: "x" * 1_000_000 + "\n" + log,
}


@pytest.mark.parametrize("change", UNCHANGED)
@pytest.mark.parametrize("name", LOGS)
def test_what_does_not_matter_changes_nothing(name: str, change: str) -> None:
    assert told(UNCHANGED[change](LOGS[name])) == told(LOGS[name])


# --- floods ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "BUG: KASAN: use-after-free in f+0x1/0x2",
        "WARNING: CPU: 0 PID: 1 at a/b.c:1 f+0x1/0x2",
        "Oops: invalid opcode: 0000 [#1]",
        "INFO: task a:1 blocked for more than 143 seconds.",
    ],
)
def test_a_flood_of_headlines_is_cut_off_and_said(line: str) -> None:
    log = parse(f"{line}\n" * 2 * MAX_HEADLINES)
    assert len(log.crashes) == MAX_HEADLINES
    assert len(log.problems) == 1


def test_a_headline_behind_a_flood_of_other_lines_is_found() -> None:
    log = check("[    1.000000] all is well\n" * 200_000 + "BUG: KASAN: use-after-free in f+0x1/0x2\n")
    assert [crash.start_line for crash in log.crashes] == [200_000]


MEGABYTE = 1_000_000
LONG = [
    *(
        "x",
        "BUG: ",
        "a.c:1 ",
        "[<",
        " at: ",
        "> ",
        "(",
        "\x00",
        "\r",
        "\x1b[0m",
        "[ 1.000000]",
        "f+0x",
        "<6>",
        "_R",
        "::",
    ),
    *(
        "f+0x1/0x2 ",
        "(f) from [<80000000>] ",
        "[inline] ",
        "in ",
        "CPU: 0 PID: 1 ",
        "a/",
        "0",
        "ffff888000000000 ",
        "\udcff",
    ),
]


@pytest.mark.parametrize("piece", LONG)
def test_a_line_of_a_million_characters(piece: str) -> None:
    long = piece * (MEGABYTE // len(piece))
    check(f"BUG: KASAN: use-after-free in f+0x1/0x2\n{long}\nCall Trace:\n f+0x1/0x2\n")
    check(f"{long}BUG: KASAN: use-after-free in {long}\n")


@pytest.mark.parametrize("times", [1, 3, 50, 2000])
def test_prefixes_nested_deep(times: int) -> None:
    before = "> > > [ 1.2][ T1] <6>** 3 printk messages dropped ** login: " * times
    check(f"{before}BUG: KASAN: use-after-free in f+0x1/0x2\n{before}Call Trace:\n{before} f+0x1/0x2\n")


def test_carriage_returns_alone_end_no_line() -> None:
    log = check("BUG: KASAN: use-after-free in f+0x1/0x2\r" * 20_000)
    assert len(log.crashes) == 1


# --- growth ----------------------------------------------------------------------------------------------------------------------------


def calls(text: str) -> int:
    """How many calls it takes to parse a text: a measure that does not depend on how busy the machine is."""
    made = 0

    def count(frame: object, event: str, of: object) -> None:
        nonlocal made
        made += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        parse(text)
    finally:
        sys.setprofile(None)
    return made


TAGGED = "[    1.000000][   T1] "
REPEATED: dict[str, tuple[str, str]] = {
    "one kind of headline": ("", "WARNING: CPU: 0 PID: 1 at a/b.c:1 f+0x1/0x2\n f+0x1/0x2 a/b.c:3\n"),
    "headlines of a time": ("", "[    1.000000] BUG: KASAN: use-after-free in f+0x1/0x2\n[    1.000000]  f+0x1/0x2\n"),
    "headlines of a caller": ("", f"{TAGGED}WARNING: CPU: 0 PID: 1 at a/b.c:1 f+0x1/0x2\n{TAGGED} f+0x1/0x2\n"),
    "headlines of two callers": (
        "",
        f"{TAGGED}BUG: KASAN: double-free in f+0x1/0x2\n[    1.000000][   T2] kernel BUG at a.c:1\n",
    ),
    "headlines inside of reports": ("", "[    1.000000] unregister_netdevice: waiting for a to become free\n"),
    "the same of a caller": ("", f"{TAGGED}unregister_netdevice: waiting for a to become free\n"),
    "panics": ("", f"{TAGGED}Kernel panic - not syncing: Fatal exception\n"),
    "traps": ("BUG: KASAN: use-after-free in f+0x1/0x2\n", "invalid opcode: 0000 [#1]\n"),
    "stalls": (
        "",
        f"{TAGGED}INFO: rcu_sched self-detected stall\n{TAGGED}Sending NMI from CPU 0 to CPUs 1:\n[    1.000000][   C1] x\n",
    ),
    "callers": ("", "[    1.000000][T@] WARNING: CPU: 0 PID: 1 at a.c:@ f+0x1/0x2\n"),
    "stalls of callers": (
        "",
        "[    1.000000][T@] INFO: rcu_sched self-detected stall\n"
        "[    1.000000][T@] Sending NMI from CPU 0 to CPUs 1:\n[    1.000000][   C1] x\n",
    ),
    "hung tasks": (
        "",
        f"{TAGGED}INFO: task a:1 blocked for more than 143 seconds.\n{TAGGED}Call Trace:\n{TAGGED} f+0x1/0x2\n",
    ),
    "cut copies": ("", "BUG: a\n** replaying previous printk message **\n"),
    "frames": ("BUG: KASAN: use-after-free in f+0x1/0x2\nCall Trace:\n", " f+0x1/0x2\n"),
    "stacks": ("BUG: KASAN: use-after-free in f+0x1/0x2\n", "Allocated by task 1:\n f+0x1/0x2\n"),
    "empty stacks": ("BUG: KASAN: use-after-free in f+0x1/0x2\n", "Call Trace:\n"),
    "register dumps": (
        "BUG: KASAN: use-after-free in f+0x1/0x2\n",
        "RIP: 0010:f+0x1/0x2\nCode: 00 <0f>\nRAX: 0000000000000000\n",
    ),
    "held locks": (
        "INFO: task a:1 blocked for more than 143 seconds.\n",
        "1 lock held by a/1:\n #0: 0 (&a){+.+.}-{0:0}, at: f+0x1/0x2\n",
    ),
    "lock places": ("WARNING: possible recursive locking detected\n", " at: f\n"),
    "races": ("BUG: KCSAN: data-race in f / g\n", "read to 0xffff of 8 bytes by task 1 on cpu 0:\n f+0x1/0x2\n"),
    "noise": ("BUG: KASAN: use-after-free in f+0x1/0x2\n", "all is well\n"),
}
"""How a log begins, and what then comes over and over; ``@`` is a number that counts up."""
FEW, MANY = 300, 1200
MOST_GROWTH = 1.3 * MANY / FEW


@pytest.mark.parametrize("name", REPEATED)
def test_work_grows_as_the_log_does(name: str) -> None:
    head, piece = REPEATED[name]
    few, many = (calls(head + "".join(piece.replace("@", str(no)) for no in range(number))) for number in (FEW, MANY))
    assert many <= MOST_GROWTH * few, f"{few} calls became {many}"


def test_no_headline_no_crash() -> None:
    assert parse("").crashes == ()
    assert parse("all is well\n" * 1000).crashes == ()
