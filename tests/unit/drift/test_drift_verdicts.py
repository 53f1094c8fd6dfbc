"""Verdicts: what an alarm is explained by."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from assets.drift import drift_verdicts as table

DAY = date(2026, 3, 1)
KEY = {"segment_kind": "feature", "segment": "chat"}
REQUEST = {"feature": "chat", "model": "m", "tenant": "t", "environment": "prod", "is_shadow": None, "is_batch": None}
FEATURES = pl.DataFrame({"feature": ["chat"], "environments": ["prod,production"]})


def drift_verdicts(
    day: date, tests: pl.DataFrame, profiles: pl.DataFrame, requests: pl.DataFrame, features: pl.DataFrame
) -> pl.DataFrame:
    """Where no words are kept: there are no profiles of texts, and no topics."""
    return table.drift_verdicts(day, tests, profiles, profiles.clear(), TOPICS.clear(), requests, features)


def back(days: int) -> date:
    return DAY - timedelta(days=days)


def nights(family: str, metric: str, *alarms: int, quiet: tuple[int, ...] = ()) -> pl.DataFrame:
    """Rows of drift.drift_tests: alarms, and quiet nights, so many days ago."""
    figures = {"status": "full", "n": 300, "n_reference": 5600, "effect": 0.2, "floor": 0.05, "q": 0.001}
    return pl.DataFrame(
        [
            {"day": back(ago), **KEY, "family": family, "metric": metric, "window_first_day": back(ago + 2),
             **figures, "is_alarm": ago in alarms}
            for ago in (*alarms, *quiet)
        ]
    )  # fmt: skip


def profiles(family: str, metric: str, bins: dict[tuple[int, str], tuple[int, float | None]]) -> pl.DataFrame:
    """Rows of drift.profiles: (days ago, bin) -> (n, sum)."""
    rows = [
        {"day": back(ago), **KEY, "family": family, "metric": metric, "bin": name, "n": n, "value_sum": total}
        for (ago, name), (n, total) in bins.items()
    ]
    return pl.DataFrame(rows, schema_overrides={"value_sum": pl.Float64})


STYLES = {"has_list": False, "has_code": False, "has_link": False, "refuses": None, "hedges": False}
METRIC = "prompt_embedding.12ab34cd"
TOPICS = pl.DataFrame(
    [
        {"request_id": f"r{at}", "part": part, "reference": reference, "cluster": cluster, "similarity": near,
         "feature": feature, "model": "m", "tenant": "t", **STYLES, "refuses": refuses}
        for at, part, reference, cluster, near, feature, refuses in (
            (0, "prompt", "12ab34cd", 7, 0.5, "chat", None), (1, "prompt", "12ab34cd", 7, 0.9, "chat", None),
            (2, "prompt", "12ab34cd", 7, 0.95, "search", None), (3, "prompt", "12ab34cd", 2, 0.99, "chat", None),
            (4, "prompt", "ffffffff", 7, 0.99, "chat", None), (5, "output", "12ab34cd", 7, 0.99, "chat", True),
            (6, "output", "12ab34cd", 7, 0.99, "chat", False),
        )
    ],
    schema_overrides={"refuses": pl.Boolean},
)  # fmt: skip


def requests(*rows: dict[str, Any]) -> pl.DataFrame:
    from assets.drift.drift_verdicts import MEASURED

    empty = {name: None for name in MEASURED}
    return pl.DataFrame([{**empty, **REQUEST, "request_id": f"r{at}", **row} for at, row in enumerate(rows)])


LANGUAGES = profiles(
    "categorical",
    "prompt_language",
    {
        (ago, name): (n, None)
        for ago in range(20)
        for name, n in {"en": 50 if ago < 3 else 90, "de": 50 if ago < 3 else 10}.items()
    },
)


def test_shares_before_and_after_and_requests_of_what_grew() -> None:
    asked = requests(
        {"prompt_language": "de"}, {"prompt_language": "en"}, {"prompt_language": "de", "environment": "staging"},
        {"prompt_language": "de", "is_shadow": True}, {"prompt_language": "de", "feature": "search"},
        *({"prompt_language": "de"} for _ in range(9)),
    )  # fmt: skip
    (row,) = drift_verdicts(DAY, nights("categorical", "prompt_language", 0), LANGUAGES, asked, FEATURES).iter_rows(
        named=True
    )
    assert (row["grew"], row["shrank"]) == ("de: 10.0 % -> 50.0 %", "en: 90.0 % -> 50.0 %")
    assert row["exemplar_request_ids"] == "r0, r10, r11, r12, r13"
    assert (row["since_day"], row["direction"], row["mean_before"]) == (back(2), "mix", None)


def test_a_run_of_alarms_began_after_the_last_quiet_night() -> None:
    alarms = nights("categorical", "prompt_language", 0, 1, 2, 9, quiet=(3, 8))
    (row,) = drift_verdicts(DAY, alarms, LANGUAGES, requests({}), FEATURES).iter_rows(named=True)
    assert row["since_day"] == back(4)


def test_days_of_an_earlier_alarm_are_no_part_of_before() -> None:
    shares = profiles(
        "categorical",
        "prompt_language",
        {
            (ago, name): (50 if ago < 3 or 9 <= ago <= 11 else n, None)
            for ago in range(20)
            for name, n in (("en", 90), ("de", 10))
        },
    )
    alarms = nights("categorical", "prompt_language", 0, 9, quiet=(1, 2, 3))
    (row,) = drift_verdicts(DAY, alarms, shares, requests({}), FEATURES).iter_rows(named=True)
    assert row["grew"] == "de: 10.0 % -> 50.0 %"


@pytest.mark.parametrize(("factor", "direction"), [(40, "up"), (-40, "down")])
def test_numbers_are_higher_or_lower_by_their_logarithms(factor: int, direction: str) -> None:
    """An outlier of a million in the reference makes the mean fall, and the direction does not follow it."""
    numbers = {
        (ago, str(name + (factor if ago < 3 else 0))): (10, 1000.0) for ago in range(20) for name in range(200, 240, 4)
    }
    numbers[12, "691"] = (1, 1e6)
    shown = requests({"latency_ms": 1e9}, {"latency_ms": None})
    found = drift_verdicts(
        DAY, nights("numeric", "latency_ms", 0), profiles("numeric", "latency_ms", numbers), shown, FEATURES
    )
    (row,) = found.iter_rows(named=True)
    assert row["direction"] == direction
    assert row["mean_before"] > row["mean_after"]
    assert row["exemplar_request_ids"] is None


def test_a_number_that_became_zero_has_exemplars_of_zero() -> None:
    numbers = {(ago, "" if ago < 3 else "231"): (10, 0.0) for ago in range(20)}
    shown = requests({"input_tokens": 0}, {"input_tokens": 100})
    found = drift_verdicts(
        DAY, nights("numeric", "input_tokens", 0), profiles("numeric", "input_tokens", numbers), shown, FEATURES
    )
    (row,) = found.iter_rows(named=True)
    assert (row["grew"], row["exemplar_request_ids"], row["direction"]) == ("0: 0.0 % -> 100.0 %", "r0", "down")


@pytest.mark.parametrize(("metric", "shown"), [("latency_ms", "r1, r2"), ("output_tokens", "r0, r1, r2")])
def test_a_batch_that_nobody_waits_for_is_no_example_of_slowness(metric: str, shown: str) -> None:
    numbers = {(ago, "350" if ago < 3 else "231"): (10, 0.0) for ago in range(20)}
    value = {metric: 1.02 * 0.99 * (1.01 / 0.99) ** 349}
    asked = requests({**value, "is_batch": True}, {**value, "is_batch": False}, value)
    (row,) = drift_verdicts(
        DAY, nights("numeric", metric, 0), profiles("numeric", metric, numbers), asked, FEATURES
    ).iter_rows(named=True)
    assert row["exemplar_request_ids"] == shown


def test_a_quiet_night_has_no_verdict_and_still_the_columns() -> None:
    quiet = nights("categorical", "prompt_language", quiet=(0,))
    found = drift_verdicts(DAY, quiet, LANGUAGES, requests({}), FEATURES)
    assert found.is_empty()
    assert found.schema["title"] == pl.String


def test_a_topic_that_grew_is_shown_by_the_texts_nearest_its_centre() -> None:
    shares = {(ago, name): (n, None) for ago in range(20) for name, n in {"7": 30 if ago < 3 else 10, "2": 90}.items()}
    texts = profiles("embedding", f"{METRIC}.cluster", shares)
    alarms = nights("embedding", METRIC, 0)
    (row,) = table.drift_verdicts(DAY, alarms, LANGUAGES.clear(), texts, TOPICS, requests({}), FEATURES).iter_rows(
        named=True
    )
    assert (row["grew"], row["grown_bin"]) == ("cluster 7: 10.0 % -> 25.0 %", "7")
    assert row["exemplar_request_ids"] == "r1, r0"
    assert "prompt_embedding.12ab34cd of feature chat is mixed differently" in row["title"]


def test_a_style_that_grew_is_shown_by_answers_that_have_it() -> None:
    shares = {(ago, name): (n, None) for ago in range(20) for name, n in {"yes": 30 if ago < 3 else 10, "no": 90}.items()}
    texts = profiles("categorical", "output_refuses", shares)
    (row,) = table.drift_verdicts(
        DAY, nights("categorical", "output_refuses", 0), LANGUAGES.clear(), texts, TOPICS, requests({}), FEATURES
    ).iter_rows(named=True)
    assert (row["grown_bin"], row["exemplar_request_ids"]) == ("yes", "r5")
