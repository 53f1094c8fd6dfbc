"""Rows of release.eval_runs: one answer to one case, as names and numbers. The words of answers end here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np

from assets.quality.eval_case import EvalCase
from assets.release.eval_checks import Answer, as_json, outcomes, passed
from assets.release.release_gate import Result
from resources.chat_client import Reply
from resources.embedder import Embedder

Row = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """What is asked: one repeat of a case of a suite."""

    suite: str
    case_id: str
    repeat: int
    case: EvalCase = field(compare=False)


@dataclass(frozen=True)
class Given:
    """What was answered. `cost_usd`: what its source says that it cost; None: it is priced by its tokens."""

    place: Place
    reply: Reply
    is_cached: bool = False
    cost_usd: Decimal | None = None


@dataclass
class Identity:
    """Whose answers those are. `suite_digest` and `day` are the run's, which begins with them. `provider` as the price book
    names it; None: by the model's name. `output_schema`: the form that its answers keep; None: any."""

    version: str
    digest: str
    source: str
    asked_model: str | None = None
    provider: str | None = None
    output_schema: Mapping[str, Any] | None = None
    suite_digest: str = ""
    day: date = date.min


def row_of(
    run_id: str, identity: Identity, given: Given, answer: Answer, has_judge: bool, cost_usd: Decimal | None,
    judge_usd: Decimal | None, now: datetime,
) -> Row:  # fmt: skip
    """The row of an answer, or of why there is none. Where no judge is declared, none is asked for."""
    place, reply, case = given.place, given.reply, given.place.case
    found = outcomes(case, answer, identity.output_schema) if reply.error_class is None else {}
    if not has_judge:
        found.pop("judge", None)
    facts = ("error_class", "http_status", "attempts", "input_tokens", "output_tokens")
    return {
        "day": identity.day, "run_id": run_id, "suite": place.suite, "suite_digest": identity.suite_digest,
        "case_id": place.case_id, "repeat": place.repeat, "kind": case.kind, "segment": case.segment,
        "feature": case.feature, "is_critical": case.is_critical, "version": identity.version,
        "version_digest": identity.digest,
        "source": identity.source, "asked_model": identity.asked_model, "answered_model": reply.model,
        "passed": passed(found) if reply.error_class is None else None,
        "checks": as_json(found) if reply.error_class is None else None,
        **{name: getattr(reply, name) for name in facts},
        "is_cached": given.is_cached, "cost_usd": cost_usd, "judge_cost_usd": judge_usd, "asked_at": now,
        "latency_ms": None if reply.latency_ms is None else round(reply.latency_ms, 3),
    }  # fmt: skip


def similarities(given: Sequence[Given], embedder: Embedder | None) -> list[float | None]:
    """The cosine of each answer to its case's reference; None where that is not asked for, or cannot be said. `embedder`
    has no cache: the vectors would outlive the words."""
    found: list[float | None] = [None] * len(given)
    wanted = [
        place for place, one in enumerate(given) if one.place.case.expects.similarity is not None and one.reply.text
    ]
    if not wanted or embedder is None:
        return found
    texts = [text for place in wanted for text in (given[place].reply.text or "", given[place].place.case.reference or "")]
    vectors = embedder.embed(texts)
    for number, place in enumerate(wanted):
        found[place] = float(np.clip(vectors[2 * number] @ vectors[2 * number + 1], -1.0, 1.0))
    return found


def results(rows: Sequence[Mapping[str, Any]]) -> list[Result]:
    """The rows of a run as the gate reads them."""
    several = len({row["suite"] for row in rows}) > 1
    return [
        Result(
            f"{row['suite']}/{row['case_id']}", row["repeat"], row["passed"], row["is_critical"], _parts(row, several),
            row["error_class"] is None, row["cost_usd"], row["latency_ms"],
        )
        for row in rows
    ]  # fmt: skip


def failed_checks(row: Mapping[str, Any]) -> list[str]:
    """The names of the checks that an answer failed."""
    return [name for name, said in json.loads(row["checks"] or "{}").items() if said["passed"] is False]


def _parts(row: Mapping[str, Any], several: bool) -> tuple[str, ...]:
    parts = {"kind": row["kind"], "segment": row["segment"], "feature": row["feature"]}
    parts |= {"suite": row["suite"]} if several else {}
    return tuple(f"{name}:{value}" for name, value in parts.items() if value is not None)
