"""What a change of traffic looks like: charts of drift.changes as Vega-Lite, for the Dagster UI and for pages.

Here belongs which marks show an effect over time, what lies behind it and its distribution; rows come in, specifications go
out, and resources/charts.py draws them. They hold names, numbers and days, and no words of users.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl

from assets.drift.family_arrays import CLUSTERS, KEY, LOG_STEP

Row = dict[str, Any]
Spec = dict[str, Any]

BEFORE, AFTER, ALARM, INK, GRID = "#8b95a5", "#3b82f6", "#e4572e", "#70778a", "#8b95a533"
"""Seen on white and on black alike: a picture does not know the theme of the page that shows it."""
LINES = (AFTER, "#cb7a1c", "#2aa198")
NAMED_LINES = len(LINES)
LEAST_RISE = 0.2
"""Of the largest rise: what rose less did not grow."""
BARS = 8
BANDS = 30
"""A numeric distribution is drawn in so many equal steps of its logarithm."""
EDGE = 0.005
"""Share at each end that is not drawn: one huge value would leave no room for the others."""
LONGEST_NAME = 20
BLOCKS = "▁▂▃▄▅▆▇█"
DAYS = 59
"""As many as the tests look at: the window, and the reference before it."""
TESTS = ["day", *KEY, "n", "effect", "night_effect", "floor", "is_alarm"]
PROFILES = ["day", *KEY, "bin", "n"]
"""Columns of drift.drift_tests, and of drift.profiles and its like, that pictures are made of."""
SIZE = {"width": 270, "height": 150}
_TIME: Spec = {
    "field": "day", "type": "temporal", "timeUnit": "utcyearmonthdate",
    "axis": {"title": None, "format": "%d %b", "tickCount": 4, "grid": False},
}  # fmt: skip
_UNIT = {
    "numeric": "standard deviations",
    "categorical": "Jensen-Shannon distance",
    "embedding": "rise of a cluster's share",
}


def stored_metric(change: Row) -> str:
    """The metric of drift.profiles that shows a change: of embeddings, the counts of their clusters."""
    return f"{change['metric']}{CLUSTERS}" if change["family"] == "embedding" else str(change["metric"])


def picture(change: Row, tests: pl.DataFrame, profiles: pl.DataFrame) -> Spec:
    """One change: its effect over time, what lies behind it over time, and its distribution before and in the window.

    `change`: a row of drift.changes. `tests`, `profiles`: rows of that test and of `stored_metric` of the 59 days up to its
    day, and no others.
    """
    bins = profiles.filter(pl.col("bin").is_not_null() & (pl.col("n") > 0))
    is_numeric = change["family"] == "numeric"
    panels = [
        effect_over_time(change, tests),
        quantiles_over_time(change, bins) if is_numeric else shares_over_time(change, bins),
        bands(change, bins) if is_numeric else bars(change, bins),
    ]
    return {
        **styled({"hconcat": panels, "spacing": 28, "resolve": {"scale": {"color": "independent"}}}),
        "title": {
            "text": f"{_what(change)}, since {change['change_since_day']}",
            "subtitle": f"{change['day']}, n = {change['n']:,} in three days ({change['status']})",
            "anchor": "start", "color": INK, "subtitleColor": INK, "fontSize": 13, "offset": 12,
        },
    }  # fmt: skip


def line(change: Row, tests: pl.DataFrame) -> str:
    """A change in a line of Markdown: what, since when, and its nights' effects as blocks, eight of them as high as the
    largest; a dot is a night that was not asked."""
    days = [change["day"] - timedelta(days=ago) for ago in range(DAYS - 1, -1, -1)]
    known = dict(tests.drop_nulls("night_effect").select("day", "night_effect").iter_rows())
    largest = max([*known.values(), change["floor"]])
    nights = "".join("·" if (e := known.get(day)) is None else BLOCKS[max(0, round(7 * e / largest))] for day in days)
    plain = " ".join(_what(change).replace("`", "'").split())
    return (
        f"`{plain}` since {change['change_since_day']}, n = {change['n']:,} in three days ({change['status']})\n\n"
        f"`{nights}` night by night up to {largest:.2g} {_UNIT.get(change['family'], '')}, floor {change['floor']:g}"
    )


def styled(spec: Spec) -> Spec:
    """A chart as all charts of the house look; no background, so that it lies on a light page and on a dark one."""
    axis = {
        "labelColor": INK, "titleColor": INK, "titleFontWeight": "normal", "gridColor": GRID, "domainColor": GRID,
        "tickColor": GRID, "labelFontSize": 10, "titleFontSize": 11, "labelLimit": 140,
    }  # fmt: skip
    legend = {
        "labelColor": INK, "title": None, "orient": "bottom", "columns": 2, "labelFontSize": 10, "labelLimit": 140,
        "symbolSize": 60,
    }  # fmt: skip
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "background": "transparent",
        "config": {
            "aria": False, "font": "sans-serif", "view": {"stroke": None}, "axis": axis, "legend": legend,
            "title": {"color": INK, "fontSize": 11, "fontWeight": "normal", "anchor": "start"},
        },
        **spec,
    }  # fmt: skip


def effect_over_time(change: Row, tests: pl.DataFrame) -> Spec:
    """Each night's effect (dots) and that of three nights (line) against the floor; nights of an alarm are marked."""
    rows = tests.sort("day").select("day", "effect", "night_effect", "is_alarm", "floor")
    unit = _UNIT.get(change["family"], "effect")
    y: Spec = {"field": "effect", "type": "quantitative", "axis": {"title": unit, "tickCount": 4}}
    night: Spec = {**y, "field": "night_effect"}
    colour = {"condition": {"test": "datum.is_alarm", "value": ALARM}, "value": BEFORE}
    return {
        **SIZE,
        "title": "effect: night (dots), three nights (line), floor (dashed)",
        "data": {"values": _values(rows)},
        "layer": [
            _ruled({"y": {"datum": float(change["floor"])}}),
            {"mark": {"type": "line", "color": INK, "strokeWidth": 1.5}, "encoding": {"x": _TIME, "y": y}},
            {
                "mark": {"type": "point", "filled": True, "size": 22, "opacity": 1},
                "encoding": {"x": _TIME, "y": night, "color": colour},
            },
        ],
    }


