"""What one line of a report is to its stacks: a frame, a heading that starts a stack, or neither.

Every line is read once; blame, wholeness and the stacks themselves all work on what is found here.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import NamedTuple

from kernfix.crash.lines import Lines
from kernfix.crash.model import Frame, Span, StackKind


class Sign(IntEnum):
    """What a heading is to the search for blame, which the next stack ends, and to the check whether a report is whole."""

    NONE = 0
    """Only a reader of stacks cares."""
    OTHER = 1
    """Ends the search for blame."""
    TRACE = 2
    BACKTRACE = 3
    LEAK = 4
    ALLOCATED = 5
    FREED = 6
    STORED = 7
    BADADDR = 8


class Heading(NamedTuple):
    """A line that starts a stack: what the stack tells, its sign, and the task or the processor that it belongs to."""

    kind: StackKind
    sign: Sign
    pid: int | None = None
    cpu: int | None = None


Entry = Frame | Heading | None

# --- frames ----------------------------------------------------------------------------------------------------------------------------

_SOURCE = r"(?P<file>[\w./+-]{1,200}\.[A-Za-z]\w{0,2}):(?P<line>\d{1,7})(?::(?P<column>\d{1,5}))?"
_ADDRESSES = r"[ \t|(]*(?:\[<?(?P<address>[0-9a-f]{8,16})>?\] *){0,2}"
_NAME = r"[A-Za-z_$][^\s+()]{0,300}|<[^<>\n+]{1,200} as [^\n+]{1,200}|<\w+::[^\n+]{1,200}"
_OFFSET = r"\+0x(?P<offset>[0-9a-f]{1,8})/0x(?P<size>[0-9a-f]{1,8})"
_MODULE = r"(?: \[(?P<module>[\w-]{1,60})(?: (?P<build_id>[0-9a-f]{16,64}))?\])?"
_INLINED = r"(?P<inlined>\s+\[inline\])"

# func+0x1/0x2 [module] path/file.c:12:3, with or without addresses, `?` and parentheses (CONFIG_KALLSYMS_LINEINFO)
_SYMBOL = re.compile(rf"{_ADDRESSES}(?P<maybe>\? +)?(?P<function>{_NAME}){_OFFSET}{_MODULE}(?:\s+\(?{_SOURCE})?")
_COMMON = re.compile(r"([ \t]*(?:\[<([0-9a-f]+)>\] *)?(\? )?)([A-Za-z_][A-Za-z0-9_.]*)\+0x([0-9a-f]+)/0x([0-9a-f]+)$")
"""What nearly every frame looks like: the same without module and source line."""
# 32-bit arm: [<80123456>] (func) from [<80123456>] (caller+0x1/0x2 [module] path/file.c:12), newer kernels without addresses
_FROM = re.compile(
    rf"{_ADDRESSES}\(?(?P<function>[A-Za-z_][^\s()]{{0,300}})(?: \[[\w-]{{1,60}}(?: [0-9a-f]{{16,64}})?\])?\)?"
    r" from (?:\[<?[0-9a-f]{8,16}>?\] )?\(?"
    rf"(?P<caller>{_NAME})(?:{_OFFSET}{_MODULE}(?:\s+\(?{_SOURCE})?|\s+{_SOURCE.replace('P<', 'P<i')}{_INLINED})"
)
# func path/file.c:12 [inline], and the older [< inline >] func path/file.c:12
_INLINE = re.compile(
    rf"{_ADDRESSES}(?P<old>\[<\s*inline\s*>\]\s+)?(?P<maybe>\? +)?(?P<function>[\w.$]{{1,300}}|<[^\n+]{{1,300}})\s+{_SOURCE}{_INLINED}?"
)
# func (path/file.c:12), as scripts/decode_stacktrace.sh prints it; where it lists inlined callers, the last is func itself
_DECODED = re.compile(
    rf"{_ADDRESSES}(?P<maybe>\? +)?(?P<function>[\w.$]{{1,300}}) \((?:[\w./+-]+:\d+ (?:\(discriminator \d+\) )?){{0,8}}{_SOURCE}"
    r"(?: \(discriminator \d+\))?\)(?: \[?(?P<module>[\w-]{1,60})\]?\s*$)?"
)
_FAULT = re.compile(
    r"\s*(?:"
    r"(?P<x86>RIP|EIP|IP)(?: is at|:)? (?:[0-9a-f]{4}:)?(?:\s*\[<?[0-9a-f]+>?\])*\s*"
    r"|(?P<arm>PC) is at "
    r"|(?P<pc>e?pc) ?: "
    r"|(?P<nip>NIP) \[[0-9a-f]+\] "
    r"|(?P<psw>Krnl PSW) ?: [0-9a-f]{16} [0-9a-f]{16} \("
    r"|(?P<era>ERA): [0-9a-f]{16} "
    r"|(?P<mips>epc) +: [0-9a-f]{8,16} "
    r")"
)
_FAULT_SIGNS = ("IP", "PC is", "pc", "PSW", "ERA:")


def placed(entries: list[Entry], lines: Lines, start: int, end: int) -> list[Frame]:
    """The frames that the lines ``[start, end)`` are, where they stand in the log; `entries` has one for each of the lines."""
    cut, new = slice(start, end), tuple.__new__
    found = zip(entries[cut], lines.numbers[cut], lines.begins[cut], strict=True)
    if lines.raws:
        return [
            entry._replace(span=lines.span(at, entry.span.start, entry.span.end))
            for at, (entry, _, _) in enumerate(found, start)
            if type(entry) is Frame
        ]
    return [
        new(Frame, (entry[0], new(Span, (number, begin + entry[1][1], begin + entry[1][2]))) + entry[2:])  # noqa: RUF005 (quicker than unpacking)
        for entry, number, begin in found
        if type(entry) is Frame
    ]


def _entry_of(body: str) -> Entry:
    if "+0x" in body:
        if match := _COMMON.match(body):
            return _common_frame(body, match)
        match = _SYMBOL.match(body) or (_FROM.match(body) if " from " in body else None)
        frame = _frame(body, match) if match else _fault_frame(body)
    elif ":" not in body or "." not in body:
        frame = None
    elif "inline" in body:
        frame = _inline_frame(body)
    elif ") " in body or body.endswith(")"):
        match = _DECODED.match(body)
        frame = _frame(body, match) if match else _fault_frame(body)
    else:
        frame = None
    return frame or heading_of(body)


class _Entries(dict[str, Entry]):
    """Entries by the words of their lines. They are remembered, since logs repeat themselves: in one log, from run to run of a reproducer,
    and whenever an editor asks again. When there are many, all are forgotten, which is simpler than to keep track of the least used.
    """

    def __missing__(self, body: str) -> Entry:
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        entry = self[body] = _entry_of(body)
        return entry


_MOST_REMEMBERED = 32_768
_ENTRIES = _Entries()


def entries_of(bodies: list[str]) -> list[Entry]:
    """What the words of each line are to a stack; the span of a frame counts lines and columns from the words' own beginning."""
    return [*map(_ENTRIES.__getitem__, bodies)]


