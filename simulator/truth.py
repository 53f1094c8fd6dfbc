"""The ground truth: exact counts of what the files hold, and what a warehouse should make of them.

Everything is kept as additive changes by (delivery day, event day): one more night only adds its own.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from simulator.catalogue import MODELS, TENANTS, TOKEN_COLUMNS
from simulator.chunk import BoolArray, Chunk
from simulator.dirt import QUARANTINED_KINDS, REFUSED_KINDS
from simulator.fragments import OUTCOMES
from simulator.shape import IntArray

SCHEMA_VERSION = 2
_IS_ERROR = np.array([outcome[0] is not None for outcome in OUTCOMES])


class TruthError(ValueError):
    """The truth folder speaks of another world; says what differs."""


@dataclass
class Change:
    """What one delivery day changes about one event day. Counts are signed: a re-delivery can move a request."""

    landed_records: int = 0
    landed_by_kind: Counter[tuple[str, str]] = field(default_factory=Counter)
    records_by_kind: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed_requests: int = 0
    by_model: IntArray = field(default_factory=lambda: np.zeros((len(MODELS), 1 + len(TOKEN_COLUMNS)), dtype=np.int64))
    by_tenant: IntArray = field(
        default_factory=lambda: np.zeros((len(TENANTS), 1 + len(TOKEN_COLUMNS)), dtype=np.int64)
    )

    def as_json(self) -> dict[str, Any]:
        requests = int(self.by_model[:, 0].sum())
        return {
            "requests": requests,
            "landed_records": self.landed_records,
            "duplicates": self.landed_records - requests,
            "failed_requests": self.failed_requests,
            "by_source": self._by_source(),
            "by_model": _table([model.name for model in MODELS], self.by_model),
            "by_tenant": _table([tenant.name for tenant in TENANTS], self.by_tenant),
        }


    def _by_source(self) -> dict[str, dict[str, dict[str, int]]]:
        made: dict[str, dict[str, dict[str, int]]] = {}
        for source, kind in sorted(self.landed_by_kind.keys() | self.records_by_kind.keys()):
            key = (source, kind)
            counts = {"landed_records": self.landed_by_kind[key], "records": self.records_by_kind[key]}
            if any(counts.values()):
                made.setdefault(source, {})[kind] = counts
        return made


def _table(names: list[str], values: IntArray) -> dict[str, dict[str, int]]:
    columns = ("requests", *TOKEN_COLUMNS)
    return {
        name: {column: int(value) for column, value in zip(columns, row, strict=True)}
        for name, row in zip(names, values, strict=True)
        if row.any()
    }


class Ledger:
    """Collects changes, keyed by (delivery day, event day) as ordinals."""

    def __init__(self) -> None:
        self.changes: dict[tuple[int, int], Change] = {}

    def add(self, chunk: Chunk, rows: BoolArray, delivery: IntArray, event: IntArray, sign: int) -> None:
        """Requests won (+1) or lost again (-1); `delivery` and `event` count days from the chunk's own."""
        own = chunk.day.toordinal()
        for delivery_day, event_day in _pairs(delivery, event, rows):
            chosen = rows & (delivery == delivery_day) & (event == event_day)
            change = self._change(own + delivery_day, own + event_day)
            change.failed_requests += sign * int(_IS_ERROR[chunk.codes["outcome"][chosen]].sum())
            model, tenant = chunk.codes["model"][chosen], chunk.codes["tenant"][chosen]
            change.by_model[:, 0] += sign * np.bincount(model, minlength=len(MODELS))
            change.by_tenant[:, 0] += sign * np.bincount(tenant, minlength=len(TENANTS))
            for place, column in enumerate(TOKEN_COLUMNS, start=1):
                tokens = np.maximum(chunk.whole[column][chosen], 0)
                # Sums of a chunk stay far below 2**53: the detour over DOUBLE is exact.
                change.by_model[:, place] += sign * np.bincount(model, tokens, len(MODELS)).astype(np.int64)
                change.by_tenant[:, place] += sign * np.bincount(tenant, tokens, len(TENANTS)).astype(np.int64)

    def _change(self, delivery_day: int, event_day: int) -> Change:
        return self.changes.setdefault((delivery_day, event_day), Change())

    def tally(self, day: date, delivery: IntArray, event: IntArray) -> Iterator[tuple[Change, int]]:
        """The changes that records of a kind belong to, and how many of them; days count from `day`."""
        own = day.toordinal()
        everything = np.ones(len(delivery), dtype=bool)
        for delivery_day, event_day in _pairs(delivery, event, everything):
            count = int(((delivery == delivery_day) & (event == event_day)).sum())
            yield self._change(own + delivery_day, own + event_day), count


