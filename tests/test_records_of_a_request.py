"""Retrievals, tool calls and feedback from landed lines to what readers see: each counted once, none lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from core import LEDGER, day
from house import House, all_contracts, request
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.contracts import Contract

RECORDS = ("logs.requests", "logs.request_days", "logs.retrievals", "logs.tool_calls", "logs.feedback", "logs.duplicates")
VIEWS = ("logs.request_feedback", "logs.outcomes_daily", "governance.accounting")
FIRST = datetime(2026, 11, 2, tzinfo=UTC)


def record_contracts() -> dict[str, Contract]:
    """The ledger, the tables of every kind of record, and what publishing needs."""
    more = ("logs.tenants", "logs.texts", "logs.restatements", "governance.audit", "governance.freshness")
    return {name: c for name, c in all_contracts().items() if name in {*LEDGER, *RECORDS, *VIEWS, *more}}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, contracts_=record_contracts())


def whole(ts: str, **more: Any) -> dict[str, Any]:
    """A request that found two documents, called two tools and was rated, as one line."""
    return request(
        "r1", ts, feature="search", trace_id="t1", prompt_version="v7",
        retrievals=[{"document_id": "handbook", "retrieval_score": 0.9, "is_cited": True}, {"document_id": "faq"}],
        tool_calls=[
            {"record_id": "c1", "tool_name": "lookup", "tool_decision": "allowed", "side_effect": "read"},
            {"record_id": "c2", "tool_name": "refund", "tool_decision": "denied", "side_effect": "irreversible"},
        ],
        feedback=[{"feedback_kind": "rating", "feedback_value": 1, "feedback_by": "user"}],
        **more,
    )  # fmt: skip


def balance(house: House) -> list[tuple[Any, ...]]:
    return house.ask(
        "select day, landed_records, requests, retrievals, tool_calls, feedback, duplicates, unaccounted_records, "
        "is_settled from governance.accounting order by day"
    )


def test_a_request_brings_its_records_once_however_often_it_is_delivered(house: House) -> None:
    house.deliver("a.jsonl", [whole("2026-11-03T10:00:00Z")])
    house.night()
    assert balance(house) == [(day("11-03"), 6, 1, 2, 2, 1, 0, 0, True)]
    found = house.ask("select document_id, document_rank, feature, is_cited from logs.retrievals order by document_rank")
    assert found == [("handbook", 1, "search", True), ("faq", 2, "search", None)]
    assert house.ask("select tool_name from logs.tool_calls where tool_decision = 'denied'") == [("refund",)]
    # Delivered again as it was, then with a correction: every record of it is one, in its newest version.
    house.deliver("again.jsonl", [whole("2026-11-03T10:00:00Z"), request("other", "2026-11-03T11:00:00Z")])
    corrected = whole("2026-11-03T10:00:00Z") | {"output_tokens": 7}
    corrected["tool_calls"][0]["tool_status"] = "error"
    house.deliver("corrected.jsonl", [corrected])
    house.now += timedelta(hours=1)
    house.night()
    assert balance(house) == [(day("11-03"), 19, 2, 2, 2, 1, 12, 0, True)]
    assert house.ask("select record_id, tool_status from logs.tool_calls order by 1") == [("c1", "error"), ("c2", None)]
    kinds = house.ask("select record_kind, count(*) from logs.duplicates group by 1 order by 1")
    assert kinds == [("feedback", 2), ("request", 2), ("retrieval", 4), ("tool_call", 4)]
    assert house.is_quiet()


def test_feedback_waits_for_a_request_that_lands_later_and_rewrites_none(house: House) -> None:
    saved = {"feedback_name": "minutes_saved", "feedback_unit": "min"}
    outcome = {"record_kind": "feedback", "feedback_kind": "outcome", **saved}
    house.deliver(
        "crm.jsonl",
        [
            outcome | {"ts": "2026-11-08T10:00:00Z", "request_id": "r1", "feedback_value": 12},
            outcome | {"ts": "2026-11-08T10:00:00Z", "trace_id": "t1", "feedback_value": 3},
        ],
    )
    house.night()
    assert house.ask("select state, request_day from logs.feedback") == [("orphan", None)] * 2
    house.deliver("late.jsonl", [whole("2026-11-03T10:00:00Z"), request("r2", "2026-11-03T11:00:00Z", prompt_version="v7")])
    done = house.night()
    assert done["logs.feedback", day("11-08")].outcome == "replaced"
    assert ("logs.requests", day("11-08")) not in done
    found = house.ask("select distinct state, request_id, request_day from logs.feedback")
    assert found == [("matched", "r1", day("11-03"))]
    outcomes = house.ask(
        "select day, feedback_kind, feedback_name, prompt_version, feature, requests, n, value_mean, coverage "
        "from logs.outcomes_daily order by feedback_kind"
    )
    assert outcomes == [
        (day("11-03"), "outcome", "minutes_saved", "v7", "search", 1, 2, 7.5, 1.0),
        (day("11-03"), "rating", None, "v7", "search", 1, 1, 1.0, 1.0),
    ]
    assert house.is_quiet()


records = st.builds(
    lambda kind, number, hours, request_id, record_id: {
        "record_kind": kind,
        "ts": (FIRST + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:00:00Z"),
        "request_id": request_id,
        "trace_id": f"t{number % 2}",
        "record_id": record_id,
        "document_id": f"d{number}",
        "tool_name": f"tool-{number}",
        "feedback_kind": "rating",
        "feedback_value": number,
        "is_complete": None if number else False,
    },
    st.sampled_from(["request", "retrieval", "tool_call", "feedback"]),
    st.integers(0, 2),
    st.integers(0, 3 * 24),
    st.sampled_from(["a", "b", None]),
    st.sampled_from(["x", None]),
)


@settings(max_examples=3, deadline=None, derandomize=True)
@given(st.lists(st.lists(records, min_size=2, max_size=12), min_size=2, max_size=3))
def test_whatever_is_delivered_every_record_of_every_kind_is_in_the_balance(delivered: list[list[dict[str, Any]]]) -> None:
    with TemporaryDirectory() as folder:
        house = House(Path(folder), contracts_=record_contracts())
        for number, rows in enumerate(delivered):
            house.deliver(f"{number}.jsonl", rows)
            house.now += timedelta(minutes=1)
            house.night()
        accounts = balance(house)
        assert sum(row[1] for row in accounts) == house.ask("select count(*) from logs.landed")[0][0] > 0
        assert all(row[-2:] == (0, True) for row in accounts)
        assert house.is_quiet()
