"""Proposed fixes as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from kernfix.patch.model import Change, Edit

Source = Literal["llm", "template"]
Kind = Literal["root-cause", "symptom"]


@dataclass(frozen=True, slots=True)
class Suspect:
    """A function that may hold the root cause. `score` is 0 to 1 and only orders; `reasons` are for people. `line` is 1-based."""

    path: str
    function: str
    line: int
    score: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a model call cost. None means that the endpoint did not say; it is never shown as 0."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A fix as it was proposed, before any check."""

    source: Source
    hypothesis: str
    edits: tuple[Edit, ...]
    kind: Kind | None = None
    model: str | None = None
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class Check:
    """A cheap test of a candidate. `detail` is one sentence; `seconds` is wall time."""

    ok: bool
    detail: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A proposed fix with its diff and the checks it went through, cheapest first.

    `id` is a short hash of the diff, so the same fix proposed twice has one id. `diff` is a unified diff with ``a/`` and ``b/``, empty when
    the edits do not apply. `sources` are all the sides that proposed it, `draft`'s own first.
    """

    id: str
    draft: Draft
    change: Change
    diff: str
    checks: Mapping[str, Check]
    sources: tuple[Source, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every check that must pass did pass."""
        return all(check.ok for name, check in self.checks.items() if name != "papering-over")


@dataclass(frozen=True, slots=True)
class Proposals:
    """The candidates, best first, and one sentence for each thing that went wrong on the way."""

    candidates: tuple[Candidate, ...] = ()
    problems: tuple[str, ...] = ()
