"""How well people agree, and what is left of a rate when their errors are taken out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quality_nights import calibrated
from rater_nights import RATERS, SENSITIVITY, SPECIFICITY, judged, rater_error, rater_nights

from assets.quality.estimator import Rate
from assets.quality.rater_error import RaterError, corrected, together
from assets.quality.raters import FEWEST_DOUBLED, Raters, alpha, dawid_skene, doubled, resampled, warning

PERFECT = RaterError(1.0, 1.0, np.zeros((2, 2)))


def rate(value: float, low: float, high: float) -> Rate:
    return Rate(value, 5000, 5000, 200, 200.0, 0.5, 0.8, low, high, "difference")


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 5), st.integers(2, 40), st.integers(2, 4), st.integers(0, 1000), st.sampled_from(["nominal", "ordinal"])
)
def test_alpha_is_that_of_krippendorff(raters: int, count: int, grades: int, seed: int, level: str) -> None:
    import krippendorff

    rng = np.random.default_rng(seed)
    truth = rng.integers(grades, size=count)
    verdicts = np.where(rng.random((raters, count)) < 0.7, truth, rng.integers(grades, size=(raters, count))).astype(float)
    verdicts[rng.random((raters, count)) < 0.4] = np.nan
    ours = alpha(verdicts, level)  # type: ignore[arg-type]
    twice = verdicts[:, np.isfinite(verdicts).sum(axis=0) > 1]
    if ours is None:
        assert len(np.unique(twice[np.isfinite(twice)])) < 2
    else:
        assert ours == pytest.approx(krippendorff.alpha(verdicts, level_of_measurement=level))


def test_agreement_of_nobody_is_unknown() -> None:
    assert alpha(np.array([[1.0, np.nan], [np.nan, 0.0]])) is None
    assert alpha(np.ones((2, 5))) is None
    assert alpha(np.array([[0.0, 1, 0, 1], [0, 1, 0, 1]])) == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_raters_are_those_of_crowd_kit() -> None:
    import pandas as pd
    from crowdkit.aggregation import DawidSkene

    rng = np.random.default_rng(3)
    truth = (rng.random(300) < 0.3).astype(float)
    right = np.array([0.95, 0.85, 0.7, 0.9])
    verdicts = np.where(rng.random((4, 300)) < right[:, None], truth, 1 - truth)
    verdicts[rng.random((4, 300)) < 0.2] = np.nan
    ours = dawid_skene(verdicts, np.zeros(300, dtype=np.int64), prior_labels=0)
    rows = [(task, worker, int(verdicts[worker, task])) for worker, task in np.argwhere(np.isfinite(verdicts))]
    theirs = DawidSkene(n_iter=500, tol=1e-9).fit(pd.DataFrame(rows, columns=["task", "worker", "label"]))
    judged_once = theirs.probas_.index.to_numpy()
    np.testing.assert_allclose(ours.posterior[judged_once], theirs.probas_[1].to_numpy(), atol=2e-3)
    for worker in range(4):
        assert ours.sensitivity[worker] == pytest.approx(theirs.errors_.loc[(worker, 1), 1], abs=2e-3)
        assert ours.specificity[worker] == pytest.approx(theirs.errors_.loc[(worker, 0), 0], abs=2e-3)


def test_errors_are_found_though_only_a_quarter_is_judged_twice() -> None:
    rng = np.random.default_rng(4)
    night = calibrated(rng, 20_000, 0.101)
    verdicts = judged(rng, night.verdict, RATERS, 0.25)
    raters, error = rater_error(verdicts, night.score, verdicts, 1)
    assert error.sensitivity == pytest.approx(SENSITIVITY, abs=0.04)
    assert error.specificity == pytest.approx(SPECIFICITY, abs=0.01)
    band = np.searchsorted(np.quantile(night.score, [0.2, 0.4, 0.6, 0.8]), night.score)
    np.testing.assert_allclose(raters.prevalence, np.bincount(band, night.verdict) / np.bincount(band), atol=0.02)
    assert raters.posterior.mean() == pytest.approx(0.101, abs=0.01)


def test_a_single_labels_bias_is_corrected_and_its_doubt_is_added() -> None:
    nights = rater_nights(5, 4)
    assert nights.apparent == pytest.approx(0.131, abs=0.006)
    assert nights.corrected == pytest.approx(nights.truth, abs=0.012)
    assert nights.apparent_covered < 0.5 < nights.covered
    assert nights.width > 1.1 * nights.apparent_width


def test_a_bad_rater_weighs_by_the_labels_they_gave() -> None:
    raters = Raters(np.zeros(0), np.array([1.0, 0.6]), np.array([0.9, 0.9]), np.zeros(1))
    samples = Raters(np.zeros(0), np.array([[1.0, 0.6], [1.0, 0.8]]), np.full((2, 2), 0.9), np.zeros(1))
    mostly_first = np.array([[1, 0, 1, np.nan], [np.nan, np.nan, np.nan, 1]])
    error = together(raters, samples, mostly_first)
    assert error.sensitivity == pytest.approx(0.9)
    assert error.covariance[0, 0] == pytest.approx(0.25**2 * 0.02)
    with pytest.raises(ValueError, match="nobody"):
        together(raters, samples, np.full((2, 3), np.nan))


@given(st.floats(0, 1), st.floats(0, 0.3), st.floats(0, 0.3))
def test_perfect_raters_change_nothing(value: float, under: float, over: float) -> None:
    before = rate(value, max(value - under, 0), min(value + over, 1))
    after = corrected(before, PERFECT)
    assert (after.rate, after.rater_error) == (value, 0)
    assert (after.low, after.high) == (pytest.approx(before.low), pytest.approx(before.high))


def test_fewer_positives_than_false_alarms_is_a_rate_of_zero_with_doubt() -> None:
    after = corrected(rate(0.03, 0.01, 0.06), RaterError(0.9, 0.96, np.diag([1e-3, 1e-5])))
    assert after.rate == 0 and after.low == 0 and after.high is not None and after.high > 0.01


def test_labels_that_say_too_little_carry_no_rate() -> None:
    after = corrected(rate(0.3, 0.2, 0.4), RaterError(0.7, 0.75, np.zeros((2, 2))))
    assert (after.rate, after.low, after.high, after.method, after.sensitivity) == (None, None, None, "too_noisy", 0.7)
    nothing = Rate(None, 10, 10, 0, None, None, None, None, None, "no_labels")
    assert corrected(nothing, PERFECT) == nothing


def test_a_warning_says_what_is_wrong_with_the_labels() -> None:
    enough = FEWEST_DOUBLED
    assert warning(0.9, enough, 0.95, 0.95) == "none"
    assert warning(0.5, enough, 0.95, 0.95) == "low_agreement"
    assert warning(0.9, enough, 0.7, 0.7) == "too_noisy"
    assert warning(0.9, enough - 1, 0.5, 0.5) == "few_doubled"
    assert doubled(np.array([[1, 1, np.nan], [0, np.nan, np.nan]])) == 1


def test_few_labels_of_a_rater_are_read_with_those_of_all() -> None:
    rng = np.random.default_rng(6)
    truth = (rng.random(400) < 0.4).astype(float)
    verdicts = np.where(rng.random((4, 400)) < 0.9, truth, 1 - truth)
    verdicts[3, 2:] = np.nan
    verdicts[3, :2] = 1 - truth[:2]
    fit = dawid_skene(verdicts, np.zeros(400, dtype=np.int64))
    assert min(fit.sensitivity[3], fit.specificity[3]) > 0.6
    spread = resampled(verdicts, np.zeros(400, dtype=np.int64), 30, 1).sensitivity.std(axis=0)
    assert 0.005 < spread[0] < 0.06
