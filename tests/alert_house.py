"""A house whose requests can fail, whose failures are findings, and whose channels lead to a server of the test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from core import COST, core_contracts
from house import House, all_contracts, request

from pipelines.service.alert_desk import ALERTS, DEPLOYMENTS, LOG, AlertDesk
from pipelines.service.incident_desk import INCIDENTS
from resources.contracts import Contract
from resources.events import Row, table_rows
from resources.references import replace_reference
from resources.table_store import arrow_schema

NOW = "2026-11-10T03:00:00"
SERVICE = (
    ALERTS, LOG, INCIDENTS, DEPLOYMENTS, "service.owners", "service.features", "service.alerts_now",
    "service.incidents_now", "release.deployments_now",
)  # fmt: skip


def alert_contracts() -> dict[str, Contract]:
    """The core tables without money, those of alerts, and findings made of failed requests (tests/alert_findings.sql)."""
    known = all_contracts()
    core = {name: contract for name, contract in core_contracts().items() if name not in (*COST, "logs.request_days")}
    findings = replace(
        known["service.findings"], reads={"logs.requests": (0, 0)}, sql_file=Path(__file__).with_name("alert_findings.sql")
    )
    return {**core, "service.findings": findings, **{name: known[name] for name in SERVICE}}


class AlertHouse(House):
    """Pages of every component go to `oncall`, and after 15 minutes to `lead`; tickets likewise."""

    def __init__(self, root: Path, now: str = NOW, seed: str = ""):
        super().__init__(root, now, alert_contracts())
        self.store.threads = 1
        self.seeds = root / "seeds"
        self.addresses: dict[str, str] = {}
        if not self.seeds.exists():
            self.seeds.mkdir(parents=True)
            self.declare(seed)

    def declare(self, seed: str = "", deployments: str = "deployments: {}\n") -> None:
        """Write the seeds, and make the references that the night would make of its own."""
        channels = "channels: {oncall: {env: ONCALL}, lead: {env: LEAD}}\n"
        (self.seeds / "notify.yml").write_text(channels + seed, encoding="utf-8")
        (self.seeds / "deployments.yml").write_text(deployments, encoding="utf-8")
        owner = {"channel": "oncall", "backup_channel": "lead", "escalate_after_min": 15}
        owners = [
            {"component": part, "cause_class": cause, **owner}
            for part in ("application", "gateway", "pipeline")
            for cause in ("infrastructure", "model", "safety", "data", "compliance", "cost")
        ]
        self._reference("service.owners", owners)
        feature = {
            "feature": "chat", "owner": "team:chat", "use_case": "x", "risk_class": "limited", "cache_max_age_s": 1.0,
            "text_policy": "none",
        }  # fmt: skip
        self._reference("service.features", [feature])

    def desk(self) -> AlertDesk:
        return AlertDesk(self.publisher, self.seeds, self.addresses, lambda: self.now)

    def wait(self, minutes: float) -> None:
        self.now += timedelta(minutes=minutes)

    def rows(self, name: str) -> list[Row]:
        return table_rows(self.store, name)

    def acts(self) -> list[tuple[str, str | None, int]]:
        """What stands in the log, in the order in which it was written, without who and when."""
        order = {"escalated": 0, "sending": 1}
        log = sorted(self.rows(LOG), key=lambda e: (e["acted_at"], e["number"], order.get(e["act"], 2)))
        return [(e["act"], e["channel"], e["number"]) for e in log]

    def _reference(self, name: str, rows: list[dict[str, Any]]) -> None:
        replace_reference(self.store, name, pa.Table.from_pylist(rows, schema=arrow_schema(self.store.contracts[name])))


def failed(request_id: str, ts: str, feature: str = "chat", code: str = "500", **more: Any) -> Mapping[str, Any]:
    """A request of 2026 that failed; `leak` is safety-critical, `burn` a replayed rule, `slow` a ticket."""
    return request(
        request_id, f"2026-{ts}:00Z", feature=feature, error_class="provider", error_code=code, output_tokens=None,
        user_id=f"user-{request_id}", tenant="acme-corp", **more,
    )  # fmt: skip


def moment(text: str) -> datetime:
    """`11-09T10:00` of 2026 (UTC)."""
    return datetime.fromisoformat(f"2026-{text}:00+00:00")
