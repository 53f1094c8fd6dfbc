"""The desk of evaluation cases: failures are proposed, people accept them, and say when they are fixed, verified, released.

What `make cases` and the weekly run share. A pass that is killed goes on where it was: rows have keys, and a file is written
for what is in none.
"""

from __future__ import annotations

import fcntl
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from assets.quality.alike import Asked
from assets.quality.case_log import Case, CaseError, change, fold, proposing
from assets.quality.case_proposals import Cases, Failing, proposals
from assets.quality.eval_case import EvalCase, expected_of, parse
from pipelines.release.case_failures import Words, document_ids, facts, failures, words_of
from pipelines.release.case_files import ProposalFiles, Suites
from pipelines.second_look import are_clean
from pipelines.word_files import remove_words
from resources.clock import Clock
from resources.events import append, closed_days_of, table_rows
from resources.failpoints import failpoint
from resources.key_record import open_keyring
from resources.labelling_seed import LABELLING_FILE, load_labelling
from resources.store import Store
from resources.warehouse_resource import WarehouseResource

Row = dict[str, Any]
PROPOSALS, LOG, TEXTS = "quality.case_proposals", "quality.case_log", "logs.texts"
ATTACKS = "adversarial"
"""Suite for what was unsafe, where nobody says another."""
LOOK_BACK_DAYS = 35
"""A failure is proposed where it becomes known so long after its response, or sooner."""


@dataclass
class Proposed:
    """What a pass did. `states`: new failures by state and reason; `unwritten`: cases of days with too many for a file."""

    states: Counter[str] = field(default_factory=Counter)
    cases: int = 0
    written: int = 0
    unwritten: int = 0
    removed: int = 0

    def __str__(self) -> str:
        parts = [f"{sum(self.states.values())} new failures, {self.cases} new cases, {self.written} written for people"]
        parts += [f"{count} {state}" for state, count in sorted(self.states.items()) if state != "proposed"]
        parts += [f"{self.unwritten} more cases are in the table alone"] if self.unwritten else []
        parts += [f"{self.removed} files with words that are not kept any more removed"] if self.removed else []
        return ", ".join(parts)


