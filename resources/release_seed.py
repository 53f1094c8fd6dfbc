"""warehouse/seeds/release.yml: where versions are asked, how often, and what a release must reach. All may be left out.

Here belongs the lint of that seed. What the rules mean is assets/release/release_gate.py; suites lie in seeds/evals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from resources.chat_endpoint import ENDPOINT_KEYS, ChatEndpoint, EndpointError, endpoint_fields, number, refuse_unknown
from resources.seed_fields import usd
from resources.seed_yaml import SeedYamlError, read_seed

RELEASE_FILE = "release.yml"
JSON_SCHEMA = "json_schema"
"""The one form of answers, beside text, that an endpoint may declare to take."""
_KEYS = frozenset({"endpoints", "runs", "rules", "features"})
_RUNS = frozenset({"repeats", "at_once", "minutes_a_run", "usd_a_run", "suites"})
_SHARES = ("pass_rate", "segment_pass_rate", "unseen_loss", "answered")
_NULLABLE = frozenset({"segment_pass_rate", "mean_cost_usd", "latency_p95_ms"})
_RULES = frozenset({*_SHARES, "segment_cases", "mean_cost_usd", "latency_p95_ms"})


class ReleaseSeedError(ValueError):
    """A release.yml that cannot be used as written; says which entry and what to write, never a key."""


@dataclass(frozen=True)
class EvalEndpoint(ChatEndpoint):
    """An endpoint that versions are asked at. `provider` as the price book names it; None: by the model's name.
    `response_format`: JSON_SCHEMA where it is sent the schema of a version's answers; None: it takes none."""

    provider: str | None = None
    response_format: str | None = None


@dataclass(frozen=True)
class RunSettings:
    """How a suite is run. `suites` are run for each version beside its own. `usd_a_run`: nothing more is asked once a run
    has cost that."""

    repeats: int = 3
    at_once: int = 4
    minutes_a_run: float = 60.0
    usd_a_run: Decimal = Decimal(5)
    suites: tuple[str, ...] = ("adversarial",)


@dataclass(frozen=True)
class ReleaseSeed:
    """The seed as it stands. `rules`: what it says of each, by name, money as Decimal; `features`: the same for one
    feature."""

    endpoints: Mapping[str, EvalEndpoint] = field(default_factory=dict)
    runs: RunSettings = RunSettings()
    rules: Mapping[str, Any] = field(default_factory=dict)
    features: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def rules_of(self, feature: str | None) -> dict[str, Any]:
        """The rules that hold for a feature; what they do not say is as it is by default."""
        return {**self.rules, **self.features.get(feature or "", {})}


def load_release(path: Path) -> ReleaseSeed:
    """The seed of a file; an absent one says nothing. Raises ReleaseSeedError."""
    try:
        raw = read_seed(path)
    except FileNotFoundError:
        return ReleaseSeed()
    except SeedYamlError as error:
        raise ReleaseSeedError(str(error)) from error
    name = path.name
    try:
        raw = {} if raw is None else raw
        refuse_unknown(name, raw, _KEYS)
        for key in ("endpoints", "features"):
            if not isinstance(raw.get(key), dict | None):
                raise ReleaseSeedError(f"{name}: {key} is a mapping, from a name to an entry")
        return ReleaseSeed(
            {str(key): _endpoint(f"{name}: {key}", str(key), e) for key, e in (raw.get("endpoints") or {}).items()},
            _runs(f"{name}: runs", raw.get("runs") or {}),
            _rules(f"{name}: rules", raw.get("rules") or {}),
            {str(key): _rules(f"{name}: {key}", entry or {}) for key, entry in (raw.get("features") or {}).items()},
        )
    except EndpointError as error:
        raise ReleaseSeedError(str(error)) from error


def _endpoint(where: str, name: str, raw: Any) -> EvalEndpoint:
    refuse_unknown(where, raw, ENDPOINT_KEYS | {"provider", "response_format"})
    provider, form = raw.get("provider"), raw.get("response_format")
    if not isinstance(provider, str | None):
        raise ReleaseSeedError(f"{where}: provider is a name of the price book, such as openai; not {provider!r}")
    if form not in (None, JSON_SCHEMA):
        raise ReleaseSeedError(f"{where}: response_format is {JSON_SCHEMA}, or left out; not {form!r}")
    return EvalEndpoint(name, **endpoint_fields(where, raw), provider=provider, response_format=form)


def _runs(where: str, raw: Any) -> RunSettings:
    refuse_unknown(where, raw, _RUNS)
    numbers = {
        "repeats": number(where, raw, "repeats", lambda v: 1 <= v <= 20, "from 1 to 20", whole=True),
        "at_once": number(where, raw, "at_once", lambda v: 1 <= v <= 64, "from 1 to 64", whole=True),
        "minutes_a_run": number(where, raw, "minutes_a_run", lambda v: 0 < v <= 1440, "up to 1440"),
    }
    given = {key: value for key, value in numbers.items() if key in raw}
    if "usd_a_run" in raw:
        given["usd_a_run"] = usd(where, raw, "usd_a_run")
    if "suites" in raw:
        suites = raw["suites"]
        if not isinstance(suites, list) or not all(isinstance(suite, str) and suite for suite in suites):
            raise ReleaseSeedError(f"{where}: suites is a list of names of files in seeds/evals; not {suites!r}")
        given["suites"] = tuple(suites)
    return RunSettings(**given)


def _rules(where: str, raw: Any) -> dict[str, Any]:
    refuse_unknown(where, raw, _RULES)
    found: dict[str, Any] = {}
    for rule, value in raw.items():
        if value is None and rule in _NULLABLE:
            found[rule] = None
        elif rule == "mean_cost_usd":
            found[rule] = usd(where, raw, rule)
        elif rule == "segment_cases":
            found[rule] = number(where, raw, rule, lambda v: v >= 1, "from 1", whole=True)
        elif rule == "latency_p95_ms":
            found[rule] = number(where, raw, rule, lambda v: v > 0, "of milliseconds above 0")
        else:
            found[rule] = number(where, raw, rule, lambda v: 0 < v <= 1, "above 0 and up to 1")
        if found[rule] is None and rule not in _NULLABLE:
            raise ReleaseSeedError(f"{where}: {rule} is a number; leave it out for the default")
    return found
