"""What stands before the kernel's own words."""

from __future__ import annotations

import pytest

from kernfix.crash.lines import CONSOLE, LINE_LIMIT, PLAIN, read_lines
from kernfix.crash.model import Span


@pytest.mark.parametrize(
    ("raw", "body", "context"),
    [
        ("BUG: x", "BUG: x", PLAIN),
        ("[    1.234567] BUG: x", "BUG: x", CONSOLE),
        ("[    1.234567]  frob+0x1/0x2", " frob+0x1/0x2", CONSOLE),
        ("[    1.234567][  T123] BUG: x", "BUG: x", "T123"),
        ("[    1.234567] [    C1] BUG: x", "BUG: x", "C1"),
        ("[  T123] BUG: x", "BUG: x", "T123"),
        ("<6>[    1.234567] BUG: x", "BUG: x", CONSOLE),
        ("<4>BUG: x", "BUG: x", PLAIN),
        ("** 17 printk messages dropped ** [    1.234567] BUG: x", "BUG: x", CONSOLE),
        ("lab login: [    1.234567][   T12] BUG: x", "BUG: x", "T12"),
        ("lab login: root", "lab login: root", PLAIN),
        ("> > [    1.234567] BUG: x", "BUG: x", CONSOLE),
        ("Mar  3 10:02:11 lab kernel: BUG: x", "BUG: x", CONSOLE),
        ("2025-03-03T10:02:11.123456+01:00 lab kernel: [    1.234567] BUG: x", "BUG: x", CONSOLE),
        ("[Mon Mar  3 10:02:11 2025] BUG: x", "BUG: x", CONSOLE),
        ("\x00\x00[    1.234567] BUG: x\r\r", "BUG: x", CONSOLE),
        ("\x1b[32m[    1.234567] \x1b[0mBUG: \x1b[31mx\x1b[0m", "BUG: x", CONSOLE),
        # levels: dmesg --raw, dmesg -x, serial consoles, pstore
        ("<4>[    1.234567] BUG: x", "BUG: x", CONSOLE),
        ("<4>[    1.234567][   T12] BUG: x", "BUG: x", "T12"),
        ("kern  :warn  : [    1.234567] BUG: x", "BUG: x", CONSOLE),
        ("user  :notice: [    1.234567] BUG: x", "BUG: x", CONSOLE),
        # times: dmesg -T, -d, --time-format=iso, and hours of uptime
        ("[Mon Mar 13 10:02:11 2025]  frob+0x1/0x2", " frob+0x1/0x2", CONSOLE),
        ("[    1.234567 <    0.000211>] BUG: x", "BUG: x", CONSOLE),
        ("2025-03-03T10:02:11,123456+01:00 BUG: x", "BUG: x", CONSOLE),
        ("[123456.789012] BUG: x", "BUG: x", CONSOLE),
        # journalctl -k -o short, short-iso, short-monotonic; kern.log
        ("Mar 03 10:02:11 lab kernel:  frob+0x1/0x2", " frob+0x1/0x2", CONSOLE),
        ("2025-03-03T10:02:11+0100 lab kernel: BUG: x", "BUG: x", CONSOLE),
        ("[    1.234567] lab kernel: BUG: x", "BUG: x", CONSOLE),
        ("Mar  3 10:02:11 lab.example.org kernel: [    1.234567] BUG: x", "BUG: x", CONSOLE),
        ("Mar  3 10:02:11 lab kernel: [    1.234567] [   T12] BUG: x", "BUG: x", "T12"),
        # /dev/kmsg, extended netconsole
        ("4,1234,5678901,-;BUG: x", "BUG: x", CONSOLE),
        ("4,1234,5678901,c; frob+0x1/0x2", " frob+0x1/0x2", CONSOLE),
        ("4,1234,5678901,-,caller=T123;BUG: x", "BUG: x", "T123"),
        ("4,1234,5678901,-,caller=C1,ncfrag=0/33;BUG: x", "BUG: x", "C1"),
        ("6.12.9,4,1234,5678901,-;BUG: x", "BUG: x", CONSOLE),
        # what terminal programs and test harnesses put in front
        ("[2025-03-03 10:02:11.123] [    1.234567] BUG: x", "BUG: x", CONSOLE),
        ("[10:02:11.123] [    1.234567] BUG: x", "BUG: x", CONSOLE),
        ("2025-03-03T10:02:11.120034 [    1.234567] BUG: x", "BUG: x", CONSOLE),
        ("2025-03-03T10:02:11.1200344Z [    1.234567][    C3] BUG: x", "BUG: x", "C3"),
        # mail
        ("> [    1.234567][   T12] BUG: x", "BUG: x", "T12"),
        (">> > [    1.234567] BUG: x", "BUG: x", CONSOLE),
        ("> BUG: x", "BUG: x", PLAIN),
        # serial lines
        ("[    1.234567] BUG: x\r", "BUG: x", CONSOLE),
        ("\r[    1.234567] BUG: x", "BUG: x", CONSOLE),
        ("** 3 printk messages dropped **", "", PLAIN),
        # nearly a prefix
        ("[    1.234567] [ X12] BUG: x", "[ X12] BUG: x", CONSOLE),
        ("Mar  3 10:02:11 lab sshd[12]: BUG: x", "Mar  3 10:02:11 lab sshd[12]: BUG: x", PLAIN),
        ("4,1234,-;BUG: x", "4,1234,-;BUG: x", PLAIN),
        ("====1740992531.123456-D", "====1740992531.123456-D", PLAIN),
        ("Oops#1 Part1", "Oops#1 Part1", PLAIN),
        ("[not a time] x", "[not a time] x", PLAIN),
        ("", "", PLAIN),
    ],
)
def test_read_line(raw: str, body: str, context: str) -> None:
    lines = read_lines(7, [raw, "other", raw])
    assert (lines.numbers[2], lines.bodies[2], lines.contexts[2]) == (9, body, context)


def test_lines_by_context() -> None:
    one, other = "[    1.000000][   T1] ", "[    1.000000][   C1] "
    lines = read_lines(5, [one + "a", other + "b", "\x1b[1m" + one + "c", "d"])
    by_context = lines.by_context()
    assert {context: [*its.numbers] for context, its in by_context.items()} == {"T1": [5, 7], "C1": [6], PLAIN: [8]}
    assert by_context["T1"].bodies == ["a", "c"]
    assert by_context["T1"].span(1, 0, 1) == lines.span(2, 0, 1) == Span(7, 26, 27)
    assert read_lines(5, [one + "a", one + "c"]).by_context().keys() == {"T1"}
    assert read_lines(5, []).by_context() == {}


def test_lines_between_others() -> None:
    lines = read_lines(5, [*"abcd"]).between(1, 3)
    assert (*lines.numbers,) == (6, 7)
    assert (lines.bodies, lines.begins, lines.contexts) == (["b", "c"], [0, 0], [PLAIN, PLAIN])


def test_span_counts_the_columns_of_the_raw_line() -> None:
    raw = "\x1b[32m[    1.234567] \x1b[0mBUG: \x1b[31mfrob\x1b[0m!"
    lines = read_lines(3, [raw])
    start = lines.bodies[0].index("frob")
    span = lines.span(0, start, start + 4)
    assert (span.line, raw[span.start : span.end]) == (3, "frob")


def test_a_long_line_is_cut() -> None:
    assert len(read_lines(0, ["x" * 1_000_000]).bodies[0]) == LINE_LIMIT
