"""The JSON form of a crash."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from kernfix.crash import (
    Crash,
    Executor,
    Frame,
    HeldLock,
    Machine,
    SourceLine,
    Span,
    Stack,
    decode,
    jsonform,
    parse,
    to_json,
)

LOGS = sorted((Path(__file__).parent / "logs").glob("*.log"))

CRASH_KEYS = """
    title alt_titles type function guilty_file corrupted suppressed panicked executor arch start_line end_line start_byte headline
    consequence_of machine stacks locks registers code facts problems
""".split()  # noqa: SIM905
FRAME_KEYS = """
    function demangled caller offset size file line column inlined reliable module build_id address register span
""".split()  # noqa: SIM905

FRAME = Frame(
    "frob",
    Span(3, 1, 12),
    1,
    2,
    "fs/frob.c",
    12,
    3,
    True,
    False,
    "frobmod",
    "ffffffff81234567",
    "0123456789abcdef",
    "nob",
    "RIP",
)
FULL = Crash(
    title="BUG: a",
    headline=Span(2, 0, 6),
    start_line=2,
    end_line=9,
    start_byte=40,
    alt_titles=("BUG: b",),
    type="BUG",
    function="frob",
    guilty_file="fs/frob.c",
    site=SourceLine("fs/frob.c", 12, 3),
    corrupted="no frames",
    suppressed=True,
    panicked=True,
    executor=Executor(3, 4),
    arch="x86_64",
    stacks=(Stack("crash", (FRAME,), "frob", 12, 0, "Call Trace:"),),
    locks=(HeldLock("&a", True, FRAME, "frob", 12), HeldLock("&b", False, None)),
    machine=Machine("frob", 12, 0, 1, "6.12.0 #1", "G W", "QEMU"),
    registers={"RAX": "0"},
    code="48 <89>",
    facts={"access": "Read"},
    consequence_of=0,
    problems=("odd",),
)


def check_plain(value: Any) -> None:
    """Only what JSON knows; no tuple, no value of the model."""
    assert type(value) in (dict, list, str, int, bool, type(None))
    if isinstance(value, dict):
        assert all(type(key) is str for key in value)
        value = list(value.values())
    for each in value if isinstance(value, list) else []:
        check_plain(each)


def check_shape(made: dict[str, Any]) -> None:
    check_plain(made)
    assert json.loads(json.dumps(made)) == made
    assert list(made) == CRASH_KEYS
    assert list(made["headline"]) == ["line", "start", "end", "file", "source_line", "column"]
    assert list(made["machine"]) == ["comm", "pid", "uid", "cpu", "kernel", "taint", "hardware"]
    for stack in made["stacks"]:
        assert list(stack) == ["kind", "task", "pid", "cpu", "label", "frames"]
    for lock in made["locks"]:
        assert list(lock) == ["name", "held", "task", "pid", "frame"]
    frames = [frame for stack in made["stacks"] for frame in stack["frames"]]
    for frame in [*frames, *(lock["frame"] for lock in made["locks"] if lock["frame"])]:
        assert list(frame) == FRAME_KEYS
        assert list(frame["span"]) == ["line", "start", "end"]


def test_every_value_arrives() -> None:
    made = to_json(FULL)
    check_shape(made)
    frame = {
        **{name: getattr(FRAME, name) for name in FRAME_KEYS if name not in ("demangled", "span")},
        "demangled": None,
        "span": {"line": 3, "start": 1, "end": 12},
    }
    assert made == {
        "title": "BUG: a",
        "alt_titles": ["BUG: b"],
        "type": "BUG",
        "function": "frob",
        "guilty_file": "fs/frob.c",
        "corrupted": "no frames",
        "suppressed": True,
        "panicked": True,
        "executor": {"proc": 3, "id": 4},
        "arch": "x86_64",
        "start_line": 2,
        "end_line": 9,
        "start_byte": 40,
        "headline": {"line": 2, "start": 0, "end": 6, "file": "fs/frob.c", "source_line": 12, "column": 3},
        "consequence_of": 0,
        "machine": {
            "comm": "frob",
            "pid": 12,
            "uid": 0,
            "cpu": 1,
            "kernel": "6.12.0 #1",
            "taint": "G W",
            "hardware": "QEMU",
        },
        "stacks": [{"kind": "crash", "task": "frob", "pid": 12, "cpu": 0, "label": "Call Trace:", "frames": [frame]}],
        "locks": [
            {"name": "&a", "held": True, "task": "frob", "pid": 12, "frame": frame},
            {"name": "&b", "held": False, "task": None, "pid": None, "frame": None},
        ],
        "registers": {"RAX": "0"},
        "code": "48 <89>",
        "facts": {"access": "Read"},
        "problems": ["odd"],
    }


def test_no_value_is_forgotten() -> None:
    """A new field of a crash must get its place here: `site` is in the headline."""
    assert {field.name for field in fields(Crash)} - {"site"} == set(CRASH_KEYS)
    assert set(Frame._fields) | {"demangled"} == set(FRAME_KEYS)


def test_the_least_that_a_crash_has() -> None:
    made = to_json(Crash("BUG: a", Span(0, 0, 6), 0, 0, 0))
    check_shape(made)
    empty = {name: value for name, value in made.items() if value in (None, False, [], {})}
    assert set(empty) == set(CRASH_KEYS) - {"title", "start_line", "end_line", "start_byte", "headline", "machine"} | {
        "start_line",
        "end_line",
        "start_byte",
    }
    assert set(made["machine"].values()) == {None}
    assert made["headline"]["file"] is None


def test_zero_is_not_nothing() -> None:
    made = to_json(
        Crash(
            "BUG: a", Span(0, 0, 6), 0, 0, 0, executor=Executor(0, 0), consequence_of=0, machine=Machine(pid=0, cpu=0)
        )
    )
    assert made["executor"] == {"proc": 0, "id": 0}
    assert (made["consequence_of"], made["machine"]["pid"], made["machine"]["cpu"]) == (0, 0, 0)


@pytest.mark.parametrize("log", LOGS, ids=lambda path: path.stem)
def test_shape_of_every_log(log: Path) -> None:
    for crash in parse(decode(log.read_bytes())).crashes:
        check_shape(to_json(crash))


def test_mangled_names_are_kept_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonform, "demangled", {"_Rfrob": "frob::nob"}.get)
    (crash,) = parse("BUG: a\nCall Trace:\n _Rfrob+0x1/0x2\n nob+0x1/0x2\n").crashes
    frames = to_json(crash)["stacks"][0]["frames"]
    assert [(frame["function"], frame["demangled"]) for frame in frames] == [("_Rfrob", "frob::nob"), ("nob", None)]


def test_bytes_that_are_no_text_survive_as_json() -> None:
    (crash,) = parse(decode(b"BUG: odd \xff\nCall Trace:\n f\xfe+0x1/0x2\n")).crashes
    made = to_json(crash)
    check_plain(made)
    assert json.loads(json.dumps(made)) == made
