"""Questions and the documents that answered them: the candidates of a retriever's dataset, and its files.

Here belongs what speaks for a document: users opened it or accepted its citation, an answer that nobody complained of cites
it, or cites it and people vouch for the answer. Golden queries are for evaluation, and never among them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from assets.quality.failures import labelled_failures
from assets.tuning.dedupe import normalised
from assets.tuning.poison import Subject
from assets.tuning.refine import LABEL_FLIP, MAY_TRAIN, Candidate, Refined
from assets.tuning.splits import DEV, TEST, TRAIN
from assets.tuning.triples import Pieces, best_piece, hard_negatives
from pipelines.quality.label_population import ask
from pipelines.retrieval.corpus import CHUNKS, live_chunks, vectors_of
from pipelines.retrieval.index_judgments import OPENED, cited, opinion
from pipelines.retrieval.index_ledger import index_names
from pipelines.retrieval.index_queries import Embeds
from pipelines.tuning.dataset_evidence import (
    Row,
    annotators_of,
    asked,
    distrusted,
    facts_of,
    fault_of,
    labels,
    labels_frame,
    name_of,
    near,
    said_on,
)
from resources.store import Store
from resources.warehouse import define_inputs

CLICKED, ACCEPTED = OPENED
CITED, LABELLED = "cited", "labelled"
CONTRADICTED, UNKNOWN_DOCUMENT = "contradicted", "unknown_document"
TRIPLE = pa.schema(
    [
        ("query_id", pa.string()), ("query", pa.string()), ("positive_id", pa.string()), ("positive", pa.string()),
        ("negative_ids", pa.list_(pa.string())), ("negatives", pa.list_(pa.string())),
    ]
)  # fmt: skip
"""train and dev: a row for each question and document; the ids are those of chunks."""
QUESTION = pa.schema(
    [
        ("query_id", pa.string()), ("query", pa.string()), ("relevant_ids", pa.list_(pa.string())),
        ("relevant_grades", pa.list_(pa.int64())), ("tenant", pa.string()), ("topic", pa.string()),
    ]
)  # fmt: skip
"""test: a row for each question, with the ids of all documents that are known to answer it."""
CHUNK = pa.schema([("chunk_id", pa.string()), ("document_id", pa.string()), ("text", pa.string())])
_OPENED = """
select request_id, feedback_label as document_id, feedback_name, user_token, may_train
from logs.feedback
where
    feedback_kind = 'outcome' and feedback_name in (select unnest($names)) and feedback_value = 1
    and feedback_unit is null and feedback_label is not null and state = 'matched'
order by all
"""
_COMPLAINED = """
select distinct request_id from logs.feedback
where
    state = 'matched' and (
        feedback_kind in ('escalation', 'correction')
        or (feedback_kind = 'rating' and feedback_unit is null and feedback_value = 0)
    )
