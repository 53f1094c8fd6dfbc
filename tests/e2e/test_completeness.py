"""Sources that fall silent or stop filling a field: the night itself says so, and names them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import house as harness
import pytest
from core import LEDGER
from house import House, all_contracts, request

from assets.checks import check_results
from pipelines.summary import source_findings
from resources.contracts import Contract
from resources.sources import Source
from resources.warehouse import open_published

SOURCE_DAYS, COMPLETENESS = "logs.source_days", "logs.completeness"
MONDAY = date(2026, 10, 19)
WEEK = (0, 1, 5, 6)
"""A Monday, a Tuesday and a weekend: each is compared with its like alone."""
REQUESTS_A_DAY = 12


def watching_contracts() -> dict[str, Contract]:
    """The ledger, the two tables that watch over sources, and what publishing needs."""
    wanted = {*LEDGER, SOURCE_DAYS, COMPLETENESS, "logs.restatements", "governance.audit", "governance.freshness"}
    return {name: contract for name, contract in all_contracts().items() if name in wanted}


@pytest.fixture(scope="module")
def three_weeks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """From Monday the 19th of October on, landed day by day: two sources every day of a week, one on its workdays only."""
    root = tmp_path_factory.mktemp("three_weeks")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("gateway", "app", "workdays"):
            patch.setitem(harness.SOURCES, name, Source(name, "canonical"))
        house = House(root, contracts_=watching_contracts())
        for day in (MONDAY + timedelta(days=7 * week + weekday) for week in range(3) for weekday in WEEK):
            deliver(house, day)
            wake(house, day)
            house.land()
        yield root


@pytest.fixture
def house(three_weeks: Path, tmp_path: Path) -> House:
    """A copy of the three weeks, landed and not computed."""
    shutil.copytree(three_weeks, tmp_path / "copy")
    house = House(tmp_path / "copy", contracts_=watching_contracts())
    wake(house, MONDAY + timedelta(days=20))
    return house


def deliver(house: House, *days: date, sources: tuple[str, ...] = ("gateway", "app", "workdays"), **more: Any) -> None:
    """Days of each source, in a file; `workdays` rests at weekends."""
    for source in sources:
        rows = [
            request(f"{source}-{day}-{n}", f"{day}T{8 + n // 4:02d}:{n % 4:02d}:00Z", latency_ms=5, **more)
            for day in days
            if source != "workdays" or day.weekday() < 5
            for n in range(REQUESTS_A_DAY)
        ]
        if rows:
            house.deliver(f"{days[0]}.jsonl", rows, source)


def wake(house: House, day: date) -> None:
    """Make `day` the last due day."""
    house.now = house.now.replace(year=day.year, month=day.month, day=day.day) + timedelta(days=1)


def alarms(house: House) -> dict[str, list[str]]:
    """What the checks of a night report as Dagster shows it: the failing ones, with the rows that they name."""
    contract = house.store.contracts[COMPLETENESS]
    outcomes = [outcome for (table, _), outcome in house.night().items() if table == contract.name]
    results = check_results(contract, outcomes)
    return {r.check_name: sorted(r.metadata["where"].value) for r in results if not r.passed and r.check_name}


def told(house: House, day: date) -> list[str]:
    """What the summary of `make nightly` says of a day's sources."""
    con = open_published(house.publisher.door)
    try:
        return source_findings(con, day)
    finally:
        con.close()


def nights(house: House, first: date, last: date) -> Iterator[tuple[date, dict[str, list[str]]]]:
    """A night a day, with whole days of all sources."""
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        deliver(house, day)
        wake(house, day)
        yield day, alarms(house)


def test_a_source_that_goes_silent_on_a_tuesday_fails_that_nights_check_by_name(house: House) -> None:
    monday, tuesday = date(2026, 11, 9), date(2026, 11, 10)
    assert alarms(house) == {}
    assert dict(nights(house, monday, monday)) == {monday: {}}
    deliver(house, tuesday, sources=("gateway", "workdays"))
    wake(house, tuesday)
    assert alarms(house) == {"no_source_falls_silent": ["2026-11-10 app request records"]}
    # Nothing is held back by it, and readers see what is missing.
    assert house.ask(f"select sum(records) from logs.source_days where day = date '{tuesday}'") == [(2 * REQUESTS_A_DAY,)]
    silent = "select source, records, usual_records, weekdays from logs.completeness where finding = 'silent'"
    assert house.ask(silent) == [("app", 0, REQUESTS_A_DAY, 3)]
    assert told(house, tuesday) == ["app sent 0 request records on 2026-11-10, usually 12 on this weekday"]
    assert house.is_quiet()
    # What was only late takes the finding back.
    deliver(house, tuesday, sources=("app",))
    assert alarms(house) == {}
    assert house.ask(silent) == []


def test_a_night_without_any_row_is_the_loudest(house: House) -> None:
    monday = date(2026, 11, 9)
    wake(house, monday)
    named = [f"{monday} {source} request records" for source in ("app", "gateway", "workdays")]
    assert alarms(house) == {"no_source_falls_silent": named}
    assert house.is_quiet()


def test_a_source_that_rests_at_weekends_is_missed_on_no_weekend(house: House) -> None:
    deliver(house, date(2026, 11, 9), date(2026, 11, 10))
    found = dict(nights(house, date(2026, 11, 14), date(2026, 11, 15)))
    assert [day.weekday() for day in found] == [5, 6]
    assert not any(found.values())
    seen = house.ask("select records, usual_records from logs.completeness where source = 'workdays' "
                     "and field = 'records' and day = date '2026-11-14'")  # fmt: skip
    assert seen == [(0, 0)]


def test_a_source_that_stops_sending_tokens_fails_that_nights_check_by_field_and_one_whose_provider_is_out_does_not(
    house: House,
) -> None:
    monday = date(2026, 11, 9)
    deliver(house, monday, sources=("app",), output_tokens=None, request_model=None)
    deliver(house, monday, sources=("gateway",), output_tokens=None, uncached_input_tokens=None, error_class="provider")
    deliver(house, monday, sources=("workdays",))
    wake(house, monday)
    assert alarms(house) == {
        "no_field_is_lost": [f"{monday} app request output_tokens", f"{monday} app request request_model"]
    }
    assert told(house, monday) == [
        f"app filled {field} in 0% of its request records on 2026-11-09, usually in 100%"
        for field in ("output_tokens", "request_model")
    ]


def test_history_that_is_landed_at_once_ends_without_an_alarm(tmp_path: Path) -> None:
    house = House(tmp_path, contracts_=watching_contracts())
    rows = [request(f"r{d}-{n}", f"2026-10-{d}T10:00:00Z") for d in range(10, 32) for n in range(REQUESTS_A_DAY)]
    house.deliver("export.jsonl", rows)
    wake(house, date(2026, 12, 20))
    assert alarms(house) == {}
    # It is known what came, and for how long that was watched; no day is computed for ever.
    found = house.ask("select count(*), max(day), max(usual_records) from logs.completeness where field = 'records'")
    assert found == [(22 + 28, date(2026, 11, 28), 0)]
    assert house.is_quiet()
