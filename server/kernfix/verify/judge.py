"""The judge: runs in, verdict out. Pure; the rules are the table of verdicts in ARCHITECTURE.md.

Only a run that reached the reproducer's own end counts as clean. A guest that hangs, goes away or never reaches user space is never a
pass, and any crash is compared by sets of titles, since a racy bug shows several faces.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kernfix.verify.confidence import needed_runs, reached
from kernfix.verify.wire import Judgement, Tally, Verdict


class Outcome(StrEnum):
    """How one run of the reproducer ended."""

    CLEAN = "clean"
    CRASH = "crash"
    HANG = "hang"
    BOOT_FAILED = "boot-failed"


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of the reproducer in a fresh guest. `titles` are all titles of all its crashes, `title` the first one's own."""

    outcome: Outcome
    title: str | None = None
    titles: frozenset[str] = frozenset()
    detail: str = ""
    boot_seconds: float = 0.0
    run_seconds: float = 0.0


def tally(runs: Iterable[Run]) -> Tally:
    """k of n, with the count of each first title."""
    runs = tuple(runs)
    titles = Counter(run.title or "unnamed crash" for run in runs if run.outcome is Outcome.CRASH)
    return Tally(runs=len(runs), crashes=titles.total(), titles=dict(titles.most_common()))


def judge_baseline(runs: Sequence[Run]) -> Judgement | None:
    """What the baseline's runs alone decide: None when it crashed, so that a patch can be judged against it."""
    if any(run.outcome is Outcome.CRASH for run in runs):
        return None
    seen = tally(runs)
    unbooted = _first(runs, Outcome.BOOT_FAILED)
    if unbooted:
        return _judgement(Verdict.BOOT_FAILED, f"The baseline did not reach user space: {unbooted.detail}", seen)
    hung = _first(runs, Outcome.HANG)
    also = f" It hung instead: {hung.detail}" if hung else ""
    reason = f"The baseline never crashed in {_runs(len(runs))}, so nothing can be said of a patch.{also}"
    return _judgement(Verdict.NOT_REPRODUCED, reason, seen)


def judge_base(runs: Sequence[Run], report: Iterable[str]) -> Judgement:
    """The verdict of a job without a patch: whether the base shows the crash of the report, whose titles are `report`."""
    wanted = frozenset(report)
    seen = tally(runs)
    crashed = [run for run in runs if run.outcome is Outcome.CRASH]
    same = next((run for run in crashed if run.titles & wanted), None)
    if same:
        return _judgement(Verdict.SAME_CRASH, f"The base crashes as reported, in {_share(seen)}: {same.title}.", seen)
    if crashed:
        reason = f"The base crashes in {_share(seen)}, but not as reported: {crashed[0].title}."
        return _judgement(Verdict.DIFFERENT_CRASH, reason, seen)
    hung = _first(runs, Outcome.HANG)
    if hung and all(run.outcome is not Outcome.BOOT_FAILED for run in runs):
        return _judgement(Verdict.HANG, f"The base hangs: {hung.detail}", seen)
    decided = judge_baseline(runs)
    assert decided is not None  # nothing crashed
    return decided


def judge_patch(baseline: Sequence[Run], patched: Sequence[Run], confidence: float) -> Judgement:
    """The verdict on a patch whose baseline crashed. `confidence` is what was asked for, 0 to 1."""
    before, after = tally(baseline), tally(patched)
    known = frozenset().union(*(run.titles for run in baseline))
    if decided := _judge_failure(patched, known, before, after):
        return decided
    clean = len(patched)
    gained = reached(before.crashes, before.runs, clean, confidence)
    if gained >= confidence:
        reason = f"The crash is gone: {_share(before)} crashed before, {after.crashes} of {_runs(after.runs)} after."
        return _judgement(Verdict.FIXED, reason, before, after, gained)
    enough = needed_runs(before.crashes, before.runs, confidence)
    reason = (
        f"Clean in {_runs(clean)}, but a crash seen in {_share(before)} needs {enough} clean runs for a confidence of"
        f" {confidence:.0%}; this is {gained:.0%}."
    )
    return _judgement(Verdict.INCONCLUSIVE, reason, before, after, gained)


def _judge_failure(patched: Sequence[Run], known: frozenset[str], before: Tally, after: Tally) -> Judgement | None:
    """The verdict of the worst run, or None when all were clean."""
    crashed = [run for run in patched if run.outcome is Outcome.CRASH]
    same = next((run for run in crashed if run.titles & known), None)
    if same:
        reason = f"The patched kernel still crashes, in {_share(after)}: {same.title}."
        return _judgement(Verdict.SAME_CRASH, reason, before, after)
    if crashed:
        reason = f"The patched kernel crashes in another way, in {_share(after)}: {crashed[0].title}."
        return _judgement(Verdict.DIFFERENT_CRASH, reason, before, after)
    if unbooted := _first(patched, Outcome.BOOT_FAILED):
        reason = f"The patched kernel did not reach user space: {unbooted.detail}"
        return _judgement(Verdict.BOOT_FAILED, reason, before, after)
    if hung := _first(patched, Outcome.HANG):
        return _judgement(Verdict.HANG, f"The patched kernel hangs: {hung.detail}", before, after)
    return None


def _judgement(
    verdict: Verdict, reason: str, before: Tally, after: Tally | None = None, confidence: float | None = None
) -> Judgement:
    rounded = None if confidence is None else round(confidence, 4)
    return Judgement(verdict=verdict, confidence=rounded, reason=reason, baseline=before, patched=after or Tally())


def _first(runs: Iterable[Run], outcome: Outcome) -> Run | None:
    return next((run for run in runs if run.outcome is outcome), None)


def _runs(n: int) -> str:
    return "1 run" if n == 1 else f"{n} runs"


def _share(seen: Tally) -> str:
    return f"{seen.crashes} of {_runs(seen.runs)}"
