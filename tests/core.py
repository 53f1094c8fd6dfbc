"""A house of the first two questions alone: tests of the day protocol do not change when other questions gain tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from house import CALENDAR_START, SOURCES, House, all_contracts, price

from resources.computing import DayOutcome
from resources.contracts import Contract
from resources.landing import Landing
from resources.references import replace_reference
from resources.tenants import tenant_rows

LEDGER = ("logs.files", "logs.landed", "logs.texts", "logs.quarantine")
REFERENCES = ("logs.tenants", "cost.prices", "cost.price_models")
LOGS = ("logs.requests", "logs.duplicates", "logs.request_days")
COST = ("cost.charges", "cost.request_costs", "cost.cost_15min")
REST = ("governance.accounting", "logs.restatements", "governance.audit", "governance.freshness")


def core_contracts() -> dict[str, Contract]:
    """The ledger, six derived tables, and what publishing needs, with the balance of requests alone."""
    wanted = {*LEDGER, *REFERENCES, *LOGS, *COST, *REST}
    core = {name: contract for name, contract in all_contracts().items() if name in wanted}
    accounting = core["governance.accounting"]
    core[accounting.name] = replace(
        accounting,
        reads={name: window for name, window in accounting.reads.items() if name in core or name == "governance.freshness"},
        columns=tuple(c for c in accounting.columns if c.name not in ("retrievals", "tool_calls", "feedback")),
        sql_file=Path(__file__).with_name("core_accounting.sql"),
    )
    return core


def core_house(root: Path, now: str = "2026-11-10T03:00:00", contracts: dict[str, Contract] | None = None) -> House:
    """A house of the core tables, without prices; small enough to look at all days."""
    house = House(root, now, contracts or core_contracts())
    house.looks_at_all_days = True
    return house


def reopened(house: House, contracts: dict[str, Contract]) -> House:
    """The same warehouse as a later process with other code sees it."""
    later = House(house.root, house.now, contracts)
    later.looks_at_all_days = house.looks_at_all_days
    return later


def priced(house: House) -> House:
    """The house with model `large` at 2 USD per million input tokens."""
    house.set_prices([price("large", 2.0)])
    return house


def declare_tenants(house: House, *names: str) -> None:
    """Make logs.tenants what seeds/tenants.yml with these names would make it."""
    keyring = Landing(house.store, house.landing, SOURCES, CALENDAR_START).keyring(house.now)
    replace_reference(house.store, "logs.tenants", tenant_rows(list(names), keyring))


def day(text: str) -> date:
    """`11-03` as a day of 2026."""
    return date.fromisoformat(f"2026-{text}")


def at(tables: Iterable[str], *days: str) -> set[tuple[str, date]]:
    """All pairs of some tables and some days of 2026."""
    return {(table, day(text)) for table in tables for text in days}


def by_outcome(done: dict[tuple[str, date], DayOutcome]) -> dict[str, set[tuple[str, date]]]:
    """What a night did, by outcome; tables and days that stayed fresh are absent."""
    found: dict[str, set[tuple[str, date]]] = {}
    for key, outcome in done.items():
        found.setdefault(outcome.outcome, set()).add(key)
    return found


def file_states(house: House) -> list[tuple[Any, ...]]:
    """(path, state) of every row of logs.files, sorted."""
    return sorted(house.store.rows(f"select path, state from ({house.store.scan_all('logs.files')})"), key=lambda r: r[::-1])
