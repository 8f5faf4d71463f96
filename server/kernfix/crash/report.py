"""Cutting a log into reports: which lines belong to which crash."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from kernfix.crash.lines import CONSOLE, PLAIN, Line, read_line
from kernfix.crash.rules import CALL_TRACE, Family, rx
from kernfix.crash.scan import Headline

REPORT_LIMIT = 3000
"""Lines of one context that a report may have."""
_WINDOW = 20_000
"""Lines that are read after the last headline, for a report whose lines other contexts have been mixed into."""
_NMI_LIMIT = 600
_BEFORE = 3
"""Lines of the same context above a headline that may tell more about it (``refcount_t: …``, ``list_add corruption. …``)."""
_LEAD = 40

_TRAP = rx(
    r"invalid opcode:|Internal error:|general protection fault|PANIC: double fault|Unhandled fault:|stack segment:"
)
_CUT_HERE = 4
"""Lines within which a WARN() or BUG() follows a message about the same thing."""
_ASSERTION = rx(r"WARNING: .* at |kernel BUG at")
_SLAB_DETAIL = rx(r"INFO: (?:Freed|Allocated|Slab|Object) ")
_PANIC_OF_CRASH = rx(
    r"Kernel panic - not syncing: (?:.*panic_on_warn set|Fatal (?:hardware |machine )?exception|.*hung_task: blocked tasks"
    r"|softlockup: hung tasks|RCU Stall|.*UBSAN|.*KASAN|kasan|Oops|Attempted to kill|Hard LOCKUP|.*: panic_on)"
)

_UNRELIABLE = rx(r"^\s*(?:\[<?[0-9a-f]+>?\] )*\? \S+\+0x|\(unreliable\)|Disabling lock debugging due to kernel taint")
_OTHER_REPORT = rx(r"vmalloc: allocation failure:|FAULT_INJECTION: forcing a failure|FAULT_FLAG_ALLOW_RETRY missing")
_CUT = rx(r"Kernel panic - not syncing|WARNING: possible circular locking dependency detected")


@dataclass(slots=True)
class Report:
    """The lines of one crash, headline first, in log order, and the few of its context `before` the headline."""

    family: Family
    lines: list[Line] = field(default_factory=list)
    before: list[Line] = field(default_factory=list)

    @property
    def context(self) -> str:
        """Who printed the headline."""
        return self.lines[0].context

    def analysed(self) -> list[str]:
        """The words that title and blame are read from: no unreliable frames, nothing of a second report."""
        drop = self.context != PLAIN
        limit = 16 if "KMSAN" in self.lines[0].text else 22
        kept: list[str] = []
        for line in self.lines:
            body = line.body
            if len(kept) > limit and _CUT.search(body):
                break
            if kept and self.context in (PLAIN, CONSOLE) and _OTHER_REPORT.search(body):
                break
            if not (drop and _UNRELIABLE.search(body)):
                kept.append(body)
        return kept


def reports(raw_lines: list[str], headlines: list[Headline]) -> Iterator[Report]:
    """The reports of a log in log order. A headline that is only the consequence of a crash is part of that crash's report."""
    contexts: defaultdict[str, list[Line]] = defaultdict(list)
    place: dict[int, tuple[str, int]] = {}
    starts = {headline.line for headline in headlines}
    last = min(len(raw_lines), headlines[-1].line + _WINDOW)
    for number in range(max(0, headlines[0].line - _LEAD), last):
        line = read_line(number, raw_lines[number])
        if number in starts:
            place[number] = line.context, len(contexts[line.context])
        contexts[line.context].append(line)
    for headline, ends in _with_ends(headlines, contexts, place):
        context, at = place[headline.line]
        own = contexts[context][at : min(ends, at + REPORT_LIMIT)]
        before = contexts[context][max(0, at - _BEFORE) : at]
        yield Report(headline.family, before=before, lines=_with_other_processors(own, contexts))


def _with_ends(
    headlines: list[Headline], contexts: dict[str, list[Line]], place: dict[int, tuple[str, int]]
) -> list[tuple[Headline, int]]:
    """The headlines that start a crash, and where in their context the next crash begins."""
    first: list[tuple[Headline, str]] = []
    ends: dict[int, int] = {}
    open_: dict[str, Headline] = {}
    seen: dict[str, tuple[int, bool]] = {}
    for headline in headlines:
        context, at = place[headline.line]
        lines = contexts[context]
        since, traced = seen.get(context, (at, False))
        traced = traced or any(CALL_TRACE.search(line.body) for line in lines[since:at])
        body = lines[at].body
        if first and _is_consequence(body, headline, open_.get(context), lines[at - 1].body if at else "", traced):
            seen[context] = at, traced
            continue
        if context in open_ and not headline.family.keyword.startswith("unregister_netdevice"):
            ends.setdefault(open_[context].line, at)
        open_[context] = headline
        seen[context] = at, False
        first.append((headline, context))
    return [(headline, ends.get(headline.line, len(contexts[context]))) for headline, context in first]


def _is_consequence(body: str, headline: Headline, previous: Headline | None, last: str, traced: bool) -> bool:
    """Whether a headline belongs to the crash before it: the panic that it caused, the trap behind a BUG(), the detail of a slab report."""
    if headline.family.keyword == "Kernel panic":
        return _PANIC_OF_CRASH.search(body) is not None or (previous is not None and not traced)
    if previous is None:
        return False
    if previous.family is headline.family and "[inline]" in last:
        return True
    if _TRAP.search(body) or (
        previous.family.keyword == "BUG:" and headline.line - previous.line <= _CUT_HERE and _ASSERTION.search(body)
    ):
        return not traced
    return previous.family.keyword == "BUG:" and _SLAB_DETAIL.search(body) is not None


def _with_other_processors(own: list[Line], contexts: dict[str, list[Line]]) -> list[Line]:
    """A stall report asks the other processors for their stacks, and they answer in their own contexts."""
    asked = next((line.number for line in own if "Sending NMI from CPU" in line.text), None)
    if asked is None or own[0].context in (CONSOLE, PLAIN):
        return own
    last = own[-1].number
    answers = [
        line
        for context, lines in contexts.items()
        if context.startswith("C") and context not in (CONSOLE, own[0].context)
        for line in lines[:_NMI_LIMIT]
        if asked < line.number <= last + _NMI_LIMIT
    ]
    return sorted([*own, *answers[:_NMI_LIMIT]])
