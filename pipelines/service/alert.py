"""`make alerts`, `make ack ALERT=...`, `make outcome ALERT=... IS=noise`: what is open, and what people answer.

Exit status 2: nothing was written down, and the message says why. docs/alerts.md says when to use which.
"""

from __future__ import annotations

import argparse
import getpass
import sys

from pipelines.build import build_resources
from pipelines.service.alert_board import board, listed
from pipelines.service.alert_desk import AlertDesk, AlertError
from pipelines.settings import Settings, SettingsError
from resources import terminal
from resources.events import ClosedDayError
from resources.notify_seed import NotifyError

CANNOT = (SettingsError, AlertError, ClosedDayError, NotifyError)


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="alert", description=__doc__)
    parser.add_argument("--actor", default=getpass.getuser(), help="who answers (default: the user of this terminal)")
    parser.add_argument("--note", help="a word on it, that anybody may read")
    acts = parser.add_subparsers(dest="act", required=True)
    listing = acts.add_parser("list", help="alerts that are open or acknowledged, pages first, then the newest")
    listing.add_argument("--all", action="store_true", help="all alerts")
    acknowledging = acts.add_parser("ack", help="you look at it: it does not escalate any more")
    acknowledging.add_argument("alert", help="its name, or how it begins")
    judging = acts.add_parser("outcome", help="what it turned out to be")
    judging.add_argument("alert", help="its name, or how it begins")
    judging.add_argument("outcome", choices=["incident", "expected", "noise"])
    options = parser.parse_args(arguments)
    try:
        settings = Settings.from_environment()
        settings.check_folders()
        resources = build_resources(settings)
        desk = AlertDesk.of(resources["warehouse"], resources["clock"])
        print(terminal.lines(_answer(desk, options)))
    except CANNOT as error:
        print(f"alert: {terminal.lines(str(error))}", file=sys.stderr)
        return 2
    return 0


def _answer(desk: AlertDesk, options: argparse.Namespace) -> str:
    if options.act == "list":
        found = board(desk)
        lines = listed(found.rows if options.all else found.still) or ["no open alerts"]
        return "\n".join([*lines, *(f"delivery: {terminal.one_line(trouble)}" for trouble in found.troubles)])
    if options.act == "ack":
        written = desk.acknowledge(options.alert, options.actor, options.note)
        return f"{desk.find(options.alert)['alert_id']} is acknowledged" + ("" if written else ", as it was before")
    written = desk.judge(options.alert, options.outcome, options.actor, options.note)
    return f"{desk.find(options.alert)['alert_id']} was {options.outcome}" + ("" if written else ", as was said before")


if __name__ == "__main__":
    sys.exit(main())
