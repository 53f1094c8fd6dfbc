"""`make dev`: the Dagster UI on this machine alone, with the daemon that runs the schedule and the sensors.

Uses the same instance as `make nightly`, so that both see each other's runs.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pipelines.settings import REPO, Settings, SettingsError
from resources.calendar import CalendarError, calendar
from resources.contracts import ContractError, contracts

HOST, PORT = "127.0.0.1", "3000"


def main(arguments: list[str]) -> None:
    """Become `dg dev`; `arguments` come after its own, so that `--port 3001` wins. Does not return."""
    try:
        settings = Settings.from_environment()
        settings.check_folders()
        # Without either the UI opens on a code location that did not load.
        calendar()
        contracts()
    except (CalendarError, ContractError, SettingsError) as error:
        sys.exit(f"dev: {error}")
    settings.prepare_instance()
    os.chdir(REPO)
    os.environ["VIRTUAL_ENV"] = sys.prefix  # or `dg` warns that none is active
    # Tables are late after hours: a look at all of them every 30 seconds, Dagster's default, is for nothing.
    os.environ.setdefault("FRESHNESS_DAEMON_INTERVAL_SECONDS", "300")
    program = Path(sys.executable).with_name("dg")
    os.execv(program, [str(program), "dev", "--host", HOST, "--port", PORT, *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])
