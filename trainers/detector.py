"""Training of the detector of hallucinations on labels: seconds, with no checkpoint in between.

How it is fitted and held out is assets/quality/detector_training.py, as for the weekly one. The model is a file of
numbers.
"""

from __future__ import annotations

import polars as pl

from assets.quality.detector import HEURISTIC
from assets.quality.detector_training import TooFewLabelsError, auc, brier, trained
from resources.durable import write_atomically
from trainers.checkpoints import sha256
from trainers.session import Outcome, Session, TrainingDataError

PARAMETERS = "parameters.json"


def train(session: Session) -> Outcome:
    """Train to the end. Raises TrainingDataError for too few labels."""
    rows = _rows(session, "train")
    try:
        made = trained(rows, rows["label"].to_numpy(), rows["group"].to_list(), 1 / rows["inclusion"].to_numpy())
    except TooFewLabelsError as error:
        raise TrainingDataError(str(error)) from error
    metrics = {
        "auc": made.auc.value, "auc_low": made.auc.low, "auc_high": made.auc.high, "auc_before": made.auc_before,
        "brier": made.brier.value, "brier_low": made.brier.low, "brier_high": made.brier.high,
        "brier_before": made.brier_before, "labels": float(rows.height),
    }  # fmt: skip
    dev = _rows(session, "dev")
    labels, weights = dev["label"].to_numpy(), 1 / dev["inclusion"].to_numpy()
    if labels.any() and not labels.all():
        for name, detector in (("", made.detector), ("_before", HEURISTIC)):
            found = detector.probabilities(dev)
            metrics |= {f"dev_auc{name}": auc(labels, found, weights), f"dev_brier{name}": brier(labels, found, weights)}
    session.point(1, metrics)
    session.model.mkdir(exist_ok=True)
    path = session.model / PARAMETERS
    write_atomically(path, made.detector.to_json().encode(), mode=0o600)
    parameters = {
        "detector": made.detector.name, "is_better": made.is_better, "hallucinated": int(rows["label"].sum()),
        "features": list(made.detector.features), "all_parameters": len(made.detector.coefficients) + 1,
    }  # fmt: skip
    return Outcome(1, 1, metrics=metrics, files={PARAMETERS: sha256(path)}, parameters=parameters)


def _rows(session: Session, split: str) -> pl.DataFrame:
    found = pl.from_arrow(session.dataset.table(split))
    assert isinstance(found, pl.DataFrame)
    return found
