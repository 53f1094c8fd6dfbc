"""The desk where a trained candidate meets the champion: measured, judged by every gate, and written to tuning.gates.

Here belongs which sets are asked, what was judged before, and what is known of error budgets and approvals. What a gate asks
is assets/tuning/gate.py; how a model is measured, candidate_measures.py, detector_measures.py and generator_measures.py.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from assets.governance.approvals import APPROVE, decision_on
from assets.quality.detector import HEURISTIC
from assets.retrieval.ranking import QrelsError
from assets.tuning.gate import PASSED, REJECTED, RULES, Finding, Result, Rules, asked, error_budget, verdict
from pipelines.retrieval.index_queries import Embeds
from pipelines.tuning.candidate_measures import costs, embedder_findings, sized, timed
from pipelines.tuning.candidate_sets import (
    GENERAL,
    GOLDEN,
    SAFETY,
    TEST,
    GateError,
    RankedSet,
    folder_set,
    golden_set,
    test_set,
)
from pipelines.tuning.detector_measures import (
    LabelledSet,
    detector_findings,
    detector_of,
    labelled_folder,
    parameters_sized,
    scored,
)
from pipelines.tuning.generator_measures import (
    ExampleSet,
    examples_of,
    generator_findings,
    loaded_size,
    remembered,
    token_time,
)
from resources.base_model import base_model
from resources.clock import Clock
from resources.dataset_store import Dataset, open_dataset
from resources.embedder import Embedder
from resources.events import append, table_rows
from resources.generator_scores import GeneratorScoresError, ScoringOverdueError, generator_scores
from resources.golden_seed import GoldenQuery
from resources.model_validation import Asked, refused
from resources.store import Store
from resources.trainer import passed_on
from resources.tuning_seed import KindSeed

GATES, APPROVALS, SLO_STATUS = "tuning.gates", "governance.approvals", "service.slo_status"
BUDGET = "error_budget"
Row = dict[str, Any]
Digests = Mapping[str, str]
Measure = Callable[[], Iterable[Finding]]


class JudgementOverdueError(GateError):
    """A candidate whose measurement took longer than a training may, and was ended."""


@dataclass(frozen=True)
class Contender:
    """A model that gates meet. `name`: the candidate's id, or the champion's version (`embedder/3`); `digest`: of its
    artefacts, as the registry takes it; `folder`: what serves (`model/`): a sentence embedder, `parameters.json` of a
    detector, a causal language model or its adapter."""

    name: str
    digest: str
    folder: Path


@dataclass(frozen=True)
class Verdict:
    """What the gates say of a candidate. `subject`, `subject_digest`: what a person approves, where that is asked for."""

    candidate: str
    outcome: Result
    reasons: Sequence[str]
    rows: Sequence[Row]
    subject: str
    subject_digest: str

    @property
    def passed(self) -> bool:
        """It may take the champion's place now."""
        return self.outcome == PASSED

    def __str__(self) -> str:
        return f"{self.candidate} {self.outcome.replace('_', ' ')}: {'; '.join(self.reasons)}"


