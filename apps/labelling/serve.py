"""The page's server: where it listens, and under which names it may be asked for.

Here belongs the socket. Loopback is the default; any other address is said by whoever starts it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn

from apps.labelling.desk import Desk
from apps.labelling.guard import KEY, LOOPBACK, Guard
from apps.labelling.pages import Labelling
from resources.clock import Clock
from resources.labelling_seed import LABELLING_FILE, load_labelling


class ServeError(ValueError):
    """An address that cannot be served; says what to do."""


def serve(
    labelling: Path, seeds: Path, clock: Clock, host: str, port: int, names: Sequence[str], tell: Callable[[str], None]
) -> None:
    """Serve the page for the folder `labelling` until it is interrupted; `tell` gets the address to open.

    `host` is an address or name to listen on, `port` 0 any that is free; `names` are those besides loopback's by which
    browsers may ask. Raises ServeError, DeskError and LabellingSeedError.
    """
    if not names and not is_loopback(host):
        raise ServeError(f"--host {host} is open to others: say by which name they come with --name desk.example")
    desk = Desk(labelling, clock)
    page = Labelling(desk, load_labelling(seeds / LABELLING_FILE))
    desk.hand_in()  # What a page that was killed had left.
    key = desk.key()
    guard = Guard(page.app, key, {*LOOPBACK, *(name.lower() for name in names)})
    with _listening(host, port) as listener:
        shown = f"[{host}]" if ":" in host else host
        place = f"http://{shown}:{listener.getsockname()[1]}" if is_loopback(host) else f"https://{names[0]}"
        tell(f"{place}/?{KEY}={key}")
        config = uvicorn.Config(guard, log_level="warning", access_log=False, server_header=False, proxy_headers=False)
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


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
