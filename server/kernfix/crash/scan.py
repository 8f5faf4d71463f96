"""One quick pass over a whole log for the lines that may start a crash."""

from __future__ import annotations

import re
from typing import NamedTuple

from kernfix.crash.formats import FAMILIES
from kernfix.crash.lines import LINE_LIMIT
from kernfix.crash.rules import Family

MAX_HEADLINES = 2000
"""Headlines that are read of one log; a log with more is a loop of the same fault."""

_REPLAY = "** replaying previous printk message **"


class Headline(NamedTuple):
    """A line that starts a crash: its 0-based number, and the family that claims it."""

    line: int
    family: Family


def headlines(text: str) -> tuple[list[Headline], bool]:
    """The headlines of a log in log order, and whether there are more than are read."""
    families = tuple(family for family in FAMILIES if family.keyword in text)
    if not families:
        return [], False
    keyword = re.compile("|".join(re.escape(family.keyword) for family in families))
    found: list[Headline] = []
    number = counted = 0
    match = keyword.search(text)
    while match is not None:
        begin = text.rfind("\n", 0, match.start()) + 1
        end = text.find("\n", match.end())
        end = len(text) if end < 0 else end
        number += text.count("\n", counted, begin)
        counted = begin
        line = text[begin : min(end, begin + LINE_LIMIT)]
        family = next((family for family in families if _starts(family, line)), None)
        if family and not _is_cut_copy(text, end):
            if len(found) == MAX_HEADLINES:
                return found, True
            found.append(Headline(number, family))
        match = keyword.search(text, end)
    return found, False


def _starts(family: Family, line: str) -> bool:
    return family.keyword in line and not (family.ignore and family.ignore.search(line))


def _is_cut_copy(text: str, end: int) -> bool:
    """Whether the console was flushed in the middle of the line that ends here: the whole line follows."""
    return text.startswith(_REPLAY, end + 1) or _REPLAY in text[end + 1 : end + 80].partition("\n")[0]
