"""The nightly draw: which responses people are asked to label, and with what probability each was drawn.

Here belongs the draw of one population, given whole: a night's responses, or those that came late. The probabilities are
made in inclusion.py; what is labelled for other reasons (targeted) is no part of a draw and has no probability.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assets.quality.inclusion import USEFUL_CORRELATION, Floats, Ints, cells, probabilities, rare_rows
from assets.quality.keyed_order import uniform

Bools = NDArray[np.bool_]
DOUBLED_SHARE = 0.25
"""Of the drawn responses, those that a second person labels too."""
RISK = {"minimal": 1.0, "limited": 1.5, "high": 3.0}
"""How much more often a response is drawn, by its feature's risk class, where it is not drawn plainly."""
_CERTAIN = 1 - 1e-9


@dataclass(frozen=True)
class Responses:
    """The population of a draw, each response once, in any order.

    `request_id` [row]. `score` [row]: the probability of the verdict, NaN where unscored. `stratum` [row]: the feature, or
    what else the rates are asked for. `risk` [row]: positive, from RISK.
    """

    request_id: Sequence[str]
    score: Floats
    stratum: NDArray[np.str_]
    risk: Floats


@dataclass(frozen=True)
class Draw:
    """What was decided for each response [row] of the population, in its order.

    `inclusion_probability`: of being drawn, also of those that were not; they sum to the number drawn. `is_random`: of the
    drawn, those that are a plain random sample, in which each response was with `random_probability`. `is_doubled`: of the
    drawn, those for a second person. `cell`: the cell of strata and scores.
    """

    inclusion_probability: Floats
    is_drawn: Bools
    is_random: Bools
    random_probability: float
    is_doubled: Bools
    cell: Ints


def draw(
    responses: Responses,
    budget: int,
    key: bytes,
    name: str,
    rho: float | None = None,
    doubled_share: float = DOUBLED_SHARE,
) -> Draw:
    """Draw exactly min(`budget`, rows) responses, each with its inclusion probability.

    `name` tells this draw from all others under the key, such as "2026-11-20 first": the same name, key and responses give
    the same draw, in whatever order they come. `rho` is the correlation of the score with the labels of earlier nights,
    None before there are any: below USEFUL_CORRELATION the score steers no probability.

    Drawn systematically from cell to cell, in a secret random order within each, from a secret random start: the sample's
    size is fixed, each cell's too but for rounding, and each response's probability is what is stated (Madow 1949; Hartley
    and Rao 1962). Raises ValueError for a response that is given twice and a risk that is not positive.
    """
    count = len(responses.request_id)
    if len(set(responses.request_id)) != count:
        raise ValueError("a response is in the population twice; give each request id once")
    if count and not (responses.risk > 0).all():
        raise ValueError("a risk is not positive; take it from RISK")
    if budget < 0:
        raise ValueError(f"a budget of {budget} labels; it is 0 or more")
    if count == 0 or budget == 0:
        none = np.zeros(count, dtype=bool)
        return Draw(np.zeros(count), none, none, 0.0, none, np.zeros(count, dtype=np.int64))
    is_useful = rho is not None and rho >= USEFUL_CORRELATION
    rare = rare_rows(responses.score) if is_useful else np.zeros(count, dtype=bool)
    cell = cells(responses.stratum, responses.score, budget)
    cell[rare] = cell.max() + 1
    cell = np.unique(cell, return_inverse=True)[1].astype(np.int64)
    trusted = responses.score if is_useful else np.full(count, np.nan)
    p = probabilities(trusted, cell, rare, responses.risk, budget)

    ids = list(responses.request_id)
    order = np.lexsort((np.array(ids), uniform(key, f"{name}/order", ids), cell))
    start = float(uniform(key, f"{name}/start", [""])[0])
    is_drawn = np.zeros(count, dtype=bool)
    is_drawn[order] = systematic(p[order], start)
    smallest = float(p.min())
    drawn = np.flatnonzero(is_drawn)
    drawn_ids = [ids[row] for row in drawn]
    is_random, is_doubled = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    is_random[drawn] = uniform(key, f"{name}/random", drawn_ids) < smallest / p[drawn]
    shuffled = drawn[np.lexsort((np.array(drawn_ids), uniform(key, f"{name}/doubled", drawn_ids)))]
    is_doubled[shuffled[: round(doubled_share * len(drawn))]] = True
    return Draw(p, is_drawn, is_random, smallest, is_doubled, cell)


def systematic(p: Floats, start: float) -> Bools:
    """Which entries are drawn: those in which a step of 1 ends, beginning at `start` from [0, 1), when the probabilities `p`
    are laid end to end. Their number is the sum of `p`, a whole number; certain ones are always drawn."""
    is_drawn = p >= _CERTAIN
    others = np.flatnonzero(~is_drawn)
    if others.size:
        ends = np.cumsum(p[others])
        ends *= round(float(ends[-1])) / ends[-1]
        ends[-1] = round(float(ends[-1]))
        steps = np.floor(np.concatenate([[0.0], ends]) - start)
        is_drawn[others] = np.diff(steps) > 0
    return is_drawn


def supplement(
    responses: Responses,
    drawn_from: Collection[str],
    budget: int,
    key: bytes,
    name: str,
    rho: float | None = None,
    doubled_share: float = DOUBLED_SHARE,
) -> tuple[Ints, Draw]:
    """The draw of those that came after an earlier one was frozen: which rows they are, and their own draw.

    `drawn_from` are the ids of the earlier draw's population, `budget` its budget: the late ones are drawn at the same rate,
    at least one and at most the budget. Only they are drawn from, so that no probability that was given ever changes.
    """
    earlier = set(drawn_from)
    late = np.array([row for row, request in enumerate(responses.request_id) if request not in earlier], dtype=np.int64)
    share = min(budget / len(earlier), 1.0) if earlier else 1.0
    chosen = Responses(
        [responses.request_id[row] for row in late], responses.score[late], responses.stratum[late], responses.risk[late]
    )
    return late, draw(chosen, min(max(round(share * len(late)), 1), budget), key, name, rho, doubled_share)
