"""The desk of replays: the logged requests of an incident, asked again of a candidate, and both answers compared.

Words go to the candidate's endpoint, and only those that may be used: a response that may not be labelled, or not be trained
on, is left out. What comes back is kept under the day of its request, and leaves with that day's words.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np

from assets.quality.eval_case import EvalCase
from assets.release.eval_checks import Answer, declines, groundedness
from assets.service.incidents import fold
from pipelines.asking_desk import ROWS_OF_A_COMMIT, AskingDesk
from pipelines.quality.label_population import ask
from pipelines.release.eval_asking import replies
from pipelines.release.eval_prices import Usage, costs_usd
from pipelines.release.eval_spending import Bounds, Spending
from pipelines.release.eval_versions import Version, read_manifests, version_of
from pipelines.response_words import response_words
from pipelines.service.incident_desk import INCIDENTS
from resources.chat_client import ChatClient, Reply
from resources.embedder import Embedder
from resources.eval_answers import EvalAnswers
from resources.events import alone, append, closed_days_of, table_rows
from resources.failpoints import failpoint
from resources.release_seed import RELEASE_FILE, load_release

REPLAYS, TEXTS = "release.replays", "logs.texts"
MOST_REQUESTS = 100
"""Of one replay: what an incident did shows in fewer, and each costs money."""
Row = dict[str, Any]
Place = tuple[str, int]
"""A request and the number of the repeat."""
Say = Callable[[str], Any]
_REQUESTS = """
select
    r.day, r.request_id, r.user_token, r.feature, r.prompt_version, r.model, r.latency_ms,
    coalesce(r.may_label, true) and coalesce(r.may_train, true) as may_use, c.contracted_amount as cost_usd
from logs.requests as r
left join cost.request_costs as c on c.day = r.day and c.request_id = r.request_id
where
    r.ts >= $first and r.ts <= $last and ($feature is null or r.feature = $feature)
    and ($model is null or $model in (r.model, r.request_model, r.response_model))
