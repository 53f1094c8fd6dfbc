"""Probabilities from a pool, and the correction for many questions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, genpareto

from assets.drift.tails import FEWEST_IN_TAIL, false_discovery_rate, pareto_tail, tail_probability


@pytest.mark.parametrize("shape", [0.0, 0.1, 0.3])
def test_moments_find_the_tail_they_were_drawn_from(shape: float) -> None:
    drawn = np.sort(genpareto.rvs(shape, scale=2.0, size=40_000, random_state=3))
    found, scale = pareto_tail(drawn)
    assert found == pytest.approx(shape, abs=0.03)
    assert scale == pytest.approx(2.0, rel=0.04)


def test_far_beyond_the_pool_a_p_is_small_and_never_zero() -> None:
    from scipy.stats import norm

    pool = np.random.default_rng(1).standard_normal(20_000)
    values = np.array([1.0, 2.5, 4.0, 40.0])
    p = tail_probability(pool, values, 0.02)
    assert p[0] == pytest.approx(norm.sf(1), rel=0.05)
    assert p[1] == pytest.approx(norm.sf(2.5), rel=0.15)
    assert norm.sf(4) / 3 < p[2] < norm.sf(4) * 8
    assert 0 < p[3] < 1e-8


def test_a_pool_of_few_never_claims_more_than_it_holds() -> None:
    pool = np.arange(float(FEWEST_IN_TAIL * 10 - 1))
    assert tail_probability(pool, np.array([1e9]), 0.1)[0] == 1 / (pool.size + 1)
    assert np.isnan(tail_probability(np.array([]), np.array([1.0]), 0.1)[0])


@given(st.lists(st.floats(-5, 20), min_size=2, max_size=30))
def test_more_unusual_is_never_more_probable(values: list[float]) -> None:
    pool = np.random.default_rng(2).standard_t(4, 3000)
    p = tail_probability(pool, np.sort(values), 0.02)
    assert np.all(np.diff(p) <= 1e-12)
    assert np.all((p > 0) & (p <= 1))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_q_is_that_of_benjamini_and_hochberg(p: list[float]) -> None:
    np.testing.assert_allclose(false_discovery_rate(np.array(p)), false_discovery_control(p))


def test_what_was_not_asked_is_not_corrected_for() -> None:
    q = false_discovery_rate(np.array([[0.01, np.nan], [np.nan, 0.02], [0.04, 0.5]]))
    np.testing.assert_allclose(q, [[0.02, np.nan], [np.nan, 0.04], [0.04, 0.5]])
