"""drift.changes: which alarms of a night tell of the same change, and which of them names it.

Here belongs how alarms are put together: by segment, metric and time, and with the nights before. Whether something is an
alarm is decided in family.py, what an alarm means in drift_verdicts.py.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from typing import Any

import numpy as np
import polars as pl

from assets.drift.drift_verdicts import SEGMENTS, counted
from assets.drift.family_arrays import KEY

Row = dict[str, Any]
Key = tuple[str, ...]

NEAR = timedelta(days=3)
"""A window's length: so much later may another test notice the same change."""
ENOUGH = 0.5
"""Share of an effect that another segment's effect must account for to explain it; each segment has its own spread."""
_NAME = ("change_id", "change_family", "change_since_day")
_FIGURES = ("since_day", "status", "effect", "floor", "n", "title")
COLUMNS = {
    "drift.drift_verdicts": [*KEY, *_FIGURES],
    "drift.changes": ["day", *KEY, *_NAME, "place"],
    "drift.profiles": ["segment_kind", "segment"],
    "logs.requests": ["request_id", "environment", "is_shadow", *SEGMENTS],
    "service.features": ["feature", "environments"],
}
_SCHEMA = {
    "day": pl.Date, **dict.fromkeys(KEY, pl.String), "change_id": pl.String, "change_family": pl.String,
    "change_since_day": pl.Date, "place": pl.Int64, "since_day": pl.Date, "status": pl.String, "effect": pl.Float64,
    "floor": pl.Float64, "n": pl.Int64, "cause_class": pl.String, "component": pl.String, "title": pl.String,
    "ticket": pl.String,
}  # fmt: skip
_CAUSES = {
    ("model", "provider"): ("provider", "model", "finish_reason", "refusal", "service_tier"),
    ("infrastructure", "provider"): ("latency_ms", "time_to_first_token_ms", "error_class"),
    ("infrastructure", "router"): ("route",),
    ("infrastructure", "gateway"): ("response_cache",),
    ("model", "prompt"): ("prompt_version",),
    ("data", "retrieval"): ("retrieval_ms", "citation_count", "embedder_version", "index_version"),
    ("safety", "safety_filter"): ("safety_input_verdict", "safety_output_verdict", "safety_category"),
    ("cost", "spend"): ("cost_usd",),
}  # fmt: skip
_CAUSE_OF = {metric: pair for pair, metrics in _CAUSES.items() for metric in metrics}
_OF_ANSWERS, _OF_PROMPTS = ("model", "provider"), ("data", "prompt")
"""Of every other metric: sizes, languages, topics and manner of answers (`output_...`), and those of what people ask."""


@dataclass(frozen=True)
class Overlaps:
    """Which share of a segment's requests lies in another segment, too."""

    members: Mapping[tuple[str, str], np.ndarray]
    n: np.ndarray

    def share(self, of: Row, within: Row) -> float:
        mine, other = (self.members[row["segment_kind"], row["segment"]] for row in (of, within))
        total = float(self.n[mine].sum())
        return float(self.n[mine & other].sum()) / total if total else 0.0


def changes(
    day: date,
    drift_verdicts: pl.DataFrame,
    changes: pl.DataFrame,
    profiles: pl.DataFrame,
    requests: pl.DataFrame,
    features: pl.DataFrame,
) -> pl.DataFrame:
    """One row per alarm of `day`, with the change that it tells of.

    `drift_verdicts`, `profiles`, `requests`: rows of `day`; `changes`: this table's rows of the three days before, whose
    names go on; `features`: which environments count.
    """
    if drift_verdicts.is_empty():
        return pl.DataFrame(schema=_SCHEMA)
    alarms = list(drift_verdicts.sort(KEY).iter_rows(named=True))
    known = {_key(row): row for row in changes.sort("day").iter_rows(named=True)}
    leaders = {key for key, row in known.items() if row["place"] == 1}
    overlaps = _overlaps(alarms, profiles, counted(requests, features))
    groups = _together(alarms, leaders, overlaps)
    rows = [row for called, of_it in _named(groups, known) for row in _rows(day, called, of_it, overlaps)]
    return pl.DataFrame([{name: row[name] for name in _SCHEMA} for row in rows], schema=_SCHEMA).sort(KEY)


