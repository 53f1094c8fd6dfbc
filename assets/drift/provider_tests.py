"""drift.provider_tests: has the provider changed what stands behind an endpoint? Golden prompts against themselves.

Here belongs what is compared of the answers, and the facts that need no test: a new model name, a new fingerprint, other
token counts for the same words. The paired test itself is paired.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from assets.drift.distances import Bools
from assets.drift.paired import LARGEST_Q, WINDOW_NIGHTS, Paired, paired
from assets.drift.tails import false_discovery_rate

REFERENCE_NIGHTS = 56
NAMED_PROMPTS = 5
COLUMNS = {
    "drift.probes": [
        "day", "endpoint", "prompt", "series", "asked_model", "error_class", "model", "system_fingerprint", "score",
        "is_refusal", "answer_characters", "answer_digest", "input_tokens", "latency_ms",
    ],
    "drift.provider_tests": ["day", "endpoint", "metric", "window_first_day", "is_alarm"],
}  # fmt: skip
_SCHEMA = {
    "day": pl.Date, "endpoint": pl.String, "family": pl.String, "metric": pl.String, "window_first_day": pl.Date,
    "n": pl.Int64, "n_reference": pl.Int64, "prompts": pl.Int64, "reference_days": pl.Int64, "status": pl.String,
    "effect": pl.Float64, "floor": pl.Float64, "statistic": pl.Float64, "p": pl.Float64, "q": pl.Float64,
    "is_alarm": pl.Boolean, "night_effect": pl.Float64, "value_before": pl.Float64, "value_after": pl.Float64,
    "seen_before": pl.String, "seen_after": pl.String, "moved": pl.String, "severity": pl.String, "title": pl.String,
}  # fmt: skip


@dataclass(frozen=True)
class Measure:
    """What is compared of an answer. `is_ratio`: on the logarithmic scale, effects are factors. `only_falls`: more of it is
    nothing to be told of."""

    floor: float
    what: str
    is_ratio: bool = False
    only_falls: bool = False


MEASURES = {
    "score": Measure(0.05, "scores"),
    "answer_characters": Measure(0.1, "answers' lengths", is_ratio=True),
    "latency_ms": Measure(0.3, "answers' times", is_ratio=True),
    "refusal": Measure(0.05, "refusals"),
    "known_answer": Measure(0.2, "answers known word for word", only_falls=True),
}
"""Floors: 5 points (of 20 prompts, one altogether); lengths by 10 %, times by a third; one known answer in five gone."""
FACTS = {"answered_model": 0.25, "input_tokens": 0.25, "system_fingerprint": None}
"""Share of tonight's answers that must be new for an alarm. Fingerprints change with every release of a provider: they
explain, and are no alarm of their own."""


def provider_tests(day: date, probes: pl.DataFrame, provider_tests: pl.DataFrame) -> pl.DataFrame:
    """One row per endpoint that was asked within the three nights up to `day`, and metric.

    `probes`: rows of drift.probes of [-58, 0]; `provider_tests`: this table's rows of [-58, -1], whose alarms keep nights
    out of the reference. NULL is what was not asked.
    """
    window_first = day - timedelta(days=WINDOW_NIGHTS - 1)
    rows, found = [], []
    for endpoint in sorted(probes.filter(pl.col("day") >= window_first)["endpoint"].unique()):
        answers = _of_now(probes.filter(pl.col("endpoint") == endpoint), window_first)
        base = {"day": day, "endpoint": endpoint, "family": "provider", "window_first_day": window_first}
        rows += [base | fact for fact in _facts(day, window_first, answers)]
        for metric, measure in MEASURES.items():
            values = _values(metric, answers, window_first).filter(pl.col("y").is_not_null())
            prompts, mean = _by_night(day, values)
            test = paired(mean, _alarmed_nights(day, endpoint, metric, provider_tests), measure.floor)
            found.append((len(rows), metric, test))
            rows.append(base | {"metric": metric} | _measured(measure, test, prompts, mean, values, window_first))
    q = false_discovery_rate(np.array([test.p for _, _, test in found]))
    for (place, metric, test), of_test in zip(found, q, strict=True):
        measure = MEASURES[metric]
        is_alarm = bool(of_test <= LARGEST_Q.get(test.status, -1.0)) and test.is_large(measure.floor, measure.only_falls)
        rows[place] |= {"q": float(of_test), "is_alarm": is_alarm}
        if is_alarm:
            rows[place] |= {"severity": "ticket", "title": _title(measure, rows[place])}
    table = pl.DataFrame([{name: row.get(name) for name in _SCHEMA} for row in rows], schema=_SCHEMA)
    return table.with_columns(pl.col(name).fill_nan(None) for name, kind in _SCHEMA.items() if kind == pl.Float64)


def _of_now(answers: pl.DataFrame, window_first: date) -> pl.DataFrame:
    """Answered rows of what is asked now: each prompt's newest series of the window. Edited ones begin anew."""
    now = (
        answers.filter(pl.col("day") >= window_first)
        .sort("day", "series")
        .group_by("prompt")
        .agg(pl.col("series", "asked_model").last())
    )
    return answers.join(now, on=["prompt", "series", "asked_model"]).filter(pl.col("error_class").is_null())


