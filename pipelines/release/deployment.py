"""`make deployment ARGS="start --what ... --minutes 30"`: state that something is rolled out, and until when.

What is stated here and in seeds/deployments.yml is the same: release.deployments, where the newest statement counts. Exit
status 2: nothing was written down, and the message says why.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from datetime import datetime, timedelta
from typing import Any

from assets.release.deployments import DeploymentError, check_feature, newest_statements, statement, statements_to_add
from assets.service.assets import read_service_seeds
from pipelines.build import build_resources
from pipelines.service.alert_desk import DEPLOYMENTS
from pipelines.settings import Settings, SettingsError
from resources import terminal
from resources.clock import Clock
from resources.events import ClosedDayError, append, table_rows
from resources.service_seeds import ServiceSeedError
from resources.store import Store

_STATED = ("starts_at", "ends_at", "feature", "model", "prompt_version", "what", "actor", "is_cancelled")


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    options = _parser().parse_args(arguments)
    try:
        settings = Settings.from_environment()
        settings.check_folders()
        resources = build_resources(settings)
        warehouse = resources["warehouse"]
        if options.act == "start" and options.feature:
            check_feature("--feature", options.feature, read_service_seeds(warehouse.seeds).features)
        print(terminal.lines(act(warehouse.store(), resources["clock"], options)))
    except (SettingsError, DeploymentError, ClosedDayError, ServiceSeedError) as error:
        print(f"deployment: {terminal.lines(str(error))}", file=sys.stderr)
        return 2
    return 0


def act(store: Store, clock: Clock, options: argparse.Namespace) -> str:
    """Write down what the options state; a sentence about it. Raises DeploymentError, ClosedDayError."""
    now = clock.now()
    if options.act == "list":
        known = sorted(newest_statements(table_rows(store, DEPLOYMENTS)).values(), key=lambda d: d["starts_at"])
        return "\n".join(_line(d, now) for d in known if not d["is_cancelled"]) or "no deployments are stated"
    name = options.id or f"{now:%Y-%m-%d-%H%M%S}"

    def stated(there: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return statements_to_add({name: _said(name, newest_statements(there).get(name), options, now)}, there, now)

    rows = append(store, DEPLOYMENTS, stated)
    return _line(rows[0], now) if rows else f"{name} is stated so already"


def _said(name: str, before: dict[str, Any] | None, options: argparse.Namespace, now: datetime) -> dict[str, Any]:
    if options.act == "start":
        if before is not None:
            raise DeploymentError(f"{name} was stated before; give another deployment a name of its own")
        scope = {column: getattr(options, column) for column in ("feature", "model", "prompt_version")}
        until = now + timedelta(minutes=options.minutes)
        return statement(
            name, starts_at=now, ends_at=until, what=options.what, actor=options.actor, is_cancelled=False, **scope
        )
    if before is None or before["is_cancelled"]:
        raise DeploymentError(f"there is no deployment {name}; `make deployment ARGS=list` names them")
    facts = {column: before[column] for column in _STATED} | {"actor": options.actor}
    return statement(name, **facts | ({"is_cancelled": True} if options.act == "cancel" else {"ends_at": now}))


def _line(d: dict[str, Any], now: datetime) -> str:
    state = "cancelled" if d["is_cancelled"] else "over" if d["ends_at"] <= now else "going on"
    scope = ", ".join(filter(None, (d["feature"], d["model"], d["prompt_version"]))) or "everything"
    times = f"{d['starts_at']:%Y-%m-%d %H:%M} to {d['ends_at']:%H:%M} UTC"
    return terminal.one_line(f"{d['deployment_id']}: {state}, {times}, {scope}: {d['what']}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make deployment", description=__doc__)
    parser.add_argument("--actor", default=getpass.getuser(), help="who states it (default: the user of this terminal)")
    acts = parser.add_subparsers(dest="act", required=True)
    start = acts.add_parser("start", help="it begins now")
    start.add_argument("id", nargs="?", help="its name; left out: the present time")
    start.add_argument("--what", required=True, help="what changes, in words that anybody may read")
    start.add_argument("--minutes", type=int, default=30, help="how long it is meant to take (default: 30)")
    for column in ("feature", "model", "prompt-version"):
        start.add_argument(f"--{column}", help="what it is limited to; left out: all")
    for name, meaning in (("finish", "it is over now"), ("cancel", "it did not take place")):
        acts.add_parser(name, help=meaning).add_argument("id", help="its name")
    acts.add_parser("list", help="the deployments that are stated")
    return parser


if __name__ == "__main__":
    sys.exit(main())
