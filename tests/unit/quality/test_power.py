"""How many labels would be enough."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quality_nights import calibrated, rated
from scipy import stats

from assets.quality.estimator import Rate
from assets.quality.power import labels_needed


def plain(hits: int, n: int, responses: int) -> Rate:
    size = n / (1 - n / responses)
    interval = stats.binomtest(hits, n).proportion_ci(method="wilson")
    return Rate(hits / n, responses, responses, n, size, 0.0, 0.0, interval.low, interval.high, "classical")


@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_tomorrow_with_so_many_labels_is_half_as_wide(rate: float) -> None:
    night = calibrated(np.random.default_rng(1), 6000, rate)
    today = rated(night, 250, "today", 0.5)
    needed = labels_needed(today)
    assert needed is not None and today.high is not None and today.low is not None
    tomorrow = [rated(night, needed, f"tomorrow {i}", 0.5) for i in range(6)]
    width = np.mean([t.high - t.low for t in tomorrow if t.high is not None and t.low is not None])
    assert width / (today.high - today.low) == pytest.approx(0.5, abs=0.08)


def test_of_a_large_day_it_is_four_times_as_many_and_of_a_small_one_fewer() -> None:
    assert labels_needed(plain(60, 200, 10**7)) == pytest.approx(800, rel=0.02)
    assert labels_needed(plain(60, 200, 1000)) == pytest.approx(800 / 1.6, rel=0.02)


def test_three_positives_need_more_than_a_formula_for_many_says() -> None:
    exact = stats.binomtest(3, 200).proportion_ci(method="exact")
    rate = Rate(0.015, 10**7, 10**7, 200, 200.0, 0.0, 0.0, exact.low, exact.high, "exact")
    needed = labels_needed(rate)
    assert needed is not None
    tomorrow = stats.binomtest(round(0.015 * needed), needed).proportion_ci(method="exact")
    assert tomorrow.high - tomorrow.low == pytest.approx((exact.high - exact.low) / 2, rel=0.03)


def test_no_labels_make_up_for_raters_who_err() -> None:
    rate = replace(plain(60, 200, 10**6), sensitivity=0.9, specificity=0.9, rater_error=0.04)
    assert labels_needed(rate) is None
    assert labels_needed(replace(rate, rater_error=0.005)) is not None


def test_where_there_is_no_interval_there_is_no_answer() -> None:
    assert labels_needed(Rate(None, 10, 10, 0, None, None, None, None, None, "no_labels")) is None
    assert labels_needed(Rate(0.3, 10, 10, 10, 10.0, None, 0.0, 0.3, 0.3, "census")) is None
    with pytest.raises(ValueError, match="between 0 and 1"):
        labels_needed(plain(60, 200, 1000), 1.0)


@given(st.integers(5, 195), st.integers(201, 10**6), st.floats(0.2, 0.95))
def test_less_width_never_needs_fewer_labels(hits: int, responses: int, share: float) -> None:
    rate = plain(hits, 200, responses)
    some, more = labels_needed(rate, share), labels_needed(rate, share / 2)
    assert some is not None and more is not None
    assert 200 <= some <= more <= responses
