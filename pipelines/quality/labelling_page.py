"""`make labelling`: the page where people judge answers, on this machine alone (docs/labelling.md).

The page is apps/labelling; here it gets its folders and its clock.
"""

from __future__ import annotations

import argparse
import sys

from apps.labelling.desk import DeskError
from apps.labelling.serve import serve
from apps.web.serve import ServeError
from pipelines.build import build_resources
from pipelines.settings import Settings, SettingsError
from resources import terminal
from resources.labelling_seed import LabellingSeedError

HOST, PORT = "127.0.0.1", 3001


def main(arguments: list[str] | None = None) -> int:
    """The command line. 2: the page was not served, and the message says why."""
    parser = argparse.ArgumentParser(prog="make labelling", description=__doc__)
    parser.add_argument("--host", default=HOST, help="the address to listen on; any but loopback needs --name")
    parser.add_argument("--port", type=int, default=PORT, help="0: any that is free")
    parser.add_argument("--name", action="append", default=[], help="a name by which browsers may ask for the page")
    options = parser.parse_args(arguments)
    try:
        settings = Settings.from_environment()
        settings.check_folders()
        resources = build_resources(settings)
        warehouse, clock = resources["warehouse"], resources["clock"]
        serve(settings.home / "labelling", warehouse.seeds, clock, options.host, options.port, options.name, _tell)
    except (DeskError, LabellingSeedError, ServeError, SettingsError) as error:
        print(f"labelling: {terminal.lines(str(error))}", file=sys.stderr)
        return 2
    return 0


def _tell(address: str) -> None:
    print(f"labelling: {address}\nlabelling: Ctrl-C ends it; what was judged is handed in then", flush=True)


if __name__ == "__main__":
    sys.exit(main())
