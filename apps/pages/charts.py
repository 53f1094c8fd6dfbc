"""Charts with axes as Vega-Lite specifications, drawn by resources/charts.py; their colours follow the page's scheme.

Here belongs which marks show a panel's rows. Colours are names of the page's style (static/pages.css), so that one picture
serves light and dark; each point says its value where the pointer rests.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from apps.pages.figures import figure, interval, is_known
from apps.pages.panels import Panel
from resources.charts import svg

Row = dict[str, Any]
Spec = dict[str, Any]

WIDTH, HEIGHT = 420, 150
SERIES = tuple(f"var(--series-{number})" for number in range(1, 7))
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
"""A series is told by its shape as well as by its colour."""
INK, LINE, TARGET = "var(--soft)", "var(--line)", "var(--target)"
BAR = 22
MOST_BARS = 12
_FORMAT = {"share": ".3~%", "USD": "$,~f"}
_LABEL = {
    "ms": "datum.value >= 1000 ? format(datum.value / 1000, '~g') + ' s' : format(datum.value, '~g') + ' ms'",
    "count": "datum.value >= 10000 ? format(datum.value, '~s') : format(datum.value, ',~g')",
}
_DAY = "utcFormat(datum.value, '%d %b')"
_HOUR = f"utchours(datum.value) == 0 ? {_DAY} : utcFormat(datum.value, '%H:%M')"
"""Of a time: the day where one begins. Both on each tick would run into each other on a narrow page."""
_SYMBOL = re.compile(r'<path aria-label="([^"]*)" role="graphics-symbol"([^>]*?)/>')
_OTHER_WORDS = re.compile(r' (?:aria-[a-z]+|role)="[^"]*"')


def line(panel: Panel, rows: Sequence[Row], key: str) -> str:
    """Values over time, a line for each series; its interval as a band, the target dashed. Empty where nothing is known."""
    known = [row for row in rows if is_known(row["value"]) and is_known(row["moment"])]
    if not known:
        return ""
    names = list(dict.fromkeys(str(row.get("series") or "") for row in rows))[: len(SERIES)]
    values = [_point(panel, row) for row in known if str(row.get("series") or "") in names]
    is_daily = not isinstance(known[0]["moment"], datetime)
    x: Spec = {
        "field": "at", "type": "temporal", "scale": {"type": "utc"},
        "axis": {
            "title": None, "labelExpr": _DAY if is_daily else _HOUR, "tickCount": 5, "grid": False,
            "labelOverlap": "greedy", "labelSeparation": 14,
        },
    }  # fmt: skip
    y = _measure(panel, is_from_zero=panel.unit in ("USD", "count", "ms"))
    colour: Spec = {
        "field": "series", "type": "nominal", "scale": {"domain": names, "range": list(SERIES[: len(names)])},
        "legend": {} if len(names) > 1 else None,
    }  # fmt: skip
    shape = {**colour, "scale": {"domain": names, "range": list(SHAPES[: len(names)])}}
    layers: list[Spec] = []
    if len(names) == 1 and all("low" in value for value in values):
        band: Spec = {"type": "area", "opacity": 0.18, "color": SERIES[0], "aria": False}
        layers.append({"mark": band, "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}})
    at: Spec = {"x": x, "y": {**y, "field": "value"}, "color": colour}
    point: Spec = {"type": "point", "filled": True, "size": 26, "opacity": 1}
    layers += [
        {"mark": {"type": "line", "strokeWidth": 1.75, "aria": False}, "encoding": at},
        {"mark": point, "encoding": {**at, "shape": shape, "description": {"field": "words"}}},
    ]
    return _drawn({"width": WIDTH, "height": HEIGHT, "layer": [*_targets(rows, "y"), *layers]}, values, key)


def bars(panel: Panel, rows: Sequence[Row], key: str) -> str:
    """A bar a name, its interval as a whisker, its target as a tick."""
    known = [row for row in rows if is_known(row["value"])][:MOST_BARS]
    if not known:
        return ""
    values = [_point(panel, row) for row in known]
    y: Spec = {
        "field": "name", "type": "nominal", "sort": [value["name"] for value in values],
        "axis": {"title": None, "domain": False, "ticks": False, "labelLimit": 170, "labelPadding": 10},
    }  # fmt: skip
    # A dot for a share: a bar that does not begin at zero lies, and one that does hides 99.2 % against 99.9 %.
    is_share = panel.unit == "share"
    x = _measure(panel, is_from_zero=not is_share)
    dot: Spec = {"type": "point", "filled": True, "size": 70, "opacity": 1, "color": SERIES[0]}
    bar: Spec = {"type": "bar", "height": {"band": 0.62}, "cornerRadiusEnd": 2, "color": SERIES[0]}
    layers: list[Spec] = []
    if is_share:
        layers.append({
            "mark": {"type": "rule", "color": SERIES[0], "strokeWidth": 2, "aria": False},
            "transform": [{"filter": "isValid(datum.low)"}],
            "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}},
        })  # fmt: skip
    layers.append({
        "mark": dot if is_share else bar,
        "encoding": {"y": y, "x": {**x, "field": "value"}, "description": {"field": "words"}},
    })  # fmt: skip
    if any("target" in value for value in values):
        layers.append({
            "mark": {"type": "tick", "color": TARGET, "thickness": 2, "size": BAR - 6, "aria": False},
            "transform": [{"filter": "isValid(datum.target)"}],
            "encoding": {"y": y, "x": {**x, "field": "target"}},
        })  # fmt: skip
    return _drawn({"width": WIDTH - 70, "height": {"step": BAR}, "layer": layers}, values, key)


def _point(panel: Panel, row: Row) -> Row:
    """A row as Vega takes it: no NULL, no DECIMAL; with the words that tell it."""
    value = float(row["value"])
    point: Row = {"value": value, "series": str(row.get("series") or "")}
    for name in ("low", "high", "target"):
        if is_known(row.get(name)):
            point[name] = float(row[name])
    if "name" in row:
        point["name"] = str(row["name"]) if is_known(row["name"]) else "(none)"
    if "moment" in row:
        point["at"] = _moment(row["moment"])
    told = [str(point["name"]) if "name" in point else figure(row.get("moment")), str(row.get("series") or "")]
    found = [figure(row["value"], panel.unit)]
    if span := interval(row.get("low"), row.get("high"), panel.unit):
        found.append(f"({span})")
    if is_known(row.get("n")):
        found += ["n =", figure(row["n"])]
    point["words"] = f"{' '.join(filter(None, told))}: {' '.join(found)}"
    return point


def _measure(panel: Panel, is_from_zero: bool) -> Spec:
    """The axis of the values, in the panel's unit."""
    axis: Spec = {"title": None, "tickCount": 4, "domain": False, "ticks": False}
    if panel.unit in _LABEL:
        axis["labelExpr"] = _LABEL[panel.unit]
    else:
        axis["format"] = _FORMAT.get(panel.unit, "~g")
    return {"type": "quantitative", "scale": {"zero": is_from_zero, "nice": True}, "axis": axis}


