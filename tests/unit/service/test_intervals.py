"""Intervals of a share, against scipy and against what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from assets.service.intervals import clopper_pearson_low, wilson

COUNTS = st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(COUNTS)
def test_both_are_scipys_intervals(counts: tuple[int, int]) -> None:
    hits, trials = counts
    low, high = (float(bound) for bound in wilson(hits, trials))
    other = stats.binomtest(hits, trials).proportion_ci(0.95, method="wilson")
    assert (low, high) == pytest.approx((other.low, other.high), abs=1e-12)
    exact = stats.binomtest(hits, trials).proportion_ci(0.99, method="exact")
    assert float(clopper_pearson_low(hits, trials, 0.99)) == pytest.approx(exact.low, rel=1e-6, abs=1e-12)


def test_no_trials_give_no_interval_and_no_hits_a_bound_of_zero() -> None:
    assert all(math.isnan(float(bound)) for bound in wilson(0, 0))
    assert clopper_pearson_low(np.array([0, 0]), np.array([0, 50]), 0.99).tolist() == [0.0, 0.0]
    assert clopper_pearson_low(np.array([], dtype=int), np.array([], dtype=int), 0.99).tolist() == []


def test_a_bound_of_99_percent_is_above_the_truth_in_one_night_of_two_hundred_at_most() -> None:
    rng = np.random.default_rng(5)
    for share, trials in ((0.001, 300), (0.01, 50), (0.3, 20)):
        bounds = clopper_pearson_low(rng.binomial(trials, share, 40_000), trials, 0.99)
        assert np.mean(bounds > share) <= 0.0065
