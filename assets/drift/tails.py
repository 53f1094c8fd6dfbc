"""Probabilities from a pool of standardised values, and the correction for asking many questions at once.

Here belongs nothing about days: a pool of values that chance made, values to be judged, and their p and q.
"""

from __future__ import annotations

import numpy as np

from assets.drift.distances import Floats

TAIL_SHARE = 0.02
TAIL_SHARE_OF_FEW = 0.10
"""The share of the pool in the tail to which a distribution is fitted; the second where the pool is of few tests."""
FEWEST_IN_TAIL = 10
"""From fewer values no tail is fitted: p is then the empirical one, at least 1 / (pool + 1)."""
ENOUGH_IN_POOL = 50
"""So many values of the pool are believed against a fit that makes a value more unusual."""


def tail_probability(pool: Floats, values: Floats, tail_share: float) -> Floats:
    """p of each of `values`: the probability of at least as much where chance alone is at work, as `pool` shows it.

    Empirical below the quantile 1 - `tail_share` of the pool; above it by a generalised Pareto distribution fitted to
    what exceeds it, by probability-weighted moments (Hosking and Wallis 1987). NaN for NaN and for an empty pool.
    """
    pool = np.sort(pool[np.isfinite(pool)])
    if pool.size == 0:
        return np.full(values.shape, np.nan)
    at_least = pool.size - np.searchsorted(pool, values, side="left")
    p = np.where(np.isnan(values), np.nan, (1 + at_least) / (1 + pool.size))
    tail_size = int(pool.size * tail_share)
    if tail_size < FEWEST_IN_TAIL:
        return p
    threshold = pool[-tail_size - 1]
    shape, scale = pareto_tail(pool[-tail_size:] - threshold)
    if scale <= 0:
        return p
    beyond = np.maximum(values - threshold, 0.0) / scale
    survival = (1 + shape * beyond) ** (-1 / shape) if shape > 1e-6 else np.exp(-beyond)
    fitted = tail_size / pool.size * survival
    fitted = np.where(at_least >= ENOUGH_IN_POOL, np.maximum(fitted, p), fitted)
    return np.where(values > threshold, fitted, p)


def pareto_tail(exceedances: Floats) -> tuple[float, float]:
    """Shape ξ and scale of a generalised Pareto distribution, P(X > x) = (1 + ξ x / scale)^(-1/ξ), by probability-weighted
    moments of ascending `exceedances`. ξ is held between 0 (exponential: no tail is trusted to end) and .5."""
    count = exceedances.size
    rank = np.arange(1, count + 1)
    first = float(exceedances.mean())
    second = float(((1 - (rank - 0.35) / count) * exceedances).mean())
    if first <= 2 * second or second <= 0:
        return 0.0, first
    shape = min(max(2 - first / (first - 2 * second), 0.0), 0.5)
    return shape, first * (1 - shape)


def false_discovery_rate(p: Floats) -> Floats:
    """q of each p along the first axis (Benjamini and Hochberg 1995): the smallest rate at which it is among the
    discoveries. NaN is no question and stays NaN."""
    asked = np.isfinite(p)
    filled = np.where(asked, p, np.inf)
    order = np.argsort(filled, axis=0)
    rank = np.arange(1, p.shape[0] + 1).reshape(-1, *[1] * (p.ndim - 1))
    scaled = np.take_along_axis(filled, order, axis=0) * np.maximum(asked.sum(axis=0), 1) / rank
    smallest = np.minimum.accumulate(scaled[::-1], axis=0)[::-1]
    q = np.empty_like(p)
    np.put_along_axis(q, order, np.minimum(smallest, 1.0), axis=0)
    return np.where(asked, q, np.nan)
