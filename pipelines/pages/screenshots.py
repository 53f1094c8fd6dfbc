"""`make screenshots`: pictures of the pages for README.md and docs/pages.md, into docs/pictures.

They are taken of the warehouse that the environment names, in a Chromium of this machine (playwright drives it and downloads
none). Exit status 2: nothing was taken, and the message says why.
"""

from __future__ import annotations

import argparse
import io
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from apps.pages.door import door_of
from pipelines.settings import Settings, SettingsError
from resources.contracts import REPO
from resources.durable import write_atomically
from resources.warehouse import AnalystError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PICTURES = REPO / "docs" / "pictures"
MOST_BYTES = 300_000
COLOURS = 128
"""Flat pages need no more; a picture is a third as large."""
PATIENCE_MS = 300_000
"""The first page draws all its charts, perhaps beside a night."""
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_A_REQUEST = """
select request_id
from logs.requests as asked
semi join logs.tool_calls as calls using (day, request_id)
where asked.latency_ms is not null
order by asked.retrieval_ms is null, asked.day desc, asked.request_id
limit 1
"""


@dataclass(frozen=True)
class Picture:
    """One picture: the page's address, and how it is looked at."""

    name: str
    address: str
    scheme: Any = "light"
    width: int = 1280
    height: int = 900


def pictures(request_id: str | None) -> list[Picture]:
    """What is taken. `request_id`: the request that stands for all, where there is one."""
    columns = "sum(contracted_amount) as usd, sum(requests) as requests"
    question = f"select day, {columns}\nfrom cost.cost_daily\ngroup by day\norder by day desc;"
    taken = [
        Picture("executive", "/executive", height=1250),
        Picture("executive-dark", "/executive", "dark", height=1250),
        Picture("executive-narrow", "/executive", "dark", 390, 1100),
        Picture("on-call", "/on-call", height=1250),
        Picture("debug", "/debug", height=1000),
        Picture("sql", f"/sql?{urlencode({'question': question})}"),
    ]
    if request_id is not None:
        taken.append(Picture("request", f"/debug/request?{urlencode({'id': request_id})}", height=1250))
    return taken


def take(browser: Browser, address: str, picture: Picture) -> bytes:
    """One picture as PNG."""
    root = f"http://{urlsplit(address).netloc}"
    with browser.new_context(
        color_scheme=picture.scheme, viewport={"width": picture.width, "height": picture.height}, reduced_motion="reduce"
    ) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(address)
        page.goto(f"{root}{picture.address}")
        if picture.name == "sql":
            page.get_by_role("button", name="Ask").click()
            page.get_by_role("table").wait_for()
        return page.screenshot()


def smaller(png: bytes) -> bytes:
    """The same picture in fewer colours."""
    from PIL import Image

    packed = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(packed, "PNG", optimize=True)
    return packed.getvalue()


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make screenshots", description=__doc__)
    parser.add_argument("--to", type=Path, default=PICTURES, help="the folder that they are written to")
    options = parser.parse_args(arguments)
    browser_path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser_path is None:
        print("screenshots: there is no Chromium on this machine (Debian: apt-get install chromium)", file=sys.stderr)
        return 2
    try:
        found = door_of(Settings.from_environment().data).snapshot().ask(_A_REQUEST, {}).rows
    except (AnalystError, SettingsError) as error:
        print(f"screenshots: {error}", file=sys.stderr)
        return 2
    options.to.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-W", "ignore", "-m", "pipelines.pages.show_pages", "--port", "0"]
    with subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            address = server.stdout.readline().split()[1]
            _take_all(browser_path, address, pictures(found[0][0] if found else None), options.to)
        finally:
            server.send_signal(signal.SIGINT)
    return 0


def _take_all(browser_path: str, address: str, wanted: list[Picture], folder: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path)
        for picture in wanted:
            png = smaller(take(browser, address, picture))
            if len(png) > MOST_BYTES:
                raise RuntimeError(f"{picture.name} has {len(png):,} bytes; a repository is no place for that")
            write_atomically(folder / f"{picture.name}.png", png)
            print(f"{picture.name}.png: {len(png):,} bytes")
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
