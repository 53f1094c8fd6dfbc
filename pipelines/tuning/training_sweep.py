"""The sweep of trainings: what a training left goes once nothing will be done with it any more.

Its folder goes, and with it the vectors that were made to judge an embedder. A model that was registered lives on in the
registry, its curve in the registry's run; of one that was rejected the files go, its card and numbers stay. One that failed
or was cancelled keeps its checkpoint for a while, so that it can be asked for again and goes on.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from pipelines.settings import Dtype
from pipelines.tuning.champion import EMBEDDER, followed_fingerprints
from pipelines.tuning.tuning_desk import LOCK
from pipelines.tuning.tuning_ledger import CANCELLED, FAILED, PROMOTED, REJECTED, RETIRED, TuningLedger
from resources.clock import Clock
from resources.embedder import Embedder, EmbedderError, cache_folder
from resources.events import alone_at_once
from resources.model_version import REJECTED as IS_REJECTED
from resources.model_version import RegistryError
from resources.registry import Registry
from resources.store import Store
from resources.training_spec import MODEL, training_folder
from resources.tuning_seed import MODELS

KEPT = timedelta(days=30)
"""After a candidate's last step."""
_ENDED = (CANCELLED, FAILED, PROMOTED, REJECTED, RETIRED)
_DTYPES: tuple[Dtype, ...] = ("float32", "bfloat16")
"""Each is another fingerprint, and has vectors of its own."""


@dataclass
class SweptTrainings:
    """Candidates whose folder went; versions whose files the registry gave up, of those that were due, by model; and why
    the registry could not be asked."""

    folders: list[str] = field(default_factory=list)
    rejected: dict[str, set[str]] = field(default_factory=dict)
    models: list[str] = field(default_factory=list)
    trouble: str | None = None

    def __str__(self) -> str:
        told = f"{len(self.folders)} folders of ended trainings removed, the files of {len(self.models)} rejected models too"
        return f"{told}; {self.trouble}; the next sweep tries again" if self.trouble else told


def sweep_trainings(store: Store, clock: Clock, registry: Registry) -> SweptTrainings:
    """Remove what is due; twice is once. Nothing while a pass of tuning is at work."""
    done = SweptTrainings()
    with alone_at_once(store, LOCK) as is_ours:
        if not is_ours:
            return done
        for row in TuningLedger(store, clock).in_state(*_ENDED):
            is_wanted = row["state"] == REJECTED and row["model_version"] is None  # It is still to be registered.
            if is_wanted or row["recorded_at"] + KEPT >= clock.now():
                continue
            if row["state"] == REJECTED:
                done.rejected.setdefault(MODELS[row["kind"]], set()).add(row["model_version"])
            folder = training_folder(store.state, row["candidate"])
            if folder.is_dir():
                if MODELS[row["kind"]] == EMBEDDER:
                    _forget_vectors(store.state, folder / MODEL)
                shutil.rmtree(folder)
                done.folders.append(row["candidate"])
        try:
            for model, numbers in done.rejected.items():
                for version in registry.versions(model):
                    is_due = version.version in numbers and version.status == IS_REJECTED
                    if is_due and registry.forget_files(version):
                        done.models.append(version.name)
        except RegistryError as error:
            done.trouble = str(error)
    return done


def _forget_vectors(state: Path, model: Path) -> None:
    """Remove what an embedder made of texts, unless indexes go by it, or went by it before."""
    followed = set(followed_fingerprints(state))
    for dtype in _DTYPES if model.is_dir() else ():
        try:
            made = Embedder(model=str(model), dtype=dtype).fingerprint
        except EmbedderError:
            return  # A training that ended early left no whole model: nothing was judged by it.
        if made not in followed:
            (cache_folder(state) / f"{made}.sqlite").unlink(missing_ok=True)
