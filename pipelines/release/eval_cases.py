"""`make cases`: propose what failed as evaluation cases; with ARGS="accept ...", "fixed ...": say what becomes of one.

Exit status 2: nothing was written down, and the message says why (docs/eval-cases.md).
"""

from __future__ import annotations

import argparse
import getpass
import sys
from typing import Any

from assets.quality.case_log import ENDED, CaseError
from assets.quality.eval_case import KINDS, EvalCaseError
from pipelines.build import build_resources
from pipelines.release.case_desk import CaseDesk
from pipelines.service.incident import moment
from pipelines.settings import Settings, SettingsError
from resources import terminal
from resources.capture import CaptureError
from resources.events import ClosedDayError
from resources.keyring import KeyringError
from resources.labelling_seed import LabellingSeedError
from resources.redaction_seed import RedactionError

CANNOT = (
    CaptureError, CaseError, ClosedDayError, EvalCaseError, KeyringError, LabellingSeedError, RedactionError, SettingsError,
)  # fmt: skip
_ACTS = {"reject": "rejected", "fixed": "fixed", "verified": "verified", "released": "released"}


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    options = _parser().parse_args(arguments)
    try:
        settings = Settings.from_environment()
        settings.check_folders()
        resources = build_resources(settings)
        print(terminal.lines(act(CaseDesk.of(resources["warehouse"], resources["clock"]), options)))
    except CANNOT as error:
        print(f"cases: {terminal.lines(str(error))}", file=sys.stderr)
        return 2
    return 0


def act(desk: CaseDesk, options: argparse.Namespace) -> str:
    """Do what the options state; a sentence about it, which quotes nobody. Raises CaseError, EvalCaseError."""
    if options.act == "propose":
        return f"{desk.propose()}\nthe files lie in {desk.files.folder}"
    if options.act == "list":
        today = desk.clock.last_due_day()
        known = [case for case in desk.cases().values() if options.all or case.state not in ENDED]
        return (
            "\n".join(
                f"{case.case_id:14}  {case.state:9}  {case.age_days(today):4} days  {case.failure:18}  {case.feature or '-'}"
                for case in known
            )
            or "no open cases"
        )
    if options.act == "accept":
        fields: dict[str, Any] = {name: getattr(options, name) for name in ("kind", "must", "must_not", "expected_refusal")}
        case = desk.accept(options.id, options.actor, options.suite, options.note, **fields)
        return f"{case.case_id} is accepted as {case.kind} into {desk.suites.folder}; its words are yours to keep now"
    facts: dict[str, Any] = {"note": options.note}
    if options.act == "fixed":
        facts |= {"prompt_version": options.prompt_version, "model": options.model}
    desk.change(options.id, _ACTS[options.act], options.actor, options.at, **facts)
    return f"{options.id} is {_ACTS[options.act]}\nquality.cases_now shows it once it is published again"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make cases", description=__doc__)
    parser.add_argument("--actor", default=getpass.getuser(), help="who writes it down (default: the user of this terminal)")
    acts = parser.add_subparsers(dest="act", required=True)
    acts.add_parser("propose", help="propose what failed, and write it for people")
    acts.add_parser("list", help="cases that are neither rejected nor released").add_argument("--all", action="store_true")
    accepted = _of_one(acts, "accept", "put it into a suite, as its line in labelling/cases says")
    accepted.add_argument("--suite", help="file of seeds/evals (default: what its line says, else general)")
    accepted.add_argument("--kind", choices=KINDS, help="what it tries")
    accepted.add_argument("--must", action="append", help="what a right answer says; several times: all of it")
    accepted.add_argument("--must-not", action="append", help="what no right answer says")
    refusal = "a right answer declines; --no-refusal: it does not"
    accepted.add_argument("--refusal", dest="expected_refusal", action=argparse.BooleanOptionalAction, help=refusal)
    _of_one(acts, "reject", "it is none; an accepted one leaves its suite").add_argument("--at", type=moment)
    fixed = _of_one(acts, "fixed", "from this version on it is right")
    fixed.add_argument("--prompt-version", help="version of the prompt template")
    fixed.add_argument("--model", help="model")
    fixed.add_argument("--at", type=moment, help="when (UTC; default: now)")
    for name, meaning in (("verified", "somebody has seen that it is"), ("released", "users have that version")):
        _of_one(acts, name, meaning).add_argument("--at", type=moment, help="when (UTC; default: now)")
    return parser


def _of_one(acts: Any, name: str, meaning: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = acts.add_parser(name, help=meaning)
    parser.add_argument("id", help="name of the case, such as 2026-11-10-3")
    parser.add_argument("--note", help="in words that anybody may read")
    return parser


if __name__ == "__main__":
    sys.exit(main())
