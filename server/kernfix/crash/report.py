"""Cutting a stretch of a log into reports: which lines belong to which crash."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, compress
from typing import NamedTuple

from kernfix.crash.entries import Entry, Heading, Sign, entries_of
from kernfix.crash.lines import CONSOLE, PLAIN, Lines, read_lines
from kernfix.crash.model import Frame
from kernfix.crash.rules import Family, rx
from kernfix.crash.scan import Headline
from kernfix.crash.stretch import Stretch

REPORT_LIMIT = 3000
"""Lines of one context that a report may have."""
MOST_INSIDE = 12
"""Later headlines of the same context that the analysis of a report looks past, at most."""
MOST_BEHIND = 3
"""Later headlines of the same context that the report of a mere consequence holds, at most."""
_ASKED = "Sending NMI from CPU"
_NMI_LIMIT = 600
_BEFORE = 3
"""Lines of the same context above a headline that may tell more about it (``refcount_t: …``, ``list_add corruption. …``)."""

_TRAP = rx(
    r"invalid opcode:|Internal error:|general protection fault|PANIC: double fault|Unhandled fault:|stack segment:"
)
_CUT_HERE = 4
"""Lines within which a WARN() or BUG() follows a message about the same thing."""
_MAY_ASSERT = ("BUG:", "WARNING:", "rust_kernel: panicked")
_ASSERTION = rx(r"WARNING: .* at |kernel BUG at")
_SLAB_DETAIL = rx(r"INFO: (?:Freed|Allocated|Slab|Object|0x[0-9a-f]+-0x[0-9a-f]+)[ .]")
_PANIC_OF_CRASH = rx(
    r"Kernel panic - not syncing: (?:.*panic_on_warn set|Fatal (?:hardware |machine )?exception|.*hung_task: blocked tasks"
    r"|softlockup: hung tasks|RCU Stall|.*UBSAN|.*KASAN|kasan|Oops|Attempted to kill|Hard LOCKUP|.*: panic_on)"
)

_PASSING = "unregister_netdevice: waiting for"
"""A headline that is repeated every few seconds, whatever else is being printed: it ends no report."""
_INSIDE = rx(r"invalid opcode: 0000|Kernel panic - not syncing|" + _PASSING + r"|PANIC: double fault|Internal error:")
"""Headlines that may stand inside of a report without ending it."""
_OTHER_REPORT = "vmalloc: allocation failure:", "FAULT_INJECTION: forcing a failure", "FAULT_FLAG_ALLOW_RETRY missing"
"""Messages with a stack that are no crash; they end a report that has no caller tag to be told by."""
_TAINT = "Disabling lock debugging due to kernel taint"
_CUT = ("Kernel panic - not syncing", "WARNING: possible circular locking dependency detected")
_CUT_AFTER, _CUT_AFTER_KMSAN = 22, 16


class Part(NamedTuple):
    """Lines, what each is to the stacks, and their words as one text; `mixed` when they are of several contexts."""

    lines: Lines
    entries: list[Entry]
    text: str
    mixed: bool = False

    def at(self, places: list[int]) -> Part:
        """The lines at these places, which may be in another order."""
        lines = self.lines.at(places)
        return Part(lines, [self.entries[at] for at in places], "\n".join(lines.bodies), self.mixed)


class Words(NamedTuple):
    """The kernel's own words of some lines, what each line is to the stacks, and the words as one text."""

    bodies: list[str]
    entries: list[Entry]
    text: str

    def start_of(self, line: int) -> int:
        """Where a line begins in the text."""
        return sum(map(len, self.bodies[:line])) + line