def _values(metric: str, answers: pl.DataFrame, window_first: date) -> pl.DataFrame:
    """day, prompt, y: the measure of each answer, on the scale on which it is compared."""
    if metric == "known_answer":
        is_reference = pl.col("day") < window_first
        given = answers.select("prompt", "answer_digest", given_on="day").filter(pl.col("given_on") < window_first).unique()
        known = given.group_by("prompt", "answer_digest").agg(pl.len().alias("nights"))
        # Its own night does not make an answer of the reference known.
        others = pl.col("nights").fill_null(0) - is_reference.cast(pl.Int64)
        return answers.join(known, on=["prompt", "answer_digest"], how="left").select(
            "day", "prompt", y=(others > 0).cast(pl.Float64)
        )
    y = {
        "score": pl.col("score"),
        "answer_characters": (pl.col("answer_characters") + 1).log(),
        "latency_ms": pl.col("latency_ms").clip(lower_bound=1.0).log(),
        "refusal": pl.col("is_refusal").cast(pl.Float64),
    }[metric]
    return answers.select("day", "prompt", y=y)


def _by_night(day: date, values: pl.DataFrame) -> tuple[list[str], Any]:
    """The prompts, and the mean of y [prompt, night] of the nights up to `day`; NaN where there is none."""
    nights = REFERENCE_NIGHTS + WINDOW_NIGHTS
    means = values.group_by("prompt", "day").agg(pl.col("y").mean())
    prompts = sorted(means["prompt"].unique())
    mean = np.full((len(prompts), nights), np.nan)
    ago = means.select((pl.lit(day) - pl.col("day")).dt.total_days()).to_series().to_numpy()
    at = np.searchsorted(np.array(prompts, dtype=str), means["prompt"].to_numpy().astype(str))
    mean[at, nights - 1 - ago] = means["y"].to_numpy()
    return prompts, mean


def _alarmed_nights(day: date, endpoint: str, metric: str, tests: pl.DataFrame) -> Bools:
    """Nights of the windows of earlier alarms."""
    nights = REFERENCE_NIGHTS + WINDOW_NIGHTS
    alarmed = np.zeros(nights, dtype=bool)
    of_test = tests.filter((pl.col("endpoint") == endpoint) & (pl.col("metric") == metric) & pl.col("is_alarm"))
    for first, last in of_test.select("window_first_day", "day").iter_rows():
        ago = nights - 1 - (day - first).days
        alarmed[max(ago, 0) : nights - (day - last).days] = True
    return alarmed


def _measured(
    measure: Measure, test: Paired, prompts: list[str], mean: Any, values: pl.DataFrame, window_first: date
) -> dict[str, Any]:
    in_window = int((values["day"] >= window_first).sum())
    row: dict[str, Any] = {
        "n": in_window, "n_reference": values.height - in_window, "prompts": test.questions,
        "reference_days": test.reference_days, "status": test.status, "effect": test.effect, "floor": measure.floor,
        "statistic": test.statistic, "p": test.p, "night_effect": float(test.night_effects[-1]),
    }  # fmt: skip
    is_paired = np.isfinite(test.shift)
    if not is_paired.any():
        return row
    after = np.nanmean(mean[is_paired, -WINDOW_NIGHTS:], axis=1)
    before = after - test.shift[is_paired]
    scale = np.exp if measure.is_ratio else (lambda x: x)
    by_size = np.argsort(-test.shift[is_paired] * np.sign(test.effect), kind="stable")[:NAMED_PROMPTS]
    names = np.array(prompts)[is_paired]
    shifts = test.shift[is_paired] * np.sign(test.effect)
    moved = [f"{names[i]} {scale(before[i]):,.4g} -> {scale(after[i]):,.4g}" for i in by_size if shifts[i] > 1e-9]
    return row | {
        "value_before": float(scale(after.mean() - test.effect)),
        "value_after": float(scale(after.mean())),
        "moved": "; ".join(moved) or None,
    }


