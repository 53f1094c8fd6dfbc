"""People judge answers in a real browser, by keyboard alone, and the import takes what they said."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from killing import REPO
from label_house import LabelHouse, traffic
from playwright.sync_api import Browser, Page, expect, sync_playwright
from test_security import addresses, is_on_loopback

from resources.retention import RetentionPolicy

DRAW = "2026-11-09-draw-1"
HOSTILE = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
expect.set_options(timeout=60_000)  # Beside other tests on two cores: what is waited for comes late, not never.
linux = pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="sockets are read from Linux's /proc")


class Server:
    """`make labelling` of a house, in a process of its own."""

    def __init__(self, house: LabelHouse):
        self.house = house
        self.address = ""
        self.start(0)

    def start(self, port: int) -> None:
        """Start it, and read the address that it tells."""
        environment = os.environ | {
            "NOCTURNE_HOME": str(self.house.store.state), "NOCTURNE_DATA": str(self.house.root / "unused"),
            "NOCTURNE_NOW": "2026-11-10T03:05:00", "NOCTURNE_LANDING": str(self.house.root),
        }  # fmt: skip
        command = [sys.executable, "-W", "ignore", "-m", "pipelines.quality.labelling_page", "--port", str(port)]
        self.process = subprocess.Popen(command, cwd=REPO, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        assert said.startswith("labelling: http://127.0.0.1:"), said
        self.address = said.split()[1]

    @property
    def root(self) -> str:
        """The page's address without its key."""
        return f"http://{urlsplit(self.address).netloc}"

    def stop(self) -> None:
        """As Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(timeout=60) == 0


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> LabelHouse:
    made = LabelHouse(tmp_path_factory.mktemp("labelling") / "house")
    made.declare(look_back_days=1, labels_per_night=60)
    documents = [{"document_id": "d", "document_text": HOSTILE}]
    made.take("a.jsonl", traffic(40, output_text=HOSTILE, prompt_text=HOSTILE, retrievals=documents))
    made.desk().work()
    made.export().work()
    return made


@pytest.fixture(scope="module")
def server(house: LabelHouse) -> Iterator[Server]:
    made = Server(house)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM)
        yield made
        made.close()


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """A page whose key is known, and on which nothing may go wrong."""
    with browser.new_context() as context:
        made = context.new_page()
        troubles: list[str] = []
        made.on("pageerror", lambda error: troubles.append(str(error)))
        made.on("console", lambda told: troubles.append(told.text) if "Content Security Policy" in told.text else None)
        made.goto(server.address)
        yield made
        assert troubles == []


def enter_as(page: Page, name: str) -> None:
    """Say who one is, and begin the first list."""
    expect(page.locator("#name")).to_be_focused()
    press(page, *name, "Enter")
    expect(page.locator(".card").first).to_be_focused()
    press(page, "Enter")
    expect(page.locator("#judge input:focus")).to_have_count(1)  # Its script does that: it listens.


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def chosen(page: Page) -> dict[str, str]:
    """What is chosen in the form, by question."""
    return {str(i.get_attribute("name")): str(i.get_attribute("value")) for i in page.locator("#judge input:checked").all()}


def left(page: Page, url: str) -> None:
    """Wait until another answer is shown."""
    page.wait_for_url(lambda now: now != url and re.search(r"/\d+$", now) is not None)


def asked(house: LabelHouse) -> list[str]:
    """The request ids of the list, in the order of its file."""
    text = (house.export().folder / DRAW / "first.jsonl").read_text(encoding="utf-8")
    return [json.loads(line)["request_id"] for line in text.split("\n") if line]


def test_three_answers_are_judged_by_keyboard_one_is_corrected_and_the_import_takes_all(
    page: Page, house: LabelHouse
) -> None:
    enter_as(page, "Ana")
    start = page.url
    press(page, *"ynynyn", "2", "4", "w", *"60 days are nowhere", "Escape", "Enter")
    page.wait_for_url(re.compile("/2$"))

    press(page, "n")
    expect(page.locator("#state")).to_have_text("Kept")
    page.reload()
    assert chosen(page) == {"hallucinated": "no"}, "half a judgement outlives a reload"
    press(page, "c", "Enter")
    page.wait_for_url(re.compile("/3$"))
    press(page, "n", "Enter")
    page.wait_for_url(re.compile("/4$"))

    expect(page.locator("#waiting")).to_have_text("3")
    press(page, "h")
    expect(page.locator(".card").first).to_be_focused()
    expect(page.locator("#hand-in")).to_be_hidden()
    [done] = house.read_labels()
    assert done.is_clean and done.counts["labels"] == 3
    first, second, third = asked(house)[:3]
    said = {row["request_id"]: row for row in house.labels()}
    verdicts = ("hallucinated", "grounded", "safety_pass", "toxic", "instruction_followed", "policy_followed")
    assert [said[first][name] for name in verdicts] == [True, False, True, False, True, False]
    assert (said[first]["severity"], said[first]["root_cause"], said[first]["has_comment"]) == ("major", "made_up", True)
    assert [said[second][name] for name in verdicts] == [False, None, None, None, None, None]
    assert said[third]["severity"] is None

    press(page, "Enter")
    page.wait_for_url(re.compile("/4$"))
    for number in (3, 2, 1):
        press(page, "<")
        page.wait_for_url(re.compile(f"/{number}$"))
    assert page.url == start and chosen(page)["severity"] == "major"
    press(page, *"nyynyy", "Enter")
    page.wait_for_url(re.compile("/4$"))
    press(page, "h")
    expect(page.locator("#hand-in")).to_be_hidden()
    [again] = house.read_labels()
    assert again.is_clean and (again.counts["labels"], again.counts["revisions"]) == (1, 1)
    newest = max((row for row in house.labels() if row["request_id"] == first), key=lambda row: row["labelled_at"])
    assert (newest["hallucinated"], newest["severity"], newest["is_revision"]) == (False, None, True)
    assert list(house.inbox().folder.iterdir()) == []


def test_what_words_spell_is_not_run(page: Page) -> None:
    enter_as(page, "bo")
    assert page.locator(".words").all_inner_texts() == [HOSTILE] * 3
    assert page.evaluate("window.hacked") is None and page.locator(".words *").count() == 0


def test_a_page_that_is_killed_loses_nothing(page: Page, server: Server, house: LabelHouse) -> None:
    enter_as(page, "cy")
    url = page.url
    press(page, "n", "Enter")
    left(page, url)
    server.process.kill()
    server.process.wait()
    press(page, "y")
    expect(page.locator("#notice")).to_contain_text("server does not answer")
    server.start(urlsplit(server.root).port or 0)
    expect(page.locator("#state")).to_have_text("Kept", timeout=30_000)
    expect(page.locator("#notice")).to_be_hidden()
    page.reload()
    assert chosen(page) == {"hallucinated": "yes"}, "chosen while no server was there"
    [file] = house.inbox().folder.iterdir()
    assert json.loads(file.read_bytes())["annotator"] == "cy", "judged before, handed in by the next page"


def test_two_tabs_do_not_overwrite_each_other(page: Page) -> None:
    enter_as(page, "di")
    other = page.context.new_page()
    other.goto(page.url)
    press(page, "y", "Enter")
    left(page, other.url)
    press(other, "n")
    expect(other.locator("#notice")).to_contain_text("another tab")
    other.reload()
    assert chosen(other) == {"hallucinated": "yes"}


def test_severity_is_asked_of_faults_alone(page: Page) -> None:
    enter_as(page, "ed")
    expect(page.locator("#faults")).to_be_hidden()
    press(page, *"nyynyn")
    expect(page.locator("input[name=severity]").first).to_be_focused()
    press(page, "1")
    press(page, "Shift+Tab", "Shift+Tab", "Backspace")
    expect(page.locator("#faults")).to_be_hidden()
    press(page, "y")
    expect(page.locator("#save")).to_be_focused()


def test_help_shows_the_keys_and_letters_can_be_switched_off(page: Page) -> None:
    enter_as(page, "flo")
    press(page, "?")
    expect(page.locator("#help")).to_be_visible()
    expect(page.locator("#keys-on")).to_be_focused()
    press(page, "Space", "Escape")
    expect(page.locator("#help")).to_be_hidden()
    press(page, "y")
    assert chosen(page) == {}
    press(page, "Space")
    assert chosen(page) == {"hallucinated": "yes"}, "radio buttons are radio buttons still"


@pytest.mark.parametrize(("key", "code"), [("Y", "KeyY"), ("н", "KeyY"), ("غ", "KeyY"), ("y", "KeyZ")])
def test_keys_are_where_they_are_engraved(page: Page, key: str, code: str) -> None:
    """Shift lock, layouts without Latin letters, and those with others in their places."""
    enter_as(page, f"i{ord(key)}")
    page.locator("input:focus").dispatch_event("keydown", {"key": key, "code": code, "bubbles": True})
    assert chosen(page) == {"hallucinated": "yes"}


def test_words_are_scrolled_by_keyboard_and_one_comes_back(page: Page) -> None:
    enter_as(page, "jo")
    for key, name in (("d", "#documents"), ("a", "#talk"), ("q", "input[name=hallucinated] >> nth=0")):
        press(page, key)
        expect(page.locator(name)).to_be_focused()


def test_words_of_the_answer_are_found_in_the_documents(page: Page) -> None:
    enter_as(page, "kim")
    marked = "[...CSS.highlights.get('found')].map(range => range.toString())"
    press(page, "f", *"HACKED")
    expect(page.locator("#found")).to_have_text("1 of 2")
    assert page.evaluate(marked) == ["hacked", "hacked"], "words, whatever their case, and no patterns"
    press(page, "Enter")
    expect(page.locator("#found")).to_have_text("2 of 2")
    press(page, ".", "*")
    expect(page.locator("#found")).to_have_text("not there")
    page.evaluate("getSelection().selectAllChildren(document.querySelector('.answer .words'))")
    expect(page.locator("#found")).to_have_text("1 of 1")
    assert page.evaluate(marked) == [HOSTILE]
    press(page, "Escape", "y")
    assert chosen(page) == {"hallucinated": "yes"}


def test_it_works_without_scripts(browser: Browser, server: Server) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(server.address)
        page.fill("#name", "gus")
        page.click("button.main")
        page.locator(".card").first.click()
        url = page.url
        page.locator("label", has=page.locator("input[name=toxic][value=no]")).click()
        page.click("#save")
        left(page, url)
        page.goto(url)
        assert chosen(page) == {"toxic": "no"}


CONTRAST = """
element => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => numbers(colour).slice(0, 3)
    .map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  let behind = element;
  while ((numbers(getComputedStyle(behind).backgroundColor)[3] ?? 1) === 0) behind = behind.parentElement;
  const [a, b] = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor].map(light);
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}
"""


def test_it_can_be_read_light_and_dark_wide_and_narrow(page: Page) -> None:
    enter_as(page, "hal")
    press(page, *"ynynyn")
    words = [".answer .words", ".question .words", "h2", ".documents .words", "legend", ".main", ".choices span", "small",
             "input:checked + span", "#to-all", ".who"]  # fmt: skip
    for width in (1440, 1100, 360):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "no scrolling sideways"
        answer, documents = (page.locator(name).bounding_box() for name in (".answer", ".documents"))
        assert answer is not None and documents is not None
        assert (documents["x"] > answer["x"] + answer["width"]) == (width == 1440), "side by side where there is room"
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        light = {name: page.locator(name).first.evaluate(CONTRAST) for name in words}
        page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        dark = {name: page.locator(name).first.evaluate(CONTRAST) for name in words}
        assert [name for name in words if min(light[name], dark[name]) < 4.5] == [] and light != dark
        style = page.locator("input:focus + span").evaluate("e => getComputedStyle(e).outlineStyle")
        assert style == "solid", "one sees where one is"


@linux
def test_the_page_listens_on_this_machine_alone(server: Server) -> None:
    found = addresses(server.process.pid)
    assert found == {urlsplit(server.root).netloc} and all(map(is_on_loopback, found))


def test_what_the_page_keeps_leaves_with_the_words(tmp_path: Path) -> None:
    house = LabelHouse(tmp_path / "house")
    house.declare(look_back_days=1)
    house.take("a.jsonl", traffic(3))
    house.desk().work()
    house.export().work()
    kept = house.store.state / "labelling" / "desk" / DRAW
    kept.mkdir(parents=True)
    (kept / "x.jsonl").write_text("{}")
    (kept.parent / ".key").write_text("k")
    house.pass_days(31)
    house.retain(policy=RetentionPolicy({"text": 30, "rows": 400, "aggregates": None}, None))
    house.export().work()
    assert [path.name for path in kept.parent.iterdir()] == [".key"]
