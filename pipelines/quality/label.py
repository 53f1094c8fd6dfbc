"""`make label-queue` and `make import-labels`: what people are asked to judge, and what they said (docs/labelling.md).

Exit status 1: of some label file a line could not be taken. 2: nothing was done, and the message says why.
"""

from __future__ import annotations

import argparse
import sys

from pipelines.build import build_resources
from pipelines.quality.label_desk import LabelDesk
from pipelines.quality.label_export import LabelExport
from pipelines.quality.label_inbox import LabelInbox
from pipelines.quality.label_runs import said, told
from pipelines.settings import Settings, SettingsError
from resources import terminal
from resources.capture import CaptureError
from resources.events import ClosedDayError
from resources.keyring import KeyringError
from resources.labelling_seed import LabellingSeedError
from resources.redaction_seed import RedactionError
from resources.retention import RetentionError

CANNOT = (
    CaptureError, ClosedDayError, KeyringError, LabellingSeedError, RedactionError, RetentionError, SettingsError,
)  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="label", description=__doc__)
    acts = parser.add_subparsers(dest="act", required=True)
    acts.add_parser("queue", help="draw what is not drawn yet, and write the files for those who judge")
    acts.add_parser("import", help="take the label files that wait in the inbox")
    options = parser.parse_args(arguments)
    try:
        settings = Settings.from_environment()
        settings.check_folders()
        resources = build_resources(settings)
        warehouse, clock = resources["warehouse"], resources["clock"]
        if options.act == "import":
            inbox = LabelInbox.of(warehouse, clock)
            done = inbox.work()
            print("\n".join(said(done) if done else [f"no label files wait in {inbox.folder}"]))
            return 0 if all(file.is_clean for file in done) else 1
        export = LabelExport.of(warehouse, clock)
        print("\n".join([*told(LabelDesk.of(warehouse, clock).work(), export.work()), f"the files lie in {export.folder}"]))
    except CANNOT as error:
        print(f"label: {terminal.lines(str(error))}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
