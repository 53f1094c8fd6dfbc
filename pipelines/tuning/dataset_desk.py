"""The desk where datasets are made: logs, feedback and labels become rows that a model may be trained on, and judged by.

What Dagster's run and `make tune` share. A pass that is killed is repeated: the same tables give the same version, and its
row is written once. What a kind's candidates are is dataset_*.py; the rules that they pass, assets/tuning/.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.tuning.data_summary import provenance, summary, too_few
from assets.tuning.decontaminate import Held
from assets.tuning.dedupe import Vectors
from assets.tuning.refine import Candidate, Limits, Refined, refined
from assets.tuning.splits import TEST, TRAIN
from pipelines.retrieval.index_queries import Embeds
from pipelines.second_look import are_clean
from pipelines.tuning.dataset_answers import AnswerRows
from pipelines.tuning.dataset_detector import DetectorRows
from pipelines.tuning.dataset_evidence import days_kept
from pipelines.tuning.dataset_held import evaluation_sets
from pipelines.tuning.dataset_retriever import RetrieverRows
from resources.clock import Clock
from resources.dataset_seed import DATASETS_FILE, load_datasets
from resources.dataset_store import PROVENANCE, DatasetError, DatasetStore, content_version
from resources.events import alone, append, table_rows
from resources.failpoints import failpoint
from resources.retention import RETENTION_FILE, load_policy
from resources.store import Store
from resources.warehouse_resource import EmbedderResource, WarehouseResource

DATASETS = "tuning.datasets"
LOCK = ".datasets.lock"
FEWEST = {TRAIN: 20, TEST: 5}
"""Rows without which there is nothing to learn from, or to judge by. Whether a training is due is a trigger's business."""
_PROVENANCE = pa.schema(
    [
        ("example_id", pa.string()), ("split", pa.string()), ("day", pa.date32()), ("request_id", pa.string()),
        ("user_token", pa.string()), ("annotators", pa.list_(pa.string())), ("source", pa.string()),
    ]
)  # fmt: skip
Row = dict[str, Any]


class Rows(Protocol):
    """One kind of dataset, as its module reads it."""

    def candidates(self) -> list[Candidate]: ...

    def tables(self, refined: Refined) -> dict[str, pa.Table]: ...


@dataclass(frozen=True)
class Offer:
    """What there is to train on: a dataset's version, its training rows, and how many of them are new; or `why` none is."""

    version: str | None = None
    train: int | None = None
    new: int | None = None
    why: str = ""


@dataclass(frozen=True)
class Built:
    """What a pass did. `row`: what tuning.datasets says of the dataset; None: too few rows, and `why` says of what.

    `is_new`: no earlier pass had built this version.
    """

    kind: str
    version: str | None = None
    folder: Path | None = None
    row: Row | None = None
    is_new: bool = False
    why: str = ""

    def __str__(self) -> str:
        if self.row is None:
            return f"no dataset of {self.kind}: {self.why}"
        parts = ", ".join(f"{self.row[name]:,} {name}" for name in ("train", "dev", "test", "removed"))
        return f"dataset {self.kind}/{self.version} of {self.row['candidates_seen']:,} candidates: {parts}"


