"""Which functions may hold the root cause, from where the crash's frames are in the tree."""

from __future__ import annotations

from collections.abc import Iterator

from kernfix.crash.model import Crash, Frame
from kernfix.fix.model import Suspect
from kernfix.source.model import Located, Location

_MACHINERY = (
    "arch/x86/kernel/dumpstack",
    "arch/x86/kernel/traps.c",
    "arch/x86/mm/fault.c",
    "kernel/panic.c",
    "kernel/printk/",
    "lib/bug.c",
    "lib/dump_stack.c",
    "lib/ubsan.c",
    "mm/kasan/",
    "mm/kfence/",
    "mm/kmsan/",
    "mm/slab",
    "mm/slub.c",
)
"""Code that reports a fault or serves memory: it is on the stack of bugs that others made."""

_WEIGHTS = {"crash": 1.0, "free": 0.8, "alloc": 0.6, "origin": 0.6, "other": 0.4, "lock": 0.4}
"""How much a stack of each kind says of the cause."""
_REASONS = {
    "crash": "in the crash's call trace",
    "free": "freed the object",
    "alloc": "allocated the object",
    "origin": "created the value",
    "other": "in a further call trace of the report",
    "lock": "took the lock",
}
_PER_CALLER = 0.8
"""Each step outwards from the innermost frame weighs this much less."""
_BLAMED = 2.0


def rank_suspects(crash: Crash, located: Located, limit: int = 10) -> tuple[Suspect, ...]:
    """Functions in this tree, best first: the one that the headline names, then the innermost frames of each stack."""
    scores: dict[tuple[str, str], float] = {}
    reasons: dict[tuple[str, str], list[str]] = {}
    lines: dict[tuple[str, str], int] = {}
    for location, score, reason in _evidence(crash, located):
        key = (location.path, location.function or "")
        scores[key] = scores.get(key, 0.0) + score
        reasons.setdefault(key, [])
        lines.setdefault(key, location.line)
        if reason not in reasons[key]:
            reasons[key].append(reason)
    best = sorted(scores, key=lambda key: -scores[key])[:limit]
    top = max(scores.values(), default=1.0)
    return tuple(Suspect(*key, lines[key], round(scores[key] / top, 3), tuple(reasons[key])) for key in best)


def is_machinery(path: str) -> bool:
    """Whether a file reports faults or serves memory, rather than causes them."""
    return path.startswith(_MACHINERY)


def _evidence(crash: Crash, located: Located) -> Iterator[tuple[Location, float, str]]:
    """Each place with what it weighs and why, in the order of the report."""
    if located.site and located.site.function:
        yield located.site, _BLAMED, "the headline names this line"
    for stack, places in zip(crash.stacks, located.stacks, strict=False):
        weight = _WEIGHTS[stack.kind]
        for frame, location in zip(stack.frames, places.locations, strict=False):
            for place in _own(frame, location):
                blamed = stack.kind == "crash" and place.function == crash.function
                yield (
                    place,
                    weight + (_BLAMED if blamed else 0.0),
                    "the headline blames it" if blamed else _REASONS[stack.kind],
                )
                weight *= _PER_CALLER


def _own(frame: Frame, location: Location | None) -> Iterator[Location]:
    """The place of a frame and those it was inlined into, where they say something: reliable, known, not the reporting machinery."""
    if frame.reliable and location:
        for place in (location, *location.inlined_by):
            if place.function and not is_machinery(place.path):
                yield place
