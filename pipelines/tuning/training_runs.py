"""The assets on whose pages trainings are drawn while they run (resources/trainer.py reports to them).

Offered to build.py: `curve_specs`. They hold no table: a point of a curve is an observation, the end of a training a
materialization. What a training is started by is tuning_runs.py.
"""

from __future__ import annotations

import dagster as dg

from resources.trainer import curve_key
from resources.tuning_seed import KINDS, MODELS


def curve_specs() -> list[dg.AssetSpec]:
    """One asset a kind of training."""
    return [
        dg.AssetSpec(
            curve_key(kind),
            group_name="tuning",
            description=f"Trainings of candidates for `{MODELS[kind]}` ({kind}): loss, and what was measured at each "
            "checkpoint, by step, under Plots, as they come. The same points are curve.jsonl in the candidate's folder.",
        )
        for kind in KINDS
    ]
