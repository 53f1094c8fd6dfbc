"""With what probability a response is drawn for labelling: three designs added up, between a floor and certainty.

Here belong the cells of a night and the probabilities; sampling.py draws by them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RANDOM_SHARE, NEYMAN_SHARE, ACTIVE_SHARE = 0.2, 0.5, 0.3
"""Of the budget: drawn plainly; by cell, where the verdict is uncertain; by response, where its own is."""
QUANTILES = 5
FEWEST_IN_CELL = 10
SMALLEST_CELL_SHARE = 0.08
LEAST_SHARE = 0.5
"""No response is drawn with less than this share of the probability of a plain draw."""
USEFUL_CORRELATION = 0.2
"""A score whose correlation with the labels is less steers nothing: neither the draw nor the estimate."""
LEAST_UNCERTAINTY = 0.05
WORTHLESS_COST = 1.01
"""How much wider an interval may become because a score that was trusted turns out to mean nothing; all in all it is 1.02
then, for Student's t in place of the normal."""
RARE_RATE = 0.01
RARE_SHARE_OF_POSITIVES, RARE_SHARE = 0.5, 0.5
"""Below RARE_RATE, the responses with the highest scores that hold half of the expected positives are a cell of their own,
with half of the Neyman part: else a night sees no positive at all."""


def fill(weight: Floats, total: float, low: Floats, high: Floats) -> Floats:
    """Positive `weight`s scaled by one factor and held between `low` and `high`, so that their sum is `total`, which is
    itself held between the sums of the bounds."""
    total = float(np.clip(total, low.sum(), high.sum()))
    left, right = 0.0, float((high / weight).max())
    for _ in range(60):
        middle = (left + right) / 2
        left, right = (left, middle) if np.clip(weight * middle, low, high).sum() > total else (middle, right)
    filled: Floats = np.clip(weight * right, low, high)
    return filled


def cells(stratum: NDArray[np.str_], score: Floats, budget: int) -> Ints:
    """The cell [row] of each response, from 0: its stratum's quantile of the score, at most QUANTILES of them.

    There are no more cells than the Neyman part has tens of labels: of many strata each has fewer quantiles, and the
    smallest are one. The unscored responses (NaN) of a stratum are a cell; equal scores are never parted.
    """
    most = max(int(NEYMAN_SHARE * budget / FEWEST_IN_CELL), 1)
    names, counts = np.unique(stratum, return_counts=True)
    by_size = names[np.lexsort((names, -counts))]
    kept = by_size if len(by_size) <= most else by_size[: most - 1]
    group = np.searchsorted(names, np.where(np.isin(stratum, kept), stratum, names[0]))
    group = np.where(np.isin(stratum, kept), group, len(names))
    groups = np.unique(group)
    quantiles = int(np.clip(most // len(groups), 1, QUANTILES))
    quantile = np.full(len(score), QUANTILES)
    for which in groups:
        scored = (group == which) & np.isfinite(score)
        if scored.any():
            edges = np.quantile(score[scored], np.arange(1, quantiles) / quantiles)
            quantile[scored] = np.searchsorted(edges, score[scored], side="left")
    return np.unique(group * (QUANTILES + 1) + quantile, return_inverse=True)[1].astype(np.int64)


def rare_rows(score: Floats) -> NDArray[np.bool_]:
    """The responses [row] of the rare-event cell: none unless the mean score is below RARE_RATE."""
    known = np.where(np.isfinite(score), score, 0.0)
    total = float(known.sum())
    if total == 0 or total >= RARE_RATE * np.isfinite(score).sum():
        return np.zeros(len(score), dtype=bool)
    ranked = np.sort(known)[::-1]
    needed = int(np.searchsorted(np.cumsum(ranked), RARE_SHARE_OF_POSITIVES * total))
    is_rare: NDArray[np.bool_] = known >= ranked[min(needed, len(ranked) - 1)]
    return is_rare


def uncertainty(score: Floats) -> Floats:
    """sqrt(f (1 - f)) of each response [row]: the standard deviation of its verdict if the score is its probability; at
    least LEAST_UNCERTAINTY, for no score is that sure. An unscored response has that of the mean score."""
    known = np.clip(score, 0.0, 1.0)
    mean = float(np.nanmean(known)) if np.isfinite(known).any() else 0.5
    known = np.where(np.isfinite(known), known, mean)
    return np.maximum(np.sqrt(known * (1 - known)), LEAST_UNCERTAINTY)


def probabilities(score: Floats, cell: Ints, rare: NDArray[np.bool_], risk: Floats, budget: int) -> Floats:
    """The inclusion probability [row] of each response; they sum to `budget`, or are 1 where the budget is not less than
    the rows.

    `score` is the probability of the verdict, NaN where there is none, or none that is of use. `risk` [row], positive,
    multiplies what is not drawn plainly. `rare` [row] marks the rare-event cell, if there is one; without one, a score
    changes the probabilities only so far that it widens no interval by more than WORTHLESS_COST should it mean nothing.
    """
    count = len(score)
    if budget >= count:
        return np.ones(count)
    steered = _design(uncertainty(score), cell, rare, risk, budget)
    if rare.any():
        return steered
    plain = _design(np.ones(count), cell, rare, risk, budget)
    # The variance of the mean of what the score knows nothing of is proportional to the sum of 1 / p.
    affordable = WORTHLESS_COST**2 * float((1 / plain).sum())
    trust, refused = 0.0, 1.0
    for _ in range(40):
        middle = (trust + refused) / 2
        is_affordable = float((1 / (middle * steered + (1 - middle) * plain)).sum()) <= affordable
        trust, refused = (middle, refused) if is_affordable else (trust, middle)
    return trust * steered + (1 - trust) * plain


def _design(spread: Floats, cell: Ints, rare: NDArray[np.bool_], risk: Floats, budget: int) -> Floats:
    """The three parts together: probabilities [row] that sum to `budget`; `spread` [row] is the verdict's uncertainty."""
    count, labels = len(spread), NEYMAN_SHARE * budget
    rows = np.bincount(cell).astype(np.float64)
    floor = max(FEWEST_IN_CELL, min(SMALLEST_CELL_SHARE, 0.5 / len(rows)) * labels)
    least = np.minimum(rows, floor)
    if rare.any():
        which = cell[rare][0]
        least[which] = min(rows[which], max(floor, RARE_SHARE * labels))
    least *= min(1.0, labels / least.sum())
    needed = np.bincount(cell, risk).astype(np.float64) * np.sqrt(np.bincount(cell, spread**2) / rows)
    neyman = fill(needed, labels, least, rows)

    active = risk * (0.5 / count + 0.5 * spread / spread.sum())
    together = RANDOM_SHARE * budget / count + (neyman / rows)[cell] + ACTIVE_SHARE * budget * active / active.sum()
    return fill(together, budget, np.full(count, LEAST_SHARE * budget / count), np.ones(count))
