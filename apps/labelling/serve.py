"""The labelling page behind its server (apps/web/serve.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from apps.labelling.desk import Desk
from apps.labelling.pages import Labelling
from apps.web.serve import check_address, run
from resources.clock import Clock
from resources.labelling_seed import LABELLING_FILE, load_labelling

MADE_BY = "labelling"


def serve(
    labelling: Path, seeds: Path, clock: Clock, host: str, port: int, names: Sequence[str], tell: Callable[[str], None]
) -> None:
    """Serve the page for the folder `labelling` until it is interrupted; `tell` gets the address to open.

    Raises ServeError, DeskError and LabellingSeedError.
    """
    check_address(host, names)
    desk = Desk(labelling, clock)
    page = Labelling(desk, load_labelling(seeds / LABELLING_FILE))
    desk.hand_in()  # What a page that was killed had left.
    run(page.app, desk.key(), host, port, names, MADE_BY, tell)