class DatasetDesk:
    """The datasets of one warehouse."""

    def __init__(self, store: Store, seeds: Path, embedder: Embeds, clock: Clock):
        self.store = store
        self.seeds = seeds
        self.embedder = embedder
        self.clock = clock
        self.datasets = DatasetStore(store.state)

    @classmethod
    def of(cls, warehouse: WarehouseResource, embedder: EmbedderResource, clock: Clock) -> Self:
        """The desk of a warehouse."""
        store = warehouse.store()
        return cls(store, warehouse.seeds, embedder.open(store), clock)

    def build(self, kind: str) -> Built:
        """The dataset of a kind (resources.dataset_store.KINDS) from all that is kept now; twice is once.

        Raises DatasetSeedError, the errors of other seeds that it reads, EmbedderError, VectorsMissingError.
        """
        with alone(self.store, LOCK):
            self.datasets.tidy()
            made = self._made(kind)
            return Built(kind, why=made) if isinstance(made, str) else self._written(kind, *made)

    def preview(self, kind: str, since: str | None) -> Offer:
        """What `build` would make of all that is kept now, beside the earlier dataset `since`. Nothing is written but, into
        the embedder's cache, vectors of texts that have none yet. Raises as `build`."""
        made = self._made(kind)
        if isinstance(made, str):
            return Offer(why=made)
        tables, facts = made
        return Offer(content_version(kind, tables), facts["train"], self._new(kind, tables[PROVENANCE], since))

    def offer(self, kind: str, since: str | None) -> Offer:
        """Build, and say what there is beside the earlier dataset `since`. Raises as `build`."""
        built = self.build(kind)
        if built.version is None or built.row is None:
            return Offer(why=built.why)
        return Offer(built.version, built.row["train"], self.new_since(built, since))

    def new_since(self, built: Built, version: str | None) -> int:
        """How many training rows of a dataset an earlier one of its kind did not have; None: all of them.

        Where the earlier one's words are gone, those of requests after its last day.
        """
        return self._new(built.kind, self.datasets.open(built.kind, built.version or "").table(PROVENANCE), version)

    def _new(self, kind: str, made_of: pa.Table, version: str | None) -> int:
        rows = _trained(made_of)
        if version is None:
            return int(rows.num_rows)
        try:
            known = set(_trained(self.datasets.open(kind, version).table(PROVENANCE))["example_id"].to_pylist())
        except DatasetError:
            last = max((row["last_day"] for row in self.built(kind) if row["version"] == version), default=date.min)
            return sum(day > last for day in rows["day"].to_pylist())
        return sum(name not in known for name in rows["example_id"].to_pylist())

    def built(self, kind: str) -> list[Row]:
        """The rows of tuning.datasets of a kind, oldest first; the words of some may be gone."""
        rows = [row for row in table_rows(self.store, DATASETS) if row["kind"] == kind]
        return sorted(rows, key=lambda row: row["built_at"])

    def _made(self, kind: str) -> tuple[dict[str, pa.Table], Row] | str:
        """The tables of a dataset and what is said of it; or why there is none."""
        seed = load_datasets(self.seeds / DATASETS_FILE)
        held = Held.of(evaluation_sets(self.seeds, seed))
        rows = self._rows(kind)
        candidates = rows.candidates()
        if not candidates:
            return "nothing in the logs, feedback or labels of the days that are kept speaks for a row"
        found = refined(candidates, self._embed, self._are_clean, held, Limits(seed.user_share, seed.annotator_share))
        if why := too_few(found, FEWEST):
            return why
        tables = rows.tables(found)
        tables[PROVENANCE] = pa.Table.from_pylist(provenance(found), schema=_PROVENANCE)
        return tables, summary(found, held.sets, seed.licences)

    def _written(self, kind: str, tables: dict[str, pa.Table], facts: Row) -> Built:
        now = self.clock.now()
        facts |= {"embedder": None if kind == "detector" else self.embedder.fingerprint}
        told = {name: str(value) if name.endswith("_day") else value for name, value in facts.items()}
        days = sorted({str(day) for day in tables[PROVENANCE]["day"].to_pylist()})
        manifest = {"built_at": now.isoformat(), "embedder": facts["embedder"], "days": days, "summary": told}
        dataset = self.datasets.write(kind, tables, manifest)
        failpoint("dataset.in_place")
        row = {"day": now.date(), "kind": kind, "version": dataset.version, "built_at": now, **facts}
        is_new = bool(append(self.store, DATASETS, lambda _: [row]))
        there = next(row for row in self.built(kind) if row["version"] == dataset.version)
        return Built(kind, dataset.version, dataset.folder, there, is_new)

    def _rows(self, kind: str) -> Rows:
        last = self.clock.last_due_day()
        if kind == "detector":
            return DetectorRows(self.store)
        days = days_kept(self.store, last, self._keep_days())
        if kind == "retriever":
            return RetrieverRows(self.store, self.embedder, days, last)
        return AnswerRows(kind, self.store, days, last)

    def _keep_days(self) -> int | None:
        """For how long texts are kept; None: for ever, which is so where no seed says otherwise."""
        path = self.seeds / RETENTION_FILE.name
        return load_policy(path).keep_days["text"] if path.exists() else None

    def _embed(self, texts: list[str]) -> Vectors:
        return self.embedder.embed(texts) if texts else np.empty((0, 1), np.float32)

    def _are_clean(self, texts: list[str]) -> list[bool]:
        return are_clean(self.store, self.seeds, texts)


def _trained(rows: pa.Table) -> pa.Table:
    """The provenance of training rows, one a row."""
    newest = rows.filter(pc.equal(rows["split"], TRAIN)).group_by("example_id").aggregate([("day", "max")])
    return newest.rename_columns(["example_id", "day"])


def told(row: Row) -> dict[str, Any]:
    """The counts of a row that are JSON, read."""
    return {name: json.loads(row[name]) for name in ("removals", "sources", "log_sources", "licences", "languages")}
