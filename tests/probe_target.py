"""A provider's far end for tests: a server on loopback that speaks chat completions, well or badly, as it is told."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

KEY = "qzprobekeyzq"
Answer = Callable[[dict[str, Any]], str]


@dataclass
class Provider:
    """`plan`: what it does with the next requests, one each: a status, (status, headers), or a word such as `hang`; then
    it answers. `say` makes an answer of a request; `extra` is merged into each."""

    server: ThreadingHTTPServer
    scheme: str = "http"
    got: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    plan: list[Any] = field(default_factory=list)
    say: Answer = lambda body: "42"
    extra: dict[str, Any] = field(default_factory=dict)
    always: Any = None

    @property
    def base_url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server.server_address[1]}/v1"


def completion(body: dict[str, Any], text: str, **extra: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
    return {"id": "c", "model": body["model"], "system_fingerprint": "fp_1", "choices": [choice], "usage": usage} | extra


@contextmanager
def provider(certificate: Path | None = None) -> Iterator[Provider]:
    """A provider that listens while the block runs; with a certificate (and its key, in one file) over TLS."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            at.got.append(body)
            at.keys.append(self.headers.get("Authorization"))
            act = at.plan.pop(0) if at.plan else at.always
            try:
                self.act(act, body)
            except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
                self.close_connection = True

        def act(self, act: Any, body: dict[str, Any]) -> None:
            if act == "hang":
                time.sleep(6)
            elif act == "drip":
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                for _ in range(120):
                    self.wfile.write(b" ")
                    self.wfile.flush()
                    time.sleep(0.05)
            elif act == "hang up":
                self.close_connection = True
            elif act == "huge":
                self.give(200, json.dumps(completion(body, "x" * 2_000_000)).encode())
            elif isinstance(act, bytes):
                self.give(200, act)
            elif isinstance(act, dict):
                self.give(200, json.dumps(act).encode())
            elif isinstance(act, int):
                self.give(act, b'{"error": {"message": "no"}}')
            elif isinstance(act, tuple):
                self.give(act[0], b"{}", act[1])
            else:
                self.give(200, json.dumps(completion(body, at.say(body), **at.extra)).encode())

        def give(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: Any) -> None:
            """Nothing on the terminal of the tests."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that hangs up is what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    at = Provider(server)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        at.scheme = "https"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield at
    finally:
        server.shutdown()
        server.server_close()
