"""Changes to source text as values. Paths are relative to the tree, with ``/``; a text of None means that the file does not exist."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Reader = Callable[[str], str | None]
"""Gives the present text of a path in the tree, or None when there is no such file."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace `search`, which must occur exactly once in `file`, by `replace`."""

    file: str
    search: str
    replace: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a change cannot be made: one sentence; `file` where it is about one."""

    message: str
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """Files before and after. When `problems` is not empty the change must not be used."""

    before: Mapping[str, str | None] = field(default_factory=dict)
    after: Mapping[str, str | None] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class LineEdit:
    """Replace the lines ``[start, end)``, 0-based, by `text`, which ends in a newline unless it reaches the end of a file without one."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Hunk:
    """One hunk of a unified diff.

    `old_start` and `new_start` are 1-based as in the ``@@`` line. `lines` are ``(tag, text)`` with the tag ``" "``, ``"-"`` or ``"+"``;
    the text keeps its newline, and has none where the diff says ``\\ No newline at end of file``.
    """

    old_start: int
    new_start: int
    lines: tuple[tuple[str, str], ...]

    @property
    def before(self) -> tuple[str, ...]:
        """The lines that the hunk expects in the tree."""
        return tuple(text for tag, text in self.lines if tag != "+")

    @property
    def after(self) -> tuple[str, ...]:
        """The lines that the hunk leaves there."""
        return tuple(text for tag, text in self.lines if tag != "-")


@dataclass(frozen=True, slots=True)
class FileDiff:
    """What a diff does to one file: `old` is None for a file that it creates, `new` for one that it deletes."""

    old: str | None
    new: str | None
    hunks: tuple[Hunk, ...] = ()

    @property
    def path(self) -> str:
        """The file that it is about."""
        return self.new or self.old or ""


@dataclass(frozen=True, slots=True)
class Diff:
    """A parsed patch. When `problems` is not empty, some of the text could not be understood or is refused."""

    files: tuple[FileDiff, ...]
    problems: tuple[Problem, ...] = ()
