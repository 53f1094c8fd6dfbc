"""Sketches of a day's texts: they add up, they are the same each time, and they see what a topic does."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from assets.drift.text_sketch import FEATURE_COUNT, centres, features, sampled, sketch


def topics(rng: np.random.Generator, *sizes: int) -> np.ndarray:
    """Vectors of length 1 around as many directions as there are sizes, which are the same for every draw."""
    middles = np.random.default_rng(1).standard_normal((len(sizes), 64))
    vectors = np.concatenate(
        [middle + 0.3 * rng.standard_normal((size, 64)) for middle, size in zip(middles, sizes, strict=True)]
    )
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


REFERENCE = topics(np.random.default_rng(2), 100, 100, 100, 100)


def test_products_of_features_are_the_gaussian_kernel() -> None:
    some = features(REFERENCE[::40])
    distance = np.linalg.norm(REFERENCE[::40, None] - REFERENCE[None, ::40], axis=2)
    assert some @ some.T == pytest.approx(np.exp(-(distance**2) / 2), abs=0.2)
    assert np.linalg.norm(some, axis=1) == pytest.approx(np.ones(len(some)))


def test_the_sketches_of_parts_add_up_to_that_of_the_whole() -> None:
    of_reference = centres(REFERENCE, 4)
    parts = pl.concat([sketch("p", REFERENCE[:150], of_reference), sketch("p", REFERENCE[150:], of_reference)])
    added = parts.group_by("metric", "bin").agg(pl.col("n").sum(), pl.col("value_sum").sum()).sort("metric", "bin")
    whole = sketch("p", REFERENCE, of_reference).with_columns(pl.col("value_sum").fill_null(0)).sort("metric", "bin")
    assert added.drop("value_sum").equals(whole.drop("value_sum"))
    assert added["value_sum"].to_numpy() == pytest.approx(whole["value_sum"].to_numpy())


def test_each_topic_becomes_a_cluster_and_a_surge_of_one_is_seen_in_both() -> None:
    of_reference = centres(REFERENCE, 4)
    quiet = sketch("p", topics(np.random.default_rng(3), 50, 50, 50, 50), of_reference)
    surge = sketch("p", topics(np.random.default_rng(4), 125, 25, 25, 25), of_reference)

    def clusters(rows: pl.DataFrame) -> list[int]:
        return sorted(rows.filter(pl.col("metric") == "p.cluster")["n"].to_list())

    def mean(rows: pl.DataFrame) -> np.ndarray:
        return rows.filter(pl.col("metric") == "p.rff")["value_sum"].to_numpy() / 200

    assert (clusters(quiet), clusters(surge)) == ([50, 50, 50, 50], [25, 25, 25, 125])
    assert len(mean(quiet)) == FEATURE_COUNT
    usual = features(REFERENCE).mean(axis=0)
    assert np.linalg.norm(mean(surge) - usual) > 5 * np.linalg.norm(mean(quiet) - usual)


def test_a_sample_is_the_same_whatever_the_order_and_moves_little() -> None:
    names = [f"r{number}" for number in range(1000)]
    places, share = sampled(names, 100)
    turned, _ = sampled(names[::-1], 100)
    more, _ = sampled([*names, "late"], 100)
    assert share == 0.1
    chosen = {names[place] for place in places}
    assert chosen == {names[::-1][place] for place in turned}
    assert len(chosen - {[*names, "late"][place] for place in more}) <= 1
    assert sampled(names[:5], 100) == (sampled(names[:5], 100)[0], 1.0)
    assert sampled([], 100) == ([], 0.0)


def test_no_texts_are_an_empty_sketch_and_too_few_make_no_clusters() -> None:
    assert sketch("p", REFERENCE[:0], centres(REFERENCE, 4)).is_empty()
    with pytest.raises(ValueError, match="8 clusters need as many texts"):
        centres(REFERENCE[:5], 8)
