"""How many clean runs make a crash gone.

If the unpatched kernel crashes in a share p of its runs, then n clean runs of the patched kernel would happen by chance with
probability (1-p)^n. p is only known from k crashes in n baseline runs, so its lower confidence bound is used: the exact one-sided
bound of C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits", Biometrika 26 (1934).
"""

from __future__ import annotations

import math


def lower_bound(crashes: int, runs: int, confidence: float) -> float:
    """The smallest crash share that k `crashes` in n `runs` leave plausible at one-sided `confidence`; 0 when nothing crashed."""
    if crashes <= 0:
        return 0.0
    low, high = 0.0, crashes / runs
    for _ in range(60):  # bisection: the tail grows with p, 60 halvings exhaust a double
        middle = (low + high) / 2
        if _tail(crashes, runs, middle) < 1 - confidence:
            low = middle
        else:
            high = middle
    return low


def needed_runs(crashes: int, runs: int, confidence: float) -> int | None:
    """How many clean runs give `confidence` that the crash is gone; None when the baseline never crashed."""
    share = lower_bound(crashes, runs, confidence)
    if share <= 0:
        return None
    return max(1, math.ceil(math.log(1 - confidence) / math.log(1 - share)))


def reached(crashes: int, runs: int, clean: int, confidence: float) -> float:
    """The confidence that `clean` clean runs give, 1-(1-p)^n with p at its lower bound."""
    return 1 - (1 - lower_bound(crashes, runs, confidence)) ** clean


def _tail(crashes: int, runs: int, share: float) -> float:
    """P(X >= crashes) for X ~ Binomial(runs, share), 0 < share < 1; in logarithms, since a coefficient of many runs is no float."""
    return math.fsum(
        math.exp(_log_choose(runs, i) + i * math.log(share) + (runs - i) * math.log1p(-share))
        for i in range(crashes, runs + 1)
    )


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
