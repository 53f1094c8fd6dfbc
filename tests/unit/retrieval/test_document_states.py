"""What readings noted of documents, as spans of time: what was so then, and not what is so now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from assets.retrieval.document_states import ALWAYS_TO, document_states

SCHEMA = {
    "document_id": pl.String, "recorded_at": pl.Datetime("us", "UTC"), "index_name": pl.String, "corpus": pl.String,
    "version": pl.String, "state": pl.String, "access_label": pl.String, "valid_until": pl.Date,
    "updated_at": pl.Datetime("us", "UTC"),
}  # fmt: skip
FIRST = datetime(2026, 11, 3, 4, 0, tzinfo=UTC)


def noted(days: float, **said: Any) -> dict[str, Any]:
    """A row of retrieval.documents, so many days after the first reading."""
    usual = {"document_id": "d", "index_name": "main", "corpus": "c", "version": "v1", "state": "live", "access_label": "a"}
    return {**dict.fromkeys(SCHEMA), **usual, "recorded_at": FIRST + timedelta(days=days), **said}


def spans(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    return document_states(pl.DataFrame(rows, schema=SCHEMA)).sort("document_id", "valid_from").to_dicts()


def test_the_first_reading_of_a_corpus_knows_a_document_from_its_last_change() -> None:
    changed = datetime(2026, 6, 1, tzinfo=UTC)
    [only] = spans(noted(0, updated_at=changed))
    assert (only["valid_from"], only["valid_to"]) == (changed, ALWAYS_TO)


def test_a_document_that_appears_later_reopens_no_more_than_the_day_before_it_was_read() -> None:
    old = datetime(2020, 1, 1, tzinfo=UTC)
    found = spans(noted(0, document_id="first"), noted(7, document_id="later", updated_at=old))
    assert {s["document_id"]: s["valid_from"] for s in found} == {
        "first": datetime(2026, 11, 2, tzinfo=UTC), "later": datetime(2026, 11, 9, tzinfo=UTC),
    }  # fmt: skip


def test_a_change_counts_from_when_it_was_made_where_that_lies_between_two_readings() -> None:
    made = FIRST + timedelta(hours=10)
    changed = {"version": "v2", "updated_at": made}
    found = spans(noted(0), noted(1, **changed), noted(2, **changed, access_label="b"))
    assert [(s["valid_from"], s["version"], s["access_label"]) for s in found[1:]] == [
        (made, "v2", "a"), (FIRST + timedelta(days=2), "v2", "b"),
    ]  # fmt: skip
    assert [s["valid_to"] for s in found] == [*(s["valid_from"] for s in found[1:]), ALWAYS_TO]


def test_a_clock_that_runs_ahead_changes_no_document_before_it_was_read() -> None:
    found = spans(noted(0), noted(1, version="v2", updated_at=FIRST + timedelta(days=400)))
    assert found[1]["valid_from"] == FIRST + timedelta(days=1)


def test_a_reading_that_found_nothing_new_begins_no_span() -> None:
    assert len(spans(noted(0), noted(1), noted(2))) == 1


def test_a_document_that_came_back_knows_what_it_was_before() -> None:
    found = spans(noted(0), noted(1, version="v2"), noted(2, version="v2", state="deleted"), noted(3))
    assert [(s["state"], s["version"], s["earlier_versions"]) for s in found] == [
        ("live", "v1", None), ("live", "v2", "v1"), ("deleted", "v2", "v1"), ("live", "v1", "v2"),
    ]  # fmt: skip


def test_no_documents_are_no_states() -> None:
    assert spans() == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from("de"), st.integers(0, 6), st.sampled_from(["v1", "v2"]), st.sampled_from(["live", "deleted"]),
            st.none() | st.integers(-9, 9),
        ),
        max_size=12,
    )
)  # fmt: skip
def test_at_any_moment_a_document_is_in_one_state_at_most(rows: list[tuple[str, int, str, str, int | None]]) -> None:
    made = [
        noted(day, document_id=name, version=version, state=state,
              updated_at=None if updated is None else FIRST + timedelta(days=updated))
        for name, day, version, state, updated in rows
    ]  # fmt: skip
    found = spans(*made)
    assert {s["document_id"] for s in found} == {row["document_id"] for row in made}
    for name in "de":
        own = [s for s in found if s["document_id"] == name]
        assert all(a["valid_to"] == b["valid_from"] for a, b in pairwise(own))
        assert all(s["valid_from"] < s["valid_to"] for s in own)
        assert not own or own[-1]["valid_to"] == ALWAYS_TO
