"""What a review says, and must not: what is not known is no zero, what somebody wrote is no Markdown, words are apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.quality.case_log import change, fold, proposing
from assets.quality.weekly_review import Failed, Known, first_day, review, week_of, without_words

WEEK, DAY, LAST = "2026-W46", date(2026, 11, 10), date(2026, 11, 15)
ONE = Failed(DAY, "r1", "thumbs_down", "proposed", None, "chat", "2026-11-16-1")


def cells(known: Known, heading: str) -> list[list[str]]:
    """The rows of a section's table, without its head."""
    section = review(known).split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[2:]]


def rate(verdict: str, day: date, value: float | None, low: float = 0.0, high: float = 1.0, **more: Any) -> dict[str, Any]:
    row = {"verdict": verdict, "day": day, "feature": None, "rate": value, "low": low, "high": high, "n_labelled": 40}
    return row | {"method": "difference" if value is not None else "no_labels"} | more


def test_weeks_are_iso_weeks_across_a_new_year() -> None:
    assert week_of(date(2027, 1, 1)) == "2026-W53" and first_day("2026-W53") == date(2026, 12, 28)
    for wrong in ("2026-46", "2026-W54", "46", "2026-Wxx"):
        with pytest.raises(ValueError, match=f"'{wrong}' is no week; write one such as 2026-W46"):
            first_day(wrong)


def test_a_week_in_which_nothing_failed_says_so_and_divides_by_nothing() -> None:
    text = review(Known(WEEK, rates=()))
    assert "Nothing failed that is known." in text and "None are published for this week." in text
    assert cells(Known(WEEK), "In all") == [[week, "0", "0", "not known", "0"] for week in ("this week", "the week before")]
    assert "## Rates" not in review(Known(WEEK))


def test_what_harms_comes_before_what_is_frequent() -> None:
    many = [replace(ONE, request_id=f"m{n}") for n in range(5)]
    grave = replace(ONE, request_id="g", failure="hallucinated", severity="critical")
    unsafe, mild = replace(ONE, request_id="u", failure="unsafe"), replace(ONE, request_id="h", failure="hallucinated")
    found = cells(Known(WEEK, [*many, unsafe, mild], worst_severity="critical"), "Worst clusters")
    assert [row[2] for row in found] == ["unsafe", "thumbs_down", "hallucinated"]
    found = cells(Known(WEEK, [*many, grave], worst_severity="critical"), "Worst clusters")
    assert [row[2] for row in found] == ["hallucinated", "thumbs_down"]


def test_a_price_that_is_not_known_is_not_nothing_and_a_response_is_paid_once() -> None:
    twice = [replace(ONE, amount=Decimal("0.5")), replace(ONE, failure="escalation", amount=Decimal("0.5"))]
    assert [row[7] for row in cells(Known(WEEK, twice), "Worst clusters")] == ["0.5000", "0.5000"]
    mixed = [replace(ONE, amount=Decimal("0.5")), replace(ONE, request_id="r2")]
    assert cells(Known(WEEK, mixed), "Worst clusters")[0][7] == "0.5000 (1 of 2 unpriced)"
    assert cells(Known(WEEK, [ONE]), "Worst clusters")[0][7] == "not known"


def test_rates_go_up_where_their_intervals_are_apart_and_none_is_no_zero() -> None:
    before = date(2026, 11, 8)
    rates = [
        rate("hallucinated", LAST, 0.2, 0.15, 0.25), rate("hallucinated", before, 0.05, 0.03, 0.07),
        rate("toxic", LAST, 0.02, 0.0, 0.06), rate("toxic", before, 0.01, 0.0, 0.05),
        rate("grounded", LAST, None, n_labelled=0), rate("grounded", before, 0.9, 0.8, 0.95),
        rate("hallucinated", LAST, 0.3, 0.2, 0.4, feature="chat"),
    ]  # fmt: skip
    assert cells(Known(WEEK, rates=rates), "Rates") == [
        ["grounded", "all", "not known (no_labels)", "90.00% (80.00% to 95.00%), 40 judged", "not known"],
        ["hallucinated", "all", "20.00% (15.00% to 25.00%), 40 judged", "5.00% (3.00% to 7.00%), 40 judged", "up"],
        ["hallucinated", "chat", "30.00% (20.00% to 40.00%), 40 judged", "not known", "not known"],
        ["toxic", "all", "2.00% (0.00% to 6.00%), 40 judged", "1.00% (0.00% to 5.00%), 40 judged", "no clear change"],
    ]


def test_cases_stand_as_they_did_at_the_end_of_the_week() -> None:
    moment = datetime(2026, 11, 11, 9, tzinfo=UTC)
    proposal = {"case_id": "2026-11-11-1", "day": DAY, "request_id": "r1", "failure": "unsafe", "feature": "chat"}
    rows = proposing([], [proposal | {"recorded_at": moment}], moment)
    for act, day in (("accepted", 12), ("fixed", 20)):
        at = datetime(2026, 11, day, 9, tzinfo=UTC)
        rows.append(change(rows, "2026-11-11-1", act, at, at, "ana", prompt_version="v2" if act == "fixed" else None))
    stood = fold(rows)["2026-11-11-1"].as_of(datetime(2026, 11, 15, 23, tzinfo=UTC))
    assert stood is not None
    known = Known(WEEK, cases=[stood])
    assert cells(known, "Open cases") == [["2026-11-11-1", "chat", "unsafe", "accepted", "5", "0", "ana"]]
    assert cells(known, "What was done") == [["2026-11-12 09:00", "2026-11-11-1", "accepted", "-", "ana"]]


def test_what_belongs_to_no_case_is_counted_by_response() -> None:
    held = [
        replace(ONE, case_id=None, state="excluded", reason="may_label", failure=failure, request_id=name)
        for name, failure in (("a", "unsafe"), ("a", "toxic"), ("b", "toxic"))
    ]
    text = review(Known(WEEK, held, words={}))
    assert "belong to no case: 2 may_label" in text and "- `a` of 2026-11-10, excluded: may_label" in text


def test_a_name_or_an_id_that_somebody_chose_is_neither_table_nor_link_nor_picture() -> None:
    hostile = replace(ONE, feature="a|b\n# c [x](http://y) <img src=z> `d`", request_id="`\n> ![](http://y)`")
    text = review(Known(WEEK, [hostile], words={hostile.response: ("![](http://y)\n\n# heading", "```\n<b>")}))
    assert "[x]" not in text.replace("\\[x]", "") and "<img" not in text and "\n# c" not in text
    quoted = [line for line in text.splitlines() if "http://y" in line and "asked" in line]
    assert quoted == [">     asked: ![](http://y) # heading"], "indented: it is code"
    assert text.count("\n> ") == 2


@settings(deadline=None)
@given(st.text(max_size=400), st.none() | st.text(max_size=400))
def test_without_words_nothing_is_left_of_them_and_all_of_the_rest(question: str, answer: str | None) -> None:
    marked = (f"QZX{question}", None if answer is None else f"QZX{answer}")
    others = [replace(ONE, request_id="r0"), replace(ONE, request_id="a", state="held", reason="no_words", case_id=None)]
    known = Known(WEEK, [*others, ONE, replace(ONE, request_id="r2", case_id="2026-11-16-2")], words={ONE.response: marked})
    quiet = without_words(review(known))
    assert "QZX" not in quiet and without_words(quiet) == quiet == review(replace(known, words={}))
    shown = replace(known, failed=[ONE])
    assert "QZX" in review(shown) and without_words(review(shown)) == review(replace(shown, words={}))
