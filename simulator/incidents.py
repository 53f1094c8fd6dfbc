"""Planted incidents: what goes wrong, when, where and by how much. Here: the base of all, and those of cost.

A new incident is a small dataclass that overrides `change_demand` (sizes, models: before the outcome is drawn),
`change_outcome` (errors, times: after) or `requests_on_top`, and a line in `plans.py`. Those of service are in
`service_incidents.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, ClassVar
from zlib import crc32

import numpy as np

from simulator.catalogue import API_KEY_CODES, FEATURE_CODES, MODEL_CODES, MODELS, PROMPT_PARTS, TENANT_CODES
from simulator.chunk import BoolArray, Chunk
from simulator.shape import FloatArray

_PROVIDERS = {m.provider: [c for c, other in enumerate(MODELS) if other.provider == m.provider] for m in MODELS}
_SCOPES: dict[str, tuple[str, Mapping[str, int | list[int]]]] = {
    "tenant": ("tenant", TENANT_CODES),
    "api_key_id": ("api_key", API_KEY_CODES),
    "feature": ("feature", FEATURE_CODES),
    "request_model": ("model", MODEL_CODES),
    "provider": ("model", _PROVIDERS),
}


@dataclass(frozen=True)
class Incident:
    """Between `start` and `end` (UTC), within `scope` (all of it), something of `size` happens.

    `size_is` says what the size counts, `brings` what it does to the traffic. `found_by` names the rules of which one
    has to find it, `may_wake` others that rightly may.
    """

    size_is: ClassVar[str] = "factor"
    needs_texts: ClassVar[bool] = False
    """It shows in words alone."""
    brings: ClassVar[str] = ""
    found_by: ClassVar[tuple[str, ...]] = ()
    may_wake: ClassVar[tuple[str, ...]] = ()

    name: str
    start: datetime
    end: datetime
    scope: dict[str, str]
    size: float

    def touches(self, chunk: Chunk) -> BoolArray:
        """Rows in time and scope, by what they were before this incident."""
        return self.concerns(chunk) & chunk.between(in_ms(self.start), in_ms(self.end))

    def concerns(self, chunk: Chunk) -> BoolArray:
        """Rows in scope, at whatever time."""
        rows = np.ones(len(chunk), dtype=bool)
        for key, value in self.scope.items():
            column, names = _SCOPES[key]
            rows &= np.isin(chunk.codes[column], names[value])
        return rows

    def lot(self, chunk: Chunk, of: str = "request") -> FloatArray:
        """A number in [0, 1) for each row's id `of`: its own for this incident, whatever chunk the row is in."""
        salt = np.uint64(crc32(self.name.encode()) << 17)
        drawn: FloatArray = (chunk.ids[of] ^ salt) % np.uint64(1_000_003) / 1_000_003.0
        return drawn

    def volume(self, seed: int, day: date) -> FloatArray | None:
        """What each tenant's requests of the day are multiplied by; None for as many as there were."""
        return None

    def requests_on_top(self, seed: int, chunk: Chunk) -> Chunk | None:
        """More requests than were drawn, of the same stretch of time as the chunk; None for no more."""
        return None

    def change_demand(self, chunk: Chunk, rows: BoolArray) -> None:
        """Change what is asked, in place."""

    def change_demand_of(self, seed: int, chunk: Chunk, rows: BoolArray) -> None:
        """The same, for an incident with chance of its own."""
        self.change_demand(chunk, rows)

    def change_outcome(self, chunk: Chunk, rows: BoolArray) -> BoolArray:
        """Change what became of it, in place; returns the rows that this incident touched after all."""
        return rows

    def as_truth(self) -> dict[str, Any]:
        """What a test should find."""
        return {
            "name": self.name,
            "kind": type(self).__name__,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "scope": dict(self.scope),
            "size": self.size,
            "size_is": self.size_is,
            "brings": self.brings,
            "found_by": list(self.found_by),
            "may_wake": list(self.may_wake),
        }

    def seed_example(self) -> tuple[str, str] | None:
        """(name of a file of SEED_EXAMPLES, an entry that a person would write there); None where nobody would."""
        return None


@dataclass(frozen=True)
class TokenSpike(Incident):
    """Every part of the prompt grows by the factor `size`."""

    brings = "prompts of many times the usual size, from one key"
    found_by = ("cost_spike",)
    may_wake = ("truncation", "latency", "burn_rate")

    def change_demand(self, chunk: Chunk, rows: BoolArray) -> None:
        for part in PROMPT_PARTS:
            chunk.whole[part][rows] = (chunk.whole[part][rows] * self.size).astype(np.int64)


@dataclass(frozen=True)
class PriceChange(Incident):
    """From `start` on, scope's model costs `size` times its list price by contract; the traffic is unchanged."""

    brings = "a price of its own from a day on; the traffic is as it was"
    provider: str = ""
    usd_per_million: dict[str, float] = field(default_factory=dict)

    def as_truth(self) -> dict[str, Any]:
        return super().as_truth() | {
            "provider": self.provider,
            "first_day": self.start.date().isoformat(),
            "usd_per_million": dict(self.usd_per_million),
        }

    def seed_example(self) -> tuple[str, str]:
        rates = ", ".join(f'{unit.removesuffix("_tokens")}: "{rate:.6f}"' for unit, rate in self.usd_per_million.items())
        entry = (
            f"  - provider: {self.provider}\n    model: {self.scope['request_model']}\n"
            f"    valid_from: {self.start.date().isoformat()}\n    contracted: {{{rates}}}\n"
        )
        return "price_override_example.yml", entry


@dataclass(frozen=True)
class PartialIncident(Incident):
    """One that touches a share `size` of the requests in time and scope."""

    size_is = "share of requests"

    def touches(self, chunk: Chunk) -> BoolArray:
        return super().touches(chunk) & (self.lot(chunk) < self.size)


@dataclass(frozen=True)
class NewModel(PartialIncident):
    """A share `size` of scope's requests goes to a model that no price list knows yet."""

    brings = "requests that nobody can price"
    may_wake = ("cost_spike", "latency", "burn_rate")
    model: str = ""

    def change_demand(self, chunk: Chunk, rows: BoolArray) -> None:
        chunk.codes["model"][rows] = MODEL_CODES[self.model]

    def as_truth(self) -> dict[str, Any]:
        return super().as_truth() | {"model": self.model, "first_day": self.start.date().isoformat()}


SEED_EXAMPLES: dict[str, str] = {
    "price_override_example.yml": "# What a person would write into seeds/prices.yml because of the planted price changes.\n"
    "overrides:\n",
    "deployments_example.yml": "# What a person would write into seeds/deployments.yml because of the planted deployments.\n"
    "deployments:\n",
}
"""Files beside the ground truth, and how each begins; entries of incidents follow."""


def in_ms(moment: datetime) -> int:
    """Milliseconds since 1970."""
    return int(moment.timestamp() * 1000)
