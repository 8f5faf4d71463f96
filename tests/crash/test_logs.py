"""Each NAME.log of the folder `logs` parses to NAME.json.

To accept a change, after reading its diff: ``KERNFIX_UPDATE=1 pytest tests/crash``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kernfix.crash import Crash, decode, parse, to_json

LOGS = sorted((Path(__file__).parent / "logs").glob("*.log"))


def check(log: Path) -> None:
    crashes = [to_json(crash) for crash in parse(decode(log.read_bytes())).crashes]
    golden = log.with_suffix(".json")
    if os.environ.get("KERNFIX_UPDATE"):
        golden.write_text(json.dumps(crashes, indent=1) + "\n")
    assert crashes == json.loads(golden.read_text())


@pytest.mark.parametrize("log", LOGS, ids=lambda path: path.stem)
def test_golden(log: Path) -> None:
    check(log)


@pytest.mark.parametrize("log", LOGS, ids=lambda path: path.stem)
def test_spans_point_at_the_text(log: Path) -> None:
    """Every span cuts out of the log what the frame says; `start_byte` is where the headline's line begins."""
    data = log.read_bytes()
    lines = decode(data).split("\n")
    for crash in parse(decode(data)).crashes:
        assert data[: crash.start_byte].count(b"\n") == crash.start_line
        assert crash.start_byte == 0 or data[crash.start_byte - 1] == ord("\n")
        assert crash.start_line <= crash.end_line < len(lines)
        check_spans(crash, lines)


def check_spans(crash: Crash, lines: list[str]) -> None:
    headline = lines[crash.headline.line][crash.headline.start : crash.headline.end]
    assert headline
    assert headline == headline.strip()
    for frame in (frame for stack in crash.stacks for frame in stack.frames):
        shown = lines[frame.span.line][frame.span.start : frame.span.end].replace("\x1b[0m", "")
        assert shown.startswith(frame.function)
        assert shown.rstrip(")").endswith((f"{frame.size or 0:#x}", f":{frame.line}", f":{frame.column}"))
