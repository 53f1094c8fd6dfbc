"""When a training begins: on what two nights say for certain, not on what one night or chance says."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.tuning.triggers import Decision, Facts, Limits, Night, Series, as_json, decide, obstacle_of

NIGHT = date(2026, 11, 20)
ENOUGH = {"new_pairs": 10, "pairs": 500}


def night(days_ago: int, value: float, half: float = 0.03, n: int = 300) -> Night:
    return Night(NIGHT - timedelta(days=days_ago), value, max(0.0, value - half), min(1.0, value + half), n)


def usual(value: float = 0.8, nights: int = 7) -> list[Night]:
    return [night(2 + n, value + 0.004 * (-1) ** n) for n in range(nights)]


def told(series: list[Series] | None = None, limits: Limits | None = None, **facts: object) -> Decision:
    return decide(Facts(NIGHT, series or [], **{**ENOUGH, **facts}), limits or Limits())  # type: ignore[arg-type]


def test_a_fall_on_two_nights_begins_a_training_and_says_by_how_much() -> None:
    found = told([Series("ndcg of main by cited", [*usual(), night(1, 0.6), night(0, 0.58)])])
    assert (found.fired, found.reason, found.held_back_by) == (True, "recall_fell", None)
    assert found.why == "ndcg of main by cited is 0.580 (0.550 to 0.610), usually 0.801"
    [one] = [one for one in found.evidence if one.holds]
    assert one.figures["reference_nights"] == 7 and [n["n"] for n in one.figures["nights"]] == [300, 300]


@pytest.mark.parametrize(
    ("nights", "why"),
    [
        ([night(1, 0.8), night(0, 0.5)], "one bad night"),
        ([night(1, 0.5), night(0, 0.8)], "it is well again"),
        ([night(1, 0.785), night(0, 0.785)], "less than is followed"),
        ([night(1, 0.75, half=0.2), night(0, 0.75, half=0.2)], "too few questions to tell"),
        ([night(0, 0.5)], "the night before was not measured"),
    ],
)
def test_no_training_for_what_two_nights_do_not_say_for_certain(nights: list[Night], why: str) -> None:
    before = [replace(one, day=one.day - timedelta(days=10)) for one in usual()]
    assert told([Series("ndcg", [*before, *nights])]).reason == "nothing", why


def test_a_measure_below_its_floor_on_two_nights_is_a_reason_from_the_first_week_on() -> None:
    weak = Series("ndcg of main by golden_queries", [night(1, 0.3), night(0, 0.32)], floor=0.4)
    found = told([weak])
    assert (found.fired, found.reason) == (True, "recall_low") and found.why.endswith("0.4 is asked")
    assert told([replace(weak, floor=0.34)]).reason == "nothing", "its interval reaches above the floor"


def test_old_nights_are_no_second_night() -> None:
    assert told([Series("ndcg", [night(12, 0.3), night(0, 0.3)], floor=0.5)]).reason == "nothing"


def test_nights_that_always_differ_have_to_fall_further() -> None:
    rough = [night(2 + n, 0.8 + 0.12 * (-1) ** n) for n in range(8)]
    assert told([Series("ndcg", [*rough, night(1, 0.62), night(0, 0.62)])]).reason == "nothing"
    assert told([Series("ndcg", [*rough, night(1, 0.3), night(0, 0.3)])]).reason == "recall_fell"


def test_one_night_before_says_little_of_what_is_usual() -> None:
    fell = [night(1, 0.72, half=0.01), night(0, 0.72, half=0.01)]
    assert told([Series("ndcg", [night(2, 0.8, half=0.01), *fell])]).reason == "nothing", "8 points under a single night"
    weeks = [night(2 + n, 0.8 + 0.002 * (-1) ** n, half=0.01) for n in range(26)]
    assert told([Series("ndcg", [*weeks, *fell])]).reason == "recall_fell", "the same under weeks that hardly differ"
    far = [night(1, 0.6, half=0.01), night(0, 0.6, half=0.01)]
    assert told([Series("ndcg", [night(2, 0.8, half=0.01), *far])]).reason == "recall_fell", "no night is that much off"


def test_one_of_many_floors_is_not_missed_by_chance() -> None:
    low = [night(1, 0.36), night(0, 0.36)]
    assert told([Series("one", low, floor=0.4)]).reason == "recall_low"
    reached = [Series(str(n), [night(1, 0.5), night(0, 0.5)], floor=0.4) for n in range(9)]
    assert told([*reached, Series("one", low, floor=0.4)]).reason == "nothing", "of ten, one is that low by chance"


def weeks_without_change(rng: np.random.Generator, nights: int, floor: float | None) -> list[Series]:
    """Four bases, each night's measure of 300 questions of seven days: neighbours share six of them."""
    found = []
    for number in range(4):
        daily = rng.normal(0.7, 0.03 / 1.96 * 7**0.5, nights + 6)
        values = np.convolve(daily, np.ones(7) / 7, "valid")
        days = [night(nights - 1 - at, float(value)) for at, value in enumerate(values)]
        found.append(Series(str(number), days, floor))
    return found


@pytest.mark.parametrize(("floor", "most"), [(None, 1), (0.7, 6)])
def test_looking_every_night_makes_no_fall_of_chance(floor: float | None, most: int) -> None:
    """Three years of four series without a change; also where each just reaches its floor all the time, of which nobody can
    say whether it is low. A cool-down of a week follows a training."""
    rng, fired = np.random.default_rng(11), 0
    for _ in range(3):
        series, looked = weeks_without_change(rng, 393, floor), 28
        while looked < 393:
            seen = [replace(one, nights=one.nights[looked - 28 : looked + 1]) for one in series]
            facts = Facts(NIGHT - timedelta(days=392 - looked), seen, **ENOUGH)  # type: ignore[arg-type]
            is_due = decide(facts, Limits()).fired
            fired += is_due
            looked += 7 if is_due else 1
    assert fired <= most


