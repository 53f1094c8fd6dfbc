"""Sending one message to one channel, through Apprise, and telling a refusal from silence.

Apprise says yes or no. After a no it matters whether the channel certainly did not take the message: only then may it be
tried again. So the HTTP requests that Apprise makes are watched. What cannot be told, counts as unknown.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from ssl import SSLCertVerificationError
from typing import Any

SENT, FAILED, UNCONFIRMED = "sent", "failed", "unconfirmed"
WHOLE_SEND_SECONDS = 60.0
_MUTED = ("apprise", "urllib3", "requests", "requests_oauthlib", "oauthlib")
"""Their log lines name hosts and paths, and these hold tokens."""
_NOBODY_KNOWS = frozenset({408, 502, 504})
"""Answers of something on the way, which may have passed the message on before."""

_watching: ContextVar[list[Delivery] | None] = ContextVar("watching", default=None)
_sending = threading.Lock()
"""One message at a time in a process: muting is the process's."""


@dataclass(frozen=True)
class Delivery:
    """What became of a message: sent, failed (certainly not taken) or unconfirmed. `note` holds no address."""

    act: str
    note: str | None = None


@dataclass(frozen=True)
class Notifier:
    """Channels with an address. The addresses are shown by nothing here: not by repr, not in a note, not in a log."""

    addresses: Mapping[str, str] = field(default_factory=dict, repr=False)

    def has_address(self, channel: str) -> bool:
        return channel in self.addresses

    def misunderstood(self) -> list[str]:
        """The channels whose address Apprise makes nothing of. Nothing is sent."""
        if not self.addresses:
            return []
        import apprise

        with _sending, _muted():
            return sorted(c for c, address in self.addresses.items() if not apprise.Apprise(asset=_asset()).add(address))

    def send(self, channel: str, severity: str, title: str, body: str) -> Delivery:
        """Give one message to a channel, once: no attempt is repeated here. Never raises for what the channel does."""
        import apprise

        target = apprise.Apprise(asset=_asset())
        kind = apprise.NotifyType.FAILURE if severity == "page" else apprise.NotifyType.WARNING
        with _sending, _muted(), _watched() as seen:
            try:
                if not target.add(self.addresses[channel]):
                    return Delivery(FAILED, "Apprise does not understand the address")
                is_taken = bool(target.notify(body=body, title=title, notify_type=kind, timeout=WHOLE_SEND_SECONDS))
            except Exception as error:
                # A plugin's own fault: its message may hold the address, its type does not.
                return _judged(seen, f"{type(error).__name__} in Apprise")
        return Delivery(SENT) if is_taken else _judged(seen, "Apprise says it was not delivered, and not why")


def _asset() -> Any:
    import apprise

    return apprise.AppriseAsset(
        app_id="Nocturne", app_desc="Nocturne", async_mode=False, http_redirects=False, storage_mode="memory"
    )


def _judged(seen: list[Delivery], unknown: str) -> Delivery:
    """Failed where every request that was made certainly failed; of anything else nobody knows."""
    if seen and all(request.act == FAILED for request in seen):
        return seen[-1]
    doubtful = [request for request in seen if request.act == UNCONFIRMED]
    return doubtful[-1] if doubtful else Delivery(UNCONFIRMED, unknown)


@contextmanager
def _watched() -> Iterator[list[Delivery]]:
    """What became of each HTTP request that is made within, also in threads that Apprise starts."""
    from requests.adapters import HTTPAdapter

    if not getattr(HTTPAdapter.send, "is_watched", False):
        _watch(HTTPAdapter)
    seen: list[Delivery] = []
    token = _watching.set(seen)
    try:
        yield seen
    finally:
        _watching.reset(token)


def _watch(adapter: Any) -> None:
    """Plugins make a session for each request: only the class that carries them all can be watched."""
    plain = adapter.send

    def send(self: Any, *args: Any, **options: Any) -> Any:
        seen = _watching.get()
        if seen is None:
            return plain(self, *args, **options)
        try:
            response = plain(self, *args, **options)
        except Exception as error:
            seen.append(_of_error(error))
            raise
        seen.append(_of_status(response.status_code))
        return response

    send.is_watched = True  # type: ignore[attr-defined]
    adapter.send = send


def _of_status(status: int) -> Delivery:
    if 200 <= status < 300:
        return Delivery(SENT)
    return Delivery(UNCONFIRMED if status in _NOBODY_KNOWS else FAILED, f"HTTP {status}")


def _of_error(error: Exception) -> Delivery:
    from requests import exceptions
    from urllib3.exceptions import NewConnectionError, SSLError

    if isinstance(error, exceptions.ConnectTimeout):
        return Delivery(FAILED, "no connection in time")
    if isinstance(error, exceptions.ReadTimeout):
        return Delivery(UNCONFIRMED, "no answer in time")
    if isinstance(error, exceptions.ConnectionError):
        cause = getattr(error.args[0] if error.args else None, "reason", None)
        if isinstance(cause, NewConnectionError):  # Names that cannot be resolved as well.
            return Delivery(FAILED, "no connection")
        if isinstance(cause, SSLError) and cause.args and isinstance(cause.args[0], SSLCertVerificationError):
            return Delivery(FAILED, "its certificate is not accepted")
        return Delivery(UNCONFIRMED, "the connection was lost before an answer")
    return Delivery(UNCONFIRMED, type(error).__name__)


@contextmanager
def _muted() -> Iterator[None]:
    """No log line of the libraries that know the address, whatever the level of the log."""
    known = [logging.getLogger(name) for name in _MUTED]
    known += [
        logger
        for name, logger in logging.root.manager.loggerDict.items()
        if isinstance(logger, logging.Logger) and name.startswith(tuple(f"{muted}." for muted in _MUTED))
    ]
    before = [(logger, logger.disabled) for logger in known]
    try:
        for logger in known:
            logger.disabled = True
        yield
    finally:
        for logger, was_disabled in before:
            logger.disabled = was_disabled
