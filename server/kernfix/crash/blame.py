"""The function to blame: what the title names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from kernfix.crash.demangle import demangled
from kernfix.crash.entries import Entry, Heading, Sign
from kernfix.crash.model import Frame
from kernfix.crash.report import Words
from kernfix.crash.rules import CALL_TRACE, FAULT, TRACE, Kind, Look
from kernfix.crash.skips import is_machinery, skip_pattern
from kernfix.crash.titles import base_name

_INJECTED = "should_fail"
"""How the functions of fault injection begin: their stack comes without a headline, in the middle of another report."""


def blamed_function(kind: Kind, words: Words, start: int) -> str | None:
    """The function to blame for a crash of that kind, whose headline is the line `start` of the words; None where none can be named."""
    for look in kind.looks:
        candidates = _candidates(kind, look, words, start)
        if candidates is None:
            return None
        chosen = (kind.pick(candidates) if kind.pick else candidates[0]) if candidates else None
        if chosen:
            return chosen
    return None


def _candidates(kind: Kind, look: Look, words: Words, start: int) -> list[str] | None:
    """The functions that a look passes, innermost first (only the first, unless the kind picks); None when an injected fault makes the
    stack worthless.
    """
    found: list[str] = []
    for name in _passed(look, words, start):
        if name.startswith(_INJECTED) and not found:
            return None
        plain = plain_name(name)
        if not _is_skipped(kind.skip, plain):
            found.append(plain)
            if kind.pick is None:
                break
    return found


def _passed(look: Look, words: Words, at: int) -> Iterator[str]:
    """Every function on the way of a look, from the line `at` down; the way ends at a step that nothing fits."""
    for step in look:
        if step is not TRACE:
            name, found = _step_to(step, words, at)
            yield from (_INJECTED for entry in words.entries[at:found] if _is_injected(entry))
            if name:
                yield name
            at = found + 1
            continue
        while at < len(words.entries) and not _ends_stack(words.entries[at]):
            yield from stack_names(words.entries[at])
            at += 1


def _step_to(step: re.Pattern[str] | object, words: Words, at: int) -> tuple[str | None, int]:
    """The next line that a step fits, from the line `at` on, and the function that it names; behind the last line where none fits."""
    entries = words.entries
    if step is CALL_TRACE:
        return None, next((no for no in range(at, len(entries)) if is_call_trace(entries[no])), len(entries))
    if step is FAULT:
        for no in range(at, len(entries)):
            entry = entries[no]
            if isinstance(entry, Frame) and entry.register and not entry.inlined:
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


def is_call_trace(entry: Entry) -> bool:
    """Whether the line is the heading that most traces have."""
    return isinstance(entry, Heading) and entry.sign in (Sign.TRACE, Sign.BACKTRACE)


def _ends_stack(entry: Entry) -> bool:
    return isinstance(entry, Heading) and entry.sign is not Sign.NONE


def _is_injected(entry: Entry) -> bool:
    return isinstance(entry, Frame) and entry.function.startswith(_INJECTED)


def is_plumbing(function: str) -> bool:
    """Whether a function serves everyone, as allocators and locks do, or is machinery: never to blame, and dull in a stack that only
    explains the crash.
    """
    return is_machinery(function) or _is_skipped((), plain_name(function))


@lru_cache(maxsize=8192)
def plain_name(name: str) -> str:
    """A symbol as titles have it: demangled, and without what the compiler hung on it."""
    return base_name(demangled(name) or name)


@lru_cache(maxsize=8192)
def _is_skipped(extra: tuple[str, ...], name: str) -> bool:
    return skip_pattern(extra).search(name) is not None
