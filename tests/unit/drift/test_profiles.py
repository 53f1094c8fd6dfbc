"""Laws of daily profiles, for any requests: they add up, name no more segments than they may, and lose no request."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sql_cases import Case, run_case

from resources.contracts import contracts

DAY = date(2026, 1, 15)
Rows = list[dict[str, Any]]

requests = st.lists(
    st.fixed_dictionaries(
        {
            "tenant": st.none() | st.integers(1, 40).map(lambda number: f"t{number:02}"),
            "feature": st.sampled_from([None, "chat", "search"]),
            "model": st.sampled_from(["m", "n"]),
            "is_shadow": st.sampled_from([None, False, True]),
            "input_tokens": st.none() | st.integers(0, 10**6),
            "latency_ms": st.none() | st.floats(0, 1e6),
            "contracted_amount": st.none() | st.decimals(0, 100, places=9),
            "prompt_language": st.sampled_from([None, "de", "en"]),
            "route": st.sampled_from([None, "a", "b"]),
        }
    ),
    max_size=80,
)


def profiles(drawn: Rows) -> Rows:
    """The rows of drift.profiles over these requests; its own checks must hold."""
    given_ = {
        "logs.requests": [
            {
                "day": DAY,
                "request_id": f"r{number}",
                **{name: value for name, value in row.items() if name != "contracted_amount"},
            }
            for number, row in enumerate(drawn)
        ],
        "cost.request_costs": [
            {"day": DAY, "request_id": f"r{number}", "contracted_amount": row["contracted_amount"]}
            for number, row in enumerate(drawn)
        ],
    }
    with TemporaryDirectory() as folder:
        rows, broken = run_case(Case("drift.profiles", DAY, given_, []), contracts(), Path(folder))
    assert not broken
    return rows


@settings(max_examples=25, deadline=None, derandomize=True)
@given(requests)
def test_each_counted_request_is_in_one_bin_of_each_metric_and_of_each_segment_that_it_names(drawn: Rows) -> None:
    counted = [row for row in drawn if not row["is_shadow"]]
    totals: Counter[tuple[str, str]] = Counter()
    for row in profiles(drawn):
        totals[row["segment_kind"], row["metric"]] += row["n"] + (row["unmeasured"] or 0)
    for (kind, _), total in totals.items():
        assert total == sum(kind == "all" or row[kind] is not None for row in counted)
    measured = {metric for kind, metric in totals if kind == "all"}
    assert measured >= {
        name for name in ("input_tokens", "prompt_language", "route") if any(row[name] is not None for row in counted)
    }


@settings(max_examples=25, deadline=None, derandomize=True)
@given(requests)
def test_segments_of_a_kind_add_up_to_all_where_every_request_names_one(drawn: Rows) -> None:
    named = [{**row, "tenant": row["tenant"] or "t01", "feature": row["feature"] or "chat"} for row in drawn]
    bins: dict[str, dict[tuple[str, str | None], tuple[int, Decimal]]] = {}
    for row in profiles(named):
        by_bin = bins.setdefault(row["segment_kind"], {})
        n, value_sum = by_bin.get((row["metric"], row["bin"]), (0, Decimal(0)))
        added = Decimal(repr(row["value_sum"] or 0.0)).quantize(Decimal("1e-6"))
        by_bin[row["metric"], row["bin"]] = (n + row["n"] + (row["unmeasured"] or 0), value_sum + added)
    for kind in set(bins) - {"all"}:
        whole = {key: value for key, value in bins["all"].items() if key[0] != kind}
        assert {key: n for key, (n, _) in bins[kind].items()} == {key: n for key, (n, _) in whole.items()}
        assert all(abs(total - whole[key][1]) < Decimal("1e-3") for key, (_, total) in bins[kind].items())


def test_a_million_tenants_are_twenty_and_the_others() -> None:
    drawn = [
        {"tenant": f"t{number:03}", "feature": "chat", "model": "m", "is_shadow": None, "input_tokens": 5,
         "latency_ms": None, "contracted_amount": None, "prompt_language": None, "route": f"r{number}"}
        for number in range(300)
        for _ in range(1 + (number >= 280))
    ]  # fmt: skip
    rows = profiles(drawn)
    tenants = {
        row["segment"]: row["n"] for row in rows if row["segment_kind"] == "tenant" and row["metric"] == "input_tokens"
    }
    assert tenants == {f"t{number}": 2 for number in range(280, 300)} | {"(others)": 280}
    routes = [row["bin"] for row in rows if row["segment_kind"] == "all" and row["metric"] == "route"]
    assert len(routes) == 101
    assert "(others)" in routes
