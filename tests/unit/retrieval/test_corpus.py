"""The chunks and vectors of an index, as whoever builds it reads them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipelines.retrieval.corpus import (
    CHUNKS,
    DOCUMENTS,
    EMBEDDINGS,
    VectorsMissingError,
    corpus_version,
    live_chunks,
    vectors_of,
)
from resources.contracts import contracts
from resources.events import append_table
from resources.store import Store
from resources.table_store import arrow_schema

DAY = date(2026, 11, 3)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    yield Store(tmp_path / "data", tmp_path / "home", durable=False, threads=1)


def put(store: Store, name: str, *rows: dict[str, object]) -> None:
    common = {"day": DAY, "recorded_at": datetime(2026, 11, 3, 3, tzinfo=UTC)}
    append_table(store, name, pa.Table.from_pylist([common | row for row in rows], schema=arrow_schema(contracts()[name])))


def document(id_: str, **more: object) -> dict[str, object]:
    return {
        "index_name": "main", "corpus": "docs", "document_id": id_, "version": "v1", "state": "live", "chunker": "fixed-1",
        "source_uri": id_, "owner": "retrieval", "access_label": "internal",
    } | more  # fmt: skip


def chunk(id_: str, of: str, **more: object) -> dict[str, object]:
    return {
        "chunk_id": id_, "document_id": of, "version": "v1", "chunker": "fixed-1", "place": 1, "start_character": 0,
        "end_character": 4, "chunk_text": "some", "text_digest": f"digest of {id_}",
    } | more  # fmt: skip


def test_chunks_of_what_is_not_live_or_was_cut_otherwise_are_left_out(store: Store) -> None:
    put(
        store, DOCUMENTS,
        document("a"), document("b", state="deleted", chunker=None), document("other", index_name="other"),
        document("old", valid_until=date(2026, 11, 2)),
    )  # fmt: skip
    put(
        store, CHUNKS,
        chunk("2", "a"), chunk("1", "a", place=2), chunk("3", "a", version="v0"), chunk("4", "a", chunker="sentences-1"),
        chunk("5", "b"), chunk("6", "other"), chunk("7", "old"),
    )  # fmt: skip
    assert live_chunks(store, "main")["chunk_id"].to_pylist() == ["1", "2", "7"]
    assert live_chunks(store, "main", DAY)["chunk_id"].to_pylist() == ["1", "2"], "what is not valid on the day is left out"
    assert live_chunks(store, "none").num_rows == 0


def test_who_may_receive_a_chunk_is_part_of_the_version_of_a_corpus(store: Store) -> None:
    put(store, CHUNKS, chunk("1", "a"), chunk("2", "a", place=2))
    put(store, DOCUMENTS, document("a"))
    before = corpus_version(live_chunks(store, "main"))
    put(store, DOCUMENTS, document("a", access_label="board", recorded_at=datetime(2026, 11, 3, 4, tzinfo=UTC)))
    assert corpus_version(live_chunks(store, "main")) != before


def test_vectors_come_in_the_order_asked_for_and_of_one_embedder_alone(store: Store) -> None:
    put(
        store, EMBEDDINGS,
        *({"text_digest": d, "embedder": "e", "dimensions": 2, "vector": v} for d, v in (("a", [1, 0]), ("b", [0, 1]))),
        {"text_digest": "a", "embedder": "f", "dimensions": 3, "vector": [0, 0, 1]},
    )  # fmt: skip
    found = vectors_of(store, ["b", "a", "b"], "e")
    assert found.dtype == np.float32
    assert found.tolist() == [[0, 1], [1, 0], [0, 1]]
    assert vectors_of(store, ["a"], "f").tolist() == [[0, 0, 1]]
    assert len(vectors_of(store, [], "e")) == 0
    with pytest.raises(VectorsMissingError, match="1 texts have no vector"):
        vectors_of(store, ["a", "b"], "f")
    store.open(EMBEDDINGS)  # Opened anew, the stored type is still the contract's.
