"""Weeks labelled by people who err, and what is left of the truth with and without a correction for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from quality_nights import calibrated

from assets.quality.estimator import Labels, estimate
from assets.quality.rater_error import RaterError, corrected, together
from assets.quality.raters import Raters, dawid_skene, resampled

RATERS, SENSITIVITY, SPECIFICITY = 5, 0.9, 0.955
LABELS_OF_A_WEEK, WEEKS, RESPONSES = 1400, 4, 20_000


@dataclass(frozen=True)
class RaterNights:
    """Mean rates over `nights` and the share of intervals that hold the truth: as labelled, and corrected."""

    nights: int
    truth: float
    apparent: float
    apparent_covered: float
    apparent_width: float
    corrected: float
    covered: float
    width: float

    @property
    def error(self) -> float:
        return float(np.sqrt(0.95 * 0.05 / self.nights))


def judged(rng: np.random.Generator, truth: np.ndarray, raters: int, doubled_share: float) -> np.ndarray:
    """Verdicts [rater, response] of one rater each, or of two; they err by chance."""
    verdicts = np.full((raters, len(truth)), np.nan)
    said = np.where(truth == 1, rng.random((2, len(truth))) < SENSITIVITY, rng.random((2, len(truth))) > SPECIFICITY)
    first = rng.integers(raters, size=len(truth))
    second = (first + rng.integers(1, raters, size=len(truth))) % raters
    responses = np.arange(len(truth))
    verdicts[first, responses] = said[0]
    twice = rng.random(len(truth)) < doubled_share
    verdicts[second[twice], responses[twice]] = said[1, twice]
    return verdicts


def rater_error(verdicts: np.ndarray, score: np.ndarray, of: np.ndarray, seed: int) -> tuple[Raters, RaterError]:
    """What four weeks of verdicts say about the raters, in five bands of the score; and the error of the verdicts `of`."""
    band = np.searchsorted(np.quantile(score, [0.2, 0.4, 0.6, 0.8]), score)
    raters = dawid_skene(verdicts, band)
    return raters, together(raters, resampled(verdicts, band, 100, seed), of)


def rater_nights(seed: int, times: int) -> RaterNights:
    rows = []
    for again in range(times):
        rng = np.random.default_rng([seed, again])
        night = calibrated(rng, RESPONSES, 0.101)
        drawn = rng.choice(RESPONSES, LABELS_OF_A_WEEK * WEEKS, replace=False)
        verdicts = judged(rng, night.verdict[drawn], RATERS, 0.25)
        week = slice(0, LABELS_OF_A_WEEK)
        _, error = rater_error(verdicts, night.score[drawn], verdicts[:, week], again)
        p = np.full(LABELS_OF_A_WEEK, LABELS_OF_A_WEEK / RESPONSES)
        said = Labels(
            np.nanmean(verdicts[:, week], axis=0), night.score[drawn[week]], p, p > 0, p, np.full(LABELS_OF_A_WEEK, "")
        )
        apparent = estimate(night.score, said)
        right = corrected(apparent, error)
        truth = night.verdict.mean()
        rows.append((truth, *(
            value for rate in (apparent, right)
            for value in (rate.rate, rate.low <= truth <= rate.high, rate.high - rate.low)
        )))  # fmt: skip
    return RaterNights(times, *np.array(rows, dtype=np.float64).mean(axis=0))
