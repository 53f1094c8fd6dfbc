"""What raters get wrong, taken out of a rate, and what is not known about it put into its interval.

Here belongs the correction of a rate by sensitivity and specificity; where these come from stands in raters.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from assets.quality.estimator import Rate
from assets.quality.inclusion import Floats
from assets.quality.raters import TOO_NOISY, Raters
from assets.service.intervals import Z_95


@dataclass(frozen=True)
class RaterError:
    """Sensitivity and specificity of the labels behind a rate, and the covariance [2, 2] with which they are known."""

    sensitivity: float
    specificity: float
    covariance: Floats

    @property
    def youden(self) -> float:
        return self.sensitivity + self.specificity - 1


def together(raters: Raters, samples: Raters, verdicts: Floats) -> RaterError:
    """The error of the labels `verdicts` [rater, response], by who gave how many of them: of `raters` (dawid_skene), its
    uncertainty from `samples` (resampled). A response's labels count for one. Holds where chance decides who labels what."""
    judged = np.isfinite(verdicts)
    weight = (judged / np.maximum(judged.sum(axis=0), 1)).sum(axis=1)
    if not weight.any():
        raise ValueError("nobody has judged any of these responses; ask for the error of labels that are there")
    weight = weight / weight.sum()
    spread = np.cov(np.stack([samples.sensitivity @ weight, samples.specificity @ weight]))
    return RaterError(float(raters.sensitivity @ weight), float(raters.specificity @ weight), spread)


def corrected(rate: Rate, error: RaterError) -> Rate:
    """`rate` without rater error: (q - (1 - specificity)) / (sensitivity + specificity - 1) (Rogan and Gladen 1978). What is
    not known of the error widens both halves of the interval, by the delta method; they add up in squares.

    Labels whose sensitivity + specificity is below 1 + TOO_NOISY carry no rate: method `too_noisy`. The error is taken to be
    independent of the score, given the truth.
    """
    known = replace(rate, sensitivity=error.sensitivity, specificity=error.specificity)
    if rate.rate is None or rate.low is None or rate.high is None:
        return rate
    if error.youden < TOO_NOISY:
        return replace(known, rate=None, low=None, high=None, method="too_noisy")
    true, low, high = ((q - (1 - error.specificity)) / error.youden for q in (rate.rate, rate.low, rate.high))
    gradient = np.array([-np.clip(true, 0.0, 1.0), 1 - np.clip(true, 0.0, 1.0)]) / error.youden
    own = float(np.sqrt(gradient @ error.covariance @ gradient))
    low, high = true - np.hypot(true - low, Z_95 * own), true + np.hypot(high - true, Z_95 * own)
    true, low, high = (float(np.clip(end, 0.0, 1.0)) for end in (true, low, high))
    return replace(known, rate=true, low=low, high=high, rater_error=own)
