"""SQL + contract -> asset. A relational table needs no Python: this is all the Python that they share. A table that SQL
cannot compute brings one pure function (assets/python_tables.py) and is the same asset otherwise.

Here belongs how a contract becomes a Dagster asset (dependencies, partition mapping, descriptions, columns) and the
table of contents of its step. How a day is computed is resources/computing.py.
"""

import re
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from assets.checks import check_results, check_specs, rules
from assets.partitions import daily
from assets.pictures import pictures
from assets.python_tables import python_table
from assets.table_files import files_of
from assets.totals import largest, totals
from resources.clock import Clock
from resources.computing import DayOutcome, compute_day
from resources.contracts import CONTRACTS, REPO, Contract, ContractError
from resources.day_inputs import DayInputs, code_digest, digest
from resources.days import DayLog
from resources.warehouse import strip_comments
from resources.warehouse_resource import EmbedderResource, WarehouseResource

DUE_AFTER, LATE_AFTER = timedelta(hours=26), timedelta(hours=36)
"""A nightly table is computed every 24 hours: 26 are a slow night, after 36 somebody should look."""
CODE_REFERENCES = "dagster/code_references"
_FROM = re.compile(r"\b(?:from|join)\s+([a-z_]+\.[a-z_0-9]+)", re.IGNORECASE)
_QUOTED = re.compile(r"'(?:[^']|'')*'")

_KINDS = {
    "ledger": {"deltalake"},
    "event": {"deltalake"},
    "reference": {"deltalake"},
    "derived": {"sql", "duckdb", "deltalake"},
    "projection": {"duckdb"},
    "view": {"sql", "duckdb"},
}


def asset_key(name: str) -> dg.AssetKey:
    """`question.table` as Dagster writes it."""
    return dg.AssetKey(name.split("."))


def tables_read(contract: Contract) -> set[str]:
    """The tables that a table's SQL names in FROM and JOIN."""
    # `extract(hour from r.ts)` and `is distinct from r.model` look like FROM: a question's name tells them apart.
    questions = {folder.name for folder in CONTRACTS.iterdir()}
    # What stands in quotes is a text, such as a query that a row brings as its evidence: it is not read here.
    named = _FROM.findall(_QUOTED.sub("''", strip_comments(contract.sql)))
    return {name for name in named if name.split(".")[0] in questions}


def assert_reads(contract: Contract) -> None:
    """The contract's `reads` and the SQL's FROM are one fact: raises ContractError where they differ."""
    named = tables_read(contract)
    if named != set(contract.reads):
        raise ContractError(
            f"{contract.name}: its SQL reads {sorted(named)}, its contract says {sorted(contract.reads)}; make them equal"
        )


def dependencies(contract: Contract, contracts: dict[str, Contract]) -> list[dg.AssetDep]:
    """A table's inputs as Dagster dependencies, with the window of days where the input has days.

    Its own earlier days are none: the steps of a range go from day to day, and Dagster would ask for a run each.
    """
    deps = []
    for name, window in contract.reads.items():
        if name == contract.name:
            continue
        mapping = None
        both_daily = contract.kind == "derived" and contracts[name].kind == "derived"
        if both_daily and not isinstance(window, str) and window != (0, 0):
            mapping = dg.TimeWindowPartitionMapping(
                start_offset=window[0], end_offset=window[1], allow_nonexistent_upstream_partitions=True
            )
        deps.append(dg.AssetDep(asset_key(name), partition_mapping=mapping))
    return deps


def asset_spec(contract: Contract, contracts: dict[str, Contract]) -> dg.AssetSpec:
    """What the UI knows of a table, whatever makes it: meaning, owner, columns with units, inputs."""
    return dg.AssetSpec(
        key=asset_key(contract.name),
        deps=dependencies(contract, contracts),
        description=_description(contract),
        group_name=contract.question,
        owners=[contract.owner],
        kinds=_KINDS[contract.kind] if contract.is_sql or contract.kind != "derived" else {"python", "polars", "deltalake"},
        tags={"nocturne/kind": contract.kind},
        metadata={
            "dagster/column_schema": column_schema(contract),
            "dagster/table_name": contract.name,
            "subject_key": contract.subject_key or "none",
            CODE_REFERENCES: _code_references(contract),
        },
        freshness_policy=freshness_policy(contract),
        code_version=code_digest(contract) if contract.kind in ("derived", "view") else None,
    )


def _code_references(contract: Contract) -> dg.CodeReferencesMetadataValue:
    files = files_of(contract).items()
    return dg.CodeReferencesMetadataValue(
        code_references=[dg.LocalFileCodeReference(file_path=str(path), label=label) for label, path in files]
    )


def with_code_at(spec: dg.AssetSpec, code_url: str) -> dg.AssetSpec:
    """A table's links to where this checkout is browsed, instead of files of this machine."""
    local = spec.metadata.get(CODE_REFERENCES)
    if not isinstance(local, dg.CodeReferencesMetadataValue):
        return spec
    at = [
        dg.UrlCodeReference(url=f"{code_url}/{Path(link.file_path).relative_to(REPO).as_posix()}", label=link.label)
        for link in local.code_references
        if isinstance(link, dg.LocalFileCodeReference)
    ]
    return spec.merge_attributes(metadata={CODE_REFERENCES: dg.CodeReferencesMetadataValue(code_references=list(at))})


