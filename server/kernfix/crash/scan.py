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


_HINTS = (
    "BUG", "WARNING:", "INFO:", "panic", "fault", "error:", "UBSAN:", "Unable to", "segment: ", "opcode:", "int3:", "Booting the",
    "waiting for", "VFS: ", "Alignment", "SYZF", "",
)  # fmt: skip
"""What several keywords share: to look for a few words that nearly no log holds is quicker than to look for every keyword."""
_BY_HINT = tuple(
    (
        hint,
        [
            rank
            for rank, family in enumerate(FAMILIES)
            if next(each for each in _HINTS if each in family.keyword) == hint
        ],
    )
    for hint in _HINTS
)
"""For each hint, which of the families have a keyword with it."""


_PREFIX_LIMIT = 200
"""Characters that may stand in front of the kernel's words."""


class Headline(NamedTuple):
    """A line that starts a crash: its 0-based number, and the family that claims it."""

    line: int
    family: Family


def headlines(text: str) -> Iterator[Headline]:
    """The headlines of a text in log order; lines are counted from 0."""
    near = sorted(rank for hint, ranks in _BY_HINT if hint in text for rank in ranks if FAMILIES[rank].keyword in text)
    if not near:
        return
    families = [FAMILIES[rank] for rank in near]
    keyword = re.compile("|".join(re.escape(family.keyword) for family in families))
    number = counted = 0
    match = keyword.search(text)
    while match is not None:
        begin = text.rfind("\n", 0, match.start()) + 1
        end = text.find("\n", match.end())
        end = len(text) if end < 0 else end
        line = text[begin : min(end, begin + LINE_LIMIT)]
        family = next((family for family in families if _starts(family, line)), None)
        if family and not _is_cut_copy(text, end):
            number += text.count("\n", counted, begin)
            counted = begin
            yield Headline(number, family)
        match = keyword.search(text, end)


def _starts(family: Family, line: str) -> bool:
    return family.keyword in line and not (family.ignore and family.ignore.search(line))


def _is_cut_copy(text: str, end: int) -> bool:
    """Whether the console was flushed in the middle of the line that ends here: the whole line follows."""
    return REPLAY in text[end + 1 : end + 1 + _PREFIX_LIMIT + len(REPLAY)].partition("\n")[0]
