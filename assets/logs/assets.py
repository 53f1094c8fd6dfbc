"""logs: landing files into the ledger, the tenants that may be named, and the tables computed from them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from assets.checks import result
from assets.logs.quarantine_share import MIN_RECORDS, Delivery, too_much
from assets.tables import asset_key, asset_spec
from resources import terminal
from resources.clock import Clock
from resources.contracts import Contract
from resources.day_inputs import FILE_ORDER
from resources.landing import LandedFile, LandingReport
from resources.references import replace_reference
from resources.store import Store
from resources.stored_rows import stored_table
from resources.tenants import declared_tenants, tenant_rows
from resources.warehouse import scan
from resources.warehouse_resource import WarehouseResource

ALL_READ = "every_file_could_be_typed"
QUARANTINE_SHARE = "quarantine_share"
_DELIVERIES = """
with states as (
    select *, row_number() over (partition by file_id order by state_number desc) as place
    from ({files}) where state in ('landed', 'superseded')
),
live as (select * from states where place = 1 and state = 'landed' and day >= $since),
reasons as (
    select q.source, q.day, q.reason, q.column_name, q.expected, count(*) as number
    from ({quarantine}) as q inner join live on q.file_id = live.file_id
    group by all
),
first_reasons as (
    select *, row_number() over (partition by source, day order by number desc, reason, column_name) as place from reasons
)
select
    live.source, live.day, sum(live.records + live.lines_refused), sum(live.records_quarantined + live.lines_refused),
    min(r.reason || coalesce(' in ' || r.column_name, '') || coalesce(' (expected ' || r.expected || ')', ''))
from live
left join first_reasons as r on live.source = r.source and live.day = r.day and r.place = 1
group by live.source, live.day
order by live.source, live.day
"""
LEDGER = ("logs.files", "logs.landed", "logs.texts", "logs.quarantine")


def landing_asset(contracts: dict[str, Contract]) -> dg.AssetsDefinition:
    """Landing: every new file of the landing folder, once."""
    files = contracts["logs.files"]
    specs = [dg.AssetCheckSpec(c.name, asset=asset_key(files.name), description=c.meaning) for c in files.checks]
    specs.append(
        dg.AssetCheckSpec(
            ALL_READ,
            asset=asset_key(files.name),
            description="Every file may be read, and stopped not the SQL of its format",
        )
    )

    specs.append(
        dg.AssetCheckSpec(
            QUARANTINE_SHARE,
            asset=asset_key(files.name),
            description="Of what a source delivered yesterday and today, no more is in quarantine than its quarantine_limit "
            f"allows; deliveries of fewer than {MIN_RECORDS} records are not judged. It holds nothing back",
        )
    )

    @dg.multi_asset(name="land_files", specs=[asset_spec(contracts[n], contracts) for n in LEDGER], check_specs=specs)
    def land_files(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource, clock: dg.ResourceParam[Clock]
    ) -> Iterator[Any]:
        def progress(file: LandedFile) -> None:
            context.log.info(
                f"{file.path}: {file.state}, {file.records_landed:,} records, "
                f"{file.records_quarantined + file.lines_refused:,} quarantined"
            )

        warehouse.sign(context)
        store = warehouse.store()
        report = warehouse.landing().land(clock.now(), clock.is_settled, progress)
        for name in LEDGER:
            rows = sum(f.rows for f in store.newest(name).files())
            metadata = {"dagster/row_count": rows, **(_report_metadata(report) if name == files.name else {})}
            yield dg.MaterializeResult(asset_key=asset_key(name), metadata=metadata)
        for check, failing in zip(files.checks, failing_files(store, files), strict=True):
            yield result(files, check.name, failing)

        yield result(
            files,
            ALL_READ,
            dict.fromkeys(report.failed, 1),
            {"sentences": [f"{path}: {said}" for path, said in report.failed.items()]},
        )
        limits = {source.name: source.quarantine_limit for source in warehouse.landing().sources.values()}
        bad = too_much(deliveries(store, clock.now() - timedelta(days=1)), limits)
        yield result(files, QUARANTINE_SHARE, bad, {"sentences": list(bad)})

    return land_files


def failing_files(store: Store, files: Contract) -> list[dict[str, int]]:
    """For each check of logs.files, how many rows of which path break it."""
    counts = ", ".join(f"count_if({check.failing})" for check in files.checks)
    with store.connection() as con:
        con.register("files", stored_table(store, files.name, FILE_ORDER))
        found = con.execute(f"select path, {counts} from files group by path order by path").fetchall()
    return [{row[0]: int(row[place]) for row in found if row[place]} for place in range(1, len(files.checks) + 1)]


def deliveries(store: Store, since: datetime) -> list[Delivery]:
    """What arrived from each source on each UTC day from `since` on."""
    quarantine = store.contracts["logs.quarantine"]
    # A record in quarantine lies on the day on which its file arrived.
    recent = [f.path for f in store.newest(quarantine.name).files() if f.day is not None and f.day >= since.date()]
    with store.connection() as con:
        con.register("files", stored_table(store, "logs.files", FILE_ORDER))
        sql = _DELIVERIES.format(files="select * from files", quarantine=scan(quarantine, recent))
        found = con.execute(sql, {"since": since.date()}).fetchall()
    return [
        Delivery(source, day, int(records), int(quarantined), reason) for source, day, records, quarantined, reason in found
    ]


def tenants_asset(contracts: dict[str, Contract]) -> dg.AssetsDefinition:
    """logs.tenants: the names of seeds/tenants.yml beside the pseudonyms that the ledger knows them by."""

    @dg.multi_asset(name="logs__tenants", specs=[asset_spec(contracts["logs.tenants"], contracts)])
    def tenants(context: dg.AssetExecutionContext, warehouse: WarehouseResource, clock: dg.ResourceParam[Clock]) -> Any:
        keyring = warehouse.landing().keyring(clock.now())
        names = declared_tenants(warehouse.seeds / "tenants.yml")
        rows = tenant_rows(names, keyring)
        changed = replace_reference(warehouse.store(), "logs.tenants", rows)
        return dg.MaterializeResult(
            asset_key=asset_key("logs.tenants"), metadata={"dagster/row_count": len(rows), "changed": changed}
        )

    return tenants


def _report_metadata(report: LandingReport) -> dict[str, Any]:
    cell = terminal.markdown_cell
    lines = "\n".join(
        f"| {cell(f.path)} | {f.state} | {f.records_landed:,} | {f.records_quarantined + f.lines_refused:,} "
        f"| {cell(f.reason or '')} |"
        for f in report.files[:50]
    )
    more = f"\n\nand {len(report.files) - 50} more" if len(report.files) > 50 else ""
    return {
        **{f"files_{state}": report.count(state) for state in ("landed", "copy", "refused")},
        "files_unchanged": report.unchanged,
        "files": dg.MetadataValue.md(
            f"| file | state | landed | quarantined | reason |\n|---|---|---|---|---|\n{lines}{more}"
        ),
        "still_written": dg.MetadataValue.json(report.still_written),
        "failed": dg.MetadataValue.json(report.failed),
        "unread_keys": dg.MetadataValue.json({source: list(keys) for source, keys in report.unread.items() if keys}),
        "undeclared": dg.MetadataValue.json(report.undeclared),
        "passed_over": dg.MetadataValue.json(report.passed_over),
    }
