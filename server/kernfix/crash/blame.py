"""The function to blame: what the title names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from kernfix.crash.demangle import demangled
from kernfix.crash.entries import Entry, Heading, Sign
from kernfix.crash.model import Frame
from kernfix.crash.report import Words
from kernfix.crash.rules import CALL_TRACE, FAULT, TRACE, Kind, Look
from kernfix.crash.skips import is_machinery, skip_pattern
from kernfix.crash.titles import base_name

_INJECTED = "should_fail"
"""How the functions of fault injection begin: their stack comes without a headline, in the middle of another report."""
_LOST = "for stack id"
"""The end of what lib/stackdepot.c says of a stack that it cannot show (``slab index 52784 out of bounds (433) for stack id …``)."""
_CALL_TRACE = Sign.TRACE, Sign.BACKTRACE
"""The headings that most traces have."""
_BREAK = ""
"""Stands for a line at which a step was given up, among the functions that a look passes."""


class Blame(NamedTuple):
    """The function to blame, None where none can be named, and whether the way to it was `torn` by something else's stack."""

    function: str | None
    torn: bool = False


def blame(kind: Kind, words: Words, start: int) -> Blame:
    """Whom a crash of that kind, whose headline is the line `start` of the words, is to be blamed on."""
    may_be_torn = _INJECTED in words.text or _LOST in words.text
    torn = False
    for look in kind.looks:
        candidates, torn = _candidates(kind, _passed(look, words, start, may_be_torn), may_be_torn)
        chosen = (kind.pick(candidates) if kind.pick else candidates[0]) if candidates else None
        if chosen:
            return Blame(chosen, torn)
    return Blame(None, torn)


def _candidates(kind: Kind, passed: Iterable[str], may_be_torn: bool) -> tuple[list[str], bool]:
    """The functions that may be to blame, innermost first (only the first, where that is enough), and whether the way was torn."""
    found: list[str] = []
    torn = False
    for name in passed:
        torn |= name is _BREAK
        plain = plain_name(name)
        if plain and not (_is_skipped(plain) or (kind.skip and skip_pattern(kind.skip).search(plain))):
            found.append(plain)
            if kind.pick is None and not may_be_torn:
                break
    return found, torn


def _passed(look: Look, words: Words, at: int, may_be_torn: bool) -> Iterator[str]:
    """Every function on the way of a look, from the line `at` down; the way ends at a step that nothing fits. A step on whose way
    something tears the report is given up, and the next goes on from there.
    """
    breaks = [no for no in range(at, len(words.entries)) if _is_break(words, no)] if may_be_torn else []
    for step in look:
        torn = next((no for no in breaks if no >= at), len(words.entries))
        if step is TRACE:
            end = at
            for entry in words.entries[at:torn]:
                if type(entry) is Heading and entry.sign is not Sign.NONE:
                    break
                end += 1
                if entry:
                    yield from stack_names(entry)
            name = None
        else:
            name, end = _step_to(step, words, at)
        if torn < len(words.entries) and torn <= end:
            yield _BREAK
            end = torn
        elif name:
            yield name
        at = end + 1


def _is_break(words: Words, line: int) -> bool:
    entry = words.entries[line]
    if isinstance(entry, Frame):
        return not entry.register and not entry.inlined and plain_name(entry.function).startswith(_INJECTED)
    return entry is None and _LOST in words.bodies[line] and " out of bounds (" in words.bodies[line]


def _step_to(step: re.Pattern[str] | object, words: Words, at: int) -> tuple[str | None, int]:
    """The next line that a step fits, from the line `at` on, and the function that it names; behind the last line where none fits."""
    entries = words.entries
    if step is CALL_TRACE:
        for no, entry in enumerate(entries[at:], at):
            if type(entry) is Heading and entry.sign in _CALL_TRACE:
                return None, no
        return None, len(entries)
    if step is FAULT:
        for no, entry in enumerate(entries[at:], at):
            if type(entry) is Frame and entry.register and not entry.inlined:
                return entry.function, no
        return None, len(entries)
    assert isinstance(step, re.Pattern)
    begin = words.start_of(at)
    match = step.search(words.text, begin) if at < len(entries) else None
    if match is None:
        return None, len(entries)
    name = next((group for group in match.groups() if group), None)
    return name, at + words.text.count("\n", begin, match.start())


def stack_names(entry: Entry) -> tuple[str, ...]:
    """The functions that an entry of a stack names (arm prints callee and caller); a function without an address does not count."""
    if not isinstance(entry, Frame) or entry.register or entry.inlined:
        return ()
    return (entry.function, entry.caller) if entry.caller else (entry.function,)


def is_plumbing(function: str) -> bool:
    """Whether a function serves everyone, as allocators and locks do, or is machinery: never to blame, and dull in a stack that only
    explains the crash.
    """
    return is_machinery(function) or _is_skipped(plain_name(function))


@lru_cache(maxsize=8192)
def plain_name(name: str) -> str:
    """A symbol as titles have it: demangled, and without what the compiler hung on it."""
    return base_name(demangled(name) or name)


@lru_cache(maxsize=8192)
def _is_skipped(name: str) -> bool:
    return skip_pattern().search(name) is not None
