"""What a log names of the code outside of its stacks: in headlines, and where locks were taken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from kernfix.lsp.analysis import Analysis

if TYPE_CHECKING:
    from kernfix.crash.model import Crash, HeldLock, Span
    from kernfix.source.model import Location

_NAME = re.compile(r"(?<![\w.])([A-Za-z_]\w*)((?:\.\w+)*\+0x[0-9a-f]+/0x[0-9a-f]+)?")


class Mention(NamedTuple):
    """A place in the code that the log names: the characters that name it, and where it is in the tree.

    `function` is the name as printed, None for a bare ``file:line``; `is_exact` says that the log itself states file and line. `lock` is
    given where a lock was taken.
    """

    crash: int
    span: Span
    location: Location | None
    function: str | None = None
    is_exact: bool = False
    lock: HeldLock | None = None


def mentions(analysis: Analysis) -> dict[int, list[Mention]]:
    """The mentions by the line of the log; none lies over a frame, which says more."""
    found: dict[int, list[Mention]] = {}
    for mention in _all(analysis):
        line, start, end = mention.span
        frames = (placed.frame.span for placed in analysis.by_line.get(line, ()))
        if not any(start < frame.end and frame.start < end for frame in frames):
            found.setdefault(line, []).append(mention)
    return found


def mention_at(analysis: Analysis, line: int, character: int) -> Mention | None:
    """The mention under a character of the log."""
    there = analysis.once(mentions).get(line, ())
    return next((each for each in there if each.span.start <= character <= each.span.end), None)


def _all(analysis: Analysis) -> Iterator[Mention]:
    for index, crash in enumerate(analysis.crashes):
        yield from _headline(analysis, index)
        located = analysis.located[index].locks if analysis.located else ()
        for lock, location in zip_longest(crash.locks, located):
            if lock.frame:
                is_exact = lock.frame.line is not None
                yield Mention(index, lock.frame.span, location, lock.frame.function, is_exact, lock)


def _headline(analysis: Analysis, index: int) -> Iterator[Mention]:
    """The source line that the headline names, and the functions of the stacks that it names."""
    crash = analysis.crashes[index]
    line, start, end = crash.headline
    text = analysis.text.lines[line][:end]
    stated = _stated(crash, text, start)
    located = analysis.located[index].site if analysis.located else None
    if stated:
        yield Mention(index, crash.headline._replace(start=stated[0], end=stated[1]), located, is_exact=True)
    known = _functions(analysis, index)
    for match in _NAME.finditer(text, start):
        name, offset = match.groups()
        if (stated and match.end() > stated[0]) or name not in known:
            continue
        if offset or name == crash.function or "_" in name:
            yield Mention(
                index,
                crash.headline._replace(start=match.start(), end=match.end()),
                known[name],
                match[0],
                bool(stated),
            )


def _stated(crash: Crash, text: str, start: int) -> tuple[int, int] | None:
    """Where ``file:line`` stands in the headline."""
    if crash.site is None:
        return None
    words = f"{crash.site.file}:{crash.site.line}" + (f":{crash.site.column}" if crash.site.column else "")
    at = text.find(words, start)
    return (at, at + len(words)) if at >= 0 else None


def _functions(analysis: Analysis, index: int) -> dict[str, Location | None]:
    """The functions of the stacks by their plain name, each where it comes first, and the function to blame."""
    from kernfix.crash.blame import plain_name

    crash = analysis.crashes[index]
    found: dict[str, Location | None] = {}
    for placed in analysis.frames_of[index]:
        name = plain_name(placed.frame.function)
        if placed.frame.reliable and found.get(name) is None:
            found[name] = placed.location
    if crash.function and found.get(crash.function) is None:
        found[crash.function] = analysis.site(index)
    return found
