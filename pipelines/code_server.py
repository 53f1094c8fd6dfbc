"""The code server of a deployment: it makes the folders of the warehouse, checks what a person may have got wrong, and
becomes Dagster's own code server on loopback. Runs are its children, or pods of the same image (docs/deployment.md).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pipelines.settings import REPO, Settings, SettingsError
from resources.calendar import CalendarError, calendar
from resources.contracts import ContractError, contracts

HOST, PORT = "127.0.0.1", "4000"


def main(arguments: list[str]) -> None:
    """Become `dagster code-server start`; `arguments` come after its own. Does not return."""
    try:
        if not (Path(os.environ.get("DAGSTER_HOME", "")) / "dagster.yaml").is_file():
            raise SettingsError("DAGSTER_HOME holds no dagster.yaml; copy deploy/dagster.production.yaml into it")
        Settings.from_environment().check_folders()
        calendar()
        contracts()
    except (CalendarError, ContractError, SettingsError) as error:
        sys.exit(f"code server: {error}")
    os.chdir(REPO)
    program = Path(sys.executable).with_name("dagster")
    options = ["--python-file", "pipelines/definitions.py", "--working-directory", ".", "--location-name", "nocturne"]
    os.execv(program, [str(program), "code-server", "start", "--host", HOST, "--port", PORT, *options, *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])
