"""How many clean runs make a crash gone: against published numbers, and what must hold for all."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernfix.verify.confidence import lower_bound, needed_runs, reached

CONFIDENCES = st.floats(0.5, 0.999)


@st.composite
def seen(draw: st.DrawFn) -> tuple[int, int]:
    """k crashes in n runs, k from 1."""
    runs = draw(st.integers(1, 60))
    return draw(st.integers(1, runs)), runs


@pytest.mark.parametrize(
    ("crashes", "runs", "confidence", "bound"),
    [
        (5, 5, 0.95, 0.05 ** (1 / 5)),  # all crashed: the bound is alpha^(1/n)
        (5, 5, 0.95, 0.5493),
        (1, 1, 0.95, 0.05),
        (10, 10, 0.99, 0.01 ** (1 / 10)),
        (1, 10, 0.95, 1 - 0.95 ** (1 / 10)),  # one crashed: 1-(1-alpha)^(1/n)
        (5, 10, 0.95, 0.2224),  # the lower end of the two-sided 90 % interval in tables of Clopper and Pearson
        (3, 20, 0.975, 0.0321),
        (0, 5, 0.95, 0.0),
        (0, 0, 0.95, 0.0),
    ],
)
def test_lower_bound_is_the_exact_one(crashes: int, runs: int, confidence: float, bound: float) -> None:
    assert lower_bound(crashes, runs, confidence) == pytest.approx(bound, abs=6e-5)


@pytest.mark.parametrize(
    ("crashes", "runs", "confidence", "needed"),
    [(5, 5, 0.95, 4), (1, 1, 0.95, 59), (10, 10, 0.95, 3), (5, 5, 0.5, 1), (1, 20, 0.95, 1169), (0, 10, 0.95, None)],
)
def test_needed_runs(crashes: int, runs: int, confidence: float, needed: int | None) -> None:
    assert needed_runs(crashes, runs, confidence) == needed


def test_thousands_of_runs_are_no_overflow() -> None:
    assert lower_bound(2000, 4000, 0.95) == pytest.approx(0.4869, abs=1e-3)
    assert needed_runs(2000, 4000, 0.95) == 5


@given(seen(), CONFIDENCES)
def test_the_bound_is_below_the_share_and_solves_its_equation(k_of_n: tuple[int, int], confidence: float) -> None:
    crashes, runs = k_of_n
    bound = lower_bound(crashes, runs, confidence)
    assert 0 < bound <= crashes / runs
    tail = sum(math.comb(runs, i) * bound**i * (1 - bound) ** (runs - i) for i in range(crashes, runs + 1))
    assert tail == pytest.approx(1 - confidence, abs=1e-9)


@given(seen(), CONFIDENCES)
def test_the_runs_called_needed_are_enough_and_not_one_too_many(k_of_n: tuple[int, int], confidence: float) -> None:
    crashes, runs = k_of_n
    needed = needed_runs(crashes, runs, confidence)
    assert needed is not None
    assert reached(crashes, runs, needed, confidence) >= confidence - 1e-12
    assert needed == 1 or reached(crashes, runs, needed - 1, confidence) < confidence + 1e-9


@given(seen(), st.integers(0, 50), CONFIDENCES)
def test_more_evidence_never_means_less_confidence(k_of_n: tuple[int, int], clean: int, confidence: float) -> None:
    crashes, runs = k_of_n
    gained = reached(crashes, runs, clean, confidence)
    assert 0 <= gained <= reached(crashes, runs, clean + 1, confidence) <= 1
    assert gained <= reached(crashes + 1, runs + 1, clean, confidence)
    assert lower_bound(crashes, runs, confidence) >= lower_bound(crashes, runs + 1, confidence)


def test_no_run_gives_no_confidence() -> None:
    assert reached(5, 5, 0, 0.95) == 0
    assert reached(0, 5, 100, 0.95) == 0
