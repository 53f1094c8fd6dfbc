"""Evidently's side of benchmarks/drift.py; runs in an environment of its own, which has nothing of this project.

    .venv/bench/bin/python benchmarks/drift_evidently.py jobs.json > answers.json

A job has `reference` and `current`: two Parquet files of columns, or two .npy files of vectors and the `method` by which
they are compared. An answer has the columns that drifted, the score of vectors, and CPU and wall seconds of the comparison
from frames in memory to results; `read_cpu` is what reading the files took before. Nothing is rendered or saved.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

os.environ["DO_NOT_TRACK"] = "1"
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from evidently import DataDefinition, Dataset, Report  # noqa: E402
from evidently.legacy.metrics.data_drift import embedding_drift_methods as methods  # noqa: E402
from evidently.presets import DataDriftPreset  # noqa: E402

EMBEDDING_METHODS = {
    "model": methods.model,
    "model, bootstrap": lambda: methods.model(bootstrap=True),
    "distance": methods.distance,
    "distance, bootstrap": lambda: methods.distance(bootstrap=True),
    "ratio": methods.ratio,
    "mmd": methods.mmd,
    "mmd, bootstrap": lambda: methods.mmd(bootstrap=True),
}


def compared(reference: pd.DataFrame, current: pd.DataFrame) -> list[str]:
    """The columns that DataDriftPreset, with its defaults, says have drifted."""
    numbers = [name for name in reference if name.startswith("number_")]
    definition = DataDefinition(
        numerical_columns=numbers, categorical_columns=[name for name in reference if name.startswith("category_")]
    )
    sets = (Dataset.from_pandas(frame, data_definition=definition) for frame in (current, reference))
    metrics = Report([DataDriftPreset()]).run(*sets).dict()["metrics"]
    drifted = []
    for metric in metrics[1:]:
        # A p-value is small where there is drift, a distance large.
        column, score, limit = metric["config"]["column"], metric["value"], metric["config"]["threshold"]
        if score < limit if "p_value" in metric["config"]["method"] else score >= limit:
            drifted.append(column)
    counted = metrics[0]["value"]["count"]
    if counted != len(drifted):
        raise SystemExit(f"Evidently counts {counted} drifted columns, its scores and thresholds say {len(drifted)}")
    return drifted


def answered(job: dict[str, Any]) -> dict[str, Any]:
    """One job's answer."""
    spent = time.process_time()
    paths = (job["reference"], job["current"])
    if "method" in job:
        frames = [pd.DataFrame(np.load(path)).rename(columns=str) for path in paths]
    else:
        frames = [pd.read_parquet(path).drop(columns="day") for path in paths]
    read_cpu = time.process_time() - spent
    wall, cpu = time.perf_counter(), time.process_time()
    answer: dict[str, Any]
    if "method" in job:
        score, has_drifted, _ = EMBEDDING_METHODS[job["method"]]()(frames[1], frames[0])
        answer = {"drifted": ["vectors"] if has_drifted else [], "score": float(score)}
    else:
        answer = {"drifted": compared(*frames)}
    return {**answer, "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "read_cpu": read_cpu}


if __name__ == "__main__":
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    answers = []
    for job in asked:
        answers.append(answered(job))
        print(f"Evidently, {Path(job['current']).name}: {answers[-1]['cpu']:.1f} CPU seconds", file=sys.stderr, flush=True)
    json.dump(answers, sys.stdout)
