"""A group stands in one split, a conversation too, and what judges is newer than what is learnt."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from assets.tuning.splits import Place, deal

START = datetime(2026, 11, 1, tzinfo=UTC)
SPLITS = ("train", "dev", "test")


def places(rows: Sequence[tuple[int, int | None, int]]) -> list[Place]:
    return [
        Place(f"g{group}", None if talk is None else f"c{talk}", START + timedelta(hours=hour), f"row{n}")
        for n, (group, talk, hour) in enumerate(rows)
    ]


ROWS = st.lists(st.tuples(st.integers(0, 12), st.none() | st.integers(0, 15), st.integers(0, 300)), max_size=60)


@given(ROWS)
def test_no_group_and_no_conversation_stands_in_two_splits(rows: list[tuple[int, int | None, int]]) -> None:
    dealt = places(rows)
    splits = deal(dealt)
    assert len(splits) == len(rows)
    for kind in ("group", "conversation"):
        where = defaultdict(set)
        for row, split in zip(dealt, splits, strict=True):
            if split in SPLITS and (name := getattr(row, kind)) is not None:
                where[name].add(split)
        assert all(len(found) == 1 for found in where.values())


@given(ROWS, st.integers())
def test_the_order_of_rows_decides_nothing(rows: list[tuple[int, int | None, int]], seed: int) -> None:
    dealt = places(rows)
    mixed = random.Random(seed).sample(dealt, len(dealt))
    by_id = {row.id: split for row, split in zip(mixed, deal(mixed), strict=True)}
    assert [by_id[row.id] for row in dealt] == deal(dealt)


def test_the_newest_judge_and_all_that_is_learnt_is_older() -> None:
    rows = places([(n, n, n) for n in range(100)])
    splits = deal(rows)
    assert splits == ["train"] * 75 + ["dev"] * 10 + ["test"] * 15


def test_a_conversation_that_goes_on_past_the_cut_loses_its_later_rows() -> None:
    rows = places([(n, n, n) for n in range(100)] + [(10, 10, 99)])
    splits = deal(rows)
    assert splits[-1] == "later_than_test"
    assert splits[10] == "train"


def test_where_time_would_take_most_of_what_is_learnt_it_stays() -> None:
    """Documents that are asked about all month: groups part them, and time cannot."""
    rows = places([(n % 20, n, n) for n in range(200)])
    splits = deal(rows)
    assert "later_than_test" not in splits
    assert splits.count("train") > 120


def test_one_group_that_has_most_of_the_rows_trains_and_one_alone_judges_nothing() -> None:
    rows = places([(0, None, 500 + n) for n in range(60)] + [(n, None, n) for n in range(1, 41)])
    assert {split for row, split in zip(rows, deal(rows), strict=True) if row.group == "g0"} <= {"train", "later_than_test"}
    assert deal(places([(0, 0, 0)])) == ["train"]
    assert deal([]) == []
