"""Made-up vectors for tests of indexes: clouds around centres, of length 1."""

from __future__ import annotations

import numpy as np

from resources.live_index import Vectors


def cloud(count: int, dimensions: int = 32, seed: int = 1, centres: int = 60, spread: float = 0.6) -> Vectors:
    """Vectors near `centres` points that are the same for every seed."""
    middle = np.random.default_rng(0).standard_normal((centres, dimensions))
    chance = np.random.default_rng(seed)
    found = middle[chance.integers(0, centres, count)] + spread * chance.standard_normal((count, dimensions))
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)