class CaseDesk:
    """The evaluation cases of one warehouse."""

    def __init__(self, store: Store, seeds: Path, clock: Clock):
        self.store = store
        self.seeds = seeds
        self.clock = clock
        self.files = ProposalFiles(store.state)
        self.suites = Suites(seeds)

    @classmethod
    def of(cls, warehouse: WarehouseResource, clock: Clock) -> CaseDesk:
        """The desk of a warehouse."""
        return cls(warehouse.store(), warehouse.seeds, clock)

    def cases(self) -> dict[str, Case]:
        """All cases as they stand, oldest first."""
        return fold(table_rows(self.store, LOG))

    def propose(self) -> Proposed:
        """Propose what failed and is not proposed yet, and write it for people. Twice is once.

        Raises LabellingSeedError, CaptureError, RedactionError, KeyringError, EvalCaseError.
        """
        with self._alone():
            done = Proposed(removed=remove_words(self.store))
            now = self.clock.now()
            new = self._proposals(now)
            appended = append(self.store, PROPOSALS, lambda _: new, days={row["day"] for row in new}) if new else []
            done.states.update(": ".join(filter(None, (row["state"], row["reason"]))) for row in appended)
            failpoint("cases.proposed")
            proposed = [row for row in table_rows(self.store, PROPOSALS) if row["case_id"]]
            done.cases = len(append(self.store, LOG, lambda there: proposing(there, proposed, now)))
            failpoint("cases.told")
            self._write_files(proposed, done)
        return done

    def accept(
        self, case_id: str, actor: str, suite: str | None = None, note: str | None = None, **fields: Any
    ) -> EvalCase:
        """Write a case to a suite as its proposal says, with `fields` in the place of what stands there.

        Raises CaseError, EvalCaseError, ClosedDayError; nothing is written then.
        """
        with self._alone():
            line = self.files.lines().get(case_id)
            now = self.clock.now()
            change(table_rows(self.store, LOG), case_id, "accepted", now, now, actor)
            if line is None:
                folder = self.files.folder
                raise CaseError(f"no file in {folder} has {case_id}: run `make cases`, as long as its words are kept")
            self._check_use(case_id, line)
            told = {name: value for name, value in line.items() if name not in ("about", "suite")}
            told |= {name: value for name, value in fields.items() if value not in (None, [])}
            case = parse({**told, "case_id": case_id, "provenance": f"quality.case_log/{case_id}"}, case_id)
            if not all(self._is_clean(case.texts)):
                raise CaseError(f"{case_id} holds personal data or a secret; take it out of its line in {self.files.folder}")
            suite = suite or line.get("suite") or "general"
            self.suites.put(suite, case)
            failpoint("cases.in_suite")
            self._append(case_id, "accepted", now, actor, suite=suite, kind=case.kind, note=note)
            return case

    def change(self, case_id: str, act: str, actor: str, happened_at: datetime | None = None, **facts_: Any) -> None:
        """Write down what happened to a case; what is rejected leaves its suite. Raises CaseError, EvalCaseError."""
        with self._alone():
            if act == "rejected":
                change(table_rows(self.store, LOG), case_id, act, happened_at or self.clock.now(), self.clock.now(), actor)
                self.suites.take_out(case_id)
            self._append(case_id, act, happened_at or self.clock.now(), actor, **facts_)

    def _append(self, case_id: str, act: str, happened_at: datetime, actor: str, **facts_: Any) -> None:
        now = self.clock.now()
        append(self.store, LOG, lambda there: [change(there, case_id, act, happened_at, now, actor, **facts_)])

    def _days(self) -> list[date]:
        last = self.clock.last_due_day()
        window = [last - timedelta(days=n) for n in reversed(range(LOOK_BACK_DAYS))]
        closed = closed_days_of(self.store, PROPOSALS)
        return [day for day in window if day not in closed]

    def _proposals(self, now: datetime) -> list[Row]:
        """Rows for the failures that have none."""
        days, until = self._days(), self.clock.last_due_day()
        there = table_rows(self.store, PROPOSALS)
        known = {(row["day"], row["request_id"], row["failure"]) for row in there}
        severities = tuple(load_labelling(self.seeds / LABELLING_FILE).severities)
        new = [f for f in failures(self.store, days, until, severities) if (f.day, f.request_id, f.failure) not in known]
        if not new:
            return []
        failing: list[Failing] = []
        for day in sorted({failure.day for failure in new}):
            of_day = [failure for failure in new if failure.day == day]
            said = facts(self.store, day, {failure.request_id for failure in of_day})
            usable = {i for i, row in said.items() if row["may_label"] is not False and row["may_train"] is not False}
            words = words_of(self.store, day, until, usable)
            clean = dict(zip(words, self._are_clean(list(words.values())), strict=True))
            for failure in of_day:
                if (row := said.get(failure.request_id)) is not None:
                    found = words.get(failure.request_id)
                    asked = Asked.of(found.question, found.history) if found else None
                    failing.append(Failing(failure, row, asked, found is not None and not clean[failure.request_id]))
        return proposals(failing, self._known(there, until, now), now)

    def _known(self, there: Sequence[Row], until: date, now: datetime) -> Cases:
        """The cases so far, with the words of those that still have any."""
        keyring = open_keyring(self.store, now)
        rows = [row for row in there if row["case_id"]]
        log = fold(table_rows(self.store, LOG))
        names = [*log, *(row["case_id"] for row in rows)]
        cases = Cases(lambda text: keyring.tokens("case question", text), now.date(), names)
        firsts: dict[tuple[str, str], Row] = {}
        for row in sorted(rows, key=lambda row: (row["recorded_at"], row["day"], row["request_id"])):
            cases.know_digest(row["feature"], row["question_digest"], row["case_id"])
            firsts.setdefault((row["case_id"], row["question_digest"]), row)
        for accepted in (case for suite in self.suites.all().values() for case in suite if case.case_id in log):
            cases.know(log[accepted.case_id].feature, Asked.of(accepted.question, accepted.history), accepted.case_id)
        for day in sorted({row["day"] for row in firsts.values()} - closed_days_of(self.store, TEXTS)):
            of_day = {row["request_id"]: row for row in firsts.values() if row["day"] == day}
            for request_id, words in words_of(self.store, day, until, of_day).items():
                row = of_day[request_id]
                cases.know(row["feature"], Asked.of(words.question, words.history), row["case_id"])
        return cases

    def _write_files(self, proposed: Sequence[Row], done: Proposed) -> None:
        """Files with what is proposed and stands in none, by the day of a response that still has its words."""
        written, open_ = self.files.lines(), {name for name, case in self.cases().items() if case.state == "proposed"}
        closed = closed_days_of(self.store, TEXTS)
        members: dict[str, list[Row]] = {}
        for row in proposed:
            if row["case_id"] in open_ and row["case_id"] not in written and row["day"] not in closed:
                members.setdefault(row["case_id"], []).append(row)
        by_day: dict[date, list[list[Row]]] = {}
        for rows in members.values():
            by_day.setdefault(min(row["day"] for row in rows), []).append(rows)
        for day, cases in sorted(by_day.items()):
            cases.sort(key=lambda rows: (-len({(row["day"], row["request_id"]) for row in rows}), rows[0]["case_id"]))
            room = max(self.files.room(day), 0)
            done.unwritten += len(cases[room:])
            if lines := self._lines(day, cases[:room]):
                self.files.write(day, lines)
                done.written += len(lines)

    def _lines(self, day: date, cases: Sequence[Sequence[Row]]) -> list[Row]:
        until, firsts = self.clock.last_due_day(), {}
        for rows in cases:
            firsts[min(row["request_id"] for row in rows if row["day"] == day)] = rows
        words, documents = words_of(self.store, day, until, firsts), document_ids(self.store, day, firsts)
        now = facts(self.store, day, firsts)
        may = {i for i, row in now.items() if row["may_label"] is not False and row["may_train"] is not False}
        return [_line(day, i, rows, words[i], documents.get(i, [])) for i, rows in firsts.items() if i in words and i in may]

    def _check_use(self, case_id: str, line: Row) -> None:
        """Raises CaseError where the response may not be used any more."""
        named = (case_id, (line.get("about") or {}).get("request_id"))
        rows = [row for row in table_rows(self.store, PROPOSALS) if (row["case_id"], row["request_id"]) == named]
        found = facts(self.store, rows[0]["day"], {rows[0]["request_id"]}) if rows else {}
        if not found:
            raise CaseError(f"the response that {case_id} was made from is not kept any more")
        for flag in ("may_label", "may_train"):
            if found[rows[0]["request_id"]][flag] is False:
                raise CaseError(f"the response that {case_id} was made from may not be used any more ({flag})")

    def _are_clean(self, words: Sequence[Words]) -> list[bool]:
        texts = [(place, text) for place, found in enumerate(words) for text in found.texts]
        clean = self._is_clean([text for _, text in texts])
        faulty = {place for (place, _), is_clean in zip(texts, clean, strict=True) if not is_clean}
        return [place not in faulty for place in range(len(words))]

    def _is_clean(self, texts: Sequence[str]) -> list[bool]:
        return are_clean(self.store, self.seeds, texts)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.store.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.store.state / ".cases.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def _line(day: date, request_id: str, rows: Sequence[Row], words: Words, documents: Collection[str]) -> Row:
    """A proposal as people read and edit it: a case to be, and what is known about it."""
    first = rows[0]
    causes = Counter(row["root_cause"] for row in rows if row["root_cause"])
    # What an attack brought about belongs to the suite that every version is asked (docs/evaluations.md).
    suite = {"suite": ATTACKS} if any(row["failure"] == "unsafe" for row in rows) else {}
    return {
        **suite,
        "case_id": first["case_id"], "kind": None, "feature": first["feature"], "question": words.question,
        "history": words.history, "context": list(words.context), "document_ids": list(documents),
        "reference": words.correction, **expected_of(words.correction, words.answer), "expected_refusal": None,
        "about": {
            "day": str(day), "request_id": request_id, "answer": words.answer,
            "failures": dict(sorted(Counter(row["failure"] for row in rows).items())),
            "responses": len({(row["day"], row["request_id"]) for row in rows}), "root_causes": dict(sorted(causes.items())),
        },
    }  # fmt: skip
