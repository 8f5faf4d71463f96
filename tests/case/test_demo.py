"""How the demo ends when there is nothing to verify: `make demo` runs the loop itself."""

from __future__ import annotations

from kernfix.case.demo.loop import without_candidates
from kernfix.verify.wire import Judgement, Tally, Verdict


def test_a_crash_without_candidates_is_said_to_be_there_still() -> None:
    seen = Tally(runs=3, crashes=3, titles={"WARNING in frob": 3})
    base = Judgement(verdict=Verdict.DIFFERENT_CRASH, confidence=None, reason="not as reported", baseline=seen)
    end = without_candidates(base)
    assert (end.verdict, end.baseline) == (Verdict.SAME_CRASH, seen)
    assert "WARNING in frob" in end.reason
    assert "no candidate passed its checks" in end.reason