@dataclass(frozen=True, slots=True)
class Report:
    """One crash in a log: `part` is all of it in log order, headline first, and `before` the words of the few lines of its
    context above the headline.

    Whether it is whole is told from `far`: what its context has printed since, more or less. Title and blame are told from the first
    `telling` of those lines, which may end sooner (at the next headline, where nothing tells whose lines follow) or later (where a caller
    tag tells) than the crash. `root` is the index of the report that this one is a consequence of, or None.
    """

    family: Family
    part: Part
    far: Part
    telling: int
    before: list[str] = field(default_factory=list)
    root: int | None = None

    def reliable(self) -> list[str]:
        """The words of all its lines but of frames that the unwinder only guessed."""
        return [
            body
            for body, entry in zip(self.part.lines.bodies, self.part.entries, strict=True)
            if type(entry) is not Frame or entry.reliable
        ]

    def words(self) -> tuple[Words, Words]:
        """What title and blame are told from, and what wholeness: no unreliable frames, nothing below the panic of a long report."""
        lines, entries, text, _ = self.far
        bodies = lines.bodies
        told = self.telling
        if lines.contexts[0] != PLAIN:
            sure = [type(entry) is not Frame or entry.reliable for entry in entries]
            sure[0] = True
            if not all(sure):
                bodies, entries, told = [*compress(bodies, sure)], [*compress(entries, sure)], sum(sure[:told])
                text = "\n".join(bodies)
        if _TAINT in text or _CUT[0] in text or _CUT[1] in text:
            bodies, entries, told = self._shortened(bodies, entries, told, is_tainted=_TAINT in text)
            text = "\n".join(bodies)
        far = Words(bodies, entries, text)
        if told >= len(bodies):
            return far, far
        return Words(bodies[:told], entries[:told], "\n".join(bodies[:told])), far

    def _shortened(
        self, bodies: list[str], entries: list[Entry], told: int, *, is_tainted: bool
    ) -> tuple[list[str], list[Entry], int]:
        """The same without what is dull, and without all below the panic or the deadlock that a long report ends with."""
        if is_tainted and self.part.lines.contexts[0] != PLAIN:
            telling = [no == 0 or _TAINT not in body for no, body in enumerate(bodies)]
            bodies, entries, told = [*compress(bodies, telling)], [*compress(entries, telling)], sum(telling[:told])
        limit = _CUT_AFTER_KMSAN if "KMSAN" in bodies[0] else _CUT_AFTER
        cuts = (no for no in range(limit + 1, len(bodies)) if _CUT[0] in bodies[no] or _CUT[1] in bodies[no])
        end = next(cuts, len(bodies))
        return bodies[:end], entries[:end], min(told, end)


class Context:
    """The lines of one context in log order, what each is to a stack, and which are headlines."""

    __slots__ = ("_entries", "_foreign", "headlines", "lines")

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.headlines: list[int] = []
        self._entries: list[Entry] = []
        self._foreign: list[int] | None = None

    def part(self, start: int, end: int) -> Part:
        """The lines ``[start, end)``."""
        lines = self.lines.between(start, end)
        return Part(lines, self.entries(start, end), "\n".join(lines.bodies))

    def entries(self, start: int, end: int) -> list[Entry]:
        """What the lines ``[start, end)`` are to a stack; each is read once."""
        known = len(self._entries)
        if known < end:
            self._entries += entries_of(self.lines.bodies[known:end])
        return self._entries[start:end]

    def after(self, at: int) -> list[int]:
        """The next headlines after the one at index `at`."""
        first = bisect_right(self.headlines, at)
        return self.headlines[first : first + MOST_INSIDE]

    def far(self, at: int) -> int:
        """How far the lines that the headline at index `at` may be about reach."""
        later = self.after(at)
        end = min(len(self.lines.bodies), at + REPORT_LIMIT)
        return min(end, later[-1]) if len(later) == MOST_INSIDE else end

    def telling(self, at: int, far: int, text: str) -> int:
        """Where title and blame of the headline at index `at` must have been told; `text` are the words from there to `far`."""
        bodies = self.lines.bodies
        if self.lines.contexts[at] not in (PLAIN, CONSOLE):
            return far
        heads = (no for no in self.after(at) if not (_INSIDE.search(bodies[no]) or _is_inlined(bodies, no)))
        stop = min(next(heads, far), far)
        one, two, three = _OTHER_REPORT
        if not (one in text or two in text or three in text):
            return stop
        if self._foreign is None:
            self._foreign = _other_reports(bodies)
        other = bisect_right(self._foreign, at)
        return min([stop, *self._foreign[other : other + 1]])


def _is_inlined(bodies: list[str], at: int) -> bool:
    """Whether a symbolizer made several headlines of one, one for each inlined function, and this is not the first."""
    return at > 0 and "[inline]" in bodies[at - 1]


def _other_reports(bodies: list[str]) -> list[int]:
    """Where other reports with a stack begin, which are no crash."""
    one, two, three = _OTHER_REPORT
    return [no for no, body in enumerate(bodies) if one in body or two in body or three in body]


def reports(stretch: Stretch) -> Iterator[Report]:
    """The reports of a stretch of a log, in log order.

    A headline that is only the consequence of a crash has a report of its own, and is in that crash's report too.
    """
    headlines = stretch.headlines
    contexts, places = _sorted_out(stretch)
    roots, ends = _roots(headlines, places)
    processors = _Processors(contexts)
    for number, (headline, (context, at)) in enumerate(zip(headlines, places, strict=True)):
        root = roots[number]
        owner = number if root is None or places[root][0] is not context else root
        end = max(at + 1, min(ends.get(owner, len(context.lines.bodies)), at + REPORT_LIMIT))
        if root is not None:
            end = min([end, *context.after(at)[MOST_BEHIND:]])
        reach = max(end, context.far(at))
        part = processors.joined(context.part(at, end))
        far = part if reach == end else processors.joined(context.part(at, reach))
        telling = context.telling(at, reach, far.text)
        told = len(far.entries) if telling == reach else telling - at
        yield Report(headline.family, part, far, told, context.lines.bodies[max(0, at - _BEFORE) : at], root)


