"""The pages over ten million requests, in a browser, beside their own SQL in plain DuckDB.

    python -m benchmarks.pages [--requests 10350000] [--days 90] [--repeats 3] [--cache FOLDER] [--write]

For each page: the seconds until the browser paints, until the first panel stands there and until the last does. *Cold* is
the first visit after a publish, *warm* the next one. The baseline asks what the page asks, one question after the other,
through one connection of plain DuckDB with its defaults: cold with opening the file, warm the second time. The file is made
by `benchmarks.many_requests`; `--cache` keeps it, which takes minutes to make. The operating system has it in memory.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from apps.pages.panels import panels
from apps.pages.searching import MOST_FOUND, NO_FILTER, QUESTION, REQUEST_DAY
from benchmarks.many_requests import PublishedFile, counted, make
from benchmarks.nightly import REPO, environment, header
from benchmarks.volume import DAY
from resources.warehouse import open_published, parameters_of, strip_comments
from resources.worked_questions import worked_questions

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TIMES, PLUS_S = 2.0, 1.0
"""What a page may take: so many times DuckDB's own time, and so many seconds."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_MS = 300_000
BACK = 60
"""Days before the newest one on which the request lies that is looked for."""
_A_REQUEST = """
select request_id, trace_id, feature, tenant from logs.requests
where day = cast($day as date) - $back and trace_id is not null order by request_id limit 1
"""
_WATCH = """
new MutationObserver((_, watch) => {
  if (document.querySelector("main .tile, main .panel")) { window.firstPanel = performance.now(); watch.disconnect(); }
}).observe(document, { childList: true, subtree: true });
"""
_TIMES = """
() => {
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  return paint && [paint.startTime, window.firstPanel ?? null, performance.getEntriesByType("navigation")[0].loadEventEnd];
}
"""
Question = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Visit:
    """One thing that somebody looks at: its address, and what it asks of the file."""

    name: str
    address: str
    questions: tuple[Question, ...]
    is_asked: bool = False
    """It is a question on the SQL page, sent by its button."""


@dataclass(frozen=True)
class Seen:
    """Seconds until the browser painted, until the first panel stood there, until all did."""

    paint: float
    first_panel: float
    last_panel: float


def visits(file: PublishedFile) -> list[Visit]:
    """What is measured."""
    con = open_published(file.door)
    request_id, trace_id, feature, tenant = con.execute(_A_REQUEST, {"day": DAY, "back": BACK}).fetchall()[0]
    con.close()

    def found(name: str, **fields: Any) -> Visit:
        over_all = {"first": date.min, "last": date.max, "most": MOST_FOUND + 1}
        parameters = {**dict.fromkeys(NO_FILTER.__dataclass_fields__), **fields, **over_all}
        return Visit(f"debug, {name}", f"/debug?{urlencode(fields)}", ((QUESTION, parameters),))

    on_its_day = {"day": DAY - timedelta(days=BACK), "request_id": request_id}
    of_request = ((REQUEST_DAY, {"request_id": request_id}), *_of_panels("request", on_its_day))
    [(_, sql), *_] = worked_questions("cost")
    return [
        Visit("executive, 30 days", "/executive?days=30", _of_panels("executive", {"day": DAY, "days": 30})),
        Visit("on call", "/on-call", _of_panels("on_call", {"day": DAY})),
        Visit("debug, lists", "/debug", _of_panels("debug", {"day": DAY})),
        found("by an id", any_id=request_id),
        found("by a trace", any_id=trace_id),
        found("failed ones of a feature", feature=feature, outcome="failed"),
        found("slow ones of a tenant and a day", tenant=tenant, day=str(DAY), outcome="slow"),
        found("of at least 50 USD", least_usd=50.0),
        Visit("one request", f"/debug/request?{urlencode({'id': request_id})}", of_request),
        Visit("a worked question", f"/sql?{urlencode({'question': sql})}", ((sql, {}),), is_asked=True),
    ]


def _of_panels(page: str, parameters: Mapping[str, Any]) -> tuple[Question, ...]:
    return tuple((panel.sql, parameters) for panel in panels(page))


def baseline(file: PublishedFile, visit: Visit) -> tuple[float, float]:
    """Seconds of the visit's questions in plain DuckDB: with opening the file, and once more."""
    taken = []
    begun = time.perf_counter()
    con = open_published(file.door)
    for _ in range(2):
        for sql, parameters in visit.questions:
            con.execute(sql, parameters_of(strip_comments(sql), parameters)).fetchall()
        taken.append(time.perf_counter() - begun)
        begun = time.perf_counter()
    con.close()
    return taken[0], taken[1]


