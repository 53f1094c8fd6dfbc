"""Laws of the accounts, for any deliveries: nothing is lost, nothing is counted twice, and order is no matter.

Deliveries are random ids, days, repetitions, incomplete ones, in several files over several nights.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from core import COST, LOGS, core_house, priced
from house import House, request
from hypothesis import given, settings
from hypothesis import strategies as st

FIRST = datetime(2026, 11, 2, tzinfo=UTC)
NIGHT = datetime(2026, 11, 6, 3, tzinfo=UTC)
"""The first night: the second to the fifth of November are due, the sixth is not."""

deliveries = st.builds(
    lambda number, hours, complete, tokens: request(
        f"r{number}",
        (FIRST + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:00:00Z"),
        is_complete=complete,
        uncached_input_tokens=tokens,
    ),
    st.integers(0, 5),
    st.integers(0, 4 * 24 + 2),  # the last hours lie on a day that is not due in the first night
    st.sampled_from([True, False, None]),
    st.sampled_from([0, 1000]),
)
files = st.lists(st.lists(deliveries, min_size=1, max_size=5), min_size=1, max_size=4)


@contextmanager
def a_house() -> Iterator[House]:
    with TemporaryDirectory() as folder:
        yield priced(core_house(Path(folder), "2026-11-06T03:00:00"))


def days_of(house: House) -> list[tuple[Any, ...]]:
    return house.ask(
        """
        select d.day, d.landed_records, d.requests, d.duplicates, d.is_settled
        from governance.accounting as d order by 1
        """
    )


@settings(max_examples=4, deadline=None, derandomize=True)
@given(files, st.data())
def test_whatever_is_delivered_every_record_is_a_request_or_a_duplicate(
    delivered: list[list[dict[str, Any]]], data: Any
) -> None:
    with a_house() as house:
        first_night = data.draw(st.integers(0, len(delivered)), label="files of the first night")
        for number, rows in enumerate(delivered):
            if number == first_night:
                house.night()
            house.deliver(f"{number}.jsonl", rows)
        house.now = NIGHT + timedelta(days=2)
        house.night()

        accounts = days_of(house)
        assert all(settled for *_, settled in accounts)
        for _, landed, requests, duplicates, _ in accounts:
            assert landed == requests + duplicates
        distinct = {tuple(map(str, rows)) for rows in delivered}  # the same bytes twice are a copy
        assert sum(landed for _, landed, *_ in accounts) <= sum(map(len, delivered))
        assert sum(landed for _, landed, *_ in accounts) >= max(len(rows) for rows in distinct)

        # An id lies on one day of those that see each other, and once.
        near = house.ask(
            """
            select a.request_id from logs.requests as a
            inner join logs.requests as b on a.request_id = b.request_id and a.day < b.day and b.day <= a.day + 1
            """
        )
        assert near == []
        doubled = house.ask("select day, request_id from logs.requests group by all having count(*) > 1")
        assert doubled == []

        # Money: the buckets, the requests and the charges are the same sums.
        sums = [
            house.ask(f"select day, sum({column}) from {table} group by 1 order by 1")
            for table, column in (
                ("cost.charges", "list_amount"),
                ("cost.request_costs", "priced_list_amount"),
                ("cost.cost_15min", "list_amount"),
            )
        ]
        assert sums[0] == sums[1] == sums[2]
        assert house.ask("select day, count(*) from cost.request_costs group by 1 order by 1") == house.ask(
            "select day, count(*) from logs.requests group by 1 order by 1"
        )
        assert house.ask("select day, sum(requests) from cost.cost_15min group by 1 order by 1") == house.ask(
            "select day, count(*) from logs.requests group by 1 order by 1"
        )

        # A second night does nothing at all.
        versions = {name: house.store.open(name).version for name in (*LOGS, *COST, "governance.audit", "logs.files")}
        assert house.night() == {}
        assert versions == {name: house.store.open(name).version for name in versions}


@settings(max_examples=2, deadline=None, derandomize=True)
@given(st.lists(st.lists(deliveries, min_size=1, max_size=4), min_size=2, max_size=2), st.data())
def test_files_seen_at_one_time_count_alike_in_whatever_order_and_nights_they_are_landed(
    delivered: list[list[dict[str, Any]]], data: Any
) -> None:
    """A winner is chosen by completeness, arrival, then content: with one arrival, the order of landing is no matter."""
    order = data.draw(st.permutations(range(len(delivered))), label="order")
    between = data.draw(st.booleans(), label="a night after each file")
    with a_house() as house, a_house() as other:
        for number, rows in enumerate(delivered):
            house.deliver(f"{number}.jsonl", rows)
        house.night()
        for number in order:
            other.deliver(f"{number}.jsonl", delivered[number])
            if between:
                other.night()
            else:
                other.land()
        other.night()
        one, two = house.fingerprints(), other.fingerprints()
        for name in ("logs.landed", *LOGS, *COST):
            assert one[name] == two[name], name
