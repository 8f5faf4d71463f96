"""What `source` answers with: values only. Lines are 1-based, as compilers and the kernel print them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Stop = Callable[[], bool]
"""Asked from time to time by what takes long: True ends the work early."""

How = Literal["log", "debuginfo", "symbol", "relocated"]
"""How a location was found: the log's own file:line, debug information, a definition by name, or content found again."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function in one file: its name and its first and last line, 1-based and inclusive."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Definition:
    """A function definition somewhere in the tree; `path` is relative to the tree."""

    path: str
    function: Function


@dataclass(frozen=True, slots=True)
class Location:
    """Where a frame is in *this* tree.

    `line` is the best known line: the exact one where `how` is ``log`` or ``debuginfo``, the function's first line where it is
    ``symbol``. `confidence` is 0 to 1; `reason` says in one sentence how it was found and what speaks against it. `inlined_by` are
    the callers that the code at this place was inlined into, innermost first. `selector` survives edits:
    ``path#symbol+offset~hash`` with the line's offset in its function and a hash of the line's text.
    """

    path: str
    line: int
    how: How
    confidence: float
    reason: str
    selector: str
    function: str | None = None
    function_start: int | None = None
    function_end: int | None = None
    inlined_by: tuple[Location, ...] = ()


@dataclass(frozen=True, slots=True)
class LocatedStack:
    """The locations of one stack's frames, in the frames' order; None where nothing was found."""

    locations: tuple[Location | None, ...]


@dataclass(frozen=True, slots=True)
class Located:
    """A crash's locations in one tree: one `LocatedStack` for each of the crash's stacks, in order.

    `site` is the location of the headline's own file:line, `problems` say what could not be located and why. `locks` are where the
    crash's locks were taken, in their order, None where that is not known.
    """

    stacks: tuple[LocatedStack, ...]
    site: Location | None = None
    problems: tuple[str, ...] = ()
    locks: tuple[Location | None, ...] = ()
