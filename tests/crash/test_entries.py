"""What one line is to the stacks of a report: every form of a frame and of a heading, and what only looks like one."""

from __future__ import annotations

from typing import Any

import pytest

from kernfix.crash import entries
from kernfix.crash.entries import Entry, Heading, Sign, entries_of, heading_of, placed
from kernfix.crash.lines import read_lines
from kernfix.crash.model import Frame, Span

BUILD = "0123456789abcdef0123456789abcdef01234567"


def read(*texts: str, first: int = 0) -> list[Entry]:
    """What each line is, and a frame where it stands."""
    lines = read_lines(first, list(texts))
    found = entries_of(lines.bodies)
    frames = placed(found, lines, 0, len(texts))
    return [frames.pop(0) if isinstance(entry, Frame) else entry for entry in found]


def check(raw: str, shown: str, **fields: Any) -> None:
    """The frame in a line; `shown` is the part of the line that its span cuts out."""
    start = raw.index(shown)
    wanted = Frame(span=Span(7, start, start + len(shown)), **fields)
    assert read(raw, first=7) == [wanted]
    # among others, with a prefix, and terminal colours around the function
    lead = "[    1.000000][   T1] "
    some = read("", lead, raw, lead + raw, "all is well")
    assert some[:2] + some[4:] == [None, None, None]
    assert some[2] == wanted._replace(span=Span(2, start, start + len(shown)))
    assert some[3] == wanted._replace(span=Span(3, len(lead) + start, len(lead) + start + len(shown)))
    red = raw[:start] + "\x1b[31m" + raw[start:] + "\x1b[0m"
    assert read(red, first=7) == [wanted._replace(span=Span(7, start + 5, start + 5 + len(shown)))]


FROB: dict[str, Any] = {"function": "frob", "offset": 0x1F4, "size": 0x310}
FROM: dict[str, Any] = {"function": "frob", "caller": "nob", "offset": 0x1F4, "size": 0x310}
PLACE: dict[str, Any] = {"function": "frob", "file": "fs/frob.c", "line": 12}