def shares_over_time(change: Row, bins: pl.DataFrame) -> Spec:
    """The share of the categories, or the clusters, that grew most, day by day."""
    rise = pl.col("after") - pl.col("before")
    shares = _shares(change, bins).sort(rise, "name", descending=[True, False]).filter(rise >= LEAST_RISE * rise.max())
    shown = shares["bin"].head(NAMED_LINES).to_list()
    daily = bins.with_columns(total=pl.col("n").sum().over("day"))
    days = daily.select("day", "total").unique("day")
    rows = (
        days.join(pl.DataFrame({"bin": shown}, schema={"bin": pl.String}), how="cross")
        .join(daily.select("day", "bin", "n"), on=["day", "bin"], how="left")
        .with_columns(share=pl.col("n").fill_null(0) / pl.col("total"))
        .join(shares.select("bin", "name"), on="bin")
        .sort("day", "name")
        .select("day", "name", "share")
    )
    names = shares["name"].head(NAMED_LINES).to_list()
    return {
        **SIZE,
        "title": "share of a day, of what grew most",
        "data": {"values": _values(rows)},
        "layer": [
            _since(change),
            {
                "mark": {"type": "line", "strokeWidth": 1.5},
                "encoding": {
                    "x": _TIME,
                    "y": _percent("share"),
                    "color": {"field": "name", "type": "nominal", "scale": {"domain": names, "range": list(LINES)}},
                },
            },
        ],
    }


