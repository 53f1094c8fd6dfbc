"""Intervals of a share: how far counts of good and bad events can be trusted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Z_95 = float(special.ndtri(0.975))


def wilson(
    hits: ArrayLike, trials: ArrayLike, quantile: float = Z_95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The 95 % interval (Wilson's score interval) of a share, `hits` of `trials`; NaN without trials. `quantile` is that of
    the normal distribution, or of Student's t where the variance is itself an estimate.

    Source: E. B. Wilson (1927), Journal of the American Statistical Association 22, 209-212.
    """
    k, n = np.asarray(hits, dtype=float), np.asarray(trials, dtype=float)
    n = np.where(n > 0, n, np.nan)
    centre = (k + quantile**2 / 2) / (n + quantile**2)
    half = quantile / (n + quantile**2) * np.sqrt(k * (n - k) / n + quantile**2 / 4)
    return np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)


def clopper_pearson_low(hits: ArrayLike, trials: ArrayLike, confidence: float) -> NDArray[np.float64]:
    """The lower end of the exact interval (Clopper-Pearson, two-sided) of a share, `hits` of `trials`; 0 without hits.

    Source: C. J. Clopper and E. S. Pearson (1934), Biometrika 26, 404-413; as a quantile of the beta distribution.
    """
    k, n = np.asarray(hits, dtype=float), np.asarray(trials, dtype=float)
    bound: Any = special.betaincinv(np.where(k > 0, k, 1.0), n - k + 1, (1 - confidence) / 2)
    return np.where(k > 0, bound, 0.0)