FRAMES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    # the commonest form, and what is put around it
    ("frob+0x1f4/0x310", "frob+0x1f4/0x310", FROB),
    (" frob+0x1f4/0x310", "frob+0x1f4/0x310", FROB),
    ("\tfrob+0x1f4/0x310\t", "frob+0x1f4/0x310", FROB),
    (" ? frob+0x1f4/0x310", "frob+0x1f4/0x310", {**FROB, "reliable": False}),
    (" [<ffffffff81234567>] frob+0x1f4/0x310", "frob+0x1f4/0x310", {**FROB, "address": "ffffffff81234567"}),
    (" [ffffffff81234567] frob+0x1f4/0x310", "frob+0x1f4/0x310", {**FROB, "address": "ffffffff81234567"}),
    (
        " [<ffffffff81234567>] ? frob+0x1f4/0x310",
        "frob+0x1f4/0x310",
        {**FROB, "address": "ffffffff81234567", "reliable": False},
    ),
    (
        "[c000000001234560] [c000000000abcdef] frob+0x1f4/0x310 (unreliable)",
        "frob+0x1f4/0x310",
        {**FROB, "address": "c000000000abcdef", "reliable": False},
    ),
    (
        "([<0000000000abcdef>] frob+0x1f4/0x310)",
        "frob+0x1f4/0x310",
        {**FROB, "address": "0000000000abcdef", "reliable": False},
    ),
    (" | frob+0x1f4/0x310", "frob+0x1f4/0x310", FROB),
    # modules and build ids
    (" frob+0x1f4/0x310 [frobmod]", "frob+0x1f4/0x310", {**FROB, "module": "frobmod"}),
    (
        f" frob+0x1f4/0x310 [frob_mod {BUILD}]",
        "frob+0x1f4/0x310",
        {**FROB, "module": "frob_mod", "build_id": BUILD},
    ),
    # source lines, of symbolizers and of the kernel itself
    (
        " frob+0x1f4/0x310 fs/frob.c:12",
        "frob+0x1f4/0x310 fs/frob.c:12",
        {**FROB, "file": "fs/frob.c", "line": 12},
    ),
    (
        " frob+0x1f4/0x310 fs/frob.c:12:3",
        "frob+0x1f4/0x310 fs/frob.c:12:3",
        {**FROB, "file": "fs/frob.c", "line": 12, "column": 3},
    ),
    (
        " frob+0x1f4/0x310 (fs/frob.c:12)",
        "frob+0x1f4/0x310 (fs/frob.c:12",
        {**FROB, "file": "fs/frob.c", "line": 12},
    ),
    (
        " frob+0x1f4/0x310 [frobmod] drivers/frob/./frob-2.c:12",
        "frob+0x1f4/0x310 [frobmod] drivers/frob/./frob-2.c:12",
        {**FROB, "module": "frobmod", "file": "drivers/frob/./frob-2.c", "line": 12},
    ),
    (
        " frob+0x1f4/0x310 arch/x86/entry/frob.S:12",
        "frob+0x1f4/0x310 arch/x86/entry/frob.S:12",
        {**FROB, "file": "arch/x86/entry/frob.S", "line": 12},
    ),
    (" frob+0x1f4/0x310 rust/frob.rs:12", "frob+0x1f4/0x310 rust/frob.rs:12", {**FROB, "file": "rust/frob.rs", "line": 12}),
    # names
    (" frob.isra.0.cold+0x1/0x2", "frob.isra.0.cold+0x1/0x2", {"function": "frob.isra.0.cold", "offset": 1, "size": 2}),
    (" __x64_sys_frob+0x0/0x2", "__x64_sys_frob+0x0/0x2", {"function": "__x64_sys_frob", "offset": 0, "size": 2}),
    (" $x.frob+0x1/0x2", "$x.frob+0x1/0x2", {"function": "$x.frob", "offset": 1, "size": 2}),
    (
        " _RNvXs_4frobNtB4_4FrobE+0x1/0x2",
        "_RNvXs_4frobNtB4_4FrobE+0x1/0x2",
        {"function": "_RNvXs_4frobNtB4_4FrobE", "offset": 1, "size": 2},
    ),
    (
        " <frob::Frob as core::ops::Drop>::drop+0x1/0x2",
        "<frob::Frob as core::ops::Drop>::drop+0x1/0x2",
        {"function": "<frob::Frob as core::ops::Drop>::drop", "offset": 1, "size": 2},
    ),
    (" frob::nob+0x1/0x2", "frob::nob+0x1/0x2", {"function": "frob::nob", "offset": 1, "size": 2}),
    # 32-bit arm: the offset and the source line are the caller's
    (
        "[<80123456>] (frob) from [<80654321>] (nob+0x1f4/0x310)",
        "frob) from [<80654321>] (nob+0x1f4/0x310",
        {**FROM, "address": "80123456"},
    ),
    (" frob from nob+0x1f4/0x310", "frob from nob+0x1f4/0x310", FROM),
    (
        " frob from nob+0x1f4/0x310 [frobmod]",
        "frob from nob+0x1f4/0x310",
        {**FROM, "module": "frobmod"},
    ),
    (
        "[<80123456>] (frob) from [<80654321>] (nob+0x1f4/0x310 fs/nob.c:12)",
        "frob) from [<80654321>] (nob+0x1f4/0x310 fs/nob.c:12",
        {**FROM, "address": "80123456", "file": "fs/nob.c", "line": 12},
    ),
    (
        "[<80123456>] (frob) from [<80654321>] (nob fs/nob.c:12 [inline])",
        "frob) from [<80654321>] (nob fs/nob.c:12",
        {"function": "frob", "caller": "nob", "address": "80123456", "file": "fs/nob.c", "line": 12, "inlined": True},
    ),
    # inlined functions
    (" frob fs/frob.c:12 [inline]", "frob fs/frob.c:12", {**PLACE, "inlined": True}),
    (" frob fs/frob.c:12:3 [inline]", "frob fs/frob.c:12:3", {**PLACE, "column": 3, "inlined": True}),
    (" [<     inline     >] frob fs/frob.c:12", "frob fs/frob.c:12", {**PLACE, "inlined": True}),
    (" ? frob fs/frob.c:12 [inline]", "frob fs/frob.c:12", {**PLACE, "inlined": True, "reliable": False}),
    # scripts/decode_stacktrace.sh
    (" frob (fs/frob.c:12)", "frob (fs/frob.c:12", PLACE),
    (" frob (fs/frob.c:12:3)", "frob (fs/frob.c:12:3", {**PLACE, "column": 3}),
    (" frob (fs/frob.c:12 (discriminator 3))", "frob (fs/frob.c:12", PLACE),
    (" frob (include/linux/nob.h:3 fs/frob.c:12) ", "frob (include/linux/nob.h:3 fs/frob.c:12", PLACE),
    (" ? frob (fs/frob.c:12)", "frob (fs/frob.c:12", {**PLACE, "reliable": False}),
    # register dumps
    ("RIP: 0010:frob+0x1f4/0x310", "frob+0x1f4/0x310", {**FROB, "register": "RIP"}),
    ("RIP: 0010:[<ffffffff81234567>]  [<ffffffff81234567>] frob+0x1f4/0x310", "frob+0x1f4/0x310", {**FROB, "register": "RIP"}),
    ("IP: [<ffffffff81234567>] frob+0x1f4/0x310", "frob+0x1f4/0x310", {**FROB, "register": "IP"}),
    ("IP: frob+0x1f4/0x310", "frob+0x1f4/0x310", {**FROB, "register": "IP"}),
    ("EIP: frob+0x1f4/0x310", "frob+0x1f4/0x310", {**FROB, "register": "EIP"}),
    ("EIP is at frob+0x1f4/0x310", "frob+0x1f4/0x310", {**FROB, "register": "EIP"}),
    ("PC is at frob+0x1f4/0x310", "frob+0x1f4/0x310", {**FROB, "register": "PC"}),
    ("pc : frob+0x1f4/0x310", "frob+0x1f4/0x310", {**FROB, "register": "pc"}),
    ("epc : frob+0x1f4/0x310", "frob+0x1f4/0x310", {**FROB, "register": "epc"}),
    ("NIP [c000000000abcdef] frob+0x1f4/0x310", "frob+0x1f4/0x310", {**FROB, "register": "NIP"}),
    (
        "Krnl PSW : 0704c00180000000 0000000000abcdef (frob+0x1f4/0x310)",
        "frob+0x1f4/0x310",
        {**FROB, "register": "Krnl PSW"},
    ),
    ("ERA: 9000000000abcdef frob+0x1f4/0x310", "frob+0x1f4/0x310", {**FROB, "register": "ERA"}),
    ("epc   : 80abcdef frob+0x1f4/0x310", "frob+0x1f4/0x310", {**FROB, "register": "epc"}),
    (
        "RIP: 0010:frob+0x1f4/0x310 fs/frob.c:12",
        "frob+0x1f4/0x310 fs/frob.c:12",
        {**FROB, "register": "RIP", "file": "fs/frob.c", "line": 12},
    ),
    (
        "RIP: 0010:frob+0x1f4/0x310 [frobmod]",
        "frob+0x1f4/0x310",
        {**FROB, "register": "RIP", "module": "frobmod"},
    ),
    ("RIP: 0010:frob (fs/frob.c:12)", "frob (fs/frob.c:12", {**PLACE, "register": "RIP"}),
    ("RIP: 0010:frob fs/frob.c:12 [inline]", "frob fs/frob.c:12", {**PLACE, "register": "RIP", "inlined": True}),
)  # fmt: skip


