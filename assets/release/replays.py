"""An incident's requests asked again: what the two answers to one request have in common, and how they differ over all.

Here belong pure questions about rows of release.replays. Whether an answer is right nobody knows: nothing here says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assets.release.paired import Floats, Level, change, drawn_again

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Measure:
    """A mean over requests then and now, and the change with its 95 % interval, which draws requests (of a share: 90 %, by
    the exact test's counterpart). `n`: requests of which both are known; with none, the rest is NULL."""

    name: str
    n: int
    logged: float | None = None
    candidate: float | None = None
    difference: Level | None = None


def measures(rows: Sequence[Row]) -> list[Measure]:
    """Refusals, support, cost and latency then and now, each over the requests of which both are known."""
    return [
        _share("refuses", rows, "logged_refuses", "candidate_refuses"),
        _mean("support", rows, "logged_support", "candidate_support"),
        _mean("cost_usd", rows, "logged_cost_usd", "candidate_cost_usd"),
        _mean("latency_ms", rows, "logged_latency_ms", "candidate_latency_ms"),
    ]


def farthest(rows: Iterable[Row], most: int) -> list[Row]:
    """The rows whose answers have least in common, the farthest first; of each request one."""
    known = [row for row in rows if row["similarity"] is not None]
    known.sort(key=lambda row: (row["similarity"], row["request_id"]))
    of_request: dict[str, Row] = {}
    for row in known:
        of_request.setdefault(row["request_id"], row)
    return list(of_request.values())[:most]


def table(found: Sequence[Measure], rows: Sequence[Row]) -> str:
    """The measures as Markdown."""
    near = [row["similarity"] for row in rows if row["similarity"] is not None]
    lines = ["| | then | now | change | requests |", "|---|--:|--:|--:|--:|"]
    for one in found:
        if one.difference is None:
            lines.append(f"| {one.name} | - | - | - | 0 |")
            continue
        d = one.difference
        changed = f"{d.value:+.4g} ({d.low:+.4g} to {d.high:+.4g})"
        lines.append(f"| {one.name} | {one.logged:.4g} | {one.candidate:.4g} | {changed} | {one.n} |")
    alike = f"{np.median(near):.2f}" if near else "-"
    return "\n".join([*lines, "", f"Median similarity of the two answers: {alike} ({len(near)} pairs)"])


def _share(name: str, rows: Sequence[Row], then: str, now: str) -> Measure:
    pairs = _pairs(rows, then, now)
    if not pairs:
        return Measure(name, 0)
    found = change([late - early for early, late in pairs])
    level = Level(found.value, found.low, found.high, found.n)
    return Measure(name, len(pairs), _of(pairs, 0), _of(pairs, 1), level)


def _mean(name: str, rows: Sequence[Row], then: str, now: str) -> Measure:
    pairs = _pairs(rows, then, now)
    if not pairs:
        return Measure(name, 0)
    level = drawn_again([[late - early] for early, late in pairs], _mean_of)
    return Measure(name, len(pairs), _of(pairs, 0), _of(pairs, 1), level)


def _mean_of(values: Floats) -> Floats:
    return np.asarray(values.mean(axis=-1))


def _pairs(rows: Sequence[Row], then: str, now: str) -> list[tuple[float, float]]:
    """A request each: its value then, and the mean of its repeats now."""
    of_request: dict[str, list[Row]] = {}
    for row in rows:
        if row[then] is not None and row[now] is not None:
            of_request.setdefault(row["request_id"], []).append(row)
    return [
        (float(some[0][then]), sum(float(row[now]) for row in some) / len(some)) for _, some in sorted(of_request.items())
    ]


def _of(pairs: Sequence[tuple[float, float]], side: int) -> float:
    return sum(pair[side] for pair in pairs) / len(pairs)