order by md5(r.request_id)
"""


class ReplayError(ValueError):
    """A replay that cannot be begun; says why."""


@dataclass(frozen=True)
class Wanted:
    """What is asked again: the requests of an incident's evidence, or of a time; at most so many, a random part, the same
    each time."""

    candidate: str
    incident: str | None = None
    first: datetime | None = None
    last: datetime | None = None
    feature: str | None = None
    model: str | None = None
    requests: int = MOST_REQUESTS
    repeats: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.requests <= MOST_REQUESTS or self.repeats < 1:
            raise ReplayError(f"requests are from 1 to {MOST_REQUESTS}, repeats 1 or more")


@dataclass
class Replayed:
    """What a replay did. `rows`: all that release.replays has of it; `words`: both answers of each request, for whoever may
    read them."""

    replay_id: str
    rows: list[Row] = field(default_factory=list)
    words: dict[str, tuple[str, str]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    usd: Decimal = Decimal(0)
    why: str | None = None
    blind_spot: str | None = None

    def __str__(self) -> str:
        requests = {row["request_id"] for row in self.rows}
        parts = [f"replay {self.replay_id}: {len(requests)} requests, {self.asked} asked now"]
        parts += [f"for {self.usd.normalize():f} USD"] if self.usd else []
        parts += [f"{count} {name.replace('_', ' ')}" for name, count in sorted(self.left_out.items())]
        parts += [self.blind_spot] if self.blind_spot else []
        return ", ".join(parts) + (f": {self.why}" if self.why else "")


@dataclass(frozen=True)
class _Logged:
    """One request as it was: its row, and its words."""

    row: Mapping[str, Any]
    case: EvalCase
    answer: str


class ReplayDesk(AskingDesk):
    """Replays of one warehouse. `embedder` None: answers are not compared by their meaning."""

    embedder: Embedder | None = None

    def replay(self, wanted: Wanted, say: Say = lambda _: None) -> Replayed:
        """Ask again what has no row yet, compare, and write it down. What the candidate did not answer has none: the next
        replay asks it. Raises ReplayError, VersionError, EndpointError, ReleaseSeedError, ManifestError."""
        seed = load_release(self.seeds / RELEASE_FILE)
        version = version_of(wanted.candidate, seed, read_manifests(self.seeds))
        key = version.endpoint.key(self._environment)
        with alone(self.store, ".evals.lock"):
            logged, left_out = self._logged(wanted)
            if not logged:
                told = ", ".join(f"{count} {why}" for why, count in sorted(left_out.items()))
                raise ReplayError(f"nothing can be asked again: {told or 'no request lies there'}")
            named = [version.digest, sorted(one.row["request_id"] for one in logged), wanted.repeats]
            done = Replayed(hashlib.sha256(json.dumps(named).encode()).hexdigest()[:16], left_out=left_out)
            there = {(row["request_id"], row["repeat"]) for row in self._rows(done.replay_id, logged)}
            waiting: list[tuple[Row, Usage]] = []
            spending = Spending[Place](lambda used: costs_usd(self.store, used), seed.runs.usd_a_run)
            bounds = Bounds(seed.runs, spending, self._monotonic)
            answered = self._answers(version, key, wanted, logged, there, seed.runs.at_once, bounds, spending, done)
            for one, repeat, reply in answered:
                if reply.text is None:
                    done.left_out[str(reply.error_class)] += 1
                    continue
                done.words[one.row["request_id"]] = (one.answer, reply.text)
                waiting.append(self._row(wanted, version, one, repeat, reply, done.replay_id))
                if len(waiting) == ROWS_OF_A_COMMIT:
                    self._append(waiting, spending)
                    waiting.clear()
                    say(f"{done.asked:,} asked")
            self._append(waiting, spending)
            done.rows = self._rows(done.replay_id, logged)
            done.usd, done.why, done.blind_spot = spending.usd, bounds.why, spending.blind_spot
        return done

    def _answers(
        self, version: Version, key: str | None, wanted: Wanted, logged: Sequence[_Logged],
        there: Collection[Place], at_once: int, bounds: Bounds, spending: Spending[Place], done: Replayed,
    ) -> Iterator[tuple[_Logged, int, Reply]]:  # fmt: skip
        """The answers that have no row yet: those that are kept, then those that are asked for."""
        answers = EvalAnswers(self.store.state)
        known = answers.known()
        questions: list[tuple[tuple[_Logged, int, str], dict[str, Any]]] = []
        for repeat in range(1, wanted.repeats + 1):
            for one in logged:
                body = version.body(one.case, repeat)
                digest = version.key(body)
                if (one.row["request_id"], repeat) in there:
                    continue
                if reply := known.get((digest, repeat)):
                    yield one, repeat, reply
                else:
                    questions.append(((one, repeat, digest), body))
        asked = replies(
            version.endpoint, lambda endpoint: ChatClient(endpoint, key, self._sleep, self._monotonic), questions,
            at_once, bounds.until, bounds.are_reached,
        )  # fmt: skip
        for (one, repeat, digest), reply in asked:
            done.asked += 1
            bounds.replied(reply)
            if reply.error_class is None:
                spending.paid((one.row["request_id"], repeat), self._usage(version, reply))
                # Words that follow from a request leave with that request's day.
                answers.keep(one.row["day"], digest, repeat, reply)
            yield one, repeat, reply

    def _logged(self, wanted: Wanted) -> tuple[list[_Logged], Counter[str]]:
        """The requests that may and can be asked again; the others by why not."""
        rows, left_out = self._requests(wanted), Counter[str]()
        usable = [row for row in rows if row["may_use"]]
        left_out["may not be used"] = len(rows) - len(usable)
        found: list[_Logged] = []
        for day in sorted({row["day"] for row in usable} - closed_days_of(self.store, TEXTS)):
            of_day = {row["request_id"]: row for row in usable if row["day"] == day}
            for request_id, told in response_words(self.store, day, list(of_day)).items():
                if told["may_label"] and {"prompt", "output"} <= set(told["texts"]):
                    found.append(_as_case(of_day[request_id], told["texts"]))
        left_out["without words"] = len(usable) - len(found)
        order = {row["request_id"]: place for place, row in enumerate(rows)}
        found.sort(key=lambda one: order[one.row["request_id"]])
        left_out["beyond the limit"] = max(len(found) - wanted.requests, 0)
        return found[: wanted.requests], +left_out

    def _requests(self, wanted: Wanted) -> list[Row]:
        first, last, feature, model = wanted.first, wanted.last, wanted.feature, wanted.model
        if wanted.incident is not None:
            incident = fold(table_rows(self.store, INCIDENTS)).get(wanted.incident)
            if incident is None:
                raise ReplayError(f"there is no incident {wanted.incident}; `make incident ARGS=list` names them")
            first, last = first or incident.evidence_from, last or incident.evidence_to
            feature, model = feature or incident.feature, model or incident.model
        if first is None or last is None:
            raise ReplayError("say which requests: an incident with evidence, or --from and --to")
        days = {first.date() + timedelta(days=n) for n in range((last.date() - first.date()).days + 1)}
        given = {"first": first, "last": last, "feature": feature, "model": model}
        return ask(self.store, _REQUESTS, {"logs.requests": days, "cost.request_costs": days}, given)

    def _row(
        self, wanted: Wanted, version: Version, one: _Logged, repeat: int, reply: Reply, replay_id: str
    ) -> tuple[Row, Usage]:
        """The row of an answer but for its cost, and what it used."""
        context, now, said = one.case.context, self.clock.now(), reply.text or ""
        then, answer = Answer(one.answer), Answer(said, reply.says_refused, reply.calls)
        row = {
            "day": one.row["day"], "replay_id": replay_id, "request_id": one.row["request_id"],
            "user_token": one.row["user_token"], "repeat": repeat, "incident": wanted.incident,
            "feature": one.row["feature"], "logged_version": one.row["prompt_version"], "logged_model": one.row["model"],
            "candidate": version.name,
            "candidate_digest": version.digest, "similarity": self._similarity(one.answer, said),
            "logged_support": groundedness(one.answer, context) if context else None,
            "candidate_support": groundedness(said, context) if context else None,
            "logged_refuses": declines(then), "candidate_refuses": declines(answer),
            "logged_cost_usd": one.row["cost_usd"], "logged_latency_ms": one.row["latency_ms"],
            "candidate_latency_ms": reply.latency_ms, "attempts": reply.attempts, "asked_at": now,
        }  # fmt: skip
        return row, self._usage(version, reply)

    def _usage(self, version: Version, reply: Reply) -> Usage:
        used = (reply.input_tokens, reply.output_tokens, reply.cached_tokens)
        return Usage(self.clock.now(), reply.model or version.model, version.provider, *used, asked_model=version.model)

    def _similarity(self, logged: str, said: str) -> float | None:
        if self._uncached is None or not logged.strip() or not said.strip():
            return None
        first, second = self._uncached.embed([logged, said])
        return float(np.clip(first @ second, -1.0, 1.0))

    @cached_property
    def _uncached(self) -> Embedder | None:
        """No cache: the vectors would outlive the words."""
        return replace(self.embedder, cache=None) if self.embedder else None

    def _append(self, waiting: Sequence[tuple[Row, Usage]], spending: Spending[Place]) -> None:
        if waiting:
            costs = spending.costs({(row["request_id"], row["repeat"]): used for row, used in waiting})
            some = [{**row, "candidate_cost_usd": cost} for (row, _), cost in zip(waiting, costs, strict=True)]
            append(self.store, REPLAYS, lambda _: some, days={row["day"] for row in some})
            failpoint("evals.replayed")

    def _rows(self, replay_id: str, logged: Sequence[_Logged]) -> list[Row]:
        rows = table_rows(self.store, REPLAYS, {one.row["day"] for one in logged})
        return [row for row in rows if row["replay_id"] == replay_id]


def _as_case(row: Row, texts: Mapping[str, Sequence[str]]) -> _Logged:
    """A logged request as a case is asked: the question, and what stood around it. The logged system words stay behind: the
    candidate brings its own."""
    context = (*texts.get("document", ()), *texts.get("result", ()))
    case = EvalCase(
        "replay", "messy", "\n".join(texts["prompt"]), history="\n".join(texts.get("history", ())) or None, context=context,
    )  # fmt: skip
    return _Logged(row, case, "\n".join(texts["output"]))
