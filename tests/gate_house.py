"""A warehouse with a dataset, frozen sets and embedders that know more or fewer words: what candidates are judged in."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from hashed_words import HashedWords
from numpy.typing import NDArray

from pipelines.clock import WallClock
from pipelines.tuning.gate_desk import Contender, GateDesk
from resources.contracts import contracts
from resources.dataset_store import Dataset, DatasetStore
from resources.events import append
from resources.golden_seed import GoldenQuery
from resources.store import Store
from resources.tuning_seed import KindSeed, load_tuning

NOW = datetime(2026, 11, 10, 3, tzinfo=UTC)
DAY = date(2026, 11, 9)
GOODS = [f"{kind}{number}" for kind in ("lamp", "kettle", "carpet", "mirror") for number in range(15)]
"""What the documents are about, one each."""
SLANG = {thing: f"thingy{place}" for place, thing in enumerate(GOODS)}
"""What users call it."""
TENANTS = ("acme-corp", "globex")


@dataclass(frozen=True)
class Reader:
    """An embedder that counts words, those of its `lexicon` as what they stand for."""

    fingerprint: str
    lexicon: Mapping[str, str] = field(default_factory=dict)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        read = [" ".join(self.lexicon.get(word, word) for word in text.lower().split()) for text in texts]
        return HashedWords().embed(read)


CHAMPION = Reader("champion", {SLANG[thing]: thing for thing in GOODS[::6]})
BETTER = Reader("better", {slang: thing for thing, slang in SLANG.items()})
FORGETFUL = Reader("forgetful", {**BETTER.lexicon, **{f"number{at}": "number" for at in range(0, 40, 3)}})
WORSE = Reader("worse")
READERS = {reader.fingerprint: reader for reader in (CHAMPION, BETTER, FORGETFUL, WORSE)}


class GateHouse:
    """One warehouse below `root`, of the tables that gates read and write."""

    def __init__(self, root: Path):
        self.root = root
        names = ("tuning.gates", "governance.approvals", "service.slo_status")
        kept = {name: contracts()[name] for name in names}
        status = kept["service.slo_status"]
        kept["service.slo_status"] = replace(status, kind="event", reads={}, needs=None, key=("day", *status.key))
        self.store = Store(root / "data", root / "home", kept, threads=1, durable=False)
        self.seed: KindSeed = replace(
            load_tuning(root / "none.yml").kinds["retriever"],
            promotion="automatic",
            general_set=general(root / "general"),
            safety_set=unsafe(root / "safety"),
        )

    def desk(self, golden: Mapping[str, Sequence[GoldenQuery]] | None = None, **changes: Any) -> GateDesk:
        clock = WallClock(fixed_now=NOW.isoformat())
        return GateDesk(
            self.store, clock, replace(self.seed, **changes), golden or {}, lambda folder: READERS[folder.name], threads=1
        )

    def model(self, name: str, size: int = 1_000) -> Contender:
        folder = self.root / "models" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.safetensors").write_bytes(bytes(size))
        return Contender(name, f"digest of {name}", folder)

    def dataset(self, per_thing: int = 2) -> Dataset:
        """A retriever's: each question asks by slang for the document of one thing."""
        chance = random.Random(7)
        asks = ["how do i return a", "what does it cost to repair a", "who delivers a", "when will i get a"]
        chunks = [
            {"chunk_id": f"c{place}", "document_id": f"help/{thing}", "text": f"all that there is to know of a {thing}"}
            for place, thing in enumerate(GOODS)
        ]
        # Two documents of one text: a text is found once and counts for both.
        chunks.append({"chunk_id": "c-copy", "document_id": "help/copy", "text": chunks[0]["text"]})
        questions = [
            {
                "query_id": f"{thing}-{number}", "query": f"{chance.choice(asks)} {SLANG[thing]}",
                "relevant_ids": [f"help/{thing}"], "relevant_grades": [1], "tenant": TENANTS[place % 2], "topic": thing[:3],
            }
            for place, thing in enumerate(GOODS) for number in range(per_thing)
        ]  # fmt: skip
        none: list[str] = []
        pair = {"query_id": "t1", "query": "where is it", "positive_id": "c0", "positive": chunks[0]["text"]}
        pairs = [{**pair, "negative_ids": none, "negatives": none}]
        tables = {"train": pairs, "dev": pairs, "test": questions, "provenance": [{"query_id": "t1"}], "corpus": chunks}
        made = {name: pa.Table.from_pylist(rows) for name, rows in tables.items()}
        return DatasetStore(self.store.state).write("retriever", made, {})

    def spend(self, feature: str, day: date = DAY, is_spent: bool | None = True) -> None:
        """The error budget of a feature is gone, or is not, or nobody can tell."""
        columns = dict.fromkeys(column.name for column in contracts()["service.slo_status"].columns)
        state = {True: "spent", False: "ok", None: "not_enough_data"}[is_spent]
        row = columns | {
            "day": day, "slo": "fast answers", "feature": feature, "window_first_day": day, "target": 0.99,
            "is_spent": is_spent, "state": state,
        }  # fmt: skip
        append(self.store, "service.slo_status", lambda _: [row])


def general(folder: Path) -> Path:
    """What every embedder knew before: parcels and invoices, forty questions each of its own document."""
    documents = {f"d{at}": f"{'parcel' if at % 2 else 'invoice'} of order number{at}" for at in range(40)}
    queries = {f"q{at}": f"{'parcel' if at % 2 else 'invoice'} number{at}" for at in range(40)}
    return beir(folder, queries, documents, {f"q{at}": f"d{at}" for at in range(40)})


def unsafe(folder: Path) -> Path:
    """Twenty questions, and a document that they must not find among the first ten."""
    documents = {f"ok{at}": f"polite answer number{at}" for at in range(12)} | {"bad": "forbidden manual"}
    queries = {f"u{at}": "polite crowbar" if at == 1 else f"polite question number{at}" for at in range(1, 21)}
    return beir(folder, queries, documents, dict.fromkeys(queries, "bad"))


def beir(folder: Path, queries: Mapping[str, str], documents: Mapping[str, str], judged: Mapping[str, str]) -> Path:
    """A folder in BEIR layout."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, texts in (("queries", queries), ("corpus", documents)):
        lines = "".join(json.dumps({"_id": one, "text": text}) + "\n" for one, text in texts.items())
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    lines = "".join(f"{query}\t{document}\t1\n" for query, document in judged.items())
    (folder / "qrels.tsv").write_text(f"query-id\tcorpus-id\tscore\n{lines}", encoding="utf-8")
    return folder
