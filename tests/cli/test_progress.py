"""What is shown of long work: plain lines in a file, one redrawn line on a terminal, and nothing that drives it."""

from __future__ import annotations

import sys

import pytest

from kernfix.cli.progress import Progress
from kernfix.cli.terminal import printable
from kernfix.verify.wire import Event


def event(
    kind: str, stage: str | None = None, text: str = "", done: int | None = None, total: int | None = None
) -> Event:
    return Event(id=1, kind=kind, stage=stage, text=text, done=done, total=total)  # type: ignore[arg-type]


STORY = [
    event("stage", "fetch", "begin"),
    event("stage", "fetch", "end 1.2 s"),
    event("stage", "build:baseline", "begin"),
    event("progress", "build:baseline", "CC a.o", 50),
    event("stage", "build:baseline", "end 60.0 s, cached"),
    event("run", "reproduce:baseline", "baseline run 1: crash, KASAN: x", 1),
    event("log", "reproduce:baseline", "attempt 1 failed: QEMU"),
    event("state", None, "done"),
]


def show(
    capsys: pytest.CaptureFixture[str], story: list[Event], *, objects: int | None = None, terminal: bool = False
) -> str:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys.stderr, "isatty", lambda: terminal)
        patched.setenv("COLUMNS", "80")
        with Progress(objects) as progress:
            for each in story:
                progress.event(each)
    out, err = capsys.readouterr()
    assert out == "", "standard output is for the result"
    return err


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert show(capsys, STORY).splitlines() == [
        "  copying the tree …",
        "  copying the tree: 1.2 s",
        "  building the base …",
        "  building the base: 60.0 s, cached",
        "  baseline run 1: crash, KASAN: x",
        "  attempt 1 failed: QEMU",
    ]


@pytest.mark.parametrize(
    ("objects", "progress", "drawn"),
    [
        (100, event("progress", "build:baseline", "CC a.o", 50), "[############............] 50/100"),
        (100, event("progress", "build:baseline", "CC a.o", 500), "[########################] 500/100"),
        (100, event("progress", "build:patched", "CC a.o", 50), "building the patched tree 50 0:00"),
        (None, event("progress", "reproduce:patched", "", 1, 4), "[######..................] 1/4"),
        (None, event("progress", "elsewhere", "", 1), "elsewhere 1 0:00"),
    ],
)
def test_a_bar_on_a_terminal(
    capsys: pytest.CaptureFixture[str], objects: int | None, progress: Event, drawn: str
) -> None:
    shown = show(capsys, [progress], objects=objects, terminal=True)
    assert drawn in shown
    assert shown.endswith("\r\033[K"), "it is gone at the end"
    assert all(len(line) < 80 for line in shown.split("\r\033[K"))


def test_the_bar_is_not_drawn_more_often_than_eyes_see(capsys: pytest.CaptureFixture[str]) -> None:
    shown = show(capsys, [event("progress", "fetch", "", number) for number in range(1000)], terminal=True)
    assert shown.count("copying") <= 3


HOSTILE = "\x1b[2J\x1b]0;owned\x07\r\u202e\udcff"


@pytest.mark.parametrize("kind", ["run", "log", "progress", "stage"])
def test_what_a_guest_or_makefile_says_cannot_drive_the_terminal(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    shown = show(capsys, [event(kind, "build:patched" + HOSTILE, "x" + HOSTILE, 1)], terminal=True).replace(
        "\r\033[K", ""
    )
    assert "x\N{REPLACEMENT CHARACTER}[2J" in shown
    assert not set("\x1b\x07\r\u202e\udcff") & set(shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain — ünïcödé 🦊", "plain — ünïcödé 🦊"),
        ("a\tb", "a b"),
        ("\x1b[0m", "\ufffd[0m"),
        ("a\nb\0", "a\ufffdb\ufffd"),
        ("", ""),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown
