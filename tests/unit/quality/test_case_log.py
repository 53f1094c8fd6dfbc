"""A case goes forward step by step; what came back is fixed again, and an age ends where the case does."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from assets.quality.case_log import AFTER, CaseError, change, fold, proposing
from assets.quality.failures import BAD_SIDE, FAILURES, labelled_failures
from resources.contracts import contracts

NAME = "2026-11-16-1"


def at(day: int) -> datetime:
    return datetime(2026, 11, day, 9, tzinfo=UTC)


def started() -> list[dict[str, Any]]:
    proposal = {"case_id": NAME, "day": date(2026, 11, 9), "request_id": "r1", "failure": "unsafe", "feature": "chat"}
    return proposing([], [proposal | {"recorded_at": at(16)}], at(16))


def gone(*acts: str) -> list[dict[str, Any]]:
    """The rows after these acts, a day each."""
    rows = started()
    for place, act in enumerate(acts):
        rows.append(change(rows, NAME, act, at(17 + place), at(30), "ana", prompt_version=f"v{place}"))
    return rows


def test_a_case_that_came_back_is_fixed_again_and_has_to_be_verified_again() -> None:
    rows = gone("accepted", "fixed", "verified", "released", "fixed")
    case = fold(rows)[NAME]
    fixed = case.last("fixed")
    assert (case.state, fixed and fixed["prompt_version"]) == ("fixed", "v4")
    assert [row["change"] for row in rows] == [1, 2, 3, 4, 5, 6]
    with pytest.raises(CaseError, match="is fixed; what can be released is verified"):
        change(rows, NAME, "released", at(29), at(30), "ana")


@pytest.mark.parametrize("act", [act for act in AFTER if "proposed" not in AFTER[act]])
def test_nothing_is_fixed_verified_or_released_that_nobody_accepted(act: str) -> None:
    with pytest.raises(CaseError, match=f"{NAME} is proposed; what can be {act} is"):
        change(started(), NAME, act, at(17), at(30), "ana", model="m")


def test_time_does_not_go_back_nor_ahead() -> None:
    with pytest.raises(CaseError, match="is in the future"):
        change(started(), NAME, "accepted", at(30), at(29), "ana")
    with pytest.raises(CaseError, match="accepted at 2026-11-15 09:00: 2026-11-16-1 was proposed at 2026-11-16 09:00"):
        change(started(), NAME, "accepted", at(15), at(29), "ana")
    with pytest.raises(CaseError, match="there is no case 2026-11-16-2"):
        change(started(), "2026-11-16-2", "accepted", at(17), at(29), "ana")


def test_an_age_ends_with_the_case_and_a_week_sees_it_as_it_stood() -> None:
    rows = gone("accepted", "fixed", "verified", "released")
    case = fold(rows)[NAME]
    assert case.age_days(date(2026, 12, 31)) == 11, "from the ninth to the twentieth"
    earlier = case.as_of(at(18))
    assert earlier is not None and (earlier.state, earlier.age_days(date(2026, 11, 18))) == ("fixed", 9)
    before = case.as_of(at(15))
    assert before is not None and before.state == "proposed", "it had failed, though nobody had proposed it"
    assert case.as_of(at(8)) is None


def test_every_row_has_every_column_of_its_table() -> None:
    names = {column.name for column in contracts()["quality.case_log"].columns}
    assert all(set(row) == names for row in gone("accepted", "fixed"))
    allowed = contracts()["quality.case_proposals"].column("failure").values
    assert set(allowed) == set(FAILURES)


def labels(*said: dict[str, Any]) -> pl.DataFrame:
    blank = dict.fromkeys([*BAD_SIDE, "severity", "root_cause"])
    base = {"day": date(2026, 11, 9), "request_id": "r1", "labelled_at": at(10), "label_id": "x"}
    return pl.DataFrame([{**base, **blank, **row} for row in said], infer_schema_length=None)


def test_each_verdict_fails_on_its_bad_side_alone() -> None:
    for verdict, (bad, name) in BAD_SIDE.items():
        for value, expected in ((bad, [name]), (not bad, []), (None, [])):
            found = labelled_failures(labels({"annotator": "a", verdict: value}), ())
            assert [failure.failure for failure in found] == expected


def test_one_of_three_annotators_makes_no_failure_and_one_of_two_does() -> None:
    said = [{"annotator": name, "toxic": value} for name, value in (("a", True), ("b", False), ("c", False))]
    assert labelled_failures(labels(*said), ()) == []
    (found,) = labelled_failures(labels(*said[:2]), ())
    assert found.failure == "toxic"


def test_the_worst_severity_and_the_cause_that_most_name_are_the_responses() -> None:
    said = [
        {"annotator": name, "toxic": True, "severity": severity, "root_cause": cause}
        for name, severity, cause in (("a", "minor", "prompt"), ("b", "critical", "made_up"), ("c", "major", "made_up"))
    ]
    (found,) = labelled_failures(labels(*said), ("minor", "major", "critical"))
    assert (found.severity, found.root_cause) == ("critical", "made_up")
