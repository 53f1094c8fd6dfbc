"""Days of drawn and judged answers, as the tables of `quality` that Python reads get them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import polars as pl

from assets.quality.judged import VERDICTS
from assets.quality.label_draw import Plan, frame_rows
from assets.quality.rates import COLUMNS, rates

DAY = date(2026, 11, 9)
Row = dict[str, Any]
_KINDS: dict[str, Any] = {
    "day": pl.Date, "draw": pl.Int64, "score": pl.Float64, "inclusion_probability": pl.Float64, "is_drawn": pl.Boolean,
    "is_random": pl.Boolean, "retrieval_score": pl.Float64, "labelled_at": pl.Datetime("us", "UTC"),
    **dict.fromkeys(VERDICTS, pl.Boolean),
}  # fmt: skip


def answer(name: str, **facts: Any) -> Row:
    """An answer as the draw is asked about it: it may be labelled and has no score unless `facts` say otherwise."""
    told = dict.fromkeys(("user_token", "conversation_token", "tenant", "feature", "model", "prompt_version"))
    return {"request_id": name, **told, "may_label": None, "risk_class": None, "p_hallucinated": None} | facts


def drawn(
    answers: Iterable[Row], budget: int, day: date = DAY, there: Iterable[Row] = (), rho: float | None = None
) -> list[Row]:
    """The frame of a day after a real draw from `answers`, those of `there` (earlier draws of the day) first."""
    before = list(there)
    plan = Plan(budget, 0.25, {}, b"of-the-tests-only", rho)
    return before + frame_rows(day, list(answers), before, plan)


def said(row: Row, annotator: str = "ana", minutes: int = 0, **verdicts: Any) -> Row:
    """A label of a row of the frame."""
    at = datetime.combine(row["day"], time(12), tzinfo=UTC) + timedelta(days=1, minutes=minutes)
    told = {"day": row["day"], "request_id": row["request_id"], "annotator": annotator, "labelled_at": at}
    return told | {"label_id": f"{row['request_id']} {annotator} {minutes}", **dict.fromkeys(VERDICTS), **verdicts}


def judge(frame: Iterable[Row], truth: Callable[[Row], bool], verdict: str = "hallucinated") -> list[Row]:
    """A label of each drawn row that says the truth."""
    told: list[tuple[Row, Row]] = [(row, {verdict: truth(row)}) for row in frame if row["is_drawn"]]
    return [said(row, **verdicts) for row, verdicts in told]


def rate_table(frame: Iterable[Row], labels: Iterable[Row], retrievals: Iterable[Row] = (), day: date = DAY) -> pl.DataFrame:
    """quality.rates of a day."""
    return rates(
        day,
        table_of("quality.labels", labels),
        table_of("quality.label_frame", frame),
        table_of("logs.retrievals", retrievals),
    )


def rate_of(
    table: pl.DataFrame, verdict: str = "hallucinated", window_days: int = 1, scope: str = "all", **names: Any
) -> Row:
    """The one row of a verdict, window and scope."""
    found = table.filter(pl.col("verdict") == verdict, pl.col("window_days") == window_days, pl.col("scope") == scope)
    for name, value in names.items():
        found = found.filter(pl.col(name).eq_missing(pl.lit(value)))
    return found.row(0, named=True) if len(found) == 1 else _not_one(found)


def _not_one(found: pl.DataFrame) -> Row:
    raise LookupError(f"{len(found)} rows instead of one: {found}")


def table_of(name: str, rows: Iterable[Row]) -> pl.DataFrame:
    """Rows of a table that quality.rates reads, with the columns that it asks for."""
    schema = {column: _KINDS.get(column, pl.String) for column in COLUMNS[name]}
    return pl.DataFrame([{column: row[column] for column in schema} for row in rows], schema=schema)
