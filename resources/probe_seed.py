"""warehouse/seeds/probes.yml: which endpoints are asked every night, and what. Nothing is asked where it names no endpoint.

Here belongs the lint of that seed. What an answer is expected to be is read by assets/drift/probe_scores.py.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resources.chat_endpoint import ENDPOINT_KEYS, ChatEndpoint, EndpointError, endpoint_fields, number, refuse_unknown
from resources.seed_yaml import SeedYamlError, read_seed

PROBES_FILE = "probes.yml"
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}\Z")
_ENDPOINT_KEYS = ENDPOINT_KEYS | {"repeats", "minutes_a_night", "tokens_a_night", "accepted"}
_PROMPT_KEYS = frozenset({"prompt", "system", "expect"})
_LONGEST_PROMPT = 20_000


class ProbeSeedError(ValueError):
    """A probes.yml that cannot be used; says which entry and what to write, never a key."""


@dataclass(frozen=True)
class Endpoint(ChatEndpoint):
    """An endpoint that golden prompts are asked of."""

    repeats: int = 3
    minutes_a_night: float = 15.0
    tokens_a_night: int = 100_000
    accepted: str | None = None

    def body(self, prompt: GoldenPrompt) -> dict[str, Any]:
        """What is sent: the same every night."""
        return self.chat(prompt.prompt, prompt.system)


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
    try:
        found = ProbeSeed(
            {str(name): _endpoint(f"{path.name}: {name}", name, e) for name, e in (raw.get("endpoints") or {}).items()},
            {str(name): _prompt(f"{path.name}: {name}", name, e) for name, e in (raw.get("prompts") or {}).items()},
        )
    except EndpointError as error:
        raise ProbeSeedError(str(error)) from error
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
    numbers = {
        "repeats": number(where, raw, "repeats", lambda v: 1 <= v <= 20, "from 1 to 20", whole=True),
        "minutes_a_night": number(where, raw, "minutes_a_night", lambda v: 0 < v <= 600, "up to 600"),
        "tokens_a_night": number(where, raw, "tokens_a_night", lambda v: v >= 1, "from 1", whole=True),
    }
    accepted = None if raw.get("accepted") is None else str(raw["accepted"])
    given = {key: value for key, value in numbers.items() if key in raw}
    return Endpoint(str(name), **endpoint_fields(where, raw), accepted=accepted, **given)


def _check_entry(where: str, name: Any, raw: Any, allowed: frozenset[str]) -> None:
    if not isinstance(name, str) or not _NAME.match(name):
        raise EndpointError(f"{where}: a name is lower-case letters, digits, `_`, `.` and `-`, up to 64 of them")
    refuse_unknown(where, raw, allowed)
