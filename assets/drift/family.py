"""A family's tests of one night: everything of one kind that is asked at once, answered at once.

Here belong what a family's arrays are, which tests there is enough for, and what makes an alarm: unusual on three merged
nights and on two of them, after correction for the number of tests, and large enough to matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from assets.drift.calibration import standardised
from assets.drift.distances import (
    Bools,
    Floats,
    Profiles,
    categorical_profiles,
    embedding_profiles,
    numeric_profiles,
)
from assets.drift.expectation import WINDOW_NIGHTS, Observations, expect, observe, sliding_mean
from assets.drift.tails import TAIL_SHARE, TAIL_SHARE_OF_FEW, false_discovery_rate, tail_probability

REFERENCE_NIGHTS = 56
FEWEST_ROWS = 20
"""A night of fewer rows is no night: neither distance's noise is a / n then."""
FLOOR = {"numeric": 0.1, "categorical": 0.05, "embedding": 0.04}
"""What matters: standard deviations; Jensen-Shannon distance; rise of a cluster's share."""
FEWEST_NIGHTS = {"full": 42, "provisional": 28, "weak": 14}
LARGEST_Q = {"full": 0.005, "provisional": 0.0025, "weak": 0.05}
"""Of weak tests each night is corrected apart, and two of three must pass."""
LARGEST_P_SECOND_NIGHT = 0.01
FEW_TESTS = 100


@dataclass(frozen=True)
class Family:
    """What a family's tests are computed from. The last axis but bins is days in a row, of which the last three are the
    window and those before (REFERENCE_NIGHTS of them, or fewer) the reference; a day without rows is one with n = 0.

    `profiles` [test, day, bin]: counts (numeric, categorical) or mean features (embedding). `n` [test, day]: rows behind
    them. `weekday` [day]: 0 to 6. `is_alarmed` [test, day]: days under an alarm leave the reference.
    `positions` [test, bin] (numeric): ascending, where the bins lie. `clusters` [test, day, cluster] (embedding): counts.
    """

    kind: Literal["numeric", "categorical", "embedding"]
    profiles: Floats
    n: Floats
    weekday: NDArray[np.int64]
    is_alarmed: Bools
    positions: Floats | None = None
    clusters: Floats | None = None


@dataclass(frozen=True)
class Answers:
    """A night's answers [test] of a family; NaN where there is none. `effect` and `night_effect` (of the newest night) are
    in the unit of the floor; `statistic` and `z` are those of the window, `p` and `q` those that decide at `status`."""

    status: NDArray[np.str_]
    n: Floats
    n_reference: Floats
    reference_days: NDArray[np.int64]
    effect: Floats
    floor: float
    statistic: Floats
    z: Floats
    p: Floats
    p_second_night: Floats
    q: Floats
    is_alarm: Bools
    night_z: Floats
    night_effect: Floats


