"""The desk where a detector is trained: labels meet scores, the registry gets a version, and quality.detectors a row.

What Dagster's run and `make train-detector` share. The first detector of a scorer begins to score here; what takes the
place of one that scores comes through the gates of tuning (tuning_steps.py). A pass that is killed is repeated: the same
labels give the same detector under the same name.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from assets.quality.detector_training import TooFewLabelsError, Trained, trained
from pipelines.quality.detector_labels import SCORES, labelled
from pipelines.tuning.model_desk import ModelDesk, ModelDeskError
from pipelines.tuning.tuning_ledger import NOCTURNE
from resources.clock import Clock
from resources.events import append, table_rows
from resources.failpoints import failpoint
from resources.registry import Registry
from resources.store import Store
from resources.warehouse_resource import RegistryResource, WarehouseResource

DETECTORS = "quality.detectors"
MODEL = "hallucination_detector"
Row = dict[str, Any]


@dataclass(frozen=True)
class Pass:
    """What a pass did. `row`: what quality.detectors has of it now; None: nothing was trained. `why`: why it was not, or why
    what was trained does not score."""

    row: Row | None = None
    why: str = ""

    def __str__(self) -> str:
        if self.row is None:
            return f"no detector was trained: {self.why}"
        told = "scores from the day after on" if self.row["is_adopted"] else f"is not adopted: {self.why}"
        value, low, high = (f"{self.row[name]:.3f}" for name in ("auc", "auc_low", "auc_high"))
        held_out = f"{self.row['n_held_out']} held-out labels, heuristic-1 {self.row['auc_before']:.3f}"
        return f"{self.row['detector']} {told}. AUC {value} ({low} to {high}) on {held_out}"


class DetectorDesk:
    """The detectors of one warehouse."""

    def __init__(self, store: Store, registry: Registry, seeds: Path, clock: Clock):
        self.store = store
        self.registry = registry
        self.models = ModelDesk(store, registry, seeds, clock)
        self.clock = clock
        # MLflow reports its use to its makers unless this is set before it is imported.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

    @classmethod
    def of(cls, warehouse: WarehouseResource, registry: RegistryResource, clock: Clock) -> Self:
        """The desk of a warehouse."""
        store = warehouse.store()
        return cls(store, registry.open(store), warehouse.seeds, clock)

    def work(self) -> Pass:
        """Train on all labels of drawn responses. What is better than HEURISTIC scores if nothing that was trained does yet.
        Raises RegistryError."""
        rows = labelled(self.store)
        if rows.is_empty():
            return Pass(why="no drawn response has a label and a score")
        groups = rows.select(pl.col("conversation_token").fill_null(pl.col("request_id"))).to_series().to_list()
        weights = 1 / rows["inclusion"].to_numpy()
        try:
            made = trained(rows, rows["label"].to_numpy(), groups, weights)
        except TooFewLabelsError as error:
            return Pass(why=str(error))
        name, version = made.detector.name, None
        if not (why := self._why_not(made, rows["scorer"][0])):
            try:
                version = self._promoted(made, rows)
            except ModelDeskError as error:
                why = str(error)
        row = self._row(made, rows, version)
        failpoint("detector.registered")
        append(self.store, DETECTORS, lambda _: [row])
        # Trained before on the same labels, it stands there already.
        there = next(there for there in table_rows(self.store, DETECTORS) if there["detector"] == name)
        return Pass(there, "" if there["is_adopted"] else why)

    def _why_not(self, made: Trained, scorer: str) -> str:
        """Why a detector does not begin to score; empty: it does."""
        if not made.is_better:
            return "it is no better than heuristic-1"
        window = self.store.contracts[SCORES].reads[DETECTORS]
        assert isinstance(window, tuple)
        oldest = self.clock.now().date() + timedelta(days=1 + window[0])
        usable = [row for row in table_rows(self.store, DETECTORS) if row["is_adopted"] and row["day"] >= oldest]
        scoring = [row for row in usable if row["scorer"] == scorer and row["detector"] != made.detector.name]
        if not scoring:
            return ""
        newest = max(scoring, key=lambda row: row["trained_at"])["detector"]
        return f"{newest} scores, and another takes its place through its gates alone (`detector` in seeds/tuning.yml)"

    def _promoted(self, made: Trained, rows: pl.DataFrame) -> str:
        """Its version, which is champion now. Raises ModelDeskError where a person refused it."""
        version = self._registered(made, rows)
        told = f"AUC {made.auc.value:.3f} on {rows.height} held-out labels, heuristic-1 {made.auc_before:.3f}"
        reason = f"the first detector that was trained for {rows['scorer'][0]}: {told}"
        self.models.promote_first(MODEL, version, NOCTURNE, reason)
        return version

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
            "is_adopted": version is not None,
            "model_version": version,
        }
