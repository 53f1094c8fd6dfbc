"""What people and systems say about answers afterwards: thumbs, corrections, escalations, outcomes.

Minutes later mostly, for some days later; a few speak of requests that nobody knows, a few are sent twice. They come in
files of their own, as canonical records.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from simulator.catalogue import ENVIRONMENTS, FEATURES, TENANTS
from simulator.chunk import FEEDBACK, Chunk, make_ids
from simulator.formats.format import dump, given
from simulator.lines import iso_time
from simulator.phrases import COMMENTS_DOWN, COMMENTS_UP
from simulator.planted import plant
from simulator.shape import DAY_MS, day_start_ms
from simulator.words import Words

FEEDBACK_FILE = "feedback"
LATEST_DAYS = 3
_RATED, _DOWN = 0.07, {"hallucinated": 0.7, "refused": 0.5, "unsafe": 0.1, "grounded": 0.08}
_COMMENTED, _CORRECTED, _ESCALATED = 0.3, 0.3, 0.12
_PLANTED, _ORPHANED, _REPEATED = 0.03, 0.004, 0.012
_OUTCOMES: dict[str, tuple[str, float, str | None]] = {
    "support_chat": ("deflected", 0.3, None),
    "doc_search": ("converted", 0.05, "USD"),
    "summaries": ("minutes_saved", 0.15, "min"),
    "code_assist": ("accepted", 0.35, None),
}
"""A feature's outcome: its name, for which share of answers it is known, its unit."""
_SHOWN = frozenset({"doc_search", "support_chat"})
"""Features that list what they found, for the user to open."""
_OPENED, _OPENED_CITED = 0.08, 0.35
"""How likely the first document is opened, and one that the answer names; lower places are opened as much less."""


@dataclass(frozen=True)
class Note:
    """One piece of feedback. `copies` counts how often its line stands in its file."""

    days_later: int
    line: str
    request_id: str
    is_orphan: bool
    copies: int
    planted: tuple[str, str, str] | None


def draw_feedback(chunk: Chunk) -> Iterator[Note]:
    """All that will ever be said about a chunk's answers."""
    if chunk.words is None:
        return
    # Request ids that nobody made: the numbers of this day's feedback lend them.
    spare = make_ids(0, chunk.day, chunk.row, FEEDBACK).tolist()
    codes = {name: chunk.codes[name].tolist() for name in ("tenant", "feature", "environment")}
    rows = zip(
        chunk.words, chunk.ids["request"].tolist(), chunk.ts_ms.tolist(), chunk.whole["user"].tolist(), spare, strict=True
    )
    for row, (words, request, ts_ms, user, unknown) in enumerate(rows):
        if words.output is None and not words.tool_calls:
            continue
        rng = random.Random(request ^ 0xFEEDBAC)
        feature = FEATURES[codes["feature"][row]].name
        clicks = _clicks(random.Random(request ^ 0xC11C), words) if feature in _SHOWN else ()
        for number, said in enumerate(chain(_said(rng, feature, words), clicks)):
            late = rng.lognormvariate(13, 1.6) if rng.random() < 0.85 else rng.uniform(0.5, LATEST_DAYS) * DAY_MS
            at_ms = ts_ms + int(late)
            days_later = (at_ms - day_start_ms(chunk.day)) // DAY_MS
            if days_later > LATEST_DAYS:
                continue
            planted = None
            if "comment_text" in said and days_later == 0 and rng.random() < _PLANTED:
                value, sentence = plant(rng, kind := rng.choice(("email", "phone", "iban")))
                said["comment_text"] += f" {sentence}"
                planted = ("comment", kind, value)
            is_orphan = rng.random() < _ORPHANED
            about = f"req_{unknown if is_orphan else request:016x}"
            record = given(
                record_kind="feedback",
                record_id=f"fb_{request:016x}_{number}",
                ts=iso_time(at_ms),
                request_id=about,
                tenant=TENANTS[codes["tenant"][row]].name,
                feature=feature,
                environment=ENVIRONMENTS[codes["environment"][row]][0],
                user_id=f"u{codes['tenant'][row]}-{user:06d}" if user >= 0 and said["feedback_by"] == "user" else None,
                **said,
            )
            copies = 2 if rng.random() < _REPEATED else 1
            yield Note(days_later, dump(record), about, is_orphan, copies, planted)


def _said(rng: random.Random, feature: str, words: Words) -> Iterator[dict[str, Any]]:
    truth = words.truth
    if truth is not None and rng.random() < _RATED:
        is_down = rng.random() < _DOWN[truth.label]
        comments = COMMENTS_DOWN if is_down else COMMENTS_UP
        yield given(
            feedback_kind="rating", feedback_name="thumbs", feedback_value=0 if is_down else 1,
            feedback_label="down" if is_down else "up", feedback_by="user",
            comment_text=rng.choice(comments) if rng.random() < _COMMENTED else None,
        )  # fmt: skip
        if truth.label == "hallucinated" and is_down and truth.answer and rng.random() < _CORRECTED:
            yield {
                "feedback_kind": "correction", "feedback_name": "answer", "feedback_by": "annotator",
                "correction_text": truth.answer,
            }  # fmt: skip
    is_bad = truth is not None and truth.label != "grounded"
    escalated = feature == "support_chat" and is_bad and rng.random() < _ESCALATED
    if escalated:
        yield {"feedback_kind": "escalation", "feedback_name": "to_person", "feedback_value": 1, "feedback_by": "system"}
    if feature in _OUTCOMES:
        name, share, unit = _OUTCOMES[feature]
        if rng.random() < share:
            happened = not escalated and rng.random() < (0.35 if is_bad else 0.75)
            value: float = int(happened)
            if unit is not None:
                value = round(rng.lognormvariate(1.5, 0.6), 2) if happened else 0
            yield given(
                feedback_kind="outcome", feedback_name=name, feedback_value=value, feedback_unit=unit, feedback_by="system"
            )


def _clicks(rng: random.Random, words: Words) -> Iterator[dict[str, Any]]:
    """Documents that the user opens: those that the answer names, and what stands first."""
    for found in words.retrieved:
        if rng.random() < (_OPENED_CITED if found.is_cited else _OPENED) / found.rank:
            yield {
                "feedback_kind": "outcome", "feedback_name": "clicked", "feedback_value": 1,
                "feedback_label": found.document.id, "feedback_by": "user",
            }  # fmt: skip


def count_by_day(notes: list[Note]) -> dict[int, tuple[int, int]]:
    """days later -> (lines, different records)."""
    days = np.array([note.days_later for note in notes], dtype=np.int64)
    copies = np.array([note.copies for note in notes], dtype=np.int64)
    return {int(day): (int(copies[days == day].sum()), int((days == day).sum())) for day in np.unique(days)}
