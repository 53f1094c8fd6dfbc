"""The warehouse, the embedder and the model registry as Dagster configures them: folders, limits and models, in the UI."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Literal

import dagster as dg

from resources import capture
from resources.calendar import calendar
from resources.clock import Clock
from resources.closing import Retention
from resources.contracts import SEEDS
from resources.day_inputs import take_pins
from resources.days import Pins
from resources.embedder import Embedder, cache_folder
from resources.incident_holds import incident_holds
from resources.landing import Landing
from resources.mlflow_store import MlflowStore
from resources.process_mark import process_mark
from resources.publishing import Publisher
from resources.registry import Registry
from resources.retention import HOLDS_FILE, RETENTION_FILE, load_holds, load_policy
from resources.sources import SOURCES_FILE, load
from resources.store import Store

PINS_TAG = "nocturne/pins"
PROCESS_TAG = "nocturne/process"
"""The process that works on a run (resources/process_mark.py), so that a killed run can be told from a slow one."""


@lru_cache(maxsize=8)
def _store(data: str, state: str, memory_limit: str, threads: int | None, durable: bool, birth: int) -> Store:
    return Store(Path(data), Path(state), memory_limit=memory_limit, threads=threads, durable=durable)


def _birth(data: Path) -> int:
    """Tells a warehouse from one that was deleted and made anew at the same place under a running process."""
    first_commit = data / "logs" / "files" / "_delta_log" / f"{0:020d}.json"
    return first_commit.stat().st_ino if first_commit.exists() else 0


class WarehouseResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """One warehouse: its tables (`data_dir`), its state (`state_dir`) and the folder or URL that logs land in.

    `owns_landing`: the landing folder is this project's own, and not a team's, so that retention may remove its files.
    """

    data_dir: str
    state_dir: str
    landing_dir: str
    owns_landing: bool = False
    memory_limit: str = "2GB"
    threads: int | None = None
    durable: bool = True
    seeds_dir: str = str(SEEDS)

    def store(self) -> Store:
        """The open warehouse; one a process, so that logs of commits are read once."""
        birth = _birth(Path(self.data_dir))
        return _store(self.data_dir, self.state_dir, self.memory_limit, self.threads, self.durable, birth)

    def publisher(self) -> Publisher:
        return Publisher(self.store())

    def landing(self) -> Landing:
        """The landing area as the seeds declare it now. Raises SourceError and CaptureError for a faulty seed."""
        sources = load(self.seeds / SOURCES_FILE.name)
        policy = capture.load(self.seeds / capture.CAPTURE_FILE.name, sources)
        return Landing(self.store(), self.landing_dir, sources, calendar().start, policy)

    def retention(self) -> Retention:
        """Retention as the seeds declare it now. Raises RetentionError, SourceError and CaptureError for a faulty seed."""
        policy = load_policy(self.seeds / RETENTION_FILE.name, self.store().contracts)
        holds = [*load_holds(self.seeds / HOLDS_FILE.name), *incident_holds(self.store())]
        own_landing = Path(self.landing_dir) if self.owns_landing else None
        return Retention(self.publisher(), self.landing(), policy, holds, own_landing)

    @property
    def seeds(self) -> Path:
        return Path(self.seeds_dir)

    def sign(self, context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext | dg.OpExecutionContext) -> None:
        """Write into the run's tags which process works on it."""
        run, mark = context.instance.get_run_by_id(context.run.run_id), process_mark(context.run.run_id)
        if run is not None and run.tags.get(PROCESS_TAG) != mark:
            context.instance.add_run_tags(context.run.run_id, {PROCESS_TAG: mark})

    def pins(self, context: dg.AssetExecutionContext, clock: Clock) -> Pins:
        """What this run reads, from its tags; a run started by hand pins now, in its first step, for all its steps."""
        run = context.instance.get_run_by_id(context.run.run_id)
        tags = run.tags if run else {}
        self.sign(context)
        if PINS_TAG not in tags:
            tags = {PINS_TAG: json.dumps(take_pins(self.store(), clock.last_due_day()))}
            context.instance.add_run_tags(context.run.run_id, tags)
        pins: Pins = json.loads(tags[PINS_TAG])
        return pins


class EmbedderResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The model that turns texts into vectors (resources/embedder.py): the packaged one where `model` is empty, else a
    folder or an id of the Hugging Face hub, which is asked over the network only where `may_download` says so."""

    model: str = ""
    dtype: Literal["float32", "bfloat16"] = "float32"
    device: str = "cpu"
    may_download: bool = False

    def open(self, store: Store) -> Embedder:
        """The embedder, with its cache below the warehouse's state. Nothing is loaded yet."""
        return Embedder(self.model, cache_folder(store.state), self.dtype, self.device, self.may_download)


class RegistryResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The model registry: MLflow on SQLite in the warehouse's state, or the tracking server at `uri`, which holds no
    password (docs/registry.md)."""

    uri: str = ""

    def open(self, store: Store) -> Registry:
        """The registry of a warehouse. Nothing is asked yet."""
        return Registry.of(store.state, self.uri)

    def page(self, store: Store) -> dg.MetadataValue[str]:
        """Where a person looks at the models: the server's page, or the command that shows the store of this machine."""
        models = MlflowStore(self.open(store).folder, self.uri)
        if models.uri:
            return dg.MetadataValue.url(f"{models.place}/#/models")
        return dg.MetadataValue.md(f"`{models.show_command}`")
