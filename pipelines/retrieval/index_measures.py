"""What a release finds: of what is nearest, and of what is right.

Here belong the searches behind retrieval.evaluations, and the pairs that a candidate and the live release make. Which
release is measured when, and what follows, is index_desk.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assets.retrieval.ranking import Estimate, difference, estimate, first_of_each, measured
from pipelines.retrieval.index_queries import Judged, Questions
from resources.faiss_index import Tuned, VectorIndex, exact, recalls, tune
from resources.live_index import Ids, Point, Vectors

K = 10
_CHUNKS_SEARCHED = 50
"""Chunks among which ten documents are looked for."""
_ROWS_AT_ONCE = 65_536
FEWEST_OF_A_SCOPE = 5
_FALLBACK = 1_000
Row = dict[str, Any]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Searched:
    """A release that can be searched: its index, the chunks that its ids stand for, and how thoroughly it is searched."""

    index: VectorIndex
    chunks: pa.Table
    point: Point

    def chunk_ids(self) -> frozenset[str]:
        return frozenset(self.chunks["chunk_id"].to_pylist())

    def names(self, ids: Ids, column: str = "chunk_id") -> list[str]:
        """What the chunks of these ids are called, or whose they are; of an id that stands for none, KeyError."""
        held = self.chunks["id"].to_numpy()
        places = np.searchsorted(held, ids)
        if len(ids) and (places.max() >= len(held) or not np.array_equal(held[places], ids)):
            raise KeyError("an id that the index finds stands for no chunk")
        return list(self.chunks[column].to_numpy(zero_copy_only=False)[places])


@dataclass(frozen=True)
class Found:
    """Per-query values of one release: of the asked questions its index recall, of judged ones each metric, by basis."""

    recall: Values
    come_from: str
    judged: dict[str, dict[str, Values]] = field(default_factory=dict)
    scopes: dict[str, list[tuple[str | None, str | None]]] = field(default_factory=dict)
    """Tenant and topic of each judged query."""
    golden_ids: list[str] = field(default_factory=list)

    @property
    def index_recall(self) -> Estimate | None:
        return estimate(self.recall) if len(self.recall) else None

    def golden(self) -> dict[str, dict[str, float]]:
        """By golden query, what is kept in the manifest for whoever comes next, with whatever embedder."""
        values = self.judged.get("golden_queries", {})
        return {
            name: {metric: float(values[metric][place]) for metric in ("ndcg", "recall")}
            for place, name in enumerate(self.golden_ids)
        }


def asked_of(index: VectorIndex, questions: Questions) -> Vectors:
    """The questions that index recall is measured with: those asked, else chunks of the index, evenly taken."""
    if questions.come_from != "chunks":
        return questions.asked
    ids = index.ids
    even = np.linspace(0, len(ids) - 1, min(_FALLBACK, len(ids))).astype(np.int64)
    return index.vectors(ids[even])


def truth_of(index: VectorIndex, asked: Vectors) -> Vectors:
    """Exact scores of the ten nearest of each question, by comparing with each vector that the index holds."""
    ids = index.ids
    some = (ids[start : start + _ROWS_AT_ONCE] for start in range(0, len(ids), _ROWS_AT_ONCE))
    return exact(asked, ((part, index.vectors(part)) for part in some), K, index.threads)[0]


def tuned(index: VectorIndex, questions: Questions, target: float) -> tuple[Tuned, Values]:
    """The cheapest operating point by one half of the questions, and the recall of each of the other half at it."""
    asked = asked_of(index, questions)
    truth = truth_of(index, asked)
    found = tune(index, asked[::2], truth[::2], target)
    return found, recalls(index.search(asked[1::2], K, found.point)[0], truth[1::2])


def recall_of(searched: Searched, questions: Questions) -> Values:
    """The recall of each question that a release of tonight would be measured with."""
    asked = asked_of(searched.index, questions)[1::2]
    return recalls(searched.index.search(asked, K, searched.point)[0], truth_of(searched.index, asked))


def judged(searched: Searched, questions: Questions, documents: Collection[str]) -> Found:
    """Each metric of each judged question, as far as the documents that answer it are among `documents`, the live ones."""
    golden = [
        (name, one, vector, kept)
        for name, one, vector in zip(questions.golden_ids, questions.golden, questions.golden_vectors, strict=True)
        if (kept := {document: grade for document, grade in one.relevant.items() if document in documents})
    ]
    found: dict[str, dict[str, Values]] = {}
    scopes: dict[str, list[tuple[str | None, str | None]]] = {}
    if golden:
        lists = _documents(searched, [vector for *_, vector, _ in golden])
        runs = {name: names for (name, *_), names in zip(golden, lists, strict=True)}
        found["golden_queries"] = _in_order(runs, {name: kept for name, *_, kept in golden})
        scopes["golden_queries"] = [(one.tenant, one.topic) for _, one, *_ in golden]
    document_of = dict(zip(*(searched.chunks[name].to_pylist() for name in ("chunk_id", "document_id")), strict=True))
    logged: dict[str, list[tuple[Judged, dict[str, int]]]] = {}
    for one in questions.judged:
        if relevant := {document_of.get(name, name) for name in one.documents} & set(documents):
            logged.setdefault(one.basis, []).append((one, dict.fromkeys(relevant, 1)))
    for basis, some in logged.items():
        lists = _documents(searched, [one.vector for one, _ in some])
        runs = {str(place): names for place, names in enumerate(lists)}
        found[basis] = _in_order(runs, {str(place): kept for place, (_, kept) in enumerate(some)})
        scopes[basis] = [(one.tenant, None) for one, _ in some]
    return Found(np.empty(0), questions.come_from, found, scopes, [name for name, *_ in golden])


def changes(new: Found, old: Found | None, told: dict[str, dict[str, float]]) -> dict[str, Estimate]:
    """By metric, the candidate less the live release on the same questions. `told`: what the live release's manifest says of
    golden queries, for where it cannot be asked any more because its embedder is another."""
    found = {}
    if old is not None and len(old.recall) and len(old.recall) == len(new.recall) and new.come_from != "chunks":
        found["index_recall"] = difference(new.recall, old.recall)
    mine = new.golden()
    theirs = old.golden() if old is not None else told
    both = sorted(mine.keys() & theirs.keys())
    for metric in ("ndcg", "recall") if both else ():
        candidate, live = (np.array([one[name][metric] for name in both]) for one in (mine, theirs))
        found[metric] = difference(candidate, live)
    return found


def rows(found: Found) -> Iterator[Row]:
    """The rows of retrieval.evaluations, but for which release and when."""
    if len(found.recall):
        one = {"metric": "index_recall", "basis": "exact_search", "queries_from": found.come_from}
        yield _row(estimate(found.recall), one, "all", "")
    for basis, metrics in found.judged.items():
        source = basis if basis == "golden_queries" else "logs"
        for metric, values in metrics.items():
            one = {"metric": metric, "basis": basis, "queries_from": source}
            yield _row(estimate(values), one, "all", "")
            for place, scope in enumerate(("tenant", "topic")):
                names = [names[place] for names in found.scopes[basis]]
                for name in sorted({name for name in names if name}):
                    mine = values[[other == name for other in names]]
                    if len(mine) >= FEWEST_OF_A_SCOPE:
                        yield _row(estimate(mine), one, scope, name)


def _row(found: Estimate, one: Row, scope: str, value: str) -> Row:
    measures = {"value": found.value, "low": found.low, "high": found.high, "n": found.n}
    return {**one, "k": K, "scope": scope, "scope_value": value, **measures}


def _documents(searched: Searched, vectors: list[Vectors]) -> list[list[str]]:
    _, ids = searched.index.search(np.stack(vectors), _CHUNKS_SEARCHED, searched.point)
    return [first_of_each(searched.names(row[row >= 0], "document_id"))[:K] for row in ids]


def _in_order(runs: dict[str, list[str]], qrels: dict[str, dict[str, int]]) -> dict[str, Values]:
    """measured(), in the order of the runs instead of that of their names."""
    place = {name: n for n, name in enumerate(sorted(runs))}
    order = [place[name] for name in runs]
    return {metric: values[order] for metric, values in measured(runs, qrels, K).items()}
