"""warehouse/seeds/probes.yml: which endpoints are asked every night, and what. Nothing is asked where it names no endpoint.

Here belongs the lint of that seed. What an answer is expected to be is read by assets/drift/probe_scores.py.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from resources.seed_yaml import SeedYamlError, read_seed

PROBES_FILE = "probes.yml"
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}\Z")
_ENDPOINT_KEYS = {
    "base_url", "model", "key_env", "temperature", "max_tokens", "max_tokens_name", "seed", "timeout_s",
    "requests_per_minute", "repeats", "minutes_a_night", "tokens_a_night",
    "accepted",
}  # fmt: skip
_PROMPT_KEYS = {"prompt", "system", "expect"}
_TOKEN_NAMES = ("max_tokens", "max_completion_tokens")
_LONGEST_PROMPT = 20_000


class ProbeSeedError(ValueError):
    """A probes.yml, or a key that it points to, that cannot be used; says which entry and what to write, never a key."""


@dataclass(frozen=True)
class Endpoint:
    """An endpoint that speaks OpenAI's chat completions below `base_url`. Its key is in no field: `key_env` names it."""

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
    repeats: int = 3
    minutes_a_night: float = 15.0
    tokens_a_night: int = 100_000
    accepted: str | None = None

    def key(self, environment: Mapping[str, str]) -> str | None:
        """The key as the environment holds it; None where none is wanted. Raises ProbeSeedError, which does not show it."""
        if self.key_env is None:
            return None
        key = environment.get(self.key_env, "").strip()
        if not key:
            raise ProbeSeedError(f"{self.name} is not asked: the environment variable {self.key_env} holds no key")
        if not re.fullmatch(r"[\x21-\x7e]+", key):
            raise ProbeSeedError(f"{self.name} is not asked: {self.key_env} holds something else than one key")
        return key

    def body(self, prompt: GoldenPrompt) -> dict[str, Any]:
        """What is sent: the same every night."""
        messages = [{"role": "user", "content": prompt.prompt}]
        if prompt.system is not None:
            messages.insert(0, {"role": "system", "content": prompt.system})
        body = {"model": self.model, "messages": messages, self.max_tokens_name: self.max_tokens, "stream": False}
        said = {"temperature": self.temperature, "seed": self.seed}
        return body | {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True)
class GoldenPrompt:
    """A question that is asked every night. `expect` as the seed has it."""

    name: str
    prompt: str
    system: str | None = None
    expect: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ProbeSeed:
    """The seed as it stands."""

    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    prompts: Mapping[str, GoldenPrompt] = field(default_factory=dict)


def series_of(endpoint: Endpoint, prompt: GoldenPrompt) -> str:
    """Names what is compared over the nights: the request as it is sent and what is expected of the answer. A question or
    a setting that somebody edits begins a new series, and is no change of the provider; so does `accepted`."""
    told = json.dumps([endpoint.body(prompt), prompt.expect, endpoint.accepted], sort_keys=True, default=str)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def load_probes(path: Path) -> ProbeSeed:
    """The seed of a file; an absent one asks nothing. Raises ProbeSeedError."""
    try:
        raw = read_seed(path)
    except FileNotFoundError:
        return ProbeSeed()
    except SeedYamlError as error:
        raise ProbeSeedError(str(error)) from error
    raw = {} if raw is None else raw
    if not isinstance(raw, dict) or set(raw) - {"endpoints", "prompts"}:
        raise ProbeSeedError(f"{path.name} is a mapping of endpoints and prompts, and nothing else")
    for key in ("endpoints", "prompts"):
        if not isinstance(raw.get(key), dict | None):
            raise ProbeSeedError(f"{path.name}: {key} is a mapping, from a name of your choice to an entry")
    found = ProbeSeed(
        {str(name): _endpoint(f"{path.name}: {name}", name, e) for name, e in (raw.get("endpoints") or {}).items()},
        {str(name): _prompt(f"{path.name}: {name}", name, e) for name, e in (raw.get("prompts") or {}).items()},
    )
    if found.endpoints and not found.prompts:
        raise ProbeSeedError(f"{path.name} names endpoints and no prompts; there is nothing to ask them")
    return found