def _moment(at: Any) -> str:
    if isinstance(at, datetime):
        return f"{at:%Y-%m-%dT%H:%M:%S}Z"
    return f"{at.isoformat()}T00:00:00Z" if isinstance(at, date) else str(at)


def _targets(rows: Sequence[Row], axis: str) -> list[Spec]:
    found = sorted({float(row["target"]) for row in rows if is_known(row.get("target"))})[:3]
    rule = {"type": "rule", "color": TARGET, "strokeDash": [5, 4], "strokeWidth": 1.25, "aria": False}
    level: Spec = {axis: {"field": "level", "type": "quantitative"}}
    return [{"data": {"values": [{"level": target}]}, "mark": rule, "encoding": level} for target in found]


def _drawn(spec: Spec, values: list[Row], key: str) -> str:
    """The chart as SVG that stands in a page: it scales, its names are its own, and each mark has its words as a title."""
    axis = {
        "labelColor": INK, "gridColor": LINE, "domainColor": LINE, "tickColor": LINE, "labelFontSize": 11, "labelPadding": 5,
    }  # fmt: skip
    legend = {
        "labelColor": INK, "title": None, "orient": "bottom", "columns": 3, "labelFontSize": 11, "labelLimit": 130,
        "symbolSize": 50, "columnPadding": 24,
    }  # fmt: skip
    whole = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "background": "transparent",
        "padding": {"left": 8, "right": 6, "top": 4, "bottom": 2},
        "data": {"values": values},
        "config": {"aria": True, "font": "system-ui, sans-serif", "view": {"stroke": None}, "axis": axis, "legend": legend},
        **spec,
    }
    return _in_page(svg(whole), key)


def _in_page(drawn: str, key: str) -> str:
    titled = _SYMBOL.sub(r"<path\2><title>\1</title></path>", drawn)
    plain = _OTHER_WORDS.sub("", titled)
    unique = re.sub(r'(id="|url\(#)([a-z_]+\d+)', rf"\g<1>{key}-\2", plain)
    return re.sub(
        r'<svg [^>]*?(width="\d+" height="\d+" viewBox="[^"]*")[^>]*>',
        r'<svg class="chart" aria-hidden="true" \1>',
        unique,
        count=1,
    )
