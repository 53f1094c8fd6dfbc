"""What goes wrong in the pipeline itself becomes alerts: one while it goes on, resolved when it is over.

Pure: troubles, alerts that are there, their log and owners come in, rows of service.alerts and service.alert_log come out.
What a trouble is, pipelines/service/watch.py finds; whom alerts are sent to, and when, is routing.py, as for all others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from assets.service.alerting import alert_id
from assets.service.routing import entry

Row = dict[str, Any]
RUN_FAILED, NOT_FRESH = "pipeline.run_failed", "pipeline.not_fresh"
RULES = frozenset({RUN_FAILED, NOT_FRESH})
COMPONENT, CAUSE = "pipeline", "infrastructure"
RUNBOOK = "docs/runbooks/pipeline.md"
EVIDENCE = "select * from governance.freshness where state not in ('fresh', 'closed') order by day desc, table_name"


@dataclass(frozen=True)
class Trouble:
    """Something of the pipeline that is wrong now: the rule and subject name it, `since` is when it began."""

    rule: str
    subject: str
    title: str
    since: datetime

    @property
    def fingerprint(self) -> str:
        return f"{self.rule}|||||{self.subject}"


def alerts_to_raise(
    troubles: Iterable[Trouble], alerts: Iterable[Mapping[str, Any]], log: Iterable[Mapping[str, Any]],
    owners: Iterable[Mapping[str, Any]], now: datetime,
) -> list[Row]:  # fmt: skip
    """The alerts that these troubles lack: none for one that has an unresolved alert, whenever that says it began."""
    told = {alert["fingerprint"] for alert in _unresolved(alerts, log)}
    names = {alert["alert_id"] for alert in alerts}
    owner = next((o for o in owners if (o["component"], o["cause_class"]) == (COMPONENT, CAUSE)), {})
    rows = [_raised(trouble, owner, now) for trouble in troubles if trouble.fingerprint not in told]
    return [row for row in rows if row["alert_id"] not in names]


def resolutions(
    troubles: Iterable[Trouble], alerts: Iterable[Mapping[str, Any]], log: Iterable[Mapping[str, Any]], now: datetime
) -> list[Row]:
    """The entries that say that what an alert told of is over."""
    still = {trouble.fingerprint for trouble in troubles}
    over = [alert for alert in _unresolved(alerts, log) if alert["fingerprint"] not in still]
    return [entry(alert, "resolved", now, None, 1) for alert in over]


def _unresolved(alerts: Iterable[Mapping[str, Any]], log: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    resolved: Collection[str] = {row["alert_id"] for row in log if row["act"] == "resolved"}
    return [alert for alert in alerts if alert["rule"] in RULES and alert["alert_id"] not in resolved]


def _raised(trouble: Trouble, owner: Mapping[str, Any], now: datetime) -> Row:
    return {
        "day": trouble.since.date(),
        "alert_id": alert_id(trouble.fingerprint, trouble.since),
        "fingerprint": trouble.fingerprint,
        "rule": trouble.rule,
        # A night waits for the morning: what readers see stays whole, and the planner tries again.
        "severity": "ticket",
        "rule_severity": "ticket",
        "title": trouble.title,
        **dict.fromkeys(("feature", "model", "prompt_version", "tenant", "api_key_token", "slo", "owner", "suppressed_by")),
        "cause_class": CAUSE,
        "component": COMPONENT,
        "channel": owner.get("channel"),
        "backup_channel": owner.get("backup_channel"),
        "escalate_after_min": owner.get("escalate_after_min"),
        "runbook": RUNBOOK,
        "evidence": EVIDENCE,
        "first_seen": trouble.since,
        "last_seen": max(now, trouble.since),
        "recorded_at": now,
        "state": "open",
        "group_key": f"pipeline / {trouble.subject}",
    }
