"""The three distances: what a difference measures, and how much of it chance alone makes."""

from __future__ import annotations

import numpy as np
import pytest

from assets.drift.distances import Profiles, categorical_profiles, embedding_profiles, numeric_profiles


def chance(profiles: Profiles, n: int) -> tuple[float, float]:
    """Mean squared distance of the nights after the first from the first, and what the first's `a` makes of it."""
    x = profiles.coordinates[0]
    squared = profiles.distance(x[1:], x[0]) ** 2
    return float(squared.mean()), float(profiles.noise[0, 1:].mean())


def first_night_is_reference(nights: int) -> np.ndarray:
    return np.arange(nights)[None, :] == 0


@pytest.mark.parametrize("n", [500, 5000])
def test_a_night_of_n_rows_lies_as_far_off_by_chance_as_its_noise_says(n: int) -> None:
    rng = np.random.default_rng(n)
    nights = 1500
    shares = rng.dirichlet(np.full(20, 8.0))
    counts = np.concatenate([[shares * 1e9], rng.multinomial(n, shares, nights)])[None]
    reference = first_night_is_reference(nights + 1)
    positions = np.sort(rng.normal(size=20))[None]

    assert np.divide(*chance(numeric_profiles(counts, positions, reference), n)) == pytest.approx(1, abs=0.08)
    assert np.divide(*chance(categorical_profiles(counts, reference), n)) == pytest.approx(1, abs=0.08)

    angles = rng.normal(size=(20, 64))
    features = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) / 8
    means, rows = counts @ features / counts.sum(axis=2, keepdims=True), counts.sum(axis=2)
    assert np.divide(*chance(embedding_profiles(means, rows, reference), n)) == pytest.approx(1, abs=0.08)


def test_wasserstein_of_a_shift_is_the_shift_in_standard_deviations() -> None:
    edges = np.linspace(-6, 6, 121)
    middle = (edges[1:] + edges[:-1])[None] / 2
    from scipy.stats import norm

    counts = np.stack([np.diff(norm.cdf(edges, loc)) * 1e6 for loc in (0.0, 0.3)])[None]
    profiles = numeric_profiles(counts, middle * 2.5, np.array([[True, False]]))
    x = profiles.coordinates[0]
    assert profiles.distance(x[1], x[0]) == pytest.approx(0.3, rel=0.01)


@pytest.mark.parametrize(("before", "after"), [(0.02, 0.045), (0.50, 0.57)])
def test_the_floor_of_categories_is_what_the_guide_says_in_points(before: float, after: float) -> None:
    counts = np.array([[[before, 1 - before], [after, 1 - after]]]) * 1e6
    profiles = categorical_profiles(counts, np.array([[True, False]]))
    assert profiles.distance(*profiles.coordinates[0]) == pytest.approx(0.05, abs=0.004)


def test_padding_changes_no_number() -> None:
    rng = np.random.default_rng(0)
    counts, positions = rng.poisson(50, (3, 6, 8)).astype(float), np.sort(rng.normal(size=(3, 8)))
    reference = np.ones((3, 6), dtype=bool)
    wide = np.concatenate([counts, np.zeros((3, 6, 4))], axis=2)
    padded = np.concatenate([positions, np.repeat(positions[:, -1:], 4, axis=1)], axis=1)
    for narrow, broad in (
        (numeric_profiles(counts, positions, reference), numeric_profiles(wide, padded, reference)),
        (categorical_profiles(counts, reference), categorical_profiles(wide, reference)),
    ):
        assert np.allclose(narrow.noise, broad.noise)
        np.testing.assert_allclose(
            narrow.distance(narrow.coordinates, narrow.coordinates[:, :1]),
            broad.distance(broad.coordinates, broad.coordinates[:, :1]),
        )


def test_what_never_varies_has_neither_noise_nor_distance() -> None:
    counts = np.zeros((1, 4, 5))
    counts[:, :, 2] = 100
    reference = np.ones((1, 4), dtype=bool)
    for profiles in (
        numeric_profiles(counts, np.arange(5.0)[None], reference),
        categorical_profiles(counts, reference),
    ):
        assert not profiles.noise.any()
        assert not profiles.distance(profiles.coordinates, profiles.coordinates[:, :1]).any()
