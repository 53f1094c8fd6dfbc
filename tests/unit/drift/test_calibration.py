"""What was expected of a night, and how unusual it is: no reference night has a say about itself or its neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from drift_traffic import NIGHTS, categories

from assets.drift.calibration import NEIGHBOURS, standardised
from assets.drift.distances import categorical_profiles
from assets.drift.expectation import Observations, expect, observe

WEEKDAY = np.arange(NIGHTS) % 7


def reference(tests: int) -> np.ndarray:
    return np.tile(np.arange(NIGHTS) < NIGHTS - 3, (tests, 1))


def even(rng: np.random.Generator, tests: int, weekly: float = 0.0) -> np.ndarray:
    """Counts of two categories; the first has a share of a half, and `weekly` more on the last weekday."""
    share = 0.5 + weekly * (WEEKDAY == 6) + 0.01 * rng.standard_normal((tests, NIGHTS))
    first = rng.binomial(2000, np.clip(share, 0, 1)).astype(float)
    return np.stack([first, 2000 - first], axis=2)


def test_weekdays_are_told_apart_when_they_differ_and_not_when_they_do_not() -> None:
    rng = np.random.default_rng(0)
    for weekly, low, high in ((0.2, 0.68, 0.72), (0.0, 0.485, 0.515)):
        profiles = categorical_profiles(even(rng, 5, weekly), reference(5))
        sunday = expect(profiles, WEEKDAY, reference(5)).nights[:, WEEKDAY == 6, 0]
        assert np.all((sunday > low) & (sunday < high))


def test_a_reference_night_has_no_part_in_its_own_centre() -> None:
    counts = even(np.random.default_rng(1), 1)
    counts[0, 20] = [2000, 0]
    profiles = categorical_profiles(counts, reference(1))
    expected = expect(profiles, WEEKDAY, reference(1))
    assert abs(expected.nights[0, 20, 0] - 0.5) < 0.01
    for first in (18, 19, 20):
        assert abs(expected.windows[0, first, 0] - 0.5) < 0.01
    assert expected.nights[0, 27, 0] > 0.5


def test_nights_of_few_rows_say_little_about_what_is_expected() -> None:
    rng = np.random.default_rng(2)
    counts = even(rng, 200)
    first = rng.binomial(30, 0.5, (200, 28))
    counts[:, :28] = np.stack([first, 30 - first], axis=2)
    profiles = categorical_profiles(counts, reference(200))
    expected = expect(profiles, WEEKDAY, reference(200)).nights[:, -1, 0]
    plain = profiles.coordinates[:, :-3, 0].mean(axis=1)
    assert np.std(expected) < 0.6 * np.std(plain)


@pytest.mark.parametrize("away", range(-NEIGHBOURS, NEIGHBOURS + 1))
def test_a_night_is_judged_without_its_neighbours(away: int) -> None:
    rng = np.random.default_rng(3)
    distance = np.abs(rng.standard_normal((300, 50)))
    plain = Observations(distance, np.full((300, 50), 0.1), np.full((300, 50), 0.02))
    in_reference = np.ones((300, 50), dtype=bool)
    before = standardised(plain, in_reference)
    odd = distance.copy()
    odd[0, 25 + away] = 6.0
    after = standardised(Observations(odd, plain.noise, plain.c), in_reference)
    # The family's line moves a little; the test's own mean and variance do not.
    if away:
        assert after[0, 25] == pytest.approx(before[0, 25], abs=0.02)
    assert abs(after[0, 25 + NEIGHBOURS + 1 + max(away, 0)] - before[0, 25 + NEIGHBOURS + 1 + max(away, 0)]) > 0.02


def test_a_quarter_of_the_rows_makes_no_night_unusual() -> None:
    rng = np.random.default_rng(4)
    traffic = categories(rng, np.full((15, NIGHTS), 2000), "normal")
    thin = np.maximum(traffic.profiles, 0)
    thin[:, -1] = rng.binomial(thin[:, -1].astype(int), 0.25)
    in_reference = reference(thin.shape[0])
    profiles = categorical_profiles(thin, in_reference)
    nights, _ = observe(profiles, expect(profiles, WEEKDAY, in_reference), in_reference)
    z = standardised(nights, in_reference)
    threshold = np.quantile(z[in_reference], 0.99)
    without_n = Observations(nights.distance, np.zeros_like(nights.noise), nights.c)
    naive = standardised(without_n, in_reference)
    assert (z[:, -1] > threshold).mean() < 0.03
    assert (naive[:, -1] > np.quantile(naive[in_reference], 0.99)).mean() > 0.15
