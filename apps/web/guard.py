"""Who is let in: the right address, the key, and forms of this page alone; and what a browser may do with what it gets.

What a page shows is for one person's eyes. A port on loopback is open to everybody on the machine, and to every page
that their browsers show: other sites by forms, and by names that they make point here (DNS rebinding).
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # With no-referrer, browsers would post forms with the origin `null`.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # Words must not outlive their retention in a browser's cache.
    "cache-control": "no-store",
}
LOOPBACK = ("127.0.0.1", "localhost", "::1")
KEY = "key"


class Guard:
    """Lets requests through to `app` that name one of `hosts`, know `key`, and, where they post, come from this page.

    `made_by` is the make target that starts the page, and names its cookie.
    """

    def __init__(self, app: ASGIApp, key: str, hosts: Collection[str], made_by: str):
        self.app = app
        self.key = key
        self.hosts = hosts
        self.made_by = made_by

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse with 400, 401 or 403."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await (self._answer(scope) or self.app)(scope, receive, sent)

    def _answer(self, scope: Scope) -> Response | None:
        """What is said instead of the page; None where it may speak."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if scope["type"] != "http" or _name(host) not in self.hosts:
            return _refusal(400, f"this page does not go by that name; use the address that `make {self.made_by}` printed")
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return _refusal(405, "this page knows GET and POST")
        if scope["method"] == "POST" and (not host or _netloc(headers.get("origin", "")) != host):
            return _refusal(403, "a form of another page is not taken")
        given = QueryParams(scope["query_string"]).get(KEY)
        cookie = f"{self.made_by}_{(scope.get('server') or ('', 0))[1]}"  # Cookies are shared by all ports of a host.
        if given is not None and self._is_key(given):
            answer = RedirectResponse("/", status_code=303)
            is_open = _name(host) not in LOOPBACK
            answer.set_cookie(cookie, self.key, max_age=31_536_000, secure=is_open, httponly=True, samesite="strict")
            return answer
        if not self._is_key(_cookie(headers.get("cookie", ""), cookie)):
            return _refusal(401, f"open the address that `make {self.made_by}` printed: it has the key to this page")
        return None

    def _is_key(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self.key.encode())


def _refusal(status: int, words: str) -> Response:
    return PlainTextResponse(f"{words}\n", status_code=status)


def _name(host: str) -> str | None:
    """The name in a Host header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _netloc(origin: str) -> str | None:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    return parts.netloc if parts.scheme in ("http", "https") else None


def _cookie(header: str, name: str) -> str:
    """The value of a cookie; other sites on this host may have set what they like beside it."""
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return ""
