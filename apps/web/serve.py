"""The server of a page: where it listens, and under which names it may be asked for.

Here belongs the socket. Loopback is the default; any other address is said by whoever starts it.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import os
import secrets
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from apps.web.guard import KEY, LOOPBACK, Guard
from resources.durable import write_atomically


class ServeError(ValueError):
    """An address that cannot be served; says what to do."""


def check_address(host: str, names: Sequence[str]) -> None:
    """Refuse an address that others reach where nobody said by which name. Raises ServeError."""
    if not names and not is_loopback(host):
        raise ServeError(f"--host {host} is open to others: say by which name they come with --name desk.example")


def run(
    app: ASGIApp, key: str, host: str, port: int, names: Sequence[str], made_by: str, tell: Callable[[str], None]
) -> None:
    """Serve `app` behind its guard until it is interrupted; `tell` gets the address to open. Raises ServeError.

    `host` is an address or name to listen on, `port` 0 any that is free; `names` are those besides loopback's by which
    browsers may ask.
    """
    check_address(host, names)
    guard = Guard(app, key, {*LOOPBACK, *(name.lower() for name in names)}, made_by)
    with _listening(host, port) as listener:
        shown = f"[{host}]" if ":" in host else host
        place = f"http://{shown}:{listener.getsockname()[1]}" if is_loopback(host) else f"https://{names[0]}"
        tell(f"{place}/?{KEY}={key}")
        config = uvicorn.Config(guard, log_level="warning", access_log=False, server_header=False, proxy_headers=False)
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def key_in(folder: Path) -> str:
    """What opens a page; made once in its folder. A restart of the page leaves open tabs open."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / ".key"
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not path.exists():
            write_atomically(path, secrets.token_urlsafe(24).encode(), mode=0o600)
    finally:
        os.close(handle)
    return path.read_text(encoding="ascii")


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise ServeError(f"nothing can listen on {host}:{port} ({error}); choose another with --host or --port") from error
