"""Made-up nights of known truth for benchmarks/drift.py: 40 columns, and vectors of texts.

Here belong seeded draws, and the drift that is put in. Nights without drift come from one distribution, row by row: what
is an alarm among them is chance alone. Real days differ by more than that (tests/drift_traffic.py).
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

NUMBERS = tuple(f"number_{i:02}" for i in range(20))
CATEGORIES = tuple(f"category_{i:02}" for i in range(20))
DRIFTING = (*NUMBERS[::4], *CATEGORIES[::4])
"""Columns that change in a night of drift, ten of forty."""
SHIFT_SIGMAS, POINTS, SURGE = 0.3, 0.10, 0.10
"""What is put in: to numbers (on their log scale), to the share of one category, of texts to one topic."""
DIMENSIONS, TOPICS = 384, 40
"""As many dimensions as all-MiniLM-L6-v2 has."""
_NOISE = 0.05
"""Of each dimension, beside a topic's middle of length 1: two texts of a topic have a cosine of about .5."""


class Table:
    """Columns whose distributions a seed decides: log-normal numbers of different spread, half of them whole; 2 to 30
    categories of different shares."""

    def __init__(self, seed: int):
        rng = np.random.default_rng([seed, 0])
        self.middles = rng.uniform(4, 8, len(NUMBERS))
        self.sigmas = rng.uniform(0.3, 1.2, len(NUMBERS))
        self.shares = [rng.dirichlet(np.full(2 + (3 * i) // 2, 2.0)) for i in range(len(CATEGORIES))]
        self._seed = seed

    def night(self, number: int, day: date, rows: int, drifts: bool = False) -> pa.Table:
        """The rows of a night. The same for the same seed, number and rows."""
        rng = np.random.default_rng([self._seed, 1, number])
        columns: dict[str, pa.Array] = {"day": pa.repeat(pa.scalar(day), rows)}
        for i, name in enumerate(NUMBERS):
            moved = SHIFT_SIGMAS if drifts and name in DRIFTING else 0.0
            drawn = np.exp(self.middles[i] + self.sigmas[i] * (moved + rng.standard_normal(rows)))
            columns[name] = pa.array(np.round(drawn, 3 if i % 2 else 0))
        for i, name in enumerate(CATEGORIES):
            shares = with_points(self.shares[i], POINTS) if drifts and name in DRIFTING else self.shares[i]
            places = np.searchsorted(np.cumsum(shares)[:-1], rng.random(rows), side="right").astype(np.int32)
            names = pa.array([f"value_{k}" for k in range(len(shares))])
            columns[name] = pa.DictionaryArray.from_arrays(pa.array(places), names).cast(pa.string())
        return pa.table(columns)


def with_points(shares: NDArray[np.float64], points: float) -> NDArray[np.float64]:
    """Shares of which the smallest has grown by `points`, and the others have made room in proportion."""
    place = int(np.argmin(shares))
    grown = shares * (1 - shares[place] - points) / (1 - shares[place])
    grown[place] = shares[place] + points
    return grown


class Texts:
    """Vectors of length 1 of texts on 40 topics. There are no words: both sides get the same vectors."""

    def __init__(self, seed: int):
        rng = np.random.default_rng([seed, 2])
        middles = rng.standard_normal((TOPICS, DIMENSIONS))
        self.middles = middles / np.linalg.norm(middles, axis=1, keepdims=True)
        self.shares = rng.dirichlet(np.full(TOPICS, 3.0))
        self._seed = seed

    def night(self, number: int, texts: int, drifts: bool = False) -> NDArray[np.float32]:
        """The vectors of a night [text, dimension]; in a drift a tenth of the texts has moved to one topic."""
        rng = np.random.default_rng([self._seed, 3, number])
        topics = rng.choice(TOPICS, texts, p=self.shares)
        if drifts:
            topics[rng.random(texts) < SURGE] = 0
        vectors = self.middles[topics] + _NOISE * rng.standard_normal((texts, DIMENSIONS))
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