def test_quiet_months_seldom_fire_however_many_series_there_are() -> None:
    rng = np.random.default_rng(3)
    fired = 0
    for _ in range(400):
        series = [
            Series(str(n), [night(d, float(rng.normal(0.7, 0.03 / 1.96))) for d in range(12)]) for n in range(4)
        ]  # fmt: skip
        fired += told(series, Limits(smallest_drop=0.001)).fired
    assert fired <= 0.0125 * 400


def test_a_rate_that_rose_counts_when_the_same_group_is_worse_twice() -> None:
    yesterday = NIGHT - timedelta(days=1)
    assert told(worse={NIGHT: ["all"], yesterday: ["all", "feature chat"]}).reason == "rate_rose"
    assert told(worse={NIGHT: ["all"], yesterday: ["feature chat"]}).reason == "nothing"
    assert told(worse={NIGHT: ["all"]}).reason == "nothing"
    assert told(worse={NIGHT - timedelta(days=9): ["all"], NIGHT: ["all"]}).reason == "nothing"


def test_each_other_reason_holds_by_its_own_limit() -> None:
    assert told(drifted=["questions are others"]).why == "questions are others"
    assert told(incidents_of_a_week=3).reason == "nothing"
    assert told(limits=Limits(most_incidents_a_week=3), incidents_of_a_week=3).reason == "nothing"
    assert told(limits=Limits(most_incidents_a_week=2), incidents_of_a_week=3).reason == "incidents"
    assert told(new_pairs=999, pairs=5_000).reason == "nothing"
    assert told(new_pairs=1_000, pairs=5_000).reason == "new_pairs"
    old = {"champion_since": NIGHT - timedelta(days=31)}
    assert told(**old).reason == "nothing"
    assert told(limits=Limits(max_age_days=30), **old).reason == "max_age"
    assert told(limits=Limits(max_age_days=31), **old).reason == "nothing"


def test_the_same_dataset_base_and_recipe_begin_no_second_training_and_the_candidate_is_named() -> None:
    known = {"trained_as": "candidate 0123, which is rejected"}
    again = told(drifted=["x"], **known)
    assert (again.fired, again.reason, again.held_back_by) == (False, "drift", "trained_already")
    [pairs] = [one for one in again.evidence if one.reason == "new_pairs"]
    assert pairs.why.endswith("they are candidate 0123, which is rejected already")
    assert told(drifted=["x"], **(known | {"pairs": 63})).held_back_by == "too_few_pairs"
    assert told(**known).held_back_by is None, "nothing speaks for it"


def test_a_night_without_a_dataset_says_why() -> None:
    none = told(drifted=["x"], pairs=None, new_pairs=None, no_dataset="1 of 20 for train")
    assert (none.held_back_by, none.evidence[-2].why) == ("too_few_pairs", "no dataset was made: 1 of 20 for train")


def test_what_holds_a_training_back_is_named_in_its_order() -> None:
    paid = Limits(budget_usd=Decimal(10), usd_a_training=Decimal(4))
    wanted = {"drifted": ["x"]}
    spent = {"spent_usd": Decimal("6.000001")}
    recent = {"trained_last": NIGHT - timedelta(days=6)}
    assert told(limits=paid, spent_usd=Decimal(6), **wanted).fired
    found = told(limits=paid, **wanted, **spent)
    assert (found.fired, found.held_back_by, found.budget_left_usd) == (False, "budget", Decimal("3.999999"))
    found = told(limits=paid, **wanted, **spent, **recent)
    assert (found.held_back_by, found.cool_down_until) == ("cool_down", NIGHT + timedelta(days=1))
    assert told(limits=paid, **wanted, **spent, **recent, is_in_training=True).held_back_by == "in_training"
    assert (
        told(**wanted, pairs=63).held_back_by == told(**wanted, pairs=None, new_pairs=None).held_back_by == "too_few_pairs"
    )
    assert told(**wanted, trained_last=NIGHT - timedelta(days=7)).fired


def test_without_a_reason_nothing_holds_it_back() -> None:
    found = told(is_in_training=True)
    assert (found.reason, found.held_back_by, found.why) == ("nothing", None, "nothing speaks for it")
    assert obstacle_of(Facts(NIGHT, is_in_training=True), Limits()) == "in_training"


@given(
    st.lists(st.tuples(st.integers(0, 40), st.floats(0, 1), st.floats(0.001, 0.3)), max_size=20),
    st.integers(0, 2_000), st.booleans(), st.integers(0, 20),
)  # fmt: skip
def test_what_fires_has_a_reason_and_no_obstacle_and_every_reason_is_told(
    nights: list[tuple[int, float, float]], new: int, is_in_training: bool, days: int
) -> None:
    series = [Series("ndcg", [night(*one) for one in {d: (d, v, h) for d, v, h in nights}.values()], floor=0.3)]
    found = told(series, new_pairs=new, pairs=new, is_in_training=is_in_training, trained_last=NIGHT - timedelta(days=days))
    assert found.fired == (found.reason != "nothing" and found.held_back_by is None)
    reasons = {one["reason"] for one in as_json(found.evidence)}
    assert reasons == {"recall_low", "recall_fell", "rate_rose", "drift", "incidents", "new_pairs", "max_age"}