def freshness_policy(contract: Contract) -> dg.FreshnessPolicy | None:
    """How long a computed table may go without being looked at. Of a weekly or a person's table nobody promises that."""
    if contract.kind != "derived" or contract.freshness != "daily":
        return None
    return dg.FreshnessPolicy.time_window(fail_window=LATE_AFTER, warn_window=DUE_AFTER)


def column_schema(contract: Contract) -> dg.TableSchema:
    """The contract's columns as Dagster shows them."""
    columns = []
    for column in contract.columns:
        notes = [f"{column.meaning}."]
        if column.unit:
            notes.append(f"Unit: {column.unit}.")
        if column.values:
            notes.append(f"One of: {', '.join(column.values)}.")
        constraints = dg.TableColumnConstraints(nullable=not column.required, unique=contract.key == (column.name,))
        tags = {} if column.class_ == "fact" else {"class": column.class_}
        columns.append(dg.TableColumn(column.name, column.type, " ".join(notes), constraints, tags))
    return dg.TableSchema(columns)


def table_asset(contract: Contract, contracts: dict[str, Contract]) -> dg.AssetsDefinition:
    """The asset of a derived table: each day of the run brought up to date, with its checks."""
    if contract.is_sql:
        assert_reads(contract)
    table_rules = rules(contract)

    @dg.multi_asset(
        name=f"{contract.question}__{contract.table}",
        specs=[asset_spec(contract, contracts)],
        check_specs=check_specs(contract),
        partitions_def=daily(),
        backfill_policy=dg.BackfillPolicy.single_run(),
        can_subset=False,
    )
    def compute_table(
        context: dg.AssetExecutionContext,
        warehouse: WarehouseResource,
        clock: dg.ResourceParam[Clock],
        embedder: EmbedderResource,
    ) -> Any:
        store = warehouse.store()
        inputs = DayInputs(store, warehouse.pins(context, clock))
        first, last = (date.fromisoformat(key) for key in (context.partition_keys[0], context.partition_keys[-1]))
        python = python_table(contract, embedder.open(store), context.log.info)
        outcomes = []
        for day in days_between(first, min(last, inputs.last_due_day)):
            outcome = compute_day(store, contract, day, inputs, table_rules, python)
            outcomes.append(outcome)
            if outcome.outcome != "fresh":
                context.log.info(f"{contract.name} {day}: {outcome.outcome}, {outcome.rows:,} rows")
        yield dg.MaterializeResult(
            asset_key=asset_key(contract.name),
            metadata=_outcome_metadata(outcomes)
            | _totals(store.day_log(contract.name), contract, outcomes)
            | {name: dg.MetadataValue.md(text) for name, text in pictures(store, contract, outcomes).items()},
            data_version=dg.DataVersion(_data_version(store.day_log(contract.name), outcomes)),
        )
        yield from check_results(contract, outcomes)

    return compute_table


def days_between(first: date, last: date) -> list[date]:
    """All days from first to last, both included."""
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def _data_version(log: DayLog, outcomes: list[DayOutcome]) -> str:
    return digest(*(f"{o.day}:{state.version if (state := log.state(o.day)) else None}" for o in outcomes))


def _outcome_metadata(outcomes: list[DayOutcome]) -> dict[str, Any]:
    counts = Counter(outcome.outcome for outcome in outcomes)
    done = [o for o in outcomes if o.outcome != "fresh"] or outcomes
    shown = done[-31:]
    table = "\n".join(f"| {o.day} | {o.outcome} | {o.rows:,} |" for o in shown)
    heading = f"last {len(shown)} of {len(done)} days\n\n" if len(done) > len(shown) else ""
    # Every day of a range bears the metadata of its run: the sum would pass for the rows of each.
    rows = "dagster/partition_row_count" if len(outcomes) == 1 else "rows_of_the_range"
    return {
        rows: sum(o.rows for o in outcomes),
        **{f"days_{name}": counts[name] for name in ("replaced", "unchanged", "fresh", "failed", "given_up")},
        "days": dg.MetadataValue.md(f"{heading}| day | outcome | rows |\n|---|---|---|\n{table}"),
    }


def _totals(log: DayLog, contract: Contract, outcomes: list[DayOutcome]) -> dict[str, Any]:
    """Of the newest day that has rows: its largest groups, and its totals as numbers. The UI shows those of the last run,
    which may have found all days fresh."""
    days = [o.day for o in outcomes if o.outcome in ("fresh", "replaced", "unchanged") and o.rows]
    if not days or not contract.measures.columns or not contract.measures.by:
        return {}
    groups = log.measures(max(days))
    shown = {name: dg.MetadataValue.float(float(total)) for name, total in totals(contract, groups).items()}
    return {f"largest of {max(days)}": dg.MetadataValue.md(largest(contract, groups)), **shown}


def _description(contract: Contract) -> str:
    parts = [contract.row]
    if contract.caveats:
        parts.append(contract.caveats)
    if contract.key:
        parts.append(f"Key: {', '.join(contract.key)}.")
    windows = [
        f"`{name}` "
        + (
            "(rows valid on the day)"
            if isinstance(w, str)
            else f"(days {w[0]:+d} to {w[1]:+d})"
            if w != (0, 0)
            else "(same day)"
        )
        for name, w in contract.reads.items()
    ]
    if windows:
        parts.append("Reads " + ", ".join(windows) + ".")
    return "\n\n".join(parts)
