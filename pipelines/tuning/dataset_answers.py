"""Answers that people corrected, rated or judged: the candidates of datasets that a generator is trained on.

Here belongs the reading of them, for imitation (sft) and for preference (preferences) alike; which answer stands for what,
assets/tuning/preferences.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from assets.quality.failures import labelled_failures
from assets.quality.judged import mean_of_each
from assets.tuning.dedupe import normalised
from assets.tuning.preferences import LABELLED, Answered, Lesson, Pair, lessons, pairs
from assets.tuning.refine import LABEL_FLIP, MAY_TRAIN, SPLITS, Candidate, Refined
from pipelines.quality.label_population import ask
from pipelines.tuning.dataset_evidence import (
    TEXTS,
    Row,
    annotators_of,
    asked,
    distrusted,
    facts_of,
    fault_of,
    labels,
    labels_frame,
    name_of,
    near,
    said_on,
)
from resources.store import Store

SFT, PREFERENCES = "sft", "preferences"
SAME_ANSWER = "same_answer"
LESSON = pa.schema([(name, pa.string()) for name in ("example_id", "messages", "feature", "group")])
"""sft: `messages` is JSON, a list of role and content, whose last is the answer."""
PAIR = pa.schema([(name, pa.string()) for name in ("example_id", "prompt", "chosen", "rejected", "feature", "group")])
"""preferences: `prompt` is JSON, a list of role and content; chosen and rejected are answers to it."""
_SAID = """
select
    request_id,
    sum(case when feedback_kind = 'rating' and feedback_unit is null then
        case feedback_value when 1 then 1 when 0 then -1 else 0 end else 0 end) as thumbs,
    bool_or(feedback_kind in ('escalation', 'correction')
        or (feedback_kind = 'rating' and feedback_unit is null and feedback_value = 0)) as complained,
    bool_and(coalesce(may_train, true)) as may_train
from logs.feedback
where
    state = 'matched' and feedback_kind in ('rating', 'escalation', 'correction')
    and coalesce(feedback_by, 'user') <> 'model'
