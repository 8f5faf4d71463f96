"""The loop itself: boot, crash, locate, propose, verify."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from kernfix.case.demo.tree import material
from kernfix.case.fix import suggest
from kernfix.case.locate import LocatedLog
from kernfix.case.verify import VerifyRequest, VerifyUnavailable, connect, judgement_of, run_job
from kernfix.crash import Log, decode, parse
from kernfix.fix.llm import LLMSettings
from kernfix.fix.model import Candidate
from kernfix.source import Symbols, Tree, locate_all, open_symbols
from kernfix.verify.client import RunnerClient, RunnerError
from kernfix.verify.wire import Event, Job, Judgement, Verdict

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DemoResult:
    """How the demo ended: the located crash (None: there was none), the candidates, a judgement for each one that was verified, and the
    judgement that the demo ends with."""

    judgement: Judgement
    located: LocatedLog | None = None
    candidates: tuple[Candidate, ...] = ()
    judgements: dict[str, Judgement] = field(default_factory=dict)

    @property
    def fix(self) -> Candidate | None:
        """The candidate that was found to fix the crash."""
        if self.judgement.verdict is not Verdict.FIXED:
            return None
        return next(each for each in self.candidates if self.judgements.get(each.id) is self.judgement)


@dataclass(frozen=True, slots=True)
class Show:
    """How the demo shows itself as it goes: a word, an event of a job, the located crash, a candidate about to be verified."""

    say: Tell
    event: Callable[[Event], None]
    crash: Callable[[LocatedLog], None]
    candidate: Callable[[Candidate], None]


async def run_demo(
    tree: Tree, show: Show, llm: LLMSettings | None = None, runner: str | None = None, token: str | None = None
) -> DemoResult:
    """Run the loop on a prepared tree. VerifyUnavailable says in one sentence why it cannot be run."""
    request = VerifyRequest(
        tree=tree.root,
        config=(material() / "config").read_bytes(),
        reproducer=(material() / "repro.c").read_bytes(),
        baseline_runs=3,
    )
    try:
        async with connect(runner, token) as (client, is_local):
            job = await run_job(request, tree, client, is_local, show.event)
            judgement = judgement_of(job)
            if not judgement.baseline.crashes:
                return DemoResult(judgement)
            located = await _locate(client, job, tree)
            show.crash(located)
            crash = located.log.crashes[0]
            proposals = await suggest(crash, tree, located.crashes[0], llm=llm)
            for problem in proposals.problems:
                show.say(problem)
            request = replace(request, titles=tuple(sorted(crash.titles)), baseline_runs=5)
            return await _verify(
                DemoResult(judgement, located, proposals.candidates), request, tree, client, is_local, show
            )
    except RunnerError as error:
        raise VerifyUnavailable(str(error)) from None


async def _locate(client: RunnerClient, job: Job, tree: Tree) -> LocatedLog:
    """The crash that the first run printed, located with the debug information of the kernel that printed it."""
    log = parse(decode(await client.artifact(job.id, "console-baseline-1.log")))
    with tempfile.TemporaryDirectory() as folder:
        vmlinux = Path(folder) / "vmlinux"
        vmlinux.write_bytes(await client.artifact(job.id, "vmlinux-baseline"))
        symbols, reason = await asyncio.to_thread(open_symbols, vmlinux)
        located = await asyncio.to_thread(_locate_all, log, tree, symbols)
    if reason:
        located = replace(
            located, crashes=tuple(replace(each, problems=(*each.problems, reason)) for each in located.crashes)
        )
    return located


def _locate_all(log: Log, tree: Tree, symbols: Symbols | None) -> LocatedLog:
    return LocatedLog(tree, log, locate_all(log.crashes, tree, symbols))


async def _verify(
    found: DemoResult, request: VerifyRequest, tree: Tree, client: RunnerClient, is_local: bool, show: Show
) -> DemoResult:
    """Verify the candidates, best first, until one is found to fix the crash."""
    judgements: dict[str, Judgement] = {}
    last = found.judgement
    for candidate in found.candidates:
        if not candidate.ok:
            continue
        show.candidate(candidate)
        last = judgement_of(await run_job(replace(request, patch=candidate.diff), tree, client, is_local, show.event))
        judgements[candidate.id] = last
        if last.verdict is Verdict.FIXED:
            break
    return replace(found, judgement=last if judgements else without_candidates(last), judgements=judgements)


def without_candidates(base: Judgement) -> Judgement:
    """The end of a demo whose crash no candidate could be verified for: the base crashes, and that is all. (The first job is asked with no
    report to compare with, so its own verdict says no more than that.)
    """
    title = next(iter(base.baseline.titles), "it crashes")
    reason = f"The kernel still crashes ({title}): no candidate passed its checks, so there was nothing to verify."
    return base.model_copy(update={"verdict": Verdict.SAME_CRASH, "reason": reason})
