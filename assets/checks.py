"""A contract's rules as hot checks: all of a table in one scan of the day's staged rows, before they are committed.

Here belongs how a contract's columns become rules, and how verdicts are shown in Dagster. The step succeeds even when
a blocking check fails: the day's rows are held back instead (resources/computing.py). Every failing check is an ERROR:
a promise is broken, whether readers see the rows or not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import dagster as dg

from resources import terminal
from resources.computing import OWN_DAY, DayOutcome
from resources.contracts import Contract
from resources.warehouse import Rule, Verdict, literal

REQUIRED, UNIQUE, ALLOWED, RANGE = "required_columns", "unique_key", "allowed_values", "in_range"
HELD_BACK = "A day that breaks it is held back: readers keep its earlier rows."
_MEANINGS = {
    OWN_DAY: "Every row lies on the day that was computed",
    REQUIRED: "Columns that must have a value have one",
    UNIQUE: "No two rows share the key",
    ALLOWED: "Columns hold only the values that the contract names",
    RANGE: "Numbers lie within the contract's bounds",
}


def rules(contract: Contract) -> list[Rule]:
    """All rules of a table, each an aggregate that counts the rows which break it."""
    found = []
    for column in contract.columns:
        name = column.name
        if column.required:
            found.append(Rule(REQUIRED, name, f"count_if({name} is null)", True))
        if column.values:
            values = ", ".join(literal(v) for v in column.values)
            found.append(Rule(ALLOWED, name, f"count_if({name} not in ({values}))", True))
        if column.minimum is not None:
            found.append(Rule(RANGE, name, f"count_if({name} < {column.minimum!r})", True))
        if column.maximum is not None:
            found.append(Rule(RANGE, name, f"count_if({name} > {column.maximum!r})", True))
    if contract.key:
        found.append(Rule(UNIQUE, None, f"count(*) - count(distinct ({', '.join(contract.key)}))", True))
    found += [
        Rule(check.name, None, f"count_if({check.failing})", check.blocking, check.failing, contract.key)
        for check in contract.checks
    ]
    return found


def check_specs(contract: Contract) -> list[dg.AssetCheckSpec]:
    """One Dagster check a rule kind, and one for each rule that the contract spells out."""
    meanings = {name: f"{meaning}. {HELD_BACK}" for name, meaning in _MEANINGS.items()}
    meanings |= {c.name: f"{c.meaning}. {HELD_BACK if c.blocking else ''}".strip() for c in contract.checks}
    names = dict.fromkeys([OWN_DAY, *(rule.name for rule in rules(contract))])
    key = dg.AssetKey([contract.question, contract.table])
    return [dg.AssetCheckSpec(name, asset=key, description=meanings[name]) for name in names]


def check_results(contract: Contract, outcomes: Iterable[DayOutcome]) -> list[dg.AssetCheckResult]:
    """What the checks of some days found, one result a check, with the failing rows by day and column or key."""
    outcomes = list(outcomes)
    results = []
    for spec in check_specs(contract):
        failing: dict[str, int] = {}
        for outcome in outcomes:
            for verdict in outcome.verdicts:
                if verdict.name == spec.name and verdict.failing_rows:
                    failing |= _places(str(outcome.day), verdict)
        rejected = [str(o.rejected) for o in outcomes if o.rejected and spec.name in o.failing]
        results.append(result(contract, spec.name, failing, {"rejected_rows": rejected} if rejected else {}))
    return results


def result(
    contract: Contract,
    name: str,
    failing: Mapping[str, int],
    more: Mapping[str, Sequence[str]] | None = None,
) -> dg.AssetCheckResult:
    """One check result: the number of failing rows is plotted over time, the places stand beside it."""
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=dg.AssetKey([contract.question, contract.table]),
        passed=not failing,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "failing_rows": sum(failing.values()),
            **({"where": dg.MetadataValue.json(dict(failing))} if failing else {}),
            **{key: dg.MetadataValue.json(value) for key, value in (more or {}).items()},
        },
    )


def verdict_of(check: str, key: dg.AssetKey, sentences: Sequence[str]) -> dg.AssetCheckResult:
    """The verdict on a pass: it holds where there is nothing that a person is to know."""
    return dg.AssetCheckResult(
        check_name=check,
        asset_key=key,
        passed=not sentences,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"sentences": dg.MetadataValue.json([terminal.one_line(one) for one in sentences])} if sentences else {},
    )


def _places(day: str, verdict: Verdict) -> dict[str, int]:
    """Failing rows by where they are: some by their key, where that is known, and how many more."""
    if not verdict.examples:
        return {f"{day} {verdict.column}" if verdict.column else day: verdict.failing_rows}
    named = Counter(f"{day} {key}" for key in verdict.examples)
    more = verdict.failing_rows - len(verdict.examples)
    return {**named, **({f"{day} and more": more} if more else {})}
