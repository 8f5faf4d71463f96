"""One job from request to judgement: the ladder of stages, cheapest first, stopping at the first answer.

Each rung is a *step* that the queue makes durable: what it returns is kept, so a restarted runner goes on after the last finished rung.
A step is therefore idempotent and returns plain JSON; what it built lies in content-addressed folders.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from kernfix.patch import papering_over
from kernfix.runner.blobs import Blobs
from kernfix.runner.evidence import write_evidence
from kernfix.runner.faults import RunnerFault
from kernfix.runner.guest.accel import Accelerator
from kernfix.runner.stages import apply, build, fetch, reproduce
from kernfix.runner.state import State
from kernfix.runner.trees import WarmTree
from kernfix.verify.confidence import needed_runs
from kernfix.verify.judge import Outcome, Run, judge_base, judge_baseline, judge_patch, tally
from kernfix.verify.wire import Event, JobRequest, Judgement, StageTime, Verdict

MAX_RUNS = 60
"""Patched runs that the runner starts of its own accord; a crash so rare that more are needed stays inconclusive."""

PROGRESS_SECONDS = 0.1
"""A build tells its progress no more often: every event is stored."""

Side = Literal["baseline", "patched"]
Json = dict[str, Any]


class Step(Protocol):
    """Runs a piece of work once, even if the runner is killed and started again: the kept result is given instead."""

    async def __call__(self, name: str, work: Callable[[], Awaitable[Json]]) -> Json:
        """The work's result."""
        ...


@dataclass(slots=True)
class Work:
    """One job being worked on."""

    id: str
    request: JobRequest
    state: State
    accel: Accelerator
    step: Step
    tell: Callable[[Event], None]
    times: list[StageTime] = field(default_factory=list)

    async def timed(self, stage: str, work: Callable[[], Awaitable[Json]]) -> Json:
        """Run one stage as a step, with its begin and end told and its seconds kept. The result's ``cached`` is told too."""

        async def measured() -> Json:
            self.tell(Event(id=0, kind="stage", stage=stage, text="begin"))
            began = time.monotonic()
            result = await work()
            seconds = round(time.monotonic() - began, 3)
            # Told in the step: a stage that a restarted runner need not repeat does not end a second time.
            text = f"end {seconds:.1f} s{', cached' if result.get('cached') else ''}"
            self.tell(Event(id=0, kind="stage", stage=stage, text=text))
            return {**result, "seconds": seconds}

        result = await self.step(stage, measured)
        self.times.append(StageTime(name=stage, seconds=result["seconds"], cached=bool(result.get("cached"))))
        return result


async def verify(work: Work) -> Judgement:
    """The judgement of a job, with its evidence. An infrastructure fault is one too: ``runner-error``, the reason with it.

    BadRequest when the job's own inputs make it impossible.
    """
    try:
        judgement = await _climb(work)
    except RunnerFault as fault:
        judgement = Judgement(verdict=Verdict.RUNNER_ERROR, confidence=None, reason=sentence(fault))
    judgement = judgement.model_copy(update={"stages": _sum(work.times)})
    folder, blobs = work.state.artifacts(work.id), Blobs(work.state.blobs)
    return await asyncio.to_thread(write_evidence, judgement, work.request, folder, blobs)


def sentence(error: Exception) -> str:
    """An error's words with one full stop; what they quote may have brought its own."""
    return f"{str(error).rstrip('.')}."


async def _climb(work: Work) -> Judgement:
    request, state = work.request, work.state
    compiler = await build.compiler_version()
    fetched = await work.timed("fetch", lambda: _fetch(work, compiler))
    tree = WarmTree(state.trees / fetched["tree"])
    applied: Json = {}
    if request.patch is not None:
        applied = await work.timed("apply", lambda: _apply(work, tree))
        if applied["problems"]:
            return _failed(Verdict.PATCH_FAILED, "The patch does not apply: " + " ".join(applied["problems"]))
    await work.step("prepare", lambda: _prepare(work))
    base = await work.timed("build:baseline", lambda: _build(work, tree, "baseline"))
    if base["error"]:
        return _failed(Verdict.BUILD_FAILED, f"The base itself does not compile: {base['error']}")
    before = await _reproduce_baseline(work, base)
    if request.patch is None:
        return judge_base(before, request.titles)
    if decided := judge_baseline(before):
        return decided
    built = await work.timed("build:patched", lambda: _build(work, tree, "patched"))
    if built["error"]:
        failed = _failed(Verdict.BUILD_FAILED, f"The patched tree does not compile: {built['error']}")
        return failed.model_copy(update={"baseline": tally(before)})
    after = await _reproduce_patched(work, built, before)
    return _doubt(judge_patch(before, after, request.confidence), applied["signs"])


def _doubt(judgement: Judgement, signs: list[str]) -> Judgement:
    """Say beside `fixed` what speaks for a crash that is only hidden: the verdict is that it is gone, never that the patch is right."""
    if judgement.verdict is not Verdict.FIXED or not signs:
        return judgement
    return judgement.model_copy(update={"reason": f"{judgement.reason} It may only be papered over: {' '.join(signs)}"})


def _failed(verdict: Verdict, reason: str) -> Judgement:
    return Judgement(verdict=verdict, confidence=None, reason=reason)


