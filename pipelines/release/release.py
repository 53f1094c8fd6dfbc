"""`make release ARGS="promote support-chat@v13 --environment prod --reason ..."`: what goes live, and what goes back.

Exit status 2: nothing was written down, and the message says why (docs/releases.md).
"""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from datetime import timedelta

from assets.release.releases import ReleaseError, live_releases
from pipelines.build import build_resources
from pipelines.make_parser import MakeParser
from pipelines.release.prompt_desk import MANIFESTS, PromptDesk
from pipelines.release.release_desk import ReleaseDesk
from pipelines.settings import Settings, SettingsError
from resources import terminal
from resources.events import ClosedDayError, table_rows
from resources.model_version import RegistryError
from resources.release_seed import ReleaseSeedError
from resources.service_seeds import ServiceSeedError

CANNOT = (ClosedDayError, RegistryError, ReleaseError, ReleaseSeedError, ServiceSeedError, SettingsError)
LONGEST_MINUTES = 7 * 24 * 60


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    options = _parser().parse_args(arguments)
    try:
        settings = Settings.from_environment()
        settings.check_folders()
        resources = build_resources(settings)
        desk = ReleaseDesk(PromptDesk.of(resources["warehouse"], resources["registry"], resources["clock"]))
        print(terminal.lines(act(desk, options)))
    except CANNOT as error:
        print(f"release: {terminal.lines(str(error))}", file=sys.stderr)
        return 2
    return 0


def act(desk: ReleaseDesk, options: argparse.Namespace) -> str:
    """Do what the options state; a sentence about it. Raises ReleaseError, RegistryError."""
    rows = table_rows(desk.store, MANIFESTS)
    if options.act == "list":
        live = {row["release_id"] for row in live_releases(rows).values()}
        shown = sorted(rows, key=lambda row: (row["live_from"], row["release_id"]))
        return "\n".join(_line(row, row["release_id"] in live) for row in shown) or "no release was made yet"
    if options.act == "show":
        for row in rows:
            if row["release_id"] == options.release:
                return json.dumps(json.loads(row["manifest"]), indent=2, ensure_ascii=False)
        raise ReleaseError(f"there is no release {options.release}; `make release ARGS=list` names them")
    if options.act == "candidate":
        one = desk.candidate(options.name, options.actor)
        return f"{options.name} is the candidate (version {one.number} of {one.prompt} in the registry)"
    if options.act == "promote":
        window = timedelta(minutes=options.minutes)
        args = (options.name, options.environment, options.actor, options.reason)
        return f"{desk.promote(*args, options.without_gate, window)}\n{_APPLY}"
    return f"{desk.rollback(options.prompt, options.environment, options.actor, options.reason, options.to)}\n{_APPLY}"


_APPLY = "an application that reads the registry's alias has it from its next read on; any other one is yours to move"


def _line(row: dict[str, object], is_live: bool) -> str:
    where = f"{row['prompt']}@{row['prompt_version']} in {row['environment']}"
    state = "live" if is_live else "over"
    return terminal.one_line(f"{row['release_id']:32} {state:5} {row['live_from']:%Y-%m-%d %H:%M} {where}: {row['reason']}")


def _minutes(text: str) -> int:
    """From a minute to a week. Raises ArgumentTypeError."""
    if not text.isascii() or not text.isdigit() or len(text) > 5 or not 1 <= int(text) <= LONGEST_MINUTES:
        raise argparse.ArgumentTypeError(f"from 1 to {LONGEST_MINUTES} minutes, which is a week; not {text[:20]!r}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = MakeParser(prog="make release", description=__doc__)
    parser.add_argument("--actor", default=getpass.getuser(), help="who decides it (default: the user of this terminal)")
    acts = parser.add_subparsers(dest="act", required=True)
    promote = acts.add_parser("promote", help="a version goes live")
    promote.add_argument("name", help="support-chat@v13")
    promote.add_argument("--without-gate", metavar="WHY", help="it goes live though the release gate did not let it pass")
    promote.add_argument("--minutes", type=_minutes, default=30, help="how long alerts of it are held back (default: 30)")
    back = acts.add_parser("rollback", help="the version before goes live again")
    back.add_argument("prompt", help="support-chat")
    back.add_argument("--to", help="a version (default: what the live one's manifest names)")
    for one in (promote, back):
        one.add_argument("--environment", default="prod", help="as it is logged (default: prod)")
        one.add_argument("--reason", required=True, help="why, in words that anybody may read")
    acts.add_parser("candidate", help="let the registry's alias `candidate` point to it").add_argument("name", help="a@v13")
    acts.add_parser("list", help="the releases that were made")
    acts.add_parser("show", help="the manifest of a release, as JSON").add_argument("release", help="support-chat-prod-1")
    return parser


if __name__ == "__main__":
    sys.exit(main())