def _clearest(alarm: Row) -> tuple[Any, ...]:
    """Sorts the largest effect first, in floors."""
    return -alarm["effect"] / alarm["floor"], _key(alarm)


def _key(alarm: Row) -> Key:
    return tuple(alarm[name] for name in KEY)


def _overlaps(alarms: Sequence[Row], profiles: pl.DataFrame, requests: pl.DataFrame) -> Overlaps:
    """Of the day's requests; a segment `(others)` holds the names that no segment of the day has."""
    combined = requests.group_by(SEGMENTS).len().sort(SEGMENTS)

    def inside(kind: str, segment: str) -> np.ndarray:
        if kind == "all":
            return np.ones(combined.height, dtype=bool)
        if segment != "(others)":
            return (combined[kind] == segment).fill_null(False).to_numpy()
        named = profiles.filter(pl.col("segment_kind") == kind)["segment"].unique()
        return (~combined[kind].is_in(named.to_list())).fill_null(False).to_numpy()

    return Overlaps({name: inside(*name) for name in {_segment(alarm) for alarm in alarms}}, combined["len"].to_numpy())


def _explains(cause: Row, seen: Row, overlaps: Overlaps) -> bool:
    """Whether what moved in the segment of `cause` accounts for what is seen in the other: as a part of it, or around it.

    In a larger segment a part's effect is thinned: distances of numbers and shares of clusters by the part's share; the
    Jensen-Shannon distance of a category that was not there before by its root.
    """
    share = overlaps.share(seen, within=cause)
    thinned = share if seen["family"] in ("numeric", "embedding") else share**0.5
    return bool(thinned * cause["effect"] >= ENOUGH * seen["effect"])


def _together(alarms: Sequence[Row], leaders: Collection[Key], overlaps: Overlaps) -> list[list[Row]]:
    """Groups of alarms that tell of one change, the clearest first.

    Each alarm joins the clearest one of its metric whose segment explains it, or is explained by it, and the clearest one of
    its segment: where these are of two groups, it shows that they are one. Else it is a change of its own. All began within
    days of each other, but for the `leaders`, which name a change since the nights before: whatever they explain is theirs,
    however late it is noticed, and two that were known apart stay apart.
    """
    group_of: dict[Key, list[Row]] = {}
    groups: list[list[Row]] = []
    placed: list[Row] = []

    def joined(alarm: Row) -> list[list[Row]]:
        near = [a for a in placed if abs(a["since_day"] - alarm["since_day"]) <= NEAR]
        led = [a for a in placed if _key(a) in leaders and _explains(a, alarm, overlaps)]
        of_metric = [
            a
            for a in near
            if _metric(a) == _metric(alarm) and (_explains(a, alarm, overlaps) or _explains(alarm, a, overlaps))
        ]
        of_metric += [a for a in led if _metric(a) == _metric(alarm)]
        of_segment = [a for a in near if _segment(a) == _segment(alarm)]
        if of_metric and alarm["segment_kind"] == "all":
            of_segment = []  # All requests show every change: that makes none of them one.
        return [group_of[_key(found[0])] for found in (of_metric, of_segment) if found]

    for alarm in sorted(alarms, key=_clearest):
        group, *others = joined(alarm) or [[]]
        if not group:
            groups.append(group)
        for other in others:
            if other is not group and not (_is_led(group, leaders) and _is_led(other, leaders)):
                groups[:] = [g for g in groups if g is not other]
                group.extend(other)
        group.append(alarm)
        placed.append(alarm)
        group_of |= {_key(member): group for member in group}
    return [sorted(group, key=_clearest) for group in groups]


