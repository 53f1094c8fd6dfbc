"""The detector: from the columns of quality.scores to the probability that an answer states something made up.

Here belong its form, a logistic model with a monotone calibration, what it looks at, and the one that serves until labels
exist. How one is trained stands in detector_training.py. Its parameters are JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def _count(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Float64).log1p()


FEATURES: Mapping[str, pl.Expr] = {
    **{
        name: pl.col(name).cast(pl.Float64)
        for name in (
            "has_context", "support_mean", "support_min", "passage_support", "copied", "document_support", "similarity_mean",
            "similarity_min", "question_similarity", "coherence", "citation_coverage", "citation_correct", "refuses",
            "hedges",
        )
    },
    **{
        name: _count(name)
        for name in (
            "numbers", "dates", "names", "unsupported_numbers", "unsupported_dates", "unsupported_names", "sentences",
            "answer_characters",
        )
    },
}  # fmt: skip
"""What a detector may look at; counts and lengths by the logarithm of 1 and themselves."""


class DetectorError(ValueError):
    """Parameters that are not a detector's; says what is wrong."""


@dataclass(frozen=True)
class Detector:
    """A logistic model over FEATURES. A feature counts by its distance from its mean, in its scale; one that is not
    measured counts as its mean. `knots`: the score of the model and the probability that it stands for, both rising, linear
    in between; empty: the model's own probability."""

    name: str
    features: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    coefficients: tuple[float, ...]
    intercept: float
    knots: tuple[tuple[float, float], ...] = ()

    def scores(self, rows: pl.DataFrame) -> Floats:
        """The logit of each row, before it is calibrated."""
        found = (matrix(rows, self.features) - np.array(self.means)) / np.array(self.scales)
        return np.asarray(self.intercept + np.where(np.isnan(found), 0.0, found) @ np.array(self.coefficients))

    def probabilities(self, rows: pl.DataFrame) -> Floats:
        """How likely each row states something made up, from 0 to 1."""
        logits = self.scores(rows)
        if not self.knots:
            return np.asarray(1 / (1 + np.exp(-logits)))
        at, values = zip(*self.knots, strict=True)
        return np.asarray(np.interp(logits, at, values), np.float64)

    def to_json(self) -> str:
        """All of it but its name, the same text for the same numbers."""
        return json.dumps({name: value for name, value in asdict(self).items() if name != "name"}, sort_keys=True)


def from_json(name: str, parameters: str) -> Detector:
    """The detector that `to_json` made `parameters` of. Raises DetectorError."""
    try:
        raw: dict[str, Any] = json.loads(parameters)
        means, scales, coefficients = (tuple(map(float, raw[key])) for key in ("means", "scales", "coefficients"))
        read = Detector(
            name,
            tuple(map(str, raw["features"])),
            means,
            scales,
            coefficients,
            float(raw["intercept"]),
            knots=tuple((float(at), float(value)) for at, value in raw["knots"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DetectorError(f"detector {name}: its parameters cannot be read ({error!r})") from error
    if strangers := sorted(set(read.features) - set(FEATURES)):
        raise DetectorError(f"detector {name} looks at {strangers}, which quality.scores does not measure; train it again")
    if len({len(read.features), len(read.means), len(read.scales), len(read.coefficients)}) != 1:
        raise DetectorError(f"detector {name} has not as many means, scales and coefficients as features")
    return read


def matrix(rows: pl.DataFrame, features: tuple[str, ...]) -> Floats:
    """The features of each row [row, feature]; NaN: not measured."""
    return rows.select(FEATURES[name].fill_null(float("nan")).alias(name) for name in features).to_numpy().astype(np.float64)


def _by_hand(**weights: tuple[float, float, float]) -> dict[str, tuple[Any, ...]]:
    """Of each feature: the value at which it says nothing, its scale, and what one scale adds to the logit."""
    means, scales, coefficients = zip(*weights.values(), strict=True)
    return {"features": tuple(weights), "means": means, "scales": scales, "coefficients": coefficients}


HEURISTIC = Detector(
    name="heuristic-1",
    intercept=-1.5,
    **_by_hand(
        support_mean=(0.75, 0.2, -0.5),
        support_min=(0.6, 0.25, -0.3),
        passage_support=(0.6, 0.2, -0.3),
        similarity_mean=(0.65, 0.15, -0.5),
        unsupported_numbers=(0.1, 0.7, 0.5),
        unsupported_dates=(0.1, 0.7, 0.5),
        unsupported_names=(0.3, 0.7, 0.3),
        citation_correct=(0.8, 0.4, -0.3),
        refuses=(0.0, 1.0, -4.0),
    ),
)
"""Serves until people have labelled enough. Signs and sizes are chosen by hand: an answer whose words, numbers and names
stand in its context is likelier true, one that declines states nothing. It ranks; its probabilities are not calibrated."""