@pytest.mark.parametrize(("raw", "shown", "fields"), FRAMES, ids=[raw.strip() for raw, _, _ in FRAMES])
def test_frames(raw: str, shown: str, fields: dict[str, Any]) -> None:
    check(raw, shown, **fields)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        " ",
        "all is well",
        "frob",
        " frob+0x1f4",
        " frob+1/2",
        " frob+0x/0x2",
        " frob+0x1/2",
        " frob +0x1/0x2",
        " +0x1/0x2",
        " 0x12+0x1/0x2",
        " 9frob+0x1/0x2",
        " (null)+0x1/0x2",
        "Code: 48 89 df e8 3c 91",
        "it failed in frob+0x1/0x2",
        "LR is at frob+0x1/0x2",
        "lr : frob+0x1/0x2",
        "LR [c000000000abcdef] frob+0x1/0x2",
        "RIP: 0033:0x7f3c1d2aa740",
        "RIP: 0010:frob",
        "PC: 0x80123456",
        "pc : 0xffff800080abcdef",
        " frob fs/frob.c:12",
        " frob fs/frob.c [inline]",
        " frob (fs/frob.c)",
        " frob (fs/frob.c:)",
        " frob (12)",
        " [inline] fs/frob.c:12",
        "frob: fs/frob.c:12: all is well (3)",
        " <TASK>",
        "\x00 frob+0x1/0x2\x01".replace("frob", "\x02"),
    ],
)
def test_what_is_no_frame(raw: str) -> None:
    assert read(raw) == [None]


