"""The answers of a draw with what people said of them, as arrays: what every rate is estimated from.

Here belong the join of labels and frame, and which days count; the groups are rate_scopes.py, the statistics estimator.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from assets.quality.estimator import Bools, Labels, Rate, estimate
from assets.quality.inclusion import Floats, Ints
from assets.quality.judged import VERDICTS, mean_of_each

LEAST_SHARE = 0.5
"""A day counts in a window once the judged share of its draw is so large a part of the share of all judged days together."""
GOOD = frozenset({"grounded", "safety_pass", "instruction_followed", "policy_followed"})
"""Verdicts of which a made-up answer is no example: the score stands for their opposite."""
LABEL_COLUMNS = ["day", "label_id", "request_id", "annotator", "labelled_at", *VERDICTS]
FRAME_COLUMNS = [
    "day", "request_id", "draw", "conversation_token", "tenant", "feature", "model", "prompt_version", "score", "excluded",
    "inclusion_probability", "is_drawn", "is_random",
]  # fmt: skip
_RESPONSE = ["day", "request_id"]


@dataclass(frozen=True)
class Answers:
    """Answers of some days, as arrays [row]; `verdict` is NaN where nobody judged, or it was not drawn. `score` is the
    probability of the verdict."""

    day: Ints
    score: Floats
    verdict: Floats
    is_excluded: Bools
    is_drawn: Bools
    is_random: Bools
    probability: Floats
    random_probability: Floats
    conversation: Any


def judged_answers(labels: pl.DataFrame, label_frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with what people say of each drawn answer, and the probability of its draw's random part.

    What was not drawn (targeted) has no verdict here, whoever judged it. `is_judged`: somebody said something of it."""
    said = label_frame.filter("is_drawn").select(_RESPONSE).join(mean_of_each(labels), on=_RESPONSE)
    frame = label_frame.sort("day", "request_id").join(said, on=_RESPONSE, how="left", maintain_order="left")
    return frame.with_columns(
        random_probability=pl.col("inclusion_probability").min().over("day", "draw"),
        is_judged=pl.any_horizontal(pl.col(verdict).is_not_null() for verdict in VERDICTS),
    )


def arrays(answers: pl.DataFrame, verdict: str) -> Answers:
    """Rows of judged_answers with one of their verdicts."""
    score = answers["score"].cast(pl.Float64).to_numpy()
    return Answers(
        day=answers["day"].cast(pl.Int32).to_numpy().astype(np.int64),
        score=1 - score if verdict in GOOD else score,
        verdict=answers[verdict].cast(pl.Float64).to_numpy(),
        is_excluded=answers["excluded"].is_not_null().to_numpy(),
        is_drawn=answers["is_drawn"].to_numpy(),
        is_random=answers["is_random"].to_numpy(),
        probability=answers["inclusion_probability"].cast(pl.Float64).to_numpy(),
        random_probability=answers["random_probability"].cast(pl.Float64).to_numpy(),
        conversation=answers["conversation_token"].fill_null("").to_numpy(),
    )


def counted(answers: Answers) -> tuple[Bools, Floats]:
    """Which rows lie on days that count, and the share of their day's draw that is judged [row].

    A day on which hardly anybody has judged yet would stand in a week by a few labels of great weight, or by the other
    days' alone. Without any label all days count.
    """
    _, place = np.unique(answers.day, return_inverse=True)
    drawn = np.bincount(place, weights=answers.is_drawn)
    labelled = np.bincount(place, weights=np.isfinite(answers.verdict))
    share = labelled / np.maximum(drawn, 1)
    if not labelled.any():
        return np.full(len(place), True), share[place]
    usual = labelled.sum() / drawn[labelled > 0].sum()
    return (share >= LEAST_SHARE * usual)[place], share[place]


def estimated(answers: Answers, labelled: Ints, of_all: Ints, share: Floats) -> Rate:
    """The rate among the rows `of_all`, from the rows `labelled` among them.

    `share` [row] is that of `counted`: where not all of a day's draw is judged, each answer was judged with as much less
    probability.
    """
    return estimate(
        answers.score[of_all],
        Labels(
            answers.verdict[labelled],
            answers.score[labelled],
            answers.probability[labelled] * share[labelled],
            answers.is_random[labelled],
            answers.random_probability[labelled] * share[labelled],
            answers.conversation[labelled].astype(np.str_),
        ),
    )