def _facts(day: date, window_first: date, answers: pl.DataFrame) -> list[dict[str, Any]]:
    """What needs no test: names and counts that tonight shows and no night before the window did.

    The effect is how far the shares of names rise tonight above the largest share that they had on any earlier night: 1
    where all is new. Of token counts: the share of prompts that are counted as on no earlier night.
    """
    rows = []
    for metric, floor in FACTS.items():
        column = "model" if metric == "answered_model" else metric
        said = answers.filter(pl.col(column).is_not_null())
        tonight, before = said.filter(pl.col("day") == day), said.filter(pl.col("day") < window_first)
        row: dict[str, Any] = {
            "metric": metric, "n": tonight.height, "n_reference": before.height, "prompts": tonight["prompt"].n_unique(),
            "reference_days": before["day"].n_unique(), "status": "not_enough_data", "floor": floor, "is_alarm": False,
        }  # fmt: skip
        rows.append(row)
        if tonight.is_empty() or before.is_empty():
            continue
        row["status"] = "fact"
        if metric == "input_tokens":
            effect, new = _new_counts(tonight, before)
            row["moved"] = "; ".join(new[:NAMED_PROMPTS]) or None
        else:
            effect = _rise(tonight, before, column)
            row |= {"seen_before": _names(before, column), "seen_after": _names(tonight, column)}
        row |= {"effect": effect, "night_effect": effect, "is_alarm": floor is not None and effect >= floor}
        if row["is_alarm"]:
            row |= {"severity": "ticket", "title": _fact_title(answers["endpoint"][0], row)}
    return rows


def _rise(tonight: pl.DataFrame, before: pl.DataFrame, column: str) -> float:
    shares = (
        before.group_by("day", column)
        .len()
        .with_columns(share=pl.col("len") / pl.col("len").sum().over("day"))
        .group_by(column)
        .agg(highest=pl.col("share").max())
    )
    now = tonight.group_by(column).len().with_columns(share=pl.col("len") / pl.col("len").sum())
    rise = now.join(shares, on=column, how="left").select(pl.col("share") - pl.col("highest").fill_null(0.0)).to_series()
    return float(rise.clip(lower_bound=0.0).sum())


def _new_counts(tonight: pl.DataFrame, before: pl.DataFrame) -> tuple[float, list[str]]:
    known = before.select("prompt", "input_tokens").unique()
    usual = before.group_by("prompt").agg(usual=pl.col("input_tokens").mode().min())
    asked = tonight.join(usual, on="prompt").select("prompt", "input_tokens", "usual").unique()
    new = asked.join(known, on=["prompt", "input_tokens"], how="anti").sort("prompt", "input_tokens")
    words = [f"{prompt} {usual} -> {now}" for prompt, now, usual in new.iter_rows()]
    return new["prompt"].n_unique() / max(asked["prompt"].n_unique(), 1), words


def _names(answers: pl.DataFrame, column: str) -> str:
    """The commonest names, up to five."""
    counted = answers.group_by(column).len().sort("len", column, descending=[True, False])
    return ", ".join(counted[column].head(5))


def _fact_title(endpoint: str, row: dict[str, Any]) -> str:
    if row["metric"] == "answered_model":
        return f"{endpoint} answers as {row['seen_after']}; before: {row['seen_before']}"
    return f"{endpoint} counts the tokens of the same prompts otherwise: {row['moved']}"


def _title(measure: Measure, row: dict[str, Any]) -> str:
    effect = row["effect"]
    by = f"by {np.expm1(effect):+.0%}" if measure.is_ratio else f"by {effect * 100:+.1f} points"
    means = f"{row['value_before']:,.3g} -> {row['value_after']:,.3g}"
    moved = f"; {row['moved']}" if row["moved"] else ""
    return f"{row['endpoint']}: {measure.what} changed {by} since {row['window_first_day']}, mean {means}{moved}"
