"""Two versions on the same cases: how much they differ, how sure that is, and the chance of it where they are equal.

Here belongs the arithmetic. A case is what is drawn; its repeats are nested in it and only make its own value surer. With
one repeat the test is McNemar's exact one, and the interval Tango's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from assets.service.intervals import clopper_pearson_low

GRID = 60
"""Differences are whole sixtieths: exact for up to six repeats and any mixture of those that were not answered."""
Floats = NDArray[np.float64]
Z_95_ONE_SIDED = float(special.ndtri(0.95))


@dataclass(frozen=True)
class Change:
    """Candidate less live. `low`, `high`: each end is wrong in 5 % of suites. `p_loss`: the chance of so large a loss, or a
    larger one, where every case's answers could as well have come from the other version."""

    value: float
    low: float
    high: float
    p_loss: float
    n: int


@dataclass(frozen=True)
class Level:
    """A rate or mean with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


def change(differences: Sequence[float]) -> Change:
    """The change of a pass rate. `differences`: a case each, from -1 to 1. At least one."""
    d = np.asarray(differences, dtype=float)
    gained, lost, squares = d[d > 0].sum(), -d[d < 0].sum(), float((d**2).sum())
    # Repeats make a case's difference surer than one answer each would: as if there were more cases.
    spread, plain = squares - d.sum() ** 2 / len(d), gained + lost - d.sum() ** 2 / len(d)
    surer = max(spread / plain, 1e-9) if plain > 0 and spread > 0 else 1.0
    low, high = tango(gained / surer, lost / surer, len(d) / surer)
    return Change(float(d.mean()), low, high, sign_flip_p(d), len(d))


def sign_flip_p(differences: Floats) -> float:
    """The exact probability that the differences, each with its sign as a coin says, sum to what they do or less.

    Of differences of 1 alone it is the binomial test on the cases that differ: McNemar's, one-sided.
    """
    steps = np.rint(differences * GRID).astype(int)
    shrink = math.gcd(*(abs(int(step)) for step in steps)) or 1
    sizes = sorted(abs(int(step)) // shrink for step in steps if step)
    total = sum(sizes)
    # chance[s + total]: that the signs so far sum to s.
    chance = np.zeros(2 * total + 1)
    chance[total] = 1.0
    reach = 0
    for size in sizes:
        low, high = total - reach, total + reach + 1
        moved = chance[low:high] / 2
        chance[low:high] = 0.0
        chance[low - size : high - size] += moved
        chance[low + size : high + size] += moved
        reach += size
    observed = int(steps.sum()) // shrink
    return float(min(chance[: total + observed + 1].sum(), 1.0))


def tango(gained: float, lost: float, n: float, quantile: float = Z_95_ONE_SIDED) -> tuple[float, float]:
    """Tango's score interval of (gained - lost) / n; with `quantile` as it is, each end is wrong in 5 %.

    Source: T. Tango (1998), Statistics in Medicine 17, 891-908. It has a width where no case differs.
    """
    centre = (gained - lost) / n

    def score(delta: float) -> float:
        a, c = 2 * n, -lost * delta * (1 - delta)
        b = -gained - lost + (2 * n - gained + lost) * delta
        p = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
        variance = n * (2 * p + delta * (1 - delta))
        return (gained - lost - n * delta) / math.sqrt(max(variance, 1e-300))

    low = _root(lambda delta: score(delta) > quantile, -1.0, centre)
    high = _root(lambda delta: score(delta) >= -quantile, centre, 1.0)
    return low, high


def _root(is_left: Callable[[float], bool], low: float, high: float) -> float:
    """Where `is_left` turns from true to false."""
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if is_left(middle) else (low, middle)
    return (low + high) / 2


def rate(shares: Sequence[float], confidence: float = 0.95) -> Level:
    """A pass rate over cases, `shares` of the repeats of each that passed, and its interval.

    Exact (Clopper-Pearson) on the cases; where repeats differ, on as many as they are worth.
    """
    x = np.asarray(shares, dtype=float)
    p, n = float(x.mean()), float(len(x))
    variance = float(x.var(ddof=1)) if len(x) > 1 else 0.0
    worth = max(n, n * p * (1 - p) / variance) if variance > 0 and 0 < p < 1 else n
    low = float(clopper_pearson_low(p * worth, worth, confidence))
    high = 1 - float(clopper_pearson_low((1 - p) * worth, worth, confidence))
    return Level(p, low, high, len(x))


def drawn_again(
    per_case: Sequence[Sequence[float]], value: Callable[[Floats], Floats], times: int = 1000, seed: int = 0
) -> Level:
    """A value of all answers together, with the interval of a bootstrap that draws cases; the same seed draws the same.

    `value`: over the last axis.
    """
    rng = np.random.default_rng(seed)
    cases = [np.asarray(answers, dtype=float) for answers in per_case]
    drawn = rng.integers(0, len(cases), size=(times, len(cases)))
    if len({len(answers) for answers in cases}) == 1:
        values = value(np.stack(cases)[drawn].reshape(times, -1))
    else:
        values = np.array([value(np.concatenate([cases[i] for i in row])) for row in drawn])
    low, high = np.percentile(values, [2.5, 97.5])
    return Level(float(value(np.concatenate(cases))), float(low), float(high), len(cases))
