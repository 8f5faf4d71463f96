"""The locks that a report says are held, or waited for.

The formats are those of kernel/locking/lockdep.c: ``print_lock()``, ``lockdep_print_held_locks()`` and its reports.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from kernfix.crash.lines import Lines
from kernfix.crash.model import Frame, HeldLock

_TASK = r"(?P<task>\S.{0,63}?)/(?P<pid>\d{1,10})"
_IRQ_STATE = r"(?:\[HC.{1,60}\] )?"
_HEADINGS = (
    (re.compile(rf"\s*\d{{1,3}} locks? held by {_TASK}(?: on CPU.{{0,20}})?:\s*$"), True),
    (re.compile(rf"\s*{_TASK} {_IRQ_STATE}is trying to (?:acquire|lock|take)\b"), False),
    (re.compile(rf"\s*{_TASK} {_IRQ_STATE}(?:takes|just changed the state of lock):"), True),
)
"""What a list of locks begins with, and whether they are held; "already holding" goes on about the same task."""
_GIVES_BACK = re.compile(rf"\s*{_TASK} is trying to (?:release|contend) lock \((?P<name>.{{1,300}})\) at:")
_ALREADY = "already holding"
_NEAR = 6
"""Lines in which the heading of a lock is looked for; lines of others may have come between."""

_LOCK = re.compile(
    r"(?:\s*#\d{1,3}:)?\s*(?:[0-9a-f]{8,16} )?\((?P<name>.{1,300}?)\)\{[^{}]{1,16}\}(?:-\{\d{1,2}:\d{1,2}\})?(?:,? at: ?|\s*$)"
)
_SOURCE = r"(?P<file>[\w./+-]{1,200}\.[A-Za-z]\w{0,2}):(?P<line>\d{1,7})(?::(?P<column>\d{1,5}))?"
_PLACE = re.compile(
    r"\s*(?:\[<?(?P<address>[0-9a-f]{8,16})>?\]\s*)?(?P<function>[A-Za-z_$][^\s+()]{0,300}|<[^\n+]{1,300})"
    r"(?:\+0x(?P<offset>[0-9a-f]{1,8})/0x(?P<size>[0-9a-f]{1,8})"
    r"(?: \[(?P<module>[\w-]{1,60})(?: (?P<build_id>[0-9a-f]{16,64}))?\])?)?"
    rf"(?:\s+\(?{_SOURCE}\)?(?P<inlined>\s+\[inline\])?)?"
)


class _Heading(NamedTuple):
    """What the lines below a heading list: locks that the task holds, or wants."""

    held: bool
    task: str | None
    pid: int | None


def held_locks_of(lines: Lines) -> tuple[HeldLock, ...]:
    """The locks in the order of the report, each once: whether they are held, by whom, and where they were (or are) taken.

    A lock that a task gives back without holding it is listed as one that it does not hold.
    """
    locks = _given_back(lines)
    heading: _Heading | None = None
    last, lead = 0, ""
    bodies = lines.bodies
    for number in [number for number, body in enumerate(bodies) if "){" in body]:
        heading = _heading_above(bodies[max(last, number - _NEAR) : number], heading, locks)
        last = number
        found = _LOCK.match(bodies[number]) if heading else None
        if heading and found:
            if found[0] == lead and _is_inlined(locks[-1]):
                locks.pop()
            locks.append(
                HeldLock(found["name"], heading.held, _place(lines, number, found.end()), heading.task, heading.pid)
            )
            lead = found[0]
    once: dict[object, HeldLock] = {}
    for lock in locks:
        once.setdefault(_same(lock), lock)
    return tuple(once.values())


def _given_back(lines: Lines) -> list[HeldLock]:
    """What the reports ``bad unlock balance`` and ``bad contention`` are about; the place is on the line after."""
    if "bad " not in "".join(lines.bodies[:1]):
        return []
    found = ((_GIVES_BACK.match(body), below) for below, body in enumerate(lines.bodies[:-1], 1))
    return [
        HeldLock(given["name"], False, _place(lines, below, 0), given["task"], int(given["pid"]))
        for given, below in found
        if given
    ]


def _heading_above(above: list[str], heading: _Heading | None, locks: list[HeldLock]) -> _Heading | None:
    """What a lock is listed under: the nearest line that ends in a colon, else what the lock before it was."""
    for nearest in reversed(above):
        if ":" in nearest[-2:]:
            break
    else:
        return heading if above and len(above) < _NEAR else None
    if _ALREADY in nearest:
        return _Heading(True, locks[-1].task, locks[-1].pid) if locks else _Heading(True, None, None)
    for pattern, held in _HEADINGS:
        if match := pattern.match(nearest):
            return _Heading(held, match["task"], int(match["pid"]))
    return None


def _is_inlined(lock: HeldLock) -> bool:
    """Its place is a function that has no code of its own: the line is printed again for the one that holds its code."""
    return lock.frame is not None and lock.frame.inlined


def _same(lock: HeldLock) -> object:
    place = (lock.frame.function, lock.frame.offset, lock.frame.line) if lock.frame else None
    return lock.name, lock.held, lock.task, lock.pid, place


def _place(lines: Lines, no: int, at: int) -> Frame | None:
    """The frame that stands in a line from there on."""
    match = _PLACE.match(lines.bodies[no], at)
    if match is None or not (match["offset"] or match["line"]):
        return None
    address, function, offset, size, module, build_id, file, number, column, inlined = match.groups()
    last = "column" if column else "line" if number else "size"
    return Frame(
        function,
        lines.span(no, match.start("function"), match.end(last)),
        int(offset, 16) if offset else None,
        int(size, 16) if size else None,
        file,
        int(number) if number else None,
        int(column) if column else None,
        inlined is not None,
        module=module,
        address=address,
        build_id=build_id,
    )
