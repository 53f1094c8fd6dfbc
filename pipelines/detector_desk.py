"""The desk where a detector is trained: labels meet scores, the registry gets a version, and quality.detectors a row.

What Dagster's run and `make train-detector` share. A pass that is killed is repeated: the same labels give the same detector
under the same name.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from assets.quality.detector_training import TooFewLabelsError, Trained, trained
from assets.quality.judged import mean_verdicts
from resources.clock import Clock
from resources.events import append, table_rows
from resources.failpoints import failpoint
from resources.registry import Registry
from resources.store import Store
from resources.warehouse import scan

SCORES, LABELS, FRAME, DETECTORS = "quality.scores", "quality.labels", "quality.label_frame", "quality.detectors"
MODEL = "hallucination_detector"
VERDICT = "hallucinated"
Row = dict[str, Any]


@dataclass(frozen=True)
class Pass:
    """What a pass did. `row`: what quality.detectors has of it now; None: nothing was trained, `why` says the reason."""

    row: Row | None = None
    why: str = ""

    def __str__(self) -> str:
        if self.row is None:
            return f"no detector was trained: {self.why}"
        told = "scores from the day after on" if self.row["is_adopted"] else "is not adopted"
        value, low, high = (f"{self.row[name]:.3f}" for name in ("auc", "auc_low", "auc_high"))
        held_out = f"{self.row['n_held_out']} held-out labels, heuristic-1 {self.row['auc_before']:.3f}"
        return f"{self.row['detector']} {told}: AUC {value} ({low} to {high}) on {held_out}"


class DetectorDesk:
    """The detectors of one warehouse."""

    def __init__(self, store: Store, registry: Registry, clock: Clock):
        self.store = store
        self.registry = registry
        self.clock = clock
        # MLflow reports its use to its makers unless this is set before it is imported.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

    def work(self) -> Pass:
        """Train on all labels of drawn responses, and adopt the result if it is better. Raises RegistryError."""
        rows = self.labelled()
        if rows.is_empty():
            return Pass(why="no drawn response has a label and a score")
        groups = rows.select(pl.col("conversation_token").fill_null(pl.col("request_id"))).to_series().to_list()
        weights = 1 / rows["inclusion"].to_numpy()
        try:
            made = trained(rows, rows["label"].to_numpy(), groups, weights)
        except TooFewLabelsError as error:
            return Pass(why=str(error))
        name = made.detector.name
        row = self._row(made, rows, self._registered(made, rows) if made.is_adopted else None)
        failpoint("detector.registered")
        append(self.store, DETECTORS, lambda _: [row])
        # Trained before on the same labels, it stands there already.
        return Pass(next(there for there in table_rows(self.store, DETECTORS) if there["detector"] == name))

    def labelled(self, without: Collection[str] = ()) -> pl.DataFrame:
        """The rows of quality.scores of drawn responses that people judged, with `label` and `inclusion`; those of the
        newest scorer. Where annotators are of two minds in equal parts, the response is left out. `without`: annotators who
        are not believed."""
        labels = [row for row in table_rows(self.store, LABELS) if row["annotator"] not in without]
        columns = [c.name for c in self.store.contracts[LABELS].columns]
        if not labels:
            return pl.DataFrame()
        said = mean_verdicts(pl.DataFrame(labels, schema=columns, infer_schema_length=None), VERDICT)
        days = {day for day, _ in said}
        drawn = {
            (row["day"], row["request_id"]): row["inclusion_probability"]
            for row in table_rows(self.store, FRAME, days)
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
        found = self._scores(days).join(verdicts, on=["day", "request_id"])
        if found.is_empty():
            return found
        return found.filter(pl.col("scorer") == pl.col("scorer").sort_by("day", "request_id").last())

    def _scores(self, days: set[date]) -> pl.DataFrame:
        paths = [path for day in sorted(days) for path in self.store.day_log(SCORES).paths(day)]
        with self.store.connection() as con:
            found: pl.DataFrame = con.sql(scan(self.store.contracts[SCORES], paths)).pl()
            return found

    def _registered(self, made: Trained, rows: pl.DataFrame) -> str:
        metrics = {
            "auc": made.auc.value, "auc_low": made.auc.low, "auc_high": made.auc.high, "brier": made.brier.value,
            "auc_heuristic": made.auc_before, "brier_heuristic": made.brier_before, "labels": float(rows.height),
        }  # fmt: skip
        facts = {"scorer": str(rows["scorer"][0]), "first_day": str(rows["day"].min()), "last_day": str(rows["day"].max())}
        name, parameters = made.detector.name, made.detector.to_json()
        return self.registry.register(MODEL, name, parameters, metrics, facts).version

    def _row(self, made: Trained, rows: pl.DataFrame, version: str | None) -> Row:
        now = self.clock.now()
        return {
            "day": now.date(),
            "detector": made.detector.name,
            "trained_at": now,
            "scorer": rows["scorer"][0],
            "parameters": made.detector.to_json(),
            "n_labels": rows.height,
            "n_hallucinated": int(np.sum(rows["label"].to_numpy())),
            "n_held_out": rows.height,
            "first_day": rows["day"].min(),
            "last_day": rows["day"].max(),
            "auc": made.auc.value,
            "auc_low": made.auc.low,
            "auc_high": made.auc.high,
            "brier": made.brier.value,
            "brier_low": made.brier.low,
            "brier_high": made.brier.high,
            "auc_before": made.auc_before,
            "brier_before": made.brier_before,
            "is_adopted": made.is_adopted,
            "model_version": version,
        }