def quantiles_over_time(change: Row, bins: pl.DataFrame) -> Spec:
    """The median of each day, and the band that four fifths of its values lie in (within 1 %, from the stored bins)."""
    level = pl.col("bin").replace("", None).cast(pl.Int64, strict=False)
    ordered = bins.with_columns(level=level.fill_null(level.min() - 1)).sort("day", "level")
    reached = pl.col("n").cum_sum().over("day") / pl.col("n").sum().over("day")
    ordered = ordered.with_columns(reached=reached, x=_value(pl.col("level"), pl.col("bin") == ""))
    at = {f"p{round(100 * q)}": pl.col("x").filter(pl.col("reached") >= q - 1e-12).first() for q in (0.1, 0.5, 0.9)}
    rows = ordered.group_by("day").agg(**at).sort("day")
    axis = {"title": change["metric"], "tickCount": 4, "format": "~s"}
    y = {"type": "quantitative", "axis": axis, "scale": {"zero": False}}
    return {
        **SIZE,
        "title": "median of a day, and four fifths of its values",
        "data": {"values": _values(rows)},
        "layer": [
            _since(change),
            {
                "mark": {"type": "area", "color": AFTER, "opacity": 0.25},
                "encoding": {"x": _TIME, "y": {"field": "p10", **y}, "y2": {"field": "p90"}},
            },
            {
                "mark": {"type": "line", "color": AFTER, "strokeWidth": 1.5},
                "encoding": {"x": _TIME, "y": {"field": "p50", **y}},
            },
        ],
    }


def bars(change: Row, bins: pl.DataFrame) -> Spec:
    """The shares before and in the window, of what changed most; the rest together."""
    shares = _shares(change, bins).sort((pl.col("after") - pl.col("before")).abs(), "name", descending=[True, False])
    shown, rest = shares.head(BARS), shares.slice(BARS)
    if not rest.is_empty():
        sums = rest.select(pl.col("before", "after").sum()).with_columns(name=pl.lit(f"{rest.height} others"))
        shown = pl.concat([shown.select("name", "before", "after"), sums.select("name", "before", "after")])
    long = shown.select("name", "before", "after").unpivot(index="name", variable_name="when", value_name="share")
    return {
        **SIZE,
        "title": "share, before and now",
        "data": {"values": _values(long)},
        "mark": {"type": "bar", "height": {"band": 0.9}},
        "encoding": {
            "y": {"field": "name", "type": "nominal", "sort": shown["name"].to_list(), "axis": {"title": None}},
            "yOffset": {"field": "when", "sort": ["before", "after"]},
            "x": _percent("share"),
            "color": _when(),
        },
    }


