"""The steps of a candidate: trained, judged, registered, promoted; and what the alias in the registry says of those before.

Each step is done again where a kill cut it off, and written to tuning.candidates when it is whole. What goes wrong is a
StepError in words, after which the other candidates go on. Which steps there are to do is tuning_desk.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.tuning.card import CardError
from assets.tuning.gate import NEEDS_APPROVAL
from assets.tuning.gate import REJECTED as HELD_BACK
from pipelines.quality.detector_adoption import adopt
from pipelines.tuning.candidate_card import card
from pipelines.tuning.candidate_sets import GateError
from pipelines.tuning.gate_desk import Contender, GateDesk, JudgementOverdueError, Verdict
from pipelines.tuning.model_desk import ModelDesk, ModelDeskError
from pipelines.tuning.tuning_ledger import (
    CANCELLED,
    FAILED,
    NOCTURNE,
    PASSED,
    PROMOTED,
    REGISTERED,
    REJECTED,
    RETIRED,
    TRAINED,
    TRAINING,
    TuningLedger,
    spent_on,
)
from resources import model_version
from resources.artefact_seal import SealError, folder_digest
from resources.base_model import BaseModelError
from resources.dataset_store import DatasetError, DatasetStore
from resources.embedder import Embedder, EmbedderError
from resources.failpoints import failpoint
from resources.golden_seed import GOLDEN_FILE, GoldenSeedError, load_golden
from resources.model_version import CHALLENGER, CHAMPION, Registration, RegistryError, Signature, TrainingData, Version
from resources.trainer import TrainingError, TrainingPostponedError
from resources.training_spec import (
    CANCEL,
    MODEL,
    Done,
    TrainingSpec,
    TrainingSpecError,
    read_curve,
    read_done,
    training_folder,
)
from resources.tuning_seed import MODELS, KindSeed, TuningSeed, TuningSeedError

if TYPE_CHECKING:
    from pipelines.tuning.tuning_desk import TuningDesk

Train = Callable[[TrainingSpec, KindSeed], Done]
"""Trains what a spec says where the kind's seed says, to its end. Raises TrainingError, TrainingPostponedError."""
Row = dict[str, Any]
_STATUS = {NEEDS_APPROVAL: model_version.WAITING, HELD_BACK: model_version.REJECTED}
_WRONG = (
    BaseModelError, CardError, DatasetError, EmbedderError, GateError, GoldenSeedError, ModelDeskError, RegistryError,
    SealError, TrainingPostponedError, TrainingSpecError, TuningSeedError, OSError,
)  # fmt: skip
"""After these the candidate stays where it is, and the next pass tries again."""


class StepError(RuntimeError):
    """A step that cannot be taken now; the candidate stays where it is. Says which, and why."""


