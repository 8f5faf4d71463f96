"""Is a report whole? A title read from a torn one cannot be trusted."""

from __future__ import annotations

import re

from kernfix.crash.entries import Entry, Heading, Sign
from kernfix.crash.model import Frame
from kernfix.crash.report import Words

NO_FUNCTION = "corrupted"
"""Stands in a title where a function should."""

NO_FRAMES = "extracted no frames"
BROKEN_FORMAT = "report format is marked as corrupted"
HALF_MATCHED = "matched title but not report regexp"
TIMESTAMP = "title contains timestamp"
DISCONNECTED = "serial port was disconnected"

_LEAST = 4
"""Lines that a stack with its heading has at least."""
_NEAR = 15
"""Lines below a heading within which its first frame stands."""
_JUDGED = (Sign.TRACE, Sign.ALLOCATED, Sign.FREED, Sign.LEAK, Sign.BACKTRACE, Sign.STORED, Sign.BADADDR)
_TIMESTAMP = re.compile(r"\[ *\d+\.\d{6}\]")
_NO_STACK = "(stack is not available)"


def torn_stack(words: Words) -> str | None:
    """What is wrong with the stacks of a report, or None. Only the first stack of each kind is looked at."""
    headings = [(entry.sign, no) for no, entry in enumerate(words.entries) if type(entry) is Heading]
    first = dict(reversed(headings))
    stacks = [(sign, first[sign]) for sign in _JUDGED if sign in first]
    for sign, at in stacks:
        if len(words.bodies) + 1 - at < _LEAST:
            return "call trace is missed"
        if sign is not Sign.BADADDR and not _frames_follow(words, at):
            return "no frames in a stack trace"
    return None if stacks else "no stack trace in report"


def torn_title(title: str) -> str | None:
    """Two lines have been merged when a time stamp is inside of a title."""
    return TIMESTAMP if _TIMESTAMP.search(title) else None


def _frames_follow(words: Words, at: int) -> bool:
    for body, entry in zip(words.bodies[at + 1 : at + 1 + _NEAR], words.entries[at + 1 : at + 1 + _NEAR], strict=True):
        if is_in_stack(entry) or _NO_STACK in body:
            return True
        if isinstance(entry, Heading) and entry.sign in _JUDGED:
            return False
    return False


def is_in_stack(entry: Entry) -> bool:
    """Whether the line is an entry of a stack that counts: no line of a register dump, and no function without an address."""
    return isinstance(entry, Frame) and entry.register is None and not entry.inlined
