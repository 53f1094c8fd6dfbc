"""A warehouse whose detector is tuned: a dataset of labels, a registry on a store that was migrated once, and its desk."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from registry_house import registry_at
from training_house import RECIPES, labels
from tuning_house import SAID

from pipelines.clock import WallClock
from pipelines.tuning.dataset_desk import Built, Offer
from pipelines.tuning.tuning_desk import Pass, TuningDesk
from pipelines.tuning.tuning_ledger import CANDIDATES, NOCTURNE, TuningLedger
from resources.base_model import base_model
from resources.dataset_store import PROVENANCE, DatasetStore
from resources.events import table_rows
from resources.registry import Registry
from resources.store import Store
from resources.training_spec import Done, TrainingSpec, candidate_id, write_spec
from resources.tuning_seed import TUNING_FILE, KindSeed
from resources.warehouse_resource import EmbedderResource
from trainers.train import attempt

SUMMARY = {
    "first_day": "2026-11-01", "last_day": "2026-11-01", "candidates_seen": 720, "removed": 0, "users": 200,
    "train": 400, "dev": 80, "test": 240, "removals": "{}", "sources": json.dumps({"labelled": 720}),
    "log_sources": json.dumps({"gateway": 720}), "licences": json.dumps({"own logs": 720}),
    "languages": json.dumps({"en": 720}), "unattributed": 0, "user_cap": 0.05, "largest_user_share": 0.01,
    "annotator_cap": 0.5, "largest_annotator_share": 0.5, "later_than_test": 0.0, "evaluation_sets": "{}", "rules": "1",
}  # fmt: skip
"""What the manifest of a dataset says of it."""


def train(spec: TrainingSpec, seed: KindSeed) -> Done:
    """As the program does, in this process."""
    path = write_spec(Path(os.environ["TUNING_HOME"]), spec)
    return attempt(spec, path, lambda: None, lambda message: None)


class DeskHouse:
    """A warehouse with one dataset of labels, and a registry on a store that was migrated once."""

    def __init__(self, root: Path, database: Path | None = None, uri: str = ""):
        self.store = Store(root / "data", root / "home", durable=False, threads=1)
        os.environ["TUNING_HOME"] = str(self.store.state)
        self.seeds = root / "seeds"
        self.registry = registry_at(self.store.state, database) if database else Registry.of(self.store.state, uri)
        self.clock = WallClock(fixed_now="2026-11-10T03:00:00")
        if database:
            self.seeds.mkdir()
            self.declare()

    def declare(self, **changes: Any) -> None:
        """Write tuning.yml: the detector, which goes live by itself where its gates let it."""
        for name, rows in (("general", labels(160, 77)), ("safety", _plainly_made_up())):
            (self.seeds / name).mkdir(exist_ok=True)
            (self.seeds / name / "rows.jsonl").write_text(rows.write_ndjson(), encoding="utf-8")
        said = {
            "enabled": True, "promotion": "automatic", "card": SAID | {"watts": 60},
            "general_set": str(self.seeds / "general"), "safety_set": str(self.seeds / "safety"),
            "gate": {"most_forgetting": 0.2, "most_slowdown": 100, "most_growth": 100},
        }  # fmt: skip
        (self.seeds / TUNING_FILE).write_text(yaml.safe_dump({"kinds": {"detector": said | changes}}), encoding="utf-8")

    @property
    def desk(self) -> TuningDesk:
        return TuningDesk(self.store, self.seeds, EmbedderResource(), self.registry, self.clock)

    @property
    def ledger(self) -> TuningLedger:
        return TuningLedger(self.store, self.clock)

    def ask(self, train: int = 400) -> str:
        """A dataset, and a candidate that is to be trained on so many rows of it."""
        version = self.dataset(train)
        base = base_model("detector", "", self.store.state).fingerprint
        candidate = candidate_id("detector", version, base, RECIPES["detector"])
        self.ledger.request(candidate, "detector", version, base, RECIPES["detector"], "labels", NOCTURNE)
        return candidate

    def dataset(self, train: int = 400) -> str:
        """A dataset of labels; its version."""
        tables = {}
        for number, (split, count) in enumerate({"train": train, "dev": 80, "test": 240}.items()):
            found = labels(count, number)
            tables[split] = found.with_columns(
                pl.lit("scorer-1").alias("scorer"), pl.lit(date(2026, 11, 1)).alias("day")
            ).to_arrow()
        tables[PROVENANCE] = tables["train"].select(["request_id"])
        store, facts = DatasetStore(self.store.state), {"days": ["2026-11-01"], "summary": SUMMARY}
        return store.write("detector", tables, facts).version

    def work(self) -> Pass:
        return self.desk.work(train)

    def decide(self) -> Pass:
        """A decision, on a dataset of labels that is there already."""
        desk = DecidingDesk(self.store, self.seeds, EmbedderResource(), self.registry, self.clock)
        desk.house = self
        return desk.decide()

    def states(self, candidate: str) -> list[str]:
        rows = [row for row in table_rows(self.store, CANDIDATES) if row["candidate"] == candidate]
        return [row["state"] for row in sorted(rows, key=lambda row: int(row["step"]))]


def worked(root: Path) -> None:
    """A pass, for a process of its own."""
    done = DeskHouse(root).work()
    assert done.troubles == [], done.troubles


class Datasets:
    """In the place of the desk that builds datasets: one of labels, all of it new."""

    def __init__(self, house: DeskHouse):
        self._house = house

    def build(self, kind: str) -> Built:
        version = self._house.dataset()
        folder = DatasetStore(self._house.store.state).folder(kind, version)
        return Built(kind, version, folder, {"train": 400, "version": version})

    def new_since(self, built: Built, version: str | None) -> int:
        return 0 if version == built.version else 400

    def offer(self, kind: str, since: str | None) -> Offer:
        built = self.build(kind)
        return Offer(built.version, 400, self.new_since(built, since))

    def preview(self, kind: str, since: str | None) -> Offer:
        return self.offer(kind, since)


class DecidingDesk(TuningDesk):
    """A desk whose dataset is there already."""

    house: DeskHouse

    def _datasets(self) -> Any:
        return Datasets(self.house)


def decided(root: Path, database: Path | None = None) -> str:
    """A decision, for a process of its own."""
    done = DeskHouse(root, database).decide()
    assert done.troubles == [], done.troubles
    return str(done)


def _plainly_made_up() -> pl.DataFrame:
    """Answers of which nothing stands in their context: every detector has to call them made up."""
    rows = labels(60, 78).with_columns(pl.lit(True).alias("label"))
    return rows.with_columns(pl.lit(0.0).alias("support_mean"), pl.lit(0.0).alias("similarity_mean"))
