"""How a detector is trained on labels, and how good it is on conversations that it has not seen.

Here belong the fit, its calibration, what is held out, and the rule by which it is better than none. Its form is
detector.py. Every number that is reported comes from rows whose conversation was not in the fit, calibration included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.quality.detector import FEATURES, HEURISTIC, Detector, Floats, matrix

FEWEST_LABELS = 200
FEWEST_OF_A_KIND = 30
"""With fewer of either kind, an interval of the AUC is wider than what a detector gains."""
FOLDS = 5
BOOTSTRAPS = 1_000
SEED = 20_260_101
_STRENGTH = 0.1
"""Inverse of the penalty on the squares of the coefficients; small, for labels are few and features alike."""
_LIGHTEST = 0.1
"""No label weighs less than a tenth, or more than ten times, of the median one: else one response decides."""
Bools = NDArray[np.bool_]


class TooFewLabelsError(ValueError):
    """Not enough labels to train on; says how many there are and are needed."""


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Trained:
    """A detector, and how good it is on what it has not seen; `before`: HEURISTIC on the same rows."""

    detector: Detector
    auc: Interval
    brier: Interval
    auc_before: float
    brier_before: float

    @property
    def is_better(self) -> bool:
        """It ranks better than chance with its interval, not worse than HEURISTIC, and its probabilities are nearer."""
        return self.auc.low > 0.5 and self.auc.value >= self.auc_before and self.brier.value < self.brier_before


def trained(rows: pl.DataFrame, labels: Bools, groups: list[str], weights: Floats | None = None) -> Trained:
    """A detector fitted on labelled rows of quality.scores. True: hallucinated.

    `groups`: what each row belongs to, its conversation; rows of one are never on both sides of a split. `weights`: how
    many responses a row stands for (one over its inclusion probability). The same for the same rows, in any order.
    Raises TooFewLabelsError.
    """
    kinds = int(labels.sum()), int((~labels).sum())
    if len(labels) < FEWEST_LABELS or min(kinds) < FEWEST_OF_A_KIND or len(set(groups)) < 2 * FOLDS:
        raise TooFewLabelsError(
            f"{len(labels)} labelled responses, {kinds[0]} of them hallucinated, in {len(set(groups))} conversations; a "
            f"detector needs {FEWEST_LABELS}, {FEWEST_OF_A_KIND} of either kind, in {2 * FOLDS} conversations"
        )
    order = np.array(sorted(range(len(groups)), key=lambda at: (groups[at], rows["request_id"][at])))
    rows, labels, groups = rows[order], labels[order], [groups[at] for at in order]
    weight = np.ones(len(labels)) if weights is None else weights[order]
    weight = np.clip(weight / np.median(weight), _LIGHTEST, 1 / _LIGHTEST)
    held_out = np.full(len(labels), np.nan)
    for train, test in folds(labels, groups, FOLDS, SEED):
        fitted = _calibrated(rows[train], labels[train], [groups[at] for at in train], weight[train])
        held_out[test] = fitted.probabilities(rows[test])
    detector = _calibrated(rows, labels, groups, weight)
    digest = sha256(f"{detector.to_json()}\n{rows['request_id'].to_list()}".encode()).hexdigest()[:8]
    before = HEURISTIC.probabilities(rows)
    return Trained(
        replace(detector, name=f"trained-{digest}"),
        interval(auc, labels, held_out, groups, weight),
        interval(brier, labels, held_out, groups, weight),
        auc(labels, before, weight),
        brier(labels, before, weight),
    )


def fitted(rows: pl.DataFrame, labels: Bools, weight: Floats, features: tuple[str, ...] = tuple(FEATURES)) -> Detector:
    """A logistic model of standardised features, not calibrated yet; a feature that no row has, or that is the same in all,
    is left out."""
    from sklearn.linear_model import LogisticRegression

    found = matrix(rows, features)
    measured = ~np.isnan(found)
    kept = [at for at in range(len(features)) if measured[:, at].any() and np.nanstd(found[:, at]) > 1e-9]
    found, measured = found[:, kept], measured[:, kept]
    means, scales = np.nanmean(found, axis=0), np.nanstd(found, axis=0)
    model = LogisticRegression(C=_STRENGTH, max_iter=1_000)
    model.fit(np.where(measured, (found - means) / scales, 0.0), labels, sample_weight=weight)
    return Detector(
        "fitted",
        tuple(features[at] for at in kept),
        tuple(map(float, means)),
        tuple(map(float, scales)),
        tuple(map(float, model.coef_[0])),
        float(model.intercept_[0]),
    )


def folds(labels: Bools, groups: list[str], count: int, seed: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Splits into rows to train on and rows to test: a group is on one side, both kinds are on both where that can be."""
    from sklearn.model_selection import StratifiedGroupKFold

    split = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    return [(train, test) for train, test in split.split(labels, labels, groups)]


def auc(labels: Bools, scores: Floats, weight: Floats) -> float:
    """How often a row that is True is scored above one that is False, equal scores counting half."""
    order = np.argsort(scores, kind="stable")
    _, starts = np.unique(scores[order], return_index=True)
    true = np.add.reduceat(np.where(labels, weight, 0.0)[order], starts)
    false = np.add.reduceat(np.where(labels, 0.0, weight)[order], starts)
    below = np.cumsum(false) - false / 2
    return float((true * below).sum() / (true.sum() * false.sum()))


def brier(labels: Bools, probabilities: Floats, weight: Floats) -> float:
    """Mean squared distance of probabilities and what was said."""
    return float(np.average((probabilities - labels) ** 2, weights=weight))


def interval(
    measure: Callable[[Bools, Floats, Floats], float], labels: Bools, scores: Floats, groups: list[str], weight: Floats
) -> Interval:
    """A measure with the 2.5th and 97.5th percentile of its bootstrap, which draws groups."""
    _, of_row = np.unique(np.array(groups), return_inverse=True)
    rng = np.random.default_rng(SEED)
    count = int(of_row.max()) + 1
    found = []
    for _ in range(BOOTSTRAPS):
        drawn = np.bincount(rng.integers(count, size=count), minlength=count)[of_row] * weight
        if drawn[labels].sum() > 0 and drawn[~labels].sum() > 0:
            found.append(measure(labels, scores, drawn))
    value = measure(labels, scores, weight)
    low, high = np.percentile(found, [2.5, 97.5])
    return Interval(value, min(float(low), value), max(float(high), value))


def _calibrated(rows: pl.DataFrame, labels: Bools, groups: list[str], weight: Floats) -> Detector:
    """Fitted on all rows, calibrated on scores that each row got from a fit without its group."""
    from sklearn.isotonic import IsotonicRegression

    logits = np.full(len(labels), np.nan)
    for train, test in folds(labels, groups, FOLDS, SEED + 1):
        logits[test] = fitted(rows[train], labels[train], weight[train]).scores(rows[test])
    steps = IsotonicRegression(out_of_bounds="clip").fit_transform(logits, labels.astype(float), sample_weight=weight)
    # No probability is 0 or 1, whatever few rows say.
    least = 0.5 / len(labels)
    knots = []
    for level in np.unique(steps):
        at = steps == level
        value = float(np.clip(level, least, 1 - least))
        knots.append((float(np.average(logits[at], weights=weight[at])), value))
    return replace(fitted(rows, labels, weight), knots=tuple(knots))
