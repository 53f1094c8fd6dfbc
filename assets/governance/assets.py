"""governance: publishing, with the tables and views that exist only in the published file, and their laws."""

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg

from assets.checks import result
from assets.tables import assert_reads, asset_key, asset_spec
from resources import audit
from resources.clock import Clock
from resources.contracts import Check, Contract
from resources.publishing import Publisher
from resources.validation import ValidationRecord, judged_days
from resources.warehouse import open_published
from resources.warehouse_resource import WarehouseResource

APPROVALS = "governance.approvals"
WRITTEN = (audit.AUDIT, APPROVALS)
"""Events that people's acts write, and no asset: publishing shows them."""
WAITING_TAG = "nocturne/waiting"
CHAIN = "chain_is_whole"


def published_asset(contracts: dict[str, Contract]) -> dg.AssetsDefinition:
    """Publish: all that passed and fits together, before the readers as one snapshot."""
    made = [c for c in contracts.values() if c.kind in ("projection", "view") or c.name in WRITTEN]
    for contract in made:
        if contract.kind == "view":
            assert_reads(contract)
    specs = [
        dg.AssetCheckSpec(check.name, asset=asset_key(contract.name), description=check.meaning)
        for contract in made
        if contract.name not in WRITTEN
        for check in contract.checks
    ]
    chain = dg.AssetCheckSpec(
        CHAIN, asset=asset_key(audit.AUDIT), description="Every row of the audit follows from the one before"
    )

    derived = [dg.AssetDep(asset_key(c.name)) for c in contracts.values() if c.kind == "derived"]
    # governance.freshness speaks of every computed table.
    specs_of_assets = [
        spec.replace_attributes(deps=derived) if spec.key == asset_key("governance.freshness") else spec
        for spec in (asset_spec(contract, contracts) for contract in made)
    ]

    @dg.multi_asset(name="publish_warehouse", specs=specs_of_assets, check_specs=[*specs, chain])
    def publish_warehouse(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource, clock: dg.ResourceParam[Clock]
    ) -> Iterator[Any]:
        warehouse.sign(context)
        publisher = warehouse.publisher()
        published = publisher.publish(clock.last_due_day(), clock.now(), _waiting(context))
        # Not of views: they would be computed over all days, every night.
        counts = _row_counts(publisher, [c.name for c in made if c.kind == "projection" or c.name == APPROVALS])
        counts[audit.AUDIT] = int(publisher.manifest()["tables"][audit.AUDIT]["content"])
        for contract in made:
            metadata: dict[str, Any] = {"manifest": published.number}
            if contract.name in counts:
                metadata["dagster/row_count"] = counts[contract.name]
            if contract.name == "governance.freshness":
                metadata |= {
                    "published_now": published.is_new,
                    "door": dg.MetadataValue.path(str(published.path)),
                    "behind": dg.MetadataValue.json(published.behind),
                    "late_rows": dg.MetadataValue.json(published.late),
                }
            yield dg.MaterializeResult(asset_key=asset_key(contract.name), metadata=metadata)
            for check in contract.checks if contract.name not in WRITTEN else ():
                yield result(contract, check.name, failing_days(publisher, contract, check))
        broken = audit.broken_link(audit.entries(warehouse.store()))
        yield result(contracts[audit.AUDIT], CHAIN, {} if broken is None else {f"seq {broken}": 1})

    return publish_warehouse


def _waiting(context: dg.AssetExecutionContext) -> dict[date, str]:
    """Days that the planner does not try again for now, from the run's tag."""
    tag = context.run.tags.get(WAITING_TAG, "{}")
    return {date.fromisoformat(day): reason for day, reason in json.loads(tag).items()}


def _row_counts(publisher: Publisher, names: list[str]) -> dict[str, int]:
    con = open_published(publisher.door)
    try:
        return {name: int(con.execute(f"select count(*) from {name}").fetchall()[0][0]) for name in names}
    finally:
        con.close()


def failing_days(publisher: Publisher, contract: Contract, check: Check) -> dict[str, int]:
    """The days on which readers see a law broken. Asked are days where it did not hold, or that changed."""
    record, law = ValidationRecord(publisher.store.state, "laws"), f"{contract.name}.{check.name}"
    with record.lock():
        days = judged_days(publisher.manifest(), contract, check)
        held = record.validated(passed=True).get(law, {})
        open_days = [day for day, version in days.items() if held.get(day) != version]
        if not open_days:
            return {}
        con = open_published(publisher.door)
        try:
            of_open_days = f"from {contract.name} where list_contains(cast($days as date[]), day)"
            broken = f"select day, count(*) {of_open_days} and ({check.failing}) group by day order by day"
            rows = con.execute(broken, {"days": open_days})
            failing = {str(day): int(count) for day, count in rows.fetchall()}
        finally:
            con.close()
        for passed in (True, False):
            record.record(law, days, {day: days[day] for day in open_days if (day not in failing) is passed}, passed)
    return failing
