"""`make incident ARGS="open --title ... --alert ..."`: write down what happens to an incident, and draft its postmortem.

Opening puts the days of the evidence on legal hold. Exit status 2: nothing was written down, and the message says why.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from datetime import UTC, date, datetime
from typing import Any

from assets.service.incidents import IncidentError
from pipelines.build import build_resources
from pipelines.service.alert_desk import ALERTS, DEPLOYMENTS, LOG, AlertDesk, AlertError
from pipelines.settings import Settings, SettingsError
from resources import terminal
from resources.events import ClosedDayError, table_rows

_PUBLISHED_LATER = "\nservice.incidents_now shows it once it is published again"
CAUSES = ("infrastructure", "model", "safety", "data", "compliance", "cost")


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    options = _parser().parse_args(arguments)
    try:
        settings = Settings.from_environment()
        settings.check_folders()
        resources = build_resources(settings)
        print(terminal.lines(act(AlertDesk.of(resources["warehouse"], resources["clock"]), options)))
    except (SettingsError, IncidentError, AlertError, ClosedDayError) as error:
        print(f"incident: {terminal.lines(str(error))}", file=sys.stderr)
        return 2
    return 0


def act(desk: AlertDesk, options: argparse.Namespace) -> str:
    """Write down what the options state; a sentence about it. Raises IncidentError, AlertError, ClosedDayError."""
    incidents, name = desk.incidents, getattr(options, "id", "")
    if options.act == "open":
        return _open(desk, options)
    if options.act == "list":
        known = [i for i in incidents.all().values() if options.all or i.state != "resolved"]
        return (
            "\n".join(f"{i.incident_id}  {i.state:9}  {i.severity or '-':6}  {terminal.one_line(i.title)}" for i in known)
            or "no open incidents"
        )
    if options.act == "draft":
        if name not in incidents.all():
            raise IncidentError(f"there is no incident {name}; `make incident ARGS=list` names them")
        return incidents.draft(name, *(table_rows(desk.store, table) for table in (ALERTS, LOG, DEPLOYMENTS)))
    if options.act == "add":
        alert = desk.find(options.alert)
        if name not in incidents.all():
            raise IncidentError(f"there is no incident {name}; `make incident ARGS=list` names them")
        incidents.add_alert(name, alert, options.actor)
        return f"{alert['alert_id']} belongs to {name}{_PUBLISHED_LATER}"
    facts: dict[str, Any] = {"note": options.note}
    if options.act == "classify":
        facts |= {"cause_class": options.cause, "is_reportable": options.reportable}
    if options.act == "action":
        facts |= {"note": options.what, "action_owner": options.owner, "action_due": options.due}
    incidents.change(name, _ACTS[options.act], options.actor, getattr(options, "at", None), **facts)
    return f"{name}: {_ACTS[options.act].replace('_', ' ')}{_PUBLISHED_LATER}" + (
        _draft(desk, name) if options.act == "resolve" else ""
    )


_ACTS = {
    "contain": "contained", "resolve": "resolved", "classify": "classified", "notified": "compliance_notified",
    "action": "action", "release": "released",
}  # fmt: skip


def _open(desk: AlertDesk, options: argparse.Namespace) -> str:
    alert = desk.find(options.alert) if options.alert else None
    if bool(options.first) != bool(options.last):
        raise IncidentError("an evidence window has both ends: --first and --last")
    if options.first and options.first > options.last:
        raise IncidentError("the evidence window ends before it begins")
    window = (options.first, options.last) if options.first else None
    title = options.title or (alert["title"] if alert else "")
    name = desk.incidents.open(
        title, options.actor, alert, options.at, window, feature=options.feature, model=options.model,
        cause_class=options.cause, severity=options.severity, note=options.note,
    )  # fmt: skip
    found = desk.incidents.all()[name]
    held = (
        f"{found.evidence_from:%Y-%m-%d} to {found.evidence_to:%Y-%m-%d}"
        if found.evidence_from and found.evidence_to
        else ""
    )
    requests = "?" if found.affected_requests is None else f"{found.affected_requests:,}"
    users = "users are not logged" if found.affected_users is None else f"at most {found.affected_users:,} users"
    counted = f"; evidence of {held} is on legal hold: {requests} requests, {users}" if held else "; no evidence was named"
    return f"{name} is open{counted}{_PUBLISHED_LATER}" + _draft(desk, name)


def _draft(desk: AlertDesk, name: str) -> str:
    path = desk.incidents.draft(name, *(table_rows(desk.store, table) for table in (ALERTS, LOG, DEPLOYMENTS)))
    return f"\npostmortem draft: {path}"


def moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make incident", description=__doc__)
    parser.add_argument("--actor", default=getpass.getuser(), help="who writes it down (default: the user of this terminal)")
    acts = parser.add_subparsers(dest="act", required=True)
    opened = acts.add_parser(
        "open", help="something is wrong: count whom it touches, hold the evidence, draft the postmortem"
    )
    opened.add_argument("--title", help="what is wrong, in words that anybody may read; left out: the alert's title")
    opened.add_argument("--alert", help="the alert that led to it: its name, or how it begins")
    opened.add_argument("--at", type=moment, help="when it was detected (UTC; default: the alert's time, or now)")
    opened.add_argument("--first", type=moment, help="start of the evidence (UTC; default: the alert's)")
    opened.add_argument("--last", type=moment, help="end of the evidence")
    opened.add_argument("--severity", choices=["page", "ticket"])
    for name in ("feature", "model"):
        opened.add_argument(f"--{name}", help="what it is limited to (default: the alert's)")
    opened.add_argument("--cause", choices=CAUSES, help="a first guess (default: the alert's)")
    opened.add_argument("--note")
    for name, meaning in (
        ("contain", "it does no more harm"), ("resolve", "it is over"), ("notified", "compliance was told"),
        ("release", "its evidence need not be held any more"),
    ):  # fmt: skip
        one = _of_one(acts, name, meaning)
        one.add_argument("--at", type=moment, help="when (UTC; default: now)")
        one.add_argument("--note")
    classified = _of_one(acts, "classify", "what it was")
    classified.add_argument("--cause", choices=CAUSES, required=True)
    classified.add_argument("--reportable", action=argparse.BooleanOptionalAction, help="must an authority be told?")
    classified.add_argument("--note")
    action = _of_one(acts, "action", "somebody will do something")
    action.add_argument("--what", required=True)
    action.add_argument("--owner", required=True)
    action.add_argument("--due", type=date.fromisoformat, required=True, help="a day such as 2026-12-01")
    action.add_argument("--note")
    _of_one(acts, "add", "another alert belongs to it").add_argument("--alert", required=True)
    _of_one(acts, "draft", "write its postmortem's draft anew, from what is known now")
    acts.add_parser("list", help="incidents that are not resolved").add_argument("--all", action="store_true")
    return parser


def _of_one(acts: Any, name: str, meaning: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = acts.add_parser(name, help=meaning)
    parser.add_argument("id", help="name of the incident, such as 2026-11-09-1")
    return parser


if __name__ == "__main__":
    sys.exit(main())