def _common_frame(body: str, match: re.Match[str]) -> Frame:
    lead, address, maybe, function, offset, size = match.groups()
    span = tuple.__new__(Span, (0, len(lead), len(body)))
    told = int(offset, 16), int(size, 16), None, None, None, False, maybe is None, None, address, None, None, None
    return tuple.__new__(Frame, (function, span, *told))


def _inline_frame(body: str) -> Frame | None:
    match = _INLINE.match(body)
    if match and (match["old"] or match["inlined"]):
        return _frame(body, match, inlined=True)
    match = _FROM.match(body) if " from " in body else None
    return _frame(body, match) if match else _fault_frame(body)


def _fault_frame(body: str) -> Frame | None:
    """The function that the program counter was in, from a line of a register dump."""
    if not any(sign in body for sign in _FAULT_SIGNS):
        return None
    lead = _FAULT.match(body)
    if lead is None or lead.lastgroup is None:
        return None
    at, register = lead.end(), lead[lead.lastgroup]
    if match := (_SYMBOL.match(body, at) or _DECODED.match(body, at)):
        return _frame(body, match, register=register)
    match = _INLINE.match(body, at)
    return _frame(body, match, inlined=True, register=register) if match and match["inlined"] else None


def _frame(body: str, match: re.Match[str], *, inlined: bool = False, register: str | None = None) -> Frame:
    """The forms that other programs, or other architectures, print; s390 has a guess in parentheses."""
    values = match.groupdict()
    for name in ("file", "line", "column"):
        if values.get(f"i{name}"):
            values[name], inlined = values[f"i{name}"], True
    offset, size, number, column = (values.get(name) for name in ("offset", "size", "line", "column"))
    ends = (
        match.end(name)
        for name in ("icolumn", "iline", "column", "line", "size", "caller", "function")
        if values.get(name)
    )
    return Frame(
        function=values["function"],
        span=Span(0, match.start("function"), next(ends)),
        offset=int(offset, 16) if offset else None,
        size=int(size, 16) if size else None,
        file=values["file"],
        line=int(number) if number else None,
        column=int(column) if column else None,
        inlined=inlined,
        reliable=not (values.get("maybe") or "(unreliable)" in body or body.startswith("([<")),
        module=values.get("module"),
        address=values["address"],
        build_id=values.get("build_id"),
        caller=values.get("caller"),
        register=register,
    )


