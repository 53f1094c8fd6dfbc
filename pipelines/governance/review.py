"""`make review`: what a team looks at every week, month and quarter, and what became of it (docs/reviews.md).

    ARGS="weekly"                 the last whole week, and its failures; so without ARGS. WEEK=2026-W46: that one
    ARGS="monthly 2026-10"        a month; without its name the last whole one
    ARGS="quarterly"              the same for a quarter
    ARGS="list"                   tasks that wait
    ARGS="done weekly/2026-W46/open_alerts --note 'two were noise'"; drop: it is not done, and why

Exit status 2: nothing was written, and the message says why.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Mapping
from typing import Any

from assets.governance.review import ACTS, KINDS, WEEKLY, ReviewError
from pipelines.build import build_resources
from pipelines.governance.period_reviews import PeriodReviews
from pipelines.governance.review_desk import ReviewDesk
from pipelines.governance.review_seed import ReviewSeedError
from pipelines.release.case_desk import CaseDesk
from pipelines.release.eval_cases import CANNOT
from pipelines.settings import Settings
from pipelines.tuning.tuning_desk import TuningDesk
from resources import terminal
from resources.warehouse import AnalystError


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    options = _parser().parse_args(arguments)
    try:
        settings = Settings.from_environment()
        settings.check_folders()
        for line in _act(build_resources(settings), options):
            print(terminal.lines(line))
    except (*CANNOT, AnalystError, ReviewError, ReviewSeedError, ValueError) as error:
        print(f"review: {terminal.lines(str(error))}", file=sys.stderr)
        return 2
    return 0


def reviews(resources: Mapping[str, Any]) -> PeriodReviews:
    """The reviews of the warehouse of these resources."""
    warehouse, clock = resources["warehouse"], resources["clock"]

    def would_train() -> list[str]:
        return TuningDesk.of(warehouse, resources["embedder"], resources["registry"], clock).would()

    return PeriodReviews(warehouse.store(), warehouse.seeds, clock, would_train)


def _act(resources: Mapping[str, Any], options: argparse.Namespace) -> list[str]:
    desk = reviews(resources)
    if options.act == "list":
        tasks = desk.open_tasks()
        told = [f"{t['due_on']}  {t['owner']:20}  {t['review']}/{t['section']}  {t['task']}" for t in tasks]
        return told or ["no task waits"]
    if options.act in ACTS:
        row = desk.say(options.task, options.act, options.actor, options.note)
        return [f"{options.task} is {row['act']}"]
    if options.act != WEEKLY:
        return [str(desk.write(options.act, options.period))]
    cases = CaseDesk.of(resources["warehouse"], resources["clock"])
    proposed, failures = cases.propose(), ReviewDesk(cases).write(options.period)
    links = {"failures, with the words that may be shown": failures.path.name}
    return [str(proposed), str(failures), str(desk.write(WEEKLY, failures.week, links))]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make review", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    acts = parser.add_subparsers(dest="act", required=True, metavar="weekly|monthly|quarterly|list|done|drop")
    for kind in KINDS:
        acts.add_parser(kind, help=f"write a {kind} review").add_argument("period", nargs="?", help="the last whole one")
    acts.add_parser("list", help="tasks that wait, by when they are due")
    for act in ACTS:
        one = acts.add_parser(act, help=f"a task is {ACTS[act]}")
        one.add_argument("task", help="review/section, such as weekly/2026-W46/open_alerts")
        one.add_argument("--note", required=True, help="what was done, or why not")
        one.add_argument("--actor", default=getpass.getuser(), help="who says it; left out: the user of this machine")
    return parser


if __name__ == "__main__":
    sys.exit(main())
