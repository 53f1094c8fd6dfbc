"""Failures become cases the same way in whatever order they come; what may not be used never gets as far as its words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.quality.alike import Asked
from assets.quality.case_proposals import Cases, Failing, proposals
from assets.quality.failures import FAILURES, Failure
from resources.contracts import contracts

DAY, TODAY, NOW = date(2026, 11, 9), date(2026, 11, 16), datetime(2026, 11, 16, 5, tzinfo=UTC)
FACTS: dict[str, Any] = {
    "user_token": "k.1", "feature": "chat", "model": "m", "prompt_version": "v1", "may_label": None, "may_train": None,
}  # fmt: skip
QUESTIONS = ("How do I return shoes?", "how do I return shoes", "How do I return shoes, please?", "Where is it?", "Is it 7?")


def digests(text: str) -> Sequence[str]:
    return [f"new.{hash(text)}", f"old.{hash(text)}"]


def failing(name: str, question: str | None = QUESTIONS[0], failure: str = "unsafe", days: int = 0, **facts: Any) -> Failing:
    asked = None if question is None else Asked.of(question, None)
    return Failing(Failure(DAY + timedelta(days=days), name, failure), FACTS | facts, asked)


def rows_of(*found: Failing, names: Sequence[str] = ()) -> list[dict[str, Any]]:
    return proposals(found, Cases(digests, TODAY, names), NOW)


@pytest.mark.parametrize(
    ("found", "state", "reason"),
    [
        (failing("r"), "proposed", None),
        (failing("r", may_label=True, may_train=True), "proposed", None),
        (failing("r", may_label=False, may_train=False), "excluded", "may_label"),
        (failing("r", None, may_train=False), "excluded", "may_train"),
        (failing("r", None), "held", "no_words"),
        (Failing(failing("r").failure, FACTS, Asked.of("x", None), True), "held", "personal_data"),
    ],
)
def test_each_failure_is_proposed_or_says_why_not(found: Failing, state: str, reason: str | None) -> None:
    (row,) = rows_of(found)
    assert (row["state"], row["reason"]) == (state, reason)
    assert (row["case_id"] is not None) == (row["question_digest"] is not None) == (state == "proposed")
    assert set(row) == {column.name for column in contracts()["quality.case_proposals"].columns}


@given(
    st.lists(
        st.builds(failing, st.sampled_from("abc"), st.sampled_from(QUESTIONS), st.sampled_from(FAILURES), st.integers(0, 2)),
        max_size=12, unique_by=lambda f: (f.failure.day, f.failure.request_id, f.failure.failure),
    ).flatmap(lambda found: st.tuples(st.just(found), st.permutations(found)))
)  # fmt: skip
@settings(deadline=None)
def test_the_order_in_which_failures_come_decides_nothing(both: tuple[list[Failing], list[Failing]]) -> None:
    assert rows_of(*both[0]) == rows_of(*both[1])


def test_numbers_go_on_after_those_that_were_given_out_even_where_their_rows_are_gone() -> None:
    (row,) = rows_of(failing("r"), names=["2026-11-16-2", "2026-11-16-10", "2026-11-15-99"])
    assert row["case_id"] == "2026-11-16-11"


def test_a_question_that_was_known_under_an_earlier_key_is_known_under_the_new_one() -> None:
    cases = Cases(digests, TODAY, ["2026-10-01-1"])
    cases.know_digest("chat", digests(Asked.of(QUESTIONS[0], None).text)[1], "2026-10-01-1")
    again, mail = proposals([failing("a", QUESTIONS[1]), failing("b", QUESTIONS[1], feature="mail")], cases, NOW)
    assert (again["case_id"], mail["case_id"]) == ("2026-10-01-1", "2026-11-16-1")
    assert again["question_digest"].startswith("new.")
