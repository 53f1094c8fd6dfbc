"""The draft of a postmortem: Markdown, about what happened and not about who did it. People finish it.

Pure: all that is known comes in. Ids of requests stand in it, their words never.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from assets.service.incidents import Incident

Row = Mapping[str, Any]
_ACTS = {
    "opened": "incident opened",
    "alert_added": "another alert belongs to it",
    "contained": "contained: no more harm is done",
    "resolved": "resolved",
    "classified": "classified",
    "compliance_notified": "compliance told",
    "released": "legal hold on the evidence ended",
}
_MESSAGES = {
    "sent": "told", "failed": "could not be told", "unconfirmed": "may not have been told", "escalated": "turned to",
    "acknowledged": "acknowledged", "resolved": "resolved", "outcome": "judged",
}  # fmt: skip


@dataclass(frozen=True)
class Known:
    """What a draft is made of, beside the incident. `burned`: rows of service.slo_status on the days of the evidence."""

    alerts: Sequence[Row] = ()
    log: Sequence[Row] = ()
    deployments: Sequence[Row] = ()
    burned: Sequence[Row] = ()
    request_ids: Sequence[str] = ()
    similar: Sequence[tuple[Incident, str]] = field(default_factory=tuple)


def draft(incident: Incident, known: Known) -> str:
    """The draft. What nobody measured or said is said to be missing, so that it is not taken for zero."""
    parts = [
        f"# {incident.incident_id}: {_cell(incident.title)}",
        "Draft, made from what was recorded. It says what happened and how the system allowed it; people are named only\n"
        "for what they take on. Replace every line in italics.",
        _table(("", ""), _facts(incident)),
        "## What happened\n\n_In three sentences: what users met with, from when to when, and why._",
        "## Timeline (UTC)\n\n" + _table(("when", "what"), _timeline(incident, known)),
        "## Promises\n\n" + _promises(known.burned),
        "## Whom it touched\n\n" + _touched(incident, known.request_ids),
        "## Before\n\n" + _before(known.similar),
        "## What contributed\n\n_Conditions, not people: what made it possible, what made it last, what hid it._",
        "## What went well\n\n_What kept it smaller than it could have been._",
        "## Actions\n\n" + _actions(incident.actions),
    ]
    return "\n\n".join(parts) + "\n"


def _facts(incident: Incident) -> list[tuple[str, str]]:
    contained, resolved = incident.contained_at, incident.resolved_at
    return [
        ("state", incident.state),
        ("severity", incident.severity or "_not said_"),
        ("feature", incident.feature or "several or none"),
        ("model", incident.model or "several or none"),
        ("class of cause", incident.cause_class or "_not said_"),
        ("detected", _time(incident.detected_at)),
        ("contained", f"{_time(contained)}{_after(incident.detected_at, contained)}" if contained else "_not yet_"),
        ("resolved", f"{_time(resolved)}{_after(incident.detected_at, resolved)}" if resolved else "_not yet_"),
        ("reportable", "_not decided_" if incident.is_reportable is None else "yes" if incident.is_reportable else "no"),
        ("compliance told", _time(incident.compliance_notified_at) if incident.compliance_notified_at else "no"),
    ]


def _timeline(incident: Incident, known: Known) -> list[tuple[str, str]]:
    moments: list[tuple[datetime, str]] = []
    for deployment in known.deployments:
        moments.append((deployment["starts_at"], f"deployment {deployment['deployment_id']} begins: {deployment['what']}"))
        moments.append((deployment["ends_at"], f"deployment {deployment['deployment_id']} ends"))
    names = {alert["alert_id"]: f"alert {alert['alert_id'][:8]} ({alert['rule']})" for alert in known.alerts}
    for alert in known.alerts:
        moments.append((alert["first_seen"], f"{names[alert['alert_id']]}: first sign. {alert['title']}"))
        moments.append((alert["recorded_at"], f"{names[alert['alert_id']]} raised as a {alert['severity']}"))
    for act in known.log:
        if act["act"] in _MESSAGES and act["alert_id"] in names:
            whom = act["channel"] or ""
            said = f"{names[act['alert_id']]}: {whom} {_MESSAGES[act['act']]}".replace(":  ", ": ")
            moments.append(
                (act["acted_at"], said + (f" ({act['outcome'] or act['note']})" if act["outcome"] or act["note"] else ""))
            )
    for row in incident.changes:
        if row["act"] in _ACTS:
            note = f": {row['note']}" if row["note"] else ""
            when = row["happened_at"]
            if row["act"] == "opened":  # Often long after what it is about: that is a moment of its own.
                moments.append((when, "detected"))
                when = row["recorded_at"]
            moments.append((when, _ACTS[row["act"]] + note))
    return [(_time(when), what) for when, what in sorted(moments, key=lambda moment: moment[0])]


def _promises(burned: Sequence[Row]) -> str:
    if not burned:
        return "No SLO of the feature has a status on these days: what it cost is not measured."
    rows = [
        (row["slo"], row["feature"], str(row["day"]), _number(row["good_share"], "{:.3%}"), _number(row["target"], "{:.3%}"),
         _number(row["burned_share"], "{:.0%}"), row["state"])
        for row in burned
    ]  # fmt: skip
    return _table(("SLO", "feature", "day", "good, over its window", "promised", "budget burned", "state"), rows)


def _touched(incident: Incident, request_ids: Sequence[str]) -> str:
    if incident.evidence_from is None or incident.evidence_to is None:
        return "No evidence window was given: nobody was counted."
    users = "users are not logged" if incident.affected_users is None else f"at most {incident.affected_users:,} users"
    requests = "unknown" if incident.affected_requests is None else f"{incident.affected_requests:,}"
    lines = [
        f"Evidence from {_time(incident.evidence_from)} to {_time(incident.evidence_to)}: {requests} requests, {users}.",
        "Its days are on legal hold.",
    ]
    if request_ids:
        lines.append("Samples: " + ", ".join(f"`{_cell(i)}`" for i in request_ids))
    return "\n".join(lines)


def _before(found: Sequence[tuple[Incident, str]]) -> str:
    if not found:
        return "No earlier incident is like it."
    rows = [(i.incident_id, i.title, i.state, reason) for i, reason in found]
    return _table(("incident", "what", "state", "alike in"), rows)


def _actions(actions: Sequence[Row]) -> str:
    rows = [(a["note"] or "", a["action_owner"] or "_who_", str(a["action_due"] or "_until when_")) for a in actions]
    return _table(("what", "owner", "due"), rows or [("_what keeps it from coming back_", "_who_", "_until when_")])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(_cell(value) for value in row)} |" for row in rows)])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def _after(start: datetime, end: datetime) -> str:
    return f", after {round((end - start).total_seconds() / 60)} minutes"


def _number(value: float | None, shape: str) -> str:
    return "not measured" if value is None else shape.format(value)
