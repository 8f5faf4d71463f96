"""All stacks of a report as values, with the place of every frame in the log."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from kernfix.crash.lines import Line
from kernfix.crash.model import Frame, Stack, StackKind
from kernfix.crash.rules import rx
from kernfix.crash.titles import base_name

_SOURCE = r"(?P<file>[\w./+-]{1,200}\.[A-Za-z]\w{0,2}):(?P<line>\d{1,7})(?::(?P<column>\d{1,5}))?"
_ADDRESS = r"(?:\[<?(?P<address>[0-9a-f]{8,16})>?\] *){0,2}"
_SYMBOL = r"(?P<function>[A-Za-z_$<][^\s+]{0,200})\+0x(?P<offset>[0-9a-f]{1,8})/0x(?P<size>[0-9a-f]{1,8})"
_MODULE = r"(?: \[(?P<module>[\w-]{1,60})(?: [0-9a-f]+)?\])?"

# func+0x1/0x2 [module] path/file.c:12:3, with or without addresses, `?` and parentheses
_FRAME = re.compile(rf"[ \t|]*{_ADDRESS}(?P<maybe>\? +)?(?P<all>{_SYMBOL}{_MODULE}(?:\s+\(?{_SOURCE})?)")
# func path/file.c:12 [inline], and the older [< inline >] func path/file.c:12
_INLINE = re.compile(
    rf"[ \t|]*(?P<old>\[<\s*inline\s*>\]\s+)?(?P<maybe>\? +)?(?P<all>(?P<function>[\w.$]{{1,200}})\s+{_SOURCE})(?P<new>\s+\[inline\])?"
)
# func (path/file.c:12), as scripts/decode_stacktrace.sh prints it; where it lists inlined callers, the last is func itself
_DECODED = re.compile(
    rf"[ \t|]*(?P<maybe>\? +)?(?P<all>(?P<function>[\w.$]{{1,200}}) \((?:[\w./+-]+:\d+ ){{0,8}}{_SOURCE})"
)
_FAULT = re.compile(
    r"\s*(?:(?:R?IP|EIP)(?: is at|:)? (?:[0-9a-f]{4}:)?(?:\s*\[<?(?P<at>[0-9a-f]+)>?\])*\s*|PC is at |e?pc : |NIP \[[0-9a-f]+\] )"
)

_STARTS: tuple[tuple[re.Pattern[str], StackKind], ...] = (
    (
        rx(
            r"^\s*(?:Allocated|allocated)(?: by task (?P<pid>\d+))?(?: on cpu.*)?:?\s*$|^allocated by task (?P<pid2>\d+)"
        ),
        "alloc",
    ),
    (rx(r"^\s*(?:Freed|freed)(?: by task (?P<pid>\d+))?(?: on cpu.*)?:?\s*$|^freed by task (?P<pid2>\d+)"), "free"),
    (rx(r"^page last allocated via|^INFO: Allocated in"), "alloc"),
    (rx(r"^page last free|^INFO: Freed in"), "free"),
    (rx(r"Uninit was (?:stored|created)|^Local variable"), "origin"),
    (rx(r"otentially related work creation|^Second to last|^Last call_rcu"), "other"),
    (rx(r"^\s*-> #\d+|^\s*(?:IN|(?:HARD|SOFT)IRQ|RECLAIM_FS|INITIAL)\S*[ -].*\bat:|\.\.\. acquired at:"), "lock"),
    (rx(r"^(?:read|write|race at)\b.*\b(?:by task (?P<pid>\d+)|by interrupt)"), "crash"),
    (rx(r"Call [Tt]race|^Backtrace:|^\s*backtrace\b"), "crash"),
)
_END = rx(r"---\[ end |^=====|^Modules linked in|^Kernel panic|^The buggy address|^Memory state")
_TASK = (
    rx(r"\bPID: (?P<pid>\d{1,9}) Comm: (?P<task>\S{1,32})"),
    rx(r"^task:(?P<task>\S{1,32}) .*\bpid: *(?P<pid>\d{1,9})\b"),
    rx(r'^ *comm "(?P<task>[^"]{1,32})", pid (?P<pid>\d{1,9})'),
)
_FOREIGN_LIMIT = 12
"""Lines in a row that are no frames, after which a stack is over."""
_HEADLESS_LEAST = 3
"""Frames right below the headline that make a trace; fewer only say where something was."""
_NEUTRAL = rx(r"^\s*(?:</?\w+>|Code:|R?[A-Z0-9]{2,4}:|FS:|CS:|---)|^\s*$|^RIP:")


@dataclass(slots=True)
class _Open:
    """A stack that is being read. `lead` is where the program counter was when its trace was printed."""

    kind: StackKind
    task: str | None = None
    pid: int | None = None
    lead: list[Frame] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)

    def closed(self) -> Stack:
        frames = self.frames
        first = next((frame for frame in frames if frame.reliable and not frame.inlined), None)
        if self.lead and (first is None or _address(first) != _address(self.lead[-1])):
            frames = self.lead + frames
        return Stack(self.kind, tuple(frames), self.task, self.pid)


def read_frame(line: Line) -> Frame | None:
    """The stack entry that a line is, or None."""
    body = line.body
    match = _FRAME.match(body)
    if match is None:
        match = _INLINE.match(body)
        if match is not None and not (match["old"] or match["new"]):
            match = None
    match = match or _DECODED.match(body)
    return _frame(line, match) if match else None


def _fault_frame(line: Line) -> Frame | None:
    """The function that the program counter was in, from the register dump."""
    lead = _FAULT.match(line.body)
    if lead is None:
        return None
    body = line.body[lead.end() :]
    match = _FRAME.match(body) or _DECODED.match(body) or ((m := _INLINE.match(body)) and m["new"] and m) or None
    return _frame(line, match, lead.end()) if match else None


def _frame(line: Line, match: re.Match[str], shift: int = 0) -> Frame:
    values = match.groupdict()
    end = match.end("all")
    if values.get("module") and not values["file"]:
        end = match.end("size")
    return Frame(
        function=values["function"],
        span=line.span(shift + match.start("all"), shift + end),
        offset=_hex(values.get("offset")),
        size=_hex(values.get("size")),
        file=values["file"],
        line=_int(values["line"]),
        column=_int(values["column"]),
        inlined="old" in values,
        reliable=not values["maybe"],
        module=values.get("module"),
        address=values.get("address"),
    )


def _hex(digits: str | None) -> int | None:
    return int(digits, 16) if digits else None


def _int(digits: str | None) -> int | None:
    return int(digits) if digits else None


def _address(frame: Frame) -> tuple[str, int | None]:
    return frame.function, frame.offset


def stacks_of(lines: list[Line], blamed: str | None) -> tuple[Stack, ...]:
    """The stacks of a report in log order; `lines` begin with the headline.

    The trace of the fault has the kind ``crash``: the one that holds the blamed function, else the first. The function that the program
    counter was in is its first frame.
    """
    reader = _Reader()
    for line in lines[1:]:
        reader.read(line)
    stacks = reader.finish()
    traces = [no for no, stack in enumerate(stacks) if stack.kind == "crash"]
    holders = (no for no in traces if any(f.reliable and base_name(f.function) == blamed for f in stacks[no].frames))
    chosen = next(holders, traces[0]) if traces else None
    return tuple(
        stack._replace(kind="other") if stack.kind == "crash" and no != chosen else stack
        for no, stack in enumerate(stacks)
    )


class _Reader:
    """Reads a report line by line; frames that stand right below the headline make a trace without a heading."""

    def __init__(self) -> None:
        self._stacks: list[Stack] = []
        self._current: _Open | None = _Open("crash")
        self._task: tuple[str | None, int | None] = None, None
        self._fault: list[Frame] = []
        self._faults_seen: set[tuple[str, int | None]] = set()
        self._foreign = 0
        self._headless = True

    def read(self, line: Line) -> None:
        body = line.body
        if match := next((match for pattern in _TASK if (match := pattern.search(body))), None):
            self._task = match["task"], int(match["pid"])
            if self._current and not self._current.frames:
                self._current.task, self._current.pid = self._task
        if frame := read_frame(line):
            self._frame(frame)
        elif started := _start(body):
            self._close()
            self._open(*started)
        elif frame := _fault_frame(line):
            self._fault_at(frame)
        elif not _NEUTRAL.search(body):
            self._other(body)

    def finish(self) -> list[Stack]:
        self._close()
        if self._fault and not any(stack.kind == "crash" for stack in self._stacks):
            self._stacks.append(Stack("crash", tuple(self._fault), *self._task))
        return self._stacks

    def _open(self, kind: StackKind, pid: int | None) -> None:
        self._foreign = 0
        if kind != "crash" or pid is not None:
            self._current = _Open(kind, None, pid)
            return
        self._current = _Open(kind, *self._task, lead=self._fault)
        self._fault = []

    def _close(self) -> None:
        if self._current and (self._current.frames or self._current.lead):
            stack = self._current.closed()
            torn = self._headless and len(stack.frames) < _HEADLESS_LEAST
            self._stacks.append(stack._replace(kind="other") if torn else stack)
        self._current = None
        self._headless = False

    def _frame(self, frame: Frame) -> None:
        if self._current:
            self._current.frames.append(frame)
            self._foreign = 0

    def _fault_at(self, frame: Frame) -> None:
        # The dump is printed again when the kernel dies, and old kernels repeat it below the trace.
        if _address(frame) in self._faults_seen:
            return
        self._faults_seen.add(_address(frame))
        if self._current and self._current.frames:
            self._current.frames.append(frame)
        else:
            self._fault.append(frame)

    def _other(self, body: str) -> None:
        self._foreign += 1
        if self._current and self._current.frames and (self._foreign > _FOREIGN_LIMIT or _END.search(body)):
            self._close()


def _start(body: str) -> tuple[StackKind, int | None] | None:
    for pattern, kind in _STARTS:
        if match := pattern.search(body):
            groups = match.groupdict()
            return kind, _int(groups.get("pid") or groups.get("pid2"))
    return None


_DETAIL = rx(
    r"^[ >]*[0-9a-f]{8,16}: |^=====|---\[ end |^Kernel panic|^Rebooting in|^Kernel Offset|^Code: |^R\w\w: |^R\d+: |^CR2: "
    r"|^</?\w+>|^page dumped|^raw: |^Dumping"
    r"|^The buggy|^Memory state|^ *\*\*\* DEADLOCK"
)


def end_of(lines: list[Line], stacks: tuple[Stack, ...]) -> int:
    """The last line of a report: the last frame or other thing that only a report has."""
    last_frame = max((frame.span.line for stack in stacks for frame in stack.frames), default=lines[0].number)
    details = (line.number for line in reversed(lines) if line.number > last_frame and _DETAIL.search(line.body))
    return next(details, last_frame)
