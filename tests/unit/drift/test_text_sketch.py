"""Vectors of texts: clusters that are topics, and the same each time; features that see what a topic does."""

from __future__ import annotations

import numpy as np
import pytest

from assets.drift.text_sketch import FEATURE_COUNT, FEWEST_OF_A_CLUSTER, clusters, features, nearest, packed, unpacked


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


def test_each_topic_becomes_a_cluster_the_largest_first_and_a_text_lies_in_its_own() -> None:
    texts = topics(np.random.default_rng(3), 200, 150, 100, 50)
    centres, sizes = clusters(texts, 4)
    assert sizes.tolist() == [200, 150, 100, 50]
    assert np.linalg.norm(centres, axis=1) == pytest.approx(np.ones(4), abs=1e-6)
    places, cosines = nearest(texts, centres)
    assert np.bincount(places).tolist() == [200, 150, 100, 50]
    assert cosines == pytest.approx((texts * centres[places]).sum(axis=1), abs=1e-6)
    again, _ = clusters(texts, 4)
    assert np.array_equal(centres, again)


def test_a_centre_is_never_the_words_of_a_few() -> None:
    """Nine texts apart from all others would be a cluster of their own, and its centre about their words."""
    few = topics(np.random.default_rng(3), 100, 100, FEWEST_OF_A_CLUSTER - 1)
    _, sizes = clusters(few, 20)
    assert sizes.min() >= FEWEST_OF_A_CLUSTER
    assert sizes.sum() == len(few)
    _, sizes = clusters(topics(np.random.default_rng(3), 100, 100, FEWEST_OF_A_CLUSTER), 3)
    assert sizes.tolist() == [100, 100, FEWEST_OF_A_CLUSTER]


def test_equal_texts_are_one_cluster_and_too_few_are_none() -> None:
    centres, sizes = clusters(np.repeat(REFERENCE[:1], 300, axis=0), 20)
    assert (len(centres), sizes.tolist()) == (1, [300])
    with pytest.raises(ValueError, match="a cluster needs 10 texts, not 9"):
        clusters(REFERENCE[:9], 20)


def test_a_surge_of_one_topic_moves_the_mean_features_more_than_chance_does() -> None:
    usual = features(REFERENCE).mean(axis=0)
    quiet = features(topics(np.random.default_rng(3), 50, 50, 50, 50)).mean(axis=0)
    surge = features(topics(np.random.default_rng(4), 125, 25, 25, 25)).mean(axis=0)
    assert len(usual) == FEATURE_COUNT
    assert np.linalg.norm(surge - usual) > 5 * np.linalg.norm(quiet - usual)


def test_a_stored_vector_is_the_vector_to_a_thousandth() -> None:
    stored = packed(REFERENCE)
    assert np.abs(unpacked(stored) @ REFERENCE.T - REFERENCE @ REFERENCE.T).max() < 1e-3
    assert unpacked([]).shape == (0, 0)
