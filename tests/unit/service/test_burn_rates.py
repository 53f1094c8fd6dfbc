"""Burn rates: windows whose answers were computed by hand, thin traffic, and what is left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from promises import DAY, NOON, counts, promise, promises, steady

from assets.service.burn_rates import burn_rates
from assets.service.burn_rules import RULES, STEPS_A_DAY, replay, trailing
from resources.contracts import contracts

MIDNIGHT = datetime(2026, 1, 15, tzinfo=UTC)
THREE_DAYS_AGO = MIDNIGHT - timedelta(days=3)
END = MIDNIGHT + timedelta(days=1)


def row(found: pl.DataFrame, rule: str, hour: int) -> dict[str, Any]:
    return found.row(by_predicate=(pl.col("rule") == rule) & (pl.col("hour_start").dt.hour() == hour), named=True)


def rule(name: str) -> Any:
    return next(r for r in RULES if r.name == name)


# windows


def test_an_outage_fires_when_both_windows_say_so_and_stops_with_the_short_one() -> None:
    """100 requests every five minutes; from 12:00 to 13:00 two of them fail, which is 20 times what 99.9 % allows.

    14.4 times the budget of an hour are 1,200 x 0.001 x 14.4 = 17.28 bad requests: the ninth step brings 18, at 12:45.
    At 13:05 the short window holds no bad request any more.
    """
    before, during, after = (
        steady(THREE_DAYS_AGO, NOON, 100),
        steady(NOON, NOON + timedelta(hours=1), 100, 2),
        steady(NOON + timedelta(hours=1), END, 100),
    )
    found = burn_rates(DAY, counts(*before, *during, *after), promises())
    noon = row(found, "page_fast", 12)
    assert (noon["state"], noon["severity"], noon["steps_firing"]) == ("firing", "page", 4)
    assert noon["first_firing_at"] == NOON + timedelta(minutes=45)
    assert noon["last_firing_at"] == NOON + timedelta(minutes=60)
    assert (noon["long_total"], noon["long_bad"]) == (1200, 24)
    assert (noon["long_burn_rate"], noon["short_burn_rate"]) == (pytest.approx(20), pytest.approx(20))
    assert (noon["factor"], noon["long_window_min"], noon["short_window_min"]) == (14.4, 60, 5)
    later = row(found, "page_fast", 13)
    assert (later["state"], later["steps_firing"], later["first_firing_at"]) == ("quiet", 0, None)
    assert (later["long_bad"], later["short_burn_rate"]) == (22, 0)
    assert found.filter(pl.col("rule") == "page_fast")["hour_start"].dt.hour().to_list() == [12, 13]
    # Six times the budget of six hours are 7,200 x 0.001 x 6 = 43.2 bad requests; there are never more than 24.
    assert set(found.filter(pl.col("rule") == "page_slow")["state"]) == {"quiet"}
    # Five times the budget of an hour are 6 bad requests. The fourth step brings 8, which prove no more than 0.21 %, and a
    # ticket asks for half of the rule's 0.5 %; the fifth brings 10, which prove 0.31 %, at 12:25.
    assert row(found, "five_times_planned", 12)["first_firing_at"] == NOON + timedelta(minutes=25)
    # Three days hold 86,400 requests, whose budget of 86.4 the 24 bad ones do not reach.
    assert "firing" not in set(found.filter(pl.col("rule") == "ticket_slow")["state"])


@pytest.mark.parametrize(
    ("name", "at_the_limit"),
    [
        ("page_fast", 1440),
        ("page_slow", 600),
        ("ticket_fast", 300),
        ("ticket_slow", 100),
        ("half_budget_a_day", 1500),
        ("five_times_planned", 500),
    ],
)
def test_exactly_the_factor_is_quiet_and_one_event_more_fires(name: str, at_the_limit: int) -> None:
    """10,000 events every five minutes against 99 %: the budget is 100 of them, and half of 30 days' budget in one day is
    15 times that."""
    for bad, state in ((at_the_limit, "quiet"), (at_the_limit + 1, "firing")):
        seen = counts(*steady(THREE_DAYS_AGO, END, 10_000, bad))
        found = burn_rates(DAY, seen, promises(promise(target=0.99))).filter(pl.col("rule") == name)
        assert found["state"].to_list() == [state] * 24
        assert set(found["steps_firing"]) == {12 if state == "firing" else 0}


def test_half_of_a_short_budget_is_less_than_half_of_a_long_one() -> None:
    assert rule("half_budget_a_day").factor(30) == 15
    assert rule("half_budget_a_day").factor(7) == 3.5
    assert rule("page_fast").factor(7) == 14.4


def test_the_first_minutes_of_a_day_see_the_day_before() -> None:
    """All fails from 23:00 to midnight: the short window of half an hour holds some of it until 00:25."""
    evening = MIDNIGHT - timedelta(hours=1)
    seen = [*steady(MIDNIGHT - timedelta(hours=6), evening, 100), *steady(evening, MIDNIGHT, 100, 100)]
    found = burn_rates(DAY, counts(*seen, *steady(MIDNIGHT, END, 100)), promises())
    first = row(found, "page_slow", 0)
    assert (first["state"], first["steps_firing"]) == ("firing", 5)
    assert (first["first_firing_at"], first["last_firing_at"]) == (
        MIDNIGHT + timedelta(minutes=5),
        MIDNIGHT + timedelta(minutes=25),
    )
    assert first["long_total"] == 7200


@given(st.lists(st.integers(0, 50), min_size=1, max_size=80), st.integers(1, 100))
def test_a_trailing_sum_is_the_sum_of_the_steps_that_it_names(values: list[int], steps: int) -> None:
    expected = [sum(values[max(0, end - steps + 1) : end + 1]) for end in range(len(values))]
    assert trailing(np.array(values), steps).tolist() == expected
    assert trailing(np.array([values, values]), steps).tolist() == [expected, expected]


@pytest.mark.parametrize("burn_rule", RULES, ids=lambda r: r.name)
def test_a_bad_step_stays_in_a_window_for_exactly_its_length(burn_rule: Any) -> None:
    bad = np.zeros(4 * STEPS_A_DAY, dtype=np.int64)
    bad[10] = 7
    seen = replay(np.full_like(bad, 100), bad, 0.999, burn_rule, 30)
    assert (np.flatnonzero(seen.long_bad)[[0, -1]] == [10, 10 + burn_rule.long_min // 5 - 1]).all()
    assert (np.flatnonzero(seen.short_bad)[[0, -1]] == [10, 10 + burn_rule.short_min // 5 - 1]).all()


# thin traffic


def test_one_failed_request_a_day_wakes_nobody() -> None:
    """At one request a day every window burns a thousand times too fast on its first failure. When three days in a row
    have failed, that is worth a ticket, and not before."""
    seen = [(MIDNIGHT - timedelta(days=days, hours=-12), 1, 1) for days in range(4)]
    found = burn_rates(DAY, counts(*seen[:2]), promises())
    assert set(found["state"]) == {"thin", "quiet"}
    found = burn_rates(DAY, counts(*seen), promises())
    assert set(found.filter(pl.col("severity") == "page")["state"]) == {"thin", "quiet"}
    assert set(found.filter(pl.col("state") == "firing")["rule"]) == {"ticket_slow"}
    assert set(row(found, "page_fast", 12).items()) >= {("state", "thin"), ("long_total", 1), ("long_bad", 1)}


def test_three_bad_events_are_the_least_that_fire() -> None:
    for bad, state in ((2, "thin"), (3, "firing")):
        found = burn_rates(DAY, counts((NOON, bad, bad)), promises())
        assert row(found, "page_fast", 12)["state"] == state


def test_three_bad_of_many_say_less_than_three_bad_of_few() -> None:
    """3 of 200 are 15 times the budget, over the 14.4 of the rule; but no less than 0.17 % is all that they prove."""
    found = burn_rates(DAY, counts((NOON, 200, 3)), promises())
    thin = row(found, "page_fast", 12)
    assert (thin["state"], thin["long_burn_rate"]) == ("thin", pytest.approx(15))
    assert 0.001 < thin["lower_bound"] < 0.0036
    assert row(burn_rates(DAY, counts((NOON, 2000, 30)), promises()), "page_fast", 12)["state"] == "firing"


def test_a_ticket_needs_proof_that_the_budget_burns_faster_than_planned() -> None:
    """4 of 3,600 in three days are over 99.9 %, but so are 1 in 19 quiet stretches at that rate."""
    steps = [*steady(MIDNIGHT - timedelta(days=2), MIDNIGHT - timedelta(hours=1), 6), (MIDNIGHT, 200, 4)]
    assert row(burn_rates(DAY, counts(*steps), promises()), "ticket_slow", 0)["state"] == "thin"
    steps = [*steady(MIDNIGHT - timedelta(days=2), MIDNIGHT - timedelta(hours=1), 6), (MIDNIGHT, 200, 14)]
    assert row(burn_rates(DAY, counts(*steps), promises()), "ticket_slow", 0)["state"] == "firing"


def test_a_sample_of_opinions_burns_with_the_bound_of_its_interval() -> None:
    """Half are unhappy where 40 % may be: of 20 people that proves nothing, of 400 it does. Requests would have fired."""
    for asked, sampled, counted in ((20, "thin", "thin"), (60, "thin", "thin"), (400, "firing", "firing")):
        seen = counts((NOON, asked, asked // 2))
        for is_sampled, state in ((True, sampled), (False, counted)):
            found = burn_rates(DAY, seen, promises(promise(target=0.6, is_sampled=is_sampled)))
            assert row(found, "ticket_slow", 12)["state"] == state
    # Twice as many as may be, of 60: surely more than planned, not surely three times as many.
    seen = counts((NOON, 60, 40))
    states = {
        is_sampled: row(burn_rates(DAY, seen, promises(promise(target=0.8, is_sampled=is_sampled))), "ticket_fast", 12)[
            "state"
        ]
        for is_sampled in (False, True)
    }
    assert states == {False: "firing", True: "thin"}


# who, and what is left out


def test_the_model_with_the_most_bad_events_of_the_long_window_is_named() -> None:
    hour = timedelta(hours=1)
    seen = counts(
        (NOON - 30 * hour, 100, 90, "gone"),
        (NOON - 2 * hour, 100, 50, "earlier"),
        (NOON, 100, 20, "beta"),
        (NOON, 100, 20, "alpha"),
        (NOON, 100, 90, None),
    )
    found = burn_rates(DAY, seen, promises())
    assert row(found, "page_fast", 12)["top_model"] == "alpha"
    assert row(found, "page_slow", 12)["top_model"] == "earlier"
    assert row(found, "ticket_slow", 12)["top_model"] == "gone"
    assert row(found, "page_fast", 12)["long_bad"] == 130
    unnamed = burn_rates(DAY, counts((NOON, 100, 90, None)), promises())
    assert set(unnamed["top_model"]) == {None}


def test_a_promise_whose_policy_is_ticket_pages_nobody() -> None:
    found = burn_rates(DAY, counts((NOON, 100, 90)), promises(promise(severity_policy="ticket")))
    assert "firing" in set(found["state"]) and set(found["severity"]) == {"ticket"}


@pytest.mark.parametrize(
    ("seen", "made"),
    [
        (counts(), promises()),
        (counts((NOON, 100, 0)), promises()),
        (counts((NOON, 100, 90)), promises(promise(is_measured=False))),
        (counts((NOON, 100, 90)), promises(promise("another"))),
        (counts((NOON, 100, 90)), promises().clear()),
    ],
    ids=["an empty day", "nothing bad", "not measured", "a new feature", "no promise left"],
)
def test_where_nothing_is_bad_or_nothing_is_promised_there_is_no_row(seen: pl.DataFrame, made: pl.DataFrame) -> None:
    found = burn_rates(DAY, seen, made)
    assert found.is_empty()
    assert found.columns == [column.name for column in contracts()["service.burn_rates"].columns]


def test_an_hour_whose_short_window_is_empty_has_no_burn_rate_there() -> None:
    found = burn_rates(DAY, counts((NOON, 100, 90)), promises())
    assert row(found, "page_fast", 12)["state"] == "firing"
    assert row(found, "ticket_slow", 23)["short_burn_rate"] is None
    assert row(found, "ticket_slow", 23)["state"] == "quiet"
