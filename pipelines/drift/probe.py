"""`make probe`: ask the golden prompts of tonight that are not stored yet, now (docs/provider-probe.md).

Exit status 1: an endpoint answered nothing. 2: nothing was asked, and the message says why.
"""

from __future__ import annotations

import argparse
import sys

from pipelines.build import build_resources
from pipelines.drift.probe_desk import ProbeDesk
from pipelines.drift.probe_runs import said
from pipelines.settings import Settings, SettingsError
from resources import terminal
from resources.events import ClosedDayError
from resources.probe_seed import PROBES_FILE, ProbeSeedError


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make probe", description=__doc__)
    parser.add_argument("--check", action="store_true", help=f"read {PROBES_FILE}, and ask nothing")
    options = parser.parse_args(arguments)
    try:
        settings = Settings.from_environment()
        settings.check_folders()
        resources = build_resources(settings)
        desk = ProbeDesk.of(resources["warehouse"], resources["clock"])
        if options.check:
            seed, _ = desk.read_seed()
            print(f"{PROBES_FILE}: {len(seed.endpoints)} endpoints, {len(seed.prompts)} prompts")
            return 0
        done = desk.work()
    except (SettingsError, ProbeSeedError, ClosedDayError) as error:
        print(f"probe: {terminal.lines(str(error))}", file=sys.stderr)
        return 2
    print("\n".join(said(done)))
    return 1 if any(asked.is_silent for asked in done.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