def test_no_lines_between_others_are_lost() -> None:
    found = read("", "a+0x1/0x2", "", "", "b+0x1/0x2", "Call Trace:", "c+0x1/0x2", "", "")
    names = [entry.function if isinstance(entry, Frame) else entry and entry.kind for entry in found]
    assert names == [None, "a", None, None, "b", "crash", "c", None, None]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "_MOST_REMEMBERED", 3)
    wanted = [f"f{number}" for number in range(10)]
    bodies = [f"{name}+0x1/0x2" for name in wanted]
    for _ in range(2):
        assert [entry.function for entry in entries_of(bodies) if isinstance(entry, Frame)] == wanted
    assert len(entries._ENTRIES) <= 3


# --- headings --------------------------------------------------------------------------------------------------------------------------

HEADINGS: tuple[tuple[str, Heading], ...] = (
    ("Call Trace:", Heading("crash", Sign.TRACE)),
    ("Call trace:", Heading("crash", Sign.TRACE)),
    ("[<0000000000abcdef>] Call Trace:", Heading("crash", Sign.TRACE)),
    ("Backtrace: ", Heading("crash", Sign.BACKTRACE)),
    ("  backtrace:", Heading("crash", Sign.LEAK)),
    ("  backtrace (crc 1a2b3c4d):", Heading("crash", Sign.LEAK)),
    ("NMI backtrace for cpu 3", Heading("cpu", Sign.NONE, cpu=3)),
    ("NMI backtrace for cpu 1 skipped: idling at frob", Heading("cpu", Sign.NONE, cpu=1)),
    ("Allocated by task 12:", Heading("alloc", Sign.ALLOCATED, pid=12)),
    ("Allocated by task 12 on cpu 3 at 41.5s:", Heading("alloc", Sign.ALLOCATED, pid=12, cpu=3)),
    ("Allocated:", Heading("alloc", Sign.ALLOCATED)),
    ("allocated by task 12 on cpu 3 at 41.5s:", Heading("alloc", Sign.OTHER, pid=12, cpu=3)),
    ("kfence-#3: 0xffff-0xffff, size=8, cache=kmalloc-8 allocated by task 12:", Heading("alloc", Sign.OTHER, pid=12)),
    ("page last allocated via order 0, migratetype Unmovable", Heading("alloc", Sign.NONE)),
    ("INFO: Allocated in frob+0x1/0x2 age=3 cpu=0 pid=12", Heading("alloc", Sign.NONE)),
    ("Freed by task 12:", Heading("free", Sign.FREED, pid=12)),
    ("Freed by task 12 on cpu 3 at 41.5s:", Heading("free", Sign.FREED, pid=12, cpu=3)),
    ("Freed:", Heading("free", Sign.FREED)),
    ("freed by task 12 on cpu 3 at 41.5s:", Heading("free", Sign.OTHER, pid=12, cpu=3)),
    ("page last free pid 12 tgid 12 stack trace:", Heading("free", Sign.NONE, pid=12)),
    ("INFO: Freed in frob+0x1/0x2 age=3 cpu=0 pid=12", Heading("free", Sign.NONE)),
    ("Uninit was stored to memory at:", Heading("origin", Sign.STORED)),
    ("Uninit was created at:", Heading("origin", Sign.OTHER)),
    ("Local variable frob created at:", Heading("origin", Sign.OTHER)),
    ("chained origin: 12345678", Heading("origin", Sign.NONE)),
    ("origin:", Heading("origin", Sign.NONE)),
    ("status: 0000000000000120 badaddr: 0000000000000008 cause: 000000000000000d", Heading("crash", Sign.BADADDR)),
    ("Last potentially related work creation:", Heading("other", Sign.NONE)),
    ("Second to last potentially related work creation:", Heading("other", Sign.NONE)),
    ("Last call_rcu():", Heading("other", Sign.NONE)),
    ("rcu: RCU grace-period kthread stack dump:", Heading("other", Sign.NONE)),
    ("-> #1 (&frob->lock){+.+.}-{3:3}:", Heading("lock", Sign.NONE)),
    ("-> #0 (nob_lock){....}-{2:2}:", Heading("lock", Sign.NONE)),
    ("{IN-HARDIRQ-W} state was registered at:", Heading("lock", Sign.NONE)),
    ("   HARDIRQ-ON-W at:", Heading("lock", Sign.NONE)),
    (" ... acquired at:", Heading("lock", Sign.NONE)),
    ("... which became SOFTIRQ-irq-safe at:", Heading("lock", Sign.NONE)),
    ("write to 0xffff888012345678 of 8 bytes by task 12 on cpu 3:", Heading("race", Sign.NONE, pid=12, cpu=3)),
    ("read (marked) to 0xffff888012345678 of 8 bytes by interrupt on cpu 3:", Heading("race", Sign.NONE, cpu=3)),
    (
        "race at unknown origin, with read to 0xffff of 4 bytes by task 12 on cpu 3:",
        Heading("race", Sign.NONE, pid=12, cpu=3),
    ),
)


@pytest.mark.parametrize(("body", "heading"), HEADINGS, ids=[body for body, _ in HEADINGS])
def test_headings(body: str, heading: Heading) -> None:
    assert heading_of(body) == heading
    assert read(f"[    1.000000] {body}") == [heading]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "CALL TRACE:",
        "call trace:",
        "stack backtrace:",
        "Backtrace",
        "backtrace",
        "a trace of frobs",
        "NMI handler for cpu 3",
        "frob is Allocated here",
        "reallocated by task frob:",
        "Freed 12 pages",
        "Unfreed by nobody:",
        "freed by task frob",
        "Uninit was there",
        "The local variable",
        "frob: Local variable frob",
        "frob origin: 12",
        "status: ok cause: frob",
        "-> 1 (&frob->lock)",
        "write some bytes by task frob:",
        "to read 8 bytes by task frob",
        "all is well at last:",
        "which became frob at:",
    ],
)
def test_what_is_no_heading(body: str) -> None:
    assert heading_of(body) is None
