"""What is left of a budget: shares computed by hand, forecasts, and the days on which nothing can be said."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import polars as pl
import pytest
from promises import DAY, NOON, counts, estimate, estimates, promise, promises

from assets.service.slo_status import slo_status
from resources.contracts import contracts


def days(*by_day: tuple[int, int], last: date = DAY) -> pl.DataFrame:
    """Counts (total, bad) of consecutive days, the last of which is `last`."""
    first = last - timedelta(days=len(by_day) - 1)
    noon = time(12, tzinfo=UTC)
    return counts(
        *((datetime.combine(first + timedelta(days=place), noon), *given) for place, given in enumerate(by_day) if given[0])
    )


def status(seen: pl.DataFrame, **changes: Any) -> dict[str, Any]:
    found = slo_status(DAY, seen, estimates(), promises(promise(**changes)))
    assert found.columns == [column.name for column in contracts()["service.slo_status"].columns]
    return found.row(0, named=True)


def test_what_is_burned_is_the_bad_part_of_what_may_be_bad() -> None:
    """10 days of 1,000 requests may have 10 bad ones at 99.9 %; 5 are half of that."""
    found = status(days(*[(1000, 1)] * 5, *[(1000, 0)] * 5))
    assert (found["total"], found["good"], found["bad"]) == (10_000, 9_995, 5)
    assert found["budget"] == pytest.approx(10)
    assert (found["burned_share"], found["remaining_share"]) == (pytest.approx(0.5), pytest.approx(0.5))
    assert (found["state"], found["is_spent"], found["exhausted_on_forecast"]) == ("ok", False, None)
    assert found["good_share"] == 0.9995
    assert (found["low"], found["high"]) == (pytest.approx(0.998830, abs=1e-6), pytest.approx(0.999786, abs=1e-6))
    assert found["window_first_day"] == date(2025, 12, 17)


def test_a_budget_is_shown_without_the_noise_of_doubles() -> None:
    """(1 - 0.98) x 1330 is 26.600000000000023 in doubles."""
    found = status(days((1330, 10)), target=0.98)
    assert (found["budget"], found["burned_share"], found["remaining_share"]) == (26.6, 0.37593985, 0.62406015)


def test_a_budget_is_spent_with_its_last_event() -> None:
    for bad, state, is_spent in ((9, "ok", False), (10, "spent", True), (25, "spent", True)):
        found = status(days((9000, bad), *[(250, 0)] * 4))
        assert (found["state"], found["is_spent"]) == (state, is_spent)
    assert (found["burned_share"], found["remaining_share"]) == (pytest.approx(2.5), pytest.approx(-1.5))
    assert found["exhausted_on_forecast"] is None


def test_the_forecast_goes_on_as_the_last_three_days_did() -> None:
    """30 days of 1,000 may have 30 bad. The last three had 6 each; 6 a day more, and it is 30 in two days."""
    found = status(days(*[(1000, 0)] * 27, *[(1000, 6)] * 3))
    assert (found["state"], found["exhausted_on_forecast"]) == ("burning", DAY + timedelta(days=2))


def test_what_leaves_the_window_is_earned_back() -> None:
    """21 bad of 30 that may be, and one more a day of 2,000 requests: the oldest days take their 18 away."""
    found = status(days(*[(1000, 6)] * 3, *[(1000, 0)] * 24, *[(2000, 1)] * 3))
    assert (found["state"], found["exhausted_on_forecast"]) == ("ok", None)


def test_two_bad_events_are_no_pace() -> None:
    """2,000 requests may have 2 bad ones; a third would spend it, but two are chance."""
    found = status(days((1500, 0), (750, 0), (750, 0), (0, 0), (10, 2)))
    assert (found["state"], found["exhausted_on_forecast"]) == ("ok", None)


def test_days_before_the_window_are_forgotten() -> None:
    seen = days((1000, 900), *[(1000, 0)] * 7)
    assert status(seen, window_days=7)["bad"] == 0
    assert status(seen, window_days=8)["state"] == "spent"
    assert status(seen, window_days=7)["window_first_day"] == DAY - timedelta(days=6)


@pytest.mark.parametrize(
    "seen",
    [days(), days(*[(1, 0)] * 30), days(*[(1, 0)] * 29, (1, 1)), days((999, 1)), days((20, 2))],
    ids=["no traffic", "one request a day", "one of them failed", "less than one may fail", "two of few failed"],
)
def test_where_the_budget_is_less_than_one_event_there_is_not_enough_data(seen: pl.DataFrame) -> None:
    found = status(seen)
    assert found["state"] == "not_enough_data"
    assert found["is_spent"] is found["burned_share"] is found["remaining_share"] is found["exhausted_on_forecast"] is None
    assert found["total"] == seen["total"].sum()
    assert (found["good_share"] is None) == (found["total"] == 0)


def test_few_requests_of_which_most_fail_are_enough_to_say_that_it_is_spent() -> None:
    found = status(days((20, 15)))
    assert (found["state"], found["is_spent"], found["budget"]) == ("spent", True, pytest.approx(0.02))


def test_a_feature_that_went_away_keeps_its_promise_until_its_days_leave_the_window() -> None:
    gone = days((10_000, 4), last=DAY - timedelta(days=29))
    assert status(gone)["burned_share"] == pytest.approx(0.4)
    assert status(gone, window_days=28)["state"] == "not_enough_data"


def test_a_promise_without_a_figure_stands_there_without_one() -> None:
    found = status(days((1000, 900)), is_measured=False)
    assert found["state"] == "not_measured"
    assert {name for name, value in found.items() if value is not None} == {
        "day", "slo", "feature", "window_first_day", "target", "state",
    }  # fmt: skip


def test_a_sample_of_opinions_spends_the_bound_of_its_interval() -> None:
    """24 of 50 are unhappy where 20 may be: by the point it is spent, but 34 % of all may be as unhappy as that."""
    sampled, counted = status(days((50, 24)), target=0.6, is_sampled=True), status(days((50, 24)), target=0.6)
    assert (counted["state"], counted["burned_share"]) == ("spent", pytest.approx(1.2))
    assert (sampled["is_spent"], sampled["high"]) == (False, pytest.approx(0.6520, abs=1e-3))
    assert sampled["burned_share"] == pytest.approx((1 - sampled["high"]) / 0.4)
    assert status(days((5000, 2400)), target=0.6, is_sampled=True)["state"] == "spent"


def judged(rate: dict[str, Any] | None, indicator: str = "hallucination", **changes: Any) -> dict[str, Any]:
    """The status of a promise of 95 % that people's verdicts tell."""
    made = promise(indicator=indicator, target=0.95, is_sampled=True, **changes)
    return slo_status(DAY, days(), estimates(*([rate] if rate else [])), promises(made)).row(0, named=True)


