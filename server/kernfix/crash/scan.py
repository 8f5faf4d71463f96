"""One quick pass over text for the lines that may start a crash."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from kernfix.crash.formats import FAMILIES
from kernfix.crash.lines import LINE_LIMIT
from kernfix.crash.rules import Family

REPLAY = "** replaying previous printk message **"
"""Stands right below a line that the console has cut off; the whole line follows."""

_SHARED = "BUG", "panic", "error:", "SYZFA"
"""What several keywords have in common: it is looked for once, and the line that holds it is then asked for each of them."""
_SOUGHT = sorted({next((part for part in _SHARED if part in family.keyword), family.keyword) for family in FAMILIES})
_SHOUTED = re.compile("|".join(re.escape(part) for part in _SOUGHT if part[0].isupper()))
"""What begins with a capital: few words of a log do, so that one search for all of them is quick."""
_SPOKEN = tuple(part for part in _SOUGHT if not part[0].isupper())
"""The others, which are quicker to look for one by one."""
_PREFIX_LIMIT = 200
"""Characters that may stand in front of the kernel's words."""


class Headline(NamedTuple):
    """A line that starts a crash: its 0-based number, and the family that claims it."""

    line: int
    family: Family


def headlines(text: str) -> Iterator[Headline]:
    """The headlines of a text in log order; lines are counted from 0."""
    number = counted = end = 0
    for place in _places(text):
        if place < end:
            continue
        begin = text.rfind("\n", 0, place) + 1
        end = text.find("\n", place)
        end = len(text) if end < 0 else end
        line = text[begin : min(end, begin + LINE_LIMIT)]
        family = _started_by(line)
        if family and not _is_cut_copy(text, end):
            number += text.count("\n", counted, begin)
            counted = begin
            yield Headline(number, family)


def _places(text: str) -> list[int]:
    """Where a keyword may be, in log order."""
    places = [match.start() for match in _SHOUTED.finditer(text)]
    for part in _SPOKEN:
        at = text.find(part)
        while at >= 0:
            places.append(at)
            at = text.find(part, at + len(part))
    return sorted(places)


def _started_by(line: str) -> Family | None:
    """The first family that claims a line."""
    for family in FAMILIES:
        if family.keyword in line and not (family.ignore and family.ignore.search(line)):
            return family
    return None


def _is_cut_copy(text: str, end: int) -> bool:
    """Whether the console was flushed in the middle of the line that ends here: the whole line follows."""
    return REPLAY in text[end + 1 : end + 1 + _PREFIX_LIMIT + len(REPLAY)].partition("\n")[0]
