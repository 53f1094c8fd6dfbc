"""From a distance to a probability, by the reference's own nights: how unusual is a night for this test and this family?

Here belong the variance between nights, the standardised z and the pooled p. Each reference observation is judged as the
new one is: it and its neighbours have no part in what it is held against.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from assets.drift.distances import Bools, Floats
from assets.drift.expectation import Observations

NEIGHBOURS = 2
"""Observations up to so many nights away share nights, or what happened in them, with the one that is judged."""
PRIOR_NIGHTS = 10
"""How many nights of its own the family's experience counts for."""
SMALLEST_SHARE = 0.1
"""A test's variance between nights is at least this share of its family's."""


def standardised(observed: Observations, is_reference: Bools) -> Floats:
    """z [test, observation] of every observation, calibrated on those of the reference but for its neighbours.

    NaN where a test has no reference. Tests whose reference never moves (a constant column) teach the family nothing.
    """
    measured = np.isfinite(observed.noise)
    noise = np.where(measured, observed.noise, 0.0)
    used = is_reference & measured
    moves = used & (np.where(used, observed.distance, 0.0).max(axis=1, keepdims=True) > 1e-9)
    if not moves.any():
        return np.full(is_reference.shape, np.nan)
    places = np.arange(is_reference.shape[1])
    kept = np.abs(places[:, None] - places[None, :]) > NEIGHBOURS
    between, all_between = _variance_between(observed, noise, used, moves, kept.astype(np.float64))

    def y_and_share(variance: Floats, distance: Floats, c: Floats, noise: Floats) -> tuple[Floats, Floats]:
        total = variance + noise
        return distance / np.sqrt((1 + c) * total), noise / total

    family_y, family_share = y_and_share(all_between[:, None], observed.distance, observed.c, noise)
    mean_line = _line(family_share[moves], family_y[moves])
    square_line = _line(family_share[moves], np.square(family_y - mean_line(family_share))[moves])
    smallest = 0.05 * np.square(family_y - mean_line(family_share))[moves].mean()

    # [test, observation, other]: the others as they look with what is known without the observation.
    others = used[:, None, :] & kept[None, :, :]
    y, share = y_and_share(
        between[:, :, None], observed.distance[:, None, :], observed.c[:, None, :], noise[:, None, :]
    )
    count = PRIOR_NIGHTS + others.sum(axis=2)
    residual = np.where(others, y - mean_line(share), 0.0)
    mean = residual.sum(axis=2) / count
    squared = np.square(residual - mean[:, :, None]) / np.maximum(square_line(share), smallest)
    ratio = (PRIOR_NIGHTS + np.where(others, squared, 0.0).sum(axis=2)) / count

    y, share = y_and_share(between, observed.distance, observed.c, noise)
    z = (y - mean_line(share) - mean) / np.sqrt(ratio * np.maximum(square_line(share), smallest))
    return np.where(measured & used.any(axis=1, keepdims=True), z, np.nan)


def _variance_between(
    observed: Observations, noise: Floats, used: Bools, moves: Bools, kept: Floats
) -> tuple[Floats, Floats]:
    """b²: the variance between nights beyond the noise of n rows, shrunk to the family's median; without an observation's
    neighbours [test, observation], and of all [test]."""
    excess = np.where(used, np.square(observed.distance) / (1 + observed.c) - noise, 0.0)
    count = used.sum(axis=1)
    raw = excess.sum(axis=1) / np.maximum(count, 1)
    typical = np.where(used, noise, 0.0).sum(axis=1) / np.maximum(count, 1)
    taught = moves.any(axis=1)
    family = max(float(np.median(raw[taught])), 0.01 * float(np.median(typical[taught])), 1e-12)
    reliability = family / (family + typical)
    own = np.maximum(count - 1, 0) * reliability**2

    def shrunk(value: Floats, own: Floats) -> Floats:
        return np.maximum((PRIOR_NIGHTS * family + own * value) / (PRIOR_NIGHTS + own), SMALLEST_SHARE * family)

    left_out = (excess @ kept) / np.maximum(used.astype(np.float64) @ kept, 1)
    return shrunk(left_out, own[:, None]), shrunk(raw, own)


def _line(share: Floats, values: Floats) -> Callable[[Floats], Floats]:
    """The straight line of `values` on noise share."""
    share_mean, value_mean = share.mean(), values.mean()
    spread = np.square(share - share_mean).sum()
    slope = ((share - share_mean) * (values - value_mean)).sum() / spread if spread > 1e-9 * share.size else 0.0
    return lambda at: value_mean + slope * (at - share_mean)
