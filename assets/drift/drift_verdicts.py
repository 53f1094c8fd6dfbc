"""drift.drift_verdicts: what each alarm of a night means: what grew, since when, and a few requests that show it.

Here belongs the explanation of alarms. Whether there is one is decided in family.py; nothing here tests anything.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import polars as pl

from assets.drift.family_arrays import CLUSTERS, KEY, LOG_STEP
from assets.drift.style import STYLES

EXEMPLARS = 5
NAMED_BINS = 3
SEGMENTS = ("feature", "model", "tenant")
MEASURED = (
    "input_tokens", "output_tokens", "prompt_characters", "output_characters", "conversation_turn", "citation_count",
    "latency_ms", "time_to_first_token_ms", "retrieval_ms", "prompt_language", "output_language", "finish_reason",
    "error_class", "provider", "prompt_version", "route", "service_tier", "safety_input_verdict", "safety_output_verdict",
    "safety_category", "embedder_version", "index_version",
)  # fmt: skip
"""Metrics that are columns of a request; only these (and the model, which is a segment, too) have exemplars."""
_WAITED_FOR = ("latency_ms", "time_to_first_token_ms")
"""Of a batch, drift.profiles counts neither: nobody waits at it."""
COLUMNS = {
    "drift.drift_tests": ["day", *KEY, "window_first_day", "status", "n", "n_reference", "effect", "floor", "q", "is_alarm"],
    "drift.profiles": ["day", *KEY, "bin", "n", "value_sum"],
    "drift.text_profiles": ["day", *KEY, "bin", "n", "value_sum"],
    "drift.text_topics": ["request_id", "part", "reference", "cluster", "similarity", *SEGMENTS, *STYLES],
    "logs.requests": ["request_id", "environment", "is_shadow", "is_batch", *SEGMENTS, *MEASURED],
    "service.features": ["feature", "environments"],
}
_SCHEMA = {
    "day": pl.Date, "segment_kind": pl.String, "segment": pl.String, "family": pl.String, "metric": pl.String,
    "since_day": pl.Date, "window_first_day": pl.Date, "status": pl.String, "effect": pl.Float64, "floor": pl.Float64,
    "q": pl.Float64, "n": pl.Int64, "n_reference": pl.Int64, "direction": pl.String, "mean_before": pl.Float64,
    "mean_after": pl.Float64, "grew": pl.String, "shrank": pl.String, "grown_bin": pl.String,
    "exemplar_request_ids": pl.String,
    "severity": pl.String, "title": pl.String,
}  # fmt: skip


def drift_verdicts(
    day: date,
    drift_tests: pl.DataFrame,
    profiles: pl.DataFrame,
    text_profiles: pl.DataFrame,
    text_topics: pl.DataFrame,
    requests: pl.DataFrame,
    features: pl.DataFrame,
) -> pl.DataFrame:
    """One row per alarm of `day`.

    `drift_tests`, `profiles`, `text_profiles`: rows of [-58, 0]; `text_topics`, `requests`: those of `day`; `features`:
    which environments count.
    """
    alarms = drift_tests.filter((pl.col("day") == day) & pl.col("is_alarm")).sort(KEY)
    if alarms.is_empty():
        return pl.DataFrame(schema=_SCHEMA)
    seen = counted(requests, features)
    profiles = pl.concat([profiles, text_profiles])
    rows = []
    for alarm in alarms.iter_rows(named=True):
        since = _since(alarm, drift_tests)
        bands = _bands(alarm, since, drift_tests, profiles)
        grown = bands.filter(pl.col("change") > 0).sort("change", "name", descending=[True, False])
        shrunk = bands.filter(pl.col("change") < 0).sort("change", "name")
        figures = {
            **alarm,
            "since_day": since,
            **_figures(alarm["family"], bands),
            "grew": _words(grown),
            "shrank": _words(shrunk),
            "grown_bin": None if alarm["family"] == "numeric" or grown.is_empty() else grown["bin"][0][0],
            "exemplar_request_ids": ", ".join(_exemplars(alarm, grown, seen, text_topics)) or None,
            "severity": "ticket",
        }
        rows.append({**figures, "title": _title(figures)})
    return pl.DataFrame([{name: row[name] for name in _SCHEMA} for row in rows], schema=_SCHEMA)


def counted(requests: pl.DataFrame, features: pl.DataFrame) -> pl.DataFrame:
    """The requests that drift.profiles counts, in an order that is the same each time and says nothing."""
    of_feature = pl.col("environments").is_null() | pl.col("environment").is_in(pl.col("environments").str.split(","))
    return (
        requests.join(features, on="feature", how="left")
        .filter(~pl.col("is_shadow").fill_null(False) & of_feature.fill_null(False))
        .sort("request_id")
    )


def _of_test(alarm: dict[str, Any]) -> pl.Expr:
    return pl.all_horizontal(pl.col(name) == alarm[name] for name in KEY)


def _since(alarm: dict[str, Any], drift_tests: pl.DataFrame) -> date:
    """First day of the first window of the run of alarms, night after night, that this one ends."""
    test = drift_tests.filter(_of_test(alarm))
    quiet = test.filter(~pl.col("is_alarm"))["day"].max()
    run = test.filter(pl.col("is_alarm"))
    since: date = (run if quiet is None else run.filter(pl.col("day") > quiet))["window_first_day"].min()  # type: ignore
    return since


def _bands(alarm: dict[str, Any], since: date, drift_tests: pl.DataFrame, profiles: pl.DataFrame) -> pl.DataFrame:
    """What the metric's values were before and are in the window: `name`, the shares `before` and `after`, `change`, the
    `bins` in it and what they add up to. Categories and clusters are bins; of numbers, bins together make a band."""
    metric = f"{alarm['metric']}{CLUSTERS}" if alarm["family"] == "embedding" else alarm["metric"]
    earlier = drift_tests.filter(_of_test(alarm) & pl.col("is_alarm")).select(
        pl.date_ranges("window_first_day", "day").explode().unique().alias("day")
    )
    rows = profiles.filter(_of_test({**alarm, "metric": metric}) & pl.col("bin").is_not_null())
    before = rows.filter(pl.col("day") < since).join(earlier, on="day", how="anti").with_columns(is_after=False)
    after = rows.filter(pl.col("day") >= pl.lit(alarm["window_first_day"])).with_columns(is_after=True)
    bins = (
        pl.concat([before, after])
        .group_by("bin")
        .agg(
            n_before=pl.col("n").filter(~pl.col("is_after")).sum(),
            n_after=pl.col("n").filter(pl.col("is_after")).sum(),
            sum_before=pl.col("value_sum").filter(~pl.col("is_after")).sum(),
            sum_after=pl.col("value_sum").filter(pl.col("is_after")).sum(),
        )
        .with_columns(name=pl.col("bin"), level=pl.lit(None, pl.Float64))
    )
    if alarm["family"] == "numeric":
        bins = _named_bands(bins)
    elif alarm["family"] == "embedding":
        bins = bins.with_columns(name="cluster " + pl.col("bin"))
    shares = {what: pl.col(f"n_{what}") / pl.col(f"n_{what}").sum() for what in ("before", "after")}
    return (
        bins.with_columns(**shares)
        .with_columns(change=pl.col("after") - pl.col("before"))
        .with_columns(rise=pl.col("level") * pl.col("change"))
        .group_by("name")
        .agg(pl.col("n_before", "n_after", "sum_before", "sum_after", "before", "after", "change", "rise").sum(), "bin")
    )


def _named_bands(bins: pl.DataFrame) -> pl.DataFrame:
    """With the `name` of each bin's band, and its `level` in octaves. A band is about as wide as the values were spread
    before, from a sixteenth of an octave to a whole one; zero, and what is below it, is one of its own."""
    octaves = pl.col("bin").replace("", None).cast(pl.Int64) * (LOG_STEP / np.log(2))
    bins = bins.with_columns(level=octaves)
    positive = bins.filter(pl.col("level").is_not_null() & (pl.col("n_before") > 0))
    spread = 1.0
    if positive.height > 1:
        level, n = positive["level"].to_numpy(), positive["n_before"].to_numpy()
        spread = float(np.sqrt(np.cov(level, fweights=n, ddof=0)))
    width = float(2.0 ** np.clip(np.floor(np.log2(max(spread, 1e-9))), -4, 0))
    lowest = pl.col("level").min().fill_null(0.0) - 1

    def name(level: float) -> str:
        band = np.floor((level - 1e-9) / width)
        return f"{2 ** (band * width):,.4g} to {2 ** ((band + 1) * width):,.4g}"

    named = pl.col("level").map_elements(name, return_dtype=pl.String).fill_null("0")
    return bins.with_columns(name=named, level=pl.col("level").fill_null(lowest))


def _figures(family: str, bands: pl.DataFrame) -> dict[str, Any]:
    """Of numbers, the mean before and after, and whether their logarithms rose: that does not follow a few outliers."""
    if family != "numeric":
        return {"mean_before": None, "mean_after": None, "direction": "mix"}
    total = bands.select(pl.col("sum_before", "sum_after", "n_before", "n_after", "rise").sum()).row(0, named=True)
    return {
        "mean_before": total["sum_before"] / total["n_before"] if total["n_before"] else None,
        "mean_after": total["sum_after"] / total["n_after"] if total["n_after"] else None,
        "direction": "mix" if abs(total["rise"]) < 1e-6 else "up" if total["rise"] > 0 else "down",
    }


def _words(bands: pl.DataFrame) -> str | None:
    """The largest changes: `de: 2.0 % -> 14.1 %; fr: 1.0 % -> 3.0 %`."""
    changes = bands.head(NAMED_BINS).select("name", "before", "after").iter_rows()
    return "; ".join(f"{name}: {before:.1%} -> {after:.1%}".replace("%", " %") for name, before, after in changes) or None


def _exemplars(alarm: dict[str, Any], grown: pl.DataFrame, requests: pl.DataFrame, topics: pl.DataFrame) -> list[str]:
    """Requests of the day that lie in what grew most, of a cluster those nearest its centre; none where the metric, or the
    rest of the segments, is no column."""
    kind, metric = str(alarm["segment_kind"]), str(alarm["metric"])
    if grown.is_empty():
        return []
    of_segment = pl.lit(True) if kind == "all" else pl.col(kind) == alarm["segment"]
    bins = grown["bin"][0].to_list()
    if alarm["family"] == "embedding" or metric.removeprefix("output_") in STYLES:
        return _texts_like(metric, bins[0], topics.filter(of_segment))
    if metric not in (*MEASURED, "model") or alarm["segment"] == "(others)":
        return []
    value = pl.col(metric)
    if alarm["family"] == "numeric":
        bin_of = (pl.when(value > 0).then(value).cast(pl.Float64).log() / LOG_STEP).ceil()
        is_in = (value <= 0) if bins == [""] else bin_of.is_in([float(name) for name in bins])
    else:
        is_in = (value.fill_null("none") if metric == "error_class" else value).is_in(bins)
    is_in = is_in & ~(pl.lit(metric in _WAITED_FOR) & pl.col("is_batch").fill_null(False))
    found: list[str] = requests.filter(of_segment & is_in)["request_id"].head(EXEMPLARS).to_list()
    return found


def _texts_like(metric: str, grown: str, topics: pl.DataFrame) -> list[str]:
    """Requests whose text lies in the cluster `grown` of an embedding, or has the style that the metric asks for."""
    if (style := metric.removeprefix("output_")) in STYLES:
        is_like = (pl.col("part") == "output") & (pl.col(style) == (grown == "yes"))
    else:
        of_metric = pl.col("part") + "_embedding." + pl.col("reference") == metric
        is_like = of_metric & (pl.col("cluster").cast(pl.String) == grown)
    ranked = topics.filter(is_like).sort("similarity", "request_id", descending=[True, False], nulls_last=True)
    found: list[str] = ranked["request_id"].head(EXEMPLARS).to_list()
    return found


def _title(figures: dict[str, Any]) -> str:
    kind, segment = figures["segment_kind"], figures["segment"]
    where = "all requests" if kind == "all" else f"{kind} {segment}"
    what = {"up": "is higher", "down": "is lower", "mix": "is mixed differently"}[str(figures["direction"])]
    before, after = figures["mean_before"], figures["mean_after"]
    means = f", mean {before:,.6g} -> {after:,.6g}" if before is not None and after is not None else ""
    grew = f"; {figures['grew']}" if figures["grew"] else ""
    return f"{figures['metric']} of {where} {what} since {figures['since_day']}{means}{grew}"