class TuningSteps:
    """The steps of one pass, which works alone. `champions_changed`: models that have another champion by it."""

    def __init__(self, desk: TuningDesk, seed: TuningSeed, ledger: TuningLedger, train: Train, lineage: Mapping[str, str]):
        self.ledger = ledger
        self.champions_changed: set[str] = set()
        self._desk = desk
        self._home: Path = desk.store.state
        self._seed = seed
        self._train = train
        self._lineage = lineage
        self._datasets = DatasetStore(desk.store.state)

    def follow(self) -> str | None:
        """Write down where somebody moved an alias: who is champion by the registry is promoted here, and alone."""
        told = []
        for model in sorted(set(MODELS.values())):
            said = self.ledger.promoted(model)
            try:
                version = self._desk.registry.by_alias(model, CHAMPION)
            except RegistryError as error:
                raise StepError(str(error)) from error
            if (version.version if version else None) == (said["model_version"] if said else None):
                continue
            for row in self.ledger.in_state(REGISTERED, RETIRED, PROMOTED):
                if MODELS[row["kind"]] != model:
                    continue
                if version is not None and row["model_version"] == version.version:
                    try:
                        self._take_over(row, version)
                    except _WRONG as error:
                        raise self._error(row, error) from error
                    self.ledger.step(row["candidate"], PROMOTED, "the alias champion was moved to it")
                    self.champions_changed.add(model)
                    told.append(f"{version.name} is champion again")
                elif row["state"] == PROMOTED:
                    self.ledger.step(row["candidate"], RETIRED, "the alias champion was moved to another version")
                    told.append(f"{model}@{row['model_version']} is champion no more")
        return "; ".join(told) or None

    def trained(self, row: Row) -> str | None:
        """Train, or go on with it; a training that failed, or was stopped, says why, and what it has cost. One that was
        interrupted, or that another process is at, stays in training: the next pass follows it."""
        seed, name = self._seed.kinds[row["kind"]], row["candidate"]
        folder = training_folder(self._home, name)
        try:
            spec = self._spec(row, seed)
            if spec.candidate != name:
                why = "its base model, or its recipe in seeds/tuning.yml, is another one by now"
                self.ledger.step(name, CANCELLED, why, **spent_on(self._home, name, seed.limits))
                return f"{name} is cancelled: {why}"
            self.ledger.step(name, TRAINING)
            done = self._train(spec, seed)
        except DatasetError as error:
            return self._without_dataset(row, error)
        except _WRONG as error:
            raise self._error(row, error) from error
        except TrainingError as error:
            self.ledger.step(name, FAILED, str(error)[:500], **spent_on(self._home, name, seed.limits))
            raise StepError(f"candidate {name} ({row['kind']}) failed: {error}") from error
        cost: dict[str, Any] = {"training_seconds": done.seconds, "cost_usd": done.cost_usd}
        failpoint("tuning.trained")
        if done.state == "trained":
            self.ledger.step(name, TRAINED, None, **cost)
            return f"{name} is trained: {done.steps} steps in {done.seconds:.0f} s"
        if done.state == "interrupted":
            return f"{name} was interrupted ({done.reason}); the next pass goes on with it"
        asked = folder / CANCEL
        why = asked.read_text(encoding="utf-8").strip() if asked.exists() else done.reason
        self.ledger.step(name, CANCELLED if done.state == "cancelled" else FAILED, why, **cost)
        return f"{name} was stopped: {why}"

    def judged(self, row: Row) -> str | None:
        """Put it before the gates."""
        try:
            verdict = self._verdict(row)
        except DatasetError as error:
            return self._without_dataset(row, error)
        except JudgementOverdueError as error:
            self.ledger.step(row["candidate"], FAILED, str(error)[:500])
            raise StepError(f"candidate {row['candidate']} ({row['kind']}) failed: {error}") from error
        except _WRONG as error:
            raise self._error(row, error) from error
        why = "; ".join(verdict.reasons)
        is_rejected = verdict.outcome == HELD_BACK
        self.ledger.step(row["candidate"], REJECTED if is_rejected else PASSED, why)
        return f"{row['candidate']} {'is rejected' if is_rejected else 'passes'}: {why}"

    def registered(self, row: Row) -> str | None:
        """Give it a version, whatever the gates say: as passed, as waiting for a person, or as rejected, with the reason."""
        if row["model_version"] is not None:
            return None
        try:
            verdict, folder = self._verdict(row), training_folder(self._home, row["candidate"])
            if row["state"] == REJECTED:  # Whatever another champion, or other rules, would say of it by now.
                verdict = replace(verdict, outcome=HELD_BACK, reasons=[row["reason"] or ""])
            version = self._desk.registry.register_folder(self._registration(row, folder, verdict))
            failpoint("tuning.registered")
            if verdict.outcome == NEEDS_APPROVAL:
                self._desk.registry.set_alias(version.model, CHALLENGER, version.version)
        except DatasetError as error:
            if row["state"] == REJECTED:
                raise self._error(row, error) from error
            return self._without_dataset(row, error)
        except _WRONG as error:
            raise self._error(row, error) from error
        state = REJECTED if verdict.outcome == HELD_BACK else REGISTERED
        known = {"model_version": version.version, "mlflow_run_id": version.run_id}
        self.ledger.step(row["candidate"], state, "; ".join(verdict.reasons), **known)
        return f"{row['candidate']} is {version.name}, {version.status}"

    def promoted(self, row: Row) -> str | None:
        """Make it champion, if it may be: at once, or on the night after a person approved it."""
        model, name = MODELS[row["kind"]], row["candidate"]
        desk, registry = self._desk, self._desk.registry
        models = ModelDesk(desk.store, registry, desk.seeds, desk.clock)
        try:
            if (why := self._superseded(row, models)) is not None:
                self.ledger.step(name, RETIRED, why)
                return f"{model}@{row['model_version']} is retired: {why}"
            version = registry.version(model, row["model_version"])
            champion = registry.by_alias(model, CHAMPION)
            parent = version.tags.get("parent_version", "")
            if champion is not None and champion.version not in (version.version, parent):
                self.ledger.step(name, RETIRED, f"it was held against another champion than {champion.name}")
                return f"{version.name} is retired: {champion.name} is champion by now"
            verdict = self._verdict(row)
            if verdict.outcome == HELD_BACK:
                why = "; ".join(verdict.reasons)
                registry.set_status(model, version.version, model_version.REJECTED, why)
                self.ledger.step(name, REJECTED, why)
                return f"{version.name} is rejected: {why}"
            if not verdict.passed:
                return f"{version.name} waits: {'; '.join(verdict.reasons)} (make approve: {verdict.subject})"
            registry.set_status(model, version.version, model_version.PASSED)
            models.promote(model, version.version, NOCTURNE, "its gates passed")
            failpoint("tuning.champion")
            self._take_over(row, version)
        except DatasetError as error:
            return self._without_dataset(row, error)
        except _WRONG as error:
            raise self._error(row, error) from error
        for before in self.ledger.in_state(PROMOTED):
            if MODELS[before["kind"]] == model and before["candidate"] != name:
                self.ledger.step(before["candidate"], RETIRED, f"{version.name} took its place")
        self.ledger.step(name, PROMOTED, "; ".join(verdict.reasons))
        self.champions_changed.add(model)
        return f"{version.name} is champion: {'; '.join(verdict.reasons)}"

    def challengers(self) -> str | None:
        """Take the alias challenger from candidates that wait for nobody any more, whoever decided that, and how."""
        known = {(MODELS[row["kind"]], row["model_version"]): row["state"] for row in self.ledger.newest.values()}
        told = []
        for model in sorted({model for model, version in known if version is not None}):
            try:
                version = self._desk.registry.by_alias(model, CHALLENGER)
                if version is not None and known.get((model, version.version), REGISTERED) != REGISTERED:
                    self._desk.registry.drop_alias(model, CHALLENGER)
                    told.append(f"{version.name} is challenger no more")
            except RegistryError as error:
                raise StepError(str(error)) from error
        return "; ".join(told) or None

    # How it is done.

    def _superseded(self, row: Row, models: ModelDesk) -> str | None:
        """Why a candidate that waits makes room for another that does: a person approved the other one later, or nobody
        approved this one and the other is newer. None: it does not. Raises RegistryError."""
        others = [
            one for one in self.ledger.in_state(REGISTERED, kind=row["kind"]) if one["candidate"] != row["candidate"]
        ]
        if not others:
            return None
        model = MODELS[row["kind"]]
        versions = {one["candidate"]: self._desk.registry.version(model, one["model_version"]) for one in [row, *others]}
        approved = {name: at for name, version in versions.items() if (at := models.approved_at(version)) is not None}
        mine = approved.get(row["candidate"])
        for one in reversed(others):
            theirs = approved.get(one["candidate"])
            if mine is not None and theirs is not None and theirs > mine:
                return f"{one['candidate']} was approved later"
            if mine is None and one["recorded_at"] > row["recorded_at"]:
                return f"{one['candidate']} is newer"
        return None

    def _without_dataset(self, row: Row, error: DatasetError) -> str:
        """Nothing can be learnt from, or measured on, what retention took away: the next dataset makes another candidate."""
        spent = spent_on(self._home, row["candidate"], self._seed.kinds[row["kind"]].limits)
        self.ledger.step(row["candidate"], CANCELLED, f"its dataset is gone: {error}", **spent)
        return f"{row['candidate']} is cancelled: its dataset is gone ({error})"

    def _take_over(self, row: Row, version: Version) -> None:
        """What follows from a new champion at once, and twice is once. Indexes follow the embedder by themselves
        (registry_runs.py)."""
        if row["kind"] != "detector":
            return
        folder = training_folder(self._home, row["candidate"])
        if (done := read_done(folder)) is not None:
            dataset = self._datasets.open(row["kind"], row["dataset_version"])
            adopt(self._desk.store, self._desk.clock, folder / MODEL, done, dataset, version.version)

    def _spec(self, row: Row, seed: KindSeed) -> TrainingSpec:
        base = self._desk.base_of(seed)
        dataset = self._datasets.open(row["kind"], row["dataset_version"]).folder
        return TrainingSpec(
            kind=row["kind"],
            dataset=str(dataset.relative_to(self._home)),
            dataset_version=row["dataset_version"],
            recipe=json.loads(row["recipe"]),
            limits=seed.limits,
            base_model=_from_home(base.folder, self._home),
            base_fingerprint=base.fingerprint,
        )

    def _verdict(self, row: Row) -> Verdict:
        seed = self._seed.kinds[row["kind"]]
        configured = self._desk.configured.open(self._desk.store)
        golden = {} if row["kind"] == "detector" else load_golden(self._desk.seeds / GOLDEN_FILE)
        opens = lambda folder: replace(configured, model=str(folder))  # noqa: E731
        desk = GateDesk(self._desk.store, self._desk.clock, seed, golden, opens)
        dataset = self._datasets.open(row["kind"], row["dataset_version"]).folder
        return desk.judge(self._contender(row), self._champion(seed, row["base_model"]), dataset)

    def _contender(self, row: Row) -> Contender:
        folder = training_folder(self._home, row["candidate"]) / MODEL
        return Contender(row["candidate"], folder_digest(folder), folder)

    def _champion(self, seed: KindSeed, base_model: str) -> Contender | None:
        found = self._desk.registry.champion_folder(seed.model)
        if found is not None:
            version, folder = found
            if seed.model == "generator" and version.tags.get("base_model") != base_model:
                raise GateError(
                    f"{version.name} was trained on another base model: the two are not measured as one; cancel this one, "
                    "or start again from that base"
                )
            return Contender(version.name, version.digest, folder)
        if seed.kind != "retriever":
            return None
        embedder = self._desk.embedder()
        return Contender("configured", embedder.fingerprint, embedder.folder)

    def _registration(self, row: Row, folder: Path, verdict: Verdict) -> Registration:
        seed, done = self._seed.kinds[row["kind"]], read_done(folder)
        if done is None:
            raise TrainingSpecError(f"{folder} does not say how its training ended; the candidate cannot be registered")
        dataset = self._datasets.open(row["kind"], row["dataset_version"])
        today = self._desk.clock.now().date()
        champion: Version | None = self._desk.registry.by_alias(seed.model, CHAMPION)
        lineage = {
            "candidate": row["candidate"], "data_version": row["dataset_version"], "base_model": row["base_model"],
            "parent_version": champion.version if champion else "", **self._lineage,
        }  # fmt: skip
        measured = {
            f"{one['gate']}_{one['metric']}": float(one["candidate_value"])
            for one in verdict.rows
            if one["candidate_value"] is not None and not one["segment"]
        }
        rows = {split: {"rows": said["rows"]} for split, said in dataset.manifest["splits"].items()}
        source = str(dataset.folder.relative_to(self._home))
        return Registration(
            model=seed.model,
            folder=folder / MODEL,
            signature=_signature(seed, done, folder / MODEL),
            metrics={**done.metrics, **measured, "training_seconds": done.seconds},
            curve=[_numbers(point) for point in read_curve(folder)],
            parameters={name: _plain(value) for name, value in json.loads(row["recipe"]).items()},
            datasets=[
                TrainingData(f"{row['kind']}_train", row["dataset_version"], "training", source, rows["train"]),
                TrainingData(f"{row['kind']}_dev", row["dataset_version"], "validation", source, rows["dev"]),
                TrainingData(f"{row['kind']}_test", row["dataset_version"], "evaluation", source, rows["test"]),
            ],
            lineage=lineage,
            card=card(self._contender(row), folder, dataset.folder, verdict, seed, today),
            status=_STATUS.get(verdict.outcome, model_version.PASSED),
            reason="" if verdict.passed else "; ".join(verdict.reasons),
        )

    def _error(self, row: Row, error: Exception) -> StepError:
        state = self.ledger.newest[row["candidate"]]["state"]
        return StepError(f"candidate {row['candidate']} ({row['kind']}) stays {state}: {error}")


def _signature(seed: KindSeed, done: Done, model: Path) -> Signature:
    if seed.kind == "retriever":
        return model_version.text_to_vector(Embedder(model=str(model)).dimensions)
    if seed.kind == "detector":
        return model_version.numbers_to_probability(list(done.parameters["features"]))
    return model_version.messages_to_text()


def _from_home(folder: Path | None, home: Path) -> str:
    """A folder as a spec names it: from the home on where it lies there, so that it is true on another machine."""
    if folder is None:
        return ""
    folder = folder.resolve()
    return str(folder.relative_to(home.resolve())) if folder.is_relative_to(home.resolve()) else str(folder)


def _plain(value: Any) -> str | int | float:
    return value if isinstance(value, str | int | float) else json.dumps(value)


def _numbers(point: Mapping[str, Any]) -> dict[str, float | None]:
    return {name: value for name, value in point.items() if value is None or isinstance(value, int | float)}
