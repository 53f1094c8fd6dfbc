"""Incidents: a list of changes, folded into what is known of one; which earlier ones are like it.

Pure: rows of service.incidents come in. The written draft is postmortem.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

Row = dict[str, Any]
MOST_SIMILAR = 5


class IncidentError(ValueError):
    """A change of an incident that cannot be written down; says why."""


@dataclass
class Incident:
    """One incident, as its changes say. Times are UTC; None where it has not happened, or was not said."""

    incident_id: str
    day: date
    title: str
    severity: str | None
    feature: str | None
    model: str | None
    detected_at: datetime
    cause_class: str | None = None
    contained_at: datetime | None = None
    resolved_at: datetime | None = None
    compliance_notified_at: datetime | None = None
    is_reportable: bool | None = None
    is_released: bool = False
    evidence_from: datetime | None = None
    evidence_to: datetime | None = None
    affected_users: int | None = None
    affected_requests: int | None = None
    alert_ids: list[str] = field(default_factory=list)
    changes: list[Row] = field(default_factory=list)

    @property
    def state(self) -> str:
        return "resolved" if self.resolved_at else "contained" if self.contained_at else "open"

    @property
    def actions(self) -> list[Row]:
        """What somebody will do, oldest first."""
        return [change for change in self.changes if change["act"] == "action"]


def fold(rows: Iterable[Row]) -> dict[str, Incident]:
    """The incidents that some changes tell of, oldest first."""
    by_id: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_id[row["incident_id"]].append(row)
    folded = [_fold(sorted(changes, key=lambda c: c["change"])) for changes in by_id.values()]
    return {i.incident_id: i for i in sorted(folded, key=lambda i: (i.detected_at, i.incident_id))}


def opening(rows: Iterable[Row], now: datetime, detected_at: datetime, title: str, actor: str, **facts: Any) -> Row:
    """The row that opens an incident, numbered within the day on which it is opened. Raises IncidentError."""
    if not title.strip():
        raise IncidentError("an incident has a title: what is wrong, in words that anybody may read")
    if detected_at > now:
        raise IncidentError(f"{detected_at.isoformat()} is in the future; an incident is opened once it is detected")
    day = now.astimezone(UTC).date()
    numbers = [int(r["incident_id"].rsplit("-", 1)[1]) for r in rows if r["day"] == day]
    incident_id = f"{day.isoformat()}-{max(numbers, default=0) + 1}"
    return _row(day, incident_id, 1, "opened", detected_at, now, actor, title=title.strip(), **facts)


def change(
    rows: Iterable[Row], incident_id: str, act: str, happened_at: datetime, now: datetime, actor: str, **facts: Any
) -> Row:
    """The next row of an incident. Raises IncidentError where there is no such incident, or it cannot be so."""
    found = fold(rows).get(incident_id)
    if found is None:
        raise IncidentError(f"there is no incident {incident_id}; `make incident ARGS=list` names them")
    if happened_at < found.detected_at and act != "action":
        raise IncidentError(
            f"{act} at {happened_at:%Y-%m-%d %H:%M}: {incident_id} was detected at {found.detected_at:%Y-%m-%d %H:%M}"
        )
    if act in ("contained", "resolved") and found.resolved_at:
        raise IncidentError(
            f"{incident_id} was resolved at {found.resolved_at:%Y-%m-%d %H:%M}; open a new one if it came back"
        )
    if act == "contained" and found.contained_at:
        raise IncidentError(f"{incident_id} was contained at {found.contained_at:%Y-%m-%d %H:%M}")
    number = found.changes[-1]["change"] + 1
    return _row(found.day, incident_id, number, act, happened_at, now, actor, **facts)


def open_incident_of(group: Mapping[str, Any], incidents: Iterable[Incident]) -> Incident | None:
    """The unresolved incident of the same feature and model, if any: a further alert belongs to it."""
    fitting = [i for i in incidents if not i.resolved_at and (i.feature, i.model) == (group["feature"], group["model"])]
    return fitting[-1] if fitting else None


def similar(incident: Incident, others: Iterable[Incident], rules: Mapping[str, set[str]]) -> list[tuple[Incident, str]]:
    """Earlier incidents that are like one, most alike first, each with the reason.

    `rules`: the rules and fingerprints of each incident's alerts, by incident_id.
    """
    found: list[tuple[int, Incident, str]] = []
    own = rules.get(incident.incident_id, set())
    for other in others:
        if (other.detected_at, other.incident_id) >= (incident.detected_at, incident.incident_id):
            continue
        shared = own & rules.get(other.incident_id, set())
        same_feature = incident.feature is not None and other.feature == incident.feature
        same_cause = incident.cause_class is not None and other.cause_class == incident.cause_class
        score = 4 * bool(shared) + 2 * same_feature + same_cause
        if score >= 3:
            reasons = [*(["the same alert"] if shared else []), *(["feature"] if same_feature else [])]
            found.append((score, other, ", ".join([*reasons, *(["class of cause"] if same_cause else [])])))
    found.sort(key=lambda item: (-item[0], -item[1].detected_at.timestamp()))
    return [(other, reason) for _, other, reason in found[:MOST_SIMILAR]]


def _fold(changes: Sequence[Row]) -> Incident:
    first = changes[0]
    incident = Incident(
        first["incident_id"], first["day"], first["title"] or "", first["severity"], first["feature"], first["model"],
        first["happened_at"], changes=list(changes),
    )  # fmt: skip
    for row in changes:
        happened = row["happened_at"]
        if row["act"] == "contained":
            incident.contained_at = incident.contained_at or happened
        elif row["act"] == "resolved":
            incident.resolved_at = incident.resolved_at or happened
        elif row["act"] == "compliance_notified":
            incident.compliance_notified_at = incident.compliance_notified_at or happened
        incident.is_released |= row["act"] == "released"
        incident.cause_class = row["cause_class"] or incident.cause_class
        incident.is_reportable = incident.is_reportable if row["is_reportable"] is None else row["is_reportable"]
        incident.evidence_from = _least(incident.evidence_from, row["evidence_from"])
        incident.evidence_to = _most(incident.evidence_to, row["evidence_to"])
        incident.affected_users = _most(incident.affected_users, row["affected_users"])
        incident.affected_requests = _most(incident.affected_requests, row["affected_requests"])
        if row["alert_id"] and row["alert_id"] not in incident.alert_ids:
            incident.alert_ids.append(row["alert_id"])
    return incident


def _row(
    day: date, incident_id: str, number: int, act: str, happened_at: datetime, now: datetime, actor: str, **facts: Any
) -> Row:
    blank = dict.fromkeys(
        ("title", "severity", "feature", "model", "alert_id", "evidence_from", "evidence_to", "affected_users",
         "affected_requests", "cause_class", "is_reportable", "note", "action_owner", "action_due")
    )  # fmt: skip
    return blank | {
        "day": day, "incident_id": incident_id, "change": number, "act": act, "happened_at": happened_at, "recorded_at": now,
        "actor": actor, **facts,
    }  # fmt: skip


def _least(a: Any, b: Any) -> Any:
    return min((x for x in (a, b) if x is not None), default=None)


def _most(a: Any, b: Any) -> Any:
    return max((x for x in (a, b) if x is not None), default=None)
