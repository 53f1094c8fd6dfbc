"""Indexes that are built, changed and tuned with the installed FAISS."""

from __future__ import annotations

import numpy as np
import pytest
from vectors import cloud

from resources.faiss_index import FLAT, DimensionError, Tuned, VectorIndex, build, device, exact, recalls, tune
from resources.live_index import Point, Vectors

CODES = "IVF32,PQ8x4fs,RFlat"
WHOLE = Point(32, 32)
"""Every list is probed and nearly every vector compared: what is missed then is not there."""


def built(vectors: Vectors, kind: str = CODES, shard_rows: int = 10**6) -> VectorIndex:
    return build(kind, vectors.shape[1], len(vectors), lambda rows: vectors[rows], 1, shard_rows)


def recall(index: VectorIndex, vectors: Vectors, queries: Vectors, point: Point = WHOLE) -> float:
    """On what the index holds; `vectors` by id."""
    ids = index.ids
    truth, _ = exact(queries, [(ids, vectors[ids])], 10, 1)
    return float(recalls(index.search(queries, 10, point)[0], truth).mean())


@pytest.mark.parametrize(("kind", "shard_rows"), [(FLAT, 10**6), (CODES, 10**6), (CODES, 1_500)])
def test_what_is_removed_is_gone_and_what_is_added_is_found(kind: str, shard_rows: int) -> None:
    vectors = cloud(5_000)
    index = built(vectors[:4_000], kind, shard_rows)
    removed = np.arange(0, 4_000, 5)
    assert index.remove(removed) == 800 and index.remove(removed) == 0
    assert index.add(vectors[4_000:]).tolist() == list(range(4_000, 5_000)), "an id is given once"
    assert index.ids.tolist() == sorted(set(range(5_000)) - set(removed.tolist()))
    assert index.tombstones == (0 if kind == FLAT else 800)
    _, found = index.search(vectors[removed], 10, WHOLE)
    assert not np.isin(found, removed).any()
    assert np.array_equal(index.vectors(index.ids), vectors[index.ids])
    assert recall(index, vectors, cloud(200, seed=5)) > 0.995


def test_codes_that_are_added_after_a_removal_are_the_ones_of_a_fresh_index() -> None:
    """FAISS 1.15 ORs them into what it left behind the last code of a list: recall without re-ranking falls by 5 points."""
    vectors = cloud(5_000, spread=1.0)
    changed, plain, coarse = built(vectors[:4_000]), built(vectors[:4_000]), Point(32, 1)
    changed.remove(np.arange(0, 4_000, 3))
    changed.add(vectors[4_000:])
    plain.add(vectors[4_000:])
    plain.remove(np.arange(0, 4_000, 3))
    queries = vectors[4_000:4_500]
    pairs = zip(changed.search(queries, 10, coarse)[1], plain.search(queries, 10, coarse)[1], strict=True)
    assert np.mean([len(set(one) & set(other)) / 10 for one, other in pairs]) > 0.99, "codes may tie at the tenth place"


def test_a_removed_vector_is_overwritten() -> None:
    from resources.faiss_index import _rows

    vectors = cloud(2_000)
    index = built(vectors)
    index.remove(np.array([7, 11]))
    assert not _rows(index.shards[0])[[7, 11]].any()


def test_ten_nights_of_churn_stay_within_half_a_point_of_a_rebuild() -> None:
    vectors = cloud(9_000, spread=0.9)
    index, live, removed = built(vectors[:6_000]), np.arange(6_000), np.empty(0, np.int64)
    chance = np.random.default_rng(2)
    for night in range(10):
        gone = chance.choice(live, 300, replace=False)
        index.remove(gone)
        new = index.add(vectors[6_000 + 300 * night : 6_300 + 300 * night])
        live, removed = np.concatenate([np.setdiff1d(live, gone), new]), np.concatenate([removed, gone])
        assert not np.isin(index.search(vectors[removed[-200:]], 10, Point(8, 8))[1], removed).any()
    queries = cloud(300, seed=9, spread=0.9)
    ids = np.sort(live)
    truth, _ = exact(queries, [(ids, vectors[ids])], 10, 1)
    fresh = built(vectors[ids])
    point = tune(fresh, queries, truth, 0.97).point
    rebuilt, churned = (float(recalls(one.search(queries, 10, point)[0], truth).mean()) for one in (fresh, index))
    assert churned > rebuilt - 0.005


def test_the_cheapest_point_that_reaches_the_target_is_found() -> None:
    vectors, queries = cloud(5_000, spread=1.0), cloud(200, seed=4, spread=1.0)
    index = built(vectors)
    truth, _ = exact(queries, [(index.ids, vectors)], 10, 1)
    tuned = {target: tune(index, queries, truth, target) for target in (0.7, 0.9, 0.99)}
    assert all(one.recall >= target for target, one in tuned.items())
    work = [one.point.nprobe * one.point.k_factor for one in tuned.values()]
    assert work == sorted(work) and work[0] < work[-1] < WHOLE.nprobe * WHOLE.k_factor
    out_of_reach = tune(built(cloud(5_000, seed=8)), queries, truth + 1, 0.99)
    assert out_of_reach == Tuned(Point(32, 64), 0.0), "the most thorough one, and what it finds"


def test_equal_chunks_count_alike() -> None:
    vectors = np.repeat(cloud(40), 30, axis=0)
    index = built(vectors, FLAT)
    truth, _ = exact(cloud(40), [(index.ids, vectors)], 10, 1)
    scores, _ = index.search(cloud(40), 10, Point())
    assert recalls(scores, truth).tolist() == [1.0] * 40


def test_exact_search_in_blocks_is_exact_search() -> None:
    vectors, queries = cloud(900), cloud(20, seed=3)
    ids = np.arange(900)
    blocks = [(ids[start : start + 250], vectors[start : start + 250]) for start in range(0, 900, 250)]
    _, found = exact(queries, blocks, 10, 1)
    assert np.array_equal(found, np.argsort(-(queries @ vectors.T), axis=1)[:, :10])
    few, names = exact(queries, [(ids[:3], vectors[:3])], 10, 1)
    assert (names[:, 3:] == -1).all() and recalls(few, few).tolist() == [1.0] * 20
    assert recalls(np.full_like(few, -np.inf), few).max() == 0


def test_vectors_of_another_length_are_refused() -> None:
    with pytest.raises(DimensionError, match="16 numbers cannot join an index of 32"):
        built(cloud(2_000)).add(cloud(5, dimensions=16))


@pytest.mark.gpu
def test_an_index_whose_centroids_come_from_a_gpu_serves_from_the_cpu() -> None:
    if device() != "gpu":
        pytest.skip("FAISS sees no GPU here: it needs the extra gpu (make setup GPU=1) and a CUDA device")
    vectors, queries = cloud(20_000, dimensions=64), cloud(200, dimensions=64, seed=3)
    index = built(vectors, "IVF128,PQ16x4fs,RFlat")
    assert recall(index, vectors, queries, Point(128, 32)) > 0.995
