"""The desk of tuning: each night decides what is trained, and takes each candidate as far as it can go.

What Dagster's run and `make tune` share. A killed pass is repeated: a training goes on from its checkpoint, a version
is found again in the registry, a step is written once. Here belong the decision and the order of the steps; what a step
does is tuning_steps.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from assets.tuning.card import is_blank
from assets.tuning.triggers import Decision, Facts, as_json, decide, obstacle_of
from pipelines.retrieval.corpus import VectorsMissingError
from pipelines.tuning.champion import EMBEDDER
from pipelines.tuning.dataset_desk import DatasetDesk, Offer
from pipelines.tuning.trigger_facts import facts_of, limits_of
from pipelines.tuning.tuning_ledger import (
    CANCELLED,
    FAILED,
    NOCTURNE,
    OPEN,
    PASSED,
    REGISTERED,
    REJECTED,
    TRAINED,
    TuningLedger,
    spent_on,
)
from pipelines.tuning.tuning_steps import StepError, Train, TuningSteps
from resources.base_model import BaseModel, BaseModelError, base_model
from resources.capture import CaptureError
from resources.clock import Clock
from resources.dataset_seed import DatasetSeedError
from resources.dataset_store import DatasetError
from resources.embedder import Embedder, EmbedderError
from resources.events import alone_at_once, append, table_rows
from resources.failpoints import failpoint
from resources.golden_seed import GoldenSeedError
from resources.model_version import RegistryError
from resources.probe_seed import ProbeSeedError
from resources.redaction_seed import RedactionError
from resources.registry import Registry
from resources.retention import RetentionError
from resources.store import Store
from resources.training_spec import CANCEL, candidate_id, training_folder
from resources.tuning_seed import TUNING_FILE, KindSeed, TuningSeed, TuningSeedError, load_tuning
from resources.warehouse_resource import EmbedderResource, RegistryResource, WarehouseResource

TRIGGERS = "tuning.triggers"
LOCK = ".tuning.lock"
Say = Callable[[str], Any]
Row = dict[str, Any]


COULD_NOT_DECIDE = (
    BaseModelError, CaptureError, DatasetError, DatasetSeedError, EmbedderError, GoldenSeedError, ProbeSeedError,
    RedactionError, RegistryError, RetentionError, VectorsMissingError, OSError,
)  # fmt: skip
"""What keeps a kind from being decided about: the errors of what its dataset is made of, seeds included."""


class TuningDeskError(ValueError):
    """What a person asked of the desk cannot be done; says why."""


@dataclass
class Pass:
    """What a pass did, in sentences. `troubles`: what a person is to know; `promoted`: models that have another champion."""

    steps: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    promoted: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        return "; ".join(self.steps) or "nothing is to be trained, judged or registered"


class TuningDesk:
    """Tuning in one warehouse. `configured`: the embedder that indexes have while nothing is champion."""

    def __init__(self, store: Store, seeds: Path, configured: EmbedderResource, registry: Registry, clock: Clock):
        self.store = store
        self.seeds = seeds
        self.configured = configured
        self.registry = registry
        self.clock = clock

    @classmethod
    def of(
        cls, warehouse: WarehouseResource, embedder: EmbedderResource, registry: RegistryResource, clock: Clock
    ) -> TuningDesk:
        """The desk of a warehouse."""
        store = warehouse.store()
        return cls(store, warehouse.seeds, embedder, registry.open(store), clock)

    def champion(self) -> str | None:
        """The candidate whose embedder is champion by tuning.candidates; None: none is."""
        row = self._ledger().promoted(EMBEDDER)
        return row["candidate"] if row else None

    def read_seed(self) -> TuningSeed:
        """tuning.yml. Raises TuningSeedError, also where a card that would keep a model out of the registry says nothing."""
        seed = load_tuning(self.seeds / TUNING_FILE)
        for one in seed.enabled:
            if blank := [name for name, words in asdict(one.card).items() if is_blank(str(words))]:
                raise TuningSeedError(f"{TUNING_FILE}: the card of {one.kind} does not say {', '.join(blank)}; say it")
        return seed

    def is_off(self) -> bool:
        """No kind may be trained, and no candidate is under way."""
        return not self.read_seed().enabled and not self._ledger().in_state(*OPEN, TRAINED, PASSED, REGISTERED)

    # What is trained.

    def decide(self, say: Say = lambda text: None, kinds: Collection[str] = ()) -> Pass:
        """Decide about each enabled kind (of `kinds`, if any are named) for this night, and ask for what is due. Twice is
        once. Raises TuningSeedError; what goes wrong with one kind is told in what it returns."""
        done = Pass()
        for seed in self.read_seed().enabled:
            if kinds and seed.kind not in kinds:
                continue
            try:
                told = self._decided(seed)
            except COULD_NOT_DECIDE as error:
                done.troubles.append(f"{seed.kind}: {error}")
            else:
                say(told)
                done.steps.append(told)
        return done

    def would(self) -> list[str]:
        """What a night would decide with what is kept now, in sentences; no dataset is written, and nothing decided."""
        found = []
        for seed in self.read_seed().enabled:
            try:
                facts, decision, _ = self._weighed(seed, self._datasets().preview)
            except COULD_NOT_DECIDE as error:
                found.append(f"{seed.kind}: {error}")
            else:
                found.append(f"{seed.kind}: {_told(decision, facts)}")
        ledger = self._ledger()
        found += [f"{row['candidate']} ({row['kind']}) is {row['state']}" for row in ledger.in_state(*OPEN, TRAINED, PASSED)]
        return found

    def ask_for(self, kind: str, actor: str) -> str:
        """Ask for a training now, whatever speaks against it but the budget and one that is under way; what came of it.

        Raises TuningDeskError, and the errors of what it reads.
        """
        seed = self.read_seed().kinds.get(kind)
        if seed is None or not seed.enabled:
            raise TuningDeskError(f"{kind} is not enabled; write `enabled: true` for it in seeds/{TUNING_FILE}")
        facts = replace(self._facts(seed, None, None), trained_last=None)
        if (obstacle := obstacle_of(facts, limits_of(seed))) is not None:
            told = {"in_training": "another candidate of its kind is under way", "budget": "the month's budget is spent"}
            raise TuningDeskError(f"{kind} is not trained: {told[obstacle]}")
        built = self._datasets().build(kind)
        if built.version is None:
            raise TuningDeskError(f"{kind} is not trained: {built}")
        return self._asked(seed, built.version, f"{actor} asked for it", actor)

    def cancel(self, candidate: str, actor: str) -> str:
        """End a candidate that is to be trained, or is in training, which then stops at its next step.

        Raises TuningDeskError.
        """
        row = self._ledger().newest.get(candidate)
        if row is None or row["state"] not in {*OPEN, TRAINED, PASSED, REGISTERED}:
            raise TuningDeskError(f"{candidate} is {row['state'] if row else 'no candidate'}: there is nothing to cancel")
        with alone_at_once(self.store, LOCK) as is_ours:
            if is_ours:
                limits = self.read_seed().kinds[row["kind"]].limits
                self._ledger().step(
                    candidate, CANCELLED, f"{actor} cancelled it", actor, **spent_on(self.store.state, candidate, limits)
                )
                return f"{candidate} is cancelled"
        folder = training_folder(self.store.state, candidate)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / CANCEL).write_text(f"{actor} cancelled it\n", encoding="utf-8")
        return f"{candidate} is told to stop"

    # What becomes of it.

    def work(self, train: Train, say: Say = lambda text: None, lineage: dict[str, str] | None = None) -> Pass:
        """Take every candidate as far as it can go: trained, judged, registered, promoted. One pass at a time over this
        home: a second one does nothing. Twice is once.

        `train`: trains what a spec says, in a process of its own; `lineage`: what the registry is told of the run besides.
        """
        done = Pass()
        with alone_at_once(self.store, LOCK) as is_ours:
            if not is_ours:
                done.steps.append("another pass is at work: it does what there is to be done")
                return done
            seed = self.read_seed()
            steps = TuningSteps(self, seed, self._ledger(), train, lineage or {})
            self._tried(done, say, steps.follow)
            for states, step in (
                (tuple(OPEN), steps.trained),
                ((TRAINED,), steps.judged),
                ((PASSED, REJECTED), steps.registered),
                ((REGISTERED,), steps.promoted),
            ):
                for row in steps.ledger.in_state(*states):
                    self._tried(done, say, partial(step, row))
            self._tried(done, say, steps.challengers)
            done.promoted |= steps.champions_changed
        return done

    def _tried(self, done: Pass, say: Say, step: Callable[[], str | None]) -> None:
        try:
            told = step()
        except StepError as error:
            done.troubles.append(str(error))
        else:
            if told:
                say(told)
                done.steps.append(told)

    # How it is decided.

    def _decided(self, seed: KindSeed) -> str:
        night = self.clock.last_due_day()
        facts, decision, offer = self._weighed(seed, self._datasets().preview)
        if decision.fired:  # A dataset that nothing is trained on is not written.
            facts, decision, offer = self._weighed(seed, self._datasets().offer)
        champion_days = None if facts.champion_since is None else (night - facts.champion_since).days
        row = {
            "day": night, "kind": seed.kind, "decided_at": self.clock.now(), "fired": decision.fired,
            "reason": decision.reason, "held_back_by": decision.held_back_by, "champion_days": champion_days,
            "evidence": json.dumps(as_json(decision.evidence), sort_keys=True, default=str), "new_pairs": facts.new_pairs,
            "dataset_version": offer.version if decision.fired else None, "cool_down_until": decision.cool_down_until,
            "budget_left_usd": decision.budget_left_usd,
        }  # fmt: skip
        if not append(self.store, TRIGGERS, lambda _: [row]):
            return f"{seed.kind}: decided already for the night of {night}{self._asked_by(seed, night)}"
        failpoint("tuning.decided")
        told = f"{seed.kind}: {_told(decision, facts)}"
        if decision.fired and offer.version is not None:
            told = f"{told}. {self._asked(seed, offer.version, decision.why, NOCTURNE)}"
        return told

    def _weighed(self, seed: KindSeed, look: Callable[[str, str | None], Offer]) -> tuple[Facts, Decision, Offer]:
        """The decision of a night and what it rests on. `look`: what there is to train on, beside an earlier dataset."""
        facts, limits, ledger = self._facts(seed, None, None), limits_of(seed), self._ledger()
        if (obstacle := obstacle_of(facts, limits)) is not None:
            facts = replace(facts, no_dataset=f"not looked for, since {obstacle} holds back any training")
            return facts, decide(facts, limits), Offer()
        last = ledger.requested_last(seed.kind)
        offer = look(seed.kind, last["dataset_version"] if last else None)
        facts = replace(facts, pairs=offer.train, new_pairs=offer.new, no_dataset=offer.why)
        if offer.version is not None:
            candidate = candidate_id(seed.kind, offer.version, self.base_of(seed).fingerprint, seed.recipe)
            known = ledger.newest.get(candidate)
            if known is not None and known["state"] not in (FAILED, CANCELLED):
                facts = replace(facts, trained_as=f"candidate {candidate}, which is {known['state']}")
        return facts, decide(facts, limits), offer

    def _asked_by(self, seed: KindSeed, night: date) -> str:
        """Ask for what a pass decided on that was killed before it asked."""
        for row in table_rows(self.store, TRIGGERS, {night}):
            if row["kind"] == seed.kind and row["fired"]:
                version = row["dataset_version"]  # Not the candidate: its base may be another since it was promoted.
                asked = any(one["kind"] == seed.kind and one["dataset_version"] == version for one in self._ledger().rows)
                if not asked:
                    return f"; {self._asked(seed, row['dataset_version'], row['reason'], NOCTURNE)}"
        return ""

    def _asked(self, seed: KindSeed, version: str, reason: str, actor: str) -> str:
        base = self.base_of(seed)
        candidate = candidate_id(seed.kind, version, base.fingerprint, seed.recipe)
        (training_folder(self.store.state, candidate) / CANCEL).unlink(missing_ok=True)
        ledger = self._ledger()
        if ledger.request(candidate, seed.kind, version, base.fingerprint, seed.recipe, reason, actor):
            return f"candidate {candidate} is to be trained on {seed.kind}/{version}"
        known = ledger.newest.get(candidate)
        if known is None:
            return "another candidate is under way"
        return f"the same dataset, base model and recipe are candidate {candidate}, which is {known['state']} already"

    def base_of(self, seed: KindSeed) -> BaseModel:
        """The model that a training of a kind starts from now. Raises BaseModelError, EmbedderError, RegistryError."""
        named = seed.base_model or ""
        if seed.kind == "retriever" and not named:
            named = self.embedder().model
        return base_model(seed.kind, named, self.store.state)

    def _facts(self, seed: KindSeed, pairs: int | None, new_pairs: int | None) -> Facts:
        return facts_of(self.store, seed, self._ledger(), self.clock.last_due_day(), pairs, new_pairs)

    def embedder(self) -> Embedder:
        """The champion, else the configured one; indexes may not have followed it yet. Raises RegistryError."""
        configured = self.configured.open(self.store)
        found = self.registry.champion_folder(EMBEDDER)
        return configured if found is None else replace(configured, model=str(found[1]))

    def _datasets(self) -> DatasetDesk:
        return DatasetDesk(self.store, self.seeds, self.embedder(), self.clock)

    def _ledger(self) -> TuningLedger:
        return TuningLedger(self.store, self.clock)


def _told(decision: Decision, facts: Facts) -> str:
    held = f", held back by {decision.held_back_by}" if decision.held_back_by else ""
    missing = f"; no dataset: {facts.no_dataset}" if facts.no_dataset else ""
    known = f"; it would be {facts.trained_as} already" if decision.held_back_by == "trained_already" else ""
    reason = "no training" if decision.reason == "nothing" else decision.reason
    return f"{reason}{held}: {decision.why}{missing}{known}"
