"""Measures of rankings, against hand-made cases and scikit-learn; intervals, against their promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.retrieval.ranking import QrelsError, difference, estimate, first_of_each, measured

QRELS = {"q1": {"a": 1, "b": 3}, "q2": {"c": 1}}


def test_a_ranking_is_measured_by_hand() -> None:
    found = measured({"q1": ["x", "a", "b"], "q2": ["x", "y"]}, QRELS, k=3)
    assert found["hit_rate"].tolist() == [1, 0]
    assert found["recall"].tolist() == [1, 0]
    assert found["precision"].tolist() == [2 / 3, 0]
    assert found["mrr"].tolist() == [1 / 2, 0]
    best = 3 + 1 / np.log2(3)
    assert found["ndcg"].tolist() == [pytest.approx((1 / np.log2(3) + 3 / 2) / best), 0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=3, max_size=12).filter(any), st.integers(1, 12), st.randoms())
def test_ndcg_is_that_of_scikit_learn(grades: list[int], k: int, chance: object) -> None:
    from sklearn.metrics import ndcg_score

    documents = [f"d{n}" for n in range(len(grades))]
    order = list(documents)
    chance.shuffle(order)  # type: ignore[attr-defined]
    ours = measured({"q": order}, {"q": dict(zip(documents, grades, strict=True))}, k)["ndcg"][0]
    scores = [-order.index(document) for document in documents]
    assert ours == pytest.approx(ndcg_score([grades], [scores], k=k))


def test_judgments_of_another_set_fail_loudly() -> None:
    with pytest.raises(QrelsError, match=r"2 of 2 judged queries have no ranking, such as 'q1'.*1 of 1 ranked"):
        measured({"1": ["a"]}, QRELS)
    with pytest.raises(QrelsError, match="1 of 2 judged queries have no ranking"):
        measured({"q1": ["a"]}, QRELS)
    with pytest.raises(QrelsError, match="1 of 3 ranked queries have no judgment"):
        measured({"q1": ["a"], "q2": [], "q3": []}, QRELS)
    with pytest.raises(QrelsError, match="no relevant document"):
        measured({"q": ["a"]}, {"q": {"a": 0}})
    with pytest.raises(QrelsError, match="no judgments"):
        measured({}, {})


def test_two_chunks_of_a_document_are_one_find() -> None:
    assert first_of_each(["a", "b", "a"]) == ["a", "b"]
    with pytest.raises(ValueError, match="twice"):
        measured({"q": ["a", "a"]}, {"q": {"a": 1}})


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    covered = 0
    for night in range(200):
        found = estimate(rng.beta(6, 2, 100), seed=night)
        covered += found.low <= 0.75 <= found.high
    assert 0.90 <= covered / 200 <= 0.99


def test_twenty_queries_without_a_miss_are_no_proof_of_perfection() -> None:
    found = estimate(np.ones(20))
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.025 ** (1 / 20))
    assert estimate(np.zeros(20)).high == pytest.approx(1 - 0.025 ** (1 / 20))
    with pytest.raises(ValueError, match="no mean"):
        estimate(np.empty(0))


def test_a_pair_is_narrower_than_two_that_know_nothing_of_each_other() -> None:
    rng = np.random.default_rng(3)
    old = rng.beta(5, 2, 300)
    change = difference(old - 0.01, old)
    assert change.value == pytest.approx(-0.01) and change.high < 0
    with pytest.raises(ValueError, match="paired"):
        difference(old, old[:-1])