class GateDesk:
    """The gates of one kind of candidate in one warehouse. `opens`: how a folder becomes an embedder (number format, device,
    cache); `threads`: what searching may use."""

    def __init__(
        self, store: Store, clock: Clock, seed: KindSeed, golden: Mapping[str, Sequence[GoldenQuery]],
        opens: Callable[[Path], Embeds] = lambda folder: Embedder(model=str(folder)), threads: int = 2,
    ):  # fmt: skip
        self.store = store
        self.clock = clock
        self.seed = seed
        self.golden = golden
        self.opens = opens
        self.threads = threads
        self.rules = Rules(**asdict(seed.gate))

    def judge(self, candidate: Contender, champion: Contender | None, dataset: Path) -> Verdict:
        """Measure, judge, and write the rows; judged before, the rows of then, and what budgets and approvals say now.

        `champion` None: nothing serves but what the project brings (a detector's heuristic-1; of a generator the base
        model); an embedder always has one, be it the configured one. `dataset`: its folder, datasets/<kind>/<version>.
        Raises GateError where a frozen set or a generator cannot be measured (JudgementOverdueError: not in the time that a
        training may take), DatasetError, EmbedderError, BaseModelError.
        """
        opened = open_dataset(dataset)
        measures = {"retriever": self._embedders, "detector": self._detectors}.get(self.seed.kind, self._generators)
        digests, measure = measures(candidate, champion, opened)
        against = champion.name if champion else HEURISTIC.name if self.seed.kind == "detector" else "base model"
        told = [RULES, asdict(self.rules), candidate.name, candidate.digest, against, champion and champion.digest, digests]
        judgement = sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
        rows = [row for row in table_rows(self.store, GATES) if row["judgement"] == judgement]
        findings = [_finding(row) for row in rows if row["gate"] != BUDGET]
        if not findings:
            try:
                findings = list(measure())
            except ScoringOverdueError as error:
                raise JudgementOverdueError(f"{opened.kind}/{opened.version}: {error}") from error
            except (QrelsError, GeneratorScoresError) as error:
                raise GateError(f"{opened.kind}/{opened.version} cannot be judged by: {error}") from error
        findings.append(self._budget())
        now = self.clock.now()
        head = {
            "day": now.date(), "judged_at": now, "judgement": judgement, "candidate": candidate.name,
            "kind": self.seed.kind, "champion": against,
        }  # fmt: skip
        append(self.store, GATES, lambda _: [head | asdict(one) for one in findings])
        return self._verdict(candidate, judgement, findings)

    def _verdict(self, candidate: Contender, judgement: str, findings: Sequence[Finding]) -> Verdict:
        subject = f"tuning/{self.seed.model}/{candidate.name}"
        decided = decision_on(table_rows(self.store, APPROVALS), subject, candidate.digest)
        is_approved = decided is not None and decided["decision"] == APPROVE
        outcome, reasons = verdict(findings, self.seed.promotion, is_approved)
        if outcome != REJECTED and decided is not None and not is_approved:
            outcome, reasons = REJECTED, [f"{decided['actor']} refused it: {decided['reason']}"]
        if outcome != REJECTED and (why := refused(_numbers(findings))):
            outcome, reasons = REJECTED, [f"MLflow does not validate what the gates let pass: {why}"]
        rows = [row for row in table_rows(self.store, GATES) if row["judgement"] == judgement]
        return Verdict(candidate.name, outcome, reasons, rows, subject, candidate.digest)

    def _embedders(self, candidate: Contender, champion: Contender | None, dataset: Dataset) -> tuple[Digests, Measure]:
        if champion is None:
            raise GateError("an embedder is held against the one that serves, be it the configured one: name it")
        sets: list[RankedSet] = [test_set(dataset, self.store)]
        why_not = {GOLDEN: "no golden query is answered by a document of the dataset"}
        if (asked_of := golden_set(dataset, self.golden)) is not None:
            sets.append(asked_of)
        sets += [folder_set(name, folder) for name, folder in self._folders(why_not)]

        def measure() -> Iterator[Finding]:
            new, old = self.opens(candidate.folder), self.opens(champion.folder)
            yield from embedder_findings(new, old, sets, why_not, self.rules, self.threads)
            speed = timed(new, old, list(sets[0].queries.values()))
            yield from costs(speed, sized(candidate.folder, champion.folder), self.rules)

        return {one.name: one.digest for one in sets}, measure

    def _detectors(self, candidate: Contender, champion: Contender | None, dataset: Dataset) -> tuple[Digests, Measure]:
        rows = pl.from_arrow(dataset.table(TEST))
        assert isinstance(rows, pl.DataFrame)
        why_not: dict[str, str] = {}
        sets = [LabelledSet(TEST, dataset.version, rows)]
        sets += [labelled_folder(name, folder) for name, folder in self._folders(why_not)]
        new = detector_of(candidate.name, candidate.folder)
        old = detector_of(champion.name, champion.folder) if champion else HEURISTIC

        def measure() -> Iterator[Finding]:
            yield from detector_findings(new, old, sets, why_not, self.rules)
            yield from costs(scored(new, old, rows), parameters_sized(new, old), self.rules)

        return {one.name: one.digest for one in sets}, measure

    def _generators(self, candidate: Contender, champion: Contender | None, dataset: Dataset) -> tuple[Digests, Measure]:
        base = base_model(self.seed.kind, self.seed.base_model or "", self.store.state)
        assert base.folder is not None
        why_not: dict[str, str] = {}
        test = ExampleSet(TEST, dataset.version, dataset.table(TEST))
        sets = [test, *(examples_of(name, folder) for name, folder in self._folders(why_not))]
        adapter = champion.folder if champion else None
        most_tokens = int(self.seed.recipe["max_tokens"])  # type: ignore[arg-type]
        where, environment, most_seconds = base.folder, passed_on(os.environ), self.seed.limits.hours * 3600

        def scores(examples: Path) -> pa.Table:
            return generator_scores(where, candidate.folder, adapter, examples, environment, most_tokens, most_seconds)

        def measure() -> Iterator[Finding]:
            once = remembered(scores)
            yield from generator_findings(self.seed.kind, sets, why_not, once, self.rules)
            yield from costs(token_time(test, once), loaded_size(where, candidate.folder, adapter), self.rules)

        return {"base": base.fingerprint, **{one.name: one.digest for one in sets}}, measure

    def _folders(self, why_not: dict[str, str]) -> Iterator[tuple[str, Path]]:
        """The frozen sets that the seed names; why there is none of the others."""
        for name, folder in ((GENERAL, self.seed.general_set), (SAFETY, self.seed.safety_set)):
            if folder is None:
                why_not[name] = f"seeds/tuning.yml names no {name}_set"
            else:
                yield name, folder

    def _budget(self) -> Finding:
        """What service.slo_status says on its newest day of the features that use the model."""
        days = {file.day for file in self.store.newest(SLO_STATUS).files() if file.day}
        newest = {max(days)} if days else set()
        rows = [
            row for row in table_rows(self.store, SLO_STATUS, newest)
            if self.seed.features is None or row["feature"] in self.seed.features
        ]  # fmt: skip
        spent = [f"{row['slo']} of {row['feature']}" for row in rows if row["is_spent"]]
        unknown = sum(row["is_spent"] is None for row in rows)
        return error_budget(spent, unknown, len(rows), str(max(newest)) if newest else None)


def _finding(row: Mapping[str, Any]) -> Finding:
    return Finding(**{name: row[name] for name in Finding.__dataclass_fields__})


def _numbers(findings: Iterable[Finding]) -> dict[str, Asked]:
    """What decides, by a name that MLflow can print."""
    found = {"/".join((one.gate, one.metric, one.eval_set, one.segment)): asked(one) for one in findings}
    return {name: Asked(*numbers) for name, numbers in found.items() if numbers is not None}
