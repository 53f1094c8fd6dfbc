"""The desk that asks the golden prompts: what the night's run and `make probe` share.

What is to be asked is what is not stored, so a pass that is killed goes on where it was. The seed, the keys of the
environment, the client and the clock meet here; what answers are worth is assets/drift/probe_scores.py.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from assets.drift.probe_scores import ExpectationError, Expectations, is_refusal, parse_expectations, score
from pipelines.asking_desk import ROWS_OF_A_COMMIT, AskingDesk
from resources.chat_client import ChatClient, Reply
from resources.chat_endpoint import EndpointError
from resources.events import alone, closed_days_of, storing, table_rows
from resources.failpoints import failpoint
from resources.probe_seed import PROBES_FILE, Endpoint, GoldenPrompt, ProbeSeed, ProbeSeedError, load_probes, series_of

PROBES = "drift.probes"
GIVES_UP_AFTER = 3
"""Questions in a row without an answer, each tried several times: the endpoint is left alone for the night."""

Row = dict[str, Any]


@dataclass
class Asked:
    """What a pass did at one endpoint. `left_out`: questions that nothing was asked of, for the reason `why`."""

    answered: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    known: int = 0
    left_out: int = 0
    why: str | None = None

    @property
    def is_silent(self) -> bool:
        """Something was to be asked, and nothing was answered."""
        return self.answered == 0 and bool(self.failed or self.left_out)

    def __str__(self) -> str:
        parts = [f"{self.answered} answers"]
        parts += [f"{number} {name.replace('_', ' ')}" for name, number in sorted(self.failed.items())]
        parts += [f"{self.known} were known"] if self.known else []
        parts += [f"{self.left_out} left out: {self.why}"] if self.left_out else []
        return ", ".join(parts)


class ProbeDesk(AskingDesk):
    """The probes of one warehouse."""

    def read_seed(self) -> tuple[ProbeSeed, dict[str, Expectations]]:
        """probes.yml and what its prompts expect. Raises ProbeSeedError."""
        seed = load_probes(self.seeds / PROBES_FILE)
        try:
            expected = {
                name: parse_expectations(f"{PROBES_FILE}: {name}", prompt.expect) for name, prompt in seed.prompts.items()
            }
        except ExpectationError as error:
            raise ProbeSeedError(str(error)) from error
        return seed, expected

    def is_due(self) -> bool:
        """Whether tonight's questions are not all stored yet."""
        seed, _ = self.read_seed()
        day = self.clock.last_due_day()
        if not seed.endpoints or day in closed_days_of(self.store, PROBES):
            return False
        stored = self._stored(day)
        return any(self._open(endpoint, seed, stored) for endpoint in seed.endpoints.values())

    def work(self) -> dict[str, Asked]:
        """Ask what is not stored of tonight, endpoint by endpoint; rows are stored as they come. Twice is once.

        Raises ProbeSeedError for a faulty seed. An endpoint that cannot be asked is told in its `Asked`.
        """
        seed, expected = self.read_seed()
        with alone(self.store, ".probing.lock"):
            # Two would ask everything twice, and twice as fast as is declared.
            return {name: self._ask_endpoint(endpoint, seed, expected) for name, endpoint in seed.endpoints.items()}

    def _ask_endpoint(self, endpoint: Endpoint, seed: ProbeSeed, expected: Mapping[str, Expectations]) -> Asked:
        day, done = self.clock.last_due_day(), Asked()
        stored = self._stored(day)
        questions = self._open(endpoint, seed, stored)
        done.known = len(seed.prompts) * endpoint.repeats - len(questions)
        try:
            key = endpoint.key(self._environment)
        except EndpointError as error:
            done.left_out, done.why = len(questions), str(error)
            return done
        until = self._monotonic() + 60 * endpoint.minutes_a_night
        before = [row for row in stored if row["endpoint"] == endpoint.name]
        spent = sum(_tokens(row, endpoint, seed.prompts.get(row["prompt"])) for row in before)
        in_a_row = 0
        storing_ = storing(self.store, PROBES, ROWS_OF_A_COMMIT, lambda: failpoint("probe.stored"))
        with ChatClient(endpoint, key, self._sleep, self._monotonic) as client, storing_ as keep:
            for place, (prompt, repeat) in enumerate(questions):
                done.why = self._reason_to_stop(endpoint, prompt, until, spent, in_a_row, done)
                if done.why:
                    done.left_out = len(questions) - place
                    break
                asked_at = self.clock.now()
                reply = client.ask(endpoint.body(prompt), until)
                row = _row(day, endpoint, prompt, repeat, asked_at, reply, expected[prompt.name])
                keep(row)
                spent += _tokens(row, endpoint, prompt)
                if reply.error_class is None:
                    done.answered, in_a_row = done.answered + 1, 0
                else:
                    done.failed[reply.error_class] += 1
                    in_a_row += 1
        return done

    def _reason_to_stop(
        self, endpoint: Endpoint, prompt: GoldenPrompt, until: float, spent: int, in_a_row: int, done: Asked
    ) -> str | None:
        if self._monotonic() >= until:
            return f"minutes_a_night ({endpoint.minutes_a_night:g}) are over"
        if spent + _most_tokens(endpoint, prompt) > endpoint.tokens_a_night:
            return f"tokens_a_night ({endpoint.tokens_a_night:,}) might be exceeded"
        if done.failed["unauthorised"]:
            return "its key is not accepted"
        if in_a_row >= GIVES_UP_AFTER:
            return f"{in_a_row} questions in a row got no answer"
        return None

    def _stored(self, day: date) -> list[Row]:
        return [row for row in table_rows(self.store, PROBES) if row["day"] == day]

    def _open(self, endpoint: Endpoint, seed: ProbeSeed, stored: list[Row]) -> list[tuple[GoldenPrompt, int]]:
        """What is to be asked: all prompts once, then all again, so that a bound leaves repeats out before prompts."""
        known = {(row["prompt"], row["repeat"]) for row in stored if row["endpoint"] == endpoint.name}
        return [
            (prompt, repeat)
            for repeat in range(1, endpoint.repeats + 1)
            for prompt in seed.prompts.values()
            if (prompt.name, repeat) not in known
        ]


