"""A detector that passed its gates begins to score: its row in quality.detectors, from which days after it are scored.

What the weekly training writes there is detector_desk.py; a detector of tuning is held out by its folds as that one is.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from pipelines.quality.detector_desk import DETECTORS
from pipelines.tuning.detector_measures import PARAMETERS
from resources.clock import Clock
from resources.dataset_store import Dataset
from resources.events import append
from resources.store import Store
from resources.training_spec import Done

_MEASURES = ("auc", "auc_low", "auc_high", "brier", "brier_low", "brier_high", "auc_before", "brier_before")


def adopt(store: Store, clock: Clock, model: Path, done: Done, dataset: Dataset, version: str) -> bool:
    """Write down that a detector scores from the next day on; whether that is new. `model`: the folder of its parameters."""
    rows = pl.from_arrow(dataset.table("train"))
    assert isinstance(rows, pl.DataFrame)
    now = clock.now()
    row = {
        "day": now.date(), "detector": done.parameters["detector"], "trained_at": now, "scorer": rows["scorer"][0],
        "parameters": (model / PARAMETERS).read_text(encoding="utf-8"), "n_labels": rows.height, "n_held_out": rows.height,
        "n_hallucinated": int(rows["label"].sum()), "first_day": rows["day"].min(), "last_day": rows["day"].max(),
        "is_adopted": True, "model_version": version, **{name: done.metrics[name] for name in _MEASURES},
    }  # fmt: skip
    return bool(append(store, DETECTORS, lambda _: [row]))
