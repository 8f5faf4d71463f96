"""One line of an old text of a file, found again in a new text of it.

The old and the new text of the line's function are aligned, first by the lines that occur once in each (the idea of patience diff), then by
what is between those. That judges a line by its neighbours: it is where it stands between them, and where they stand without it, it
is gone. Only when the function is gone too, or has lost the line with what was around it, is the rest of the file searched.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import islice, pairwise, takewhile
from typing import Literal, NamedTuple

from kernfix.source.functions import function_at, functions
from kernfix.source.model import Function
from kernfix.source.names import definition_names

Step = Literal["function", "fuzzy", "file", "offset", "none"]
"""What found a line: its text in its function, a like text there, its text elsewhere in the file, its offset in the function."""

_SIMILAR = 0.95
"""The least similarity (difflib's ratio) of a line that was changed in its place and is still called the same."""

_AROUND = 3
"""How many lines on each side speak for a line."""

_OUTSIDE = 20
"""How many lines on each side are taken for the text of a line in no function, and how far those may have come apart elsewhere."""

_SQUARE = 250_000
"""Pieces without a line that is unique in both are compared line by line up to this product of their lengths."""

_GAP, _LONG = 200, 500
"""How many lines are searched for a like one, and the longest that is, in characters."""

_COMMON = 64
"""A text on more lines than this says nothing of where it is, and so does a name at the head of more lines of where it is defined."""

_WORD = re.compile(r"\w\w")


class Quoted(NamedTuple):
    """A line of the old text: its 1-based number there, and what it says."""

    line: int
    text: str


class Relocation(NamedTuple):
    """Where a line is in the new text, 1-based; None where it is gone or where nothing is sure.

    `confidence` is 0 to 1, and 0 without a line. `near` is set where the line is gone and its neighbours are not: what stands in its place,
    the line most like it if there are several.
    """

    line: int | None
    confidence: float
    reason: str
    step: Step
    near: int | None = None


def relocate(old: str | Sequence[Quoted], line: int, new: str, symbol: str | None = None) -> Relocation:
    """Where 1-based `line` of `old` is in `new`.

    `old` is the whole old file, or the lines of it that a report quotes, in any order. `symbol` is the function that the line is in; a
    whole file says that by itself.
    """
    piece, name = _piece(old, line, symbol)
    at = next((at for at, quoted in enumerate(piece) if quoted.line == line), None)
    if at is None:
        return _none(f"The old text has no line {line}.")
    if not _WORD.search(piece[at].text):
        return _none("The line has no word in it that it could be known by.")
    lines = new.split("\n")
    found = _in_function(piece, at, lines, named(new, name) if name else ())
    if found is None or (found.line is None and found.near is None):
        found = _in_file(piece, at, lines) or found
    return found or _none("Neither the function nor the text around the line is in the new file.")


def by_offset(new: str, symbol: str, offset: int | None = None) -> Relocation:
    """Where a line is in `new` of which only its function is known, and perhaps that it was `offset` lines below the function's first.

    From Linux 6.1 to 6.12 such a line is right four times of five; without the offset the answer is the function's first line.
    """
    homes = named(new, symbol)
    if not homes:
        return _none(f"The new file does not define {symbol}().")
    home, several = homes[0], "" if len(homes) == 1 else f", the first of {len(homes)}"
    if offset is not None and 0 <= offset <= home.end - home.start:
        reason = f"As far below the beginning of {home.name}(){several} as it was; the old text is not known."
        return Relocation(home.start + offset, round(0.6 / len(homes), 2), reason, "offset")
    reason = f"This is where {home.name}(){several} begins; the line in it is not known."
    return Relocation(home.start, round(0.3 / len(homes), 2), reason, "offset")


def named(text: str, symbol: str) -> list[Function]:
    """The functions of `text` that `symbol` can be, in order. Only the pieces between braces in column 0 that mention it are parsed."""
    wanted = definition_names(symbol)
    words = {*wanted, *(name.removeprefix("compat_").removeprefix("sys_") for name in wanted)}
    found = []
    above, start, end = 0, 0, 0
    for head in islice(_heads(text, words), _COMMON) if words else ():
        if head < end:
            continue
        first = text.rfind("\n}", end, head)
        first = text.find("\n", first + 1, head) + 1 if first >= 0 else end
        above, start = above + text.count("\n", start, first), first
        last = text.find("\n}", head)
        end = text.find("\n", last + 1) + 1 if last >= 0 else 0
        end = end or len(text)
        found += [
            Function(each.name, above + each.start, above + each.end)
            for each in functions(text[first:end])
            if each.name in wanted
        ]
    return found


def _heads(text: str, words: set[str]) -> Iterator[int]:
    """Where the lines begin that mention one of `words` and may begin a definition: not indented, no comment, no statement."""
    pattern = re.compile(rf"(?:{'|'.join(map(re.escape, sorted(words)))})\b")
    start, at = 0, 0
    while match := pattern.search(text, at):
        at = match.end()
        if match.start() > 0 and _WORD.match(text, match.start() - 1):
            continue
        start = text.rfind("\n", start, match.start()) + 1 or start
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        if not text[start].isspace() and text[start] not in "#/*" and text[end - 1] != ";":
            yield start
        start = at = end


def _none(reason: str, near: int | None = None) -> Relocation:
    return Relocation(None, 0.0, reason, "none", near)


def _piece(old: str | Sequence[Quoted], line: int, symbol: str | None) -> tuple[list[Quoted], str | None]:
    """The old lines to go by, in order and without the blanks around each, and the name of their function."""
    if not isinstance(old, str):
        return [Quoted(*each) for each in sorted({quoted.line: quoted.text.strip() for quoted in old}.items())], symbol
    function = function_at(old, line)
    first, last = (function.start, function.end) if function else (max(line - _OUTSIDE, 1), max(line + _OUTSIDE, 0))
    texts = _strip(old.split("\n")[first - 1 : last])
    return [Quoted(first + at, text) for at, text in enumerate(texts)], function.name if function else symbol


def _strip(lines: Sequence[str]) -> list[str]:
    return [line.strip() for line in lines]


def _in_function(
    piece: Sequence[Quoted], at: int, lines: Sequence[str], homes: Sequence[Function]
) -> Relocation | None:
    """The verdict of the function that is likest to the old one; None when there is none."""
    texts = [quoted.text for quoted in piece]
    bodies = {home: _strip(lines[home.start - 1 : home.end]) for home in homes}
    aligned = {home: align(texts, body) for home, body in bodies.items()}
    if not aligned:
        return None
    home = max(aligned, key=lambda each: len(aligned[each]) / (len(texts) + len(bodies[each])))
    body, pairs, name = bodies[home], aligned[home], f"{home.name}()"
    if at in pairs:
        return _checked(texts, at, body, pairs, home)
    gap = range(
        max((there for here, there in pairs.items() if here < at), default=-1) + 1,
        min((there for here, there in pairs.items() if here > at), default=len(body)),
    )
    near, score = _likest(texts[at], body, gap)
    embedded = _support(texts, pairs, at) >= 0.5
    if embedded and score >= _SIMILAR:
        return Relocation(home.start + near, 0.6, f"A line like it is in its place in {name}.", "fuzzy")
    if texts.count(texts[at]) == 1 == body.count(texts[at]):
        return Relocation(
            home.start + body.index(texts[at]), 0.7, f"Its text is at another place of {name}.", "function"
        )
    where = home.start + min(near, len(body) - 1) if embedded else None
    return _none(f"{name} is here, but not this line of it: it was changed or is gone.", where)


def _checked(
    texts: Sequence[str], at: int, body: Sequence[str], pairs: Mapping[int, int], home: Function
) -> Relocation:
    """The line's counterpart by alignment, unless more speaks for another line of the same text, or nothing for either."""
    support, own = _support(texts, pairs, at), _context(texts, at, body, pairs[at])
    others = [index for index, text in enumerate(body) if text == texts[at] and index != pairs[at]]
    if any(_context(texts, at, body, other) > own for other in others) or (others and not support):
        return _none(f"{home.name}() has several lines of this text, and it is not sure which.", home.start + pairs[at])
    return Relocation(
        home.start + pairs[at],
        round(0.8 + 0.19 * support, 2),
        f"Its text is in its place in {home.name}().",
        "function",
    )


def _near(texts: Sequence[str], at: int) -> list[int]:
    """The next lines with words on each side."""
    sides = (range(at - 1, -1, -1), range(at + 1, len(texts)))
    return [other for side in sides for other in islice((each for each in side if _WORD.search(texts[each])), _AROUND)]


def _support(texts: Sequence[str], pairs: Mapping[int, int], at: int) -> float:
    """The share of the next lines that have their counterpart."""
    near = _near(texts, at)
    return sum(other in pairs for other in near) / len(near) if near else 0.0


def _context(old: Sequence[str], at: int, new: Sequence[str], there: int) -> int:
    """How many of the next lines on each side are the same, up to the first that differs."""
    count = 0
    for step in (-1, 1):
        for distance in range(step, step * (_AROUND + 1), step):
            here, its = at + distance, there + distance
            if not (0 <= here < len(old) and 0 <= its < len(new) and old[here] == new[its]):
                break
            count += 1
    return count


def _likest(text: str, lines: Sequence[str], indexes: range) -> tuple[int, float]:
    """The first of the lines that are most like `text`, and how like from 0 to 1; the range's first when none is."""
    best, score = indexes.start, 0.0
    matcher = SequenceMatcher(None, "", text[:_LONG], autojunk=False)
    for index in indexes[:_GAP]:
        matcher.set_seq1(lines[index][:_LONG])
        if matcher.real_quick_ratio() > score and matcher.quick_ratio() > score and (ratio := matcher.ratio()) > score:
            best, score = index, ratio
    return best, score


def _in_file(piece: Sequence[Quoted], at: int, lines: Sequence[str]) -> Relocation | None:
    """The line where most of the text around it went, if that says so clearly."""
    texts = [quoted.text for quoted in piece]
    places = _places(texts, lines)
    shift = _densest(
        [(there - quoted.line, 1 / len(places[quoted.text])) for quoted in piece for there in places[quoted.text]]
    )
    if shift is None:
        return None
    first, last = max(piece[0].line + shift - _OUTSIDE, 0), max(piece[-1].line + shift + _OUTSIDE, 0)
    pairs = align(texts, _strip(lines[first:last]))
    sure = any(len(places[texts[other]]) == 1 for other in (at, *_near(texts, at)) if other in pairs)
    alone = len(piece) == 1 and len(piece[at].text) > _OUTSIDE
    support = 0.5 if alone else _support(texts, pairs, at)
    if at not in pairs or support < 0.5 or not sure:
        return None
    reason = "Its text is elsewhere in the file" + (", with what was around it." if not alone else ".")
    return Relocation(first + pairs[at] + 1, round(0.4 + 0.5 * support, 2), reason, "file")


def _places(texts: Sequence[str], lines: Sequence[str]) -> dict[str, list[int]]:
    """The indexes of the lines of each text that has a word in it and is not on too many."""
    found: dict[str, list[int]] = {text: [] for text in texts}
    for index, text in enumerate(map(str.strip, lines)):
        if text in found:
            found[text].append(index)
    return {text: its if len(its) <= _COMMON and _WORD.search(text) else [] for text, its in found.items()}


def _densest(votes: list[tuple[int, float]]) -> int | None:
    """The number that has the heaviest votes for it and for what is up to `_OUTSIDE` below; None without votes."""
    votes.sort()
    best, most, low, total = None, 0.0, 0, 0.0
    for number, weight in votes:
        total += weight
        while votes[low][0] < number - _OUTSIDE:
            total -= votes[low][1]
            low += 1
        if total > most:
            best, most = number, total
    return best


def align(old: Sequence[str], new: Sequence[str]) -> dict[int, int]:
    """Which lines of `old` are which of `new`, by index; both rise together."""
    pairs: dict[int, int] = {}
    gaps = [(range(len(old)), range(len(new)))]
    while gaps:
        here, there = gaps.pop()
        if not here or not there:
            continue
        known = _anchors(old, new, here, there) or _ends(old, new, here, there)
        if known:
            pairs.update(known)
            bounds = [(here.start - 1, there.start - 1), *known, (here.stop, there.stop)]
            gaps += [(range(a + 1, b), range(c + 1, d)) for (a, c), (b, d) in pairwise(bounds)]
        elif len(here) * len(there) <= _SQUARE:
            matcher = SequenceMatcher(None, old[here.start : here.stop], new[there.start : there.stop], autojunk=False)
            for a, b, size in matcher.get_matching_blocks():
                pairs.update((here.start + a + step, there.start + b + step) for step in range(size))
    return pairs


def _anchors(old: Sequence[str], new: Sequence[str], here: range, there: range) -> list[tuple[int, int]]:
    """The longest rising chain of the lines that are unique in both ranges."""
    theirs = _unique(new, there)
    common = [(index, theirs[text]) for text, index in _unique(old, here).items() if text in theirs]
    tails: list[int] = []  # the last index in `new` of the best chain of each length,
    ends: list[int] = []  # and the number of the pair that it ends with
    previous: list[int] = []
    for number, (_, index) in enumerate(common):
        length = bisect_left(tails, index)
        previous.append(ends[length - 1] if length else -1)
        tails[length : length + 1] = [index]
        ends[length : length + 1] = [number]
    chain = []
    number = ends[-1] if ends else -1
    while number >= 0:
        chain.append(common[number])
        number = previous[number]
    return chain[::-1]


def _unique(texts: Sequence[str], indexes: range) -> dict[str, int]:
    """Each text that occurs once in the range, in order, with its index."""
    found: dict[str, int] = {}
    repeated = set()
    for index in indexes:
        if found.setdefault(texts[index], index) != index:
            repeated.add(texts[index])
    return {text: index for text, index in found.items() if text not in repeated}


def _ends(old: Sequence[str], new: Sequence[str], here: range, there: range) -> list[tuple[int, int]]:
    """The lines at the beginning and at the end of both ranges that are the same."""

    def same(pair: tuple[int, int]) -> bool:
        return old[pair[0]] == new[pair[1]]

    head = list(takewhile(same, zip(here, there, strict=False)))
    rest = zip(reversed(here[len(head) :]), reversed(there[len(head) :]), strict=False)
    return head + list(takewhile(same, rest))[::-1]
