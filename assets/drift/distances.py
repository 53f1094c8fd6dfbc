"""How far a night lies from what was expected of it, and how far chance alone puts a night of n rows.

Here belong the three distances, the coordinates in which the mean of nights is a plain mean, and each one's constant `a`:
a night of n rows drawn from the very profile that it is compared with has E distance² = a / n. Nothing here knows of
weekdays, references or alarms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SMALLEST_SIGMA = 0.02
"""The width of a log bin (1 %): below it a standard deviation says how values were binned, not how they vary."""


@dataclass(frozen=True)
class Profiles:
    """The nights of a family's tests, ready to be compared.

    `coordinates` [test, day, coordinate]: linear in the distribution, so that means of nights are means of these.
    `weights` [test, coordinate]: the squares of differences that make up a variance between nights are weighted so.
    `noise` [test, day]: E distance² of a night by chance alone, a / n; inf where a night has no rows.
    `distance(x, centre)`: of arrays [test, ..., coordinate], without the last axis.
    """

    coordinates: Floats
    weights: Floats
    noise: Floats
    distance: Callable[[Floats, Floats], Floats]


def numeric_profiles(counts: Floats, positions: Floats, is_reference: Bools) -> Profiles:
    """Wasserstein-1 distance in standard deviations of the reference: numbers in bins.

    `counts` [test, day, bin]; `positions` [test, bin] ascending: where a bin lies on the metric's scale (natural log for
    skewed positive metrics); pad with empty bins at the last position. `a` is E (∫|B(F)|)² of the Brownian bridge B:
    the sum over pairs of bin edges of E|B_k B_l|, for a pair of normal variables (2/π) s_k s_l (√(1-ρ²) + ρ asin ρ).
    """
    shares, n = _shares(counts)
    pooled = _pooled(shares, n, is_reference)
    mean = np.sum(pooled * positions, axis=1, keepdims=True)
    sigma = np.sqrt(np.sum(pooled * (positions - mean) ** 2, axis=1))
    gaps = np.diff(positions, axis=1) / np.maximum(sigma, SMALLEST_SIGMA)[:, None]
    below = np.clip(np.cumsum(pooled, axis=1)[:, :-1], 0, 1)
    return Profiles(
        coordinates=np.cumsum(shares, axis=2)[:, :, :-1] * gaps[:, None, :],
        weights=np.ones_like(gaps),
        noise=_noise(_bridge_constant(below, gaps), n),
        distance=_summed_difference,
    )


def categorical_profiles(counts: Floats, is_reference: Bools) -> Profiles:
    """Jensen-Shannon distance (natural log): categories; pad with empty ones. a = (K - 1) / 8 of the K categories that the
    reference has: near its centre the squared distance is chi-square / 8n."""
    shares, n = _shares(counts)
    pooled = _pooled(shares, n, is_reference)
    seen = np.sum(pooled > 0, axis=1)
    return Profiles(
        coordinates=shares,
        weights=np.divide(0.125, pooled, out=np.zeros_like(pooled), where=pooled > 0),
        noise=_noise(np.maximum(seen - 1, 0) / 8, n),
        distance=_jensen_shannon,
    )


def embedding_profiles(means: Floats, n: Floats, is_reference: Bools) -> Profiles:
    """Maximum mean discrepancy by random Fourier features: the norm of the difference of mean features.

    `means` [test, day, feature] of features of unit length, over `n` [test, day] texts; a = 1 - |mean of reference|².
    """
    means = np.where(n[:, :, None] > 0, means, 0.0)
    pooled = _pooled(means, n, is_reference)
    return Profiles(
        coordinates=means,
        weights=np.ones_like(pooled),
        noise=_noise(np.maximum(1 - np.sum(pooled**2, axis=1), 0), n),
        distance=_norm_of_difference,
    )


def _shares(counts: Floats) -> tuple[Floats, Floats]:
    """Shares [test, day, bin], zeros on a night without rows, and n [test, day]."""
    n = counts.sum(axis=2)
    return counts / np.maximum(n, 1)[:, :, None], n


def _pooled(profiles: Floats, n: Floats, is_reference: Bools) -> Floats:
    """The reference as one distribution [test, bin]: every row counts once."""
    rows = np.where(is_reference, n, 0.0)
    rows = rows / np.maximum(rows.sum(axis=1, keepdims=True), 1)
    return np.asarray(np.einsum("td,tdk->tk", rows, profiles, optimize=True))


def _noise(constant: Floats, n: Floats) -> Floats:
    return np.asarray(np.divide(constant[:, None], n, out=np.full(n.shape, np.inf), where=n > 0), dtype=np.float64)


def _bridge_constant(below: Floats, gaps: Floats) -> Floats:
    """Σ_kl g_k g_l E|B_k B_l| [test] for shares `below` each edge and gaps `g` between the bins' positions."""
    spread = np.sqrt(below * (1 - below))
    lower = np.minimum(below[:, :, None], below[:, None, :])
    upper = np.maximum(below[:, :, None], below[:, None, :])
    product = spread[:, :, None] * spread[:, None, :]
    rho = np.divide(lower * (1 - upper), product, out=np.zeros_like(product), where=product > 0)
    rho = np.clip(rho, 0, 1)
    moments = (2 / np.pi) * product * (np.sqrt(1 - rho**2) + rho * np.arcsin(rho))
    return np.asarray(np.einsum("tk,tkl,tl->t", gaps, moments, gaps, optimize=True))


def _summed_difference(x: Floats, centre: Floats) -> Floats:
    return np.asarray(np.abs(x - centre).sum(axis=-1))


def _norm_of_difference(x: Floats, centre: Floats) -> Floats:
    return np.asarray(np.sqrt(np.square(x - centre).sum(axis=-1)))


def _jensen_shannon(x: Floats, centre: Floats) -> Floats:
    divergence = 0.5 * (_x_log_x(x) + _x_log_x(centre)) - _x_log_x((x + centre) / 2)
    return np.asarray(np.sqrt(np.maximum(divergence, 0)))


def _x_log_x(x: Floats) -> Floats:
    return np.asarray(np.sum(x * np.log(np.where(x > 0, x, 1.0)), axis=-1))
