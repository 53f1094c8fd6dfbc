"""`make train-detector`: train the detector of hallucinations on the labels that there are (docs/quality.md).

Exit status 0 also where there are too few labels: it says so. 2: nothing could be done, and the message says why.
"""

from __future__ import annotations

import sys

from pipelines.build import build_resources
from pipelines.quality.detector_desk import DetectorDesk
from pipelines.settings import Settings, SettingsError
from resources import terminal
from resources.events import ClosedDayError
from resources.model_version import RegistryError


def main() -> int:
    """The command line."""
    try:
        settings = Settings.from_environment()
        settings.check_folders()
        resources = build_resources(settings)
        desk = DetectorDesk.of(resources["warehouse"], resources["registry"], resources["clock"])
        print(terminal.one_line(str(desk.work())))
    except (SettingsError, RegistryError, ClosedDayError) as error:
        print(f"train-detector: {terminal.lines(str(error))}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
