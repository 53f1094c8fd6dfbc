"""The desk that runs suites: asks a version each case, holds the answers against what is expected, and keeps what came out.

What `make gate` and its job share. What has a row is not asked again, so a run that is killed goes on where it
was; what was answered once is taken from the files of that day. Words end here.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from itertools import islice
from typing import Any

from assets.quality.eval_case import EvalCase
from assets.release.eval_checks import Answer
from assets.release.eval_coverage import suite_digest
from pipelines.asking_desk import ROWS_OF_A_COMMIT, AskingDesk
from pipelines.release.case_files import Suites
from pipelines.release.eval_asking import replies
from pipelines.release.eval_judge import EvalJudge
from pipelines.release.eval_prices import Usage, costs_usd
from pipelines.release.eval_rows import Given, Identity, Place, row_of, similarities
from pipelines.release.eval_spending import Bounds, Spending
from pipelines.release.eval_versions import Version
from resources.chat_client import ChatClient, Reply
from resources.embedder import Embedder
from resources.eval_answers import EvalAnswers
from resources.events import alone, append
from resources.failpoints import failpoint
from resources.judge_seed import JUDGE_FILE, JudgeSeed, load_judge
from resources.release_seed import RELEASE_FILE, ReleaseSeed, RunSettings, load_release
from resources.warehouse import literal

RUNS = "release.eval_runs"
LATER_ROWS = 50
Row = dict[str, Any]
Suite = Mapping[str, Sequence[EvalCase]]
"""Cases by the name of their suite."""
Say = Callable[[str], Any]


class EvalError(ValueError):
    """A run that cannot be begun; says what is missing and what to do."""


@dataclass
class Run:
    """One run, and what this pass did for it. `rows`: all that release.eval_runs has of it."""

    run_id: str
    rows: list[Row] = field(default_factory=list)
    asked: int = 0
    cached: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    usd: Decimal = Decimal(0)
    why: str | None = None
    blind_spot: str | None = None

    def __str__(self) -> str:
        passed, judged = (sum(row["passed"] is value for row in self.rows) for value in (True, False))
        parts = [f"run {self.run_id}: {passed} of {passed + judged} answers pass"]
        parts += [f"{self.asked} asked for {self.usd.normalize():f} USD"] if self.asked else []
        parts += [f"{self.cached} known"] if self.cached else []
        parts += [f"{number} {name.replace('_', ' ')}" for name, number in sorted(self.failed.items())]
        parts += [self.blind_spot] if self.blind_spot else []
        return ", ".join(parts) + (f": {self.why}" if self.why else "")


class EvalDesk(AskingDesk):
    """The suites of one warehouse. `embedder` None: answers are not compared with references."""

    embedder: Embedder | None = None

    def read_seed(self) -> ReleaseSeed:
        """release.yml. Raises ReleaseSeedError."""
        return load_release(self.seeds / RELEASE_FILE)

    def suites(self, names: Iterable[str]) -> dict[str, list[EvalCase]]:
        """The cases of suites. Raises EvalError for one that there is not, EvalCaseError for a faulty one."""
        there = Suites(self.seeds).all()
        for name in names:
            if not there.get(name):
                known = ", ".join(sorted(there)) or "none"
                raise EvalError(f"seeds/evals has no cases in {name}.jsonl; suites there: {known}")
        return {name: there[name] for name in dict.fromkeys(names)}

    def ask(
        self, version: Version, suites: Suite, runs: RunSettings, is_fresh: bool = False, say: Say = lambda _: None
    ) -> Run:
        """Run suites against a version: what is neither stored nor known is asked. `is_fresh`: all is asked anew.

        Raises EndpointError for a key that the environment lacks, ManifestError for a template that cases do not fill.
        """
        wanted = {place: version.body(place.case, place.repeat) for place in _places(suites, runs.repeats)}
        key = version.endpoint.key(self._environment)
        identity = Identity(
            version.name, version.digest, "endpoint", version.model, version.provider, version.output_schema
        )
        with alone(self.store, ".evals.lock"), ExitStack() as stack:
            answers = EvalAnswers(self.store.state)
            known = {} if is_fresh else answers.known()
            run, open_ = self._begin(identity, suites, runs.repeats, is_fresh)
            spending = self._spending(runs.usd_a_run)
            bounds = Bounds(runs, spending, self._monotonic)

            def given() -> Iterator[Given]:
                keys = {place: version.key(wanted[place]) for place in open_}
                to_ask = [place for place in open_ if (keys[place], place.repeat) not in known]
                for place in open_:
                    if reply := known.get((keys[place], place.repeat)):
                        yield Given(place, reply, is_cached=True)
                waiting = iter([(place, wanted[place]) for place in to_ask])
                client, is_over = self._client(key), bounds.are_reached
                asked = set()
                for place, reply in replies(version.endpoint, client, waiting, runs.at_once, bounds.until, is_over):
                    asked.add(place)
                    bounds.replied(reply)
                    if reply.error_class is None:
                        spending.paid(place, _usage(self.clock.now(), identity, reply))
                        answers.keep(self.clock.now().date(), keys[place], place.repeat, reply)
                        failpoint("evals.answered")
                    yield Given(place, reply)
                run.why = bounds.why
                yield from (Given(place, Reply("left_out", attempts=0)) for place in to_ask if place not in asked)

            self._keep(run, identity, given(), len(open_), spending, self._judge(stack, answers), bounds.until, say)
        return self._whole(run)

    def read(self, identity: Identity, suites: Suite, given: Iterable[Given], repeats: int) -> Run:
        """Run suites against answers that were given before; a place without one is `not_found`."""
        by_place = {one.place: one for one in given}
        with alone(self.store, ".evals.lock"), ExitStack() as stack:
            run, open_ = self._begin(identity, suites, repeats, False)
            missing = Reply("not_found", attempts=0)
            there = (by_place.get(place, Given(place, missing)) for place in open_)
            judge = self._judge(stack, EvalAnswers(self.store.state))
            until = self._monotonic() + 3600
            self._keep(run, identity, there, len(open_), self._spending(), judge, until, lambda _: None)
        return self._whole(run)

    def stored(self, run_id: str, suites: Suite) -> Run:
        """A run as it was, to compare with. Raises EvalError where there is none of these cases."""
        run = self._whole(Run(run_id))
        if not run.rows or run.rows[0]["suite_digest"] != _digest(suites):
            raise EvalError(f"run {run_id} was of other cases; compare with --live <version>, or go back to its suites")
        return run

    def _begin(self, identity: Identity, suites: Suite, repeats: int, is_fresh: bool) -> tuple[Run, list[Place]]:
        """The run that goes on, or is whole, or begins; and what it lacks."""
        judge = self._judge_seed()
        told = [_digest(suites), identity.digest, identity.source, repeats, judge.endpoint.model if judge else None]
        name = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
        identity.suite_digest = _digest(suites)
        runs: dict[str, list[Row]] = {}
        for row in self._rows(f"starts_with(run_id, '{name}')"):
            runs.setdefault(row["run_id"], []).append(row)
        places, number = list(_places(suites, repeats)), len(runs)
        newest = runs.get(f"{name}-{number}", [])
        if not newest or (len(newest) == len(places) and (is_fresh or any(row["error_class"] for row in newest))):
            newest, number = [], number + 1
        identity.day = newest[0]["day"] if newest else self.clock.now().date()
        stored = {(row["suite"], row["case_id"], row["repeat"]) for row in newest}
        return Run(f"{name}-{number}"), [p for p in places if (p.suite, p.case.case_id, p.repeat) not in stored]

    def _keep(
        self,
        run: Run,
        identity: Identity,
        given: Iterator[Given],
        open_: int,
        spending: Spending[Place],
        judge: EvalJudge | None,
        until: float,
        say: Say,
    ) -> None:
        """Hold answers against their cases and append their rows, some at a time. `open_`: how many there will be."""

        def judged() -> Iterator[tuple[Given, float | None, Decimal | None]]:
            """Each answer as it comes with what the judge says, so that its price counts before more is asked."""
            for one in given:
                p, usd = None, None
                if judge and one.reply.text and one.place.case.expects.judge:
                    p, usd = judge.p_made_up(one.place.case, one.reply.text, until)
                spending.paid_usd(usd or Decimal(0))
                yield one, p, usd

        waiting, done = judged(), 0
        while some := list(islice(waiting, LATER_ROWS if done else ROWS_OF_A_COMMIT)):
            now = self.clock.now()
            costs = spending.costs({one.place: _usage(now, identity, one.reply) for one, _, _ in some})
            near = similarities([one for one, _, _ in some], self._uncached)
            rows: list[Row] = []
            for (one, p, judge_usd), cost, similarity in zip(some, costs, near, strict=True):
                answer = Answer(one.reply.text or "", one.reply.says_refused, one.reply.calls, similarity, p)
                cost_usd = one.cost_usd if one.cost_usd is not None else cost
                rows.append(row_of(run.run_id, identity, one, answer, judge is not None, cost_usd, judge_usd, now))
                _count(run, one)
            run.usd, run.blind_spot = spending.usd, spending.blind_spot
            self._append(rows, identity.day)
            failpoint("evals.stored")
            done += len(rows)
            say(f"{identity.version}: {done:,} of {open_:,} answers")

    def _spending(self, bound_usd: Decimal | None = None) -> Spending[Place]:
        return Spending(lambda used: costs_usd(self.store, used), bound_usd)

    @cached_property
    def _uncached(self) -> Embedder | None:
        return replace(self.embedder, cache=None) if self.embedder else None

    def _append(self, rows: list[Row], day: date) -> None:
        append(self.store, RUNS, lambda _: rows, days={day})

    def _judge(self, stack: ExitStack, answers: EvalAnswers) -> EvalJudge | None:
        """The judge, where one is declared and can be asked. Raises EndpointError for a key that the environment lacks."""
        seed = self._judge_seed()
        if seed is None:
            return None
        key = seed.endpoint.key(self._environment)
        client = stack.enter_context(ChatClient(seed.endpoint, key, self._sleep, self._monotonic))
        return EvalJudge(seed, client, self.store, answers, self.clock.now())

    def _judge_seed(self) -> JudgeSeed | None:
        return load_judge(self.seeds / JUDGE_FILE)

    def _client(self, key: str | None) -> Callable[[Any], ChatClient]:
        return lambda endpoint: ChatClient(endpoint, key, self._sleep, self._monotonic)

    def _whole(self, run: Run) -> Run:
        run.rows = self._rows(f"run_id = {literal(run.run_id)}")
        return run

    def _rows(self, where: str) -> list[Row]:
        names = [column.name for column in self.store.contracts[RUNS].columns]
        rows = f"select {', '.join(names)} from ({self.store.scan_all(RUNS)}) where {where}"
        select = f"{rows} order by run_id, suite, case_id, repeat"
        return [dict(zip(names, row, strict=True)) for row in self.store.rows(select)]


def _places(suites: Suite, repeats: int) -> Iterator[Place]:
    """All cases once, then all again: what a bound leaves out are repeats before cases."""
    for repeat in range(1, repeats + 1):
        for suite, cases in suites.items():
            yield from (Place(suite, case.case_id, repeat, case) for case in cases)


def _digest(suites: Suite) -> str:
    told = json.dumps({name: suite_digest(cases) for name, cases in sorted(suites.items())})
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _usage(now: datetime, identity: Identity, reply: Reply) -> Usage:
    model = reply.model or identity.asked_model
    used = (reply.input_tokens, reply.output_tokens, reply.cached_tokens)
    return Usage(now, model, identity.provider, *used, asked_model=identity.asked_model)


def _count(run: Run, one: Given) -> None:
    if one.reply.error_class:
        run.failed[one.reply.error_class] += 1
    elif one.is_cached:
        run.cached += 1
    else:
        run.asked += 1