def _row(
    day: date,
    endpoint: Endpoint,
    prompt: GoldenPrompt,
    repeat: int,
    asked_at: datetime,
    reply: Reply,
    expected: Expectations,
) -> Row:
    """A row of drift.probes. The words of the answer end here."""
    answer: Row = dict.fromkeys(("score", "is_refusal", "answer_characters", "answer_digest"))
    if reply.text is not None:
        refused = is_refusal(reply.text, reply.says_refused)
        answer = {
            "score": score(reply.text, refused, expected),
            "is_refusal": refused,
            "answer_characters": len(reply.text),
            "answer_digest": hashlib.sha256(reply.text.encode("utf-8", "surrogatepass")).hexdigest(),
        }
    facts = ("error_class", "http_status", "model", "system_fingerprint", "finish_reason", "input_tokens", "output_tokens")
    return {
        "day": day,
        "endpoint": endpoint.name,
        "prompt": prompt.name,
        "repeat": repeat,
        "series": series_of(endpoint, prompt),
        "asked_at": asked_at,
        "asked_model": endpoint.model,
        "attempts": reply.attempts,
        **{name: getattr(reply, name) for name in facts},
        **answer,
        "latency_ms": None if reply.latency_ms is None else round(reply.latency_ms, 3),
    }


def _most_tokens(endpoint: Endpoint, prompt: GoldenPrompt | None) -> int:
    """What a question costs at most: of the prompt, no tokenizer makes more tokens than there are bytes."""
    words = "" if prompt is None else prompt.prompt + (prompt.system or "")
    return len(words.encode()) + endpoint.max_tokens


def _tokens(row: Row, endpoint: Endpoint, prompt: GoldenPrompt | None) -> int:
    """What a question cost: as the provider counted, else the most that it can have been, each time that it was sent."""
    if row["input_tokens"] is not None and row["output_tokens"] is not None:
        return int(row["input_tokens"]) + int(row["output_tokens"])
    return _most_tokens(endpoint, prompt) * int(row["attempts"])
