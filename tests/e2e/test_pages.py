"""The pages in a real browser: light, dark and narrow, by keyboard, and the report as a file without a network."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from house import House
from killing import REPO
from pages_house import HOSTILE, pages_door, pages_house
from playwright.sync_api import Browser, Page, expect, sync_playwright
from test_security import addresses, is_on_loopback

from apps.pages.report import report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SHOWN = {
    "/executive": "Availability", "/on-call": "Open alerts", "/debug": "Recent errors", "/sql": "Worked questions",
    f"/debug/request?{urlencode({'id': HOSTILE})}": "Where the time went", "/runbooks/latency": "What it means.",
}  # fmt: skip
LOOKS = [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)]
READ = (
    ".value",
    ".meaning",
    ".beside",
    "h3",
    "summary",
    "td",
    "th",
    ".badge",
    ".state",
    ".bar nav a",
    "dd",
    "dt",
    "pre",
    "label",
)
linux = pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="sockets are read from Linux's /proc")
expect.set_options(timeout=60_000)
CONTRAST = """
(elements) => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => numbers(colour).slice(0, 3)
    .map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  return elements.map((element) => {
    let behind = element;
    while ((numbers(getComputedStyle(behind).backgroundColor)[3] ?? 1) === 0) behind = behind.parentElement;
    const [a, b] = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor].map(light);
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  });
}
"""


@pytest.fixture(scope="module")
def house() -> House:
    return pages_house()


@pytest.fixture(scope="module")
def server(house: House) -> Iterator[subprocess.Popen[str]]:
    """`make pages` over the house, in a process of its own."""
    environment = os.environ | {
        "NOCTURNE_HOME": str(house.store.state), "NOCTURNE_DATA": str(house.store.data),
        "NOCTURNE_LANDING": str(house.landing), "NOCTURNE_NOW": "2026-11-10T03:05:00",
    }  # fmt: skip
    command = [sys.executable, "-W", "ignore", "-m", "pipelines.pages.show_pages", "--port", "0"]
    with subprocess.Popen(command, cwd=REPO, env=environment, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0


@pytest.fixture(scope="module")
def address(server: subprocess.Popen[str]) -> str:
    """Where it is, with its key."""
    assert server.stdout is not None
    said = server.stdout.readline()
    assert said.startswith("pages: http://127.0.0.1:"), said
    return said.split()[1]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM)
        yield made
        made.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page whose key is known, and on which nothing may go wrong."""
    with browser.new_context(reduced_motion="reduce") as context:
        made = context.new_page()
        made.set_default_timeout(60_000)
        troubles: list[str] = []
        made.on("pageerror", lambda error: troubles.append(str(error)))
        made.on("console", lambda told: troubles.append(told.text) if told.type in ("error", "warning") else None)
        made.goto(address)
        yield made
        assert troubles == []


def test_all_pages_can_be_read_light_dark_and_narrow(page: Page, address: str) -> None:
    root = f"http://{urlsplit(address).netloc}"
    for path, words in SHOWN.items():
        page.goto(f"{root}{path}")
        expect(page.get_by_text(words).first).to_be_visible()
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        for scheme, width in LOOKS:
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways at {width}"
            for name in READ:
                low = [ratio for ratio in page.locator(name).evaluate_all(CONTRAST) if ratio < 4.5]
                assert low == [], f"{name} of {path}, {scheme}"
        assert page.evaluate("window.hacked") is None
        assert page.get_by_role("table").count() == page.locator("table:has(th[scope=col])").count()
        assert page.locator("svg.chart path[d*=NaN], svg path[d*=NaN]").count() == 0


def test_a_figure_leads_by_keyboard_to_its_sql_and_on_to_rows(page: Page, address: str) -> None:
    page.goto(f"http://{urlsplit(address).netloc}/executive")
    tile = page.locator(".tile", has=page.get_by_role("heading", name="Requests", exact=True))
    tile.locator("summary", has_text="SQL").focus()
    page.keyboard.press("Enter")
    expect(tile.locator("pre")).to_contain_text("from service.sli_5min")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/sql?panel=executive*")
    page.locator("#question").focus()
    page.keyboard.press("Control+Enter")
    expect(page.locator("#answer")).to_have_text("3 rows")
    expect(page.get_by_role("table")).to_contain_text("2026-11-09")


def test_a_request_is_found_and_looked_at(page: Page, address: str) -> None:
    page.goto(f"http://{urlsplit(address).netloc}/debug")
    page.get_by_label("Request, trace, conversation or user").fill("whole")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="whole").click()
    expect(page.locator("svg.steps")).to_contain_text("retrieval")
    expect(page.get_by_role("region", name="Documents")).to_contain_text(HOSTILE)
    assert page.evaluate("window.hacked") is None


def test_the_report_opens_from_a_file_and_fetches_nothing(browser: Browser, house: House, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(report(pages_door(house), 1), encoding="utf-8")
    with browser.new_context(color_scheme="dark", viewport={"width": 390, "height": 800}) as context:
        page = context.new_page()
        fetched, troubles = [], []
        page.on("request", lambda request: fetched.append(request.url))
        page.on("console", lambda told: troubles.append(told.text))
        page.goto(file.as_uri())
        assert fetched == [file.as_uri()] and troubles == []
        expect(page.get_by_role("heading", name="On call")).to_be_visible()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 24, 26)", "its style holds"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.locator("summary", has_text="SQL").first.click()
        expect(page.locator("pre").first).to_be_visible()
        assert page.evaluate("window.hacked") is None


@linux
def test_the_pages_listen_on_this_machine_alone(server: subprocess.Popen[str], address: str) -> None:
    found = addresses(server.pid)
    assert found == {urlsplit(address).netloc} and all(map(is_on_loopback, found))