# --- headings --------------------------------------------------------------------------------------------------------------------------

_ROWS: tuple[tuple[str, tuple[tuple[str, StackKind, Sign], ...]], ...] = (
    (
        "race",
        (
            (r"Call [Tt]race", "crash", Sign.TRACE),
            (r"Backtrace:", "crash", Sign.BACKTRACE),
            (r"(?<!stack )\bbacktrace(?: \(crc \w+\))?:", "crash", Sign.LEAK),
            (r"NMI backtrace for (?:cpu|CPU) (?P<cpu>\d{1,5})", "cpu", Sign.NONE),
        ),
    ),
    (
        "located",
        (
            (r"\bAllocated(?: by task (?P<pid>\d{1,10}))?(?: on cpu (?P<cpu>\d{1,5})[^:]*)?:", "alloc", Sign.ALLOCATED),
            (r"\ballocated by task (?P<pid>\d{1,10})\b(?: on cpu (?P<cpu>\d{1,5}))?", "alloc", Sign.OTHER),
            (r"^page last allocated via(?:.{0,400}?, pid (?P<pid>\d{1,10}))?|INFO: Allocated in", "alloc", Sign.NONE),
        ),
    ),
    (
        "ree",
        (
            (r"\bFreed(?: by task (?P<pid>\d{1,10}))?(?: on cpu (?P<cpu>\d{1,5})[^:]*)?:", "free", Sign.FREED),
            (r"\bfreed by task (?P<pid>\d{1,10})\b(?: on cpu (?P<cpu>\d{1,5}))?", "free", Sign.OTHER),
            (r"^page last free(?: pid (?P<pid>\d{1,10}))?|INFO: Freed in", "free", Sign.NONE),
        ),
    ),
    (
        " at",
        (
            (r"Uninit was stored to memory at", "origin", Sign.STORED),
            (r"Uninit was created at", "origin", Sign.OTHER),
            (r"^\s*(?:IN|HARDIRQ|SOFTIRQ|RECLAIM_FS|INITIAL)\S*[ -].*\bat:", "lock", Sign.NONE),
            (r"^\s*\.\.\. (?:acquired|which became .*) at:|^\{\S+\} state was registered at:", "lock", Sign.NONE),
        ),
    ),
    ("Local", ((r"^Local variable", "origin", Sign.OTHER),)),
    ("origin:", ((r"^(?:chained )?origin:", "origin", Sign.NONE),)),
    ("badaddr:", ((r"status: \w+ badaddr: \w+ cause: \w+", "crash", Sign.BADADDR),)),
    ("work creation", ((r"otentially related work creation", "other", Sign.NONE),)),
    ("call_rcu()", ((r"ast call_rcu\(\)", "other", Sign.NONE),)),
    ("stack dump:", ((r"kthread stack dump:$", "other", Sign.NONE),)),
    ("-> #", ((r"^\s*-> #\d", "lock", Sign.NONE),)),
    ("Breaking-Event", ((r"^Last Breaking-Event-Address:", "other", Sign.NONE),)),
    (
        " by ",
        (
            (
                r"^(?:read|write|race at)\b.*\bby (?:task (?P<pid>\d{1,10})|interrupt)(?: on cpu (?P<cpu>\d{1,5}))?",
                "race",
                Sign.NONE,
            ),
        ),
    ),
)
"""A literal that is looked for first, since that is quick, and the patterns that hold it; what the stack tells; its sign."""

_HEADINGS = tuple(
    (literal, tuple((re.compile(pattern), kind, sign) for pattern, kind, sign in rows)) for literal, rows in _ROWS
)


def heading_of(body: str) -> Heading | None:
    """The heading that a line's words are, or None."""
    if not _may_be_heading(body):
        return None
    for literal, rows in _HEADINGS:
        if literal in body:
            for pattern, kind, sign in rows:
                if match := pattern.search(body):
                    numbers = match.groupdict()
                    pid, cpu = numbers.get("pid"), numbers.get("cpu")
                    return Heading(kind, sign, int(pid) if pid else None, int(cpu) if cpu else None)
    return None


def _may_be_heading(body: str) -> bool:
    """Whether any literal of the table is in the words: as one expression, since it is asked of every line."""
    return (
        "race" in body or "located" in body or "ree" in body or " at" in body or "Local" in body or "origin:" in body
        or "badaddr:" in body or "work creation" in body or "call_rcu()" in body or "stack dump:" in body or "-> #" in body
        or " by " in body or "Breaking-Event" in body
    )  # fmt: skip
