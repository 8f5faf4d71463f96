"""What is where in a log, and which place stands for a crash."""

from __future__ import annotations

import pytest
from lsprotocol import types
from pygls.workspace import PositionCodec

from kernfix.crash import Crash, Frame, Span, Stack
from kernfix.lsp.analysis import Analysis
from kernfix.lsp.text import Text
from kernfix.source import Located, LocatedStack, Location

TEXT = Text("\n" * 20, PositionCodec(types.PositionEncodingKind.Utf16))


def place(where: str) -> Location:
    path, line = where.split(":")
    return Location(path, int(line), "log", 1.0, "the log says so", "")


def analysis(function: str | None, site: str | None, **stacks: str) -> Analysis:
    """A log of one crash; a stack is written as ``function=path:line function …``, one frame a line of the log from line 2 on."""
    kinds, located, line = [], [], 2
    for kind, words in stacks.items():
        frames, locations = [], []
        for word in words.split():
            name, _, where = word.partition("=")
            frames.append(Frame(name, Span(line, 3, 9)))
            locations.append(place(where) if where else None)
            line += 1
        kinds.append(Stack(kind, tuple(frames)))  # type: ignore[arg-type]
        located.append(LocatedStack(tuple(locations)))
    crash = Crash("title", Span(1, 0, 5), 1, line, 0, function=function, stacks=tuple(kinds))
    return Analysis("file:///x", TEXT, (crash,), located=(Located(tuple(located), place(site) if site else None),))


@pytest.mark.parametrize(
    ("function", "site", "stack", "expected"),
    [
        ("fox", None, "dump_stack=lib/d.c:1 fox=fox.c:9", "fox.c:9"),
        ("fox", "fox.c:7", "dump_stack=lib/d.c:1 fox=fox.c:9", "fox.c:7"),  # the headline's line is the exact one
        ("fox", "lib/list_debug.c:35", "__list_add_valid=lib/list_debug.c:35 fox=fox.c:9", "fox.c:9"),
        ("fox", None, "dump_stack=lib/d.c:1 hen=hen.c:3", "hen.c:3"),  # the blamed one is not in the stack
        (None, None, "dump_stack=lib/d.c:1 kasan_report hen=hen.c:3", "hen.c:3"),
        (None, None, "dump_stack=lib/d.c:1", "lib/d.c:1"),  # better than nothing
        (None, "fox.c:7", "dump_stack", "fox.c:7"),
        (None, None, "fox", None),
    ],
)
def test_site(function: str | None, site: str | None, stack: str, expected: str | None) -> None:
    found = analysis(function, site, crash=stack).site(0)
    assert (f"{found.path}:{found.line}" if found else None) == expected


def test_allocation_and_free_are_those_of_the_bug() -> None:
    found = analysis(
        "fox",
        None,
        crash="fox=fox.c:9",
        alloc="kasan_save_stack=k.c:1 fox_open=fox.c:2",
        free="kfree=s.c:1 hen=hen.c:4",
    )
    assert [found.first_location(0, kind).line for kind in ("alloc", "free")] == [2, 4]
    assert found.first_location(0, "lock") is None


def test_what_is_at_a_place() -> None:
    found = analysis("fox", None, crash="fox=fox.c:9 hen")
    assert found.frame_at(2, 5).frame.function == "fox"
    assert found.frame_at(3, 0).frame.function == "hen"
    assert found.frame_at(1, 0) is None
    assert (found.headline_at(1), found.headline_at(2)) == (0, None)
    assert (found.crashes_in(0, 0), found.crashes_in(0, 1), found.crashes_in(3, 3), found.crashes_in(9, 9)) == (
        [],
        [0],
        [0],
        [],
    )


def test_nothing_is_located_yet() -> None:
    bare = Analysis("file:///x", TEXT, analysis("fox", None, crash="fox=fox.c:9").crashes)
    assert bare.site(0) is None
    assert [frame.location for frame in bare.frames] == [None]
