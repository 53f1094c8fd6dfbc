"""From a distance to a probability, by the reference's own nights: how unusual is a night for this test and this family?

Here belong the variance between nights, the standardised z and the pooled p. Each reference observation is judged as the
new one is: it and its neighbours have no part in what it is held against.
"""

from __future__ import annotations

import numpy as np

from assets.drift.distances import Bools, Floats
from assets.drift.expectation import Observations

NEIGHBOURS = 2
"""So many nights on either side of the one that is judged share what happened with it."""
PRIOR_NIGHTS = 10
"""How many nights of its own the family's experience counts for."""
SMALLEST_SHARE = 0.1
"""A test's variance between nights is at least this share of its family's."""


def standardised(observed: Observations, is_reference: Bools, nights: int = 1) -> Floats:
    """z [test, observation] of every observation, calibrated on those of the reference but for its neighbours.

    An observation is of `nights` in a row, named by the first; what has a night within NEIGHBOURS of its nights is left out.
    NaN where a test has no reference. Tests whose reference never moves (a constant column) teach the family nothing: z of
    their reference is NaN.
    """
    measured = np.isfinite(observed.noise)
    noise = np.where(measured, observed.noise, 0.0)
    used = is_reference & measured
    moves = used & (np.where(used, observed.distance, 0.0).max(axis=1, keepdims=True) > 1e-9)
    if not moves.any():
        return np.full(is_reference.shape, np.nan)
    places = np.arange(is_reference.shape[1])
    kept = np.abs(places[:, None] - places[None, :]) >= NEIGHBOURS + nights
    between, all_between = _variance_between(observed, noise, used, moves, kept.astype(np.float64))
    own_scale = np.sqrt(1 + observed.c)

    # The family's mean and variance of y, by how much of a test's variance is the noise of its rows.
    taught, used_count = moves.any(axis=1), np.maximum(used.sum(axis=1), 1)
    typical = np.where(used, noise, 0.0).sum(axis=1) / used_count
    share = typical / (all_between + typical)
    y = observed.distance / (own_scale * np.sqrt(all_between[:, None] + noise))
    test_mean = np.where(used, y, 0.0).sum(axis=1) / used_count
    test_square = np.where(used, np.square(y - test_mean[:, None]), 0.0).sum(axis=1) / used_count
    family_mean = _line(share, test_mean, taught)[:, None]
    family_square = np.maximum(_line(share, test_square, taught), 0.05 * test_square[taught].mean())[:, None]

    # [test, observation, other]: the others as they look with what is known without the observation.
    others = used[:, None, :] & kept[None, :, :]
    count = PRIOR_NIGHTS + others.sum(axis=2)
    y = (observed.distance / own_scale)[:, None, :] / np.sqrt(between[:, :, None] + noise[:, None, :])
    mean = (PRIOR_NIGHTS * family_mean + np.where(others, y, 0.0).sum(axis=2)) / count
    squares = np.where(others, np.square(y - mean[:, :, None]), 0.0).sum(axis=2)
    square = (PRIOR_NIGHTS * family_square + squares) / count

    z = (observed.distance / (own_scale * np.sqrt(between + noise)) - mean) / np.sqrt(square)
    known = measured & used.any(axis=1, keepdims=True) & (taught[:, None] | ~is_reference)
    return np.where(known, z, np.nan)


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


def _line(share: Floats, values: Floats, taught: Bools) -> Floats:
    """The straight line of `values` on noise share [test], fitted to the tests that have something to teach."""
    x, y = share[taught], values[taught]
    spread = np.square(x - x.mean()).sum()
    slope = ((x - x.mean()) * (y - y.mean())).sum() / spread if spread > 1e-9 * x.size else 0.0
    return np.asarray(y.mean() + slope * (np.clip(share, x.min(), x.max()) - x.mean()))