def _is_led(group: Sequence[Row], leaders: Collection[Key]) -> bool:
    return any(_key(alarm) in leaders for alarm in group)


def _metric(alarm: Row) -> tuple[str, str]:
    return alarm["family"], alarm["metric"]


def _segment(alarm: Row) -> tuple[str, str]:
    return alarm["segment_kind"], alarm["segment"]


def _named(groups: Sequence[list[Row]], known: Mapping[Key, Row]) -> list[tuple[Row, list[Row]]]:
    """(what a change is called, its alarms): an alarm keeps its change of the nights before; what is new joins the oldest
    change of those that it was found with, or founds one."""
    found: dict[str, tuple[Row, list[Row]]] = {}
    for alarms in groups:
        of_before = [known[_key(alarm)] for alarm in alarms if _key(alarm) in known]
        oldest = min(of_before, key=lambda row: (row["change_since_day"], row["change_id"]), default=None)
        for alarm in alarms:
            called = known.get(_key(alarm), oldest or _founded(alarms))
            found.setdefault(called["change_id"], (called, []))[1].append(alarm)
    return list(found.values())


def _founded(alarms: Sequence[Row]) -> Row:
    since = min(alarm["since_day"] for alarm in alarms)
    name = sha256("\x1f".join([since.isoformat(), *_key(alarms[0])]).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return {"change_id": name, "change_family": alarms[0]["family"], "change_since_day": since}


def _rows(day: date, called: Row, alarms: Sequence[Row], overlaps: Overlaps) -> list[Row]:
    """The alarms of a change, the one that names it first, and the others as clear as they are."""
    ranked = sorted(alarms, key=_clearest)
    first = _namer(ranked, overlaps)
    ranked = [first, *(alarm for alarm in ranked if alarm is not first)]
    of_side = _OF_ANSWERS if first["metric"].startswith("output_") else _OF_PROMPTS
    cause_class, component = _CAUSE_OF.get(first["metric"], of_side)
    of_change = {name: called[name] for name in _NAME} | {"cause_class": cause_class, "component": component, "day": day}
    tickets = [_ticket(ranked), *[None] * (len(ranked) - 1)]
    return [
        {**alarm, **of_change, "place": place, "ticket": ticket}
        for place, (alarm, ticket) in enumerate(zip(ranked, tickets, strict=True), 1)
    ]


def _namer(ranked: Sequence[Row], overlaps: Overlaps) -> Row:
    """Of the alarms of the clearest metric, the one that explains most of the others; then the clearest; then the most
    specific, features before models before tenants before all."""
    candidates = [alarm for alarm in ranked if _metric(alarm) == _metric(ranked[0])]
    order = [*SEGMENTS, "all"]

    def rank(alarm: Row) -> tuple[Any, ...]:
        explained = sum(_explains(alarm, other, overlaps) for other in candidates)
        return -explained, -alarm["effect"], order.index(alarm["segment_kind"]), _key(alarm)

    return min(candidates, key=rank)


def _ticket(ranked: Sequence[Row]) -> str:
    """The title of the first, what else moved, and how much stands behind it: that of the best reference among them."""
    first, others = ranked[0], ranked[1:]
    metrics = sorted({alarm["metric"] for alarm in others} - {first["metric"]})
    segments = len({_segment(alarm) for alarm in others} - {_segment(first)})
    more = []
    if metrics:
        more.append(f"also {', '.join(metrics[:3])}" + (f" and {len(metrics) - 3} more metrics" if len(metrics) > 3 else ""))
    if segments:
        more.append(f"seen in {segments} more segment{'s' if segments > 1 else ''}")
    mark = "" if first["status"] == "full" else f" ({first['status']})"
    counted_too = f"; {', '.join(more)} ({len(others)} more test{'s' if len(others) > 1 else ''})" if more else ""
    return f"{first['title']}{counted_too}{mark}"
