"""All the ways to a candidate: templates first, since they take no time, then the model if one is configured."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from kernfix.crash.model import Crash
from kernfix.fix.checks import changed_lines, check
from kernfix.fix.llm.ask import ask_for_drafts
from kernfix.fix.llm.excerpts import excerpts
from kernfix.fix.llm.prompt import build_prompt
from kernfix.fix.llm.settings import HOW_TO_CONFIGURE, LLMSettings
from kernfix.fix.model import Candidate, Draft, Proposals
from kernfix.fix.suspects import rank_suspects
from kernfix.fix.templates import template_drafts
from kernfix.source.model import Located
from kernfix.source.tree import Tree

Provider = Literal["templates", "llm", "all"]
OnCandidate = Callable[[Candidate], None]


async def propose(
    crash: Crash,
    located: Located,
    tree: Tree,
    provider: Provider,
    n: int = 3,
    llm: LLMSettings | None = None,
    on_candidate: OnCandidate = lambda candidate: None,
) -> Proposals:
    """Candidates for a crash, checked and ranked.

    `n` is how many answers the model is asked for. `on_candidate` sees each candidate as it comes, and once more when the other source
    proposes the same. Nothing is sent anywhere unless `provider` is ``llm`` or ``all`` and `llm` names an endpoint.
    """
    collected = _Collected(on_candidate)
    drafts = await asyncio.to_thread(template_drafts, crash, located, tree)
    if provider in ("templates", "all"):
        for draft in drafts:
            collected.add(await asyncio.to_thread(check, draft, tree.read))
    if provider in ("llm", "all"):
        await _ask_model(crash, located, tree, [draft.hypothesis for draft in drafts], n, llm, collected)
    return Proposals(rank(collected.candidates.values()), tuple(collected.problems))


def rank(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Best first: passed its checks, at the root cause, without a sign of papering over, proposed from several sides, small."""
    return tuple(sorted(candidates, key=_rank))


def _rank(candidate: Candidate) -> tuple[bool, bool, bool, int, int]:
    hides = not all(test.ok for test in candidate.checks.values())
    return (
        not candidate.ok,
        candidate.draft.kind != "root-cause",
        hides,
        -len(candidate.sources),
        changed_lines(candidate.diff),
    )


@dataclass
class _Collected:
    """What has come in so far: one candidate for each id, and each problem once."""

    on_candidate: OnCandidate
    candidates: dict[str, Candidate] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, candidate: Candidate) -> None:
        """Keep it, joined with the same fix from elsewhere, and tell what is new."""
        known = self.candidates.get(candidate.id)
        if known and candidate.draft.source in known.sources:
            return
        if known:
            candidate = replace(known, sources=(*known.sources, *candidate.sources))
        self.candidates[candidate.id] = candidate
        self.on_candidate(candidate)

    def complain(self, problem: str) -> None:
        """Keep a problem."""
        if problem not in self.problems:
            self.problems.append(problem)


async def _ask_model(
    crash: Crash,
    located: Located,
    tree: Tree,
    findings: Sequence[str],
    n: int,
    llm: LLMSettings | None,
    collected: _Collected,
) -> None:
    if llm is None or not llm.enabled:
        return collected.complain(f"no model was asked: {HOW_TO_CONFIGURE}.")
    shown = excerpts(rank_suspects(crash, located), located, tree.read)
    if not shown:
        return collected.complain(
            "no function of this crash was found in the tree, so there is nothing to show to a model."
        )

    def complaint(draft: Draft) -> str | None:
        candidate = check(draft, tree.read)
        return (
            next((test.detail for test in candidate.checks.values() if not test.ok), None) if not candidate.ok else None
        )

    async for outcome in ask_for_drafts(llm, build_prompt(crash, shown, findings), n, complaint):
        if isinstance(outcome, str):
            collected.complain(outcome)
        else:
            collected.add(await asyncio.to_thread(check, outcome, tree.read))