def answer(family: Family) -> Answers:
    """The tests of the family's newest night."""
    measured = family.n >= FEWEST_ROWS
    usable = measured & ~family.is_alarmed
    usable[:, -WINDOW_NIGHTS:] = False
    reference_days = usable.sum(axis=1)
    has_window = measured[:, -WINDOW_NIGHTS:].all(axis=1)
    status = np.where(has_window, _status(reference_days), "not_enough_data")
    asked = status != "not_enough_data"
    is_reference = usable & asked[:, None]

    profiles = _profiles(family, measured, is_reference)
    nights, windows = observe(profiles, expect(profiles, family.weekday, is_reference), is_reference)
    of_reference = sliding_mean(is_reference.astype(np.float64)) > 0.99
    night_z = standardised(nights, is_reference)
    window_z = standardised(windows, of_reference, WINDOW_NIGHTS)
    second_z = np.median(np.stack([night_z[:, i : i + of_reference.shape[1]] for i in range(WINDOW_NIGHTS)]), axis=0)

    is_weak = status == "weak"
    has_z = np.isfinite(np.where(is_weak, second_z[:, -1], second_z[:, -1] + window_z[:, -1]))
    asked = asked & has_z
    status = np.where(asked, status, "not_enough_data")

    share = TAIL_SHARE if asked.sum() >= FEW_TESTS else TAIL_SHARE_OF_FEW
    p_night = tail_probability(night_z[is_reference], night_z[:, -WINDOW_NIGHTS:], share)
    p_window = tail_probability(window_z[of_reference], window_z[:, -1], share)
    p_second = tail_probability(second_z[of_reference], second_z[:, -1], share)
    for p in (p_night, p_window, p_second):
        p[~asked] = np.nan
    p = np.where(is_weak, np.median(p_night, axis=1), p_window)
    q = np.where(is_weak, np.median(false_discovery_rate(p_night), axis=1), false_discovery_rate(p_window))

    night_effect, effect = _effects(family, profiles, nights, windows, is_reference)
    floor = FLOOR[family.kind]
    large = (effect >= floor) & ((night_effect >= floor).sum(axis=1) >= 2)
    if family.kind == "embedding":
        large = effect >= floor
    largest_q = np.select([status == name for name in LARGEST_Q], list(LARGEST_Q.values()), np.nan)
    with np.errstate(invalid="ignore"):
        unusual = (q <= largest_q) & (is_weak | (p_second <= LARGEST_P_SECOND_NIGHT))
    return Answers(
        status=status,
        n=family.n[:, -WINDOW_NIGHTS:].sum(axis=1),
        n_reference=np.where(usable, family.n, 0).sum(axis=1),
        reference_days=reference_days,
        effect=np.where(asked, effect, np.nan),
        floor=floor,
        statistic=np.where(asked, windows.distance[:, -1], np.nan),
        z=np.where(asked, window_z[:, -1], np.nan),
        p=p,
        p_second_night=p_second,
        q=q,
        is_alarm=asked & unusual & large,
        night_z=np.where(asked, night_z[:, -1], np.nan),
        night_effect=np.where(asked, night_effect[:, -1], np.nan),
    )


def _status(reference_days: NDArray[np.int64]) -> NDArray[np.str_]:
    return np.select(
        [reference_days >= fewest for fewest in FEWEST_NIGHTS.values()], list(FEWEST_NIGHTS), "not_enough_data"
    )


def _profiles(family: Family, measured: Bools, is_reference: Bools) -> Profiles:
    counts = np.where(measured[:, :, None], family.profiles, 0.0)
    if family.kind == "embedding":
        return embedding_profiles(counts, np.where(measured, family.n, 0.0), is_reference)
    if family.kind == "categorical":
        return categorical_profiles(counts, is_reference)
    if family.positions is None:
        raise ValueError("a numeric family needs the positions of its bins")
    return numeric_profiles(counts, family.positions, is_reference)


def _effects(
    family: Family, profiles: Profiles, nights: Observations, windows: Observations, is_reference: Bools
) -> tuple[Floats, Floats]:
    """How large the difference is on each night of the window [test, night], and on the window [test]: the distance
    without what chance adds to it; for embeddings the largest rise of a cluster's share."""
    if family.kind != "embedding":
        without_noise = [
            np.sqrt(np.maximum(np.square(o.distance) - np.where(np.isfinite(o.noise), o.noise, np.inf), 0.0))
            for o in (nights, windows)
        ]
        return without_noise[0][:, -WINDOW_NIGHTS:], without_noise[1][:, -1]
    if family.clusters is None:
        raise ValueError("an embedding family needs the counts of its clusters")
    occupancy = categorical_profiles(family.clusters, is_reference)
    expected = expect(occupancy, family.weekday, is_reference)
    rise = occupancy.coordinates - expected.nights
    window_rise = sliding_mean(occupancy.coordinates) - expected.windows
    return rise[:, -WINDOW_NIGHTS:].max(axis=2), window_rise[:, -1].max(axis=1)