def test_what_people_judge_spends_the_bound_of_its_estimate_and_counts_nothing() -> None:
    """At 4 % (2 to 7) two fifths of the 5 % are surely spent, whatever the point says."""
    found = judged(estimate())
    assert (found["good_share"], found["low"], found["high"]) == (0.96, 0.93, 0.98)
    assert (found["burned_share"], found["remaining_share"]) == (pytest.approx(0.4), pytest.approx(0.6))
    assert (found["state"], found["is_spent"], found["total"]) == ("ok", False, 400)
    assert found["good"] is found["bad"] is found["budget"] is found["exhausted_on_forecast"] is None
    assert judged(estimate(rate=0.09, low=0.049, high=0.13))["state"] == "ok", "what may be chance spends nothing"
    spent = judged(estimate(rate=0.09, low=0.06, high=0.13))
    assert (spent["state"], spent["burned_share"]) == ("spent", pytest.approx(1.2))


def test_a_good_verdict_is_the_share_itself() -> None:
    grounded = estimate(verdict="grounded", rate=0.9, low=0.86, high=0.94)
    found = judged(grounded, "groundedness")
    assert (found["good_share"], found["low"], found["high"], found["state"]) == (0.9, 0.86, 0.94, "spent")


@pytest.mark.parametrize(
    ("rate", "total"),
    [
        (None, 0),
        (estimate(rate=None, low=None, high=None, n_labelled=0, n_effective=None), 0),
        (estimate(rate=None, low=None, high=None), 400),
        (estimate(rate=0.0, low=0.0, high=0.2, n_labelled=19, n_effective=19.0), 19),
        (estimate(feature="mail"), 0),
        (estimate(scope="prompt_version"), 0),
        (estimate(window_days=7), 0),
    ],
    ids=["no answers", "no labels", "too noisy", "19 labels of 5 %", "another feature", "a part of it", "another window"],
)
def test_too_few_labels_say_neither_kept_nor_broken(rate: dict[str, Any] | None, total: int) -> None:
    found = judged(rate)
    assert (found["state"], found["total"]) == ("not_enough_data", total)
    assert found["is_spent"] is found["burned_share"] is found["remaining_share"] is None


def test_few_labels_of_which_most_are_bad_are_enough() -> None:
    found = judged(estimate(rate=0.6, low=0.3, high=0.9, n_labelled=12, n_effective=12.0))
    assert (found["state"], found["is_spent"]) == ("spent", True)


def test_models_are_added_up_and_other_promises_are_not() -> None:
    seen = pl.concat([counts((NOON, 5000, 2, "a"), (NOON, 5000, 3, None)), counts((NOON, 9, 9), slo="another")])
    found = slo_status(
        DAY, seen, estimates(), promises(promise(), promise(feature="new"), promise("another", is_measured=False))
    )
    assert found.select("slo", "feature", "bad", "state").rows() == [
        ("another", "chat", None, "not_measured"),
        ("available", "chat", 5, "ok"),
        ("available", "new", 0, "not_enough_data"),
    ]


def test_no_promise_is_no_row() -> None:
    assert slo_status(DAY, days((1000, 900)), estimates(), promises().clear()).is_empty()
