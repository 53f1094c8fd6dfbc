"""What a detector learns from: scores of responses that people judged. Its rows are numbers, and no words."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import polars as pl

from assets.quality.judged import mean_verdicts
from resources.events import table_rows
from resources.store import Store
from resources.warehouse import scan

SCORES, LABELS, FRAME = "quality.scores", "quality.labels", "quality.label_frame"
VERDICT = "hallucinated"


def labelled(store: Store, without: Collection[str] = ()) -> pl.DataFrame:
    """The rows of quality.scores of drawn responses that people judged, with `label` and `inclusion`; those of the newest
    scorer. Where annotators are of two minds in equal parts, the response is left out. `without`: annotators who are not
    believed."""
    labels = [row for row in table_rows(store, LABELS) if row["annotator"] not in without]
    columns = [c.name for c in store.contracts[LABELS].columns]
    if not labels:
        return pl.DataFrame()
    said = mean_verdicts(pl.DataFrame(labels, schema=columns, infer_schema_length=None), VERDICT)
    days = {day for day, _ in said}
    drawn = {
        (row["day"], row["request_id"]): row["inclusion_probability"]
        for row in table_rows(store, FRAME, days)
        if row["is_drawn"]
    }
    wanted = [
        (day, request, share > 0.5, drawn[day, request])
        for (day, request), share in sorted(said.items())
        if (day, request) in drawn and share != 0.5
    ]
    verdicts = pl.DataFrame(
        wanted, orient="row",
        schema={"day": pl.Date, "request_id": pl.String, "label": pl.Boolean, "inclusion": pl.Float64},
    )  # fmt: skip
    found = _scores(store, days).join(verdicts, on=["day", "request_id"])
    if found.is_empty():
        return found
    return found.filter(pl.col("scorer") == pl.col("scorer").sort_by("day", "request_id").last())


def _scores(store: Store, days: set[date]) -> pl.DataFrame:
    paths = [path for day in sorted(days) for path in store.day_log(SCORES).paths(day)]
    with store.connection() as con:
        found: pl.DataFrame = con.sql(scan(store.contracts[SCORES], paths)).pl()
        return found
