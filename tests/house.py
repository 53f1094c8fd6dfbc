"""A small real warehouse for tests: real landing, planner, steps and publishing, without Dagster around them.

The loop over tables and days is the one of assets/tables.py; tests/defs and tests/e2e go through Dagster itself.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from assets.checks import rules
from assets.cost.price_catalogue import price_tables
from assets.cost.price_seeds import parse_overrides
from assets.python_tables import python_table
from assets.tables import days_between
from pipelines.planner import Plan, make_plan, stale_days
from resources.computing import DayOutcome, compute_day
from resources.contracts import Contract, contracts
from resources.day_inputs import DayInputs, take_pins
from resources.embedder import Embedder, cache_folder
from resources.landing import Landing, LandingReport
from resources.publishing import Published, Publisher
from resources.references import replace_reference
from resources.sources import Source
from resources.store import Store
from resources.warehouse import fingerprint, open_published, scan

CALENDAR_START = date(2023, 1, 1)
SOURCES = {
    "gateway": Source("gateway", "canonical"),
    "replacing": Source("replacing", "canonical", on_same_path="replace"),
}


class NoHistory:
    """No earlier run: nothing is in flight, nothing has failed."""

    def in_flight_days(self) -> set[date]:
        return set()

    def ended(self, digest: str) -> tuple[int, int]:
        return 0, 0


def price(model: str, usd_per_million: float, since: str = "2023-01-01", until: str | None = None) -> dict[str, Any]:
    """An entry of seeds/prices.yml: provider `acme`, one rate for input, four times that for output."""
    rates = {"uncached_input": str(usd_per_million), "output": str(4 * usd_per_million)}
    entry = {"provider": "acme", "model": model, "rates": rates, "valid_from": date.fromisoformat(since)}
    return entry | ({"valid_to": date.fromisoformat(until)} if until else {})


class House:
    """One warehouse below `root`. `now` is its clock; set it to make days due."""


    def __init__(
        self, root: Path, now: datetime | str = "2026-11-10T03:00:00", contracts_: Mapping[str, Contract] | None = None
    ):
        self.root = root
        self.now = datetime.fromisoformat(now).replace(tzinfo=UTC) if isinstance(now, str) else now
        self.store = Store(root / "data", root / "home", contracts_, durable=False)
        self.landing = root / "landing"
        self.publisher = Publisher(self.store)
        self.embedder = Embedder(cache=cache_folder(self.store.state))
        self.looks_at_all_days = False
        """Hold each plan and draft against a look at all days: it has its price, and nobody else may write meanwhile."""

    # what a team does

    def deliver(self, name: str, records: Sequence[Mapping[str, Any] | str], source: str = "gateway") -> Path:
        """Put a file of JSON lines into the landing folder; a text is written as it stands."""
        path = self.landing / source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [r if isinstance(r, str) else json.dumps(dict(r)) for r in records]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    def set_prices(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Make the price book of these seeds alone (see `price`), without the catalogue."""
        tables = price_tables(parse_overrides({"overrides": [dict(entry) for entry in entries]}), providers=[])
        for name, rows in zip(("cost.prices", "cost.price_models"), tables, strict=True):
            replace_reference(self.store, name, rows)

    def set_shipped_prices(self) -> None:
        """Make the price book of the catalogue, as a night does whose seeds name no price."""
        for name, rows in zip(("cost.prices", "cost.price_models"), _shipped_prices(), strict=True):
            replace_reference(self.store, name, rows)

    # what a night does

    @property
    def last_due_day(self) -> date:
        return (self.now - timedelta(hours=2)).date() - timedelta(days=1)

    def land(self) -> LandingReport:
        return Landing(self.store, self.landing, SOURCES, CALENDAR_START).land(self.now, lambda path: True)

    def plan(self) -> Plan:
        plan = make_plan(self.store, self.last_due_day, NoHistory())
        if self.looks_at_all_days:
            assert plan.stale == stale_days(self.store, take_pins(self.store, self.last_due_day))
        return plan

    def compute(self, plan: Plan | None = None) -> dict[tuple[str, date], DayOutcome]:
        """Run the plan's ranges as the steps do: table by table, day by day. Returns what was not fresh."""
        plan = plan or self.plan()
        done = {}
        for days in plan.ranges:
            inputs = DayInputs(self.store, days.pins)
            for contract in self.store.derived():
                for day in days_between(days.first, days.last):
                    python = python_table(contract, self.embedder)
                    outcome = compute_day(self.store, contract, day, inputs, rules(contract), python)
                    if outcome.outcome != "fresh":
                        done[contract.name, day] = outcome
        return done

    def publish(self) -> Published:
        if self.looks_at_all_days:
            self._assert_settled_days_stay()
        return self.publisher.publish(self.last_due_day, self.now)

    def _assert_settled_days_stay(self) -> None:
        """What the next manifest would hold does not depend on which days the readers' one calls settled."""
        current = self.publisher.manifest()
        forgetful = {key: value for key, value in current.items() if key != "seen"}
        (short, chosen), (whole, judged) = (
            self.publisher.draft(manifest, self.last_due_day, {}) for manifest in (current, forgetful)
        )
        assert short == whole
        assert (chosen.behind, chosen.late, chosen.closed) == (judged.behind, judged.late, judged.closed)

    def night(self) -> dict[tuple[str, date], DayOutcome]:
        """Land, compute until the planner is quiet, publish. Returns the outcomes that were not `fresh`."""
        self.land()
        done: dict[tuple[str, date], DayOutcome] = {}
        for _ in range(5):
            plan = self.plan()
            if not plan.ranges:
                break
            done |= self.compute(plan)
        self.publish()
        return done

    # what an analyst sees

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        con = open_published(self.publisher.door)
        try:
            return con.execute(sql).fetchall()
        finally:
            con.close()

    def is_quiet(self) -> bool:
        """Nothing is stale, and publishing would show nothing new."""
        return not self.plan().ranges and self.publisher.due(self.last_due_day) is None

    def fingerprints(self) -> dict[str, str]:
        """The fingerprint of each stored table's live rows, computed from the rows themselves."""
        inputs = DayInputs(self.store, take_pins(self.store, self.last_due_day))
        found = {}
        for contract in self.store.contracts.values():
            if contract.kind in ("view", "projection"):
                continue
            if contract.kind == "ledger":
                select = inputs.ledger_select(contract, None)
            else:
                select = scan(contract, [f.path for f in self.store.open(contract.name).files()])
            with self.store.connection() as con:
                found[contract.name] = fingerprint(con, contract, select)[0]
        return found


