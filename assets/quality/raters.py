"""How well people agree, and how often each of them is wrong, from responses that two or more have judged.

Here belong agreement (Krippendorff's alpha), rater error (Dawid and Skene) and the warning about labels too
noisy to use. What follows from it for a rate stands in rater_error.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import expit, logit

from assets.quality.inclusion import Floats, Ints

TOO_NOISY = 0.5
"""Least sensitivity + specificity - 1 of labels that are of use."""
CUSTOMARY_ALPHA, FEWEST_DOUBLED = 0.667, 30
Noise = Literal["none", "few_doubled", "low_agreement", "too_noisy"]
PRIOR_LABELS = 10.0
"""How many labels of a rater's own the experience with all raters counts for."""
_SWEEPS, _SETTLED = 500, 1e-7


def alpha(verdicts: Floats, level: Literal["nominal", "ordinal"] = "nominal") -> float | None:
    """Krippendorff's alpha of `verdicts` [rater, response], NaN where a rater did not judge; None where nothing was judged
    twice or all verdicts are the same.

    1 - observed / expected disagreement over the pairs of verdicts of one response; 0 is chance. Verdicts are categories, or
    grades in ascending order (ordinal). Source: Krippendorff, Computing Krippendorff's alpha-reliability (2011).
    """
    grades = np.unique(verdicts[np.isfinite(verdicts)])
    counts = (verdicts[:, :, None] == grades).sum(axis=0).astype(np.float64)
    judged = counts.sum(axis=1)
    counts, judged = counts[judged > 1], judged[judged > 1]
    if not len(judged):
        return None
    pairs = counts / (judged - 1)[:, None]
    coincidences = pairs.T @ counts - np.diag(pairs.sum(axis=0))
    totals = coincidences.sum(axis=0)
    if level == "nominal":
        distance = 1.0 - np.eye(len(grades))
    else:
        middle = np.cumsum(totals) - totals / 2
        distance = np.square(middle[:, None] - middle[None, :])
    expected = float((np.outer(totals, totals) * distance).sum())
    if expected == 0:
        return None
    return float(1 - (totals.sum() - 1) * (coincidences * distance).sum() / expected)


@dataclass(frozen=True)
class Raters:
    """`posterior` [response]: probability that its verdict is truly positive. `sensitivity`, `specificity` [rater]: share of
    true positives, and of true negatives, that the rater calls so. `prevalence` [group]: share of true positives."""

    posterior: Floats
    sensitivity: Floats
    specificity: Floats
    prevalence: Floats


def dawid_skene(verdicts: Floats, group: Ints, prior_labels: float = PRIOR_LABELS) -> Raters:
    """Rater error without known truth: the maximum of the likelihood, by EM (Dawid and Skene 1979).

    `verdicts` [rater, response]: 0, 1 or NaN. `group` [response], from 0: responses that are right or wrong with different
    frequency, such as bands of the score. With only two verdicts a response it is the groups that tell raters' errors from
    the truth (Hui and Walter 1980): give at least two that differ. A rater's own labels weigh against `prior_labels` of
    the raters' average; 0 is the plain likelihood.
    """
    patterns, which, counts = _patterns(verdicts, group)
    fit = _em(patterns, counts[:, None].astype(np.float64), len(verdicts), prior_labels)
    return Raters(fit.posterior[which, 0], fit.sensitivity[0], fit.specificity[0], fit.prevalence[0])


def resampled(verdicts: Floats, group: Ints, times: int, seed: int, prior_labels: float = PRIOR_LABELS) -> Raters:
    """The same from `times` bootstrap samples of the responses: the arrays of dawid_skene with a first axis [sample] more
    (`posterior` is [pattern, sample] and of no use by itself). How much they differ is how little is known."""
    patterns, _, counts = _patterns(verdicts, group)
    total = int(counts.sum())
    drawn = np.random.default_rng(seed).multinomial(total, counts / total, size=times).T.astype(np.float64)
    return _em(patterns, drawn, len(verdicts), prior_labels)


def warning(agreement: float | None, twice: int, sensitivity: float, specificity: float) -> Noise:
    """How far labels can be used: `few_doubled` where too few were judged twice to say; `too_noisy` where no rate is
    published (below TOO_NOISY a label is worth less than a quarter of a right one); `low_agreement` below the customary
    alpha, which rare verdicts are even with good raters."""
    if twice < FEWEST_DOUBLED:
        return "few_doubled"
    if sensitivity + specificity - 1 < TOO_NOISY:
        return "too_noisy"
    return "low_agreement" if agreement is not None and agreement < CUSTOMARY_ALPHA else "none"


def _patterns(verdicts: Floats, group: Ints) -> tuple[Floats, Ints, Ints]:
    """Distinct rows of (group, verdict of each rater; -1 for none), which row each response has, and how many have it."""
    rows = np.vstack([group, np.where(np.isfinite(verdicts), verdicts, -1.0)]).T
    patterns, which, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    return patterns, which.ravel(), counts


def _em(patterns: Floats, counts: Floats, raters: int, prior_labels: float) -> Raters:
    """EM for each column of `counts` [pattern, sample] at once."""
    group = patterns[:, 0].astype(np.int64)
    members = (group[:, None] == np.arange(group.max() + 1)).astype(np.float64)
    said_yes, said_no = (patterns[:, 1:] == 1).astype(np.float64), (patterns[:, 1:] == 0).astype(np.float64)
    votes = said_yes.sum(axis=1) + said_no.sum(axis=1)
    overall = said_yes.sum() / max(votes.sum(), 1)
    posterior = np.where(votes > 0, said_yes.sum(axis=1) / np.maximum(votes, 1), overall)[:, None] * np.ones_like(counts)
    for _ in range(_SWEEPS):
        yes, no = counts * posterior, counts * (1 - posterior)
        sensitivity = _shares(said_yes.T @ yes, said_no.T @ yes, prior_labels)
        specificity = _shares(said_no.T @ no, said_yes.T @ no, prior_labels)
        prevalence = _inside((members.T @ yes) / np.maximum(members.T @ counts, 1e-12))
        before, evidence = posterior, logit(members @ prevalence)
        evidence += said_yes @ np.log(sensitivity / (1 - specificity)) + said_no @ np.log((1 - sensitivity) / specificity)
        posterior = expit(evidence)
        if np.abs(posterior - before).max() < _SETTLED:
            break
    return Raters(posterior, sensitivity.T, specificity.T, prevalence.T)


def _shares(right: Floats, wrong: Floats, prior_labels: float) -> Floats:
    """right / (right + wrong) [rater, sample], drawn towards that of all raters together."""
    judged = right + wrong
    together = right.sum(axis=0) / np.maximum(judged.sum(axis=0), 1e-12)
    return _inside((right + prior_labels * together) / np.maximum(judged + prior_labels, 1e-12))


def _inside(share: Floats) -> Floats:
    return np.clip(share, 1e-6, 1 - 1e-6)


def doubled(verdicts: Floats) -> int:
    """How many responses of `verdicts` [rater, response] two or more have judged."""
    return int((np.isfinite(verdicts).sum(axis=0) > 1).sum())
