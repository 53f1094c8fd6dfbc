"""The pages behind their server (apps/web/serve.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from apps.pages.door import Door
from apps.pages.pages import Pages
from apps.web.serve import check_address, key_in, run
from resources.clock import Clock

MADE_BY = "pages"


def serve(
    door: Door, folder: Path, clock: Clock, host: str, port: int, names: Sequence[str], tell: Callable[[str], None]
) -> None:
    """Serve the pages over the published file until they are interrupted; `tell` gets the address to open.

    `folder` keeps the key that opens them. Raises ServeError.
    """
    check_address(host, names)
    run(Pages(door, clock).app, key_in(folder), host, port, names, MADE_BY, tell)
