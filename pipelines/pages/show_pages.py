"""`make pages`: the pages over the published file, on this machine alone (docs/pages.md).

The pages are apps/pages; here they get their file and their clock. `--report FILE` writes the nightly report instead.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from apps.pages.door import door_of
from apps.pages.panels import PanelError
from apps.pages.report import report
from apps.pages.serve import serve
from apps.web.serve import ServeError
from pipelines.build import build_resources
from pipelines.settings import Settings, SettingsError
from resources import terminal
from resources.contracts import ContractError
from resources.durable import write_atomically
from resources.warehouse import AnalystError

HOST, PORT = "127.0.0.1", 3002
CANNOT = (AnalystError, ContractError, PanelError, ServeError, SettingsError)


def main(arguments: list[str] | None = None) -> int:
    """The command line. 2: the pages were not served, and the message says why."""
    parser = argparse.ArgumentParser(prog="make pages", description=__doc__)
    parser.add_argument("--host", default=HOST, help="the address to listen on; any but loopback needs --name")
    parser.add_argument("--port", type=int, default=PORT, help="0: any that is free")
    parser.add_argument("--name", action="append", default=[], help="a name by which browsers may ask for the pages")
    parser.add_argument("--report", type=Path, help="write the nightly report to this file, and serve nothing")
    options = parser.parse_args(arguments)
    try:
        settings = Settings.from_environment()
        settings.check_folders()
        door = door_of(settings.data)
        if options.report:
            write_atomically(options.report, report(door).encode())
            return 0
        clock = build_resources(settings)["clock"]
        serve(door, settings.home / "pages", clock, options.host, options.port, options.name, _tell)
    except CANNOT as error:
        print(f"pages: {terminal.lines(str(error))}", file=sys.stderr)
        return 2
    return 0


def _tell(address: str) -> None:
    print(f"pages: {address}\npages: Ctrl-C ends them", flush=True)


if __name__ == "__main__":
    sys.exit(main())
