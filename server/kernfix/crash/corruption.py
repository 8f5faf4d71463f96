"""Is a report whole? A title read from a torn one cannot be trusted."""

from __future__ import annotations

import re

from kernfix.crash.guilty import frame_functions
from kernfix.crash.rules import rx

NO_FUNCTION = "corrupted"
"""Stands in a title where a function should."""

NO_FRAMES = "extracted no frames"
BROKEN_FORMAT = "report format is marked as corrupted"
HALF_MATCHED = "matched title but not report regexp"
TIMESTAMP = "title contains timestamp"
DISCONNECTED = "serial port was disconnected"

_STARTS = (
    rx(r"Call [Tt]race"),
    rx(r"\bAllocated(?: by task \d+)?:"),
    rx(r"\bFreed(?: by task \d+)?:"),
    rx(r"(?<!stack) backtrace(?: \(crc \w+\))?:"),
    rx(r"Backtrace:"),
    rx(r"Uninit was stored to memory at"),
    rx(r"status: \w+ badaddr: \w+ cause: \w+"),
)
_TIMESTAMP = re.compile(r"\[ *\d+\.\d{6}\]")
_NO_STACK = "(stack is not available)"


def torn_stack(lines: list[str]) -> str | None:
    """What is wrong with the stacks of a report, or None."""
    any_frames = False
    for start in _STARTS:
        at = next((no for no, line in enumerate(lines) if start.search(line)), None)
        if at is None:
            continue
        if len(lines) - at < 4:
            return "call trace is missed"
        if start is _STARTS[-1]:
            any_frames = True
            continue
        if not _frames_follow(lines, at, start):
            return "no frames in a stack trace"
        any_frames = True
    return None if any_frames else "no stack trace in report"


def torn_title(title: str) -> str | None:
    """Two lines have been merged when a time stamp is inside of a title."""
    return TIMESTAMP if _TIMESTAMP.search(title) else None


def _frames_follow(lines: list[str], at: int, start: re.Pattern[str]) -> bool:
    for line in lines[at + 1 : at + 16]:
        if frame_functions(line) or _NO_STACK in line:
            return True
        if any(other.search(line) for other in _STARTS if other is not start):
            return False
    return False
