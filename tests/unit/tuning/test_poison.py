"""Who gives much, at once, or the opposite of everybody, is held back; honest traffic is not."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from assets.tuning.poison import Judgement, bursts, capped, flippers, floods

DAY = date(2026, 11, 1)


def days(count: int) -> list[date]:
    return [DAY + timedelta(days=n % 10) for n in range(count)]


def test_a_user_with_thirty_rows_on_a_day_on_which_others_have_one_is_a_burst() -> None:
    users = [*["mallory"] * 30, *(f"user{n}" for n in range(40))]
    assert bursts(users, [DAY] * 70, 20) == set(range(30))
    assert bursts([None] * 500, [DAY] * 500, 20) == set(), "nobody in particular has no burst"


def test_busy_users_among_busy_users_are_no_burst() -> None:
    users = [f"user{n % 5}" for n in range(500)]
    assert bursts(users, [DAY] * 500, 20) == set()


def test_a_text_repeated_by_one_user_is_a_flood_and_one_that_many_ask_on_many_days_is_popular() -> None:
    assert floods([0] * 30, ["mallory"] * 30, days(30)) == set(range(30))
    assert floods([0] * 30, [f"user{n}" for n in range(30)], days(30)) == set()


def test_many_made_up_users_on_one_day_of_several_are_a_flood() -> None:
    clusters = [0] * 30 + list(range(1, 21))
    users = [f"user{n}" for n in range(50)]
    assert floods(clusters, users, [DAY] * 30 + days(20)) == set(range(30))


def said(judge: str, verdicts: list[bool], start: int = 0, is_model: bool = False) -> list[Judgement]:
    return [Judgement(start + n, judge, verdict, is_model) for n, verdict in enumerate(verdicts)]


TRUTH = [n % 3 == 0 for n in range(40)]
WRONG = [not verdict for verdict in TRUTH]


def test_who_says_the_opposite_goes_and_those_whom_he_contradicts_stay() -> None:
    found = flippers([*said("ana", TRUTH), *said("ben", TRUTH), *said("mallory", WRONG)])
    assert set(found) == {"mallory"}


def test_of_two_who_contradict_each_other_the_model_tells_which() -> None:
    assert set(flippers([*said("ana", TRUTH), *said("mallory", WRONG), *said("model", TRUTH, is_model=True)])) == {"mallory"}
    assert set(flippers([*said("ana", TRUTH), *said("mallory", WRONG)])) == {"ana", "mallory"}, "nobody knows who is right"


def test_a_model_alone_speaks_against_nobody_because_people_teach_it() -> None:
    assert flippers([*said("ana", TRUTH), *said("model", WRONG, is_model=True)]) == {}


def test_honest_difference_of_opinion_is_no_flip() -> None:
    other = [verdict if n % 6 else not verdict for n, verdict in enumerate(TRUTH)]
    assert flippers([*said("ana", TRUTH), *said("ben", other)]) == {}
    assert flippers([*said("ana", TRUTH[:5]), *said("ben", WRONG[:5])]) == {}, "five comparisons prove nothing"


SUBJECTS = st.lists(st.sampled_from(["a", "b", "c", "d", None]), max_size=60)


@given(SUBJECTS, st.floats(0.01, 1))
def test_nobody_has_more_than_the_cap_and_nobody_in_particular_loses_nothing(
    subjects: list[str | None], limit: float
) -> None:
    cap = capped(subjects, [f"row{n}" for n in range(len(subjects))], limit)
    kept = [subject for place, subject in enumerate(subjects) if place not in cap.gone]
    counts = Counter(subject for subject in kept if subject is not None)
    assert kept.count(None) == subjects.count(None)
    assert set(counts) == {subject for subject in subjects if subject is not None}, "a cap takes nobody out"
    if counts:
        assert max(counts.values()) / len(kept) == cap.largest
        assert max(counts.values()) <= max(1, cap.share * len(kept))


@given(SUBJECTS)
def test_which_rows_go_is_not_for_who_orders_them_to_choose(subjects: list[str | None]) -> None:
    ids = [f"row{n}" for n in range(len(subjects))]
    there = capped(subjects, ids, 0.3)
    back = capped(subjects[::-1], ids[::-1], 0.3)
    assert {ids[place] for place in there.gone} == {ids[::-1][place] for place in back.gone}