def look(page: Page, address: str, visit: Visit) -> Seen:
    """One visit in the browser."""
    page.goto(address)
    if visit.is_asked:
        with page.expect_navigation():
            page.get_by_role("button", name="Ask").click()
    page.wait_for_function(_TIMES)
    if troubles := page.locator(".notice").all_inner_texts():
        raise SystemExit(f"{visit.name}: the page says {troubles[0]!r}; its time says nothing")
    paint, first_panel, last_panel = (at / 1000 for at in page.evaluate(_TIMES))
    return Seen(paint, first_panel, last_panel)


def measure(file: PublishedFile, repeats: int, browser: Browser) -> dict[str, dict[str, float]]:
    """The medians of every visit, in seconds."""
    found: dict[str, list[dict[str, float]]] = {}
    for _ in range(repeats):
        with served(file) as address, browser.new_context(reduced_motion="reduce") as context:
            page = context.new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.add_init_script(_WATCH)
            page.goto(address)
            page.wait_for_load_state()
            for visit in visits(file):
                plain_cold, plain_warm = baseline(file, visit)
                file.publish_again()
                root = f"http://{urlsplit(address).netloc}"
                cold, warm = (look(page, f"{root}{visit.address}", visit) for _ in range(2))
                found.setdefault(visit.name, []).append({
                    "plain cold": plain_cold, "paint cold": cold.paint, "first cold": cold.first_panel,
                    "last cold": cold.last_panel, "plain warm": plain_warm, "paint warm": warm.paint,
                    "last warm": warm.last_panel,
                })  # fmt: skip
                print(visit.name, {part: round(value, 2) for part, value in found[visit.name][-1].items()}, file=sys.stderr)
    return {name: {part: statistics.median(run[part] for run in runs) for part in runs[0]} for name, runs in found.items()}


@contextmanager
def served(file: PublishedFile) -> Iterator[str]:
    """The pages over the file, as `make pages` starts them."""
    command = [sys.executable, "-W", "ignore", "-m", "pipelines.pages.show_pages", "--port", "0"]
    environ = os.environ | environment(file.root, DAY)
    with subprocess.Popen(command, cwd=REPO, env=environ, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().split()[1]
        finally:
            server.send_signal(signal.SIGINT)


def report_of(options: argparse.Namespace, figures: Mapping[str, Mapping[str, float]], rows: Mapping[str, float]) -> str:
    """The result as Markdown."""
    parts = ("plain cold", "paint cold", "first cold", "last cold", "plain warm", "paint warm", "last warm")
    lines, over = [], []
    for name, run in figures.items():
        bounds = {when: TIMES * run[f"plain {when}"] + PLUS_S for when in ("cold", "warm")}
        over += [
            f"{part} of {name}" for part in parts if not part.startswith("plain") and run[part] > bounds[part.split()[1]]
        ]
        share = max(run[f"last {when}"] / bounds[when] for when in bounds)
        lines.append(f"| {name} | {' | '.join(f'{run[part]:.2f}' for part in parts)} | {share:.2f} |")
    paints = {when: max(run[f"paint {when}"] for run in figures.values()) for when in ("cold", "warm")}
    sizes = ", ".join(f"{count:,} rows of `{name}`" for name, count in rows.items() if name != "gb")
    return "\n".join([
        "# The pages over ten million requests",
        "",
        header(),
        f"{options.days} days: {sizes}; {rows['gb']:.1f} GB of Parquet. Load average {os.getloadavg()[1]:.0f}: others used "
        "the machine as well, so that ratios count and seconds do not.",
        f"Command: `python -m benchmarks.pages --requests {options.requests} --days {options.days} "
        f"--repeats {options.repeats}`",
        "",
        f"| seconds | {' | '.join(parts)} | last / bound |",
        f"|---|{'---:|' * (len(parts) + 1)}",
        *lines,
        "",
        f"The bound is {TIMES:g} x plain DuckDB's time + {PLUS_S:g} s; `last / bound` is the larger of cold and warm. "
        f"First paint: at most {paints['cold']:.2f} s cold, {paints['warm']:.2f} s warm. "
        + (f"**Over the bound: {', '.join(over)}.**" if over else "**No page is over the bound, to its last panel.**"),
        "",
    ])  # fmt: skip


def main() -> None:
    """Make the file, visit the pages, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_350_000, help="about so many; a day's number is chance")
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cache", type=Path, help="a folder that keeps the file for the next time")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    browser_path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser_path is None:
        raise SystemExit("there is no Chromium on this machine (Debian: apt-get install chromium)")
    root = options.cache or Path(tempfile.mkdtemp(prefix="nocturne-pages-"))
    try:
        file = make(root, options.requests, options.days)
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path)
            figures = measure(file, options.repeats, browser)
            browser.close()
        text = report_of(options, figures, counted(file))
    finally:
        if not options.cache:
            shutil.rmtree(root)
    print(text)
    if options.write:
        (REPO / "benchmarks" / "results" / "pages.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
