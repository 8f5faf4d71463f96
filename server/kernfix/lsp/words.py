"""What stacks and places are called, and how they are told of, in what users read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernfix.crash.model import Stack
    from kernfix.source.model import Location

_STACKS = {
    "crash": "crash stack",
    "alloc": "allocation stack",
    "free": "free stack",
    "origin": "origin stack",
    "race": "stack of the other access",
    "lock": "lock stack",
    "cpu": "stack of a processor",
    "other": "other stack",
}
PANIC = "panic stack"
"""The name of a stack that only shows how the kernel gave up."""
_GIVES_UP = frozenset({"panic", "vpanic", "nmi_panic"})


def stack_name(stack: Stack) -> str:
    """What a stack is, by its kind."""
    if stack.kind == "cpu" and stack.cpu is not None:
        return f"stack of CPU {stack.cpu}"
    if stack.kind == "other" and any(frame.function in _GIVES_UP and frame.reliable for frame in stack.frames):
        return PANIC
    return _STACKS[stack.kind]


_HOW = {
    "log": "the log states it, and the line is in that function here",
    "debuginfo": "debug information of vmlinux",
    "symbol": "definition found by name",
    "relocated": "the line moved and was found again",
}


def how(location: Location) -> str:
    """How a location was found, and how sure it is."""
    rest = ", somewhere from there on" if is_rough(location) else ""
    return f"{_HOW[location.how]}{rest}, {location.confidence:.0%} sure"


def place(location: Location, line: int | None) -> str:
    """``fs/pipe.c:633``; ``fs/pipe.c:615+`` for a place somewhere from that line on, where only the function is known.

    `line` is the location's line in the text that the user sees, None where that has nothing like it.
    """
    if line is None:
        return location.path
    return f"{location.path}:{line}" + ("+" if is_rough(location) else "")


def is_rough(location: Location) -> bool:
    """Whether only the function is known, and the line is its first."""
    return location.how == "symbol" and location.line == location.function_start
