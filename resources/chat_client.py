"""One question to one endpoint: a request, its retries, and what became of it as facts.

Here belongs all that can go wrong on the way. The key is sent to the endpoint's own address and nowhere else: redirects are
not followed, certificates are verified, and nothing that a library or a server says of an error is repeated.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx

from resources.chat_endpoint import ChatEndpoint

ATTEMPTS = 4
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
"""A server that wants a longer pause is not waited for: that question has failed."""
LARGEST_ANSWER_BYTES = 1_000_000
LONGEST_NAME = 256
MOST_TOKENS = 10**9
"""Of one answer; a server that counts more is not believed, and its count is unknown."""
SHORTEST_SECRET = 8
"""Characters of a key that is taken out of answers; a shorter one is a local server's placeholder, and may be a word."""
ERROR_CLASSES = (
    "unauthorised", "rate_limited", "server_error", "bad_request", "redirected", "timeout", "no_connection",
    "bad_certificate", "connection_lost", "not_json", "no_answer", "too_large",
)  # fmt: skip
_AGAIN = frozenset({"rate_limited", "server_error", "timeout", "no_connection", "connection_lost"})


@dataclass(frozen=True)
class Reply:
    """What became of a question. `error_class` is None where it was answered; `text` is None where it was not.

    `says_refused`: the provider itself says that it, or its filter, declined. `latency_ms`: of the attempt that was
    answered, to its last byte. `attempts`: how often it was sent. `cached_tokens` are among the input; None: not said.
    `calls`: names of the tools that it calls, where it was offered any; its text may be empty then.
    """

    error_class: str | None = None
    http_status: int | None = None
    text: str | None = None
    finish_reason: str | None = None
    says_refused: bool = False
    model: str | None = None
    system_fingerprint: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_ms: float | None = None
    attempts: int = 1
    cached_tokens: int | None = None
    calls: tuple[str, ...] = ()


class _NotAnsweredError(Exception):
    """An attempt that failed, by its class; `pause_s` is what the server asked for."""

    def __init__(self, error_class: str, http_status: int | None = None, pause_s: float | None = None):
        super().__init__(error_class)
        self.error_class, self.http_status, self.pause_s = error_class, http_status, pause_s


