"""Vectors of texts as sketches that add up: sums of random Fourier features, and the clusters of a reference.

Here belong the frozen projection, how clusters are found and how a vector is stored, over vectors that somebody else has
made. Nothing here knows of days or tables.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]

FEATURE_COUNT = 512
BANDWIDTH = 1.0
"""Distance at which two vectors of length 1 count as little alike: about that of two texts on different topics."""
SEED = 20_260_101
"""Frozen: with another, no night compares with the one before."""
FEWEST_OF_A_CLUSTER = 10
"""A centre outlives the texts that it was made of: it is a mean of many, and never one person's words."""
_ROUNDS = 30
_STARTS = 5


def features(vectors: Vectors) -> Floats:
    """Random Fourier features [text, FEATURE_COUNT] of length 1: their products approximate a Gaussian kernel."""
    frequencies = np.random.default_rng(SEED).standard_normal((vectors.shape[1], FEATURE_COUNT // 2)) / BANDWIDTH
    angles = vectors.astype(np.float64) @ frequencies
    return np.asarray(np.concatenate([np.cos(angles), np.sin(angles)], axis=1) / np.sqrt(FEATURE_COUNT // 2))


def clusters(vectors: Vectors, most: int) -> tuple[Vectors, NDArray[np.int64]]:
    """Spherical k-means: up to `most` centres of length 1 [cluster, dimension], the largest first, and how many vectors each
    is the mean of, FEWEST_OF_A_CLUSTER or more. The same for the same vectors in the same order.

    The best of a few seeded starts (k-means++). Clusters that are too small are given up one by one, the smallest first,
    and their texts go to the next. Raises ValueError for fewer vectors than one cluster needs.
    """
    if len(vectors) < FEWEST_OF_A_CLUSTER:
        raise ValueError(f"a cluster needs {FEWEST_OF_A_CLUSTER} texts, not {len(vectors)}")
    points = vectors.astype(np.float64)
    rng = np.random.default_rng(SEED)
    tries = [_settled(points, _spread_out(points, min(most, len(points)), rng)) for _ in range(_STARTS)]
    found = max(tries, key=lambda centres: float((points @ centres.T).max(axis=1).sum()))
    sizes = _sizes(points, found)
    while sizes.min() < FEWEST_OF_A_CLUSTER:
        found = _settled(points, np.delete(found, int(np.argmin(sizes)), axis=0))
        sizes = _sizes(points, found)
    order = np.argsort(-sizes, kind="stable")
    return found[order].astype(np.float32), sizes[order]


def nearest(vectors: Vectors, centres: Vectors) -> tuple[NDArray[np.int64], Floats]:
    """The place of each vector's nearest centre, and the cosine between the two."""
    cosines = vectors.astype(np.float64) @ centres.T.astype(np.float64)
    places = np.argmax(cosines, axis=1)
    return places, cosines[np.arange(len(vectors)), places]


def packed(vectors: Vectors) -> list[str]:
    """Vectors as text, of 16-bit numbers: a cosine moves by less than .001."""
    return [base64.b64encode(row.tobytes()).decode("ascii") for row in vectors.astype("<f2")]


def unpacked(texts: Iterable[str]) -> Vectors:
    """The vectors that `packed` made texts of [text, dimension]."""
    rows = [np.frombuffer(base64.b64decode(text), "<f2") for text in texts]
    return np.stack(rows).astype(np.float32) if rows else np.empty((0, 0), np.float32)


def _spread_out(points: Floats, count: int, rng: np.random.Generator) -> Floats:
    """`count` points, or fewer where fewer differ, each drawn by its squared distance from those before."""
    chosen = [int(rng.integers(len(points)))]
    distance = 1 - points @ points[chosen[0]]
    while len(chosen) < count:
        weight = np.maximum(distance, 0)
        if weight.sum() <= 1e-6 * len(points):
            break
        chosen.append(int(rng.choice(len(points), p=weight / weight.sum())))
        distance = np.minimum(distance, 1 - points @ points[chosen[-1]])
    return points[chosen]


def _settled(points: Floats, found: Floats) -> Floats:
    for _ in range(_ROUNDS):
        sums = np.zeros_like(found)
        np.add.at(sums, np.argmax(points @ found.T, axis=1), points)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        moved = np.divide(sums, lengths, out=found.copy(), where=lengths > 0)
        if np.allclose(moved, found, atol=1e-6):
            break
        found = moved
    return found


def _sizes(points: Floats, found: Floats) -> NDArray[np.int64]:
    return np.bincount(np.argmax(points @ found.T, axis=1), minlength=len(found))
