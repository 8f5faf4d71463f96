"""What is read out of a console log: values only, all immutable.

Lines are 0-based and columns count characters where they point into the log (`Span`); a line of *source code* (`Frame.line`,
`SourceLine.line`) is 1-based, as the kernel prints it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

StackKind = Literal["crash", "alloc", "free", "origin", "other", "lock"]


@dataclass(frozen=True, slots=True)
class Span:
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


@dataclass(frozen=True, slots=True)
class Frame:
    """One entry of a stack.

    `offset` and `size` are bytes, as in ``function+offset/size``. `file`, `line` and `column` are what the log states, and None
    where it states nothing. `reliable` is False for entries that the kernel marks with ``?``.
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


@dataclass(frozen=True, slots=True)
class Stack:
    """A call trace of one kind, innermost frame first."""

    kind: StackKind
    frames: tuple[Frame, ...]
    task: str | None = None
    pid: int | None = None


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
    `facts` are details that a fix can be built on, by name: ``kind`` (of a UBSAN, refcount or bad access report), ``index`` and ``array``
    (UBSAN), ``access`` (``Read``/``Write``), ``access_size`` (bytes), ``address``, ``range`` (of the dereference, where KASAN explains a
    protection fault) and ``list`` (what list debugging says).
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
    registers: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
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
