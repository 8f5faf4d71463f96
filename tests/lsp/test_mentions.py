"""What a log names of the code outside of its stacks."""

from __future__ import annotations

import pytest
from lsprotocol import types
from pygls.workspace import PositionCodec

from kernfix import crash
from kernfix.lsp.analysis import Analysis
from kernfix.lsp.mentions import mention_at, mentions
from kernfix.lsp.text import Text
from kernfix.source import Located, LocatedStack, Location

LOCKDEP = """\
[    3.000001] ======================================================
[    3.000002] WARNING: possible circular locking dependency detected
[    3.000003] 6.12.0 #1 Not tainted
[    3.000004] ------------------------------------------------------
[    3.000005] fox/57 is trying to acquire lock:
[    3.000006] ffff888003d359a0 (&den->lock){+.+.}-{3:3}, at: fox_open+0x3f/0x1c0
[    3.000007]
[    3.000008] but task is already holding lock:
[    3.000009] ffff888003d35aa0 (&hen->lock){+.+.}-{3:3}, at: hen_open+0x1f/0x40 drivers/misc/hen.c:7
[    3.000010]
[    3.000011] which lock already depends on the new lock.
[    3.000012] stack backtrace:
[    3.000013] Call Trace:
[    3.000014]  <TASK>
[    3.000015]  fox_open+0x3f/0x1c0
[    3.000016]  hen_open+0x1f/0x40
[    3.000017]  </TASK>
"""


def analysis(log: str, *, located: bool = True) -> Analysis:
    """A log in which everything is located, at a line of its own."""
    found = crash.parse(log).faults
    places = tuple(
        Located(
            tuple(LocatedStack(tuple(at(frame.function) for frame in stack.frames)) for stack in each.stacks),
            at("site") if each.site else None,
            locks=tuple(at("lock") if lock.frame else None for lock in each.locks),
        )
        for each in found
    )
    text = Text(log, PositionCodec(types.PositionEncodingKind.Utf16))
    return Analysis("file:///x", text, found, located=places if located else ())


def at(name: str) -> Location:
    return Location(f"{name}.c", 1, "log", 1.0, "the log says so", "")


def told(found: Analysis) -> list[tuple[int, str, str | None]]:
    """Every mention: its line, its words, and where it leads to."""
    return [
        (line, found.text.lines[line][each.span.start : each.span.end], each.location and each.location.path)
        for line, there in sorted(found.once(mentions).items())
        for each in there
    ]


@pytest.mark.parametrize(
    ("headline", "frames", "expected"),
    [
        (
            "BUG: KASAN: slab-use-after-free in fox_read+0x4a/0x90 drivers/misc/fox.c:35",
            "fox_read+0x4a/0x90",
            [("drivers/misc/fox.c:35", "site.c"), ("fox_read+0x4a/0x90", "fox_read.c")],
        ),
        ("BUG: KASAN: slab-use-after-free in fox_read+0x4a/0x90", "fox_read+0x4a/0x90", [("fox_read+0x4a/0x90", "fox_read.c")]),
        ("BUG: KASAN: null-ptr-deref in fox.isra.0+0x4a/0x90", "fox.isra.0+0x4a/0x90", [("fox.isra.0+0x4a/0x90", "fox.isra.0.c")]),
        ("UBSAN: shift-out-of-bounds in drivers/misc/fox.c:35:11", "fox_read+0x4a/0x90", [("drivers/misc/fox.c:35:11", "site.c")]),
        ("kernel BUG at drivers/misc/fox.c:35!", "fox_read+0x4a/0x90", [("drivers/misc/fox.c:35", "site.c")]),
        ("BUG: KCSAN: data-race in fox_read / fox_write", "fox_read+0x4a/0x90", [("fox_read", "fox_read.c")]),
        # a word that is a function somewhere in the trace is none here
        ("kernel BUG at drivers/misc/fox.c:35!", "fox_read+0x4a/0x90\n[ 2.0]  at+0x1/0x20", [("drivers/misc/fox.c:35", "site.c")]),
    ],
)  # fmt: skip
def test_headline(headline: str, frames: str, expected: list[tuple[str, str]]) -> None:
    log = f"[ 1.0] hello\n[ 2.0] {headline}\n[ 2.0] Call Trace:\n[ 2.0]  {frames}\n[ 2.0]  do_syscall_64+0x64/0x140\n"
    assert told(analysis(log)) == [(1, *each) for each in expected]


def test_locks() -> None:
    found = analysis(LOCKDEP)
    assert told(found) == [
        (5, "fox_open+0x3f/0x1c0", "lock.c"),
        (8, "hen_open+0x1f/0x40 drivers/misc/hen.c:7", "lock.c"),
    ]
    (wanted,), (held,) = found.once(mentions).values()
    assert wanted.lock
    assert held.lock
    assert (wanted.lock.held, wanted.is_exact, held.lock.held, held.is_exact) == (False, False, True, True)


def test_at_a_place() -> None:
    found = analysis(LOCKDEP)
    start = LOCKDEP.splitlines()[5].index("fox_open")
    for character, is_there in [(start, True), (start + 19, True), (start - 1, False), (start + 20, False)]:
        assert (mention_at(found, 5, character) is not None) == is_there
    assert mention_at(found, 0, 0) is None
    assert mention_at(found, 99, 0) is None


def test_nothing_is_located_yet() -> None:
    assert [path for *_, path in told(analysis(LOCKDEP, located=False))] == [None, None]


def test_a_log_in_mail_has_the_same_mentions() -> None:
    quoted = "".join(f"> {line}\n" for line in LOCKDEP.splitlines())
    assert told(analysis(quoted)) == told(analysis(LOCKDEP))


def test_a_frame_says_more_than_a_mention() -> None:
    """Old warnings have the function and its frame in one line."""
    log = "[ 1.0] BUG: unable to handle kernel paging request at 00000010\n[ 1.0] IP: fox_read+0x4a/0x90\n"
    found = analysis(log)
    assert found.by_line
    assert told(found) == []
