"""What is read out of a console log: values only, all immutable.

Lines are 0-based and columns count characters where they point into the log (`Span`); a line of *source code* (`Frame.line`,
`SourceLine.line`) is 1-based, as the kernel prints it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from kernfix.crash.demangle import demangled

StackKind = Literal["crash", "alloc", "free", "origin", "race", "lock", "cpu", "other"]
"""What a stack tells: where it crashed; where the memory was allocated, freed, or left uninitialised; the other access of a data race;
how a lock came to be taken; what another processor was doing; anything else."""


class Span(NamedTuple):
    """A stretch of one line of the log: 0-based line, characters ``[start, end)``."""

    line: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A place in source code that the log itself states: path as printed, 1-based line, column if printed."""

    file: str
    line: int
    column: int | None = None


class Frame(NamedTuple):
    """One entry of a stack.

    `function` is the symbol as printed, `shown` the same for people. `offset` and `size` are bytes, as in ``function+offset/size``.
    `file`, `line` and `column` are what the log states, and None where it states nothing. `reliable` is False for entries that the kernel
    marks with ``?``. 32-bit arm prints ``function from caller+offset/size``: there, `caller` is given, and offset, size and source line
    are the caller's. `register` names the register that a frame was read from (``RIP``, ``pc``); its address is where the processor was,
    while that of every other frame is where a call returns to.
    """

    function: str
    span: Span
    offset: int | None = None
    size: int | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None
    inlined: bool = False
    reliable: bool = True
    module: str | None = None
    address: str | None = None
    build_id: str | None = None
    caller: str | None = None
    register: str | None = None

    @property
    def shown(self) -> str:
        """The function's name as its programmer wrote it (Rust and C++ symbols are demangled)."""
        return demangled(self.function) or self.function

    @property
    def holder(self) -> str:
        """The function that offset, size and source line are about."""
        return self.caller or self.function


class Stack(NamedTuple):
    """A call trace of one kind, innermost frame first; `label` is the line that announces it, if one does."""

    kind: StackKind
    frames: tuple[Frame, ...]
    task: str | None = None
    pid: int | None = None
    cpu: int | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock that a task held (`held`), or waited for: its class as lockdep names it, and where it was taken."""

    name: str
    held: bool
    frame: Frame | None
    task: str | None = None
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """What ran: the task (`comm`, `pid`, `uid`) on processor `cpu`, and on which kernel.

    `kernel` is the release with the build as printed, `taint` the letters or the words after ``Tainted:`` (None where the kernel says
    ``Not tainted`` or nothing), `hardware` what ``Hardware name:`` says.
    """

    comm: str | None = None
    pid: int | None = None
    uid: int | None = None
    cpu: int | None = None
    kernel: str | None = None
    taint: str | None = None
    hardware: str | None = None


@dataclass(frozen=True, slots=True)
class Executor:
    """Which syzkaller executor process ran the program that crashed (``Comm: syz.PROC.ID``)."""

    proc: int
    id: int


@dataclass(frozen=True, slots=True)
class Crash:
    """One fault found in console text.

    `title` is canonical (syzkaller's rules); two crashes that share any of `titles` are taken for the same bug. `function` is the
    function to blame, `site` the source line that the headline names. `corrupted` is the reason why the title cannot be trusted, or None.
    `consequence_of` is the index, in the same log, of the crash that this one only follows from: the panic that ends an oops, the trap
    behind a BUG(). `code` are the bytes around the faulting instruction as the kernel prints them (the marked byte begins it).
    `facts` are details that a fix can be built on, by name (`kernfix.crash.facts.facts_of` lists them). `problems` say what could not be
    made sense of, and what is missing.
    """

    title: str
    headline: Span
    start_line: int
    end_line: int
    start_byte: int
    alt_titles: tuple[str, ...] = ()
    type: str | None = None
    function: str | None = None
    guilty_file: str | None = None
    site: SourceLine | None = None
    corrupted: str | None = None
    suppressed: bool = False
    panicked: bool = False
    executor: Executor | None = None
    arch: str | None = None
    stacks: tuple[Stack, ...] = ()
    locks: tuple[HeldLock, ...] = ()
    machine: Machine = Machine()
    registers: Mapping[str, str] = field(default_factory=dict)
    code: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    consequence_of: int | None = None
    problems: tuple[str, ...] = ()

    @property
    def titles(self) -> frozenset[str]:
        """The title and all alternative titles: what "same crash" compares."""
        return frozenset((self.title, *self.alt_titles))

    def stack(self, kind: StackKind) -> Stack | None:
        """The first stack of that kind."""
        return next((stack for stack in self.stacks if stack.kind == kind), None)


@dataclass(frozen=True, slots=True)
class Log:
    """All crashes of one console log, in log order, and what could not be made sense of."""

    crashes: tuple[Crash, ...]
    problems: tuple[str, ...] = ()

    @property
    def faults(self) -> tuple[Crash, ...]:
        """The crashes that follow from no other."""
        return tuple(crash for crash in self.crashes if crash.consequence_of is None)
