"""`make model`: what models are registered, who is champion, and who becomes it (docs/registry.md).

ARGS="list", "promote embedder 3 --reason '...'", "rollback embedder --reason '...'". Exit status 2: nothing was changed, and
the message says why.
"""

from __future__ import annotations

import argparse
import getpass
import sys

from pipelines.build import build_resources
from pipelines.make_parser import MakeParser
from pipelines.settings import Settings, SettingsError
from pipelines.tuning.champion import EMBEDDER
from pipelines.tuning.model_desk import ModelDesk, ModelDeskError
from resources import terminal
from resources.events import ClosedDayError
from resources.model_version import RegistryError, Version
from resources.tuning_seed import MODELS, TuningSeedError


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = MakeParser(prog="make model", description=__doc__)
    parser.add_argument("--actor", default=getpass.getuser(), help="who decides (default: the user of this terminal)")
    commands = parser.add_subparsers(dest="command", required=True)
    listed = commands.add_parser("list", help="versions, their states and aliases")
    listed.add_argument("model", nargs="?", help="left out: all")
    promoted = commands.add_parser("promote", help="make a version champion")
    promoted.add_argument("model")
    promoted.add_argument("version")
    back = commands.add_parser("rollback", help="give the alias back to the champion before")
    back.add_argument("model")
    for one in (promoted, back):
        one.add_argument("--reason", default="", help="why, for the audit")
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except (SettingsError, RegistryError, ModelDeskError, TuningSeedError, ClosedDayError) as error:
        print(f"model: {terminal.lines(str(error))}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    settings = Settings.from_environment()
    settings.check_folders()
    resources = build_resources(settings)
    warehouse = resources["warehouse"]
    store = warehouse.store()
    desk = ModelDesk(store, resources["registry"].open(store), warehouse.seeds, resources["clock"])
    if options.model is not None:
        _refuse_unknown(desk, options.model, options.version if options.command == "promote" else None)
    if options.command == "list":
        found = desk.versions(options.model)
        for version in found:
            _say(_line(version))
        if not found:
            _say("no model is registered yet")
        return 0
    if options.command == "promote":
        made = desk.promote(options.model, options.version, options.actor, options.reason)
        _say(f"{made.name} is champion")
    else:
        back = desk.rollback(options.model, options.actor, options.reason)
        _say(f"{back.name} is champion again" if back else f"{options.model} has no champion any more, as before")
    if options.model == EMBEDDER:
        _say("indexes are released with its vectors by the sensor `registry`, within a minute, or by: make index")
    return 0


def _refuse_unknown(desk: ModelDesk, model: str, version: str | None) -> None:
    """A model, or a version of it, that there is not. Raises ModelDeskError, which says what there is."""
    models = sorted(set(MODELS.values()))
    if model not in models:
        raise ModelDeskError(f"there is no model {model}; there are: {', '.join(models)}")
    if version is None:
        return
    versions = [found.version for found in desk.versions(model)]
    if version not in versions:
        there = f"there are: {', '.join(versions)} (make model says more)" if versions else "nothing of it is registered yet"
        raise ModelDeskError(f"{model} has no version {version}; {there}")


def _line(version: Version) -> str:
    aliases = f" [{', '.join(version.aliases)}]" if version.aliases else ""
    because = f": {version.reason}" if version.reason else ""
    return f"{version.name}{aliases} {version.digest[:12]} {version.status}{because}"


def _say(text: str) -> None:
    print(terminal.one_line(text), flush=True)


if __name__ == "__main__":
    sys.exit(main())
