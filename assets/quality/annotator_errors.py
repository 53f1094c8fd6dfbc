"""quality.annotator_errors: how often each annotator is wrong on each verdict.

Here belongs the shape of the table; what is compared is agreement.py, the statistics are raters.py.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from assets.quality import agreement
from assets.quality.judged import VERDICTS

COLUMNS = agreement.COLUMNS
_SCHEMA = {
    "day": pl.Date, "verdict": pl.String, "annotator": pl.String, "n_labels": pl.Int64, "n_doubled": pl.Int64,
    "yes_share": pl.Float64, "sensitivity": pl.Float64, "specificity": pl.Float64,
}  # fmt: skip


def annotator_errors(day: date, labels: pl.DataFrame, label_frame: pl.DataFrame) -> pl.DataFrame:
    """One row per annotator and verdict that they judged. `labels`, `label_frame`: rows of the days [-27, 0]."""
    rows = []
    for verdict in VERDICTS:
        found = agreement.judged(labels, label_frame, verdict)
        if found is None:
            continue
        verdicts = found.opinions.verdicts
        said = np.isfinite(verdicts)
        is_doubled = said.sum(axis=0) > 1
        for place, annotator in enumerate(found.opinions.annotators):
            raters = found.raters
            rows.append(
                {
                    "day": day,
                    "verdict": verdict,
                    "annotator": annotator,
                    "n_labels": int(said[place].sum()),
                    "n_doubled": int((said[place] & is_doubled).sum()),
                    "yes_share": float(np.nanmean(verdicts[place])),
                    "sensitivity": None if raters is None else round(float(raters.sensitivity[place]), 6),
                    "specificity": None if raters is None else round(float(raters.specificity[place]), 6),
                }
            )
    return pl.DataFrame(rows, schema=_SCHEMA)