def bands(change: Row, bins: pl.DataFrame) -> Spec:
    """The distribution before and in the window, over equal steps of the logarithm; zeros stand in the title."""
    rows = _when_of(change, bins).with_columns(share=pl.col("n") / pl.col("n").sum().over("when"))
    zeros = dict(rows.filter(pl.col("bin") == "").group_by("when").agg(pl.col("share").sum()).iter_rows())
    rows = rows.filter(pl.col("bin") != "").with_columns(level=pl.col("bin").cast(pl.Int64)).sort("level")
    reached = (rows["n"].cum_sum() / max(rows["n"].sum(), 1)).to_numpy()
    inside = rows.filter((reached >= EDGE) & (reached <= 1 - EDGE))
    first, last = (int(inside["level"].item(at)) for at in (0, -1)) if inside.height else (0, 0)
    width = max(1, -(-(last - first + 1) // BANDS))
    counted = inside.group_by("when", at=(pl.col("level") - first) // width).agg(pl.col("share").sum())
    places = pl.DataFrame({"at": range((last - first) // width + 1)}, schema={"at": pl.Int64})
    shares = (
        pl.DataFrame({"when": ["before", "after"]})
        .join(places, how="cross")
        .join(counted, on=["when", "at"], how="left")
        .with_columns(pl.col("share").fill_null(0.0), x=_value(first + (pl.col("at") + 0.5) * width, pl.lit(False)))
        .sort("when", "x")
        .select("when", "x", "share")
    )
    of_zero = f" (zero: {zeros.get('before', 0):.1%} -> {zeros.get('after', 0):.1%})" if zeros else ""
    return {
        **SIZE,
        "title": f"share of requests, before and now{of_zero}",
        "data": {"values": _values(shares)},
        "mark": {"type": "area", "interpolate": "monotone", "fillOpacity": 0.2, "line": {"strokeWidth": 1.5}},
        "encoding": {
            "x": {
                "field": "x", "type": "quantitative", "scale": {"type": "log", "nice": False},
                "axis": {"title": change["metric"], "tickCount": 4, "format": "~s", "grid": False},
            },
            "y": {**_percent("share"), "stack": None},
            "color": _when(),
        },
    }  # fmt: skip


def _when_of(change: Row, bins: pl.DataFrame) -> pl.DataFrame:
    """Bins of the days before the change and of the window, `when` each; days between belong to neither."""
    after = pl.col("day") > change["day"] - timedelta(days=3)
    before = pl.col("day") < change["change_since_day"]
    when = pl.when(after).then(pl.lit("after")).when(before).then(pl.lit("before"))
    return bins.with_columns(when=when).filter(pl.col("when").is_not_null())


def _shares(change: Row, bins: pl.DataFrame) -> pl.DataFrame:
    """`bin`, its `name`, and its share `before` and `after`."""
    sums = _when_of(change, bins).group_by("bin").agg(
        **{when: pl.col("n").filter(pl.col("when") == when).sum() for when in ("before", "after")}
    )
    prefix = "cluster " if change["family"] == "embedding" else ""
    sums = sums.sort("bin")
    return sums.select(
        "bin",
        pl.Series("name", _told_apart([f"{prefix}{name}" for name in sums["bin"]]), dtype=pl.String),
        *(pl.col(when) / pl.col(when).sum().clip(lower_bound=1) for when in ("before", "after")),
    )


def _what(change: Row) -> str:
    kind = change["segment_kind"]
    return f"{change['metric']} of " + ("all requests" if kind == "all" else f"{kind} {_short(change['segment'])}")


def _short(name: str) -> str:
    """Without its middle: versions differ at the end, and a line or a bar that two of them share is neither's."""
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[: half - 1]}…{name[-half:]}"


def _told_apart(names: list[str]) -> list[str]:
    """The names, short; those that are short the same have a number."""
    short = [_short(name) for name in names]
    return [name if short.count(name) == 1 else f"{name} ({short[:at].count(name) + 1})" for at, name in enumerate(short)]


def _value(level: pl.Expr, is_zero: pl.Expr) -> pl.Expr:
    """What stands for a log bin (sql/_macros: log_bin_value)."""
    return pl.when(is_zero).then(0.0).otherwise((level * LOG_STEP).exp() * 0.99)


def _values(rows: pl.DataFrame) -> list[Row]:
    """Rows as JSON holds them: days as text, four digits, NULL where there is none."""
    floats = [name for name, kind in rows.schema.items() if kind == pl.Float64]
    return rows.with_columns(pl.col(floats).round_sig_figs(4), pl.col(pl.Date).cast(pl.String)).to_dicts()


def _percent(field: str) -> Spec:
    return {"field": field, "type": "quantitative", "axis": {"title": None, "format": ".0%", "tickCount": 4}}


def _when() -> Spec:
    return {"field": "when", "type": "nominal", "scale": {"domain": ["before", "after"], "range": [BEFORE, AFTER]}}


def _since(change: Row) -> Spec:
    since: date = change["change_since_day"]
    of_day = {"year": since.year, "month": since.month, "date": since.day, "utc": True}
    return _ruled({"x": {"datum": of_day, "type": "temporal"}})


def _ruled(encoding: Spec) -> Spec:
    return {"data": {"values": [{}]}, "mark": {"type": "rule", "color": ALARM, "strokeDash": [4, 3]}, "encoding": encoding}
