"""A loopback server that speaks enough of OpenAI's and Anthropic's protocols for real clients to log real calls.

Here belongs what it answers; a test says which by the model that is asked for, or by the parameter `user`.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CACHED_AND_REASONED = {
    "prompt_tokens": 2000,
    "completion_tokens": 300,
    "total_tokens": 2300,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 128, "audio_tokens": 0},
}
ANTHROPIC_CACHED = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 100,
    "cache_read_input_tokens": 1000,
    "cache_creation": {"ephemeral_5m_input_tokens": 60, "ephemeral_1h_input_tokens": 40},
    "output_tokens": 7,
    "service_tier": "standard",
}
ERRORS = {
    "slow-down": (429, {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}),
    "too-long": (
        400,
        {
            "message": "This model's maximum context length is 8 tokens",
            "type": "invalid_request_error",
            "code": "context_length_exceeded",
        },
    ),
    "no-key": (401, {"message": "Incorrect API key", "type": "invalid_request_error", "code": "invalid_api_key"}),
    "broken": (500, {"message": "The server had an error", "type": "server_error"}),
}
TOOL_CALLS = [
    {"id": "call_ulm", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Ulm"}'}},
    {"id": "call_bonn", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bonn"}'}},
]
ANSWERS_LATE_AFTER_S = 2.0


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Silent: the output of a test is its own."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        path, user = self.path, body.get("user")
        try:
            if path.endswith("/messages"):
                self._answer(200, _message(body))
            elif path.endswith("/embeddings"):
                self._answer(200, _embedding(body))
            elif user in ERRORS:
                status, error = ERRORS[user]
                self._answer(status, {"error": error})
            elif body.get("stream"):
                self._stream(body)
            else:
                if user == "late":
                    time.sleep(ANSWERS_LATE_AFTER_S)
                self._answer(200, _completion(body))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # The client gave up waiting: that is what it was asked to do.

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        chunk = _base(body, "chatcmpl-streamed") | {"object": "chat.completion.chunk"}
        for words in ("It is ", "sunny."):
            delta = {"index": 0, "delta": {"role": "assistant", "content": words}, "finish_reason": None}
            self._event(chunk | {"choices": [delta]})
            time.sleep(0.05)
        self._event(chunk | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        if (body.get("stream_options") or {}).get("include_usage"):
            self._event(chunk | {"choices": [], "usage": CACHED_AND_REASONED})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, content: dict[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps(content).encode() + b"\n\n")
        self.wfile.flush()


def _base(body: dict[str, Any], id_: str) -> dict[str, Any]:
    return {"id": id_, "created": int(time.time()), "model": body["model"], "service_tier": "default"}


def _completion(body: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": "It is sunny."}
    reason = "stop"
    if body.get("tools"):
        message, reason = {"role": "assistant", "content": None, "tool_calls": TOOL_CALLS}, "tool_calls"
    choice = {"index": 0, "message": message, "finish_reason": reason}
    base = _base(body, f"chatcmpl-{body.get('user') or 'plain'}")
    return base | {"object": "chat.completion", "choices": [choice], "usage": CACHED_AND_REASONED}


def _message(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "msg_sunny",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [{"type": "text", "text": "It is sunny."}],
        "stop_reason": "end_turn",
        "usage": ANTHROPIC_CACHED,
    }


def _embedding(body: dict[str, Any]) -> dict[str, Any]:
    data = [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}]
    usage = {"prompt_tokens": 5, "total_tokens": 5}
    return {"object": "list", "model": body["model"], "data": data, "usage": usage}


@contextmanager
def model_server() -> Iterator[str]:
    """A server on a free port of the loopback interface; yields its base address, without `/v1`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
