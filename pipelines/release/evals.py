"""`make evals`: what each suite of seeds/evals covers, and what it lacks (docs/evaluations.md). Nothing is asked.

Exit status 1: a suite lacks something, or cannot be read. 2: there is no such suite, or no warehouse.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from assets.release.assets import Suites, read_suites
from assets.release.eval_coverage import coverage_page
from pipelines.build import build_resources
from pipelines.settings import Settings, SettingsError
from resources import terminal


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make evals", description=__doc__)
    parser.add_argument("suite", nargs="*", help="files of seeds/evals without .jsonl (default: all)")
    options = parser.parse_args(arguments)
    try:
        settings = Settings.from_environment()
        settings.check_folders()
        return show(build_resources(settings)["warehouse"].seeds, options.suite)
    except SettingsError as error:
        print(f"evals: {terminal.lines(str(error))}", file=sys.stderr)
        return 2


def show(seeds: Path, names: list[str]) -> int:
    """Say what suites cover; the status to exit with."""
    found = read_suites(seeds)
    if strange := sorted(set(names) - set(found.cases)):
        told = f"evals: seeds/evals has no readable suite {strange[0]}; there are: {', '.join(found.cases) or 'none'}"
        print(terminal.lines(told), file=sys.stderr)
        return 2
    covered = {name: one for name, one in found.covered.items() if not names or name in names}
    shown = Suites(found.cases, covered, found.faults)
    print(terminal.lines("\n".join([coverage_page(covered), *(f"- {fault}" for fault in shown.faults)])))
    return 1 if shown.faults or shown.gaps else 0


if __name__ == "__main__":
    sys.exit(main())
