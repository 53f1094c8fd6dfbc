"""A contract's rules as Great Expectations: what readers see is validated, after it was published.

Here belongs how a contract becomes expectations, and how findings become asset checks. The hot checks of
assets/checks.py hold rows back before they are committed; these look at the published file, whatever brought the rows
there, and hold nothing back. How expectations are asked is resources/expectations.py.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from assets.checks import ALLOWED, RANGE, REQUIRED, UNIQUE
from assets.tables import asset_key
from resources.clock import Clock
from resources.contracts import STORED_KINDS, Contract
from resources.day_inputs import digest
from resources.expectations import Expectation, Finding, Validation, Validator, columns_query, fingerprint
from resources.published_file import shown_columns
from resources.publishing import Publisher
from resources.validation import ALL, Days, ValidationRecord, pending, published_days, unseen
from resources.warehouse_resource import WarehouseResource

COLUMNS = "columns"
_MEANINGS = {
    COLUMNS: "The published table has the contract's columns, with their types",
    REQUIRED: "Columns that must have a value have one",
    ALLOWED: "Columns hold only the values that the contract names",
    RANGE: "Numbers lie within the contract's bounds",
    UNIQUE: "No two rows of a day share the key",
}
_AFTERWARDS = "Great Expectations looks at the published rows; nothing is held back."


class ValidationConfig(dg.Config):
    """`whole`: validate all published days again, and not only those that changed."""

    whole: bool = False


def validated_tables(contracts: dict[str, Contract]) -> dict[str, Contract]:
    """The tables that have a suite: those with rows of their own."""
    return {name: contract for name, contract in contracts.items() if contract.kind in STORED_KINDS}


def key_columns(contract: Contract) -> list[str]:
    """The columns that name a row: its day, where the table has days, and its key."""
    return list(dict.fromkeys([*(["day"] if contract.is_partitioned else []), *contract.key]))


def expectations(contract: Contract) -> list[Expectation]:
    """All that is expected of a table's published rows; rules about words are left out, for they are not published."""
    columns = shown_columns(contract)
    promised = {c.name: _shown_type(c.type) for c in columns}
    found = [Expectation(COLUMNS, "FailingRows", _MEANINGS[COLUMNS], True, None, {"query": columns_query(promised)})]

    def add(name: str, kind: str, column: str | None, arguments: dict[str, Any]) -> None:
        found.append(Expectation(name, kind, _MEANINGS[name], True, column, arguments))

    for column in columns:
        if column.required:
            add(REQUIRED, "ExpectColumnValuesToNotBeNull", column.name, {})
        if column.values:
            add(ALLOWED, "ExpectColumnValuesToBeInSet", column.name, {"value_set": list(column.values)})
        if column.minimum is not None or column.maximum is not None:
            bounds = {"min_value": column.minimum, "max_value": column.maximum}
            add(RANGE, "ExpectColumnValuesToBeBetween", column.name, bounds)
    key = key_columns(contract)
    if contract.key and len(key) > 1:
        add(UNIQUE, "ExpectCompoundColumnsToBeUnique", None, {"column_list": key})
    elif contract.key:
        add(UNIQUE, "ExpectColumnValuesToBeUnique", key[0], {})
    words = [c.name for c in contract.columns if c not in columns]
    for check in contract.checks:
        if not any(re.search(rf"\b{word}\b", check.failing) for word in words):
            found.append(
                Expectation(check.name, "FailingRows", check.meaning, check.blocking, None, {"failing": check.failing})
            )
    return found