async def _fetch(work: Work, compiler: str) -> Json:
    tree, cached = await fetch.fetch(work.request.base, work.request.config, compiler, work.state)
    return {"tree": tree.folder.name, "cached": cached}


async def _apply(work: Work, tree: WarmTree) -> Json:
    change = await apply.apply(work.request.patch or "", tree)
    return {"problems": [problem.message for problem in change.problems], "signs": list(papering_over(change))}


async def _prepare(work: Work) -> Json:
    """Compile the reproducer before any kernel is, so that one that cannot be used costs nobody a build."""
    _, cached = await reproduce.prepare(work.request.reproducer, work.state)
    return {"cached": cached}


async def _build(work: Work, tree: WarmTree, side: Side) -> Json:
    request, stage = work.request, f"build:{side}"
    change = await apply.apply(request.patch, tree) if side == "patched" and request.patch is not None else None
    config = Blobs(work.state.blobs).read(request.config)

    told = 0.0

    def tell(compiled: int, line: str) -> None:
        nonlocal told
        if time.monotonic() - told >= PROGRESS_SECONDS:
            told = time.monotonic()
            work.tell(Event(id=0, kind="progress", stage=stage, text=line, done=compiled))

    built = await build.build(tree, config, change, work.state, request.limits.build_seconds, tell)
    _keep(built.log, work.state.artifacts(work.id) / f"build-{side}.log")
    if built.error is None:
        _keep(built.kernel, work.state.artifacts(work.id) / f"vmlinux-{side}")
    return {"folder": built.folder, "cached": built.cached, "error": built.error}


def _keep(file: Path, artifact: Path) -> None:
    """Make a built file an artifact of the job; a link, since kernels are large and never written again."""
    artifact.unlink(missing_ok=True)
    try:
        artifact.hardlink_to(file)
    except OSError:  # another file system
        shutil.copyfile(file, artifact)


async def _reproduce_baseline(work: Work, base: Json) -> list[Run]:
    """Run until enough crashes were seen to bound their share well, but not for ever if there are few or none."""
    wanted, runs = work.request.baseline_runs, list[Run]()

    def enough() -> bool:
        crashes = sum(run.outcome is Outcome.CRASH for run in runs)
        return crashes >= wanted or len(runs) >= (4 * wanted if crashes else 2 * wanted)

    while not enough():
        runs.append(await _run(work, base, "baseline", len(runs) + 1, None))
        if runs[-1].outcome is Outcome.BOOT_FAILED:
            break
    return runs


async def _reproduce_patched(work: Work, built: Json, before: list[Run]) -> list[Run]:
    """Run as often as the confidence asks for, or as the request says; the first run that is not clean decides."""
    crashes = sum(run.outcome is Outcome.CRASH for run in before)
    needed = needed_runs(crashes, len(before), work.request.confidence) or 1
    total = work.request.runs or min(needed, MAX_RUNS)
    runs: list[Run] = []
    while len(runs) < total and all(run.outcome is Outcome.CLEAN for run in runs):
        runs.append(await _run(work, built, "patched", len(runs) + 1, total))
    return runs


async def _run(work: Work, built: Json, side: Side, number: int, total: int | None) -> Run:
    """One run as a step of its own; a fault of the infrastructure is retried and never counted."""
    stage = f"reproduce:{side}"

    async def once() -> Json:
        work.tell(Event(id=0, kind="progress", stage=stage, done=number - 1, total=total))
        console = work.state.artifacts(work.id) / f"console-{side}-{number}.log"
        disk, _ = await reproduce.prepare(work.request.reproducer, work.state)
        kernel = build.Built(built["folder"], cached=True).kernel
        for attempt in (1, 2, 3):
            try:
                run = await reproduce.run_once(work.request, kernel, disk, console, work.accel, work.state)
                break
            except RunnerFault as fault:
                work.tell(Event(id=0, kind="log", stage=stage, text=f"attempt {attempt} failed: {fault}"))
                if attempt == 3:
                    raise
        said = f"{side} run {number}: {run.outcome}{f', {run.title}' if run.title else ''}"
        work.tell(Event(id=0, kind="run", stage=stage, text=said, done=number, total=total))
        return _run_to_json(run)

    run = _run_from_json(await work.step(f"{stage}:{number}", once))
    for name, seconds in (("boot", run.boot_seconds), ("reproduce", run.run_seconds)):
        work.times.append(StageTime(name=f"{name}:{side}", seconds=seconds))
    return run


def _run_to_json(run: Run) -> Json:
    return {
        "outcome": str(run.outcome),
        "title": run.title,
        "titles": sorted(run.titles),
        "detail": run.detail,
        "boot_seconds": round(run.boot_seconds, 3),
        "run_seconds": round(run.run_seconds, 3),
    }


def _run_from_json(value: Json) -> Run:
    return Run(**{**value, "outcome": Outcome(value["outcome"]), "titles": frozenset(value["titles"])})


def _sum(times: list[StageTime]) -> tuple[StageTime, ...]:
    """One entry a stage in the order they first ran: a stage that runs n times has the sum of their seconds."""
    seconds: dict[str, float] = {}
    cached: dict[str, bool] = {}
    for time_ in times:
        seconds[time_.name] = seconds.get(time_.name, 0.0) + time_.seconds
        cached[time_.name] = cached.get(time_.name, True) and time_.cached
    return tuple(StageTime(name=name, seconds=round(spent, 3), cached=cached[name]) for name, spent in seconds.items())
