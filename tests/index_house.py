"""A warehouse with a knowledge base whose indexes are released: real tables, a real FAISS, and an embedder made of words.

`passed` is one pass of its desk, for a process of its own that a test may kill.
"""

from __future__ import annotations

import hashlib
import os
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from pipelines.clock import WallClock
from pipelines.retrieval.corpus import CHUNKS, DOCUMENTS, EMBEDDINGS
from pipelines.retrieval.index_desk import IndexDesk
from pipelines.retrieval.index_ledger import EVALUATIONS, RELEASES_TABLE
from resources.contracts import contracts
from resources.events import append_table, table_rows
from resources.golden_seed import GOLDEN_FILE
from resources.live_index import LiveIndex, Vectors
from resources.store import Store
from resources.table_store import arrow_schema

DIMENSIONS = 32
Row = dict[str, Any]


@dataclass(frozen=True)
class Words:
    """An embedder: a text lies near the centre of its first word, where its other words put it."""

    fingerprint: str = "a" * 32

    def embed(self, texts: Sequence[str]) -> Vectors:
        found = [_drawn(text.split()[0]) + 0.6 * _drawn(self.fingerprint + text) for text in texts]
        return np.asarray([vector / np.linalg.norm(vector) for vector in found], np.float32)


def _drawn(name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
    return np.random.default_rng(seed).standard_normal(DIMENSIONS)


def text_of(document: int, version: int = 1) -> str:
    """What a document says: one of forty topics, and itself."""
    return f"topic{document % 40} document {document} version {version}"


class IndexHouse:
    """One warehouse below `root`, at a moment. Documents are numbers; each is one chunk, `d<number>` its id."""

    def __init__(self, root: Path, now: str = "2026-11-10T03:00:00", embedder: Words | None = None):
        self.root = root
        self.embedder = embedder or Words()
        self.store = Store(root / "data", root / "home", durable=False, threads=1)
        self.seeds = root / "seeds"
        self.seeds.mkdir(parents=True, exist_ok=True)
        self.at(now)

    def at(self, now: str) -> None:
        """Set the clock."""
        self.now = datetime.fromisoformat(now).replace(tzinfo=UTC)
        self.clock = WallClock(fixed_now=now)

    @property
    def desk(self) -> IndexDesk:
        return IndexDesk(self.store, self.seeds, self.embedder, self.clock, threads=1)

    def put(self, documents: Iterable[int], version: int = 1, label: str = "internal", until: date | None = None) -> None:
        """Documents become live, in this version, with chunks and vectors."""
        numbers = list(documents)
        texts = [text_of(number, version) for number in numbers]
        digests = [hashlib.sha256(text.encode()).hexdigest()[:32] for text in texts]
        self._append(DOCUMENTS, [self._document(n, version, access_label=label, valid_until=until) for n in numbers])
        self._append(CHUNKS, [
            {
                "chunk_id": chunk_id(n, version), "document_id": f"d{n}", "version": f"v{version}", "chunker": "whole-1",
                "place": 1, "start_character": 0, "end_character": len(text), "chunk_text": text, "text_digest": digest,
            }
            for n, text, digest in zip(numbers, texts, digests, strict=True)
        ])  # fmt: skip
        self.embed(numbers, version)

    def embed(self, numbers: Iterable[int], version: int = 1) -> None:
        """Their words get a vector of the embedder in use."""
        texts = [text_of(number, version) for number in numbers]
        self._append(EMBEDDINGS, [
            {
                "text_digest": hashlib.sha256(text.encode()).hexdigest()[:32], "embedder": self.embedder.fingerprint,
                "dimensions": DIMENSIONS, "vector": vector.tolist(),
            }
            for text, vector in zip(texts, self.embedder.embed(texts), strict=True)
        ])  # fmt: skip

    def delete(self, documents: Iterable[int], version: int = 1) -> None:
        self._append(DOCUMENTS, [self._document(n, version, state="deleted", chunker=None) for n in documents])

    def relabel(self, documents: Iterable[int], label: str, version: int = 1) -> None:
        self._append(DOCUMENTS, [self._document(n, version, access_label=label) for n in documents])

    def golden(self, queries: list[Row], index: str = "main") -> None:
        """Write golden_queries.yml."""
        (self.seeds / GOLDEN_FILE).write_text(yaml.safe_dump({"golden_queries": {index: queries}}), encoding="utf-8")

    def live(self) -> LiveIndex:
        """What an application has."""
        indexes = self.desk.indexes
        return LiveIndex(indexes.folder("main"), indexes.public_key(), self.embedder.fingerprint)

    def answers(self, documents: Iterable[int], version: int = 1, k: int = 1) -> list[list[str]]:
        """Documents that the live index finds for the words of each of these."""
        vectors = self.embedder.embed([text_of(number, version) for number in documents])
        return [[hit.document_id for hit in hits] for hits in self.live().search(vectors, k)]

    def steps(self) -> list[tuple[int, str, str]]:
        """(release, state, what) of every row, in the order of numbers and of states."""
        rows = table_rows(self.store, RELEASES_TABLE)
        order = ("built", "gated", "live", "retired", "rejected")
        return sorted(((r["release"], r["state"], r["what"]) for r in rows), key=lambda one: (one[0], order.index(one[1])))

    def evaluations(self) -> list[Row]:
        return table_rows(self.store, EVALUATIONS)

    def _document(self, number: int, version: int, **more: Any) -> Row:
        return {
            "index_name": "main", "corpus": "docs", "document_id": f"d{number}", "version": f"v{version}", "state": "live",
            "chunker": "whole-1", "source_uri": f"d{number}", "owner": "retrieval", "access_label": "internal",
        } | more  # fmt: skip

    def _append(self, name: str, rows: list[Row]) -> None:
        whole = [{"day": self.now.date(), "recorded_at": self.now} | row for row in rows]
        append_table(self.store, name, pa.Table.from_pylist(whole, schema=arrow_schema(contracts()[name])))


def chunk_id(document: int, version: int = 1) -> str:
    return hashlib.sha256(f"d{document} v{version}".encode()).hexdigest()[:32]


def passed(told: Connection, root: str, now: str, failpoint: str | None) -> None:
    """One pass of the desk; tells what became of it, unless it is killed on the way."""
    os.environ.pop("NOCTURNE_FAILPOINT", None)
    if failpoint:
        os.environ["NOCTURNE_FAILPOINT"] = failpoint
    try:
        told.send([str(done) for done in IndexHouse(Path(root), now).desk.work()])
    except Exception:
        told.send(traceback.format_exc())
