"""`make replay ARGS="support@v13 --incident 2026-11-09-1"`: the logged requests of an incident, asked of a candidate.

What may be used is sent to the candidate's endpoint of seeds/release.yml; both answers are compared, and release.replays has
a row a request, without words (docs/evaluations.md). `--show 5` prints the five pairs of answers that differ most, for
whoever may read them. Exit status 1: the candidate answered nothing. 2: nothing was asked, and the message says why.
"""

from __future__ import annotations

import argparse
import sys

from assets.release.manifest import ManifestError
from assets.release.replays import farthest, measures, table
from pipelines.build import build_resources
from pipelines.release.eval_versions import VersionError
from pipelines.release.replay_desk import ReplayDesk, ReplayError, Wanted
from pipelines.service.incident import moment
from pipelines.settings import Settings, SettingsError
from resources import terminal
from resources.chat_endpoint import EndpointError
from resources.embedder import EmbedderError
from resources.events import ClosedDayError
from resources.release_seed import ReleaseSeedError

CANNOT = (
    ClosedDayError, EmbedderError, EndpointError, ManifestError, ReleaseSeedError, ReplayError, SettingsError, VersionError,
)  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    options = _parser().parse_args(arguments)
    try:
        settings = Settings.from_environment()
        settings.check_folders()
        resources = build_resources(settings)
        desk = ReplayDesk.of(resources["warehouse"], resources["clock"])
        desk.embedder = resources["embedder"].open(desk.store)
        return run(desk, options)
    except CANNOT as error:
        print(f"replay: {terminal.lines(str(error))}", file=sys.stderr)
        return 2


def run(desk: ReplayDesk, options: argparse.Namespace) -> int:
    """Do what the options state, and say it; the status to exit with. Raises what cannot be done."""
    names = ("incident", "first", "last", "feature", "model", "requests", "repeats")
    scope = {name: getattr(options, name) for name in names}
    done = desk.replay(Wanted(options.candidate, **scope), lambda text: print(terminal.one_line(text), file=sys.stderr))
    print(terminal.lines(f"{done}\n\n{table(measures(done.rows), done.rows)}"))
    for row in farthest(done.rows, options.show):
        then, now = done.words.get(row["request_id"], ("(not asked in this pass)",) * 2)
        print(terminal.lines(f"\n{row['request_id']}, similarity {row['similarity']:.2f}\n> then: {then}\n> now: {now}"))
    return 0 if done.rows else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make replay", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("candidate", help="the version that is asked, such as support@v13 or an endpoint")
    parser.add_argument("--incident", help="whose evidence it is, such as 2026-11-09-1")
    parser.add_argument("--from", dest="first", type=moment, help="first moment (UTC), where it is no incident's")
    parser.add_argument("--to", dest="last", type=moment, help="last moment (UTC)")
    parser.add_argument("--feature", help="of this feature alone (default: the incident's)")
    parser.add_argument("--model", help="of this model alone (default: the incident's)")
    parser.add_argument("--requests", type=int, default=100, help="at most so many, drawn at random (default: 100)")
    parser.add_argument("--repeats", type=int, default=1, help="how often each is asked (default: 1)")
    parser.add_argument("--show", type=int, default=0, help="print so many pairs of answers, words and all")
    return parser


if __name__ == "__main__":
    sys.exit(main())
