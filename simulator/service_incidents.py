"""Incidents of service: slow, failing, cut off, sent the wrong way, unguarded, waiting, in a loop, attacked.

And one that is none, a deployment.

The base, and what an incident may override, is in `incidents.py`. Sizes are meant to be varied: a small one should go
unseen, a large one must not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

import numpy as np

from simulator.catalogue import ENVIRONMENTS, FEATURE_CODES, MODEL_CODES
from simulator.chunk import ABSENT, CONVERSATION, REQUEST, TRACE, BoolArray, Chunk, make_ids
from simulator.fragments import ANSWERED, BLOCKED, INPUT_BLOCKED, MISROUTED, OUTCOME_CODES, PROMPT_TEXTS, prompt_version
from simulator.incidents import Incident, PartialIncident, in_ms
from simulator.outcome import CONTEXT_WINDOW_TOKENS, fail
from simulator.shape import HOUR_MS, IntArray

_BURNS = ("burn_rate",)
_STRANGER = 500_000
"""From this number on users are planted."""
_PROD = [name for name, _ in ENVIRONMENTS].index("prod")


@dataclass(frozen=True)
class LatencyRegression(Incident):
    """Time in the model, to the first token and to the last grow by the factor `size`."""

    brings = "slower answers: model_ms, time_to_first_token_ms and latency_ms"
    found_by = ("latency", *_BURNS)

    def change_outcome(self, chunk: Chunk, rows: BoolArray) -> BoolArray:
        # Answers of a cache, batches and timeouts have no time in the model.
        slowed: BoolArray = rows & ~np.isnan(chunk.ms["model_ms"])
        for name in ("model_ms", "time_to_first_token_ms", "latency_ms"):
            chunk.ms[name][slowed] = np.round(chunk.ms[name][slowed] * self.size, 1)
        return slowed


@dataclass(frozen=True)
class ErrorBurst(PartialIncident):
    """A share `size` of the answers of scope fails instead, with `error_code`. Raises ValueError for an unknown code."""

    brings = "failures"
    found_by = _BURNS
    error_code: str = "overloaded_error"

    def __post_init__(self) -> None:
        if self.error_code not in OUTCOME_CODES:
            raise ValueError(f"{self.name}: unknown error_code {self.error_code}; there are {', '.join(OUTCOME_CODES)}")

    def change_outcome(self, chunk: Chunk, rows: BoolArray) -> BoolArray:
        failing = rows & _is_answered_by_a_model(chunk)
        fail(chunk, failing, OUTCOME_CODES[self.error_code])
        return failing

    def as_truth(self) -> dict[str, Any]:
        return super().as_truth() | {"error_code": self.error_code}


@dataclass(frozen=True)
class TruncationRise(Incident):
    """Prompts keep too much history: up to `size` context windows more each, which then is cut off.

    Touched are the prompts that were cut; scope has to log that (`Feature.reports_window`).
    """

    size_is = "context windows"
    brings = "is_window_truncated and window_lost_tokens, for most of the input tokens of a full window"
    found_by = ("truncation", *_BURNS)
    may_wake = ("cost_spike", "latency")

    def change_demand(self, chunk: Chunk, rows: BoolArray) -> None:
        grown = (self.size * CONTEXT_WINDOW_TOKENS * self.lot(chunk)).astype(np.int64)
        chunk.whole["prompt_history_tokens"][rows] += grown[rows]

    def change_outcome(self, chunk: Chunk, rows: BoolArray) -> BoolArray:
        cut: BoolArray = rows & (chunk.codes["is_window_truncated"] == 1)
        return cut


@dataclass(frozen=True)
class Misrouting(PartialIncident):
    """A share `size` of scope's requests takes the dearest route, to `model`, where the policy wanted the cheapest."""

    brings = "route <> expected_route, and the price of a dearer model"
    found_by = ("misrouting", *_BURNS)
    may_wake = ("cost_spike", "latency")
    model: str = ""

    def change_demand(self, chunk: Chunk, rows: BoolArray) -> None:
        chunk.codes["model"][rows] = MODEL_CODES[self.model]

    def change_outcome(self, chunk: Chunk, rows: BoolArray) -> BoolArray:
        misrouted: BoolArray = rows & (chunk.codes["response_cache"] != 1) & (chunk.codes["outcome"] != BLOCKED)
        chunk.codes["route"][misrouted] = MISROUTED
        return misrouted

    def as_truth(self) -> dict[str, Any]:
        return super().as_truth() | {"model": self.model}


