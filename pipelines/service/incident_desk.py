"""Incidents as they are written down: opened, changed, counted, drafted. The commands and the alert desk share it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from assets.release.deployments import newest_statements
from assets.service.incidents import Incident, change, fold, open_incident_of, opening, similar
from assets.service.postmortem import Known, draft
from assets.service.routing import SENT_WITHIN
from resources import terminal
from resources.durable import write_atomically
from resources.events import append, table_rows
from resources.publishing import Publisher
from resources.warehouse import open_published

Row = dict[str, Any]
INCIDENTS = "service.incidents"
SAMPLES = 20
"""Ids of requests that a draft names."""
_BEFORE = timedelta(hours=24)
"""Deployments that began so long before the evidence stand in the timeline."""
_SCOPE = ("feature", "model", "tenant", "api_key_token")
_ANY_MODEL = "$model in (request_model, response_model, model)"
"""Rules of service name the model that was asked for, rules of cost the one that is priced: an upper bound counts each."""


def published_rows(publisher: Publisher, name: str) -> list[Row]:
    """The rows of a table as readers have it, with times in UTC; none where it was never published."""
    return _ask(publisher, name, f"select * from {name}", {})


class IncidentDesk:
    """Incidents of one warehouse. `now` is the clock."""

    def __init__(self, publisher: Publisher, now: Callable[[], datetime]):
        self.publisher = publisher
        self.store = publisher.store
        self.now = now

    def all(self) -> dict[str, Incident]:
        """All incidents, oldest first."""
        return fold(table_rows(self.store, INCIDENTS))

    def open(
        self, title: str, actor: str, alert: Mapping[str, Any] | None = None, detected_at: datetime | None = None,
        window: tuple[datetime, datetime] | None = None, **facts: Any,
    ) -> str:  # fmt: skip
        """Open an incident, and count whom its evidence names; its name. Raises IncidentError.

        An alert brings its feature, model, class of cause and evidence; what is given besides goes before that.
        """
        now, alert = self.now(), alert or {}
        scope = {name: facts.pop(name, None) or alert.get(name) for name in _SCOPE}
        window = window or ((alert["first_seen"], alert["last_seen"]) if alert else None)
        facts = {
            "severity": alert.get("severity"), "alert_id": alert.get("alert_id"), "cause_class": alert.get("cause_class"),
            "feature": scope["feature"], "model": scope["model"], **self._evidence(scope, window),
            **{name: value for name, value in facts.items() if value is not None},
        }  # fmt: skip
        detected = detected_at or alert.get("recorded_at") or now

        def opened(there: list[Row]) -> list[Row]:
            return [] if _has(there, facts["alert_id"]) else [opening(there, now, detected, title, actor, **facts)]

        if rows := append(self.store, INCIDENTS, opened):
            return str(rows[0]["incident_id"])
        return next(i.incident_id for i in self.all().values() if facts["alert_id"] in i.alert_ids)

    def change(
        self, incident_id: str, act: str, actor: str, happened_at: datetime | None = None, **facts: Any
    ) -> Row | None:
        """Write down what happened to an incident. Raises IncidentError where it cannot be so."""
        now = self.now()
        rows = append(
            self.store, INCIDENTS, lambda there: [change(there, incident_id, act, happened_at or now, now, actor, **facts)]
        )
        return rows[0] if rows else None

    def add_alert(self, incident_id: str, alert: Mapping[str, Any], actor: str) -> None:
        """Another alert belongs to an incident; once."""
        now = self.now()
        facts = self._evidence(alert, (alert["first_seen"], alert["last_seen"]))

        def added(there: list[Row]) -> list[Row]:
            if _has(there, alert["alert_id"]):
                return []
            happened = max(alert["recorded_at"], fold(there)[incident_id].detected_at)
            return [change(there, incident_id, "alert_added", happened, now, actor, alert_id=alert["alert_id"], **facts)]

        append(self.store, INCIDENTS, added)

    def pages_without(self, alerts: list[Row]) -> list[Row]:
        """Open pages of the last day that no incident has."""
        there, now = table_rows(self.store, INCIDENTS), self.now()
        pages = (a for a in alerts if (a["severity"], a["state"]) == ("page", "open"))
        return [a for a in pages if now - a["recorded_at"] <= SENT_WITHIN and not _has(there, a["alert_id"])]

    def open_for_pages(self, alerts: list[Row]) -> list[str]:
        """Open an incident for each such page, or put it to the open one of its feature and model; their names."""
        names = []
        for alert in self.pages_without(alerts):
            there = open_incident_of(alert, self.all().values())
            if there is None:
                names.append(self.open(alert["title"], "nocturne", alert))
            else:
                self.add_alert(there.incident_id, alert, "nocturne")
        return names

    def draft(self, incident_id: str, alerts: list[Row], log: list[Row], deployments: list[Row]) -> str:
        """Write the draft of a postmortem to the state folder, readable by its owner alone; its path."""
        incidents = self.all()
        incident = incidents[incident_id]
        own = [a for a in alerts if a["alert_id"] in incident.alert_ids]
        rules = {
            i.incident_id: {r for a in alerts if a["alert_id"] in i.alert_ids for r in (a["rule"], a["fingerprint"])}
            for i in incidents.values()
        }
        known = Known(
            alerts=own,
            log=[e for e in log if e["alert_id"] in incident.alert_ids],
            deployments=_around(incident, newest_statements(deployments).values()),
            burned=self._burned(incident),
            request_ids=self._samples(incident),
            similar=similar(incident, incidents.values(), rules),
        )
        folder = self.store.state / "postmortems"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{incident_id}.md"
        write_atomically(path, terminal.lines(draft(incident, known)).encode(), mode=0o600)
        return str(path)

    def _evidence(self, scope: Mapping[str, Any], window: tuple[datetime, datetime] | None) -> Row:
        """Whom the evidence names: those with a request in the window, of the same feature, tenant and key, that asked for
        the model or was answered by it."""
        if window is None:
            return {}
        where, values = _within(scope, window)
        counts = "nullif(count(distinct user_token), 0) as affected_users, count(*) as affected_requests"
        rows = _ask(self.publisher, "logs.requests", f"select {counts} from logs.requests {where}", values)
        return {"evidence_from": window[0], "evidence_to": window[1], **(rows[0] if rows else {})}

    def _samples(self, incident: Incident) -> list[str]:
        """Ids of requests of the evidence, those that failed first."""
        if incident.evidence_from is None or incident.evidence_to is None:
            return []
        scope = {"feature": incident.feature, "model": incident.model}
        where, values = _within(scope, (incident.evidence_from, incident.evidence_to))
        asked = f"select request_id from logs.requests {where} order by error_class is null, ts, request_id"
        return [row["request_id"] for row in _ask(self.publisher, "logs.requests", asked, values, SAMPLES)]

    def _burned(self, incident: Incident) -> list[Row]:
        """What the SLOs of its feature say of the last day of the evidence."""
        day = (incident.evidence_to or incident.detected_at).date()
        where = "where day = $day and ($feature is null or feature = $feature) order by slo, feature"
        asked = f"select * from service.slo_status {where}"
        return _ask(self.publisher, "service.slo_status", asked, {"day": day, "feature": incident.feature})


def _has(rows: list[Row], alert_id: str | None) -> bool:
    return alert_id is not None and any(row["alert_id"] == alert_id for row in rows)


def _around(incident: Incident, deployments: Any) -> list[Row]:
    start = min(filter(None, (incident.evidence_from, incident.detected_at)))
    end = incident.resolved_at or incident.evidence_to or incident.detected_at
    fits = (
        d for d in deployments
        if not d["is_cancelled"] and d["ends_at"] >= start - _BEFORE and d["starts_at"] <= end
        and (d["feature"] is None or incident.feature is None or d["feature"] == incident.feature)
    )  # fmt: skip
    return sorted(fits, key=lambda d: (d["starts_at"], d["deployment_id"]))


def _within(scope: Mapping[str, Any], window: tuple[datetime, datetime]) -> tuple[str, Row]:
    """A WHERE on logs.requests as readers have it, with what is bound to it."""
    first, last = (moment.astimezone(UTC).replace(tzinfo=None) for moment in window)
    named = {name: scope[name] for name in _SCOPE if scope.get(name) is not None}
    tests = ["day between $first_day and $last_day", "ts between $first and $last"]
    tests += [_ANY_MODEL if name == "model" else f"{name} = ${name}" for name in named]
    values = {"first": first, "last": last, "first_day": first.date(), "last_day": last.date(), **named}
    return f"where {' and '.join(tests)}", values


def _ask(publisher: Publisher, table: str, sql: str, values: Mapping[str, Any], most: int | None = None) -> list[Row]:
    """The answer of the published file, or its first rows; none where it lacks the table."""
    if table not in publisher.manifest()["tables"]:
        return []
    con = open_published(publisher.door)
    try:
        cursor = con.execute(sql, dict(values))
        names = [described[0] for described in cursor.description or ()]
        rows = cursor.fetchall() if most is None else cursor.fetchmany(most)
        return [{name: in_utc(value) for name, value in zip(names, row, strict=True)} for row in rows]
    finally:
        con.close()


def in_utc(value: Any) -> Any:
    """Readers' times are UTC and do not say so."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value
