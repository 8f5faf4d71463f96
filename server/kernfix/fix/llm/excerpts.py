"""Which source a model is shown: the functions of the best suspects, each cut to a window around the line that matters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kernfix.fix.llm.prompt import MAX_EXCERPT, MAX_EXCERPTS, NEXT_EXCERPT, Excerpt
from kernfix.fix.model import Suspect
from kernfix.patch.model import Reader
from kernfix.source.model import Located, Location


def excerpts(suspects: Sequence[Suspect], located: Located, read: Reader) -> tuple[Excerpt, ...]:
    """At most `MAX_EXCERPTS`, best suspect first and at length; functions whose extent or file is not known are left out."""
    places = {(place.path, place.function): place for place in reversed(tuple(_places(located)))}
    found: list[Excerpt] = []
    for suspect in suspects:
        room = NEXT_EXCERPT if found else MAX_EXCERPT
        excerpt = _excerpt(places.get((suspect.path, suspect.function)), suspect.line, room, read)
        found += [excerpt] if excerpt else []
    return tuple(found[:MAX_EXCERPTS])


def _places(located: Located) -> Iterator[Location]:
    if located.site:
        yield located.site
    for stack in located.stacks:
        for location in stack.locations:
            if location:
                yield location
                yield from location.inlined_by


def _excerpt(place: Location | None, line: int, room: int, read: Reader) -> Excerpt | None:
    text = read(place.path) if place else None
    if place is None or text is None or place.function_start is None or place.function_end is None:
        return None
    lines = text.split("\n")[place.function_start - 1 : place.function_end]
    first, last = _window(lines, line - place.function_start, room)
    return Excerpt(place.path, place.function or "", place.function_start + first, "\n".join(lines[first:last]))


def _window(lines: Sequence[str], focus: int, room: int) -> tuple[int, int]:
    """The widest range of whole lines around `focus` that fits the budget."""
    focus = min(max(focus, 0), max(len(lines) - 1, 0))
    first, last = focus, focus
    while True:
        below = last < len(lines) and len(lines[last]) < room
        if below:
            room -= len(lines[last]) + 1
            last += 1
        above = first > 0 and len(lines[first - 1]) < room
        if above:
            first -= 1
            room -= len(lines[first]) + 1
        if not below and not above:
            return first, last
