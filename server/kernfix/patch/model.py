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
