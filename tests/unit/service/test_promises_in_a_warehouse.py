"""From log lines to burn rates and budgets, through real landing, SQL, Python tables, checks and publishing."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from house import House

from assets.service.openslo import Promised, parse, rows
from resources.contracts import SEEDS, contracts
from resources.references import replace_reference
from resources.seed_yaml import read_documents
from resources.table_store import arrow_schema

OUTAGE = datetime(2026, 11, 6, 12)


def needed(*names: str) -> dict[str, Any]:
    """The contracts of some tables, of all that they read, and of what every warehouse keeps."""
    found = {name: c for name, c in contracts().items() if c.kind in ("ledger", "event")}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = contracts()[name]
            waiting += found[name].reads
    return {name: c for name, c in contracts().items() if name in found}


def requests(day: date, per_hour: int, **changes: Any) -> list[dict[str, Any]]:
    """Evenly spread requests of a day, half of them from each of two models; `changes` are those of the outage's hour."""
    found = []
    for number in range(24 * per_hour):
        ts = datetime(day.year, day.month, day.day) + timedelta(hours=1) / per_hour * number
        record = {"request_id": f"{day}-{number}", "ts": f"{ts.isoformat()}Z", "feature": "chat", "environment": "prod"}
        record |= {"provider": "acme", "request_model": ("m1", "m2")[number % 2], "latency_ms": 200}
        if OUTAGE <= ts < OUTAGE + timedelta(hours=1) and number % 2:
            record |= changes
        found.append(record)
    return found


def promise(house: House, slo_set: str) -> None:
    """Make the promises of a shipped set those of the feature `chat`."""
    documents = parse({slo_set: read_documents(SEEDS / "slos" / f"{slo_set}.yml")})
    made = rows(documents, {"chat": Promised(slo_set, "team:support", "prod,production")})
    replace_reference(
        house.store, "service.slos", pa.Table.from_pylist(made, schema=arrow_schema(contracts()["service.slos"]))
    )


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Two quiet days and one with an outage of one model from 12:00 to 13:00, against the critical preset."""
    house = House(
        tmp_path_factory.mktemp("house"), "2026-11-07T03:00:00", needed("service.burn_rates", "service.slo_status")
    )
    house.set_prices([])
    promise(house, "critical")
    for days in (2, 1, 0):
        day = OUTAGE.date() - timedelta(days=days)
        failed = {"error_class": "provider", "http_status": 503} if day == OUTAGE.date() else {}
        house.deliver(f"{day}.jsonl", requests(day, 60, **failed))
    outcomes = house.night()
    assert not {table: outcome.failing for table, outcome in outcomes.items() if outcome.failing}
    return house


def test_an_outage_of_one_model_pages_and_names_it(house: House) -> None:
    found = house.ask(
        "select rule, state, severity, top_model, long_bad from service.burn_rates "
        "where slo = 'availability' and hour_start = timestamp '2026-11-06 12:00:00' order by rule"
    )
    assert ("page_fast", "firing", "page", "m2", 30) in found
    assert {state for _, state, *_ in found} == {"firing"}


def test_what_the_outage_cost_is_seen_in_the_budget(house: House) -> None:
    """60 an hour for three days may have 4.32 bad at 99.9 %; 30 were."""
    found = house.ask(
        "select slo, total, bad, state, is_spent from service.slo_status where day = date '2026-11-06' order by slo"
    )
    states = {slo: (total, bad, state, is_spent) for slo, total, bad, state, is_spent in found}
    assert states["availability"] == (4320, 30, "spent", True)
    assert states["errors"] == (4320, 30, "spent", True)
    assert states["latency-p95"] == (4290, 0, "ok", False)
    assert states["response-cache"] == (0, 0, "not_enough_data", None)
    assert states["billing-anomalies"] == (None, None, "not_measured", None)


def test_a_quiet_day_has_no_row_of_a_rule_and_late_rows_bring_it(house: House) -> None:
    asked = "select count(*) from service.burn_rates where day = date '2026-11-05'"
    assert house.ask(asked) == [(0,)]
    late = [{**requests(date(2026, 11, 5), 60)[0], "request_id": f"late-{n}", "error_class": "provider"} for n in range(9)]
    house.deliver("late.jsonl", late)
    done = house.night()
    assert {day for table, day in done if table == "service.burn_rates"} >= {date(2026, 11, 5), date(2026, 11, 6)}
    assert house.ask(asked)[0][0] > 0
    assert house.is_quiet()


def test_a_changed_promise_is_judged_anew(house: House) -> None:
    promise(house, "standard")
    house.night()
    assert house.ask("select distinct target from service.slo_status where slo = 'availability'") == [(0.995,)]
    assert house.ask("select count(*) from service.burn_rates where slo = 'latency-p99'") == [(0,)]
