"""The paired bootstrap: an interval of a difference that a few lucky rows, or a rare loss, do not talk into a gain."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.quality.detector_training import auc, interval
from assets.retrieval.ranking import difference
from assets.tuning.paired_bootstrap import changed, paired, placements

FEW = 400


def test_rows_of_another_set_are_not_paired() -> None:
    with pytest.raises(ValueError, match="3 rows cannot be paired with 2"):
        paired(np.ones(3), np.ones(2))


def test_equal_models_differ_by_nothing_and_surely() -> None:
    values = np.linspace(0, 1, 40)
    assert (found := paired(values, values)).value == found.low == found.high == 0.0
    assert changed(values, values) == 0


def test_with_many_rows_it_is_the_interval_that_a_plain_bootstrap_has() -> None:
    rng = np.random.default_rng(3)
    new, old = rng.random(1500), rng.random(1500)
    ours, plain = paired(new, old), difference(new, old)
    assert ours.value == pytest.approx(plain.value)
    assert ours.low == pytest.approx(plain.low, abs=0.002) and ours.high == pytest.approx(plain.high, abs=0.002)


def test_a_few_gains_that_met_no_loss_yet_are_no_proof() -> None:
    gains = np.where(np.arange(60) < 20, 0.1, 0.0)
    seen, unseen = paired(gains, np.zeros(60)), paired(gains, np.zeros(60), unseen=1.0)
    assert seen.low > 0 > unseen.low
    assert seen.value == unseen.value < unseen.high


def test_rows_of_a_conversation_count_as_one() -> None:
    rng = np.random.default_rng(4)
    of_group = rng.normal(size=50).repeat(10)
    groups = [str(row // 10) for row in range(500)]
    alone, together = paired(of_group, np.zeros(500)), paired(of_group, np.zeros(500), groups)
    assert together.n == 50 and alone.n == 500
    assert together.high - together.low > 2.5 * (alone.high - alone.low)


def test_a_row_that_stands_for_many_counts_for_many() -> None:
    new, weights = np.array([1.0, 0.0, 0.0, 0.0]), np.array([3.0, 1.0, 1.0, 1.0])
    assert paired(new, np.zeros(4), weights=weights).value == pytest.approx(0.5)
    assert paired(new, np.zeros(4), ["a", "a", "b", "b"], weights).value == pytest.approx(0.5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(-3, 3), st.integers(1, 4)), min_size=2, max_size=40))
def test_the_placements_of_rows_have_the_area_as_their_mean(rows: list[tuple[bool, int, int]]) -> None:
    labels = np.array([label for label, *_ in rows])
    scores, weights = np.array([[score, weight] for _, score, weight in rows], float).T
    if labels.all() or not labels.any():
        with pytest.raises(ValueError, match="both kinds"):
            placements(labels, scores, weights)
        return
    area = np.average(placements(labels, scores, weights), weights=weights)
    assert area == pytest.approx(auc(labels, scores, weights))


def test_their_spread_is_that_of_the_area_drawn_again_as_a_whole() -> None:
    rng = np.random.default_rng(6)
    labels = rng.random(450) < 0.3
    scores, weights = rng.normal(size=450) + labels, rng.random(450) + 0.5
    groups = [str(row // 3) for row in range(450)]
    linear = paired(placements(labels, scores, weights), np.zeros(450), groups, weights)
    whole = interval(auc, labels, scores, groups, weights)
    assert linear.value == pytest.approx(whole.value)
    assert linear.low == pytest.approx(whole.low, abs=0.015)
    assert linear.high == pytest.approx(whole.high, abs=0.015)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=60), st.integers(0, 3))
def test_an_interval_holds_its_value_and_turns_with_its_sides(values: list[float], seed: int) -> None:
    one = np.array(values)
    found = paired(one, np.zeros(len(one)), resamples=FEW, seed=seed)
    assert found.low <= found.value <= found.high
    assert paired(np.zeros(len(one)), one, resamples=FEW, seed=seed).value == pytest.approx(-found.value)


def test_an_interval_ends_where_changes_can_end() -> None:
    same = np.full(43, 0.7)
    found = paired(same, same, unseen=1.0)
    assert found.value == 0 and -1 <= found.low < 0 < found.high <= 1
