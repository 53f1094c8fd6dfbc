"""Planted incidents: what goes wrong, when, where and by how much; and the default plan.

A new incident is a small dataclass below that overrides `change_demand` (sizes, models: before the outcome is drawn)
or `change_outcome` (errors, times: after), and a line in `default_plan`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np

from simulator.catalogue import API_KEY_CODES, FEATURE_CODES, MODEL_CODES, PROMPT_PARTS, TENANT_CODES
from simulator.chunk import BoolArray, Chunk

_SCOPES: dict[str, tuple[str, Mapping[str, int]]] = {
    "tenant": ("tenant", TENANT_CODES),
    "api_key_id": ("api_key", API_KEY_CODES),
    "feature": ("feature", FEATURE_CODES),
    "request_model": ("model", MODEL_CODES),
}


@dataclass(frozen=True)
class Incident:
    """Between `start` and `end` (UTC), within `scope` (all of it), something of `size` happens."""

    name: str
    start: datetime
    end: datetime
    scope: dict[str, str]
    size: float

    def touches(self, chunk: Chunk) -> BoolArray:
        """Rows in time and scope, by what they were before this incident."""
        rows = chunk.between(_ms(self.start), _ms(self.end))
        for key, value in self.scope.items():
            column, names = _SCOPES[key]
            rows &= chunk.codes[column] == names[value]
        return rows

    def change_demand(self, chunk: Chunk, rows: BoolArray) -> None:
        """Change what is asked, in place."""

    def change_outcome(self, chunk: Chunk, rows: BoolArray) -> None:
        """Change what became of it, in place."""

    def as_truth(self) -> dict[str, Any]:
        """What a test should find."""
        return {
            "name": self.name,
            "kind": type(self).__name__,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "scope": dict(self.scope),
            "size": self.size,
        }

    def override_example(self) -> str | None:
        """Lines for the seeds that a person would write because of it; None where nobody would."""
        return None


@dataclass(frozen=True)
class TokenSpike(Incident):
    """Every part of the prompt grows by the factor `size`."""

    def change_demand(self, chunk: Chunk, rows: BoolArray) -> None:
        for part in PROMPT_PARTS:
            chunk.whole[part][rows] = (chunk.whole[part][rows] * self.size).astype(np.int64)


@dataclass(frozen=True)
class PriceChange(Incident):
    """From `start` on, scope's model costs `size` times its list price by contract; the traffic is unchanged."""

    provider: str = ""
    usd_per_million: dict[str, float] = field(default_factory=dict)

    def as_truth(self) -> dict[str, Any]:
        return super().as_truth() | {
            "provider": self.provider,
            "first_day": self.start.date().isoformat(),
            "usd_per_million": dict(self.usd_per_million),
        }

    def override_example(self) -> str:
        """An entry of seeds/prices.yml: what a person would write there."""
        rates = ", ".join(f'{unit.removesuffix("_tokens")}: "{rate:.6f}"' for unit, rate in self.usd_per_million.items())
        return (
            f"  - provider: {self.provider}\n    model: {self.scope['request_model']}\n"
            f"    valid_from: {self.start.date().isoformat()}\n    contracted: {{{rates}}}\n"
        )


@dataclass(frozen=True)
class NewModel(Incident):
    """A share `size` of scope's requests goes to a model that no price list knows yet."""

    model: str = ""

    def touches(self, chunk: Chunk) -> BoolArray:
        lot = (chunk.ids["request"] % np.uint64(1000)).astype(np.float64) / 1000
        return super().touches(chunk) & (lot < self.size)

    def change_demand(self, chunk: Chunk, rows: BoolArray) -> None:
        chunk.codes["model"][rows] = MODEL_CODES[self.model]

    def as_truth(self) -> dict[str, Any]:
        return super().as_truth() | {"model": self.model, "first_day": self.start.date().isoformat()}


def default_plan(first_day: date, days: int) -> tuple[Incident, ...]:
    """One incident of each kind, placed in proportion to the days of the world."""

    def at(share: float, hour: int = 0) -> datetime:
        return datetime.combine(first_day + timedelta(days=int(days * share)), time(hour), tzinfo=UTC)

    end = datetime.combine(first_day + timedelta(days=days), time(0), tzinfo=UTC)
    spike_start = at(0.5, 14)
    return (
        TokenSpike(
            "larkspur-prompt-spike",
            spike_start,
            spike_start + timedelta(hours=8),
            {"tenant": "larkspur-retail", "api_key_id": "key-larkspur-retail-1"},
            8.0,
        ),
        PriceChange(
            "gpt-4o-mini-contract",
            at(0.65),
            end,
            {"request_model": "gpt-4o-mini"},
            0.8,
            provider="openai",
            usd_per_million={"uncached_input_tokens": 0.12, "cache_read_tokens": 0.06, "output_tokens": 0.48},
        ),
        NewModel("orion-2-arrives", at(0.8), end, {"feature": "doc_search"}, 0.15, model="orion-2-preview"),
    )


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
