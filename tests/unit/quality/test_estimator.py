"""What a rate says, and what may not move it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quality_nights import Floats, calibrated, labelled, rated, world
from scipy import stats
from week_nights import segments, weeks

from assets.quality.estimator import Labels, correlation, estimate
from assets.quality.sampling import draw
from assets.service.intervals import wilson

KEY = b"of-the-tests-only"


def plain(verdict: Floats, score: Floats, p: float = 0.02) -> Labels:
    count = len(verdict)
    probability = np.full(count, p)
    return Labels(verdict, score, probability, np.full(count, True), probability, np.full(count, ""))


def of_rows(labels: Labels, rows: np.ndarray) -> Labels:
    return Labels(*(getattr(labels, name)[rows] for name in Labels.__dataclass_fields__))


def with_targeted(labels: Labels, verdicts: list[float]) -> Labels:
    more = Labels(
        np.array(verdicts), np.full(len(verdicts), 0.9), np.full(len(verdicts), np.nan), np.full(len(verdicts), True),
        np.full(len(verdicts), np.nan), np.full(len(verdicts), ""),
    )  # fmt: skip
    return Labels(*(np.concatenate([getattr(part, n) for part in (labels, more)]) for n in Labels.__dataclass_fields__))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([0.0, 1.0]), max_size=30), st.sampled_from([0.01, 0.1, 0.6]), st.integers(0, 20))
def test_a_targeted_label_never_moves_the_rate(verdicts: list[float], rate: float, seed: int) -> None:
    night = calibrated(np.random.default_rng(seed), 800, rate)
    labels = labelled(night, draw(night.responses, 90, KEY, "night", 0.5))
    assert estimate(night.score, with_targeted(labels, verdicts)) == estimate(night.score, labels)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([0.003, 0.05, 0.5, 0.98]), st.integers(1, 300), st.integers(0, 100), st.booleans())
def test_a_rate_lies_in_its_interval_and_that_between_none_and_all(rate: float, n: int, seed: int, scored: bool) -> None:
    night = calibrated(np.random.default_rng(seed), 300, rate)
    if not scored:
        night = world(np.full(300, np.nan), night.verdict)
    found = rated(night, n, f"{seed}", 0.5 if seed % 2 else None)
    assert found.rate is not None and found.low is not None and found.high is not None
    assert 0 <= found.low <= found.rate <= found.high <= 1
    assert found.n_labelled == n
    assert found.n_scored == (300 if scored else 0)
    assert found.lambda_ is not None and 0 <= found.lambda_ <= 1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_rates_of_a_verdict_and_of_its_opposite_add_up(seed: int) -> None:
    night = calibrated(np.random.default_rng(seed), 1000, 0.3)
    labels = labelled(night, draw(night.responses, 150, KEY, "night", 0.5))
    one = estimate(night.score, labels)
    other = estimate(1 - night.score, replace(labels, verdict=1 - labels.verdict, score=1 - labels.score))
    assert one.rate is not None and other.rate is not None and one.low is not None and other.high is not None
    assert one.rate + other.rate == pytest.approx(1, abs=0.02)
    assert one.low + other.high == pytest.approx(1, abs=0.03)


def test_without_labels_there_is_no_rate() -> None:
    night = calibrated(np.random.default_rng(1), 50, 0.3)
    nobody = labelled(night, draw(night.responses, 10, KEY, "night"))
    found = estimate(night.score, replace(nobody, verdict=np.full(10, np.nan)))
    assert (found.rate, found.low, found.high, found.n_labelled, found.method) == (None, None, None, 0, "no_labels")
    assert estimate(np.array([]), of_rows(nobody, np.array([], dtype=int))).method == "no_labels"


def test_labels_of_other_responses_than_those_that_were_scored_are_refused() -> None:
    with pytest.raises(ValueError, match="20 labels of 10 responses"):
        estimate(np.full(10, 0.5), plain(np.zeros(20), np.full(20, 0.5)))


def test_when_all_are_labelled_nothing_is_left_to_chance() -> None:
    night = calibrated(np.random.default_rng(1), 50, 0.3)
    found = rated(night, 200, "night", 0.5)
    assert found.method == "census"
    assert found.rate == found.low == found.high == pytest.approx(night.verdict.mean())


def test_a_label_that_is_missing_is_neither_a_pass_nor_a_failure() -> None:
    night = calibrated(np.random.default_rng(2), 4000, 0.3)
    labels = labelled(night, draw(night.responses, 600, KEY, "night", 0.5))
    missing = np.random.default_rng(3).random(600) < 0.5
    half = estimate(night.score, replace(labels, verdict=np.where(missing, np.nan, labels.verdict)))
    assert half.rate == pytest.approx(night.verdict.mean(), abs=0.05)
    assert half.n_labelled == (~missing).sum()
    # As wide as if only so many had been drawn.
    fewer = rated(night, int((~missing).sum()), "night", 0.5)
    assert half.high - half.low == pytest.approx(fewer.high - fewer.low, rel=0.1)


def test_a_score_that_says_nothing_leaves_the_plain_interval() -> None:
    rng = np.random.default_rng(4)
    verdict = (rng.random(200) < 0.2).astype(float)
    found = estimate(rng.random(10_000), plain(verdict, np.full(200, 0.5)))
    assert (found.method, found.lambda_, found.rho) == ("classical", 0.0, None)
    low, high = wilson(verdict.sum() / 0.98, 200 / 0.98, float(stats.t.ppf(0.975, 199)))
    assert (found.low, found.high) == (pytest.approx(float(low), abs=1e-3), pytest.approx(float(high), abs=1e-3))


def test_in_one_stratum_the_estimate_is_that_of_ppi() -> None:
    from ppi_py import ppi_mean_pointestimate

    night = calibrated(np.random.default_rng(6), 3000, 0.4)
    rows = np.random.default_rng(7).choice(3000, 39, replace=False)
    found = estimate(night.score, plain(night.verdict[rows], night.score[rows]))
    assert found.method == "difference" and found.lambda_ is not None and found.lambda_ > 0.5
    theirs = ppi_mean_pointestimate(night.verdict[rows], night.score[rows], night.score, lam=found.lambda_)
    assert found.rate == pytest.approx(float(np.ravel(theirs)[0]), abs=1e-9)
    tuned = ppi_mean_pointestimate(night.verdict[rows], night.score[rows], night.score)
    assert found.rate == pytest.approx(float(np.ravel(tuned)[0]), abs=0.01)


def test_fewer_than_five_of_either_are_counted_exactly() -> None:
    for verdict in (np.repeat([1.0, 0.0], [3, 97]), np.repeat([1.0, 0.0], [97, 3])):
        found = estimate(np.full(5000, 0.5), plain(verdict, np.full(100, 0.5)))
        exact = stats.binomtest(int(verdict.sum()), 100).proportion_ci(method="exact")
        assert found.method == "exact"
        assert (found.low, found.high) == (pytest.approx(exact.low), pytest.approx(exact.high))


def test_only_the_random_part_is_counted_exactly() -> None:
    labels = plain(np.repeat([1.0, 0.0], [4, 96]), np.full(100, 0.5))
    is_random = np.arange(100) >= 50
    found = estimate(np.full(5000, 0.5), replace(labels, is_random=is_random))
    assert found.low == 0 and found.n_effective == pytest.approx(50)
    assert found.high == pytest.approx(stats.binomtest(0, 50).proportion_ci(method="exact").high)
    assert found.rate == pytest.approx(0.04)
    nothing = estimate(np.full(5000, 0.5), replace(labels, is_random=np.full(100, False)))
    assert (nothing.low, nothing.high) == (0, 1)


def test_oversampled_failures_do_not_count_for_more() -> None:
    """Half of the labels come from 1 % of the responses, where nearly all fail."""
    rng = np.random.default_rng(8)
    likely = rng.random(20_000) < 0.01
    verdict = (rng.random(20_000) < np.where(likely, 0.9, 0.05)).astype(float)
    p = np.where(likely, 100 / likely.sum(), 100 / 19_800)
    rows = np.flatnonzero(rng.random(20_000) < p)
    labels = replace(plain(verdict[rows], likely[rows] * 1.0), inclusion_probability=p[rows])
    found = estimate(likely * 1.0, labels)
    assert labels.verdict.mean() > 0.4
    assert found.low is not None and found.high is not None and found.low <= verdict.mean() <= found.high
    assert found.high < 0.15


def test_labels_that_are_all_alike_still_leave_doubt() -> None:
    """In four of five bands nobody found a failure: their true rate is small, not zero."""
    score = np.repeat([0.01, 0.02, 0.03, 0.04, 0.5], 1000)
    rows = np.concatenate([np.arange(40) + 1000 * band for band in range(5)])
    verdict = np.zeros(200)
    verdict[-20:] = 1
    found = estimate(score, plain(verdict, score[rows], 0.04))
    assert found.method == "difference" and found.high is not None and found.low is not None
    sure = 0.2 * 1.96 * np.sqrt(0.25 / 40)
    assert found.high - 0.1 > 1.05 * sure
    perfect = estimate(score, plain((score[rows] > 0.1) * 1.0, score[rows], 0.04))
    assert perfect.high is not None and perfect.low is not None and perfect.high - perfect.low > 0.005


def test_a_conversation_counts_as_one_witness() -> None:
    rng = np.random.default_rng(9)
    verdict = np.repeat((rng.random(50) < 0.4).astype(float), 4)
    alone = plain(verdict, np.full(200, 0.5))
    together = replace(alone, conversation=np.repeat([f"c{i}" for i in range(50)], 4))
    one, four = estimate(np.full(10_000, 0.5), alone), estimate(np.full(10_000, 0.5), together)
    assert four.rate == one.rate
    assert (four.high - four.low) / (one.high - one.low) == pytest.approx(2, abs=0.2)


def test_labels_of_half_the_day_leave_less_doubt_than_of_a_hundredth() -> None:
    verdict = np.repeat([1.0, 0.0], [60, 140])
    half = estimate(np.full(400, 0.5), plain(verdict, np.full(200, 0.5), 0.5))
    few = estimate(np.full(20_000, 0.5), plain(verdict, np.full(200, 0.5), 0.01))
    assert (half.high - half.low) / (few.high - few.low) == pytest.approx(np.sqrt(0.5), abs=0.02)


def test_a_week_is_its_days_together_whatever_came_late_or_was_left_unlabelled() -> None:
    found = weeks(3, 6)
    assert found.covered >= 4 / 6
    assert found.ratio < 1.02


def test_a_segments_rate_needs_no_draw_of_its_own() -> None:
    found = segments(4, 12)
    assert found.covered >= 9 / 12
    assert found.ratio < 0.95


def test_a_correlation_needs_two_that_vary() -> None:
    a, b, w = np.array([0.0, 1, 1, 0]), np.array([0.1, 0.7, 0.6, 0.3]), np.ones(4)
    assert correlation(a, b, w) == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert correlation(a, np.full(4, 0.1), w) is None
    assert correlation(np.zeros(4), b, w) is None