class ChatClient:
    """Asks one endpoint, no faster than it is declared. `sleep` and `monotonic` (seconds) are the caller's clock."""

    def __init__(
        self, endpoint: ChatEndpoint, key: str | None, sleep: Callable[[float], None], monotonic: Callable[[], float]
    ):
        self.endpoint = endpoint
        self._key = key
        self._sleep = sleep
        self._monotonic = monotonic
        self._next_at = float("-inf")
        self._http: httpx.Client | None = None

    def __repr__(self) -> str:
        return f"ChatClient({self.endpoint.name})"

    def __enter__(self) -> ChatClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._hang_up()

    def ask(self, body: Mapping[str, Any], until: float) -> Reply:
        """The answer to one request, tried up to ATTEMPTS times where trying again may help and is over before `until`.

        Never raises for what the endpoint does.
        """
        pause = FIRST_PAUSE_S
        for attempt in range(1, ATTEMPTS + 1):
            self._wait_for_turn()
            try:
                return replace(self._send(body), attempts=attempt)
            except _NotAnsweredError as error:
                wait = pause if error.pause_s is None else error.pause_s
                is_last = error.error_class not in _AGAIN or wait > LONGEST_PAUSE_S or self._monotonic() + wait >= until
                if is_last or attempt == ATTEMPTS:
                    return Reply(error.error_class, error.http_status, attempts=attempt)
                self._sleep(wait)
                pause *= 4
        raise AssertionError("an attempt returns, or is followed by another")

    def _wait_for_turn(self) -> None:
        now = self._monotonic()
        if now < self._next_at:
            self._sleep(self._next_at - now)
        self._next_at = max(now, self._next_at) + 60.0 / self.endpoint.requests_per_minute

    def _send(self, body: Mapping[str, Any]) -> Reply:
        begun = self._monotonic()
        status, content = self._within_timeout(body)
        latency_ms = (self._monotonic() - begun) * 1000
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            raise _NotAnsweredError("not_json", status) from None
        reply = self._read(answer, offers_tools="tools" in body)
        if reply is None:
            raise _NotAnsweredError("no_answer", status)
        return replace(reply, http_status=status, latency_ms=latency_ms)

    def _within_timeout(self, body: Mapping[str, Any]) -> tuple[int, bytes]:
        """The library's timeouts are of each read, and none is of resolving a name: a server that sends a byte a second
        would hold the night. So the exchange has a thread of its own, which is left behind when time is over."""
        outcome: list[tuple[int, bytes] | BaseException] = []
        http = self._http = self._http or self._connect()

        def exchange() -> None:
            try:
                outcome.append(self._exchange(http, body))
            except BaseException as error:
                outcome.append(error)

        worker = threading.Thread(target=exchange, name="chat", daemon=True)
        worker.start()
        worker.join(self.endpoint.timeout_s)
        if not outcome:
            self._hang_up()
            raise _NotAnsweredError("timeout")
        [found] = outcome
        if isinstance(found, _NotAnsweredError):
            raise found
        if isinstance(found, httpx.HTTPError | httpx.InvalidURL | OSError):
            self._hang_up()
            raise _NotAnsweredError(_class_of(found)) from None
        if isinstance(found, BaseException):
            raise found
        return found

    def _exchange(self, http: httpx.Client, body: Mapping[str, Any]) -> tuple[int, bytes]:
        headers = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "nocturne"}
        if self._key is not None:
            headers["authorization"] = f"Bearer {self._key}"
        with http.stream("POST", f"{self.endpoint.base_url}/chat/completions", json=dict(body), headers=headers) as response:
            if response.status_code != 200:
                raise _NotAnsweredError(_class_of_status(response.status_code), response.status_code, _pause(response))
            content = bytearray()
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > LARGEST_ANSWER_BYTES:
                    raise _NotAnsweredError("too_large", response.status_code)
            return response.status_code, bytes(content)

    def _connect(self) -> httpx.Client:
        # A key for another service in somebody's .netrc is not ours to send; proxies of the environment are used.
        return httpx.Client(timeout=self.endpoint.timeout_s, follow_redirects=False, auth=lambda request: request)

    def _hang_up(self) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None

    def _read(self, answer: Any, offers_tools: bool) -> Reply | None:
        """The reply in a chat completion; None where there is none."""
        choices = answer.get("choices") if isinstance(answer, dict) else None
        choice = choices[0] if isinstance(choices, list) and choices else None
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or not isinstance(message, dict):
            return None
        content, refusal = message.get("content"), message.get("refusal")
        if isinstance(content, list):
            parts = [part.get("text") for part in content if isinstance(part, dict)]
            content = "".join(part for part in parts if isinstance(part, str))
        is_refusal = isinstance(refusal, str) and refusal != ""
        finish_reason = self._name(choice.get("finish_reason"))
        calls = self._calls(message.get("tool_calls")) if offers_tools else ()
        if not isinstance(content, str):
            if not is_refusal and not calls and finish_reason != "content_filter":
                return None
            content = refusal if isinstance(refusal, str) else ""
        raw_usage = answer.get("usage")
        usage: Mapping[str, Any] = raw_usage if isinstance(raw_usage, dict) else {}
        details = usage.get("prompt_tokens_details")
        return Reply(
            text=self._without_key(_readable(content)),
            finish_reason=finish_reason,
            says_refused=is_refusal or finish_reason == "content_filter",
            model=self._name(answer.get("model")),
            system_fingerprint=self._name(answer.get("system_fingerprint")),
            input_tokens=_count(usage.get("prompt_tokens")),
            output_tokens=_count(usage.get("completion_tokens")),
            cached_tokens=_count(details.get("cached_tokens")) if isinstance(details, dict) else None,
            calls=calls,
        )

    def _calls(self, raw: Any) -> tuple[str, ...]:
        """The names of the functions in a message's tool calls."""
        made = [call.get("function") for call in raw if isinstance(call, dict)] if isinstance(raw, list) else []
        names = [self._name(function.get("name")) for function in made if isinstance(function, dict)]
        return tuple(name for name in names if name is not None)

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "(key)") if self._key and len(self._key) >= SHORTEST_SECRET else text

    def _name(self, value: Any) -> str | None:
        """A name that the server gave; a server that echoes the key does not put it into a table."""
        if not isinstance(value, str) or not value:
            return None
        text = _readable(value)
        return (text.replace(self._key, "(key)") if self._key else text)[:LONGEST_NAME]


def _readable(text: str) -> str:
    """JSON can escape half a character (a lone surrogate), which no encoding has; it becomes `?`."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS else None


def _class_of_status(status: int) -> str:
    if status in (401, 403):
        return "unauthorised"
    if status == 429:
        return "rate_limited"
    if status == 408:
        return "timeout"
    if 300 <= status < 400:
        return "redirected"
    return "server_error" if status >= 500 else "bad_request" if status >= 400 else "no_answer"


def _class_of(error: Exception) -> str:
    import ssl

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "bad_certificate"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.TimeoutException):
        return "timeout"
    return "no_connection" if isinstance(error, httpx.ConnectError | httpx.ProxyError) else "connection_lost"


def _pause(response: httpx.Response) -> float | None:
    """Seconds that a server asks for; the form with a date, which needs a clock, is not understood."""
    text = response.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else None