def published_checks(contracts: dict[str, Contract]) -> dg.AssetChecksDefinition:
    """One check a table and rule, all in one step: Great Expectations is imported once, and only if there is work."""
    tables = validated_tables(contracts)
    suites = {name: expectations(contract) for name, contract in tables.items()}
    specs = [spec for name, suite in suites.items() for spec in _specs(name, suite)]

    @dg.multi_asset_check(name="validate_published", specs=specs, can_subset=True)
    def validate_published(
        context: dg.AssetCheckExecutionContext,
        config: ValidationConfig,
        warehouse: WarehouseResource,
        clock: dg.ResourceParam[Clock],
    ) -> Iterator[dg.AssetCheckResult]:
        warehouse.sign(context)
        selected = {key.asset_key for key in context.selected_asset_check_keys}
        wanted = [name for name in tables if asset_key(name) in selected]
        # Who picks single checks on an asset's page wants to see them run.
        whole = config.whole or len(context.selected_asset_check_keys) < len(specs)
        publisher = warehouse.publisher()
        record = ValidationRecord(publisher.store.state)
        with record.lock():
            manifest = publisher.manifest()
            published = published_days(manifest, {name: fingerprint(suites[name]) for name in wanted})
            todo = published if whole else pending(published, record)
            todo = {name: days for name, days in todo.items() if days}
            context.log.info(f"{len(todo)} of {len(wanted)} tables have published rows to validate")
            if not todo:
                return
            run_name = f"manifest-{manifest['number']}"
            validator = Validator(publisher.door.resolve(), publisher.store.state, clock.now(), run_name)
            for name, days in todo.items():
                where = None if days == published[name] else _days_condition(days)
                validation = validator.validate(name, key_columns(tables[name]), suites[name], where)
                record.record(name, published[name], days, validation.passed)
                failing = [finding for finding in validation.findings if not finding.passed]
                context.log.info(f"{name}: {validation.rows:,} rows of {len(days)} days, {len(failing)} expectations failed")
                for result in _results(name, suites[name], days, validation):
                    if dg.AssetCheckKey(asset_key(name), str(result.check_name)) in context.selected_asset_check_keys:
                        yield result
            validator.build_index()

    return validate_published


def due(contracts: dict[str, Contract], publisher: Publisher) -> str | None:
    """What was published and not validated yet, as a digest; None where there is nothing."""
    suites = {name: fingerprint(expectations(contract)) for name, contract in validated_tables(contracts).items()}
    todo = unseen(published_days(publisher.manifest(), suites), ValidationRecord(publisher.store.state))
    return digest(json.dumps(todo, sort_keys=True)) if todo else None


def _specs(table: str, suite: Sequence[Expectation]) -> list[dg.AssetCheckSpec]:
    meanings = {e.name: e.meaning for e in suite}
    return [
        dg.AssetCheckSpec(f"published_{name}", asset=asset_key(table), description=f"{meaning}. {_AFTERWARDS}")
        for name, meaning in meanings.items()
    ]


def _results(table: str, suite: Sequence[Expectation], days: Days, validation: Validation) -> Iterator[dg.AssetCheckResult]:
    """One result a rule: how many rows break it, where, and the keys of the first of them."""
    for name in dict.fromkeys(e.name for e in suite):
        findings = [finding for finding in validation.findings if finding.expectation.name == name]
        failing = [finding for finding in findings if not finding.passed]
        blocking = any(finding.expectation.blocking for finding in findings)
        metadata: dict[str, Any] = {
            "failing_rows": sum(finding.failing_rows for finding in failing),
            "validated_rows": validation.rows,
            "validated_days": _span(days),
            "expectations": len(findings),
            "data_docs": dg.MetadataValue.path(str(validation.page)),
        }
        if failing:
            metadata["where"] = dg.MetadataValue.json({_place(f): f.error or f.failing_rows for f in failing})
            metadata["failing_ids"] = dg.MetadataValue.json({_place(f): list(f.ids) for f in failing})
            metadata["observed"] = dg.MetadataValue.json({_place(f): f.observed for f in failing if f.observed})
        yield dg.AssetCheckResult(
            check_name=f"published_{name}",
            asset_key=asset_key(table),
            passed=not failing,
            severity=dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN,
            metadata=metadata,
        )


def _place(finding: Finding) -> str:
    return finding.expectation.column or finding.expectation.name


def _span(days: Days) -> str:
    if ALL in days:
        return "all rows"
    return f"{min(days)} to {max(days)}, {len(days)} days" if len(days) > 1 else min(days)


def _days_condition(days: Days) -> str:
    named = ", ".join(f"date '{day}'" for day in sorted(days))
    return f"day in ({named})"


def _shown_type(type_: str) -> str:
    return "TIMESTAMP" if type_ == "TIMESTAMPTZ" else type_.replace(" ", "")
