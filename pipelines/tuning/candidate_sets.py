"""The frozen sets that embedders meet: a dataset's test split, golden queries on the same corpus, and folders of a person's.

Here belongs how each becomes queries, judgments by document, and passages to find them in. What is measured on them is
candidate_measures.py.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from assets.retrieval.ranking import Qrels
from resources.beir_set import BeirSetError, read_beir
from resources.dataset_store import CORPUS, Dataset
from resources.golden_seed import GoldenQuery
from resources.language import language_stages, prepare
from resources.store import Store

TEST, GOLDEN, GENERAL, SAFETY = "test", "golden_queries", "general", "safety"
_SCOPES = ("tenant", "topic", "language")


class GateError(ValueError):
    """A set that no candidate can be judged by as it is; says which, and what to do."""


@dataclass(frozen=True)
class RankedSet:
    """Queries and judgments by id, and the passages among which documents are looked for, each with its document.

    `segments`: the parts of the traffic that a query belongs to, such as `tenant=acme-corp`. Of a safety set the judged
    documents are those that must not be found.
    """

    name: str
    digest: str
    queries: Mapping[str, str]
    qrels: Qrels
    passages: tuple[tuple[str, str], ...]
    segments: Mapping[str, Sequence[str]] = field(default_factory=dict)


def test_set(dataset: Dataset, store: Store) -> RankedSet:
    """What a training has not seen. Raises GateError."""
    passages, document_of = _corpus(dataset)
    rows = dataset.table(TEST).to_pylist()
    found = [(row, _documents(row, document_of)) for row in rows]
    told = guessed(store, [row["query"] for row in rows])
    languages = dict(zip((row["query_id"] for row in rows), told, strict=True))
    return RankedSet(
        TEST,
        dataset.version,
        {row["query_id"]: row["query"] for row in rows},
        {row["query_id"]: grades for row, grades in found},
        passages,
        {row["query_id"]: _segments(row | {"language": languages[row["query_id"]]}) for row in rows},
    )


def golden_set(dataset: Dataset, golden: Mapping[str, Sequence[GoldenQuery]]) -> RankedSet | None:
    """The golden queries of all indexes, as far as documents that answer them are in the dataset's corpus; None: no query
    has one there."""
    passages, document_of = _corpus(dataset)
    there = set(document_of.values())
    asked = {
        f"{index} {place}": (one, kept)
        for index, queries in sorted(golden.items())
        for place, one in enumerate(queries, start=1)
        if (kept := {document: grade for document, grade in one.relevant.items() if document in there})
    }
    if not asked:
        return None
    told = json.dumps([dataset.version, {name: [one.query, kept] for name, (one, kept) in asked.items()}], sort_keys=True)
    return RankedSet(
        GOLDEN,
        hashlib.sha256(told.encode()).hexdigest()[:16],
        {name: one.query for name, (one, _) in asked.items()},
        {name: kept for name, (_, kept) in asked.items()},
        passages,
        {name: _segments({"tenant": one.tenant, "topic": one.topic}) for name, (one, _) in asked.items()},
    )


def folder_set(name: str, folder: Path) -> RankedSet:
    """A set in BEIR layout. Raises GateError."""
    try:
        found = read_beir(folder)
    except (BeirSetError, OSError, UnicodeDecodeError) as error:
        raise GateError(f"the {name} set cannot be used: {error}") from error
    return RankedSet(name, found.digest, found.queries, found.qrels, tuple(found.documents.items()))


def guessed(store: Store, texts: Sequence[str]) -> list[str | None]:
    """The language that each text is guessed to be in (resources/language.py)."""
    heard, ranked, code = language_stages("language", "words")
    with store.connection() as con:
        prepare(con)
        con.register("texts", pa.table({"place": range(len(texts)), "words": pa.array(texts, pa.string())}))
        stages = f"select place, {code} from (select *, {ranked} from (select *, {heard} from texts))"
        return [row[1] for row in con.execute(f"{stages} order by place").fetchall()]


def _corpus(dataset: Dataset) -> tuple[tuple[tuple[str, str], ...], dict[str, str]]:
    """(document, text) of each chunk, and by chunk its document."""
    rows = dataset.table(CORPUS).select(["chunk_id", "document_id", "text"]).to_pylist()
    return tuple((row["document_id"], row["text"]) for row in rows), {row["chunk_id"]: row["document_id"] for row in rows}


def _documents(row: Mapping[str, Any], document_of: Mapping[str, str]) -> dict[str, int]:
    """What answers a query, by document; a chunk counts as its document."""
    documents = set(document_of.values())
    found: dict[str, int] = {}
    for name, grade in zip(row["relevant_ids"], row["relevant_grades"], strict=True):
        document = document_of.get(name, name)
        if document not in documents:
            raise GateError(f"test: query {row['query_id']} is answered by {name!r}, which is not in the dataset's corpus")
        found[document] = max(found.get(document, 0), int(grade))
    return found


def _segments(row: Mapping[str, Any]) -> list[str]:
    return [f"{scope}={row[scope]}" for scope in _SCOPES if row.get(scope)]
