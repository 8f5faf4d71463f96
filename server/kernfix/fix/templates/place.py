"""The function that a template looks at, and what happened there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kernfix.crash.model import Crash
from kernfix.fix.suspects import is_machinery
from kernfix.patch.model import Reader
from kernfix.source import function_at
from kernfix.source.model import Located, Location
from kernfix.source.syntax import Body, parse_function

MAX_PLACES = 2


@dataclass(frozen=True, slots=True)
class Place:
    """A function with the file's text. `line` is the 1-based line of the fault, None when only the function is known."""

    path: str
    text: str
    body: Body
    line: int | None

    @property
    def where(self) -> str:
        """For sentences: ``f() (mm/a.c:12)``."""
        return f"{self.body.name}() ({self.path}:{self.line or self.body.open_line})"


def places(crash: Crash, located: Located, read: Reader) -> tuple[Place, ...]:
    """Where the fault showed, best first: the headline's own line, then the innermost frames that are not the reporting machinery."""
    found: dict[tuple[str, str], Place] = {}
    for location in _locations(crash, located):
        place = _place(location, read)
        if place and found.setdefault((place.path, place.body.name), place) and len(found) == MAX_PLACES:
            break
    return tuple(found.values())


def _locations(crash: Crash, located: Located) -> Iterator[Location]:
    if located.site:
        yield located.site
    for stack, where in zip(crash.stacks, located.stacks, strict=False):
        if stack.kind == "crash":
            for frame, location in zip(stack.frames, where.locations, strict=False):
                if frame.reliable and location and not is_machinery(location.path):
                    yield from (location, *location.inlined_by)
            return


def _place(location: Location, read: Reader) -> Place | None:
    text = read(location.path)
    function = function_at(text, location.line) if text else None
    body = parse_function(text, function) if text and function else None
    if text is None or body is None:
        return None
    # A location on the function's first lines says which function it is and no more.
    exact = location.how != "symbol" and body.open_line < location.line <= body.close_line
    return Place(location.path, text, body, location.line if exact else None)
