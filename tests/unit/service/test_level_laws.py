"""Laws of the counts and histograms of service levels, for any requests: they add up, and bins keep to their one percent."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sql_cases import Case, run_case

from resources.contracts import contracts
from resources.warehouse import connect, load_macros, macros_used

DAY = date(2026, 1, 15)
Rows = list[dict[str, Any]]

times = st.none() | st.just(0.0) | st.floats(1e-3, 1e7)
requests = st.lists(
    st.fixed_dictionaries(
        {
            "ts": st.integers(0, 86_399_999_999).map(
                lambda us: datetime(2026, 1, 15, tzinfo=UTC) + timedelta(microseconds=us)
            ),
            "tenant": st.sampled_from([None, "a", "b"]),
            "feature": st.sampled_from([None, "f", "g"]),
            "request_model": st.sampled_from(["m", "n"]),
            "is_shadow": st.sampled_from([None, False, True]),
            "is_batch": st.sampled_from([None, False, True]),
            "is_complete": st.sampled_from([None, True, False]),
            "error_class": st.sampled_from([None, None, "client", "provider", "model"]),
            "http_status": st.sampled_from([None, 200, 429, 504]),
            "safety_input_verdict": st.sampled_from([None, "pass", "flag", "block"]),
            "safety_output_verdict": st.sampled_from([None, "pass", "flag", "block"]),
            "route": st.sampled_from([None, "x", "y"]),
            "expected_route": st.sampled_from([None, "x"]),
            "response_cache_hit": st.sampled_from([None, False, True]),
            "response_cache_age_s": st.sampled_from([None, 0.0, 4000.0]),
            "retry_count": st.sampled_from([None, 0, 2]),
            "input_tokens": st.sampled_from([None, 0, 7]),
            "output_tokens": st.sampled_from([None, 0, 5]),
            "latency_ms": times,
            "time_to_first_token_ms": times,
            "queue_ms": times,
        }
    ),
    max_size=30,
)


def computed(table: str, inputs: dict[str, Rows]) -> Rows:
    """The rows of a table over these inputs; its own checks must hold."""
    with TemporaryDirectory() as folder:
        rows, broken = run_case(Case(table, DAY, inputs, []), contracts(), Path(folder))
    assert not broken
    return rows


def landed(drawn: Rows) -> Rows:
    return [{"day": DAY, "request_id": f"r{number}", **row} for number, row in enumerate(drawn)]


def stored(rows: Rows) -> Rows:
    return [{"day": DAY, **row} for row in rows]


@settings(max_examples=15, deadline=None, derandomize=True)
@given(requests)
def test_every_request_that_somebody_saw_is_counted_once_and_measures_have_their_n(drawn: Rows) -> None:
    given_ = {"logs.requests": landed(drawn)}
    levels, timing = computed("service.sli_5min", given_), computed("service.timing_5min", given_)
    seen = [r for r in drawn if not r["is_shadow"]]
    waited = [r for r in seen if not r["is_batch"]]

    def total(column: str) -> int:
        return sum(row[column] or 0 for row in levels)

    def measured(measure: str) -> int:
        return sum(row["n"] for row in timing if row["measure"] == measure)

    assert total("requests") == len(seen)
    assert total("failed_client") + total("failed_provider") + total("failed_model") == sum(
        r["error_class"] is not None for r in seen
    )
    assert total("input_tokens") == sum(r["input_tokens"] or 0 for r in seen)
    for column, measure, rows in (
        ("latency", "latency_ms", waited),
        ("time_to_first_token", "time_to_first_token_ms", waited),
        ("queue", "queue_ms", seen),
    ):
        values = [r[measure] for r in rows if r[measure] is not None]
        assert total(f"{column}_n") == measured(measure) == len(values)
        exact = sum((Decimal(str(round(v, 3))) for v in values), Decimal(0))
        assert abs(total(f"{column}_ms_sum") - exact) <= Decimal("0.001") * len(values)
    assert total("latency_over_1280ms") == sum((r["latency_ms"] or 0) > 1280 for r in waited)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(requests)
def test_hours_make_the_day_in_every_scope(drawn: Rows) -> None:
    buckets = stored(computed("service.sli_5min", {"logs.requests": landed(drawn)}))
    by_day = computed("service.sli_daily", {"service.sli_5min": buckets})
    by_hour = computed("service.sli_hourly", {"service.sli_5min": buckets})
    counts = [c.name for c in contracts()["service.sli_daily"].columns if c.type == "BIGINT"]
    assert len(counts) > 30

    def sums(rows: Rows) -> dict[tuple[Any, ...], list[int]]:
        found: dict[tuple[Any, ...], list[int]] = {}
        for row in rows:
            group = tuple(row[name] for name in ("scope", "tenant", "feature", "model"))
            found[group] = [
                a + (row[name] or 0) for a, name in zip(found.get(group, [0] * len(counts)), counts, strict=True)
            ]
        return found

    assert sums(by_day) == sums(by_hour)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(requests)
def test_a_quantile_from_bins_is_within_one_percent_of_that_of_the_values(drawn: Rows) -> None:
    buckets = stored(computed("service.timing_5min", {"logs.requests": landed(drawn)}))
    rows = computed("service.timing_daily", {"service.timing_5min": buckets})
    values = [r["latency_ms"] for r in drawn if not r["is_shadow"] and not r["is_batch"] and r["latency_ms"] is not None]
    found = [row for row in rows if row["scope"] == "all" and row["measure"] == "latency_ms"]
    assert bool(found) == bool(values)
    for row in found:
        for name, share in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)):
            expected = sorted(values)[-(-int(share * 100) * len(values) // 100) - 1]
            assert row[name] == pytest.approx(expected, rel=0.0100001), name


def asked(expression: str, **values: Any) -> Any:
    con = connect()
    try:
        load_macros(con)
        given_ = ", ".join(
            f"cast(${name} as {'double' if isinstance(v, float) else 'bigint'}) as {name}" for name, v in values.items()
        )
        return con.execute(f"select {expression} from (select {given_})", values).fetchall()[0][0]
    finally:
        con.close()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.floats(1e-300, 1e300))
def test_every_value_is_within_one_percent_of_its_bin(value: float) -> None:
    assert asked("log_bin_value(log_bin(x))", x=value) == pytest.approx(value, rel=0.0100001)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(1, 10**7), st.data())
def test_the_interval_of_a_share_is_wilsons(trials: int, data: Any) -> None:
    hits = data.draw(st.integers(0, trials))
    expected = binomtest(hits, trials).proportion_ci(method="wilson")
    assert asked("wilson_low(k, n)", k=hits, n=trials) == pytest.approx(expected.low, rel=1e-9, abs=1e-12)
    assert asked("wilson_high(k, n)", k=hits, n=trials) == pytest.approx(expected.high, rel=1e-9, abs=1e-12)


def test_a_macro_that_calls_another_brings_it_into_the_digest_of_a_table() -> None:
    """An edit of the inner one changes what the table computes: its days are stale."""
    used = macros_used("select is_valid_request(a, b, c) from t")
    assert [macro.split("(")[0].split()[-1] for macro in used] == ["is_rate_limited", "is_valid_request"]