@dataclass(frozen=True)
class SafetyBypass(PartialIncident):
    """A share `size` of scope's answered requests are attacks that the input filter blocks, and that get an answer.

    With texts the answers repeat the system prompt with its canary, or give away personal data.
    """

    brings = "safety_input_verdict block beside an answer; with texts: canaries and personal data in answers"
    found_by = ("filter_bypass", "canary_leak", "pii_in_output")
    may_wake = _BURNS

    def change_outcome(self, chunk: Chunk, rows: BoolArray) -> BoolArray:
        passed = rows & _is_answered_by_a_model(chunk)
        chunk.codes["safety"][passed] = INPUT_BLOCKED
        chunk.codes["is_unguarded"][passed] = 1
        return passed


@dataclass(frozen=True)
class QueueBacklog(Incident):
    """The queue grows to `size` minutes in the middle of the time, and falls again."""

    size_is = "minutes of waiting at the peak"
    brings = "queue_ms of minutes, and as much more time_to_first_token_ms and latency_ms"
    found_by = ("queue_backlog",)
    may_wake = ("latency", *_BURNS)

    def change_outcome(self, chunk: Chunk, rows: BoolArray) -> BoolArray:
        waiting = rows & ~np.isnan(chunk.ms["queue_ms"])
        passed = (chunk.ts_ms[waiting] - in_ms(self.start)) / (in_ms(self.end) - in_ms(self.start))
        wait_ms = np.round(self.size * 60_000 * (1 - np.abs(2 * passed - 1)), 1)
        for name in ("queue_ms", "time_to_first_token_ms", "latency_ms"):
            chunk.ms[name][waiting] = np.round(chunk.ms[name][waiting] + wait_ms, 1)
        return waiting


@dataclass(frozen=True)
class _OnTop(Incident):
    """On top of the traffic, somebody sends `size` requests an hour to `prod`, modelled on scope's first of the chunk.

    Between two chunks, where nobody asks, it pauses too.
    """

    size_is = "requests an hour"

    def touches(self, chunk: Chunk) -> BoolArray:
        """What was drawn is left alone."""
        return np.zeros(len(chunk), dtype=bool)

    def requests_on_top(self, seed: int, chunk: Chunk) -> Chunk | None:
        is_named = (chunk.whole["user"] >= 0) & (chunk.codes["environment"] == _PROD)
        models = np.flatnonzero(self.concerns(chunk) & is_named)
        step_ms, start_ms = HOUR_MS / self.size, in_ms(self.start)
        first_ms, last_ms = max(int(chunk.ts_ms[0]), start_ms), min(int(chunk.ts_ms[-1]), in_ms(self.end) - 1)
        turn = np.arange(max(0, int((first_ms - start_ms) / step_ms) - 1), int((last_ms - start_ms) / step_ms) + 1)
        ts_ms = (start_ms + (turn + 0.5) * step_ms).astype(np.int64)
        inside = (ts_ms >= first_ms) & (ts_ms <= last_ms)
        turn, ts_ms = turn[inside], ts_ms[inside]
        if not len(models) or not len(turn):
            return None
        more = chunk.take(np.full(len(turn), models[0]))
        # Rows that were drawn have smaller numbers: ids are made of these.
        row = (1 << 36) + ((self.mark & 0xFFFF) << 20) + turn
        more.ts_ms, more.row = ts_ms, row
        more.ids = {
            "request": make_ids(seed, chunk.day, row, REQUEST),
            "trace": make_ids(seed, chunk.day, row, TRACE),
            "parent": make_ids(seed, chunk.day, row, REQUEST),
            "conversation": make_ids(seed, chunk.day, row, CONVERSATION),
        }
        more.whole["has_parent"][:] = 0
        for name in ("is_batch", "is_shadow", "prompt_text"):
            more.codes[name][:] = ABSENT
        self.shape(seed, more, turn)
        return more

    @property
    def mark(self) -> int:
        """The incident's own number."""
        return crc32(self.name.encode())

    def shape(self, seed: int, more: Chunk, turn: IntArray) -> None:
        """What these requests are, in place; `turn` counts them from 0."""


