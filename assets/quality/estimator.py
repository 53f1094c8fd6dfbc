"""The rate of a verdict among all responses, from the score of all and the labels of a few: one estimator for every kind.

Here belong the point, its variance and its interval. A day, a week or a segment is a choice of rows: each label carries the
inclusion probability of its own draw. What raters get wrong is corrected in rater_error.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from assets.quality.inclusion import USEFUL_CORRELATION, Floats, Ints
from assets.service.intervals import clopper_pearson_low, wilson

Bools = NDArray[np.bool_]
MOST_STRATA, LABELS_IN_STRATUM, FEWEST_IN_STRATUM = 5, 20, 10
FEWEST_OF_EITHER = 5
"""With fewer positives, or fewer negatives, the interval is the exact one of the plain random part."""
Method = Literal["difference", "classical", "exact", "census", "no_labels", "too_noisy"]


@dataclass(frozen=True)
class Labels:
    """The drawn responses of the days and the segment that are asked about, in any order; all arrays [label].

    `verdict`: from 0 to 1, the mean where two people judged; NaN where nobody has, or could say. `score`: the one the draw
    was made with, NaN for none; it must not have learnt from these labels. `inclusion_probability`: of its draw; rows where
    it is NaN were targeted and count for nothing. `is_random`, `random_probability`: of its draw. `conversation`: responses
    of one are not independent; "" is none.
    """

    verdict: Floats
    score: Floats
    inclusion_probability: Floats
    is_random: Bools
    random_probability: Floats
    conversation: NDArray[np.str_]


@dataclass(frozen=True)
class Rate:
    """A rate and how well it is known; None is unmeasured.

    `low`, `high`: 95 %. `n_effective`: the labels of a plain draw that would say as much. `rho`: correlation of score and
    verdict; `lambda_`: how much of the score was used, 0 to 1. `method`: difference (of labels and score, by strata),
    classical (the labels alone), exact (Clopper-Pearson on the random part), census (every response is labelled).
    `sensitivity`, `specificity`, `rater_error`: of the raters if they were corrected for; the last is the standard error
    that it adds to the rate.
    """

    rate: float | None
    n_responses: int
    n_scored: int
    n_labelled: int
    n_effective: float | None
    rho: float | None
    lambda_: float | None
    low: float | None
    high: float | None
    method: Method
    sensitivity: float | None = None
    specificity: float | None = None
    rater_error: float | None = None


@dataclass(frozen=True)
class _Estimate:
    rate: float
    variance: float
    degrees: float
    lambda_: float


def estimate(scores: Floats, labels: Labels) -> Rate:
    """The rate among the responses whose scores are `scores` [response] (NaN: unscored); the labelled are among them.

    Labels that are still missing are taken to be missing at random: people label in the queue's random order. Raises
    ValueError for more labels than responses: `scores` has to hold those of all, drawn or not.
    """
    drawn = np.isfinite(labels.inclusion_probability)
    known = drawn & np.isfinite(labels.verdict)
    n, n_scored = int(known.sum()), int(np.isfinite(scores).sum())
    if n > len(scores):
        raise ValueError(f"{n} labels of {len(scores)} responses; give the scores of all responses, NaN where there is none")
    if n == 0:
        return Rate(None, len(scores), n_scored, 0, None, None, None, None, None, "no_labels")
    # Where not all that was drawn is labelled, each was labelled with as much less probability.
    p = labels.inclusion_probability[known] * n / drawn.sum()
    y, conversation = labels.verdict[known], labels.conversation[known]
    if n == len(scores):
        rate = float(y.mean())
        return Rate(rate, n, n_scored, n, float(n), None, 0.0, rate, rate, "census")
    f, everywhere = _filled(labels.score[known], scores)
    rho = correlation(y, f, 1 / p)
    is_useful = rho is not None and rho >= USEFUL_CORRELATION
    found = _difference(y, f, p, everywhere, _clusters(conversation), is_useful)
    positives = float(y.sum())
    method: Method
    if min(positives, n - positives) < FEWEST_OF_EITHER:
        low, high, size = _exact(y, labels.is_random[known], labels.random_probability[known])
        rate, method, n_effective = float(np.clip(found.rate, low, high)), "exact", size
    else:
        rate, method = float(np.clip(found.rate, 0.0, 1.0)), "difference" if is_useful else "classical"
        spread = np.clip(found.rate, 1 / n, 1 - 1 / n)
        n_effective = float(spread * (1 - spread) / found.variance)
        ends = wilson(rate * n_effective, n_effective, float(special.stdtrit(found.degrees, 0.975)))
        low, high = float(ends[0]), float(ends[1])
    return Rate(rate, len(scores), n_scored, n, n_effective, rho, found.lambda_, low, high, method)


def correlation(verdict: Floats, score: Floats, weight: Floats) -> float | None:
    """The weighted correlation; None where either does not vary."""
    a, b = verdict - np.average(verdict, weights=weight), score - np.average(score, weights=weight)
    squares = float((weight @ a**2) * (weight @ b**2))
    return float((weight @ (a * b)) / np.sqrt(squares)) if squares > 1e-18 * weight.sum() ** 2 else None


def _filled(of_labels: Floats, of_all: Floats) -> tuple[Floats, Floats]:
    """Scores without gaps: an unscored response has the mean score. Any number would do as long as it is the same for
    those that were drawn and those that were not; this one moves nothing."""
    mean = float(np.nanmean(of_all)) if np.isfinite(of_all).any() else 0.0
    return np.where(np.isfinite(of_labels), of_labels, mean), np.where(np.isfinite(of_all), of_all, mean)


def _strata(f: Floats, everywhere: Floats) -> tuple[Ints, Ints]:
    """The stratum of each label and of each response: bands of the score with equally many labels, equal scores together."""
    n = len(f)
    count = int(np.clip(n // LABELS_IN_STRATUM, 1, MOST_STRATA))
    edges = np.unique(np.sort(f)[np.arange(1, count) * n // count])
    in_band = np.bincount(np.searchsorted(edges, f, side="right"), minlength=len(edges) + 1)
    while len(edges) and in_band.min() < FEWEST_IN_STRATUM:
        smallest = int(in_band.argmin())
        edges = np.delete(edges, max(smallest - 1, 0))
        in_band = np.bincount(np.searchsorted(edges, f, side="right"), minlength=len(edges) + 1)
    return np.searchsorted(edges, f, side="right"), np.searchsorted(edges, everywhere, side="right")


def _difference(y: Floats, f: Floats, p: Floats, everywhere: Floats, cluster: Ints, is_useful: bool) -> _Estimate:
    """The stratified difference estimator with a lambda tuned in each stratum, its linearised variance and its degrees of
    freedom (Satterthwaite). In each stratum: lambda times the mean of all scores, plus the mean of y - lambda f of its
    labels, weighted by 1 / p scaled to one (Hajek).
    """
    n = len(y)
    nowhere = np.zeros(n, dtype=np.int64), np.zeros(len(everywhere), dtype=np.int64)
    stratum, of_all = _strata(f, everywhere) if is_useful else nowhere
    share = np.bincount(of_all) / len(everywhere)
    influence, weight = np.zeros(n), np.zeros(n)
    rate = used = 0.0
    variances, degrees = [], []
    alike: dict[bool, list[int]] = {False: [], True: []}
    for h, size in enumerate(share):
        rows = np.flatnonzero(stratum == h)
        w = 1 / p[rows]
        w = w / w.sum()
        level = float(w @ y[rows])
        a, b = y[rows] - level, f[rows] - w @ f[rows]
        spread = float(w @ b**2)
        lambda_ = float(np.clip(w @ (a * b) / spread, 0.0, 1.0)) if is_useful and spread > 1e-12 else 0.0
        rate += size * (level + lambda_ * float(everywhere[of_all == h].mean() - w @ f[rows]))
        used += size * lambda_
        weight[rows] = size * w
        free = max(len(rows) - 1 - (0.0 < lambda_ < 1.0), 1)
        influence[rows] = weight[rows] * (a - lambda_ * b) * np.sqrt((1 - p[rows]) * len(rows) / free)
        variances.append(float((influence[rows] ** 2).sum()))
        degrees.append(free)
        if np.abs(influence[rows]).max() < 1e-12:
            alike[level > 0.5].append(h)
    variance = float((np.bincount(cluster, influence) ** 2).sum())
    for strata in alike.values():
        # Labels that are all as expected show no variance, and are only a sample: half another verdict in one label more.
        rows = np.flatnonzero(np.isin(stratum, strata))
        if rows.size:
            whole = float(weight[rows].sum())
            size = whole**2 / float((weight[rows] ** 2).sum())
            expected = 0.5 / (size + 1)
            variances.append(whole**2 * expected * (1 - expected) / size * float((1 - p[rows]).mean()))
            degrees.append(rows.size - 1 or 1)
            variance += variances[-1]
    total = sum(variances)
    satterthwaite = total**2 / sum(v**2 / d for v, d in zip(variances, degrees, strict=True)) if total > 0 else n - 1.0
    clusters = int(cluster.max()) + 1
    return _Estimate(rate, variance, max(min(satterthwaite, clusters - 1.0), 1.0), float(used))


def _clusters(conversation: NDArray[np.str_]) -> Ints:
    """A number for each conversation; what has none is its own."""
    numbers = np.unique(conversation, return_inverse=True)[1].astype(np.int64)
    alone = conversation == ""
    numbers[alone] = numbers.max(initial=0) + 1 + np.arange(alone.sum())
    return np.unique(numbers, return_inverse=True)[1].astype(np.int64)


def _exact(y: Floats, is_random: Bools, probability: Floats) -> tuple[float, float, float]:
    """Low, high and size of the plain random part. Over several draws its probabilities differ: size and positives are then
    the effective ones (Korn and Graubard 1998)."""
    if not is_random.any():
        return 0.0, 1.0, 0.0
    weight = 1 / probability[is_random]
    size = float(weight.sum() ** 2 / (weight**2).sum())
    positives = float(np.average(y[is_random], weights=weight)) * size
    low = float(clopper_pearson_low(positives, size, 0.95))
    return low, 1 - float(clopper_pearson_low(size - positives, size, 0.95)), size
