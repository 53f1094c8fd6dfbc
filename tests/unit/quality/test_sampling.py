"""What is drawn for labelling: with the probability that is stated, the same on every run, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.quality.inclusion import LEAST_SHARE, WORTHLESS_COST, cells, rare_rows
from assets.quality.sampling import DOUBLED_SHARE, RISK, Draw, Responses, draw, supplement, systematic

KEY = b"of-the-tests-only"


def responses(count: int, seed: int = 1, strata: int = 2, unscored: float = 0.1) -> Responses:
    rng = np.random.default_rng(seed)
    score = np.where(rng.random(count) < unscored, np.nan, rng.beta(0.4, 4, count))
    stratum = rng.integers(strata, size=count).astype(str)
    return Responses([f"request-{row}" for row in range(count)], score, stratum, rng.choice(list(RISK.values()), count))


def drawn_ids(population: Responses, drawn: Draw) -> set[str]:
    return {population.request_id[row] for row in np.flatnonzero(drawn.is_drawn)}


POPULATIONS = st.builds(
    responses, st.integers(1, 400), st.integers(0, 50), st.integers(1, 12), st.sampled_from([0.0, 0.3, 1.0])
)


@settings(max_examples=60, deadline=None)
@given(POPULATIONS, st.integers(1, 300), st.sampled_from([None, 0.1, 0.6]))
def test_probabilities_sum_to_the_budget_and_so_many_are_drawn(
    population: Responses, budget: int, rho: float | None
) -> None:
    drawn = draw(population, budget, KEY, "night", rho)
    count = len(population.request_id)
    p = drawn.inclusion_probability
    assert p.sum() == pytest.approx(min(budget, count), abs=1e-6)
    assert drawn.is_drawn.sum() == min(budget, count)
    assert p.max() <= 1 + 1e-9
    assert p.min() >= min(LEAST_SHARE * budget / count, 1) - 1e-9
    assert not (drawn.is_random | drawn.is_doubled)[~drawn.is_drawn].any()
    assert drawn.is_doubled.sum() == round(DOUBLED_SHARE * drawn.is_drawn.sum())


@settings(max_examples=40, deadline=None)
@given(POPULATIONS, st.integers(1, 100), st.randoms(use_true_random=False))
def test_a_rerun_in_another_order_draws_the_same(population: Responses, budget: int, shuffler: object) -> None:
    order = np.arange(len(population.request_id))
    shuffler.shuffle(order)  # type: ignore[attr-defined]
    again = Responses(
        [population.request_id[row] for row in order],
        population.score[order],
        population.stratum[order],
        population.risk[order],
    )
    first, second = draw(population, budget, KEY, "night", 0.5), draw(again, budget, KEY, "night", 0.5)
    for field in ("is_drawn", "is_random", "is_doubled"):
        np.testing.assert_array_equal(getattr(first, field)[order], getattr(second, field))
    np.testing.assert_allclose(first.inclusion_probability[order], second.inclusion_probability)


def test_another_key_or_night_draws_others() -> None:
    population = responses(400)
    sets = [drawn_ids(population, draw(population, 50, key, night, 0.5)) for key, night in
            ((KEY, "night 1"), (KEY, "night 2"), (b"another-key-of-16", "night 1"))]  # fmt: skip
    assert all(len(a & b) < 25 for a, b in zip(sets, sets[1:] + sets[:1], strict=True))


def test_each_is_drawn_as_often_as_stated() -> None:
    population, times = responses(25, strata=2), 600
    stated = draw(population, 8, KEY, "0", 0.5)
    hits, random_hits = np.zeros(25), np.zeros(25)
    for night in range(times):
        drawn = draw(population, 8, KEY, str(night), 0.5)
        hits += drawn.is_drawn
        random_hits += drawn.is_random
    p, c = stated.inclusion_probability, stated.random_probability
    assert p.max() > 1.2 * p.min()
    assert np.abs((hits / times - p) / np.sqrt(p * (1 - p) / times + 1e-12)).max() < 4
    assert np.abs((random_hits / times - c) / np.sqrt(c * (1 - c) / times)).max() < 4


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200), st.integers(0, 60), st.integers(1, 80))
def test_a_late_row_changes_no_drawn_probability(early: int, late: int, budget: int) -> None:
    everyone = responses(early + late)
    first = Responses(everyone.request_id[:early], *(a[:early] for a in (everyone.score, everyone.stratum, everyone.risk)))
    drawn = draw(first, budget, KEY, "first", 0.5)
    rows, more = supplement(everyone, first.request_id, budget, KEY, "late", 0.5)
    assert list(rows) == list(range(early, early + late))
    assert drawn_ids(first, drawn) == drawn_ids(first, draw(first, budget, KEY, "first", 0.5))
    assert len(more.is_drawn) == late
    assert more.is_drawn.sum() >= min(late, 1)
    if 0 < late <= early:
        assert more.inclusion_probability.mean() == pytest.approx(drawn.inclusion_probability.mean(), abs=1 / late)


def test_no_response_and_no_budget_draw_nothing() -> None:
    assert draw(responses(0), 10, KEY, "night").is_drawn.size == 0
    assert not draw(responses(5), 0, KEY, "night").is_drawn.any()
    rows, more = supplement(responses(5), [], 0, KEY, "late")
    assert len(rows) == 5 and not more.is_drawn.any()


def test_a_budget_larger_than_the_day_takes_all_with_certainty() -> None:
    for count in (1, 7):
        drawn = draw(responses(count), 200, KEY, "night", 0.5)
        assert drawn.is_drawn.all() and drawn.is_random.all()
        assert (drawn.inclusion_probability == 1).all()


def test_without_any_score_a_night_is_drawn_plainly() -> None:
    population = replace(responses(500, strata=1, unscored=1.0), risk=np.ones(500))
    drawn = draw(population, 50, KEY, "night", 0.5)
    np.testing.assert_allclose(drawn.inclusion_probability, 0.1)
    assert drawn.is_random.sum() == 50


def test_an_unproven_score_steers_nothing() -> None:
    population = replace(responses(1000, strata=1, unscored=0.0), risk=np.ones(1000))
    for rho in (None, 0.19, float("nan")):
        np.testing.assert_allclose(draw(population, 100, KEY, "night", rho).inclusion_probability, 0.1)
    assert np.ptp(draw(population, 100, KEY, "night", 0.5).inclusion_probability) > 0.02


def test_a_trusted_score_that_means_nothing_widens_intervals_by_a_hundredth_at_most() -> None:
    rng = np.random.default_rng(4)
    score = np.where(rng.random(3000) < 0.5, 0.001, rng.random(3000))
    population = Responses([str(row) for row in range(3000)], score, np.full(3000, "chat"), np.ones(3000))
    p = draw(population, 300, KEY, "night", 0.6).inclusion_probability
    assert np.sqrt((1 / p).mean() * p.mean()) == pytest.approx(WORTHLESS_COST, abs=1e-4)
    assert p[score > 0.3].mean() > 1.15 * p[score < 0.01].mean()


def test_riskier_features_are_labelled_more() -> None:
    feature = np.repeat(["search", "advice"], 1500)
    risk = np.where(feature == "advice", RISK["high"], RISK["minimal"])
    population = replace(responses(3000), stratum=feature, risk=risk)
    p = draw(population, 300, KEY, "night", 0.5).inclusion_probability
    assert p[1500:].mean() > 1.5 * p[:1500].mean()


def test_a_small_stratum_is_not_forgotten_and_an_empty_cell_is_none() -> None:
    population = responses(5000, strata=1, unscored=0.0)
    stratum = np.where(np.arange(5000) < 60, "rare feature", "common")
    drawn = draw(replace(population, stratum=stratum, risk=np.ones(5000)), 200, KEY, "night", 0.5)
    assert drawn.is_drawn[:60].sum() >= 8
    assert set(drawn.cell) == set(range(drawn.cell.max() + 1))


def test_cells_are_fewer_than_labels_allow_however_many_strata() -> None:
    many = responses(4000, strata=300)
    for budget in (1, 20, 100, 500):
        found = cells(many.stratum, many.score, budget)
        assert len(np.unique(found)) <= 2 * max(budget / 20, 1)
    equal = cells(np.full(50, "chat"), np.full(50, 0.3), 500)
    assert (equal == 0).all()


def test_of_a_rare_verdict_the_likely_ones_are_nearly_all_seen() -> None:
    rng = np.random.default_rng(5)
    score = np.where(rng.random(8000) < 0.005, 0.4, 0.001)
    rare = rare_rows(score)
    assert (score[rare] == 0.4).all() and 20 < rare.sum() < 60
    population = Responses([str(row) for row in range(8000)], score, np.full(8000, "chat"), np.ones(8000))
    p = draw(population, 200, KEY, "night", 0.5).inclusion_probability
    assert p[rare].min() > 0.5
    assert not rare_rows(np.full(10, np.nan)).any() and not rare_rows(np.full(10, 0.2)).any()


def test_certain_rows_are_taken_wherever_the_steps_fall() -> None:
    p = np.array([1.0, 0.3, 1.0, 0.3, 0.4, 1.0])
    for start in np.linspace(0, 0.999, 50):
        taken = systematic(p, float(start))
        assert taken.sum() == 4 and taken[[0, 2, 5]].all()


def test_what_cannot_be_drawn_from_is_refused() -> None:
    population = responses(3)
    with pytest.raises(ValueError, match="twice"):
        draw(replace(population, request_id=["a", "a", "b"]), 2, KEY, "night")
    with pytest.raises(ValueError, match="risk"):
        draw(replace(population, risk=np.zeros(3)), 2, KEY, "night")
    with pytest.raises(ValueError, match="budget"):
        draw(population, -1, KEY, "night")
    with pytest.raises(ValueError, match="key"):
        draw(population, 2, b"short", "night")
