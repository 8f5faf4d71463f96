"""All stacks of a report as values, with the place of every frame in the log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby

from kernfix.crash.blame import plain_name
from kernfix.crash.entries import Heading, placed
from kernfix.crash.model import Frame, Stack, StackKind
from kernfix.crash.report import Part
from kernfix.crash.rules import rx

_TASK = (
    rx(r"\bPID: (?P<pid>\d{1,9}) Comm: (?P<task>\S{1,32})"),
    rx(r"^task:(?P<task>\S{1,32}) .*\bpid: *(?P<pid>\d{1,9})\b"),
    rx(r'^ *comm "(?P<task>[^"]{1,32})", pid (?P<pid>\d{1,9})'),
)
_FOREIGN_LIMIT = 9
"""Lines in a row that are no frames, after which a stack is over."""
_HEADLESS_LEAST = 3
"""Frames right below the headline that make a trace; fewer only say where something was."""
_NEUTRAL = rx(r"\s*(?:</?[\w#]+>|Code:|R?[A-Z0-9]{2,4}:|FS:|CS:|RIP:|[xr]\d+ ?:|sp :|$)")
_LABEL_LIMIT = 200


@dataclass(slots=True)
class _Open:
    """A stack that is being read. `lead` is where the program counter was when its trace was printed."""

    kind: StackKind
    task: str | None = None
    pid: int | None = None
    cpu: int | None = None
    label: str | None = None
    lead: list[Frame] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)

    def closed(self) -> Stack:
        frames = self.frames
        if self.lead:
            first = next((frame for frame in frames if frame.reliable and not frame.inlined), None)
            if first is None or _address(first) != _address(self.lead[-1]):
                frames = self.lead + frames
        return Stack(self.kind, tuple(frames), self.task, self.pid, self.cpu, self.label)


def _address(frame: Frame) -> tuple[str, int | None]:
    return frame.function, frame.offset


def stacks_of(part: Part, blamed: str | None) -> tuple[Stack, ...]:
    """The stacks of a report in log order; its lines begin with the headline.

    The trace of the fault has the kind ``crash``: the one that holds the blamed function, else the first. The function that the program
    counter was in is its first frame.
    """
    stacks = [stack for reader in _readers(part) for stack in reader.finish()]
    if part.mixed:
        stacks.sort(key=lambda stack: stack.frames[0].span.line)
    traces = [no for no, stack in enumerate(stacks) if stack.kind in ("crash", "race", "cpu")]
    holders = (no for no in traces if _holds(stacks[no], blamed)) if blamed else iter(())
    chosen = next(holders, None)
    if chosen is None:
        chosen = next((no for no in traces if stacks[no].kind != "cpu"), traces[0] if traces else None)
    return tuple(_with_role(stack, no == chosen) for no, stack in enumerate(stacks))


def _readers(part: Part) -> Iterable[_Reader]:
    """A reader for each context, when it has read all that its context printed."""
    contexts = part.lines.contexts
    reader = _Reader(part)
    if not part.mixed:
        reader.read(1, len(contexts))
        return (reader,)
    readers = {contexts[0]: reader}
    for context, run in groupby(range(1, len(contexts)), contexts.__getitem__):
        places = [*run]
        if context not in readers:
            readers[context] = _Reader(part, foreign=True)
        readers[context].read(places[0], places[-1] + 1)
    return readers.values()


def _holds(stack: Stack, blamed: str | None) -> bool:
    for frame in stack.frames:
        if frame.reliable and (
            plain_name(frame.function) == blamed or (frame.caller and plain_name(frame.caller) == blamed)
        ):
            return True
    return False


def _ends_stack(body: str) -> bool:
    """Whether a line only comes when the stack above it is over."""
    return (
        "---[ end " in body or "=====" in body or "Modules linked in" in body or "Kernel panic" in body
        or "The buggy address" in body or "Memory state" in body or "Mem-Info:" in body
    )  # fmt: skip


def _with_role(stack: Stack, chosen: bool) -> Stack:
    kind: StackKind = "crash" if chosen else "other" if stack.kind == "crash" else stack.kind
    return stack if kind == stack.kind else stack._replace(kind=kind)


class _Reader:
    """Reads what one context printed, from the top; frames that stand right below the headline make a trace without a heading."""

    def __init__(self, part: Part, *, foreign: bool = False) -> None:
        self._part = part
        self._stacks: list[Stack] = []
        self._trace: StackKind = "cpu" if foreign else "crash"
        self._current: _Open | None = None if foreign else _Open("crash")
        self._task: tuple[str | None, int | None] = None, None
        self._cpu: int | None = None
        self._fault: list[Frame] = []
        self._faults_seen: set[tuple[str, int | None]] = set()
        self._again: Frame | None = None
        self._foreign = 0
        self._headless = True

    def read(self, start: int, end: int) -> None:
        """Take the lines ``[start, end)``."""
        bodies, entries = self._part.lines.bodies, self._part.entries
        unread = start
        for at in range(start, end):
            entry = entries[at]
            if type(entry) is Frame and entry[-1] is None:
                continue
            if unread < at:
                self._frames(unread, at)
            unread = at + 1
            if entry is None:
                body = bodies[at]
                if body[:6] == "Code: ":
                    self._interrupted()
                if "PID: " in body or "task:" in body or "comm " in body:
                    self._task_named(body)
                if self._current and self._current.frames:
                    self._other(body)
            elif isinstance(entry, Heading):
                self._close()
                self._open(entry, bodies[at])
            else:
                self._fault_at(*placed(entries, self._part.lines, at, at + 1))
        if unread < end:
            self._frames(unread, end)

    def _frames(self, start: int, end: int) -> None:
        """Take the entries of a trace that are the lines ``[start, end)``."""
        current = self._current
        if current:
            if self._headless and not current.frames:
                current.lead, self._fault = self._fault, []
            current.frames += placed(self._part.entries, self._part.lines, start, end)
            self._foreign = 0

    def finish(self) -> list[Stack]:
        self._close()
        if self._fault and not any(stack.kind == self._trace for stack in self._stacks):
            self._stacks.append(Stack(self._trace, tuple(self._fault), *self._task))
        return self._stacks

    def _open(self, heading: Heading, body: str) -> None:
        self._foreign = 0
        label = body.strip()[:_LABEL_LIMIT]
        if heading.kind == "cpu":
            self._trace, self._cpu, self._fault = "cpu", heading.cpu, []
            self._current = _Open("cpu", cpu=heading.cpu, label=label)
        elif heading.kind != "crash":
            self._current = _Open(heading.kind, None, heading.pid, heading.cpu, label=label)
        else:
            self._current = _Open(self._trace, *self._task, cpu=self._cpu, label=label, lead=self._fault)
            self._fault = []

    def _close(self) -> None:
        if self._current and (self._current.frames or self._current.lead):
            stack = self._current.closed()
            torn = self._headless and len(stack.frames) < _HEADLESS_LEAST
            self._stacks.append(stack._replace(kind="other") if torn else stack)
        self._current = None
        self._headless = False

    def _fault_at(self, frame: Frame) -> None:
        # The dump is printed again when the kernel dies, and old kernels repeat it below the trace.
        if _address(frame) in self._faults_seen:
            self._again = frame
            return
        self._faults_seen.add(_address(frame))
        if self._current and self._current.frames:
            self._current.frames.append(frame)
        else:
            self._fault.append(frame)

    def _interrupted(self) -> None:
        """A full register dump, with its code, in the middle of a trace: what was interrupted has a stack of its own."""
        current, again = self._current, self._again
        self._again = None
        if not current or len(current.frames) < 2:
            return
        lead = again or (current.frames.pop() if current.frames[-1].register else None)
        if lead:
            self._close()
            self._current = _Open(current.kind, current.task, current.pid, current.cpu)
            if again is None:
                self._current.lead.append(lead)

    def _task_named(self, body: str) -> None:
        match = next((match for pattern in _TASK if (match := pattern.search(body))), None)
        if match:
            self._task = match["task"], int(match["pid"])
            if self._current and not self._current.frames:
                self._current.task, self._current.pid = self._task

    def _other(self, body: str) -> None:
        """Take a line below frames that is nothing to their stack."""
        if not _NEUTRAL.match(body):
            self._foreign += 1
            if self._foreign > _FOREIGN_LIMIT or _ends_stack(body):
                self._close()


_DETAIL = rx(
    r"[ >]*[0-9a-f]{8,16}: |=====|.*---\[ end |Kernel panic|Rebooting in|Kernel Offset|Code: |R\w\w: |R\d+: |CR2: "
    r"|</?\w+>|page dumped|raw: |Dumping|The buggy|Memory state| *\*\*\* DEADLOCK"
    r"|Bytes? \d+(?:-\d+)? of \d+ |Memory access of size|Data copied to user|value changed: |Reported by Kernel Concurrency"
    r"|CPU: \d+ |Hardware name: "
)


def end_of(part: Part, stacks: tuple[Stack, ...]) -> int:
    """The last line of a report: the last frame or other thing that only a report has."""
    numbers = part.lines.numbers
    last_frame = max([stack.frames[-1].span.line for stack in stacks if stack.frames], default=numbers[0])
    for number, body in zip(reversed(numbers), reversed(part.lines.bodies), strict=True):
        if number <= last_frame:
            break
        if _DETAIL.match(body):
            return number
    return last_frame
