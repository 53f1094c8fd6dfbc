"""A warehouse whose logs, feedback and labels datasets are made of: real landing, real tables, an embedder made of words."""

from __future__ import annotations

import os
import random
import shutil
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pyarrow as pa
from house import request, selected
from index_house import IndexHouse, Words, chunk_id
from rules_house import TalkingHouse

from assets.quality.sentences import words
from pipelines.tuning.dataset_desk import DATASETS, DatasetDesk
from pipelines.tuning.dataset_evidence import LABELS
from pipelines.tuning.dataset_sweep import sweep_datasets
from resources.contracts import SEEDS, contracts
from resources.dataset_store import Dataset
from resources.days import day_commit
from resources.events import append_table, table_rows
from resources.live_index import Vectors
from resources.table_store import arrow_schema

Row = dict[str, Any]
TABLES = ("logs.requests", "logs.retrievals", "logs.feedback")
FIRST = datetime(2026, 10, 20, 9, tzinfo=UTC)
_VOCABULARY = [
    a + b for a in ("ba", "do", "fi", "gu", "ke", "lo", "mi", "na", "pe", "ru", "sa", "tu", "vo", "wi", "xe", "zu")
    for b in ("ller", "mpet", "ndric", "rgast", "ssoma", "tterl", "vwick", "zzaro")
]  # fmt: skip


def sentence(number: int, count: int = 9) -> str:
    """A sentence that no other number has a word in a row of."""
    return " ".join(random.Random(number).sample(_VOCABULARY, count))


@dataclass(frozen=True)
class SameWords(Words):
    """Words, where texts that are the same but for case and marks have the same vector, as good embedders find them."""

    def embed(self, texts: Iterable[str]) -> Vectors:
        return super().embed([" ".join(words(text)) or "nothing" for text in texts])


class DatasetHouse:
    """Documents d0 to d59, each one chunk of its own topic; none: those that are there. `log` lands records, `label` writes
    what people say."""

    def __init__(self, root: Path, documents: int = 60, now: str = "2026-11-10T03:00:00"):
        self.index = IndexHouse(root, now, SameWords())
        self.root = root
        self.seeds = root / "seeds"
        if documents:
            self.index.put(range(documents))
            shutil.copytree(SEEDS, self.seeds, dirs_exist_ok=True)
            policy = self.seeds / "retention.yml"
            policy.write_text(policy.read_text(encoding="utf-8").replace("text: 30", "text: 60"), encoding="utf-8")
        self.store = self.index.store
        self._files = 0

    @property
    def desk(self) -> DatasetDesk:
        return DatasetDesk(self.store, self.seeds, self.index.embedder, self.index.clock)

    def log(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Deliver, land and compute."""
        self._files += 1
        house = TalkingHouse(self.root, self.index.now, contracts_=selected(*TABLES))
        house.deliver(f"{self._files}.jsonl", list(rows))
        house.land()
        house.compute()

    def label(self, request_id: str, day: date, annotator: str = "1.ana", **said: Any) -> None:
        """One label: grounded, and nothing made up, unless `said` otherwise."""
        row = {
            "day": day, "label_id": f"{request_id}{annotator}", "request_id": request_id, "annotator": annotator,
            "labelled_at": self.index.now, "has_comment": False, "is_revision": False, "file_id": "f" * 64,
            "recorded_at": self.index.now, "hallucinated": False, "grounded": True,
        } | said  # fmt: skip
        append_table(self.store, LABELS, pa.Table.from_pylist([row], schema=arrow_schema(contracts()[LABELS])))

    def close(self, day: date) -> None:
        """Retention closes the day of texts."""
        log = self.store.day_log("logs.texts")
        log.refresh()
        state = log.state(day)
        sequence = state.sequence + 1 if state else 1
        log.table.record_day(day, sequence, day_commit(day, sequence, "closed", {}, {}, reason="text: kept for 30 days"))

    def rows(self) -> list[Row]:
        return table_rows(self.store, DATASETS)

    def open(self, kind: str, version: str | None) -> Dataset:
        return self.desk.datasets.open(kind, version or "")


def at(number: int) -> datetime:
    """A time for each number, six hours apart: a month of eighty."""
    return FIRST + timedelta(hours=6 * number)


def asked(number: int, **more: Any) -> Row:
    """A request of its own user and conversation, whose question is of the topic of document `number`."""
    words = {"prompt_text": f"topic{number % 40} {sentence(number)}", "output_text": f"answer {sentence(10_000 + number)}"}
    whose = {"tenant": "acme-corp", "feature": "help", "user_id": f"user{number}", "conversation_id": f"talk{number}"}
    return request(f"q{number}", at(number).isoformat(), **whose | words | more)


def retrieved(number: int, document: str, is_cited: bool | None = None, **more: Any) -> Row:
    """A document that was found for the request."""
    row = {**asked(number), "prompt_text": None, "output_text": None}
    return row | {
        "record_kind": "retrieval", "record_id": document, "document_id": document, "document_rank": 1, "is_cited": is_cited,
        "index_version": "main@1",
    } | more  # fmt: skip


def said(number: int, kind: str, later: timedelta = timedelta(minutes=5), **more: Any) -> Row:
    """Feedback on the request, of the user who asked."""
    return {
        "record_kind": "feedback", "record_id": f"f{number}{kind}{sorted(more.items())!r}"[:200], "request_id": f"q{number}",
        "ts": (at(number) + later).isoformat(), "tenant": "acme-corp", "feature": "help", "user_id": f"user{number}",
        "feedback_kind": kind,
    } | more  # fmt: skip


def clicked(number: int, document: str, name: str = "clicked", **more: Any) -> Row:
    """A system says that a document was opened."""
    outcome = {"feedback_name": name, "feedback_value": 1, "feedback_label": document, "feedback_by": "system"}
    return said(number, "outcome") | outcome | {"record_id": f"f{number}{name}{document}"} | more


def questions(numbers: Iterable[int]) -> list[Row]:
    """A question for each document, and a click on its chunk."""
    return [row for n in numbers for row in (asked(n), clicked(n, chunk_id(n)))]


def passed(told: Connection, root: str, act: str, failpoint: str | None) -> None:
    """One act in a process that a test may kill; tells what became of it, unless it is killed on the way."""
    os.environ.pop("NOCTURNE_FAILPOINT", None)
    if failpoint:
        os.environ["NOCTURNE_FAILPOINT"] = failpoint
    try:
        house = DatasetHouse(Path(root), documents=0)
        told.send(str(house.desk.build("retriever") if act == "build" else sweep_datasets(house.store, [], house.index.now)))
    except Exception:
        told.send(["it failed", traceback.format_exc()])
