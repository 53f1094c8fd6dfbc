"""The desk where alerts are raised, sent and answered: what the sensor's run, `make nightly` and the commands share.

Each step can be repeated and raced: what is written first decides. The rules are pure files (assets/service/alerting.py,
routing.py); here they meet the tables, the published file, the channels and the clock.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from assets.release.deployments import (
    DeploymentError,
    check_feature,
    newest_statements,
    parse_deployments,
    statements_to_add,
)
from assets.service import routing
from assets.service.alerting import Around, new_alerts
from assets.service.assets import ServiceSeeds
from assets.service.routing import Message
from pipelines.service.incident_desk import IncidentDesk, in_utc, published_rows
from resources.clock import Clock
from resources.events import append, closed_days_of, table_rows
from resources.failpoints import failpoint
from resources.notifier import Notifier
from resources.notify_seed import NOTIFY_FILE, load_notify
from resources.publishing import Publisher
from resources.seed_yaml import SeedYamlError, read_seed
from resources.terminal import one_line
from resources.warehouse import define_inputs, scan
from resources.warehouse_resource import WarehouseResource

Row = dict[str, Any]
ALERTS, LOG, FINDINGS, DEPLOYMENTS = "service.alerts", "service.alert_log", "service.findings", "release.deployments"
DEPLOYMENTS_FILE = "deployments.yml"
MOST_MESSAGES = 20
"""Messages of one pass; the rest is due in the next. A storm must neither hold a run for an hour nor flood a channel."""
_LANDED = "logs.landed"


class AlertError(ValueError):
    """An answer to an alert that cannot be written down; says why."""


@dataclass
class Worked:
    """What one pass did. `messages`: how many were sent, failed or unconfirmed. `waiting`: channels without an address."""

    raised: list[Row] = field(default_factory=list)
    incidents: list[str] = field(default_factory=list)
    deployments: int = 0
    messages: Counter[str] = field(default_factory=Counter)
    waiting: dict[str, int] = field(default_factory=dict)


class AlertDesk:
    """Alerts of one warehouse. `environment` holds the variables that notify.yml names; `now` is the clock."""

    def __init__(self, publisher: Publisher, seeds: Path, environment: Mapping[str, str], now: Callable[[], datetime]):
        self.publisher = publisher
        self.store = publisher.store
        self.seeds = seeds
        self.environment = environment
        self.now = now
        self.incidents = IncidentDesk(publisher, now)

    @classmethod
    def of(cls, warehouse: WarehouseResource, clock: Clock) -> AlertDesk:
        """The desk of a warehouse, with this process's environment."""
        return cls(warehouse.publisher(), warehouse.seeds, os.environ, clock.now)

    def read_seeds(self, declared: ServiceSeeds) -> None:
        """Read notify.yml and deployments.yml, which have to fit owners.yml and features.yml.

        Raises NotifyError and DeploymentError.
        """
        seed = load_notify(self.seeds / NOTIFY_FILE)
        seed.addresses(self.environment, self.store.state)
        seed.check_declares(name for owner in declared.owners for name in (owner.channel, owner.backup_channel))
        for name, said in self._stated().items():
            if said["ends_at"] > self.now():  # Of what is over, the feature may be over, too.
                check_feature(f"{DEPLOYMENTS_FILE}: {name}", said["feature"], declared.features)

    def work(self) -> Worked:
        """One pass: deployments taken, alerts raised, incidents opened, messages sent. Twice is once."""
        done = Worked()
        done.deployments = len(self.take_deployments())
        done.raised = self.raise_alerts()
        if load_notify(self.seeds / NOTIFY_FILE).pages_open_incidents:
            done.incidents = self.incidents.open_for_pages(self._still_found(table_rows(self.store, ALERTS)))
        done.messages = self.send_due()
        done.waiting = self.waiting_channels()
        return done

    def pending(self) -> str | None:
        """A digest of what a pass would do now; None where that is nothing."""
        alerts, log, now = table_rows(self.store, ALERTS), table_rows(self.store, LOG), self.now()
        stated = self._statements(table_rows(self.store, DEPLOYMENTS))
        due = [f"deployment {row['deployment_id']} {row['change']}" for row in stated]
        due += [f"alert {row['alert_id']}" for row in self._new_alerts(alerts)]
        due += [f"lost {row['entry_id']}" for row in routing.lost_attempts(alerts, log, now)]
        still = self._still_found(alerts)
        for message in routing.due_messages(still, log, now, self._notifier().has_address):
            due += [f"{message.channel} {alert_id} {number}" for alert_id, number in message.attempts.items()]
        if load_notify(self.seeds / NOTIFY_FILE).pages_open_incidents:
            due += [f"incident for {row['alert_id']}" for row in self.incidents.pages_without(still)]
        return sha256("\n".join(sorted(due)).encode()).hexdigest()[:16] if due else None

    # raising

    def take_deployments(self) -> list[Row]:
        """What the seed states of deployments, and did not before. Raises DeploymentError."""
        return append(self.store, DEPLOYMENTS, self._statements)

    def raise_alerts(self) -> list[Row]:
        """The alerts that what is published deserves and did not have; decided anew where somebody else raised meanwhile."""
        return append(self.store, ALERTS, self._new_alerts)

    def _new_alerts(self, alerts: list[Row]) -> list[Row]:
        look_back = load_notify(self.seeds / NOTIFY_FILE).look_back_days
        findings = published_rows(self.publisher, FINDINGS)
        if not findings:
            return []
        return new_alerts(findings, alerts, self._around(look_back, any(f["is_replayed_rule"] for f in findings)))

    def _around(self, look_back_days: int, asks_for_landed: bool) -> Around:
        return Around(
            now=self.now(),
            look_back_days=look_back_days,
            deployments=list(newest_statements(table_rows(self.store, DEPLOYMENTS)).values()),
            owners=table_rows(self.store, "service.owners"),
            teams={row["feature"]: row["owner"] for row in table_rows(self.store, "service.features")},
            newest_landed=self._newest_landed() if asks_for_landed else {},
            closed=frozenset(closed_days_of(self.store, ALERTS)),
        )

    def _newest_landed(self) -> dict[str, datetime]:
        """The time of the newest row of each feature that landed today or yesterday; rows ahead of the clock left out."""
        now = self.now()
        recent: set[date] = {now.date(), now.date() - timedelta(days=1)}
        paths = [f.path for f in self.store.open(_LANDED).files() if f.day in recent]
        rows = scan(self.store.contracts[_LANDED], paths)
        asked = f"select feature, max(ts) from ({rows}) where feature is not null and ts <= $now group by feature"
        return {feature: ts.astimezone(UTC) for feature, ts in self.store.rows(asked, {"now": now})}

    def _statements(self, there: list[Row]) -> list[Row]:
        return statements_to_add(self._stated(), there, self.now())

    def _stated(self) -> dict[str, Row]:
        path = self.seeds / DEPLOYMENTS_FILE
        try:
            return parse_deployments(read_seed(path), path.name) if path.exists() else {}
        except SeedYamlError as error:
            raise DeploymentError(str(error)) from error

    # sending

    def send_due(self, most: int = MOST_MESSAGES) -> Counter[str]:
        """Send what is due, up to a number of messages: how many became sent, failed and unconfirmed."""
        notifier, done = self._notifier(), Counter[str]()
        alerts = table_rows(self.store, ALERTS)
        append(self.store, LOG, lambda log: routing.lost_attempts(alerts, log, self.now()))
        alerts = self._still_found(alerts)
        while done.total() < most:
            claimed = self._claim(alerts, notifier)
            if claimed is None:
                break
            failpoint("alert.claimed")
            title, body = routing.text_of(claimed, one_line)
            delivery = notifier.send(claimed.channel, claimed.severity, title, body)
            failpoint("alert.sent")
            self._note(routing.outcomes(claimed, delivery.act, delivery.note, self.now()))
            failpoint("alert.recorded")
            done[delivery.act] += 1
        return done

    def _still_found(self, alerts: list[Row]) -> list[Row]:
        """The alerts that a rule still finds: of what a restatement took back nobody is told any more."""
        withdrawn = {row["alert_id"] for row in self.standing() if row["state"] == "withdrawn"} if alerts else set()
        return [alert for alert in alerts if alert["alert_id"] not in withdrawn]

    def _note(self, entries: list[Row]) -> None:
        append(self.store, LOG, lambda log: entries)

    def _claim(self, alerts: list[Row], notifier: Notifier) -> Message | None:
        """Write down that the first message that is due is on its way. Of those who race for it, one gets it."""
        chosen: list[Message] = []

        def first_due(log: list[Row]) -> list[Row]:
            chosen[:] = routing.due_messages(alerts, log, self.now(), notifier.has_address)[:1]
            return routing.claims(chosen[0], self.now()) if chosen else []

        return chosen[0] if append(self.store, LOG, first_due) else None

    def waiting_channels(self) -> dict[str, int]:
        """Channels without an address, with the number of open alerts that nobody has been told of because of that."""
        notifier, counted = self._notifier(), Counter[str]()
        for row in self.standing():
            channel = row["channel"] or "no channel"
            if row["state"] == "open" and row["delivery"] == "none" and not notifier.has_address(channel):
                counted[channel] += 1
        return dict(counted)

    def _notifier(self) -> Notifier:
        return Notifier(load_notify(self.seeds / NOTIFY_FILE).addresses(self.environment, self.store.state))

    # answering

    def acknowledge(self, name: str, actor: str, note: str | None = None) -> Row | None:
        """Write down that somebody looks at an alert; None where somebody did before. Raises AlertError, ClosedDayError."""
        alert = self.find(name)
        rows = append(self.store, LOG, lambda log: [routing.acknowledgement(alert, actor, note, self.now())])
        return rows[0] if rows else None

    def judge(self, name: str, outcome: str, actor: str, note: str | None = None) -> Row | None:
        """Write down what an alert was: incident, expected or noise; None where that is what was said last."""
        alert = self.find(name)
        rows = append(self.store, LOG, lambda log: routing.outcome_entries(alert, log, outcome, actor, note, self.now()))
        return rows[0] if rows else None

    def find(self, name: str) -> Row:
        """The alert of which this is the name, or how it begins. Raises AlertError."""
        found = [row for row in table_rows(self.store, ALERTS) if name and row["alert_id"].startswith(name)]
        if len(found) != 1:
            how_many = f"{len(found)} alerts' names begin" if found else "no alert's name begins"
            raise AlertError(f"{how_many} with {name!r}; `make alerts` shows the open ones" if name else "name an alert")
        return found[0]

    def standing(self) -> list[Row]:
        """The rows of service.alerts_now over the tables as they are now, and the findings that readers have.

        Pages first, then the newest first.
        """
        contract = self.store.contracts["service.alerts_now"]
        selects = {ALERTS: self.store.scan_all(ALERTS), LOG: self.store.scan_all(LOG)}
        days = self.publisher.manifest()["tables"].get(FINDINGS, {}).get("days", {})
        raised = [row["first_seen"] for row in table_rows(self.store, ALERTS)]
        # What ended more than a day before the first alert began is found of none: the longer the past, the more of it.
        since = (min(raised) - timedelta(days=2)).date() if raised else date.max
        paths = [path for day, entry in days.items() if day >= since.isoformat() for path in entry["files"]]
        selects[FINDINGS] = scan(self.store.contracts[FINDINGS], paths)
        with self.store.connection() as con:
            define_inputs(con, selects)
            found = con.execute(contract.sql_path.read_text(encoding="utf-8")).fetchall()
        names = [column.name for column in contract.columns]
        rows = [dict(zip(names, map(in_utc, row), strict=True)) for row in found]
        return sorted(rows, key=lambda row: (row["severity"], -row["first_seen"].timestamp(), row["alert_id"]))
