"""`make judge`: ask the LLM judge about the answers that have no judgement yet, now (docs/judge.md).

Exit status 1: it answered nothing. 2: nothing was asked, and the message says why.
"""

from __future__ import annotations

import argparse
import sys

from pipelines.build import build_resources
from pipelines.quality.judge_desk import JudgeDesk
from pipelines.quality.judge_runs import said
from pipelines.settings import Settings, SettingsError
from resources import terminal
from resources.events import ClosedDayError
from resources.judge_seed import JUDGE_FILE, JudgeSeedError
from resources.keyring import KeyringError


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make judge", description=__doc__)
    parser.add_argument("--check", action="store_true", help=f"read {JUDGE_FILE}, and ask nothing")
    options = parser.parse_args(arguments)
    try:
        settings = Settings.from_environment()
        settings.check_folders()
        resources = build_resources(settings)
        desk = JudgeDesk.of(resources["warehouse"], resources["clock"])
        if options.check:
            seed = desk.read_seed()
            print(f"{JUDGE_FILE}: " + (seed.endpoint.model if seed else "no endpoint"))
            return 0
        done = desk.work(lambda text: print(terminal.one_line(text), flush=True))
    except (SettingsError, JudgeSeedError, KeyringError, ClosedDayError) as error:
        print(f"judge: {terminal.lines(str(error))}", file=sys.stderr)
        return 2
    print(said(done))
    return 1 if done is not None and done.is_silent else 0


if __name__ == "__main__":
    sys.exit(main())
