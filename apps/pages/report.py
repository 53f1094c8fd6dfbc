"""The nightly report: the boards for executives and for people on call as one file that needs no server and no network.

Here belongs what makes the file stand alone: its style is within it, nothing in it may run, and nothing may be fetched.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from pathlib import Path

from apps.pages.board import board
from apps.pages.door import Door
from apps.pages.templates import environment

HERE = Path(__file__).parent
BOARDS = {"executive": "Executive", "on_call": "On call"}
DAYS = 30


def report(door: Door, manifest: int = 0) -> str:
    """The published file as it is now, as HTML; `manifest` is its number. Raises AnalystError and PanelError."""
    snapshot = door.snapshot()
    parameters = {"day": snapshot.day, "days": DAYS}
    boards = [(title, board(snapshot, page, parameters, is_live=False)) for page, title in BOARDS.items()]
    style = "\n" + "\n".join(
        path.read_text(encoding="utf-8")
        for path in (HERE.parent / "web" / "static" / "base.css", HERE / "static" / "pages.css")
    )
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment().get_template("report.html").render(
        boards=boards, style=style, style_digest=digest, is_live=False, link_sql=None, stale="", page="report",
        manifest=manifest, addresses={},
    )  # fmt: skip