group by request_id
"""
_CORRECTED = """
select f.request_id, t.text, f.user_token, coalesce(f.may_train, true) and coalesce(t.may_train, true) as may_train
from logs.feedback as f
inner join logs.texts as t on t.file_id = f.file_id and t.record_number = f.record_number
where f.state = 'matched' and t.part = 'correction' and coalesce(f.feedback_by, 'user') <> 'model'
order by f.request_id, f.ts desc, t.text desc
"""


@dataclass(frozen=True)
class _Labelled:
    """What labels say of a response: whether it is good by those who are believed, and by all."""

    good: dict[str, bool]
    good_by_all: dict[str, bool]
    annotators: dict[str, set[str]]


class AnswerRows:
    """The candidates of one warehouse of one kind, sft or preferences."""

    def __init__(self, kind: str, store: Store, days: set[date], last: date):
        self.kind, self.store, self.days, self.last = kind, store, days, last

    def candidates(self) -> list[Candidate]:
        """One for each answer to imitate, or for each pair of answers."""
        answered = self._answered()
        if self.kind == SFT:
            return [_lesson(one) for one in lessons(answered)]
        return [_pair(one) for one in pairs(answered)]

    def tables(self, refined: Refined) -> dict[str, pa.Table]:
        """train, dev and test of what is kept."""
        schema = LESSON if self.kind == SFT else PAIR
        rows = {split: [{name: one.row[name] for name in schema.names} for one in refined.kept[split]] for split in SPLITS}
        return {split: pa.Table.from_pylist(some, schema=schema) for split, some in rows.items()}

    def _answered(self) -> list[Answered]:
        feedback = {"logs.feedback": said_on(self.days, self.last)}
        said = {row["request_id"]: row for row in ask(self.store, _SAID, feedback, {})}
        corrected: dict[str, Row] = {}
        texts = {TEXTS: near(feedback["logs.feedback"])}
        for row in ask(self.store, _CORRECTED, feedback | texts, {}):
            corrected.setdefault(row["request_id"], row)
        judged = self._labelled()
        rows = asked(self.store, self.days, {*said, *corrected, *judged.good_by_all})
        return [self._one(row, said.get(row["request_id"], {}), corrected.get(row["request_id"]), judged) for row in rows]

    def _one(self, row: Row, said: Row, corrected: Row | None, judged: _Labelled) -> Answered:
        request = row["request_id"]
        fault = fault_of(row, row["prompt"], row["answer"])
        if said.get("may_train") is False or (corrected is not None and not corrected["may_train"]):
            fault = MAY_TRAIN
        good = judged.good.get(request)
        if good is None and (good := judged.good_by_all.get(request)):
            # What only those say who say the opposite of others.
            fault = fault or LABEL_FLIP
        return Answered(
            prompt=row["prompt"], answer=row["answer"], system=row["system"], history=row["history"],
            correction=corrected["text"] if corrected else None, corrected_by=corrected["user_token"] if corrected else None,
            thumbs=int(said.get("thumbs") or 0), good=good, is_complained_of=bool(said.get("complained")),
            annotators=tuple(sorted(judged.annotators.get(request, ()))) if good is not None else (),
            feature=row["feature"], tenant=row["tenant"], fault=fault, **facts_of(row),
        )  # fmt: skip

    def _labelled(self) -> _Labelled:
        said = labels(self.store, self.days)
        doubted = distrusted(self.store, said)
        believed = [row for row in said if row["annotator"] not in doubted]
        return _Labelled(_good(self.store, believed), _good(self.store, said), annotators_of(said))


def _good(store: Store, said: Sequence[Row]) -> dict[str, bool]:
    """By request, whether people call the response good: nothing made up, what was asked is done, and no fault at all; False
    where they find a fault, and no entry where they could not say."""
    if not said:
        return {}
    frame = labels_frame(store, said)
    wrong = {one.request_id for one in labelled_failures(frame, ())}
    found = dict.fromkeys(wrong, False)
    for row in mean_of_each(frame).iter_rows(named=True):
        is_true = row["hallucinated"] is not None and row["hallucinated"] < 0.5
        if row["request_id"] not in wrong and is_true and (row["instruction_followed"] or 0) > 0.5:
            found[row["request_id"]] = True
    return found


def _lesson(one: Lesson) -> Candidate:
    of = one.of
    name = name_of(SFT, of.request_id)
    messages = [*of.question, {"role": "assistant", "content": one.answer}]
    row = {"example_id": name, "messages": json.dumps(messages, ensure_ascii=False), "feature": of.feature}
    return _candidate(name, one.source, of, (one.answer,), row)


def _pair(one: Pair) -> Candidate:
    of = one.of
    name = name_of(PREFERENCES, *one.requests)
    row = {
        "example_id": name, "prompt": json.dumps(of.question, ensure_ascii=False), "chosen": one.chosen,
        "rejected": one.rejected, "feature": of.feature,
        "other": (one.other.day, one.other.request_id) if one.other else None,
    }  # fmt: skip
    fault = one.other.fault if one.other is not None else None
    fault = fault or (SAME_ANSWER if normalised(one.chosen) == normalised(one.rejected) else None)
    return _candidate(name, one.source, of, (one.chosen, one.rejected), row, fault)


def _candidate(
    name: str, source: str, of: Answered, answers: tuple[str, ...], row: dict[str, Any], fault: str | None = None
) -> Candidate:
    texts = tuple(text for text in (of.prompt, *answers, of.history) if text)
    empty = None if all(text.strip() for text in answers) else "no_words"
    group = of.conversation or of.request_id
    return Candidate(
        name, day=of.day, ts=of.ts, request_id=of.request_id, source=source, group=group, conversation=of.conversation,
        user=(of.corrected_by if source == "correction" else None) or of.user,
        annotators=of.annotators if source == LABELLED else (), texts=texts, other_texts=(of.system,) if of.system else (),
        target=of.feature, fault=of.fault or empty or fault, log_source=of.log_source, language=of.language,
        row=row | {"group": group},
    )  # fmt: skip
