"""An endpoint that speaks OpenAI's chat completions, as a seed declares it: what golden prompts and the judge share.

Here belong the lint of such an entry and the way to its key, which is in no field and no message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

ENDPOINT_KEYS = frozenset({
    "base_url", "model", "key_env", "temperature", "max_tokens", "max_tokens_name", "seed", "timeout_s",
    "requests_per_minute",
})  # fmt: skip
TOKEN_NAMES = frozenset({"max_tokens", "max_completion_tokens"})
"""How the cap on an answer's tokens is called; a request has one of them."""


class EndpointError(ValueError):
    """An endpoint, or a key that it points to, that cannot be used; says which and what to write, never a key."""


@dataclass(frozen=True)
class ChatEndpoint:
    """An endpoint that speaks chat completions below `base_url`. Its key is in no field: `key_env` names it."""

    name: str
    base_url: str
    model: str
    key_env: str | None = None
    temperature: float | None = 0.0
    max_tokens: int = 256
    max_tokens_name: str = "max_tokens"
    seed: int | None = None
    timeout_s: float = 60.0
    requests_per_minute: float = 30.0

    def key(self, environment: Mapping[str, str]) -> str | None:
        """The key as the environment holds it; None where none is wanted. Raises EndpointError, which does not show it."""
        if self.key_env is None:
            return None
        key = environment.get(self.key_env, "").strip()
        if not key:
            raise EndpointError(f"{self.name} is not asked: the environment variable {self.key_env} holds no key")
        if not re.fullmatch(r"[\x21-\x7e]+", key):
            raise EndpointError(f"{self.name} is not asked: {self.key_env} holds something else than one key")
        return key

    def chat(self, prompt: str, system: str | None = None) -> dict[str, Any]:
        """What is sent to ask one thing."""
        messages = [{"role": "user", "content": prompt}]
        if system is not None:
            messages.insert(0, {"role": "system", "content": system})
        body = {"model": self.model, "messages": messages, self.max_tokens_name: self.max_tokens, "stream": False}
        said = {"temperature": self.temperature, "seed": self.seed}
        return body | {name: value for name, value in said.items() if value is not None}


def endpoint_fields(where: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a ChatEndpoint that an entry gives, without its name. Raises EndpointError."""
    model, key_env = raw.get("model"), raw.get("key_env")
    if not isinstance(model, str) or not model.strip():
        raise EndpointError(f"{where} needs the model to ask for, such as `model: gpt-4o`; not {model!r}")
    if key_env is not None and not (isinstance(key_env, str) and re.fullmatch(r"[A-Z_][A-Z0-9_]*", key_env)):
        # Somebody who writes the key itself must not find it in an error message.
        raise EndpointError(f"{where}: key_env names an environment variable, in capitals; it is never the key itself")
    if raw.get("max_tokens_name", "max_tokens") not in TOKEN_NAMES:
        raise EndpointError(f"{where}: max_tokens_name is one of {', '.join(sorted(TOKEN_NAMES, key=len))}")
    numbers = {
        "temperature": number(
            where, raw, "temperature", lambda v: 0 <= v <= 2, "from 0 to 2, or null to leave it out", nullable=True
        ),
        "max_tokens": number(where, raw, "max_tokens", lambda v: 1 <= v <= 100_000, "from 1 to 100000", whole=True),
        "seed": number(where, raw, "seed", lambda v: abs(v) < 2**63, "of at most 63 bits", whole=True, nullable=True),
        "timeout_s": number(where, raw, "timeout_s", lambda v: 0 < v <= 600, "of seconds, up to 600"),
        "requests_per_minute": number(where, raw, "requests_per_minute", lambda v: 0 < v <= 6000, "up to 6000"),
    }
    optional = {key: raw[key] for key in ("key_env", "max_tokens_name") if key in raw}
    given = {key: value for key, value in numbers.items() if key in raw}
    return {"base_url": _base_url(where, raw.get("base_url"), key_env), "model": model, **optional, **given}


def refuse_unknown(where: str, raw: Any, allowed: frozenset[str]) -> None:
    """Raises EndpointError where an entry is no mapping, or has a key that nobody reads."""
    if not isinstance(raw, dict):
        raise EndpointError(f"{where} is a mapping with {', '.join(sorted(allowed))}")
    if unknown := sorted(str(key) for key in set(raw) - allowed):
        raise EndpointError(f"{where} has unknown keys {', '.join(unknown)}; allowed: {', '.join(sorted(allowed))}")


def number(
    where: str,
    raw: Mapping[str, Any],
    key: str,
    fits: Callable[[Any], bool],
    range_: str,
    whole: bool = False,
    nullable: bool = False,
) -> Any:
    """A number of an entry, None where it is left out, or may be null and is. Raises EndpointError."""
    value = raw.get(key)
    if value is None and (key not in raw or nullable):
        return None
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not fits(value):
        raise EndpointError(f"{where}: {key} is a {'whole ' if whole else ''}number {range_}; not {value!r}")
    return value if whole else float(value)


def _base_url(where: str, raw: Any, key_env: str | None) -> str:
    example = "such as `base_url: https://api.example.com/v1`, without user, password, query or fragment"
    try:
        url = urlsplit(raw if isinstance(raw, str) else "")
        host, _ = url.hostname, url.port
    except ValueError:
        host, url = None, urlsplit("")
    if url.scheme not in ("http", "https") or not host or url.query or url.fragment or "@" in url.netloc:
        # It may hold a password: it is not repeated.
        raise EndpointError(f"{where} needs an address {example}")
    if url.scheme == "http" and key_env is not None and not _is_loopback(host):
        raise EndpointError(f"{where}: a key does not travel over http; write https, or leave out key_env")
    return str(raw).rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
