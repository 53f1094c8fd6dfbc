"""Made-up traffic of known truth for the drift tests: weekdays, days that differ, nights of few and of many rows, drift.

Here belong seeded generators of families (40 metrics x 20 segments, and embeddings) and the drifts that are put into them.
A day differs from the next by more than chance: each test has its own variance between days, normal, autocorrelated or
heavy-tailed, and a weekly rhythm on top.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import numpy as np
from scipy.cluster.vq import kmeans2
from scipy.special import ndtr

from assets.drift.family import REFERENCE_NIGHTS, Family

NIGHTS = REFERENCE_NIGHTS + 3
DayEffects = Literal["normal", "ar1", "t4"]
SEGMENTS = 20
BINS = 40
TOPICS, TEXTS_OF_A_TOPIC, DIMENSIONS, CLUSTERS, FEATURES = 40, 50, 64, 32, 512


@dataclass
class Traffic:
    """A stretch of days of one family; `night(i)` is what the tests see on its i-th night."""

    kind: Literal["numeric", "categorical", "embedding"]
    profiles: np.ndarray
    n: np.ndarray
    positions: np.ndarray | None = None
    clusters: np.ndarray | None = None
    alarmed: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.alarmed = np.zeros(self.n.shape, dtype=bool)

    @property
    def nights(self) -> int:
        return self.n.shape[1] - NIGHTS + 1

    def night(self, i: int, reference_nights: int = REFERENCE_NIGHTS) -> Family:
        days = slice(i + REFERENCE_NIGHTS - reference_nights, i + NIGHTS)
        return Family(
            self.kind,
            self.profiles[:, days],
            self.n[:, days],
            np.arange(self.n.shape[1])[days] % 7,
            self.alarmed[:, days],
            self.positions,
            None if self.clusters is None else self.clusters[:, days],
        )


def day_effects(rng: np.random.Generator, kind: DayEffects, *shape: int) -> np.ndarray:
    """Of mean 0 and variance 1, [..., day]: independent, autocorrelated (.4) or with the tails of Student's t4."""
    if kind == "t4":
        return rng.standard_t(4, shape) / np.sqrt(2)
    noise = rng.standard_normal(shape)
    if kind == "ar1":
        for day in range(1, shape[-1]):
            noise[..., day] = 0.4 * noise[..., day - 1] + np.sqrt(1 - 0.16) * noise[..., day]
    return noise


def volumes(rng: np.random.Generator, segments: int, days: int, typical: float | None = None) -> np.ndarray:
    """Rows of each segment and day: 200 to 20,000 on a working day, fewer on the last two days of a week."""
    base = np.exp(rng.uniform(np.log(200), np.log(20_000), segments)) if typical is None else np.full(segments, typical)
    weekend = rng.uniform(0.4, 1.0, segments) if typical is None else np.ones(segments)
    rhythm = np.where(np.arange(days) % 7 >= 5, weekend[:, None], 1.0)
    return np.maximum(rng.poisson(base[:, None] * rhythm * np.exp(0.1 * rng.standard_normal((segments, days)))), 30)


def numbers(
    rng: np.random.Generator, n: np.ndarray, kind: DayEffects, metrics: int = 20, shift: np.ndarray | float = 0.0
) -> Traffic:
    """Bell-shaped on the log scale, in 40 bins; day and weekday move the mean and the spread. `shift` [day] in σ."""
    n = np.repeat(n, metrics, axis=0)
    tests, days = n.shape
    size = rng.uniform(0.02, 0.08, (tests, 1))
    mean = size * day_effects(rng, kind, tests, days) + _weekly(rng, 0.05, tests, days) + shift
    spread = np.exp(0.5 * size * day_effects(rng, kind, tests, days) + _weekly(rng, 0.03, tests, days))
    edges = np.linspace(-3, 3, BINS - 1)
    below = ndtr((edges - mean[:, :, None]) / spread[:, :, None])
    shares = np.diff(below, axis=2, prepend=0.0, append=1.0)
    step = edges[1] - edges[0]
    positions = np.concatenate([edges - step / 2, edges[-1:] + step / 2])
    return Traffic("numeric", _draw(rng, n, shares), n.astype(float), np.tile(positions, (tests, 1)))


