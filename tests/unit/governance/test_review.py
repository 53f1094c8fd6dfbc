"""The days of a review, and what it says: periods touch and never overlap, and no name breaks a page."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.governance.review import (
    KINDS,
    Found,
    Period,
    Review,
    ReviewError,
    Section,
    last_whole,
    period_named,
    period_of,
    raised,
    said,
)  # fmt: skip

NOW = datetime(2026, 11, 16, 5, tzinfo=UTC)
WEEK = period_of("weekly", date(2026, 11, 11))
TASK = Section("unpriced", "Models without a price", None, "Price them", "team:finops", 3)


@given(st.sampled_from(KINDS), st.dates(date(2000, 1, 1), date(2099, 1, 1)))
def test_periods_follow_each_other_without_gap_and_their_names_lead_back(kind: str, day: date) -> None:
    period = period_of(kind, day)
    assert period.first <= day <= period.last
    assert period_named(kind, period.name) == period
    before = period_of(kind, period.first_before)
    assert before.last == period.first - timedelta(days=1)
    assert before.name < period.name


@given(st.sampled_from(KINDS), st.dates(date(2000, 1, 1), date(2099, 1, 1)))
def test_a_period_is_reviewed_when_its_last_day_is_due_and_not_before(kind: str, due: date) -> None:
    period = last_whole(kind, due)
    assert period.last <= due < period_of(kind, period.last + timedelta(days=1)).last


def test_the_days_around_new_year_belong_to_the_week_that_iso_gives_them() -> None:
    assert period_of("weekly", date(2027, 1, 1)).name == "2026-W53"
    assert period_of("monthly", date(2026, 12, 31)) == Period("monthly", "2026-12", date(2026, 12, 1), date(2026, 12, 31))
    assert period_of("quarterly", date(2026, 11, 1)).name == "2026-Q4"


@pytest.mark.parametrize(
    ("kind", "name"), [("weekly", "2026-W54"), ("monthly", "2026-13"), ("quarterly", "2026-10"), ("weekly", "x")]
)
def test_a_name_of_no_period_says_how_one_is_written(kind: str, name: str) -> None:
    with pytest.raises(ReviewError, match=f"no {kind} review; write one such as"):
        period_named(kind, name)


def test_what_is_found_is_a_task_and_what_informs_is_none() -> None:
    costs = Found(Section("costs", "Costs"), ("cost",), [(Decimal("1.50"),)])
    review = Review(WEEK, [Found(TASK, ("model",), [("m",)]), costs])
    (task,) = review.tasks()
    assert (task["section"], task["owner"], task["due_on"]) == ("unpriced", "team:finops", date(2026, 11, 18))
    assert "| 2026-11-18 | team:finops | Models without a price | 1 | Price them | unpriced |" in review.markdown()
    assert "\n| 1.5 |" in review.markdown()


def test_an_empty_section_is_no_task_and_one_that_failed_is_told() -> None:
    review = Review(WEEK, [Found(TASK), Found(Section("x", "Costs"), failed="no such column")], ["Abuse"])
    text = review.markdown()
    assert review.tasks() == []
    assert "Nothing: no section" in text and "- Models without a price" in text
    assert "Could not be asked: no such column" in text and "no table for: Abuse." in text


def test_a_name_that_a_stranger_gave_is_no_table_no_link_and_no_tag() -> None:
    hostile = "a|b\n| <img src=x> [x](http://x) `c` _d_"
    text = Review(WEEK, [Found(Section("x", "Names"), ("name",), [(hostile,)])]).markdown()
    (line,) = [line for line in text.splitlines() if "img" in line]
    assert line == r"| a\|b \| &lt;img src=x> \[x](http://x) \`c\` \_d\_ |"


def test_a_task_is_raised_once_and_ends_once() -> None:
    tasks = Review(WEEK, [Found(TASK, ("model",), [("m",)])]).tasks()
    rows = raised(tasks, [], NOW, "nocturne")
    assert raised(tasks, rows, NOW, "nocturne") == []
    done = said(rows, "weekly/2026-W46/unpriced", "done", NOW, "ana", "priced")
    assert (done["change"], done["act"], done["due_on"]) == (2, "done", date(2026, 11, 18))
    with pytest.raises(ReviewError, match="was done by ana"):
        said([*rows, done], "weekly/2026-W46/unpriced", "dropped", NOW, "bo", "no")
    with pytest.raises(ReviewError, match="there is no task"):
        said(rows, "weekly/2026-W45/unpriced", "done", NOW, "bo", "no")