def _sorted_out(stretch: Stretch) -> tuple[dict[str, Context], list[tuple[Context, int]]]:
    """The lines of a stretch by context, and where each headline is: its context, and its index there."""
    lines = read_lines(stretch.first, stretch.lines, common=stretch.common)
    contexts = {name: Context(its) for name, its in lines.by_context().items()}
    places = []
    for headline in stretch.headlines:
        context = contexts[lines.contexts[headline.line - stretch.first]]
        at = bisect_left(context.lines.numbers, headline.line)
        context.headlines.append(at)
        places.append((context, at))
    return contexts, places


def _roots(headlines: list[Headline], places: list[tuple[Context, int]]) -> tuple[list[int | None], dict[int, int]]:
    """For each headline the crash that it is a consequence of, if any; for each crash where, in its context, the next one begins."""
    roots: list[int | None] = []
    ends: dict[int, int] = {}
    last: int | None = None
    open_: dict[int, int] = {}
    seen: dict[int, tuple[int, bool]] = {}
    for number, (headline, (context, at)) in enumerate(zip(headlines, places, strict=True)):
        key = id(context)
        since, traced = seen.get(key, (at, False))
        traced = traced or _has_trace(context.entries(since, min(at, since + REPORT_LIMIT)))
        previous = open_.get(key)
        about = None if previous is None else headlines[previous]
        if last is not None and _is_consequence(context.lines.bodies, at, headline, about, traced=traced):
            roots.append(last if previous is None else previous)
            seen[key] = at, traced
            continue
        roots.append(None)
        last = number
        if previous is not None and headline.family.keyword.startswith(_PASSING):
            ends[number] = next(iter(context.after(at)), len(context.lines.bodies))
            seen[key] = at, traced
            continue
        if previous is not None:
            ends.setdefault(previous, at)
        open_[key] = number
        seen[key] = at, False
    return roots, ends


def _has_trace(entries: list[Entry]) -> bool:
    """Whether there is a trace with its frames."""
    started = False
    for entry in entries:
        if entry is None:
            continue
        if isinstance(entry, Heading):
            started |= entry.sign in (Sign.TRACE, Sign.BACKTRACE)
        elif started and not entry.register:
            return True
    return False


def _is_consequence(bodies: list[str], at: int, headline: Headline, previous: Headline | None, *, traced: bool) -> bool:
    """Whether a headline belongs to the crash before it: the panic that it caused, the trap behind a BUG(), the detail of a slab report."""
    body = bodies[at]
    if headline.family.keyword == "Kernel panic":
        return _PANIC_OF_CRASH.search(body) is not None or (previous is not None and not traced)
    if previous is None:
        return False
    if previous.family is headline.family and _is_inlined(bodies, at):
        return True
    if _TRAP.search(body) or (
        previous.family.keyword in _MAY_ASSERT
        and headline.line - previous.line <= _CUT_HERE
        and _ASSERTION.search(body)
    ):
        return not traced
    return previous.family.keyword in ("BUG:", "BUG kmalloc-") and _SLAB_DETAIL.search(body) is not None


class _Processors:
    """What processors printed in contexts of their own: a stall report asks them for their stacks, and there they answer."""

    def __init__(self, contexts: dict[str, Context]) -> None:
        self._contexts = contexts
        self._answers: Part | None = None

    def joined(self, own: Part) -> Part:
        """The lines of a report, with what other processors answered where it asked them."""
        lines = own.lines
        if lines.contexts[0] in (CONSOLE, PLAIN) or _ASKED not in own.text:
            return own
        if self._answers is None:
            self._answers = self._all()
        asked = next(number for number, body in zip(lines.numbers, lines.bodies, strict=True) if _ASKED in body)
        answers = self._answers.lines
        start = bisect_right(answers.numbers, asked)
        stop = min(bisect_right(answers.numbers, lines.numbers[-1] + _NMI_LIMIT), start + _NMI_LIMIT)
        of_others = [at for at in range(start, stop) if answers.contexts[at] != lines.contexts[0]]
        return _merged([own, self._answers.at(of_others)])

    def _all(self) -> Part:
        """The lines of all processors."""
        return _merged(
            [
                context.part(0, len(context.lines.bodies))
                for name, context in self._contexts.items()
                if name.startswith("C") and name != CONSOLE
            ]
        )


def _merged(parts: list[Part]) -> Part:
    """The lines of several parts of a stretch in log order."""
    lines = Lines(
        numbers=[*chain.from_iterable(part.lines.numbers for part in parts)],
        bodies=[*chain.from_iterable(part.lines.bodies for part in parts)],
        begins=[*chain.from_iterable(part.lines.begins for part in parts)],
        contexts=[*chain.from_iterable(part.lines.contexts for part in parts)],
        raws=parts[0].lines.raws if parts else {},
    )
    together = Part(lines, [*chain.from_iterable(part.entries for part in parts)], "", mixed=True)
    return together.at(sorted(range(len(lines.bodies)), key=lines.numbers.__getitem__))
