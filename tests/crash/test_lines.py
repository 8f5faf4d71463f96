"""What stands before the kernel's own words."""

from __future__ import annotations

import pytest

from kernfix.crash.lines import CONSOLE, LINE_LIMIT, PLAIN, read_line


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
        ("[not a time] x", "[not a time] x", PLAIN),
        ("", "", PLAIN),
    ],
)
def test_read_line(raw: str, body: str, context: str) -> None:
    line = read_line(7, raw)
    assert (line.number, line.body, line.context) == (7, body, context)


def test_span_counts_the_columns_of_the_raw_line() -> None:
    raw = "\x1b[32m[    1.234567] \x1b[0mBUG: \x1b[31mfrob\x1b[0m!"
    line = read_line(3, raw)
    start = line.body.index("frob")
    span = line.span(start, start + 4)
    assert (span.line, raw[span.start : span.end]) == (3, "frob")


def test_a_long_line_is_cut() -> None:
    assert len(read_line(0, "x" * 1_000_000).body) == LINE_LIMIT
