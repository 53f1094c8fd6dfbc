"""A house with a knowledge base and a tiny embedder. As a program: one pass of its desk, in a process of its own."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pipelines.clock import WallClock
from pipelines.retrieval.corpus import DOCUMENTS, live_chunks
from pipelines.retrieval.knowledge_desk import KnowledgeDesk, Pass
from pipelines.retrieval.knowledge_sweep import sweep
from resources.contracts import SEEDS
from resources.embedder import Embedder, Progress, Vectors
from resources.events import Row, table_rows
from resources.knowledge_seed import KNOWLEDGE_FILE
from resources.store import Store

NOW = "2026-11-10T03:00:00+00:00"
EMBEDDED: list[str] = []
"""Texts that a TinyEmbedder was asked for in this process."""


@dataclass(frozen=True)
class TinyEmbedder(Embedder):
    """Eight numbers that depend on the text; for tests in which it does not matter what they mean."""

    @cached_property
    def fingerprint(self) -> str:
        return sha256(self.model.encode()).hexdigest()[:32]

    def embed(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        EMBEDDED.extend(texts)
        return np.array([self.vector(text) for text in texts], np.float32)

    @staticmethod
    def vector(text: str) -> Vectors:
        raw = np.frombuffer(sha256(text.encode()).digest()[:8], np.uint8).astype(np.float32) + 1
        return np.asarray(raw / np.linalg.norm(raw), np.float32)


class KnowledgeHouse:
    """Its corpus `help` lies in `docs`; more are declared with `declare`."""

    def __init__(self, root: Path, now: str = NOW, model: str = "tiny"):
        self.root = root
        self.docs = root / "docs"
        self.docs.mkdir(parents=True, exist_ok=True)
        self.seeds = root / "seeds"
        if not self.seeds.exists():
            shutil.copytree(SEEDS, self.seeds)
            self.declare()
        self.store = Store(root / "data", root / "home", durable=False, threads=1)
        self.now = now
        self.model = model

    def declare(self, settings: dict[str, Any] | None = None, **corpora: dict[str, Any]) -> None:
        """Write knowledge.yml: `help`, and more corpora by name."""
        known = {"path": str(self.docs), "owner": "retrieval", **(settings or {})}
        said = {"corpora": {"help": known, **corpora}}
        (self.seeds / KNOWLEDGE_FILE).write_text(yaml.safe_dump(said), encoding="utf-8")

    def write(self, name: str, content: str | bytes) -> Path:
        """A file of the corpus."""
        path = self.docs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def desk(self, embedder: Embedder | None = None) -> KnowledgeDesk:
        return KnowledgeDesk(self.store, self.seeds, embedder or TinyEmbedder(self.model), WallClock(fixed_now=self.now))

    def work(self) -> Pass:
        return self.desk().work()

    def documents(self) -> dict[str, Row]:
        """The newest row of each document."""
        rows = sorted(table_rows(self.store, DOCUMENTS), key=lambda row: row["recorded_at"])
        return {row["document_id"]: row for row in rows}

    def states(self) -> dict[str, tuple[str, str | None]]:
        """State and reason of each document."""
        return {name: (row["state"], row["reason"]) for name, row in self.documents().items()}

    def chunks(self, index_name: str = "main") -> list[str]:
        """The live chunks of an index, by id."""
        found: list[str] = live_chunks(self.store, index_name)["chunk_id"].to_pylist()
        return found

    def versions(self) -> dict[str, int]:
        """How many commits each table of the knowledge base has."""
        return {name: self.store.open(name).version for name in self.store.contracts if name.startswith("retrieval.")
                and self.store.contracts[name].kind == "event"}  # fmt: skip


if __name__ == "__main__":
    house = KnowledgeHouse(Path(sys.argv[1]))
    if sys.argv[2] == "sweep":
        sweep(house.store, TinyEmbedder(house.model).fingerprint, (), house.desk().clock.now())
    else:
        house.work()
