"""quality.rate_changes: which answers are held against which, and what it takes to be called worse."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged_days import DAY, Row, answer, drawn, judge, table_of
from rise_nights import FEATURES, Kind, Rise, World, alarms, found_after
from rise_nights import judged as judged_nights
from scipy.stats import binom

from assets.quality.estimator import Rate
from assets.quality.rate_changes import DAYS, FEWEST_LABELS, rate_changes
from assets.quality.rate_rise import FALSE_DISCOVERIES, USUAL_WANDER, chance, corrected, difference, dispersion
from assets.service.intervals import wilson
from resources.contracts import contracts


def rate(hits: float, size: float) -> Rate:
    low, high = (float(end) for end in wilson(hits, size))
    return Rate(hits / size, 10**12, 10**12, round(size), size, None, 0.0, low, high, "classical")


# one pair of rates


@pytest.mark.parametrize(("hits", "size", "usual"), [(5, 20, 0.05), (12, 80, 0.05), (25, 160, 0.05), (30, 400, 0.02)])
def test_against_a_rate_that_is_known_the_chance_is_the_exact_binomial_tail(hits: int, size: int, usual: float) -> None:
    known = rate(usual * 1e9, 1e9)
    assert chance(rate(hits, size), known) == pytest.approx(binom.sf(hits - 1, size, usual), rel=0.02)


def test_a_reference_of_few_labels_proves_little() -> None:
    window = rate(16, 80)
    by_reference = [chance(window, rate(0.05 * n, n)) for n in (100, 400, 2000, 1_000_000)]
    assert by_reference == sorted(by_reference, reverse=True) and by_reference[0] > 20 * by_reference[-1]


@given(st.floats(20, 400), st.floats(0.1, 0.9), st.floats(100, 4000), st.floats(0.005, 0.5), st.floats(1, 4))
def test_more_bad_answers_are_never_more_likely_by_chance(
    n: float, share: float, of: float, usual: float, spread: float
) -> None:
    few, many = rate(share * n, n), rate((share + 0.05) * n, n)
    reference = rate(usual * of, of)
    assert 0 <= chance(many, reference, spread) <= chance(few, reference, spread) + 1e-12 <= 1 + 1e-12


def test_when_nothing_has_changed_the_chance_is_small_as_seldom_as_it_says() -> None:
    rng = np.random.default_rng(5)
    reference, windows = rng.binomial(1500, 0.05, 1500), rng.binomial(160, 0.05, 1500)
    found = np.array([chance(rate(max(k, 0.5), 160), rate(r, 1500)) for k, r in zip(windows, reference, strict=True)])
    for level in (0.1, 0.01, 0.003):
        assert (found <= level).mean() <= level + 3 * np.sqrt(level / 1500)
    assert (found <= 0.1).mean() > 0.03, "it is exact, not asleep"


def test_that_every_answer_of_a_small_feature_is_labelled_proves_no_more_than_their_number() -> None:
    """The rate of 60 answers is then known to a digit; what would come of 60 others is not."""
    reference = rate(100, 2000)
    sure = replace(rate(9, 60), n_responses=60, n_effective=1e6)
    every = replace(rate(9, 60), n_responses=60, n_labelled=60, method="census", low=0.15, high=0.15)
    plain = replace(rate(9, 60), n_responses=10**9)
    assert chance(sure, reference) == pytest.approx(chance(plain, reference), rel=0.01)
    assert chance(every, reference) == pytest.approx(chance(plain, reference), rel=0.01)


def test_nothing_is_said_where_nothing_is_known() -> None:
    unknown = Rate(None, 10, 10, 0, None, None, None, None, None, "no_labels")
    assert chance(unknown, rate(10, 100)) == 1.0 == chance(rate(10, 100), unknown) == chance(rate(0, 100), rate(10, 100))
    assert difference(unknown, rate(10, 100)) is None


def test_the_interval_of_a_difference_is_newcombes() -> None:
    """Newcombe 1998, table II, (a) 56/70 - 48/80, method 10: 0.0524 to 0.3339."""
    found = difference(rate(56, 70), rate(48, 80))
    assert found == pytest.approx((0.2, 0.0524, 0.3339), abs=2e-4)
    wider = difference(rate(56, 70), rate(48, 80), 4.0)
    assert found and wider and wider[2] - wider[1] == pytest.approx(2 * (found[2] - found[1]), rel=1e-6)


def test_nights_that_differ_by_more_than_chance_are_seen_to_and_others_are_not() -> None:
    rng = np.random.default_rng(3)
    night = np.repeat(np.arange(28), 200)
    alike, apart = [], []
    for _ in range(40):
        alike.append(dispersion(night, (rng.random(5600) < 0.05).astype(np.float64), np.ones(5600), 0.05))
        levels = np.repeat(rng.beta(5, 95, 28), 200)
        apart.append(dispersion(night, (rng.random(5600) < levels).astype(np.float64), np.ones(5600), 0.05))
    expected = 1 + USUAL_WANDER**2 * 200 * 0.05 / 0.95
    assert np.mean(alike) == pytest.approx((expected + 1) / 2, rel=0.05)
    # 1 + (n - 1) times the intra-night correlation 1 / 101.
    assert np.mean(apart) == pytest.approx((expected + 1 + 199 / 101) / 2, rel=0.15)
    assert dispersion(night, np.zeros(5600), np.ones(5600), 0.0) == 1.0


def test_what_was_not_tested_stays_out_of_the_family() -> None:
    assert corrected([None, 0.001, None, 0.5]) == [None, 0.002, None, 0.5]
    assert corrected([]) == [] and corrected([None]) == [None]


# the table

Rates = dict[str, float]


def days(
    usual: Rates, now: Rates, nights: int = 30, new_days: int = 2, verdict: str = "hallucinated", **more: Any
) -> pl.DataFrame:
    """The table of DAY after so many nights: features with these rates, in the last days with another version and rate."""
    frame: list[Row] = []
    rng, is_true = np.random.default_rng(more.pop("seed", 7)), {}
    for back in range(nights, -1, -1):
        day = DAY - timedelta(days=back)
        answers = []
        for feature in usual:
            for number in range(more.get("answers", 120)):
                name = f"{day} {feature} {number:04}"
                is_new = back < new_days and feature in now
                answers.append(answer(name, feature=feature, model="m", prompt_version="v2" if is_new else "v1"))
                is_true[name] = bool(rng.random() < (now[feature] if is_new else usual[feature]))
        frame += drawn(answers, more.get("labels", 120), day)
    labels = judge(frame, lambda row: is_true[row["request_id"]], verdict)
    return table(frame, labels)


def table(frame: list[Row], labels: list[Row], day: date = DAY) -> pl.DataFrame:
    return rate_changes(day, table_of("quality.labels", labels), table_of("quality.label_frame", frame))


def row(found: pl.DataFrame, scope: str, window_days: int = 2, **names: str) -> Row:
    wanted = found.filter(pl.col("scope") == scope, pl.col("window_days") == window_days)
    for name, value in names.items():
        wanted = wanted.filter(pl.col(name) == value)
    return wanted.row(0, named=True)


@pytest.fixture(scope="module")
def risen() -> pl.DataFrame:
    return days({"chat": 0.05, "mail": 0.05}, {"chat": 0.3})


def test_a_version_that_makes_things_up_is_worse_and_so_is_its_feature_but_no_other(risen: pl.DataFrame) -> None:
    assert risen.columns == [column.name for column in contracts()["quality.rate_changes"].columns]
    found = row(risen, "prompt_version", prompt_version="v2")
    assert (found["state"], found["feature"], found["compared_with"]) == ("worse", "chat", "other_versions")
    assert found["difference_low"] > 0.1
    assert found["difference"] == pytest.approx(found["rate"] - found["reference_rate"], abs=1e-5)
    assert found["q_value"] <= FALSE_DISCOVERIES and found["p_value"] <= found["q_value"]
    assert row(risen, "feature", feature="chat")["state"] == "worse"
    assert {row(risen, "feature", n, feature="mail")["state"] for n in (1, 2, 3)} == {"usual"}
    assert found["reference_days"] == 28, "the four weeks before the longest window, whatever the row's own"


def test_a_fall_of_what_is_good_is_a_rise_of_what_is_bad() -> None:
    bad = days({"chat": 0.1}, {"chat": 0.4})
    good = days({"chat": 0.9}, {"chat": 0.6}, verdict="grounded", seed=8)
    assert set(good["verdict"]) == {"grounded"}
    worse = row(good, "prompt_version", prompt_version="v2")
    assert worse["state"] == "worse" == row(bad, "prompt_version", prompt_version="v2")["state"]
    assert worse["difference"] < -0.15 and worse["difference_low"] <= worse["difference"] <= worse["difference_high"] < 0
    assert worse["low"] <= worse["rate"] <= worse["high"] < worse["reference_low"]
    better = days({"chat": 0.6}, {"chat": 0.9}, verdict="grounded")
    assert row(better, "prompt_version", prompt_version="v2")["state"] == "usual", "better is no alarm"


def test_a_version_that_was_always_there_is_held_against_its_own_earlier_nights() -> None:
    found = days({"chat": 0.05}, {}, new_days=0)
    only = row(found, "prompt_version", prompt_version="v1")
    assert (only["compared_with"], only["state"]) == ("earlier_nights", "usual")


def test_a_rise_that_has_lasted_for_weeks_is_still_one_beside_the_versions_before() -> None:
    found = days({"chat": 0.05}, {"chat": 0.3}, new_days=14)
    assert row(found, "prompt_version", prompt_version="v2")["state"] == "worse"


def test_a_young_house_has_no_reference_and_says_so() -> None:
    found = days({"chat": 0.05}, {"chat": 0.5}, nights=8)
    assert set(found["state"]) == {"no_reference"} and found["p_value"].null_count() == len(found)


def test_a_handful_of_labels_is_not_tested() -> None:
    found = days({"chat": 0.05, "rare": 0.05}, {"rare": 1.0}, labels=120, answers=60, new_days=1)
    few = days({"chat": 0.05, "rare": 0.05}, {"rare": 1.0}, labels=20, answers=60, new_days=1)
    one = row(few, "feature", 1, feature="rare")
    assert one["n_labelled"] < FEWEST_LABELS and (one["state"], one["p_value"]) == ("few_labels", None)
    assert row(found, "feature", 1, feature="rare")["state"] == "worse"


def is_one_of(names: set[str], row: Row) -> bool:
    return row["request_id"] in names


def test_four_bad_answers_are_never_a_rise() -> None:
    """Of 20 labels, and where nothing was ever wrong."""
    frame: list[Row] = []
    for back in range(30, -1, -1):
        day = DAY - timedelta(days=back)
        frame += drawn([answer(f"{day} {n:02}", feature="chat", prompt_version="v1") for n in range(20)], 20, day)
    for bad, state in ((4, "usual"), (7, "worse")):
        wrong = {r["request_id"] for r in frame if r["day"] == DAY and int(r["request_id"][-2:]) < bad}
        found = table(frame, judge(frame, partial(is_one_of, wrong)))
        assert {r["state"] for r in found.iter_rows(named=True) if r["window_days"] == 1} == {state}


def test_a_day_without_labels_has_no_rows_and_neither_has_a_feature_that_nobody_judged_today() -> None:
    frame: list[Row] = []
    for back in range(12, -1, -1):
        day = DAY - timedelta(days=back)
        frame += drawn([answer(f"{day} {n:02}", feature="ab"[n % 2]) for n in range(40)], 40, day)
    labels = judge(frame, lambda row: False)
    assert table(frame, [label for label in labels if label["day"] != DAY]).is_empty()
    of_a = {r["request_id"] for r in frame if r["feature"] == "a"}
    found = table(frame, [label for label in labels if label["day"] != DAY or label["request_id"] in of_a])
    assert set(found.filter(pl.col("scope") == "feature")["feature"]) == {"a"}
    assert table([], []).is_empty()


# worlds of nights, the small form of the proof


def test_a_large_rise_with_one_version_is_found_within_two_nights_and_quiet_nights_stay_quiet() -> None:
    for kind in (Kind("score"), Kind("no score", has_score=False)):
        world = World(kind, 77)
        reference = [world.night(night) for night in range(DAYS - 1)]
        assert found_after(world, Rise(0, DAYS - 1, 0.20), reference, 2) in (1, 2)
        quiet = [*reference, world.night(DAYS - 1)]
        assert alarms(judged_nights(quiet)) == []


def test_a_worlds_nights_do_not_depend_on_a_rise_that_is_yet_to_come() -> None:
    world, rise = World(Kind("score"), 5), Rise(0, 10, 0.2)
    before, with_rise = world.night(9), world.night(9, rise)
    assert np.array_equal(before.answers.verdict, with_rise.answers.verdict, equal_nan=True)
    risen_night = world.night(10, rise)
    assert set(risen_night.version[risen_night.feature == 0].tolist()) == {1000 * len(FEATURES)}
    assert replace(rise, night=11) != rise