@dataclass(frozen=True)
class Tally:
    """Counts the records of one source, by kind, in a ledger. `delivery` and `event` count days from `day`."""

    ledger: Ledger
    source: str
    day: date

    def landed(self, kind: str, delivery: IntArray, event: IntArray) -> None:
        """Good records, winners or not, copies and all."""
        for change, count in self.ledger.tally(self.day, delivery, event):
            change.landed_by_kind[self.source, kind] += count
            if kind == "request":
                change.landed_records += count

    def records(self, kind: str, delivery: IntArray, event: IntArray, sign: int) -> None:
        """Different records of this source, won (+1) or lost again (-1)."""
        for change, count in self.ledger.tally(self.day, delivery, event):
            change.records_by_kind[self.source, kind] += sign * count


def _pairs(delivery: IntArray, event: IntArray, rows: BoolArray) -> list[tuple[int, int]]:
    # A retrieval begins before its request: on the day before, perhaps.
    codes = np.unique(delivery[rows] * 16 + event[rows] + 1)
    return [(int(code) // 16, int(code) % 16 - 1) for code in codes]


def malformed(counts: Counter[str]) -> dict[str, int]:
    """Broken lines by kind, impossible times included."""
    return {kind: counts[kind] for kind in (*REFUSED_KINDS, *QUARANTINED_KINDS)}


def write_truth(
    folder: Path, parameters: dict[str, Any], incidents: list[dict[str, Any]], nights: dict[str, Any],
    knowledge: dict[str, Any] | None = None,
) -> Path:  # fmt: skip
    """Merge these nights (delivery day -> its truth) into `ground_truth.json` and sum up again.

    `knowledge`: what is planted in the world's knowledge base, where it has one.
    """
    path = folder / "ground_truth.json"
    earlier: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if earlier:
        _refuse_another_world(path, earlier, parameters, incidents)
    deliveries = dict(sorted((earlier.get("deliveries", {}) | nights).items()))
    document = {
        "schema_version": SCHEMA_VERSION,
        "parameters": parameters,
        "incidents": [
            incident | {"requests_touched": _touched(deliveries, incident["name"])} for incident in incidents
        ],
        **({"knowledge": knowledge} if knowledge else {}),
        "totals": _totals(deliveries),
        "records_on_their_way": next((n["records_on_their_way"] for n in reversed(deliveries.values())), 0),
        "days": _days(deliveries),
        "deliveries": deliveries,
    }
    folder.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".tmp")
    aside.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    os.replace(aside, path)
    return path


def _refuse_another_world(
    path: Path, earlier: dict[str, Any], parameters: dict[str, Any], incidents: list[dict[str, Any]]
) -> None:
    differs = sorted(key for key in parameters if earlier["parameters"].get(key) != parameters[key])
    without_counts = [
        {key: value for key, value in i.items() if key != "requests_touched"} for i in earlier["incidents"]
    ]
    if without_counts != incidents:
        differs.append("incidents")
    if differs:
        raise TruthError(
            f"{path} is the truth of another world (differs in {', '.join(differs)}); give an empty truth folder,"
            " or the same world_first_day and world_days"
        )


def _touched(deliveries: dict[str, Any], incident: str) -> int:
    return sum(night["made"]["incidents"].get(incident, 0) for night in deliveries.values())


def _totals(deliveries: dict[str, Any]) -> dict[str, Any]:
    totals: dict[str, Any] = {}
    for night in deliveries.values():
        for file in night["files"]:
            _add(totals, {key: value for key, value in file.items() if key not in ("path", "sha256", "is_crlf")})
            _add(totals, {"files": 1})
    _add(
        totals,
        {"requests": sum(change["requests"] for night in deliveries.values() for change in night["changes"].values())},
    )
    return totals


def _days(deliveries: dict[str, Any]) -> dict[str, Any]:
    days: dict[str, Any] = {}
    for night in deliveries.values():
        for day, change in night["changes"].items():
            _add(days.setdefault(day, {}), change)
    return dict(sorted(days.items()))


def _add(into: dict[str, Any], more: dict[str, Any]) -> None:
    """Sum nested counts; what comes to nothing stays as 0."""
    for key, value in more.items():
        if isinstance(value, dict):
            _add(into.setdefault(key, {}), value)
        else:
            into[key] = into.get(key, 0) + value
