"""The pages and their addresses: for executives, for people on call, one request, and questions in SQL.

Here belongs what each address shows. What a panel becomes is board.py, who is let in apps/web/guard.py.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
import threading
from collections.abc import AsyncIterator, Mapping
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from jinja2 import Environment
from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from apps.pages.asking import Asking
from apps.pages.board import Board, board
from apps.pages.door import Door, Snapshot
from apps.pages.panels import PanelError, panels
from apps.pages.searching import NO_FILTER, Filter, choices, find, request_day
from apps.pages.tables import Table, plain_table
from apps.pages.templates import environment, in_parts
from resources.charts import warm_up
from resources.clock import Clock
from resources.contracts import REPO, contracts
from resources.warehouse import AnalystError
from resources.worked_questions import worked_questions

HERE = Path(__file__).parent
RUNBOOKS = REPO / "docs" / "runbooks"
DAYS = (7, 30, 90)
STALE_AFTER = timedelta(hours=30)
LARGEST_FORM = 64_000
BOARDS = {"executive": "Executive", "on_call": "On call"}
ADDRESSES = {"executive": "/executive", "on_call": "/on-call", "debug": "/debug", "sql": "/sql"}


class Pages:
    """The application: `app` is what a server runs."""

    def __init__(self, door: Door, clock: Clock):
        self.door = door
        self.clock = clock
        self.asking = Asking(door)
        self.templates: Environment = environment()
        self._boards: dict[tuple[Any, ...], Board] = {}
        self._lock = threading.Lock()
        routes = [
            Route("/", lambda _: RedirectResponse("/executive", status_code=303)),
            Route("/executive", self.executive),
            Route("/on-call", self.on_call),
            Route("/debug", self.debug),
            Route("/debug/request", self.request),
            Route("/sql", self.sql),
            Route("/sql", self.answer, methods=["POST"]),
            Route("/runbooks/{name}", self.runbook),
            Mount("/static", StaticFiles(directory=HERE / "static")),
            Mount("/web", StaticFiles(directory=HERE.parent / "web" / "static")),
        ]
        troubles: Mapping[Any, Any] = {AnalystError: self._not_there, PanelError: self._not_there, 404: self._nowhere}
        self.app = Starlette(routes=routes, lifespan=self._lifespan, exception_handlers=troubles)

    # boards

    def executive(self, request: Request) -> Response:
        """How the service does, over 7, 30 or 90 days."""
        given = request.query_params.get("days", "")
        days = int(given) if given in map(str, DAYS) else 30
        shown = self._board("executive", {"days": days})
        return self._page(request, "executive.html", page="executive", board=shown, days=days, choices=DAYS)

    def on_call(self, request: Request) -> Response:
        """What needs somebody now."""
        return self._page(request, "on_call.html", page="on_call", board=self._board("on_call", {}))

    def debug(self, request: Request) -> Response:
        """Looking for a request, and what failed of late."""
        snapshot = self.door.snapshot()
        asked = Filter.of(request.query_params)
        search = partial(_found, snapshot, asked) if asked != NO_FILTER else None
        shown = self._board("debug", {}) if search is None else None
        return self._page(
            request, "debug.html", page="debug", asked=asked, search=search, board=shown, snapshot=snapshot,
            choices=partial(choices, snapshot),
        )  # fmt: skip

    def request(self, request: Request) -> Response:
        """One request: where its time and money went, and what became of it."""
        snapshot, request_id = self.door.snapshot(), request.query_params.get("id", "")
        day = request_day(snapshot, request_id)
        if day is None:
            return self._problem(request, 404, "No such request", f"No published day has a request {request_id!r}.")
        shown = board(snapshot, "request", {"request_id": request_id, "day": day})
        return self._page(request, "request.html", page="debug", board=shown, request_id=request_id, day=day)

    def runbook(self, request: Request) -> Response:
        """A runbook as it stands in docs/runbooks."""
        name = request.path_params["name"].removesuffix(".md")
        path = RUNBOOKS / f"{name}.md"
        if not re.fullmatch(r"[A-Za-z0-9-]+", name) or not path.is_file():
            return self._problem(request, 404, "No such runbook", "docs/runbooks has none of that name.")
        words = MarkdownIt("commonmark", {"html": False}).enable("table").render(path.read_text(encoding="utf-8"))
        return self._page(request, "runbook.html", page="on_call", name=name, words=Markup(words))

    # questions

    def sql(self, request: Request) -> Response:
        """A question to be written: empty, one of a panel, or one that a link brings. Nothing is asked yet."""
        given = request.query_params
        question, about = given.get("question", ""), ""
        if panel := _panel(given.get("panel", "")):
            question, about = f"-- {panel.title}\n{panel.sql}", panel.meaning
        return self._sql_page(request, question, self._parameters(given), about=about)

    async def answer(self, request: Request) -> Response:
        """The answer to a question, as a page or as CSV."""
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > LARGEST_FORM:
                return self._problem(
                    request, 413, "This question is too long", f"A form has at most {LARGEST_FORM:,} bytes."
                )
        fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        question = fields.get("question", "")
        return await run_in_threadpool(self._answer, request, question, self._parameters(fields), "csv" in fields)

    def _answer(self, request: Request, question: str, parameters: Mapping[str, Any], as_csv: bool) -> Response:
        try:
            answer = self.asking.ask(question, parameters)
        except AnalystError as error:
            return self._sql_page(request, question, parameters, status=400, trouble=str(error))
        if not as_csv:
            return self._sql_page(request, question, parameters, table=plain_table(answer))
        written = io.StringIO()
        writer = csv.writer(written)
        writer.writerow(map(_harmless, answer.columns))
        writer.writerows([_harmless(value) for value in row] for row in answer.rows)
        headers = {"content-disposition": 'attachment; filename="answer.csv"'}
        return Response(written.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)

    def _parameters(self, given: Mapping[str, str]) -> dict[str, Any]:
        """What a question may name: the newest day, or the one given; a number of days; a request."""
        day: date | None = self.door.snapshot().day
        with contextlib.suppress(ValueError):
            day = date.fromisoformat(given.get("day", ""))
        days = int(given["days"]) if re.fullmatch(r"\d{1,4}", given.get("days", "")) else 30
        return {"day": day, "days": days, "request_id": given.get("request_id", "")}

    def _sql_page(
        self, request: Request, question: str, parameters: Mapping[str, Any], status: int = 200, **values: Any
    ) -> Response:
        examples = [(name, worked_questions(name)) for name in sorted({c.question for c in contracts().values()})]
        given = {
            "table": None,
            "trouble": "",
            "about": "",
            "examples": examples,
            "tables": sorted(self.door.snapshot().tables),
        }
        return self._page(
            request, "sql.html", status, page="sql", question=question, parameters=parameters, seconds=self.asking.seconds,
            **(given | values),
        )  # fmt: skip

    # how it is shown

    def _board(self, page: str, parameters: Mapping[str, Any]) -> Board:
        """The page over the newest snapshot; made once, as a snapshot does not change."""
        snapshot = self.door.snapshot()
        key = (snapshot.mark, page, *sorted(parameters.items()))
        with self._lock:
            if key not in self._boards:
                self._boards = {kept: made for kept, made in self._boards.items() if kept[0] == snapshot.mark}
                self._boards[key] = board(snapshot, page, {**parameters, "day": snapshot.day})
            return self._boards[key]

    def _page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        shared = {
            "addresses": ADDRESSES, "is_live": True, "stale": self._stale(), "boards": BOARDS, "link_sql": _sql_address,
        }  # fmt: skip
        parts = in_parts(self.templates.get_template(template), shared | values)
        return StreamingResponse(parts, status, media_type="text/html")

    def _stale(self) -> str:
        try:
            snapshot: Snapshot = self.door.snapshot()
        except AnalystError:
            return ""
        age = self.clock.now() - snapshot.published_at
        return f"{age / timedelta(hours=1):.0f} hours ago" if age > STALE_AFTER else ""

    def _problem(self, request: Request, status: int, title: str, words: str) -> Response:
        return self._page(request, "problem.html", status, page="", title=title, words=words)

    def _not_there(self, request: Request, error: Exception) -> Response:
        return self._problem(request, 503, "Nothing can be shown", str(error))

    def _nowhere(self, request: Request, _error: Exception) -> Response:
        return self._problem(request, 404, "Nothing is here", "No page has this address.")

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self.asking.make_ready()
        warm_up()
        try:
            yield
        finally:
            self.asking.close()


def _found(snapshot: Snapshot, asked: Filter) -> tuple[Table | None, str]:
    """The requests that fit, or why they cannot be had: the page that says it has begun by then."""
    try:
        return find(snapshot, asked), ""
    except AnalystError as error:
        return None, f"This cannot be asked of the published file: {str(error).splitlines()[0]}"


def _panel(key: str) -> Any:
    """The panel that an address names; None for what is none."""
    page, _, name = key.partition("/")
    if page not in ("executive", "on_call", "debug", "request"):
        return None
    return next((panel for panel in panels(page) if panel.name == name), None)


def _sql_address(shown: Any) -> str:
    """Where a panel's SQL can be asked and changed, with what is bound to its parameters."""
    return f"/sql?{urlencode({'panel': shown.panel.key, **{name: str(value) for name, value in shown.parameters.items()}})}"


def _harmless(value: str | None) -> str:
    """A value that a spreadsheet takes for text, whatever it begins with; numbers stay numbers."""
    text = "" if value is None else value
    is_formula = text.startswith(("=", "+", "-", "@", "\t", "\r")) and not re.fullmatch(r"[+-]?[\d.]+(e[+-]?\d+)?", text)
    return f"'{text}" if is_formula else text