@dataclass(frozen=True)
class PromptLoop(_OnTop):
    """A caller in scope sends one prompt again and again; with `growth_tokens` it is one conversation whose every turn is
    longer by so much. Scope names an API key.
    """

    found_by = ("prompt_loop", "growing_prompt")
    may_wake = ("cost_spike", "truncation", "latency", *_BURNS)
    growth_tokens: int = 0

    def shape(self, seed: int, more: Chunk, turn: IntArray) -> None:
        if self.growth_tokens:
            more.ids["conversation"][:] = make_ids(seed, self.start.date(), more.row[:1] - turn[:1], CONVERSATION)
            more.whole["conversation_turn"] = turn + 1
            more.whole["prompt_history_tokens"] = turn * self.growth_tokens
        else:
            more.codes["prompt_text"][:] = self.mark % len(PROMPT_TEXTS)
            more.codes["repeats"][:] = self.mark
            more.whole["conversation_turn"] = np.minimum(more.whole["conversation_turn"], 1)
            more.whole["prompt_history_tokens"][:] = 0

    def as_truth(self) -> dict[str, Any]:
        grows = self.growth_tokens > 0
        return super().as_truth() | {
            "growth_tokens": self.growth_tokens,
            "brings": "a conversation without end, longer turn by turn" if grows else "one prompt, again and again",
            "found_by": ["growing_prompt" if grows else "prompt_loop"],
        }


@dataclass(frozen=True)
class Attacker(_OnTop):
    """A user who is nobody else tries to get round the rules, and between attacks goes through the handbook, once. Scope
    names `doc_search`."""

    needs_texts = True
    brings = "with texts: one user more, with attacks of all kinds and searches that go through the handbook once"
    found_by = ("abuse",)
    may_wake = ("cost_spike", "latency", "prompt_loop", *_BURNS)

    def shape(self, seed: int, more: Chunk, turn: IntArray) -> None:
        more.whole["user"][:] = _STRANGER + self.mark % _STRANGER
        more.whole["conversation_turn"] = np.minimum(more.whole["conversation_turn"], 1)
        more.whole["prompt_history_tokens"][:] = 0
        more.codes["attacker_turn"] = turn.astype(np.int64)


@dataclass(frozen=True)
class DeployWindow(Incident):
    """A new version of a feature's prompt from `start` on, declared: within the window nobody is woken.

    For the first `burst` a share `size` of the feature's answers fails: those are the requests touched. Scope names the
    feature alone. The version ends with the next one that comes by itself.
    """

    size_is = "share of requests"
    brings = "another prompt_version, and failures at the beginning of the declared window"
    burst: timedelta = timedelta(minutes=20)

    @property
    def prompt_version(self) -> str:
        """The version that is deployed."""
        return prompt_version(self.start.date(), FEATURE_CODES[self.scope["feature"]], 1)

    @property
    def declared_until(self) -> datetime:
        """When the declared window ends."""
        return self.end

    def touches(self, chunk: Chunk) -> BoolArray:
        """What runs on the version, for as long as it lasts."""
        if prompt_version(chunk.day, FEATURE_CODES[self.scope["feature"]], 1) != self.prompt_version:
            return np.zeros(len(chunk), dtype=bool)
        return self.concerns(chunk) & (chunk.ts_ms >= in_ms(self.start))

    def change_demand(self, chunk: Chunk, rows: BoolArray) -> None:
        chunk.codes["release"][rows] = 1

    def change_outcome(self, chunk: Chunk, rows: BoolArray) -> BoolArray:
        failing = rows & chunk.between(in_ms(self.start), in_ms(self.start + self.burst)) & (self.lot(chunk) < self.size)
        failing &= _is_answered_by_a_model(chunk)
        fail(chunk, failing, OUTCOME_CODES["internal_server_error"])
        return failing

    def as_truth(self) -> dict[str, Any]:
        told = super().as_truth()
        return told | {"burst_end": (self.start + self.burst).isoformat(), "prompt_version": self.prompt_version}

    def seed_example(self) -> tuple[str, str]:
        feature = self.scope["feature"]
        fields = {
            "starts_at": _instant(self.start),
            "ends_at": _instant(self.declared_until),
            "feature": feature,
            "prompt_version": self.prompt_version,
            "what": "a new version of the prompt",
            "actor": "team:prompts",
        }
        entry = "".join(f"    {key}: {value}\n" for key, value in fields.items())
        return "deployments_example.yml", f"  {self.name}:\n{entry}"


def _is_answered_by_a_model(chunk: Chunk) -> BoolArray:
    """Rows with an answer that no cache gave."""
    answered: BoolArray = (chunk.codes["outcome"] == ANSWERED) & (chunk.codes["response_cache"] != 1)
    return answered


def _instant(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
