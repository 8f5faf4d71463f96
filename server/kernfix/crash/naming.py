"""What the table of kinds makes of a report: title, alternative titles, blame, and whether they can be trusted."""

from __future__ import annotations

import re
from typing import NamedTuple

from kernfix.crash import corruption
from kernfix.crash.blame import Blame, blame
from kernfix.crash.report import Report, Words
from kernfix.crash.rules import Kind
from kernfix.crash.titles import normalised, plain_names


class Named(NamedTuple):
    """The names of a crash, the words that they were read from, and the kind that it is (None where no row of the table fits)."""

    title: str
    alt_titles: tuple[str, ...]
    function: str | None
    corrupted: str | None
    words: Words
    kind: Kind | None = None


def named(report: Report) -> Named:
    """Title, blame and wholeness of a report, from the first line that a kind of its family fits."""
    family = report.family
    words, far = report.words()
    text = words.text
    half = False
    at = text.find(family.keyword)
    while at >= 0:
        for kind in family.kinds:
            match = kind.headline.match(text, at)
            if match:
                half = True
                result = _of_kind(kind, match, words, far, text.count("\n", 0, at))
                if result:
                    return result
        if half:
            break
        end = text.find("\n", at)
        at = text.find(family.keyword, end) if end >= 0 else -1
    line = words.bodies[0]
    title = line[max(line.find(family.keyword), 0) :]
    corrupted = corruption.torn_title(title) or (corruption.HALF_MATCHED if half else None)
    return Named(normalised(title), (), None, corrupted, words)


def _of_kind(kind: Kind, match: re.Match[str], words: Words, far: Words, line: int) -> Named | None:
    """What a kind makes of a report whose headline fits; None when its body does not."""
    body = kind.body.search(words.text, match.end()) if kind.body else None
    if kind.body and body is None:
        return None
    groups = [*match.groups(""), *(body.groups("") if body else ())]
    function, torn = blame(kind, words, line) if kind.names_function else Blame(None)
    names = plain_names(function, grouped=kind.pick is not None) if function else (corruption.NO_FUNCTION,)
    raw = [form.format(*groups, F=name) for name in names for form in (kind.title, *kind.alts)]
    title, *others = map(normalised, raw)
    corrupted = corruption.torn_title(raw[0]) or _wholeness(kind, far, is_blamed=function is not None and not torn)
    return Named(title, tuple(sorted({*others} - {title})), function, corrupted, words, kind)


def _wholeness(kind: Kind, far: Words, *, is_blamed: bool) -> str | None:
    if kind.broken:
        return corruption.BROKEN_FORMAT
    if kind.names_function and not is_blamed:
        return corruption.NO_FRAMES
    return corruption.torn_stack(far) if kind.needs_stack else None