"""
_WORDS = "select chunk_id, any_value(chunk_text) as text from retrieval.chunks semi join wanted using (chunk_id) group by 1"


@dataclass(frozen=True)
class Corpus:
    """The pieces that live indexes hold, with their words."""

    pieces: Pieces
    texts: Mapping[str, str]

    @classmethod
    def of(cls, store: Store, embedder: str, day: date) -> Corpus:
        """Of all indexes together. Raises VectorsMissingError where a piece has no vector of this embedder."""
        tables = [live_chunks(store, name, day) for name in index_names(store)]
        chunks = pa.concat_tables([_nothing(), *(table.select(_nothing().column_names) for table in tables)])
        rows = {row["chunk_id"]: row for row in chunks.to_pylist()}
        ids = sorted(rows)
        vectors = vectors_of(store, [rows[id_]["text_digest"] for id_ in ids], embedder)
        with store.connection() as con:
            define_inputs(con, {CHUNKS: store.scan_all(CHUNKS)})
            con.register("wanted", pa.table({"chunk_id": pa.array(ids, pa.string())}))
            texts = dict(con.execute(_WORDS).fetchall())
        return cls(Pieces(ids, [rows[id_]["document_id"] for id_ in ids], vectors), texts)


def _nothing() -> pa.Table:
    """Made when it is asked for: of Python lists, pyarrow imports pandas."""
    return pa.table({name: pa.array([], pa.string()) for name in ("chunk_id", "document_id", "text_digest")})


@dataclass
class _Evidence:
    """What speaks for one document in one request."""

    sources: set[str]
    fault: str | None = None
    user: Subject = None


class RetrieverRows:
    """The candidates of one warehouse, and what becomes of those that stay."""

    def __init__(self, store: Store, embedder: Embeds, days: set[date], last: date):
        self.store, self.embedder, self.days, self.last = store, embedder, days, last
        self.corpus = Corpus.of(store, embedder.fingerprint, last)
        self._places = self.corpus.pieces.by_document()
        self._of_chunk = dict(zip(self.corpus.pieces.ids, range(len(self.corpus.pieces.ids)), strict=True))

    def candidates(self) -> list[Candidate]:
        """One for each request and document that something speaks for."""
        said = labels(self.store, self.days)
        evidence = self._evidence(said)
        judged_by = annotators_of(said)
        rows = {row["request_id"]: row for row in asked(self.store, self.days, {request for request, _ in evidence})}
        found = []
        for (request, document), one in sorted(evidence.items()):
            if (row := rows.get(request)) is None:
                continue  # Shadow traffic, or of a day whose words are gone.
            source = next(name for name in (LABELLED, ACCEPTED, CLICKED, CITED) if name in one.sources)
            fault = fault_of(row, row["prompt"]) or one.fault or (None if self._known(document) else UNKNOWN_DOCUMENT)
            question = row["prompt"] or ""
            found.append(Candidate(
                name_of("retriever", request, document), source=source, group=self._document(document),
                annotators=tuple(sorted(judged_by[request])) if source == LABELLED else (),
                texts=(question,) if question else (), scope=self._document(document), target=self._document(document),
                fault=fault, row={**row, "document_id": document},
                **facts_of(row) | ({"user": one.user} if one.user else {}),
            ))  # fmt: skip
        return found

    def tables(self, refined: Refined) -> dict[str, pa.Table]:
        """train, dev, test and corpus of what is kept."""
        known = self._known_answers(refined)
        return {
            TRAIN: self._triples(refined.kept[TRAIN], known),
            DEV: self._triples(refined.kept[DEV], known),
            TEST: _questions(refined.kept[TEST], {name: self._documents(found) for name, found in known.items()}),
            "corpus": pa.Table.from_pylist(
                [
                    {"chunk_id": id_, "document_id": document, "text": self.corpus.texts[id_]}
                    for id_, document in zip(self.corpus.pieces.ids, self.corpus.pieces.documents, strict=True)
                ],
                schema=CHUNK,
            ),
        }

    def _evidence(self, said: Sequence[Row]) -> dict[tuple[str, str], _Evidence]:
        """What speaks for which document, and why that does not count, if so."""
        doubted = distrusted(self.store, said)
        believed, all_of_them = (opinion(self.store, self.days, without) for without in (doubted, ()))
        inputs = {"logs.feedback": said_on(self.days, self.last)}
        against = {row["request_id"] for row in ask(self.store, _COMPLAINED, inputs, {})}
        against |= _called_wrong(self.store, [row for row in said if row["annotator"] not in doubted])
        found: dict[tuple[str, str], _Evidence] = defaultdict(lambda: _Evidence(set()))
        for row in ask(self.store, _OPENED, inputs, {"names": list(OPENED)}):
            one = found[row["request_id"], row["document_id"]]
            one.sources.add(row["feedback_name"])
            one.user = one.user or row["user_token"]
            one.fault = MAY_TRAIN if row["may_train"] is False else one.fault
        for request, documents in cited(self.store, near(self.days)).items():
            for document in documents:
                one = found[request, document]
                is_opened = bool(one.sources)
                one.sources.add(LABELLED if request in believed.vouched else CITED)
                if not is_opened and request not in believed.vouched:
                    one.fault = CONTRADICTED if request in against else None
                    one.fault = LABEL_FLIP if request in all_of_them.vouched else one.fault
        for (request, _), one in found.items():
            one.fault = CONTRADICTED if request in believed.blamed else one.fault
        return found

    def _triples(self, rows: Sequence[Candidate], known: Mapping[str, set[str]]) -> pa.Table:
        if not rows:
            return TRIPLE.empty_table()
        pieces, questions = self.corpus.pieces, self.embedder.embed([one.texts[0] for one in rows])
        positives = [
            best_piece(question, pieces, self._pieces(one.row["document_id"]))
            for one, question in zip(rows, questions, strict=True)
        ]
        right = [self._documents(known[_question_id(one)]) for one in rows]
        found = []
        hard = hard_negatives(np.asarray(questions), positives, right, pieces)
        for one, positive, negatives in zip(rows, positives, hard, strict=True):
            ids = [pieces.ids[place] for place in negatives]
            found.append({
                "query_id": _question_id(one), "query": one.texts[0], "positive_id": pieces.ids[positive],
                "positive": self.corpus.texts[pieces.ids[positive]], "negative_ids": ids,
                "negatives": [self.corpus.texts[id_] for id_ in ids],
            })  # fmt: skip
        return pa.Table.from_pylist(found, schema=TRIPLE)

    def _known_answers(self, refined: Refined) -> dict[str, set[str]]:
        """By question, the documents, or chunks, that anything in any split speaks for."""
        found: dict[str, set[str]] = defaultdict(set)
        for rows in refined.kept.values():
            for one in rows:
                found[_question_id(one)].add(one.row["document_id"])
        return found

    def _documents(self, names: set[str]) -> list[str]:
        return sorted({self._document(name) for name in names})

    def _known(self, name: str) -> bool:
        return name in self._places or name in self._of_chunk

    def _document(self, name: str) -> str:
        """The document that a logged name is of: itself, or that of the chunk."""
        place = self._of_chunk.get(name)
        return name if place is None else self.corpus.pieces.documents[place]

    def _pieces(self, name: str) -> Sequence[int]:
        return [self._of_chunk[name]] if name in self._of_chunk else self._places[name]


def _called_wrong(store: Store, said: Sequence[Row]) -> set[str]:
    """Responses whose answer, by what people say of it, does not rest on what it cites."""
    found = labelled_failures(labels_frame(store, said), ()) if said else []
    return {one.request_id for one in found if one.failure in ("hallucinated", "ungrounded")}


def _questions(rows: Sequence[Candidate], documents: Mapping[str, list[str]]) -> pa.Table:
    found: dict[str, dict[str, Any]] = {}
    for one in rows:
        name = _question_id(one)
        found.setdefault(name, {
            "query_id": name, "query": one.texts[0], "relevant_ids": documents[name],
            "relevant_grades": [1] * len(documents[name]), "tenant": one.row["tenant"], "topic": one.row["feature"],
        })  # fmt: skip
    return pa.Table.from_pylist([found[name] for name in sorted(found)], schema=QUESTION)


def _question_id(one: Candidate) -> str:
    """Equal for questions that are the same word for word."""
    return name_of("question", normalised(one.texts[0]) or one.texts[0])
