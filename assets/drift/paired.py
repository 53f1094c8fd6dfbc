"""The same questions night after night: are the last three nights answered differently? Chance draws nights, not answers.

Here belongs the paired test of one measure of one endpoint. A question is compared with itself, so that hard questions and
easy ones do not matter; what is left is how far whole nights lie apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from assets.drift.distances import Bools, Floats

WINDOW_NIGHTS = 3
FEWEST_NIGHTS = {"full": 42, "provisional": 28, "weak": 7}
LARGEST_Q = {"full": 0.01, "provisional": 0.005, "weak": 0.05}
CALIBRATED = ("full", "provisional")
"""From so many nights the windows of the reference say what is usual; before, all ways to choose three nights do."""
LEAST_SPREAD = 0.2
"""Of the floor: windows are held to differ by at least that, so that a constant measure cannot be sure of a trifle."""


@dataclass(frozen=True)
class Paired:
    """A test's answer; NaN where there is none. `effect` and `night_effects` (of the window's nights) are differences from
    what each question gave before, of the measure's unit; `shift` [question] is what each of them changed by."""

    status: str
    reference_days: int
    questions: int
    effect: float
    night_effects: Floats
    statistic: float
    p: float
    shift: Floats

    def is_large(self, floor: float, only_falls: bool = False) -> bool:
        """At the floor, on the window and, in the same direction, on two of its nights."""
        sign = np.sign(self.effect)
        same = int((self.night_effects * sign >= floor).sum())
        return bool(abs(self.effect) >= floor and same >= 2 and not (only_falls and sign > 0))


def paired(mean: Floats, is_alarmed: Bools, floor: float) -> Paired:
    """The test of the newest WINDOW_NIGHTS nights of `mean` [question, night]: the mean answer, NaN where there is none.

    Nights that `is_alarmed` are no reference. A night counts where at least half of the questions of the window were
    answered; a question where it was answered in the window and on half of the reference's nights.
    """
    of_window = np.zeros(mean.shape[1], dtype=bool)
    of_window[-WINDOW_NIGHTS:] = True
    asked = np.isfinite(mean)
    kept = asked[:, of_window].any(axis=1)
    counts = (asked[kept].mean(axis=0) >= 0.5) if kept.any() else np.zeros(mean.shape[1], dtype=bool)
    is_reference = counts & ~is_alarmed & ~of_window
    days = int(is_reference.sum())
    kept &= asked[:, is_reference].sum(axis=1) >= max(days / 2, 1)
    status = next((name for name, fewest in FEWEST_NIGHTS.items() if days >= fewest), "not_enough_data")
    shift = np.full(mean.shape[0], np.nan)
    if status == "not_enough_data" or not counts[of_window].all() or not asked[kept][:, of_window].any(axis=0).all():
        return Paired("not_enough_data", days, int(kept.sum()), np.nan, np.full(3, np.nan), np.nan, np.nan, shift)
    before = np.nanmean(mean[np.ix_(kept, is_reference)], axis=1)
    difference = mean[kept] - before[:, None]
    shift[kept] = np.nanmean(difference[:, of_window], axis=1)
    window = np.nanmean(difference[:, of_window], axis=0)
    reference = np.nanmean(difference[:, is_reference], axis=0)
    effect = float(window.mean())
    statistic, p = (_calibrated if status in CALIBRATED else _permuted)(reference, window, floor)
    return Paired(status, days, int(kept.sum()), effect, window, statistic, p, shift)


def _calibrated(reference: Floats, window: Floats, floor: float) -> tuple[float, float]:
    """How far the window lies off, in standard deviations, and how often chance does that (Student's t).

    The standard deviation is that of three nights of the reference, or of its windows where nights carry something over to
    the next: the larger one.
    """
    from scipy.special import stdtr

    days = reference.size
    uncertain = WINDOW_NIGHTS / days
    centred = reference - reference.mean()
    windows = np.convolve(centred, np.full(WINDOW_NIGHTS, 1 / WINDOW_NIGHTS), mode="valid")
    of_nights = np.square(centred).sum() / (days - 1) / WINDOW_NIGHTS
    of_windows = np.square(windows).mean() / (1 - uncertain)
    spread = max(float(np.sqrt(max(of_nights, of_windows))), LEAST_SPREAD * floor)
    statistic = float((window.mean() - reference.mean()) / (spread * np.sqrt(1 + uncertain)))
    return statistic, float(2 * stdtr(days - 1, -abs(statistic)))


def _permuted(reference: Floats, window: Floats, floor: float) -> tuple[float, float]:
    """The share of all ways to call three of the nights the window that lie at least as far off: exact where nights can be
    exchanged. With D nights of reference it is at least 6 / ((D + 3)(D + 2)(D + 1))."""
    nights = np.concatenate([reference, window])
    means = nights[_triples(nights.size)].mean(axis=1)
    off = np.abs(means - nights.mean())
    # Sums in another order differ in their last digits: what is equal must count as equal.
    return np.nan, float((off >= abs(window.mean() - nights.mean()) - 1e-12).mean())


def _triples(nights: int) -> NDArray[np.int64]:
    return np.array(list(combinations(range(nights), WINDOW_NIGHTS)))
