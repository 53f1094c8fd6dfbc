"""A warehouse's registry on a real MLflow store, which was migrated once; models whose files are a few bytes.

A `Killer` does things to them in processes of their own that die on the way.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import yaml
from killing import forks

from pipelines.clock import WallClock
from pipelines.governance.approval_desk import APPROVALS, ApprovalDesk
from pipelines.tuning.model_desk import ModelDesk
from resources.events import table_rows
from resources.model_version import CHAMPION, Registration, TrainingData, text_to_vector
from resources.registry import Registry
from resources.store import Store
from resources.tuning_seed import TUNING_FILE
from resources.without_spark import without_spark

EMBEDDER = "embedder"
CURVE = [
    {"step": 1, "epoch": 0.1, "loss": 2.5},
    {"step": 10, "epoch": 1.0, "loss": 1.5, "dev_ndcg_at_10": 0.71},
]


def migrated(template: Path) -> Path:
    """A store that MLflow has migrated, which takes seconds, once a folder; its database."""
    database = template / "mlflow" / "mlflow.db"
    if not database.exists():
        registry = Registry.of(template)
        registry.folder.mkdir(parents=True, mode=0o700)
        database.touch()
        assert registry.versions(EMBEDDER) == []
    return database


def registry_at(state: Path, database: Path) -> Registry:
    """A registry with that database, copied."""
    registry = Registry.of(state)
    registry.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copy(database, registry.folder / database.name)
    return registry


def files(folder: Path, weights: str = "weights") -> Path:
    """A model's folder: two files, one below another folder."""
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "model.safetensors").write_text(weights, encoding="utf-8")
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode": "mean"}', encoding="utf-8")
    return folder


def registration(folder: Path, **more: Any) -> Registration:
    """What is said of such a model."""
    said: dict[str, Any] = {
        "metrics": {"ndcg_at_10": 0.75}, "curve": CURVE, "parameters": {"epochs": 1},
        "datasets": [TrainingData("retriever", "0123456789abcdef", source="datasets/retriever/0123456789abcdef")],
        "lineage": {"candidate": "c" * 16, "data_version": "0123456789abcdef", "code_revision": "f" * 40},
        "card": "# A model\n\nIt finds pages.\n", "signature": text_to_vector(8),
    }  # fmt: skip
    return Registration(EMBEDDER, folder, **(said | more))


def register(state: Path, folder: Path) -> None:
    """A folder becomes champion."""
    registry = Registry.of(state)
    made = registry.register_folder(registration(folder))
    registry.set_alias(EMBEDDER, CHAMPION, made.version)


def serve(pipe: Connection) -> None:
    """Do what is asked for, (function, arguments, failpoint), each in a fork that dies at its failpoint; tells its exit
    status. MLflow, which takes seconds to import, is imported once."""
    with without_spark():
        import mlflow.models  # noqa: F401
    while True:
        try:
            act, arguments, failpoint = pipe.recv()
        except EOFError:
            return
        child = os.fork()
        if child:
            _, status = os.waitpid(child, 0)
            pipe.send(os.waitstatus_to_exitcode(status))
            continue
        os.environ["NOCTURNE_FAILPOINT"] = failpoint
        status = 1
        try:
            act(*arguments)
            status = 0
        finally:
            os._exit(status)


def forget(state: Path, version: str) -> None:
    """The files of a rejected version go."""
    registry = Registry.of(state)
    registry.forget_files(registry.version(EMBEDDER, version))


class Killer:
    """Runs functions of modules in processes that die at a failpoint."""

    def __init__(self) -> None:
        self._pipe, theirs = forks().Pipe()
        self._server = forks().Process(target=serve, args=(theirs,), daemon=True)
        self._server.start()
        theirs.close()

    def killed(self, act: Callable[..., None], *arguments: Any, failpoint: str) -> bool:
        """Whether it was killed there; what ends otherwise but well, fails."""
        self._pipe.send((act, arguments, failpoint))
        status = self._pipe.recv()
        assert status in (0, -signal.SIGKILL), f"it ended with {status}: its words are above"
        return bool(status)

    def close(self) -> None:
        self._pipe.close()
        self._server.join()


SUBJECT = f"tuning/{EMBEDDER}/{'c' * 16}"
"""What an approval of `registration` is on."""


class PromotingHouse:
    """A warehouse with a registry, its desks, and a seed that asks for no approval until it is told to."""

    def __init__(self, root: Path, database: Path | None = None, now: str = "2026-11-10T03:00:00"):
        self.store = Store(root / "data", root / "home", durable=False, threads=1)
        self.registry = registry_at(self.store.state, database) if database else Registry.of(self.store.state)
        self.seeds = root / "seeds"
        self.seeds.mkdir(exist_ok=True)
        self.now = now
        if database:
            self.promotion("automatic")

    @property
    def desk(self) -> ModelDesk:
        return ModelDesk(self.store, self.registry, self.seeds, WallClock(fixed_now=self.now))

    @property
    def approvals(self) -> ApprovalDesk:
        return ApprovalDesk(self.store, self.registry, self.seeds, WallClock(fixed_now=self.now))

    def promotion(self, how: str) -> None:
        """Write into tuning.yml who lets retrievers go live."""
        promotion_in(self.seeds, how)

    def decisions(self) -> list[dict[str, Any]]:
        """The rows of governance.approvals."""
        return table_rows(self.store, APPROVALS)


def promotion_in(seeds: Path, how: str) -> None:
    """Write a tuning.yml that says who lets retrievers go live."""
    (seeds / TUNING_FILE).write_text(yaml.safe_dump({"kinds": {"retriever": {"promotion": how}}}), encoding="utf-8")


def promote(root: Path, version: str) -> None:
    """As `make model` does, the clock standing still."""
    PromotingHouse(root).desk.promote(EMBEDDER, version, "ada", "it is better")


def decide(root: Path) -> None:
    """As `make approve` does."""
    PromotingHouse(root).approvals.decide(SUBJECT, "approve", "ada", "read it", "a" * 64)