def categories(
    rng: np.random.Generator, n: np.ndarray, kind: DayEffects, metrics: int = 20, points: np.ndarray | float = 0.0
) -> Traffic:
    """2 to 12 categories, padded; day and weekday move their log-odds. `points` [day]: what one category's share gains."""
    n = np.repeat(n, metrics, axis=0)
    tests, days = n.shape
    odds = rng.normal(0, 1.0, (tests, 1, 12))
    size = rng.uniform(0.03, 0.12, (tests, 1, 1))
    odds = odds + size * np.moveaxis(day_effects(rng, kind, tests, 12, days), 1, 2)
    odds = odds + np.moveaxis(_weekly(rng, 0.1, tests, 12, days), 1, 2)
    odds[np.arange(12)[None, None, :] >= rng.integers(2, 13, tests)[:, None, None] + np.zeros((1, days, 1))] = -np.inf
    shares = _softmax(odds)
    before = shares[:, :, :1]
    after = np.minimum(before + np.broadcast_to(points, (days,))[None, :, None], 0.98)
    shares = np.concatenate([after, shares[:, :, 1:] * (1 - after) / np.maximum(1 - before, 1e-9)], axis=2)
    return Traffic("categorical", _draw(rng, n, shares / shares.sum(axis=2, keepdims=True)), n.astype(float))


def embeddings(
    rng: np.random.Generator, n: np.ndarray, kind: DayEffects, surge: np.ndarray | float = 0.0
) -> Traffic:
    """Texts of 40 topics; day and weekday move the topics' log-odds. `surge` [day]: the share that one topic takes over."""
    segments, days = n.shape
    features, cluster = _texts()
    odds = rng.normal(0, 0.7, (segments, TOPICS, 1))
    odds = odds + 0.12 * day_effects(rng, kind, segments, TOPICS, days) + _weekly(rng, 0.15, segments, TOPICS, days)
    shares = _softmax(np.moveaxis(odds, 1, 2))
    topic = np.zeros((segments, 1, TOPICS))
    topic[np.arange(segments), 0, rng.integers(0, TOPICS, segments)] = 1.0
    shares = shares + (topic - shares) * np.broadcast_to(surge, (days,))[None, :, None]
    of_texts = np.repeat(shares / TEXTS_OF_A_TOPIC, TEXTS_OF_A_TOPIC, axis=2)
    counts = _draw(rng, n, of_texts / of_texts.sum(axis=2, keepdims=True))
    means = counts @ features / n[:, :, None]
    return Traffic("embedding", means, n.astype(float), clusters=counts @ np.eye(CLUSTERS)[cluster])


@cache
def _texts() -> tuple[np.ndarray, np.ndarray]:
    """Random Fourier features of unit length [text, feature], and the k-means cluster of each text."""
    rng = np.random.default_rng(17)
    centres = rng.standard_normal((TOPICS, DIMENSIONS))
    texts = np.repeat(centres, TEXTS_OF_A_TOPIC, axis=0)
    texts = texts + 0.9 * rng.standard_normal(texts.shape)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    distances = np.linalg.norm(texts[::7, None, :] - texts[None, ::7, :], axis=2)
    angles = texts @ rng.standard_normal((DIMENSIONS, FEATURES // 2)) / np.median(distances[distances > 0])
    features = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) / np.sqrt(FEATURES // 2)
    return features, kmeans2(texts, CLUSTERS, minit="++", seed=5)[1]


def _weekly(rng: np.random.Generator, size: float, *shape: int) -> np.ndarray:
    """A rhythm of seven days [..., day], the last two of them further away."""
    week = rng.normal(0, size, (*shape[:-1], 7))
    week[..., 5:] += rng.normal(0, 2 * size, (*shape[:-1], 1))
    return week[..., np.arange(shape[-1]) % 7]


def _softmax(odds: np.ndarray) -> np.ndarray:
    odds = np.exp(odds - odds.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def _draw(rng: np.random.Generator, n: np.ndarray, shares: np.ndarray) -> np.ndarray:
    return rng.multinomial(n, shares).astype(float)
