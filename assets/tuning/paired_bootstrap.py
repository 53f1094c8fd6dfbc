"""Two models on the same rows: how much they differ, with an interval that holds where differences are few or skewed.

Here belongs the arithmetic: what is drawn again are queries, or groups of rows that belong together. How good one model is
by itself is assets/retrieval/ranking.py (estimate). An area under the curve is a mean, too, of what each row contributes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from assets.retrieval.ranking import LEVEL, Estimate, Floats

RESAMPLES = 10_000
_DRAWN_AT_ONCE = 1_000_000
"""Values that are held at a time."""
Bools = NDArray[np.bool_]


def paired(
    new: Floats, old: Floats, groups: Sequence[str] | None = None, weights: Floats | None = None, unseen: float = 0.0,
    resamples: int = RESAMPLES, seed: int = 1,
) -> Estimate:  # fmt: skip
    """The mean of new less old, of the same rows in the same order, and its 95 % interval; `n` counts groups.

    `groups`: what each row belongs to; rows of one are drawn together, left out: each by itself. `weights`: how many rows a
    row stands for. The interval is the wider of two at each end: of percentiles, expanded for few rows (Hesterberg 2015,
    The American Statistician 69, 371-386), and of t (Efron 1982), which skewness moves. `unseen`: the largest change of
    a row that can be; each end then counts one more row that is changed by as much, which no resample can know of.
    """
    if len(new) != len(old) or not len(new):
        raise ValueError(f"{len(new)} rows cannot be paired with {len(old)}")
    values = grouped(np.asarray(new - old, np.float64), groups, weights)
    low, high = intervals(values[:, None], unseen, resamples, seed)
    value = float(values.mean())
    return Estimate(value, min(float(low[0]), value), max(float(high[0]), value), len(values))


def intervals(
    columns: Floats, unseen: float = 0.0, resamples: int = RESAMPLES, seed: int = 1
) -> tuple[Floats, Floats]:  # fmt: skip
    """Lower and upper ends of the mean of each column [row, column], as paired() says; all with the same draws."""
    if not unseen:
        return _ends(columns, resamples, seed)
    one = np.full((1, columns.shape[1]), unseen)
    low, high = (_ends(np.vstack([columns, worst]), resamples, seed) for worst in (-one, one))
    return np.maximum(low[0], -unseen), np.minimum(high[1], unseen)


def changed(new: Floats, old: Floats) -> int:
    """Rows that differ: of a few alone nothing is learnt, however many there are."""
    return int(np.count_nonzero(~np.isclose(new, old, rtol=0, atol=1e-9)))


def placements(labels: Bools, scores: Floats, weights: Floats | None = None) -> Floats:
    """What each row contributes to the area under the curve: their weighted mean is that area, and their spread its
    (DeLong 1988, Biometrics 44, 837-845). True ranks above False; equal scores count half. Raises ValueError where one of
    the two is missing."""
    weight = np.ones(len(labels)) if weights is None else weights
    total = {kind: float(weight[labels == kind].sum()) for kind in (True, False)}
    if not min(total.values()):
        raise ValueError("an area under the curve needs rows of both kinds")
    _, rank = np.unique(scores, return_inverse=True)
    of = {kind: np.bincount(rank, np.where(labels == kind, weight, 0.0)) for kind in (True, False)}
    below = {kind: np.cumsum(counts) - counts / 2 for kind, counts in of.items()}
    beaten = np.where(labels, below[False][rank] / total[False], 1 - below[True][rank] / total[True])
    area = float((weight * labels * beaten).sum() / total[True])
    share = np.where(labels, total[True], total[False]) / (total[True] + total[False])
    return np.asarray(area + (beaten - area) / share, np.float64)


def grouped(change: Floats, groups: Sequence[str] | None = None, weights: Floats | None = None) -> Floats:
    """One value a group, whose plain mean is the weighted mean of all rows: what the group adds to it, made linear."""
    weight = np.ones(len(change)) if weights is None else weights
    place = np.arange(len(change)) if groups is None else np.unique(np.array(groups), return_inverse=True)[1]
    sums, counts = np.bincount(place, weight * change), np.bincount(place, weight)
    mean = float(sums.sum() / counts.sum())
    return np.asarray(mean + (sums - mean * counts) / counts.mean(), np.float64)


def _ends(columns: Floats, resamples: int, seed: int) -> tuple[Floats, Floats]:
    n, mean = len(columns), columns.mean(axis=0)
    if n < 2:
        return mean, mean
    centred = columns - mean
    spread = np.sqrt((centred**2).sum(axis=0) / (n - 1))
    rng = np.random.default_rng(seed)
    means, spreads = np.empty((resamples, len(mean))), np.empty((resamples, len(mean)))
    step = max(1, _DRAWN_AT_ONCE // n)
    for start in range(0, resamples, step):
        some = slice(start, min(start + step, resamples))
        count = some.stop - start
        drawn = rng.integers(0, n, (count, n)) + n * np.arange(count)[:, None]
        times = np.bincount(drawn.ravel(), minlength=n * count).reshape(count, n).astype(np.float64)
        means[some] = times @ centred / n
        spreads[some] = np.sqrt(np.maximum(times @ centred**2 - n * means[some] ** 2, 0.0) / (n - 1))
    tail = float(special.ndtr(np.sqrt(n / (n - 1)) * special.stdtrit(n - 1, (1 - LEVEL) / 2)))
    low, high = mean + np.quantile(means, [tail, 1 - tail], axis=0)
    # A resample of equal values has no spread; beside one that has, it is infinitely far.
    far = means / np.maximum(spreads, np.maximum(spread, 1e-12) * 1e-6)
    t_low, t_high = np.quantile(far, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0) * spread
    return np.minimum(low, mean - t_high), np.maximum(high, mean - t_low)