def request(request_id: str, ts: str, **more: Any) -> dict[str, Any]:
    """A canonical record of provider acme, model `large`, with 1,000 input and 100 output tokens."""
    return {
        "request_id": request_id,
        "ts": ts,
        "provider": "acme",
        "request_model": "large",
        "uncached_input_tokens": 1000,
        "output_tokens": 100,
        **more,
    }


def with_sql(contract: Contract, folder: Path, sql: str) -> Contract:
    """The contract with other SQL, as after an edit of its file. For tests that change what a table computes."""
    path = folder / "sql" / contract.question / f"{contract.table}.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(sql, encoding="utf-8")
    return replace(contract, sql_file=path)


@cache
def _shipped_prices() -> tuple[Any, Any]:
    """The catalogue takes seconds to read: once a process."""
    return price_tables()


def selected(*names: str, empty: Collection[str] = ()) -> dict[str, Contract]:
    """The contracts of these tables, of all that they are made from, and of what landing and publishing write: a night
    does not pay for tables that a test does not ask. Those of `empty` are there, and nothing is put into them."""
    every = {name: emptied(c) if name in empty else c for name, c in all_contracts().items()}
    wanted = {name for name, c in every.items() if c.kind in ("ledger", "event", "reference", "projection")}
    waiting = [*names, *wanted]
    while waiting:
        name = waiting.pop()
        wanted.add(name)
        waiting += [read for read in every[name].reads if read not in wanted]
    return {name: contract for name, contract in every.items() if name in wanted}


def emptied(contract: Contract) -> Contract:
    """The table as one that no night computes."""
    return replace(contract, kind="event", reads={})


def all_contracts() -> dict[str, Contract]:
    """The project's contracts, as a copy to change."""
    return dict(contracts())
