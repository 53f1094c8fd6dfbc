"""`make gate ARGS="support@v13"`: whether a version may be released, by the evaluation suites (docs/evaluations.md).

Versions are `prompt@version` of seeds/prompts, `prompt@version/<endpoint>` or an endpoint of seeds/release.yml,
`file:<path>` for answers of your own harness, and `logged:<prompt version>` for those in the logs. Exit status 0: it may be
released. 1: it must not. 2: nothing was decided, and the message says why. 3: the suites cannot tell. 4: it waits for a
person's approval.
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
import traceback
from pathlib import Path

from assets.quality.eval_case import EvalCaseError
from assets.release.gate_report import EXIT_STATUS, junit, markdown
from assets.release.manifest import ManifestError
from pipelines.build import build_resources
from pipelines.make_parser import MakeParser
from pipelines.release.eval_desk import EvalDesk, EvalError
from pipelines.release.eval_given import GivenError
from pipelines.release.eval_versions import VersionError
from pipelines.release.release_gate_desk import Asked, ReleaseGateDesk
from pipelines.settings import Settings, SettingsError
from resources import terminal
from resources.chat_endpoint import EndpointError
from resources.durable import write_atomically
from resources.embedder import EmbedderError
from resources.judge_seed import JudgeSeedError
from resources.keyring import KeyringError
from resources.release_seed import ReleaseSeedError
from resources.service_seeds import ServiceSeedError

CANNOT = (
    EmbedderError, EndpointError, EvalCaseError, EvalError, GivenError, JudgeSeedError, KeyringError, ManifestError,
    ReleaseSeedError, ServiceSeedError, SettingsError, VersionError,
)  # fmt: skip
CANNOT_STATUS = 2


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    options = _parser().parse_args(arguments)
    try:
        settings = Settings.from_environment()
        settings.check_folders()
        resources = build_resources(settings)
        evals = EvalDesk.of(resources["warehouse"], resources["clock"])
        evals.embedder = resources["embedder"].open(evals.store)
        return run(ReleaseGateDesk(evals), options)
    except CANNOT as error:
        print(f"gate: {terminal.lines(str(error))}", file=sys.stderr)
        return CANNOT_STATUS
    except Exception as error:
        # An uncaught one would end with 1, which says that the version must not go.
        traceback.print_exc()
        print(f"gate: unexpected {terminal.one_line(f'{type(error).__name__}: {error}')}", file=sys.stderr)
        return CANNOT_STATUS


def run(desk: ReleaseGateDesk, options: argparse.Namespace) -> int:
    """Do what the options state, and say it; the status to exit with. Raises what cannot be done."""
    asked = Asked(
        options.candidate, options.live, tuple(options.suite) or None, options.repeats, options.feature, options.fresh,
        options.no_live,
    )  # fmt: skip
    if options.check:
        plan = desk.plan(asked)
        print("\n".join(terminal.one_line(line) for line in (str(plan), *plan.warnings)))
        return 0
    report = desk.judge(asked, options.actor, lambda text: print(terminal.one_line(text), file=sys.stderr, flush=True))
    page = markdown(report)
    for path, content in ((options.markdown, page), (options.junit, junit(report))):
        if path is not None:
            write_atomically(path, content.encode())
    print(terminal.lines(page))
    return EXIT_STATUS[report.verdict.outcome]


def _parser() -> argparse.ArgumentParser:
    parser = MakeParser(
        prog="make gate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("candidate", help="the version that is to be released, such as support@v13")
    parser.add_argument("--live", help="what it is compared with (default: what is live, else its rollback target)")
    parser.add_argument("--no-live", action="store_true", help="compare with nothing: the floors alone decide")
    parser.add_argument("--suite", action="append", default=[], help="file of seeds/evals without .jsonl; several times")
    parser.add_argument("--repeats", type=_repeats, help="how often each case is asked (default: seeds/release.yml)")
    parser.add_argument("--feature", help="whose rules and risk class hold where no manifest says it")
    parser.add_argument("--fresh", action="store_true", help="ask the candidate anew, whatever is known")
    parser.add_argument("--check", action="store_true", help="say what would be asked and what the suites lack; ask nothing")
    parser.add_argument("--markdown", type=_file, help="write the page here, too")
    parser.add_argument("--junit", type=_file, help="write it as JUnit XML here")
    parser.add_argument("--actor", default=getpass.getuser(), help="who asks (default: the user of this terminal)")
    return parser


def _file(text: str) -> Path:
    """Where something may be written: looked at before anything is asked, which costs. Raises ArgumentTypeError."""
    path = Path(text)
    if not path.parent.is_dir() or path.is_dir() or not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{path} cannot be written: name a file in a folder that is there and is yours")
    return path


def _repeats(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 20:
        raise argparse.ArgumentTypeError("from 1 to 20")
    return number


if __name__ == "__main__":
    sys.exit(main())
