"""The pages and what is posted to them.

Here belongs what each address shows and where it leads. What judgements are is desk.py, who is let in guard.py.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from apps.labelling.desk import Desk, DeskError, Entry, StaleError
from apps.labelling.form import (
    FAULTY,
    LARGEST_FORM,
    LONGEST_ANNOTATOR,
    Form,
    FormError,
    annotator_of,
    fields_of,
    is_faulty,
    judgement,
    read_form,
)
from apps.labelling.lists import GoneError, Place, UnreadableQueueError, WorkList
from apps.labelling.turns import Turn, turn
from assets.quality.label_entry import LONGEST_COMMENT
from assets.quality.label_export import CHOICES
from resources.labelling_seed import LabellingSeed

HERE = Path(__file__).parent
ANNOTATOR = "annotator"
RESTED = timedelta(minutes=2)
"""Judgements are handed in when none was made for so long."""
LOOKED_AFTER_SECONDS = 20
_YEAR_SECONDS = 31_536_000


class Labelling:
    """The application: `app` is what a server runs."""

    def __init__(self, desk: Desk, seed: LabellingSeed):
        self.desk = desk
        self.seed = seed
        self.templates = Environment(
            loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
            lstrip_blocks=True,
        )  # fmt: skip
        self.templates.globals |= {
            "asked": seed, "choices": CHOICES, "faulty": FAULTY, "longest_comment": LONGEST_COMMENT,
            "longest_annotator": LONGEST_ANNOTATOR,
        }  # fmt: skip
        routes = [
            Route("/", self.home),
            Route("/name", self.name, methods=["POST"]),
            Route("/hand-in", self.hand_in, methods=["POST"]),
            Route("/list/{code}/{copy}", self.resume),
            Route("/list/{code}/{copy}/all", self.all),
            Route("/list/{code}/{copy}/{number}", self.item),
            Route("/list/{code}/{copy}/{number}", self.save, methods=["POST"]),
            Mount("/static", StaticFiles(directory=HERE / "static")),
            Mount("/web", StaticFiles(directory=HERE.parent / "web" / "static")),
        ]
        troubles: Mapping[Any, Any] = {
            DeskError: self._broken, UnreadableQueueError: self._broken, FormError: self._not_taken, GoneError: self._gone,
            404: self._nowhere,
        }  # fmt: skip
        self.app = Starlette(routes=routes, lifespan=self._lifespan, exception_handlers=troubles)

    # what is shown

    def home(self, request: Request) -> Response:
        """All lists; before that, who one is."""
        annotator = _annotator(request)
        if annotator is None or "who" in request.query_params:
            return self._page(request, "name.html", name=annotator or "", wrong=None)
        turns = [self._turn(work, annotator) for work in self.desk.queue.lists()]
        return self._page(request, "home.html", turns=turns)

    def resume(self, request: Request) -> Response:
        """To where one stopped, or to the list's end."""
        found = self._found(request)
        if isinstance(found, Response):
            return found
        upcoming = found.next()
        if upcoming is None:
            return self._page(request, "done.html", turn=found)
        return RedirectResponse(_address(found.work, upcoming), status_code=303)

    def all(self, request: Request) -> Response:
        """All of a list at a glance, to go back to one of them."""
        found = self._found(request)
        return found if isinstance(found, Response) else self._page(request, "all.html", turn=found)

    def item(self, request: Request) -> Response:
        """One answer, and what the annotator has said of it."""
        found = self._found(request)
        if isinstance(found, Response):
            return found
        place = found.at(request.path_params["number"])
        if place is None:
            return self._problem(request, 404, "This answer is not for you", "Somebody else judges it, or there is none.")
        entry = self.desk.open(found.work.folder, found.work.copy, place.request_id, _known(request))
        return self._form(request, found, place, entry, entry.draft if entry.draft is not None else entry.said or {})

    # what is posted

    async def name(self, request: Request) -> Response:
        """Remember who one is."""
        fields = fields_of(await _body(request))
        try:
            annotator = annotator_of(fields.get("name", ""))
        except FormError as error:
            return self._page(request, "name.html", 400, name=fields.get("name", ""), wrong=str(error))
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie(ANNOTATOR, quote(annotator), max_age=_YEAR_SECONDS, httponly=True, samesite="strict")
        return answer

    async def hand_in(self, request: Request) -> Response:
        """Write what waits into the inbox now."""
        await _body(request)
        annotator = _annotator(request)
        if annotator is not None:
            self.desk.hand_in(annotator)
        return RedirectResponse("/", status_code=303)

    async def save(self, request: Request) -> Response:
        """A judgement, a skip or a draft. Drafts are answered in JSON: a script sends them."""
        form = read_form(fields_of(await _body(request)), self.seed)
        found = self._found(request)
        if isinstance(found, Response):
            return found
        place = found.at(request.path_params["number"])
        if place is None or place.request_id != form.request_id:
            return self._problem(request, 409, "This list has changed", "Nothing was saved. Go back to it and judge again.")
        try:
            return self._saved(found.work, form, _known(request))
        except StaleError:
            if form.act == "draft":
                return JSONResponse({}, status_code=409)
            status, notice = 409, "You have judged this in another tab meanwhile. Save again to put this in its place."
        except FormError as error:
            status, notice = 400, f"Nothing is saved yet: {error}."
        entry = self.desk.open(found.work.folder, found.work.copy, place.request_id, _known(request))
        return self._form(request, found, place, entry, form.said, status, notice)

    def _saved(self, work: WorkList, form: Form, annotator: str) -> Response:
        told = (work.folder, work.copy, form.request_id, annotator, form.version)
        if form.act == "draft":
            self.desk.keep(*told, form.said)
            return JSONResponse({"waiting": self.desk.waiting(annotator)})
        if form.act == "skip":
            self.desk.skip(*told, form.said)
        else:
            self.desk.judge(*told, judgement(form, self.seed, self.desk.clock.now()))
        if self._turn(work, annotator).next() is None:
            self.desk.hand_in(annotator)
        return RedirectResponse(f"/list/{work.code}/{work.copy}", status_code=303)

    # what they share

    def _found(self, request: Request) -> Turn | Response:
        annotator = _annotator(request)
        if annotator is None:
            return RedirectResponse("/", status_code=303)
        work = self.desk.queue.find(request.path_params["code"], request.path_params["copy"])
        if work is None:
            raise GoneError
        return self._turn(work, annotator)

    def _turn(self, work: WorkList, annotator: str) -> Turn:
        return turn(work, self.desk.entries(work.folder), annotator, self.desk.clock.now())

    def _form(
        self, request: Request, found: Turn, place: Place, entry: Entry, said: Mapping[str, str], status: int = 200,
        notice: str | None = None,
    ) -> Response:  # fmt: skip
        item = self.desk.queue.item(found.work, place)
        before, after = (None if beside is None else _address(found.work, beside) for beside in found.beside(place))
        return self._page(
            request, "item.html", status, turn=found, place=place, item=item, entry=entry, said=said,
            is_faulty=is_faulty(said), before=before, after=after, notice=notice,
        )  # fmt: skip

    def _page(self, request: Request, template: str, status: int = 200, **told: Any) -> Response:
        annotator = _annotator(request)
        waiting = self.desk.waiting(annotator) if annotator is not None else 0
        return self._written(template, status, annotator=annotator, waiting=waiting, **told)

    def _written(self, template: str, status: int, **told: Any) -> Response:
        return HTMLResponse(self.templates.get_template(template).render(**told).encode("utf-8", "replace"), status)

    def _problem(self, request: Request, status: int, title: str, words: str) -> Response:
        # Says nothing that needs the desk: the desk may be the problem.
        return self._written("problem.html", status, annotator=_annotator(request), waiting=0, title=title, words=words)

    def _broken(self, request: Request, error: Exception) -> Response:
        return self._problem(request, 500, "A file cannot be used", str(error))

    def _not_taken(self, request: Request, error: Exception) -> Response:
        return self._problem(request, 400, "This form cannot be taken", str(error))

    def _gone(self, request: Request, _error: Exception) -> Response:
        words = "Its words are not kept any more. What you have judged counts all the same."
        return self._problem(request, 410, "This list is gone", words)

    def _nowhere(self, request: Request, _error: Exception) -> Response:
        return self._problem(request, 404, "Nothing is here", "No page has this address.")

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        """Hands in what rests meanwhile, and all at the end."""
        task = asyncio.create_task(self._look_after())
        try:
            yield
        finally:
            task.cancel()
            self.desk.hand_in()

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(LOOKED_AFTER_SECONDS)
            # What can be read was handed in; the page says what cannot.
            with contextlib.suppress(DeskError):
                self.desk.hand_in(rested=RESTED)


def _address(work: WorkList, place: Place) -> str:
    return f"/list/{work.code}/{work.copy}/{place.number}"


def _annotator(request: Request) -> str | None:
    """Who one said one is; None where nobody has asked yet."""
    try:
        return annotator_of(unquote(request.cookies.get(ANNOTATOR, "")))
    except FormError:
        return None


def _known(request: Request) -> str:
    return annotator_of(unquote(request.cookies[ANNOTATOR]))


async def _body(request: Request) -> bytes:
    """The body of a form. Raises FormError for one that no form of this page has."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise FormError("this is no form of this page")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_FORM:
            raise FormError(f"a form has at most {LARGEST_FORM:,} bytes")
    return body
