"""Alerts as Dagster runs them: the job that raises and sends, and the sensor that asks for it when there is something to do.

The tables that a pass appends to are its assets, so that the UI shows them with their counts. What the seed states of
deployments is taken before anything is computed, and so an asset of its own; a pass takes it as well. Offered to build.py:
`deployments_asset`, `alerts_asset`, `alerts_job`, `alert_sensor`.
"""

from collections.abc import Iterator

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.tables import asset_key, asset_spec
from pipelines.clock import WallClock
from pipelines.sensor_opening import Opening, request_of
from pipelines.service.alert_desk import ALERTS, DEPLOYMENTS, FINDINGS, LOG, AlertDesk, Row, Worked
from pipelines.service.incident_desk import INCIDENTS
from pipelines.settings import sensor_seconds
from resources import terminal
from resources.contracts import Contract
from resources.warehouse_resource import WarehouseResource

ALERT = "raise_alerts"
EVENTS = (ALERTS, LOG, INCIDENTS)
"""The event tables that a pass appends to."""
_INPUTS = {ALERTS: (FINDINGS, DEPLOYMENTS, "service.owners", "service.features"), LOG: (ALERTS,), INCIDENTS: (ALERTS,)}


def deployments_asset(contracts: dict[str, Contract]) -> dg.AssetsDefinition:
    """release.deployments: what the seed states is in the table before the night asks what is declared."""

    @dg.multi_asset(name="release__deployments", specs=[asset_spec(contracts[DEPLOYMENTS], contracts)])
    def deployments(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource, clock: WallClock
    ) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        taken = AlertDesk.of(warehouse, clock).take_deployments()
        context.log.info(f"{len(taken)} statements on deployments are new")
        rows = sum(file.rows for file in warehouse.store().open(DEPLOYMENTS).files())
        yield dg.MaterializeResult(asset_key=asset_key(DEPLOYMENTS), metadata={"dagster/row_count": rows, "new": len(taken)})

    return deployments


def alerts_asset(contracts: dict[str, Contract]) -> dg.AssetsDefinition:
    """Raising and sending: what is published becomes alerts, once; messages go to the channels, once."""
    specs = [
        asset_spec(contracts[name], contracts).replace_attributes(deps=[asset_key(i) for i in _INPUTS.get(name, ())])
        for name in EVENTS
    ]

    @dg.multi_asset(name="raise_and_send", specs=specs)
    def raise_alerts(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource, clock: WallClock
    ) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        warehouse.sign(context)
        desk = AlertDesk.of(warehouse, clock)
        done = desk.work()
        context.log.info(said(done))
        for name in EVENTS:
            rows = sum(file.rows for file in warehouse.store().open(name).files())
            metadata = {"dagster/row_count": rows, **(_told(done, desk.standing()) if name == ALERTS else {})}
            yield dg.MaterializeResult(asset_key=asset_key(name), metadata=metadata)

    return raise_alerts


def alerts_job() -> UnresolvedAssetJobDefinition:
    """One pass over what is published and what is due."""
    return dg.define_asset_job(
        ALERT,
        selection=dg.AssetSelection.assets(*(asset_key(name) for name in EVENTS)),
        description="Raise what the rules found in what is published, and send what is due. Safe at any time; twice is once",
    )


def alert_sensor() -> dg.SensorDefinition:
    """Asks for a pass whenever one would do something: after a publish, when a retry or an escalation is due."""

    opening = Opening(ALERT, "alerts are being raised or sent")

    @dg.sensor(
        name="alerts",
        job_name=ALERT,
        minimum_interval_seconds=sensor_seconds(30),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Raises alerts after each publish, and sends, retries and escalates what is due.",
    )
    def alerts(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource, clock: WallClock
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        desk = AlertDesk.of(warehouse, clock)
        idle = f"nothing to raise, nothing to send{_waiting(desk.waiting_channels())}"
        yield request_of(opening, context, "alerts", desk.pending(), idle)

    return alerts


def said(done: Worked) -> str:
    """What a pass did, in a sentence."""
    pages = sum(row["severity"] == "page" and row["state"] == "open" for row in done.raised)
    parts = [f"{len(done.raised)} alerts raised ({pages} pages)"]
    parts += [f"{number} messages {act}" for act, number in sorted(done.messages.items())]
    parts += [f"incident {name} opened" for name in done.incidents]
    return "; ".join(parts) + _waiting(done.waiting)


def _waiting(channels: dict[str, int]) -> str:
    return "".join(f"; {number} alerts wait: {name} has no address" for name, number in sorted(channels.items()))


def _told(done: Worked, standing: list[Row]) -> dict[str, dg.MetadataValue | int]:
    """What the asset's page shows: counts, and what is open. No address, and no words of users."""
    still = [row for row in standing if row["state"] in ("open", "acknowledged")]
    cell = terminal.markdown_cell
    lines = "\n".join(
        f"| {row['alert_id'][:8]} | {row['severity']} | {row['state']} | {row['delivery']} | {cell(row['title'])} |"
        for row in still[:50]
    )
    return {
        "raised_now": len(done.raised),
        **{f"messages_{act}": done.messages[act] for act in ("sent", "failed", "unconfirmed")},
        "incidents_opened": len(done.incidents),
        "open_pages": sum(row["severity"] == "page" for row in still),
        "open_tickets": sum(row["severity"] == "ticket" for row in still),
        "waiting_channels": dg.MetadataValue.json(done.waiting),
        "standing": dg.MetadataValue.md(f"| alert | severity | state | delivery | what |\n|---|---|---|---|---|\n{lines}"),
    }
