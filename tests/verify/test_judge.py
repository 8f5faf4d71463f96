"""The judge: every verdict from runs, and nothing but clean runs is ever a pass."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernfix.verify.judge import Outcome, Run, judge_base, judge_baseline, judge_patch, tally
from kernfix.verify.wire import Judgement, Verdict

SLAB, UAF, BAD = (
    "KASAN: slab-out-of-bounds Write in fox_tail",
    "KASAN: use-after-free Read in fox_tail",
    "bad-access in fox_tail",
)
OTHER = "WARNING in owl_call"


def crash(title: str | None = SLAB, *alternatives: str) -> Run:
    return Run(Outcome.CRASH, title=title, titles=frozenset({title, *alternatives} - {None}))  # type: ignore[arg-type]


CLEAN = Run(Outcome.CLEAN, detail="exit status 0")
HANG = Run(Outcome.HANG, detail="the reproducer did not finish within 60 s.")
LOST = Run(Outcome.HANG, detail="the guest went away without a word before the reproducer finished.")
UNBOOTED = Run(Outcome.BOOT_FAILED, title="kernel panic: VFS", detail="it never started /init within 120 s.")
BASELINE = [crash()] * 5


def check(judgement: Judgement | None, verdict: Verdict, *saying: str) -> Judgement:
    assert judgement is not None
    assert judgement.verdict is verdict, judgement
    for words in saying:
        assert words in judgement.reason
    assert "None" not in judgement.reason
    return judgement


@pytest.mark.parametrize(
    ("patched", "verdict", "says"),
    [
        ([CLEAN] * 4, Verdict.FIXED, "5 of 5 runs crashed before, 0 of 4 runs after"),
        ([CLEAN] * 3, Verdict.INCONCLUSIVE, "needs 4 clean runs"),
        ([], Verdict.INCONCLUSIVE, "0 runs"),
        ([crash()], Verdict.SAME_CRASH, SLAB),
        ([CLEAN, CLEAN, CLEAN, crash()], Verdict.SAME_CRASH, "1 of 4 runs"),
        ([crash(UAF)], Verdict.DIFFERENT_CRASH, UAF),
        ([crash(OTHER)], Verdict.DIFFERENT_CRASH, OTHER),
        ([crash(OTHER), crash()], Verdict.SAME_CRASH, SLAB),
        ([HANG], Verdict.HANG, "did not finish"),
        ([LOST], Verdict.HANG, "went away"),
        ([*([CLEAN] * 50), HANG], Verdict.HANG, "did not finish"),
        ([UNBOOTED], Verdict.BOOT_FAILED, "never started"),
        ([HANG, UNBOOTED], Verdict.BOOT_FAILED, "never started"),
        ([UNBOOTED, crash()], Verdict.SAME_CRASH, SLAB),
        ([HANG, crash(OTHER)], Verdict.DIFFERENT_CRASH, OTHER),
    ],
)
def test_a_patch(patched: list[Run], verdict: Verdict, says: str) -> None:
    judgement = check(judge_patch(BASELINE, patched, 0.95), verdict, says)
    assert (judgement.baseline.runs, judgement.baseline.crashes) == (5, 5)
    assert judgement.patched == tally(patched)
    assert (judgement.confidence is not None) == (verdict in (Verdict.FIXED, Verdict.INCONCLUSIVE))


@pytest.mark.parametrize(
    ("baseline", "patched", "verdict"),
    [
        ([crash(SLAB, BAD)], crash(UAF, BAD), Verdict.SAME_CRASH),  # two faces of one bug share an alternative title
        ([crash(SLAB), crash(UAF)], crash(UAF), Verdict.SAME_CRASH),  # the baseline itself shows both
        ([crash(SLAB), CLEAN, HANG], crash(SLAB), Verdict.SAME_CRASH),
        ([crash(SLAB, BAD)], crash(OTHER, "bad-access in owl_call"), Verdict.DIFFERENT_CRASH),
        ([Run(Outcome.CRASH)], Run(Outcome.CRASH), Verdict.DIFFERENT_CRASH),  # without a title nothing can be shared
    ],
)
def test_a_racy_bug_shows_several_faces(baseline: list[Run], patched: Run, verdict: Verdict) -> None:
    assert judge_patch(baseline, [patched], 0.95).verdict is verdict


def test_a_flaky_crash_needs_more_clean_runs() -> None:
    flaky = [crash(), CLEAN, CLEAN, CLEAN]
    unsure = check(judge_patch(flaky, [CLEAN] * 50, 0.95), Verdict.INCONCLUSIVE, "1 of 4 runs", "needs 234")
    assert unsure.confidence is not None
    assert unsure.confidence < 0.95
    check(judge_patch(flaky, [CLEAN] * 234, 0.95), Verdict.FIXED)
    check(judge_patch(flaky, [CLEAN] * 50, 0.4), Verdict.FIXED)


@pytest.mark.parametrize(
    ("baseline", "verdict", "says"),
    [
        ([CLEAN] * 10, Verdict.NOT_REPRODUCED, "never crashed in 10 runs"),
        ([CLEAN], Verdict.NOT_REPRODUCED, "never crashed in 1 run,"),
        ([CLEAN, HANG], Verdict.NOT_REPRODUCED, "It hung instead"),
        ([UNBOOTED], Verdict.BOOT_FAILED, "did not reach user space"),
        ([HANG, UNBOOTED], Verdict.BOOT_FAILED, "did not reach user space"),
        ([CLEAN, crash()], None, ""),
        ([UNBOOTED, crash()], None, ""),
    ],
)
def test_the_baseline_alone_decides(baseline: list[Run], verdict: Verdict | None, says: str) -> None:
    decided = judge_baseline(baseline)
    if verdict is None:
        assert decided is None
    else:
        assert check(decided, verdict, says).baseline == tally(baseline)


@pytest.mark.parametrize(
    ("runs", "verdict", "says"),
    [
        ([crash(), CLEAN], Verdict.SAME_CRASH, "as reported, in 1 of 2 runs"),
        ([crash(UAF, BAD)], Verdict.SAME_CRASH, UAF),
        ([crash(OTHER), crash()], Verdict.SAME_CRASH, SLAB),
        ([crash(OTHER)], Verdict.DIFFERENT_CRASH, "not as reported"),
        ([CLEAN] * 10, Verdict.NOT_REPRODUCED, "never crashed"),
        ([CLEAN, HANG], Verdict.HANG, "The base hangs"),
        ([HANG, UNBOOTED], Verdict.BOOT_FAILED, "user space"),
        ([UNBOOTED], Verdict.BOOT_FAILED, "user space"),
        ([crash(), UNBOOTED], Verdict.SAME_CRASH, SLAB),
    ],
)
def test_a_base_without_a_patch(runs: list[Run], verdict: Verdict, says: str) -> None:
    judgement = check(judge_base(runs, (SLAB, BAD)), verdict, says)
    assert judgement.patched.runs == 0
    assert judgement.confidence is None


def test_a_base_is_never_called_fixed_whatever_was_reported() -> None:
    check(judge_base([crash()], ()), Verdict.DIFFERENT_CRASH)
    check(judge_base([CLEAN] * 100, ()), Verdict.NOT_REPRODUCED)


def test_tally_counts_first_titles_most_frequent_first() -> None:
    seen = tally([crash(UAF), crash(SLAB, BAD), CLEAN, crash(SLAB), HANG, Run(Outcome.CRASH)])
    assert (seen.runs, seen.crashes) == (6, 4)
    assert list(seen.titles.items()) == [(SLAB, 2), (UAF, 1), ("unnamed crash", 1)]


RUNS = st.lists(st.sampled_from([crash(), crash(UAF, BAD), crash(OTHER), CLEAN, HANG, LOST, UNBOOTED]), max_size=30)


@given(RUNS.filter(lambda runs: any(run.outcome is Outcome.CRASH for run in runs)), RUNS, st.floats(0.01, 0.999))
def test_one_run_that_is_not_clean_is_never_a_pass(
    baseline: Sequence[Run], patched: Sequence[Run], confidence: float
) -> None:
    judgement = judge_patch(baseline, patched, confidence)
    is_clean = all(run.outcome is Outcome.CLEAN for run in patched)
    assert (judgement.verdict in (Verdict.FIXED, Verdict.INCONCLUSIVE)) == is_clean
    if judgement.verdict is Verdict.FIXED:
        assert patched
        assert judgement.confidence is not None
        assert judgement.confidence >= round(confidence, 4)
    worse = judge_patch(baseline, [*patched, HANG], confidence)
    assert worse.verdict is not Verdict.FIXED
