"""Incidents of drift: from a day on the traffic, or what answers it, is another; nothing fails and nothing is slow enough.

The base, and what an incident may override, is in `incidents.py`; days that differ without any of these are in `seasons.py`.
Sizes are meant to be varied: a small one lies below the floors of the drift tests, a large one must be seen by the third
night.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, ClassVar, Literal

import numpy as np

from simulator.catalogue import FEATURE_CODES, FEATURES, MODEL_CODES, MODELS, PROMPT_PARTS, TOKEN_COLUMNS
from simulator.chunk import ABSENT, BoolArray, Chunk
from simulator.demand import draw_demand
from simulator.dialogue import LANGUAGES, TOPICS, topic_share
from simulator.extras import cost_nano_usd
from simulator.fragments import ANSWERED, OUTCOME_CODES, prompt_version
from simulator.incidents import Incident, in_ms
from simulator.outcome import draw_outcome, fail
from simulator.service_incidents import DeployWindow
from simulator.shape import FloatArray, chunk_plans, generator
from simulator.voice import TERSE, WARM

Shown = tuple[tuple[str, str], ...]
_SEGMENTS = {"feature": "feature", "request_model": "model", "tenant": "tenant"}
_TALKS = [FEATURE_CODES[name] for name in ("support_chat", "doc_search", "voice_agent")]
_SAMPLE_SEED, _SAMPLE_DAY, _SAMPLE_ROWS = 0, date(2026, 6, 3), 6_000


@dataclass(frozen=True)
class Drift(Incident):
    """Something has changed from `start` to `end`. Scope is one feature, model or tenant: the segment that shows it.

    `shows_in` names (family, metric) of drift.drift_verdicts, one of which has to be found there by the third night. The
    metric of an embedding goes on with a full stop and the name of its reference.
    """

    may_wake: ClassVar[tuple[str, ...]] = ("drift", "cost_spike", "burn_rate")
    shows_in: ClassVar[Shown] = ()
    what: ClassVar[str] = ""

    @property
    def segment(self) -> tuple[str, str]:
        """(kind, name) of the segment, as the drift tables have it: a model by the name that answers are signed with."""
        ((key, name),) = self.scope.items()
        return _SEGMENTS[key], MODELS[MODEL_CODES[name]].response_name if key == "request_model" else name

    def figures(self) -> dict[str, Any]:
        """`from` and `to` in words or figures, and the `share` of scope that is another."""
        return {"from": None, "to": None, "share": 1.0}

    def as_truth(self) -> dict[str, Any]:
        kind, name = self.segment
        shown = [{"table": "drift.drift_verdicts", "family": family, "metric": metric} for family, metric in self.shows_in]
        found_by = list(dict.fromkeys(f"drift.{family}" for family, _ in self.shows_in))
        told = {"what": self.what, "segment_kind": kind, "segment": name, "shows_in": shown, "found_by": found_by}
        return super().as_truth() | told | self.figures()


@dataclass(frozen=True)
class TopicSurge(Drift):
    """The share of `topic` in a feature rises by `size`: whole conversations turn to it, in proportion to all others."""

    size_is = "points of share, as a fraction"
    brings = "more conversations about one topic"
    needs_texts = True
    what = "topic"
    shows_in = (("embedding", "prompt_embedding"),)
    topic: str = "warranty"

    def figures(self) -> dict[str, Any]:
        before = topic_share(FEATURE_CODES[self.scope["feature"]], TOPICS.index(self.topic))
        return {"topic": self.topic, "from": before, "to": before + self.size, "share": self.size / (1 - before)}

    def touches(self, chunk: Chunk) -> BoolArray:
        turned: BoolArray = self.lot(chunk, "conversation") < self.figures()["share"]
        return super().touches(chunk) & turned

    def change_demand(self, chunk: Chunk, rows: BoolArray) -> None:
        chunk.codes["topic"][rows] = TOPICS.index(self.topic)


@dataclass(frozen=True)
class LanguageSwitch(Drift):
    """A share `size` of the users of scope writes in `language`, and is answered in it, where they talk."""

    size_is = "share of users"
    brings = "prompts and answers in another language"
    needs_texts = True
    what = "language"
    shows_in = (("categorical", "prompt_language"), ("categorical", "output_language"), ("embedding", "prompt_embedding"))
    language: str = "de"
    is_usual: bool = False
    """It has always been so: nobody has to find it."""

    def as_truth(self) -> dict[str, Any]:
        return super().as_truth() | ({"shows_in": [], "found_by": []} if self.is_usual else {})

    def figures(self) -> dict[str, Any]:
        return {"language": self.language, "from": "whatever they spoke", "to": self.language, "share": self.size}

    def touches(self, chunk: Chunk) -> BoolArray:
        user, tenant = chunk.whole["user"], chunk.codes["tenant"]
        person = (user + 1) * 64 + tenant
        mixed = (person.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(33)
        of_person = ((mixed ^ np.uint64(sum(self.name.encode()) * 7919)) % np.uint64(10_007)) / 10_007.0
        lot = np.where(user >= 0, of_person, self.lot(chunk))
        return super().touches(chunk) & np.isin(chunk.codes["feature"], _TALKS) & (lot < self.size)

    def change_demand(self, chunk: Chunk, rows: BoolArray) -> None:
        chunk.codes["language"][rows] = LANGUAGES.index(self.language)


@dataclass(frozen=True)
class LengthShift(Drift):
    """Prompts or answers of a feature are longer by `size` standard deviations of their logarithmic token counts."""

    size_is = "standard deviations of the logarithm"
    brings = "more tokens and more words, prompt by prompt"
    what = "length"
    part: Literal["prompt", "answer"] = "prompt"

    @property
    def factor(self) -> float:
        """What lengths are multiplied by."""
        return float(np.exp(self.size * _spreads()[self.part][FEATURE_CODES[self.scope["feature"]]]))

    def figures(self) -> dict[str, Any]:
        metrics = {"prompt": ("input_tokens", "prompt_characters"), "answer": ("output_tokens", "output_characters")}
        shown = [{"table": "drift.drift_verdicts", "family": "numeric", "metric": metric} for metric in metrics[self.part]]
        return {
            "part": self.part, "from": 1.0, "to": self.factor, "share": 1.0,
            "shows_in": shown, "found_by": ["drift.numeric"],
        }  # fmt: skip

    def change_demand(self, chunk: Chunk, rows: BoolArray) -> None:
        if self.part == "prompt":
            for part in PROMPT_PARTS:
                chunk.whole[part][rows] = (chunk.whole[part][rows] * self.factor).astype(np.int64)
            chunk.codes["prompt_permille"][rows] = round(1000 * self.factor)

    def change_outcome(self, chunk: Chunk, rows: BoolArray) -> BoolArray:
        if self.part == "prompt":
            return rows
        answered = _resize_answers(chunk, rows, self.factor)
        chunk.codes["answer_permille"][answered] = round(1000 * self.factor)
        return answered


@dataclass(frozen=True)
class ProviderSwitch(Drift):
    """Behind the same name another model answers: answers of `size` times the length, sooner, and in another style.

    A share of twice what is missing in length, at most all, is said in the new style.
    """

    size_is = "factor of the length of answers"
    brings = "shorter, terser and faster answers under an unchanged model name"
    what = "provider"
    shows_in = (
        ("numeric", "output_tokens"), ("numeric", "output_characters"), ("numeric", "latency_ms"), ("numeric", "cost_usd"),
        ("categorical", "output_has_list"), ("embedding", "output_embedding"),
    )  # fmt: skip

    def figures(self) -> dict[str, Any]:
        return {"from": 1.0, "to": self.size, "share": 1.0, "pace": self.pace}

    @property
    def pace(self) -> float:
        """What times in the model are multiplied by."""
        return 0.4 + 0.6 * self.size

    def change_outcome(self, chunk: Chunk, rows: BoolArray) -> BoolArray:
        answered = _resize_answers(chunk, rows, self.size)
        chunk.codes["style"][answered & (self.lot(chunk) < 2 * (1 - self.size))] = TERSE
        for name in ("model_ms", "time_to_first_token_ms", "latency_ms"):
            chunk.ms[name][answered] = np.round(chunk.ms[name][answered] * self.pace, 1)
        return answered


@dataclass(frozen=True)
class NewPromptVersion(DeployWindow, Drift):
    """A declared new version of a feature's prompt: answers are longer by the factor `size`, warmer, and oftener refusals.

    It is taken back at `end`, or replaced by the next version that comes by itself.
    """

    size_is = "factor of the length of answers"
    brings = "another prompt_version, longer and warmer answers, and refusals"
    found_by = ()
    may_wake = ("drift", "cost_spike", "burn_rate", "latency")
    what = "prompt"
    shows_in = (
        ("categorical", "prompt_version"), ("categorical", "refusal"), ("numeric", "output_tokens"),
        ("numeric", "output_characters"), ("categorical", "output_refuses"), ("embedding", "output_embedding"),
    )  # fmt: skip
    refused_share: float = 0.02

    def figures(self) -> dict[str, Any]:
        usual = prompt_version(self.start.date(), FEATURE_CODES[self.scope["feature"]])
        return {"from": usual, "to": self.prompt_version, "share": 1.0, "refused_share": self.refused_share}

    @property
    def declared_until(self) -> datetime:
        return self.start + timedelta(hours=1)

    def touches(self, chunk: Chunk) -> BoolArray:
        return super().touches(chunk) & chunk.between(in_ms(self.start), in_ms(self.end))

    def change_outcome(self, chunk: Chunk, rows: BoolArray) -> BoolArray:
        refused = rows & _is_answered(chunk) & (self.lot(chunk) < self.refused_share)
        chunk.codes["style"][_resize_answers(chunk, rows & ~refused, self.size)] = WARM
        fail(chunk, refused, OUTCOME_CODES["refusal"])
        return rows

    def as_truth(self) -> dict[str, Any]:
        return {name: told for name, told in super().as_truth().items() if name != "burst_end"}


def _is_answered(chunk: Chunk) -> BoolArray:
    answered: BoolArray = (chunk.codes["outcome"] == ANSWERED) & (chunk.codes["response_cache"] != 1)
    return answered & (chunk.whole["output_tokens"] >= 0)


def _resize_answers(chunk: Chunk, rows: BoolArray, factor: float) -> BoolArray:
    """Answers of `factor` times the tokens, and what the gateway believes that they cost; returns the rows that have one."""
    answered = rows & _is_answered(chunk)
    whole = chunk.whole
    for name in ("output_tokens", "audio_output_tokens"):
        sizes = whole[name]
        longer = answered & (sizes > 0)
        sizes[longer] = np.maximum(np.round(sizes[longer] * factor), 1).astype(np.int64)
    costs = cost_nano_usd(chunk)
    for name in ("cost_nano_usd", "reported_cost_nano_usd"):
        known = answered & (whole[name] != ABSENT)
        whole[name][known] = costs[known]
    return answered


@cache
def _spreads() -> dict[str, FloatArray]:
    """By part, each feature's standard deviation of the logarithm of its tokens, on a large day that is always the same."""
    (plan,) = chunk_plans(_SAMPLE_SEED, _SAMPLE_DAY, _SAMPLE_ROWS, 1, 2 * _SAMPLE_ROWS)
    chunk = draw_demand(_SAMPLE_SEED, _SAMPLE_DAY, plan, _SAMPLE_ROWS)
    draw_outcome(chunk, generator(_SAMPLE_SEED, _SAMPLE_DAY, 3, plan.number))
    inputs = sum((np.maximum(chunk.whole[n], 0) for n in TOKEN_COLUMNS if n.startswith(("uncached", "cache"))), start=0)
    tokens = {"prompt": np.asarray(inputs), "answer": chunk.whole["output_tokens"]}
    feature = chunk.codes["feature"]
    return {
        part: np.array([np.std(np.log(n[(feature == code) & (n > 0)])) for code in range(len(FEATURES))])
        for part, n in tokens.items()
    }
