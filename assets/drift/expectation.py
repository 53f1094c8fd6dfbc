"""What a night, and a window of nights, was expected to look like; reference nights are left out of their own.

Here belongs the expected profile of a weekday and how uncertain it is. R_w = O + λ (M_w - O): the mean of all reference
nights, moved towards the mean of its own weekday as far as weekdays differ by more than chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assets.drift.distances import Bools, Floats, Profiles

WINDOW_NIGHTS = 3


@dataclass(frozen=True)
class Expectation:
    """Centres [test, observation, coordinate] and their variance [test, observation], of the nights' unit, for every night
    and for every window of WINDOW_NIGHTS nights (named by its first)."""

    nights: Floats
    night_variance: Floats
    windows: Floats
    window_variance: Floats


@dataclass(frozen=True)
class Observations:
    """Nights or windows beside what was expected of them, [test, observation] each: E distance² = (b² + noise)(1 + c)."""

    distance: Floats
    noise: Floats
    c: Floats


def sliding_mean(x: Floats, axis: int = 1) -> Floats:
    """The mean of each WINDOW_NIGHTS nights in a row; the axis is shorter by WINDOW_NIGHTS - 1."""
    length = x.shape[axis] - WINDOW_NIGHTS + 1
    index = [slice(None)] * x.ndim
    total: Floats = np.zeros(())
    for first in range(WINDOW_NIGHTS):
        index[axis] = slice(first, first + length)
        total = total + x[tuple(index)]
    return total / WINDOW_NIGHTS


def night_variance(profiles: Profiles, is_reference: Bools) -> Floats:
    """A first guess of b² + a/n [test, day]: how far nights lie from the plain mean. It only weighs nights."""
    count = np.maximum(is_reference.sum(axis=1), 1)
    mean = np.einsum("td,tdk->tk", is_reference / count[:, None], profiles.coordinates, optimize=True)
    squared = np.square(profiles.distance(profiles.coordinates, mean[:, None, :]))
    noise = np.where(is_reference, profiles.noise, 0.0)
    excess = np.where(is_reference, squared - noise, 0.0).sum(axis=1) / count
    typical = noise.sum(axis=1) / count
    between = np.maximum(excess, 0.01 * typical)
    between = np.where(between > 0, between, 1.0)
    return between[:, None] + profiles.noise


def expect(profiles: Profiles, weekday: np.ndarray, is_reference: Bools) -> Expectation:
    """What was expected of each night of [test, day] and of each window, by the reference nights other than itself.

    `weekday` [day], 0 to 6. Nights weigh as the inverse of their variance, n / (n + a/b²).
    """
    x = profiles.coordinates
    is_weekday = (weekday[:, None] == np.arange(7)).astype(np.float64)
    weight = np.where(is_reference, 1 / night_variance(profiles, is_reference), 0.0)
    weighted = weight[:, :, None] * x
    weekday_weight, weekday_sum = weight @ is_weekday, is_weekday.T @ weighted
    weight_sum, weighted_sum = weekday_weight.sum(axis=1)[:, None], weekday_sum.sum(axis=1)[:, None, :]

    between, within = _weekday_variance(profiles, weekday, weight, weekday_weight, weekday_sum)
    others = np.maximum(weekday_weight[:, weekday] - weight, 0.0)
    others = np.where(others > 1e-9 * weight_sum, others, 0.0)
    pull = between[:, None] * others / np.maximum(between[:, None] * others + within[:, None], 1e-300)
    of_weekday = (weekday_sum[:, weekday, :] - weighted) * np.divide(
        pull, others, out=np.zeros_like(pull), where=others > 0
    )[:, :, None]
    weekday_term = np.divide(pull**2, others, out=np.zeros_like(pull), where=others > 0)

    rest = np.maximum(weight_sum - weight, 1e-300)
    nights = (1 - pull)[:, :, None] * ((weighted_sum - weighted) / rest[:, :, None]) + of_weekday

    rest_of_window = np.maximum(weight_sum - WINDOW_NIGHTS * sliding_mean(weight), 1e-300)
    overall = (weighted_sum - WINDOW_NIGHTS * sliding_mean(weighted)) / rest_of_window[:, :, None]
    mean_pull = sliding_mean(pull)
    windows = (1 - mean_pull)[:, :, None] * overall + sliding_mean(of_weekday)
    return Expectation(
        nights=nights,
        night_variance=weekday_term + (1 - pull**2) / rest,
        windows=windows,
        window_variance=sliding_mean(weekday_term) / WINDOW_NIGHTS + (1 - mean_pull**2) / rest_of_window,
    )


def observe(profiles: Profiles, expectation: Expectation, is_reference: Bools) -> tuple[Observations, Observations]:
    """All nights and all windows against what was expected of them."""
    x, variance = profiles.coordinates, night_variance(profiles, is_reference)
    nights = Observations(
        profiles.distance(x, expectation.nights), profiles.noise, expectation.night_variance / variance
    )
    windows = Observations(
        profiles.distance(sliding_mean(x), expectation.windows),
        sliding_mean(profiles.noise) / WINDOW_NIGHTS,
        expectation.window_variance / (sliding_mean(variance) / WINDOW_NIGHTS),
    )
    return nights, windows


def _weekday_variance(
    profiles: Profiles, weekday: np.ndarray, weight: Floats, weekday_weight: Floats, weekday_sum: Floats
) -> tuple[Floats, Floats]:
    """Variance between weekdays B, and within them V times a night's weight [test]; one-way analysis of variance."""
    present = weekday_weight > 0
    weekday_mean = weekday_sum / np.where(present, weekday_weight, 1.0)[:, :, None]
    total = np.maximum(weekday_weight.sum(axis=1), 1e-300)
    mean = weekday_sum.sum(axis=1) / total[:, None]
    scale = profiles.weights[:, None, :]
    inside = np.square(profiles.coordinates - weekday_mean[:, weekday, :]) @ profiles.weights[:, :, None]
    nights, weekdays = (weight > 0).sum(axis=1), present.sum(axis=1)
    within = (weight * inside[:, :, 0]).sum(axis=1) / np.maximum(nights - weekdays, 1)
    outside = (scale * np.square(weekday_mean - mean[:, None, :])).sum(axis=2)
    mean_square = (weekday_weight * outside).sum(axis=1) / np.maximum(weekdays - 1, 1)
    replicates = (total - np.square(weekday_weight).sum(axis=1) / total) / np.maximum(weekdays - 1, 1)
    between = np.maximum(mean_square - within, 0.0) / np.maximum(replicates, 1e-300)
    enough = (weekdays > 1) & (nights > weekdays)
    return np.where(enough, between, 0.0), within