def _prompt(where: str, name: Any, raw: Any) -> GoldenPrompt:
    _check_entry(where, name, raw, _PROMPT_KEYS)
    for key in ("prompt", "system"):
        text = raw.get(key)
        if (key == "prompt" or text is not None) and not (isinstance(text, str) and text.strip()):
            raise ProbeSeedError(f"{where} needs a {key}: the words that are sent; quote what YAML reads as something else")
        if text is not None and len(text) > _LONGEST_PROMPT:
            raise ProbeSeedError(f"{where}: its {key} is longer than {_LONGEST_PROMPT:,} characters; ask something shorter")
    expect = raw.get("expect")
    if not isinstance(expect, dict | None):
        raise ProbeSeedError(f"{where}: expect is a mapping, such as {{numeric: 42}}; left out: only length and style count")
    return GoldenPrompt(str(name), raw["prompt"], raw.get("system"), expect or {})


def _endpoint(where: str, name: Any, raw: Any) -> Endpoint:
    _check_entry(where, name, raw, _ENDPOINT_KEYS)
    model, key_env = raw.get("model"), raw.get("key_env")
    if not isinstance(model, str) or not model.strip():
        raise ProbeSeedError(f"{where} needs the model to ask for, such as `model: gpt-4o`; not {model!r}")
    if key_env is not None and not (isinstance(key_env, str) and re.fullmatch(r"[A-Z_][A-Z0-9_]*", key_env)):
        # Somebody who writes the key itself must not find it in an error message.
        raise ProbeSeedError(f"{where}: key_env names an environment variable, in capitals; it is never the key itself")
    if raw.get("max_tokens_name", "max_tokens") not in _TOKEN_NAMES:
        raise ProbeSeedError(f"{where}: max_tokens_name is one of {', '.join(_TOKEN_NAMES)}")
    numbers = {
        "temperature": _number(where, raw, "temperature", lambda v: 0 <= v <= 2, "from 0 to 2, or null to leave it out"),
        "max_tokens": _number(where, raw, "max_tokens", lambda v: 1 <= v <= 100_000, "from 1 to 100000", whole=True),
        "seed": _number(where, raw, "seed", lambda v: abs(v) < 2**63, "of at most 63 bits", whole=True),
        "timeout_s": _number(where, raw, "timeout_s", lambda v: 0 < v <= 600, "of seconds, up to 600"),
        "requests_per_minute": _number(where, raw, "requests_per_minute", lambda v: 0 < v <= 6000, "up to 6000"),
        "repeats": _number(where, raw, "repeats", lambda v: 1 <= v <= 20, "from 1 to 20", whole=True),
        "minutes_a_night": _number(where, raw, "minutes_a_night", lambda v: 0 < v <= 600, "up to 600"),
        "tokens_a_night": _number(where, raw, "tokens_a_night", lambda v: v >= 1, "from 1", whole=True),
    }
    accepted = None if raw.get("accepted") is None else str(raw["accepted"])
    optional = {key: raw[key] for key in ("key_env", "max_tokens_name") if key in raw}
    given = {key: value for key, value in numbers.items() if key in raw}
    return Endpoint(str(name), _base_url(where, raw.get("base_url"), key_env), model, accepted=accepted, **optional, **given)


def _check_entry(where: str, name: Any, raw: Any, allowed: set[str]) -> None:
    if not isinstance(name, str) or not _NAME.match(name):
        raise ProbeSeedError(f"{where}: a name is lower-case letters, digits, `_`, `.` and `-`, up to 64 of them")
    if not isinstance(raw, dict):
        raise ProbeSeedError(f"{where} is a mapping with {', '.join(sorted(allowed))}")
    if unknown := sorted(str(key) for key in set(raw) - allowed):
        raise ProbeSeedError(f"{where} has unknown keys {', '.join(unknown)}; allowed: {', '.join(sorted(allowed))}")


def _number(
    where: str, raw: Mapping[str, Any], key: str, fits: Callable[[Any], bool], range_: str, whole: bool = False
) -> Any:
    value = raw.get(key)
    if value is None and (key not in raw or key in ("temperature", "seed")):
        return None
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not fits(value):
        raise ProbeSeedError(f"{where}: {key} is a {'whole ' if whole else ''}number {range_}; not {value!r}")
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
        raise ProbeSeedError(f"{where} needs an address {example}")
    if url.scheme == "http" and key_env is not None and not _is_loopback(host):
        raise ProbeSeedError(f"{where}: a key does not travel over http; write https, or leave out key_env")
    return str(raw).rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
