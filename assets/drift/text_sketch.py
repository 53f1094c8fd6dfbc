"""A day's prompts as a sketch that adds up: mean random Fourier features, and how many lie in each cluster.

Here belong the frozen projection, the clusters of the reference and the sample that is looked at, over vectors that somebody
else has made. The rows are those of drift.profiles, family embedding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.drift.family_arrays import CLUSTERS, FEATURES

Floats = NDArray[np.float64]

FEATURE_COUNT = 512
BANDWIDTH = 1.0
"""Distance at which two vectors of length 1 count as little alike: about that of two texts on different topics."""
SEED = 20_260_101
"""Frozen: with another, no night compares with the one before."""
LARGEST_SAMPLE = 5_000
_KMEANS_ROUNDS = 20


def sampled(request_ids: Sequence[str], largest: int = LARGEST_SAMPLE) -> tuple[list[int], float]:
    """Which requests are looked at, by place, and the share that they are of all: the same for the same ids in any order.

    Those whose digests are smallest: a re-run, or a late row, changes as little as can be.
    """
    digests = [hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest() for name in request_ids]
    places = sorted(range(len(digests)), key=digests.__getitem__)[:largest]
    return places, len(places) / len(request_ids) if request_ids else 0.0


def features(vectors: NDArray[np.float32]) -> Floats:
    """Random Fourier features [text, FEATURE_COUNT] of length 1: their products approximate a Gaussian kernel."""
    frequencies = np.random.default_rng(SEED).standard_normal((vectors.shape[1], FEATURE_COUNT // 2)) / BANDWIDTH
    angles = vectors.astype(np.float64) @ frequencies
    return np.asarray(np.concatenate([np.cos(angles), np.sin(angles)], axis=1) / np.sqrt(FEATURE_COUNT // 2))


def centres(vectors: NDArray[np.float32], count: int) -> Floats:
    """Spherical k-means of the reference's vectors [count, dimension], of length 1; the same for the same vectors.

    Starts from texts that lie far apart (the first is the one nearest to the mean), so that nothing is drawn.
    """
    points = vectors.astype(np.float64)
    if len(points) < count:
        raise ValueError(f"{count} clusters need as many texts, not {len(points)}")
    chosen = [int(np.argmax(points @ points.mean(axis=0)))]
    nearest = points @ points[chosen[0]]
    for _ in range(count - 1):
        chosen.append(int(np.argmin(nearest)))
        nearest = np.maximum(nearest, points @ points[chosen[-1]])
    found = points[chosen]
    for _ in range(_KMEANS_ROUNDS):
        sums = np.zeros_like(found)
        np.add.at(sums, np.argmax(points @ found.T, axis=1), points)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        moved = np.divide(sums, lengths, out=found.copy(), where=lengths > 0)
        if np.allclose(moved, found, atol=1e-9):
            break
        found = moved
    return found


def sketch(metric: str, vectors: NDArray[np.float32], of_reference: Floats) -> pl.DataFrame:
    """`metric`, `bin`, `n` and `value_sum`: a row per feature (n texts and the sum of it) and per cluster that has texts.

    Sketches of parts add up to that of the whole.
    """
    n = len(vectors)
    sums = features(vectors).sum(axis=0)
    counts = np.bincount(np.argmax(vectors @ of_reference.T, axis=1), minlength=len(of_reference))
    places = np.flatnonzero(counts)
    by_feature = pl.DataFrame(
        {"metric": f"{metric}{FEATURES}", "bin": [str(i) for i in range(len(sums))], "n": n, "value_sum": sums},
        schema_overrides={"n": pl.Int64},
    )
    by_cluster = pl.DataFrame(
        {"metric": f"{metric}{CLUSTERS}", "bin": [str(i) for i in places], "n": counts[places], "value_sum": None},
        schema_overrides={"n": pl.Int64, "value_sum": pl.Float64},
    )
    return pl.concat([by_feature, by_cluster]) if n else by_feature.clear()
