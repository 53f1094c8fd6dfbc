"""What a release's first days look like: the rows of release.before_after as a table of Markdown and as a Vega-Lite chart.

Here belongs which marks show a version beside the one before; rows come in, specifications go out, and resources/charts.py
draws them. They hold names, numbers and days, and no words of users.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assets.drift.pictures import AFTER, ALARM, BEFORE, INK, styled

Row = dict[str, Any]
Spec = dict[str, Any]

TITLES = {
    "cost_usd": "cost of a request, USD",
    "output_tokens": "tokens of an answer",
    "failed_share": "failed, %",
    "refused_share": "refused, %",
    "blocked_share": "blocked by a filter, %",
    "capped_share": "cut at the cap, %",
    "slow_share": "over 5.12 s, %",
    "late_first_token_share": "first token over 1 s, %",
    "latency_p95_ms": "latency, 95 % quantile, s",
    "liked_share": "thumbs up, %",
}
"""The metrics in the order in which they are shown, with the unit that they are shown in."""
_FACTOR = {"cost_usd": 1.0, "output_tokens": 1.0, "latency_p95_ms": 0.001}
_COLUMNS = 5
_SIZE = {"width": 110, "height": 120}
_COLOUR = {"worse": ALARM, "better": "#2aa198"}


def largest(rows: Sequence[Row], most: int) -> list[list[Row]]:
    """The rows of the releases with the most requests since, release by release."""
    by_release: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        by_release.setdefault((row["feature"], row["environment"], row["prompt_version"]), []).append(row)
    ordered = sorted(by_release.items(), key=lambda one: (-max(row["n_after"] for row in one[1]), one[0]))
    return [found for _, found in ordered[:most]]


def line(rows: Sequence[Row]) -> str:
    """One release in a table of Markdown: each metric before and since, the difference with its interval, its reading."""
    first = rows[0]
    shown = sorted(rows, key=lambda row: list(TITLES).index(row["metric"]))
    lines = [
        f"`{_plain(first['feature'])}` in `{_plain(first['environment'])}`: `{_plain(first['before_version'])}` to "
        f"`{_plain(first['prompt_version'])}`, {first['days_live']} days live on {first['day']}",
        "",
        "| | before | since | difference (95 %) | |",
        "|---|---|---|---|---|",
    ]
    for row in shown:
        factor = _FACTOR.get(row["metric"], 100.0)
        before, after, change, low, high = (
            _number(row[name], factor)
            for name in ("value_before", "value_after", "difference", "difference_low", "difference_high")
        )
        counted = f"{before} (n {row['n_before']:,}) | {after} (n {row['n_after']:,})"
        reading = row["reading"].replace("_", " ")
        lines.append(f"| {TITLES[row['metric']]} | {counted} | {change} ({low} to {high}) | {reading} |")
    return "\n".join(lines)


def picture(rows: Sequence[Row]) -> Spec:
    """One release: of each metric both versions with their intervals; coloured where the difference shows something."""
    first = rows[0]
    shown = sorted(rows, key=lambda row: list(TITLES).index(row["metric"]))
    return {
        **styled({"concat": [_panel(row) for row in shown], "columns": _COLUMNS, "spacing": 24}),
        "title": {
            "text": f"{first['feature']} in {first['environment']}: {first['before_version']} to {first['prompt_version']}",
            "subtitle": f"{first['days_live']} days live on {first['day']}; points with 95 % intervals",
            "anchor": "start", "color": INK, "subtitleColor": INK, "fontSize": 13, "offset": 12,
        },
    }  # fmt: skip


def _panel(row: Row) -> Spec:
    factor = _FACTOR.get(row["metric"], 100.0)
    sides = (("before", BEFORE), ("after", _COLOUR.get(row["reading"], AFTER)))
    values = [
        {
            "version": row["before_version" if side == "before" else "prompt_version"],
            "colour": colour,
            **{name: _scaled(row[f"{name}_{side}"], factor) for name in ("value", "low", "high")},
        }
        for side, colour in sides
    ]
    x = {"field": "version", "type": "nominal", "sort": None, "axis": {"title": None, "labelAngle": 0}}
    colour = {"field": "colour", "type": "nominal", "scale": None}
    y: Spec = {"type": "quantitative", "scale": {"zero": False}, "axis": {"title": None, "tickCount": 4}}
    return {
        **_SIZE,
        "title": TITLES[row["metric"]],
        "data": {"values": values},
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 2},
                "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": colour},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
                "encoding": {"x": x, "y": {**y, "field": "value"}, "color": colour},
            },
        ],
    }


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _number(value: float | None, factor: float) -> str:
    return "not known" if value is None else f"{value * factor:.3g}"


def _plain(name: str) -> str:
    return " ".join(name.replace("`", "'").replace("|", "/").split())
