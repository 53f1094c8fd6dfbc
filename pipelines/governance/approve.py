"""`make approve`: a person lets something go live, or not: WHAT=tuning/embedder/<candidate> ARGS="--reason '...'".

Without WHAT: which candidates wait. WHAT=release/<prompt>@<version> is a prompt's version. --refuse says no, and wins over
an earlier yes. The decision is on the content as it is now, or as --digest names it, and stands in governance.approvals and
in the audit. Exit status 2: nothing was written, and the message says why.
"""

from __future__ import annotations

import argparse
import getpass
import sys

from assets.governance.approvals import APPROVE, REFUSE
from pipelines.build import build_resources
from pipelines.governance.approval_desk import ApprovalDesk, ApprovalError, Decision
from pipelines.settings import Settings, SettingsError
from resources import terminal
from resources.events import ClosedDayError
from resources.model_version import RegistryError
from resources.service_seeds import ServiceSeedError
from resources.training_spec import TrainingSpecError

USAGE = "make approve [WHAT=tuning/embedder/<candidate> ARGS=\"--reason '...' [--refuse] [--digest ...] [--actor ...]\"]"


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make approve", usage=USAGE, description=__doc__)
    parser.add_argument("subject", nargs="?", default="", help="what is decided on; left out: say what waits")
    parser.add_argument("--reason", default="", help="why, for everybody who asks later")
    parser.add_argument("--refuse", action="store_true", help="it may not go live")
    parser.add_argument("--digest", help="of what you looked at, where that is not what is there now")
    parser.add_argument("--actor", default=getpass.getuser(), help="who decides (default: the user of this terminal)")
    options = parser.parse_args(arguments)
    try:
        settings = Settings.from_environment()
        settings.check_folders()
        resources = build_resources(settings)
        warehouse = resources["warehouse"]
        store = warehouse.store()
        desk = ApprovalDesk(store, resources["registry"].open(store), warehouse.seeds, resources["clock"])
        if not options.subject:
            print(terminal.one_line(desk.waiting))
            return 0
        said: Decision = REFUSE if options.refuse else APPROVE
        row = desk.decide(options.subject, said, options.actor, options.reason, options.digest)
    except (
        ApprovalError, ClosedDayError, RegistryError, ServiceSeedError, SettingsError, TrainingSpecError
    ) as error:  # fmt: skip
        print(f"approve: {terminal.lines(str(error))}", file=sys.stderr)
        return 2
    done = "refused" if options.refuse else "approved"
    print(terminal.one_line(f"{row['actor']} {done} {row['subject']}, content {row['subject_digest'][:12]}"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
