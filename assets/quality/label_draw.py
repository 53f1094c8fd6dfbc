"""A day's draw as rows: who is asked about, with what probability, and in which order.

Here belongs what is written down of a draw, and of what is targeted besides. The chance itself is sampling.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np

from assets.quality.estimator import correlation
from assets.quality.inclusion import Floats
from assets.quality.keyed_order import uniform
from assets.quality.sampling import Draw, Responses, draw, supplement

Row = dict[str, Any]
NO_STRATUM = "(none)"
LABELS_FOR_RHO = 30
"""Fewer labels of earlier days say nothing about a score."""
_COPIED = ("request_id", "user_token", "conversation_token", "tenant", "feature", "model", "prompt_version")


@dataclass(frozen=True)
class Plan:
    """What a draw is made with: the budget of a day, the share for two people, weights by risk class, the secret key, and
    how well the score has done so far (None: not known)."""

    budget: int
    doubled_share: float
    risk_weights: Mapping[str, float]
    key: bytes
    rho: float | None


def frame_rows(day: date, population: Sequence[Row], there: Sequence[Row], plan: Plan) -> list[Row]:
    """The rows of quality.label_frame for the responses of `population` that none of `there`, the day's rows, is about.

    A row of `population` has request_id, user_token, conversation_token, tenant, feature, model, prompt_version, may_label
    (False: not to be shown), risk_class and p_hallucinated. The first draw takes the budget, a later one the same share of
    those that came late, and nobody's probability changes.
    """
    known = {row["request_id"] for row in there}
    new = [row for row in population if row["request_id"] not in known]
    if not new:
        return []
    number = 1 + max((row["draw"] for row in there), default=0)
    asked = [row for row in new if row["may_label"] is not False]
    drawn_from = [row["request_id"] for row in there if row["draw"] == 1 and row["excluded"] is None]
    responses, name = _responses(asked, plan), f"{day} {number}"
    if drawn_from:
        _, decided = supplement(responses, drawn_from, plan.budget, plan.key, name, plan.rho, plan.doubled_share)
    else:
        decided = draw(responses, plan.budget, plan.key, name, plan.rho, plan.doubled_share)
    rows = [_row(day, number, row, plan) | _decided(decided, place) for place, row in enumerate(asked)]
    rows += [_row(day, number, row, plan) | {"excluded": "may_label"} for row in new if row["may_label"] is False]
    return sorted(rows, key=lambda row: str(row["request_id"]))


def draw_row(day: date, number: int, frame: Sequence[Row], plan: Plan, key_id: str, frozen_at: datetime) -> Row:
    """The row of quality.label_draws of one draw, counted from its rows of the frame."""
    rows = [row for row in frame if row["draw"] == number]
    asked = [row for row in rows if row["excluded"] is None]
    drawn = sum(row["is_drawn"] for row in asked)
    first = sum(row["draw"] == 1 and row["excluded"] is None for row in frame)
    share = min(plan.budget / first, 1.0) if number > 1 and first else None
    budget = plan.budget if share is None else min(max(round(share * len(asked)), 1), plan.budget)
    return {
        "day": day,
        "draw": number,
        "responses": len(asked),
        "excluded": len(rows) - len(asked),
        "unscored": sum(row["score"] is None for row in asked),
        "budget": max(budget, drawn),
        "drawn": drawn,
        "doubled": sum(row["needs_second_label"] for row in asked),
        "random_probability": min((row["inclusion_probability"] for row in asked), default=0.0),
        "rho": plan.rho,
        "key_id": key_id,
        "frozen_at": frozen_at,
    }


def queue_rows(day: date, frame: Sequence[Row], key: bytes, drawn_at: datetime) -> list[Row]:
    """The rows of quality.label_queue of what the frame of a day says is drawn, in random order within each draw."""
    drawn = [row for row in frame if row["is_drawn"]]
    placed: dict[int, int] = {}
    rows = []
    for row in _shuffled(drawn, key, f"{day} places"):
        placed[row["draw"]] = placed.get(row["draw"], 0) + 1
        facts = {name: row[name] for name in ("draw", "inclusion_probability", "needs_second_label")}
        rows.append(_queued(day, row, "drawn", placed[row["draw"]], drawn_at) | facts)
    return rows


def targeted_rows(
    day: date,
    frame: Sequence[Row],
    there: Sequence[Row],
    reasons_of: Mapping[str, str],
    reasons: Sequence[str],
    most: int,
    key: bytes,
    drawn_at: datetime,
) -> list[Row]:
    """The rows of quality.label_queue of suspicious responses (`reasons_of` their ids), the most urgent of `reasons` first.

    None of a response that was drawn, may not be labelled or is in the queue (`there`) already, and no more than `most` of a
    day altogether.
    """
    queued = {row["request_id"] for row in there}
    free = [
        row
        for row in frame
        if row["request_id"] in reasons_of
        and not row["is_drawn"]
        and row["excluded"] is None
        and row["request_id"] not in queued
    ]
    targeted = sum(row["draw"] is None for row in there)
    shuffled = _shuffled(free, key, f"{day} targeted")
    urgent = sorted(shuffled, key=lambda row: reasons.index(reasons_of[row["request_id"]]))
    return [
        _queued(day, row, reasons_of[row["request_id"]], targeted + place, drawn_at)
        for place, row in enumerate(urgent[: max(most - targeted, 0)], 1)
    ]


def earned_rho(frame: Sequence[Row], verdicts: Mapping[tuple[date, str], float]) -> float | None:
    """The correlation of scores with what people said (`verdicts` by day and request id, from 0 to 1) of drawn responses;
    None where too few are labelled and scored."""
    known = [
        (verdicts[row["day"], row["request_id"]], row["score"], row["inclusion_probability"])
        for row in frame
        if row["is_drawn"] and row["score"] is not None and (row["day"], row["request_id"]) in verdicts
    ]
    if len(known) < LABELS_FOR_RHO:
        return None
    said, score, probability = (np.array(column, dtype=np.float64) for column in zip(*known, strict=True))
    return correlation(said, score, 1 / probability)


def _responses(rows: Sequence[Row], plan: Plan) -> Responses:
    # A NULL becomes NaN: unscored.
    score: Floats = np.array([row["p_hallucinated"] for row in rows], dtype=np.float64)
    stratum = np.array([row["feature"] or NO_STRATUM for row in rows], dtype=np.str_)
    risk: Floats = np.array([_risk(row, plan) for row in rows], dtype=np.float64)
    return Responses([row["request_id"] for row in rows], score, stratum, risk)


def _risk(row: Row, plan: Plan) -> float:
    return float(plan.risk_weights.get(row["risk_class"] or "", 1.0))


def _row(day: date, number: int, row: Row, plan: Plan) -> Row:
    return {
        "day": day,
        **{name: row[name] for name in _COPIED},
        "draw": number,
        "stratum": row["feature"] or NO_STRATUM,
        "score": row["p_hallucinated"],
        "risk": _risk(row, plan),
        "excluded": None,
        "inclusion_probability": None,
        "is_drawn": False,
        "is_random": False,
        "needs_second_label": False,
    }


def _decided(decided: Draw, place: int) -> Row:
    return {
        "inclusion_probability": float(decided.inclusion_probability[place]),
        "is_drawn": bool(decided.is_drawn[place]),
        "is_random": bool(decided.is_random[place]),
        "needs_second_label": bool(decided.is_doubled[place]),
    }


def _queued(day: date, row: Row, reason: str, place: int, drawn_at: datetime) -> Row:
    return {
        "day": day,
        "request_id": row["request_id"],
        "user_token": row["user_token"],
        "reason": reason,
        "draw": None,
        "inclusion_probability": None,
        "stratum": row["stratum"],
        "needs_second_label": False,
        "place": place,
        "drawn_at": drawn_at,
    }


def _shuffled(rows: Sequence[Row], key: bytes, purpose: str) -> list[Row]:
    chance = uniform(key, purpose, [row["request_id"] for row in rows])
    return [row for _, _, row in sorted(zip(chance, [row["request_id"] for row in rows], rows, strict=True))]
