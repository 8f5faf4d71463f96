"""From a crash to candidates, and a candidate as the document that ``fix --json`` prints."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from kernfix.crash.model import Crash
from kernfix.fix.llm import LLMSettings
from kernfix.fix.model import Candidate, Proposals
from kernfix.fix.propose import Provider, propose
from kernfix.source import Located, Symbols, Tree, locate


def provider_for(llm: LLMSettings | None) -> Provider:
    """Who is asked when the user did not say: the model as well, once an endpoint is configured."""
    return "templates" if llm is None else "all"


async def suggest(
    crash: Crash,
    tree: Tree,
    located: Located | None = None,
    *,
    symbols: Symbols | None = None,
    provider: Provider | None = None,
    n: int = 3,
    llm: LLMSettings | None = None,
    on_candidate: Callable[[Candidate], None] = lambda candidate: None,
) -> Proposals:
    """Candidates for a crash in a tree, checked, best first; what could not be done is in the problems.

    Without `located` the crash is located first, with `symbols` where there are any. `on_candidate` sees each candidate as it comes.
    Cancelling the task stops what runs, a search or a request.
    """
    if located is None:
        located = await _located(crash, tree, symbols)
    return await propose(crash, located, tree, provider or provider_for(llm), n, llm, on_candidate)


async def _located(crash: Crash, tree: Tree, symbols: Symbols | None) -> Located:
    stopped = False
    try:
        return await asyncio.to_thread(locate, crash, tree, symbols, lambda: stopped)
    finally:
        stopped = True  # a thread cannot be cancelled; it asks


def to_json(candidate: Candidate, verdict: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A candidate as one element of ``candidates`` in ``fix --json``; `verdict` is the judgement's own document."""
    draft = candidate.draft
    return {
        "id": candidate.id,
        "source": draft.source,
        "model": draft.model,
        "hypothesis": draft.hypothesis,
        "kind": draft.kind,
        "diff": candidate.diff,
        "checks": {
            name: {"ok": test.ok, "detail": test.detail, "seconds": test.seconds}
            for name, test in candidate.checks.items()
        },
        "verdict": None if verdict is None else dict(verdict),
        "usage": {
            "prompt_tokens": draft.usage.prompt_tokens,
            "completion_tokens": draft.usage.completion_tokens,
            "seconds": draft.usage.seconds,
        },
    }
