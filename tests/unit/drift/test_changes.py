"""Changes: which alarms are one ticket, what it is called, and that it keeps its name."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl

from assets.drift.changes import changes
from assets.drift.family_arrays import KEY

DAY = date(2026, 3, 10)
NO_NAMES = {"feature": pl.String, "environments": pl.String}
FEATURES = pl.DataFrame({"feature": ["chat"], "environments": [None]}, schema=NO_NAMES)
TRAFFIC = {
    # (feature, model, tenant): requests of the day
    ("chat", "small", "a"): 60, ("chat", "small", "b"): 40, ("search", "small", "a"): 100, ("mail", "large", "b"): 300,
}  # fmt: skip
NO_HISTORY = pl.DataFrame(
    schema={"day": pl.Date, **dict.fromkeys((*KEY, "change_id", "change_family"), pl.String),
            "change_since_day": pl.Date, "place": pl.Int64}
)  # fmt: skip


def alarm(
    segment: str, effect: float, metric: str = "prompt_language", family: str = "categorical", since: int = 2, **more: Any
) -> dict[str, Any]:
    """A verdict of a segment `kind:name`, or `all:`, that began so many days ago."""
    kind, name = segment.split(":")
    return {
        "segment_kind": kind, "segment": name, "family": family, "metric": metric, "since_day": DAY - timedelta(days=since),
        "status": "full", "effect": effect, "floor": 0.1, "n": 300, "title": f"{metric} of {segment}", **more,
    }  # fmt: skip


def grouped(*alarms: dict[str, Any], day: date = DAY, before: pl.DataFrame = NO_HISTORY) -> pl.DataFrame:
    requests = pl.DataFrame(
        [
            {"request_id": f"{feature}{tenant}{n}", "feature": feature, "model": model, "tenant": tenant,
             "environment": None, "is_shadow": None}
            for (feature, model, tenant), count in TRAFFIC.items()
            for n in range(count)
        ],
        schema_overrides={"environment": pl.String, "is_shadow": pl.Boolean},
    )  # fmt: skip
    named = [("feature", "chat"), ("feature", "search"), ("model", "small"), ("tenant", "a")]
    profiles = pl.DataFrame(named, schema=["segment_kind", "segment"], orient="row")
    return changes(day, pl.DataFrame(alarms), before, profiles, requests, FEATURES)


def tickets(found: pl.DataFrame) -> list[str]:
    return sorted(found["ticket"].drop_nulls().to_list())


def names(found: pl.DataFrame) -> set[str]:
    return set(found["change_id"])


CHAT = alarm("feature:chat", 0.6)
ITS_MODEL, ITS_TENANT, EVERYTHING = alarm("model:small", 0.35), alarm("tenant:a", 0.3), alarm("all:", 0.2)


def test_a_change_of_one_feature_that_shows_in_all_its_model_and_its_tenant_is_one_ticket_of_the_feature() -> None:
    found = grouped(EVERYTHING, ITS_MODEL, CHAT, ITS_TENANT)
    assert len(names(found)) == 1
    assert tickets(found) == ["prompt_language of feature:chat; seen in 3 more segments (3 more tests)"]
    assert found.filter(pl.col("place") == 1)["segment"].to_list() == ["chat"]


def test_a_change_of_a_model_that_shows_in_both_its_features_is_one_ticket_of_the_model() -> None:
    both = alarm("feature:chat", 0.52), alarm("feature:search", 0.48)
    found = grouped(*both, alarm("model:small", 0.5), alarm("all:", 0.2))
    assert found.filter(pl.col("place") == 1)["segment"].to_list() == ["small"]
    assert len(names(found)) == 1


def test_what_moves_with_it_in_the_same_days_is_counted_and_not_raised() -> None:
    latency = alarm("feature:chat", 0.3, "latency_ms", "numeric", since=1)
    found = grouped(CHAT, latency, alarm("feature:chat", 0.2, "output_tokens", "numeric", since=0))
    assert tickets(found) == ["prompt_language of feature:chat; also latency_ms, output_tokens (2 more tests)"]


def test_an_alarm_of_two_groups_shows_that_they_are_one() -> None:
    """Tenant and feature were told apart by metric, until the feature's second metric joins what the tenant's began."""
    found = grouped(
        alarm("tenant:a", 0.7, metric="output_language"),
        alarm("feature:chat", 0.65, metric="output_embedding"),
        alarm("feature:chat", 0.6, metric="output_language"),
    )
    assert len(names(found)) == 1


def test_two_features_that_change_in_different_ways_are_two_tickets_though_all_requests_show_both() -> None:
    found = grouped(
        CHAT, alarm("feature:mail", 0.5, "latency_ms", "numeric"), EVERYTHING, alarm("all:", 0.3, "latency_ms", "numeric")
    )
    assert tickets(found) == [
        "latency_ms of feature:mail; seen in 1 more segment (1 more test)",
        "prompt_language of feature:chat; seen in 1 more segment (1 more test)",
    ]


def test_two_features_without_a_request_in_common_are_two_tickets() -> None:
    assert len(names(grouped(CHAT, alarm("feature:mail", 0.5)))) == 2


def test_a_second_change_of_a_feature_weeks_later_is_a_ticket_of_its_own() -> None:
    assert len(names(grouped({**CHAT, "since_day": DAY - timedelta(days=20)}, alarm("feature:chat", 0.3, "refusal")))) == 2


def test_the_others_are_the_segments_that_do_not_stand_for_themselves() -> None:
    """mail is named by no profile of the day, so that it is what (others) shows."""
    found = grouped(alarm("feature:(others)", 0.6), alarm("model:large", 0.5))
    assert len(names(found)) == 1


def test_a_change_keeps_its_name_over_nights_on_which_something_else_names_it_or_nothing_is_found() -> None:
    first = grouped(CHAT, EVERYTHING)
    louder = {**ITS_MODEL, "effect": 0.9}
    later = grouped(CHAT, louder, EVERYTHING, day=DAY + timedelta(days=3), before=first)
    assert names(later) == names(first)
    assert later["change_since_day"].unique().to_list() == first["change_since_day"].unique().to_list()
    again = {**CHAT, "since_day": DAY + timedelta(days=1)}
    assert names(grouped(again, day=DAY + timedelta(days=3), before=first)) == names(first)


def test_a_tenant_that_notices_weeks_later_what_its_feature_went_through_is_no_new_ticket() -> None:
    old = {**CHAT, "since_day": DAY - timedelta(days=20)}
    late = alarm("tenant:a", 0.3)
    assert len(names(grouped(old, late, before=grouped(old, day=DAY - timedelta(days=1))))) == 1
    # Without a request in common there is nothing to notice.
    assert len(names(grouped(old, alarm("model:large", 0.3), before=grouped(old, day=DAY - timedelta(days=1))))) == 2


def test_a_weak_reference_stands_in_the_title() -> None:
    assert tickets(grouped({**CHAT, "status": "weak"})) == ["prompt_language of feature:chat (weak)"]


def test_a_quiet_night_has_no_change() -> None:
    assert grouped().is_empty()


def test_each_metric_has_a_class_of_cause() -> None:
    found = grouped(
        alarm("feature:chat", 0.6, "output_embedding.a1", "embedding"),
        alarm("feature:mail", 0.5, "index_version"),
        alarm("model:large", 0.5, "prompt_embedding.a1", "embedding", since=20),
    )
    assert {row for row in found.select("metric", "cause_class", "component").iter_rows()} == {
        ("output_embedding.a1", "model", "provider"), ("index_version", "data", "retrieval"),
        ("prompt_embedding.a1", "data", "prompt"),
    }  # fmt: skip
