"""HTTP recordings (VCR cassettes) as lines of a raw-body log, and what they say they used, counted without the house.

Here belongs reading a cassette and reading a provider's `usage`, for tests that land the one and compare the other.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

ANTHROPIC_HOSTS = ("api.anthropic.com", "amazonaws.com")
_UNPACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.decompress, "deflate": zlib.decompress}


@dataclass(frozen=True)
class Exchange:
    """One recorded request and its answer; bodies as JSON values, as text, or as bytes that are no text."""

    name: str
    method: str
    url: str
    request: Any
    status_code: int
    response: Any

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def source(self) -> str:
        """The source whose format reads the exchange."""
        return "anthropic" if self.host.endswith(ANTHROPIC_HOSTS) else "openai"

    def envelope(self, **more: Any) -> dict[str, Any]:
        """The exchange as a line of a raw-body log; bytes that are no text are left out, as loggers do."""
        response = {"status_code": self.status_code, "body": None if isinstance(self.response, bytes) else self.response}
        return {"request": {"method": self.method, "url": self.url, "body": self.request}, "response": response, **more}


def exchanges(folder: Path) -> Iterator[Exchange]:
    """Every exchange of every cassette below a folder, in the order of paths."""
    for path in sorted(folder.rglob("*.yaml")):
        cassette = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        for number, recorded in enumerate(cassette.get("interactions") or []):
            request, response = recorded["request"], recorded["response"]
            yield Exchange(
                name=f"{path.relative_to(folder)}#{number}",
                method=request["method"],
                url=request["uri"],
                request=_body(request),
                status_code=response["status"]["code"],
                response=_body(response),
            )


def _body(message: dict[str, Any]) -> Any:
    if "parsed_body" in message:
        return message["parsed_body"]
    body = message.get("body")
    body = body.get("string") if isinstance(body, dict) else body
    if isinstance(body, bytes):
        for encoding in (message["headers"].get("content-encoding") or [])[:1]:
            body = _UNPACK[encoding](body)
        try:
            return body.decode()
        except UnicodeDecodeError:
            return body
    return body


def events(text: str) -> list[dict[str, Any]]:
    """The JSON events of a stream's text."""
    data = (line[5:].strip() for line in text.splitlines() if line.startswith("data:"))
    return [json.loads(line) for line in data if line and line != "[DONE]"]


def final_body(exchange: Exchange) -> dict[str, Any]:
    """The answer's body; of a stream, its last word on each thing that a price depends on. {} where there is none."""
    body = exchange.response
    if isinstance(body, dict):
        return body
    if not isinstance(body, str) or "data:" not in body:
        return {}
    merged: dict[str, Any] = {}
    for event in events(body):
        for part in (event, event.get("response"), event.get("message")):
            for key, value in (part or {}).items():
                if key == "usage":
                    merged["usage"] = (merged.get("usage") or {}) | {k: v for k, v in (value or {}).items() if v is not None}
                elif value not in (None, "", [], {}) and key not in ("type", "response", "message"):
                    merged[key] = value
    return merged


def input_tokens(usage: dict[str, Any]) -> int:
    """All input tokens that were processed, whatever the provider's convention."""
    if "cache_read_input_tokens" in usage or "cache_creation_input_tokens" in usage:
        parts = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        return sum(usage.get(part) or 0 for part in parts)
    return int(usage.get("prompt_tokens", usage.get("input_tokens", 0)))


def output_tokens(usage: dict[str, Any]) -> int:
    """All output tokens, those of hidden reasoning that only the total shows included."""
    said = int(usage.get("completion_tokens", usage.get("output_tokens", 0)))
    return max(said, usage["total_tokens"] - input_tokens(usage)) if "total_tokens" in usage else said
