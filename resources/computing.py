"""One day of one derived table: read its inputs, run its SQL, check the rows, commit. Safe against every neighbour.

The rows are staged first. Rows that fail a blocking check are never put in the table: readers keep the earlier ones,
the commit records what was tried, and the day is not tried again until its inputs or its code change.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

from resources.contracts import Contract
from resources.day_inputs import DayInputs, Snapshot, is_newer
from resources.days import DayLog, DayState, day_commit
from resources.failpoints import failpoint
from resources.store import Store
from resources.table_store import CommitConflict
from resources.warehouse import (
    Connection,
    Rule,
    Verdict,
    check_and_fingerprint,
    define_inputs,
    literal,
    measure,
    stage_query,
    staged_rows,
)

MAX_CONFLICTS = 50
"""Refused commits of one day after which something is wrong; each refusal means that another process got ahead."""


OWN_DAY = "own_day"
"""The rule that no table can do without: a row of another day would be lost by the next replacement of that day."""


@dataclass(frozen=True)
class PythonTable:
    """A table that SQL cannot compute: `function(day, **inputs)` gets each input as a polars DataFrame under its name
    without the question, and returns a DataFrame of the contract's columns. `columns` limits what is read of an input.
    `more` are further arguments.
    """

    function: Callable[..., Any]
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)

    def rows(self, con: Connection, contract: Contract, day: date) -> Any:
        """The day's rows as an Arrow table."""
        inputs = dict(self.more)
        for name in contract.reads:
            columns = ", ".join(self.columns.get(name, ())) or "*"
            inputs[name.split(".")[1]] = con.sql(f"select {columns} from {name}").pl()
        return self.function(day, **inputs).to_arrow()


@dataclass(frozen=True)
class DayOutcome:
    """What became of one day.

    `fresh`: its recorded inputs are what is there now, nothing was done. `replaced`: new rows. `unchanged`: computed,
    the same rows, only the inputs were recorded. `failed`: a blocking check held the rows back. `given_up`: a run
    that started later has been here.
    """

    day: date
    outcome: Literal["fresh", "replaced", "unchanged", "failed", "given_up"]
    rows: int = 0
    verdicts: list[Verdict] = field(default_factory=list)
    rejected: Path | None = None

    @property
    def failing(self) -> dict[str, int]:
        failing: dict[str, int] = {}
        for verdict in self.verdicts:
            if verdict.blocks:
                failing[verdict.name] = failing.get(verdict.name, 0) + verdict.failing_rows
        return failing


def is_fresh(state: DayState | None, wanted: Mapping[str, str], every_day: bool = False) -> bool:
    """The one rule: a day is stale when what it was computed from differs from what is there now.

    A day never computed whose input days are all empty is fresh, whatever the code, unless its table speaks of every
    day, the empty ones as well.
    """
    if state is None:
        return not every_day and not any("@" in name for name in wanted)
    return state.tried == wanted


def has_something_to_say(contract: Contract, day: date, wanted: Mapping[str, str]) -> bool:
    """Whether a day never computed has what its table cannot do without (`needs` of the contract)."""
    return contract.needs is None or f"{contract.needs}@{day.isoformat()}" in wanted


def is_stale(
    contract: Contract,
    day: date,
    state: DayState | None,
    wanted: Mapping[str, str],
    begin: date | None,
    will_come: bool = False,
) -> bool:
    """Whether a day is to be computed. `begin`: the first day of anything; `will_come`: what it needs is computed now."""
    if state is None and not will_come and not has_something_to_say(contract, day, wanted):
        return False
    return not is_fresh(state, wanted, contract.every_day and begin is not None and day >= begin)


def compute_day(
    store: Store,
    contract: Contract,
    day: date,
    inputs: DayInputs,
    rules: Sequence[Rule],
    python: PythonTable | None = None,
) -> DayOutcome:
    """Bring one day up to date with its inputs as `inputs` pins them. Running it twice equals running it once.

    `python` computes the rows of a table that has no SQL.

    A day that retention has closed, or that reads one, counts as fresh whatever changed (resources/closed_days.py).
    Raises duckdb.Error where the table's SQL is wrong, RuntimeError after MAX_CONFLICTS refused commits.
    """
    log = store.day_log(contract.name)
    for _ in range(MAX_CONFLICTS):
        log.refresh()
        state = log.state(day)
        if state is not None and is_newer(state.pins, inputs.pins):
            return DayOutcome(day, "given_up", state.rows)
        snapshot = inputs.snapshot(contract, day)
        speaks = state is not None or has_something_to_say(contract, day, snapshot.inputs)
        if not speaks or inputs.closed(contract, day) or is_fresh(state, snapshot.inputs, contract.every_day):
            return DayOutcome(day, "fresh", state.rows if state else 0)
        outcome = _compute_and_commit(store, contract, day, inputs, rules, python, log, state, snapshot)
        if outcome is not None:
            return outcome
    raise RuntimeError(
        f"{contract.name} {day}: {MAX_CONFLICTS} commits in a row were refused because other processes wrote the day; "
        "stop the other runs and start the night again"
    )


def _compute_and_commit(
    store: Store,
    contract: Contract,
    day: date,
    inputs: DayInputs,
    rules: Sequence[Rule],
    python: PythonTable | None,
    log: DayLog,
    state: DayState | None,
    snapshot: Snapshot,
) -> DayOutcome | None:
    """The day's outcome; None if another process changed the day meanwhile, so that all must be decided again."""
    staged = store.staging / f"{os.getpid()}" / contract.question / contract.table / f"{day.isoformat()}.parquet"
    with store.connection() as con:
        define_inputs(con, snapshot.selects)
        if python is None:
            sql = contract.sql
        else:
            con.register("computed_rows", python.rows(con, contract, day))
            sql = "select * from computed_rows"
        stage_query(con, contract, sql, {"day": day.isoformat()}, staged)
        failpoint(f"compute.{contract.table}.staged")
        rows_sql = scan_staged(contract, staged)
        own_day = Rule(OWN_DAY, None, f"count_if(day is distinct from date '{day.isoformat()}')", True)
        verdicts, version, rows = check_and_fingerprint(con, contract, rows_sql, [own_day, *rules])
        measures = measure(con, contract, rows_sql)
    outcome = DayOutcome(day, "replaced", rows, verdicts)
    if outcome.failing:
        rejected = store.staging / "rejected" / contract.question / contract.table / staged.name
        rejected.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(staged, rejected)
        outcome = DayOutcome(day, "failed", rows, verdicts, rejected)
    elif state is not None and state.version == version:
        outcome = DayOutcome(day, "unchanged", rows, verdicts)
    try:
        for _ in range(MAX_CONFLICTS):
            sequence = state.sequence + 1 if state else 1
            metadata = day_commit(
                day, sequence, outcome.outcome, snapshot.inputs, inputs.pins, version, rows, outcome.failing, measures
            )
            try:
                if outcome.outcome == "replaced":
                    log.table.replace_day(day, staged_rows(contract, staged), sequence, metadata)
                else:
                    log.table.record_day(day, sequence, metadata)
            except CommitConflict:
                log.refresh()
                if log.state(day) != state:
                    return None
                continue
            failpoint(f"compute.{contract.table}.committed")
            log.refresh()
            return outcome
        return None
    finally:
        staged.unlink(missing_ok=True)


def scan_staged(contract: Contract, staged: Path) -> str:
    """A SELECT over a staged file, whose `day` is a column and not a folder."""
    columns = ", ".join(c.name for c in contract.columns)
    return f"select {columns} from read_parquet({literal(str(staged))}, hive_partitioning = false)"
