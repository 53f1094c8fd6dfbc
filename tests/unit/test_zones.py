"""Quarters of an hour add up to hours, days and ranges in every time zone, whatever zone an analyst's session is in."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from core import core_contracts, core_house
from house import House, price, request
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.contracts import contracts
from resources.warehouse import Connection, open_published

CHANGES = [date(2026, 3, 29), date(2026, 4, 5), date(2026, 10, 25)]
"""Days of 2026 on which clocks are changed: Europe; Chatham, Lord Howe, Chile; Europe."""
DAYS = [change + timedelta(days=n) for change in CHANGES for n in (-1, 0, 1)]
PROBED = ["UTC", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Kiritimati", "Pacific/Chatham"]
ZONES = sorted(available_timezones() - {"localtime", "Factory"})
QUARTER = timedelta(minutes=15)


class Costs:
    """Requests at known moments, the published warehouse that holds them, and what each cost."""

    def __init__(self, house: House):
        chance = random.Random(15)
        self.spent: dict[datetime, Decimal] = {}
        rows = []
        for number, day in enumerate(DAYS):
            for second in [0, 899, 900, 86399, *chance.sample(range(86400), 40)]:
                moment = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=second)
                tokens = chance.randrange(1, 10**6)
                rows.append(request(
                    f"r{number}-{second}", moment.isoformat(), uncached_input_tokens=tokens, output_tokens=0,
                    tenant=chance.choice("ab"),
                ))  # fmt: skip
                self.spent[moment] = self.spent.get(moment, Decimal(0)) + tokens * Decimal(2) / 10**6
        house.set_prices([price("large", 2.0)])
        house.deliver("a.jsonl", rows)
        house.night()
        self.requests = Counter(datetime.fromisoformat(row["ts"]) for row in rows)
        self.con: Connection = open_published(house.publisher.door)

    def asked(self, zone: str, sql: str, /, **parameters: Any) -> list[tuple[Any, ...]]:
        """The answer in a session of that zone."""
        self.con.execute(f"set timezone = '{zone}'")
        return self.con.execute(sql, parameters).fetchall()

    def between(self, first: datetime, end: datetime) -> tuple[int, Decimal]:
        """Requests and cost from the requests themselves."""
        inside = [moment for moment in self.requests if first <= moment < end]
        return sum(self.requests[m] for m in inside), sum((self.spent[m] for m in inside), Decimal(0))


@pytest.fixture(scope="module")
def costs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Costs]:
    views = {name: contracts()[name] for name in ("cost.cost_hourly", "cost.cost_daily")}
    made = Costs(core_house(tmp_path_factory.mktemp("zones"), contracts=core_contracts() | views))
    yield made
    made.con.close()


_RANGE = (
    "select coalesce(sum(requests), 0), coalesce(sum(contracted_amount), 0) from cost.{} where {} >= $first and {} < $end"
)
_GRAINS = {
    "cost_15min": ("bucket_start", QUARTER),
    "cost_hourly": ("hour_start", 4 * QUARTER),
    "cost_daily": ("day", 96 * QUARTER),
}
_LOCAL_DAYS = """
select cast(bucket_start at time zone 'UTC' at time zone $zone as date) as local_day, sum(requests), sum(contracted_amount)
from cost.cost_15min group by 1 order by 1
"""


def holds(costs: Costs, zone: str, first: datetime, steps: int) -> None:
    """A range of each grain costs what its requests cost, in a session of the zone."""
    for table, (column, grain) in _GRAINS.items():
        since = datetime(2026, 1, 1, tzinfo=UTC) + (first - datetime(2026, 1, 1, tzinfo=UTC)) // grain * grain
        end = since + steps * grain
        naive = {"first": since.replace(tzinfo=None), "end": end.replace(tzinfo=None)}
        ((requests, amount),) = costs.asked(zone, _RANGE.format(table, column, column), **naive)
        assert (requests, amount) == costs.between(since, end), (zone, table, since, end)


_OF_REQUESTS = """
select
    cast(ts at time zone 'UTC' at time zone $zone as date) as local_day, count(distinct request_id), sum(contracted_amount)
from cost.charges group by 1 order by 1
"""


def local_days(costs: Costs, zone: str) -> None:
    """Quarters fall whole into local days, hence local days add up from them."""
    expected: dict[date, list[Any]] = {}
    for moment, number in costs.requests.items():
        day = expected.setdefault(moment.astimezone(ZoneInfo(zone)).date(), [0, Decimal(0)])
        day[0] += number
        day[1] += costs.spent[moment]
    found = {day: [int(number), amount] for day, number, amount in costs.asked(zone, _LOCAL_DAYS, zone=zone)}
    assert found == dict(sorted(expected.items())), zone


@settings(max_examples=60, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    first=st.sampled_from(DAYS).flatmap(
        lambda day: st.integers(-200, 200).map(
            lambda quarters: datetime(day.year, day.month, day.day, tzinfo=UTC) + quarters * QUARTER
        )
    ),
    steps=st.integers(0, 300),
)
def test_any_range_costs_the_same_from_quarters_hours_and_days_in_a_session_of_any_zone(
    costs: Costs, zone: str, first: datetime, steps: int
) -> None:
    holds(costs, zone, first, steps)


@pytest.mark.parametrize("zone", PROBED)
def test_a_local_day_is_the_sum_of_its_quarters_also_when_clocks_change(costs: Costs, zone: str) -> None:
    local_days(costs, zone)


@pytest.mark.parametrize(("day", "quarters"), [(date(2026, 3, 29), 92), (date(2026, 10, 25), 100)])
def test_a_day_of_23_or_25_hours_has_all_its_quarters(costs: Costs, day: date, quarters: int) -> None:
    sql = """
    select count(*) from (
        select unnest(generate_series($first, $end, interval 15 minute)) as quarter
    ) where cast(quarter at time zone 'UTC' at time zone 'Europe/Berlin' as date) = $day
    """
    noon = datetime(day.year, day.month, day.day, 12)
    found = costs.asked("Asia/Tokyo", sql, first=noon - timedelta(days=1), end=noon + timedelta(days=1), day=day)
    assert found == [(quarters,)]


@pytest.mark.proof
def test_local_days_and_ranges_add_up_in_every_zone(costs: Costs) -> None:
    """DuckDB's own knowledge of zones on both sides: Python's may be of another year, and countries change their minds."""
    for number, zone in enumerate(ZONES):
        assert costs.asked(zone, _LOCAL_DAYS, zone=zone) == costs.asked(zone, _OF_REQUESTS, zone=zone), zone
        day = DAYS[number % len(DAYS)]
        holds(costs, zone, datetime(day.year, day.month, day.day, tzinfo=UTC) + (number % 96) * QUARTER, number % 400)
