"""A channel's far end for tests: an HTTP server on loopback that keeps what it is sent and answers as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "qzsecrettokenzq"
"""In the path of its address, where services put theirs."""


@dataclass
class Target:
    """`answers`: what it does with the next messages, one each (a status, `silent`, `hang up`); then it takes them all."""

    server: ThreadingHTTPServer
    got: list[dict[str, Any]] = field(default_factory=list)
    answers: list[int | str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"json://127.0.0.1:{self.server.server_address[1]}/{TOKEN}/?rto=1&cto=1"

    def taken(self) -> list[str]:
        """The titles of the messages that it took."""
        return [message["title"] for message in self.got]


@contextmanager
def http_target(port: int = 0) -> Iterator[Target]:
    """A target that listens while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = target.answers.pop(0) if target.answers else 200
            if answer == "silent":
                target.got.append(message)
                time.sleep(2)
            elif answer == "hang up":
                target.got.append(message)
                self.close_connection = True
                return
            elif isinstance(answer, int):
                if answer < 300:
                    target.got.append(message)
                self.send_response(answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            """Nothing on the terminal of the tests."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    target = Target(server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield target
    finally:
        server.shutdown()
        server.server_close()
