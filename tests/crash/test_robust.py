"""No input makes the parser raise, and none makes it take long: what is bounded is bounded."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernfix.crash import decode, parse, to_json
from kernfix.crash.formats import FAMILIES
from kernfix.crash.stretch import MAX_HEADLINES

PIECES = [
    *(family.keyword for family in FAMILIES),
    "BUG: KASAN: use-after-free in f+0x1/0x2",
    "Read of size 8 at addr ffff888000000000 by task a/1",
    "WARNING: CPU: 0 PID: 1 at a/b.c:1 f+0x1/0x2",
    "Call Trace:",
    " f+0x1/0x2 a/b.c:3 [inline]",
    " ? g+0x1/0x2 [m]",
    " f a/b.c:3 [inline]",
    "RIP: 0010:f+0x1/0x2",
    "RAX: 0000000000000000 RBX: ffff888000000000",
    "Allocated by task 1:",
    "Freed by task 2:",
    "... acquired at:",
    "Sending NMI from CPU 0 to CPUs 1:",
    "** replaying previous printk message **",
    "Kernel panic - not syncing: Fatal exception",
    "[    1.000000][   T1] ",
    "[    1.000000][   C1] ",
    "[    1.000000] ",
    "\x1b[31m",
    "\x1b[",
    "\r",
    "\x00",
    "\udc80",
    "\ud800",
    "\N{GREEK SMALL LETTER ALPHA}",
    "> ",
    "login: ",
    " at: ",
    "{0} {F}",
    "\n",
    "\n",
    "\n",
]


def check(text: str) -> None:
    log = parse(text)
    json.dumps([to_json(crash) for crash in log.crashes])
    lines = text.split("\n")
    starts = [crash.start_line for crash in log.crashes]
    assert starts == sorted(starts)
    for crash in log.crashes:
        assert 0 <= crash.start_line <= crash.end_line < len(lines)
        for frame in (frame for stack in crash.stacks for frame in stack.frames):
            span = frame.span
            assert frame.function in lines[span.line][span.start : span.end].replace("\x1b[31m", "")


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_never_raises_on_scraps_of_reports(text: str) -> None:
    check(text)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=200), st.binary(max_size=200))
def test_never_raises_on_noise(text: str, data: bytes) -> None:
    check("BUG: " + text)
    check("WARNING: " + decode(data))


@given(st.binary(max_size=300))
def test_decode_loses_nothing(data: bytes) -> None:
    assert decode(data).encode("utf-8", "surrogateescape") == data


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
    log = parse(f"{line}\n" * 200_000)
    assert len(log.crashes) <= MAX_HEADLINES
    assert len(log.problems) == 1


@pytest.mark.parametrize(
    "piece", ["x", "BUG: ", "a.c:1 ", "[<", " at: ", "> ", "(", "\x00", "\x1b[0m", "[ 1.000000]", "f+0x"]
)
def test_a_line_of_a_million_characters(piece: str) -> None:
    check(
        "BUG: KASAN: use-after-free in f+0x1/0x2\n" + piece * (1_000_000 // len(piece)) + "\nCall Trace:\n f+0x1/0x2\n"
    )


def test_a_flood_of_contexts() -> None:
    check("".join(f"[    1.000000][T{no}] WARNING: CPU: 0 PID: 1 at a.c:{no} f+0x1/0x2\n" for no in range(20_000)))


def test_no_headline_no_crash() -> None:
    assert parse("").crashes == ()
    assert parse("all is well\n" * 1000).crashes == ()
