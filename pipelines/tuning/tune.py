"""`make tune`: decide what is trained, train it, judge, register and promote it, now (docs/tuning.md).

    --check                       what a night would decide now, and what is under way; nothing is decided
    --kind retriever              about this kind alone; with --now it is trained whatever the night would decide
    list                          every candidate, and what became of it
    cancel <candidate>            end one that is to be trained, or is in training

Exit status 1: something could not go on, and the message says what. 2: nothing could be done.
"""

from __future__ import annotations

import argparse
import getpass
import logging
import sys

from pipelines.build import build_resources
from pipelines.ending import end
from pipelines.make_parser import MakeParser
from pipelines.nightly import COULD_NOT_START, NightRun
from pipelines.settings import Settings
from pipelines.tuning.tuning_desk import COULD_NOT_DECIDE, TuningDesk, TuningDeskError
from pipelines.tuning.tuning_ledger import TuningLedger
from resources import terminal
from resources.tuning_seed import KINDS, MODELS, TUNING_FILE


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = MakeParser(prog="make tune", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true", help="say what a night would do, and do nothing")
    parser.add_argument("--kind", choices=KINDS, help="decide about this kind alone")
    parser.add_argument("--now", action="store_true", help="with --kind: train it now")
    parser.add_argument("--actor", default=getpass.getuser(), help="who asks; left out: the user of this machine")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("list", help="every candidate, and what became of it")
    commands.add_parser("cancel", help="end a training").add_argument("candidate")
    options = parser.parse_args(arguments)
    if options.now and not options.kind:
        parser.error("--now needs a --kind")
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    try:
        return _run(options)
    except (TuningDeskError, *COULD_NOT_DECIDE, *COULD_NOT_START) as error:
        print(f"tune: {terminal.lines(str(error))}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    settings = Settings.from_environment()
    settings.check_folders()
    resources = build_resources(settings)
    warehouse, clock = resources["warehouse"], resources["clock"]
    desk = TuningDesk.of(warehouse, resources["embedder"], resources["registry"], clock)
    if options.command == "list":
        for row in TuningLedger(warehouse.store(), clock).newest.values():
            version = f" {MODELS[row['kind']]}@{row['model_version']}" if row["model_version"] else ""
            _say(f"{row['candidate']} {row['kind']:<12} {row['state']:<10}{version}  {row['reason'] or ''}")
        return 0
    if options.command == "cancel":
        _say(desk.cancel(options.candidate, options.actor))
        return 0
    if options.check:
        for line in desk.would() or [f"seeds/{TUNING_FILE} enables nothing"]:
            _say(line)
        return 0
    if options.now:
        _say(desk.ask_for(options.kind, options.actor))
    elif desk.is_off():
        _say(f"seeds/{TUNING_FILE} enables nothing, and no candidate is under way")
        return 0
    return _pass(settings, resources, [options.kind] if options.kind else [])


def _pass(settings: Settings, resources: dict[str, object], kinds: list[str]) -> int:
    settings.prepare_instance()
    run = NightRun(settings, _say, resources)
    with settings.instance() as instance:
        run.tune(instance, kinds)
    for failure in run.night.failures:
        print(f"tune: {terminal.lines(failure)}", file=sys.stderr)
    return 1 if run.night.failures else 0


def _say(text: str) -> None:
    print(terminal.one_line(text), flush=True)


if __name__ == "__main__":
    end(main())
