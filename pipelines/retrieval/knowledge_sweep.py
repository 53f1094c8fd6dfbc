"""The sweep: words and vectors that nothing holds any more leave the tables.

A chunk is held while its document is live, or while a release that is on disk has it: the live one, and those to which a
rollback may lead. A vector is held while a held chunk has its text, and its embedder is in use, or was the champion before:
the alias may move back. A legal hold that names nobody keeps its days whole. Rows are taken out of the tables' days; the
files go with a later vacuum (docs/retention.md). retrieval.documents keeps what became of each document.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.retrieval.corpus import CHUNKS, DOCUMENTS, DOCUMENTS_NOW, EMBEDDINGS
from pipelines.retrieval.index_ledger import index_names
from pipelines.retrieval.knowledge_desk import LOCK
from pipelines.tuning.champion import followed_fingerprints
from resources import audit
from resources.artefact_seal import SealError
from resources.events import alone, remove_rows
from resources.failpoints import failpoint
from resources.index_store import IndexStore
from resources.live_index import CHUNKS as RELEASED_CHUNKS
from resources.live_index import MANIFEST, RELEASES, IndexRefusedError, opened
from resources.retention import Hold
from resources.store import Store
from resources.warehouse import Connection, define_inputs

_HELD = """
    create or replace temp table held_chunks as
    select c.chunk_id, c.text_digest
    from retrieval.chunks as c
    left join ({documents_now}) as n
        on c.document_id = n.document_id and c.version = n.version and c.chunker = n.chunker and n.state = 'live'
    where n.document_id is not null or c.chunk_id in (select chunk_id from released)
"""
_DOOMED = {
    EMBEDDINGS: "(text_digest not in (select text_digest from held_chunks) or embedder not in (select embedder from used))",
    CHUNKS: "chunk_id not in (select chunk_id from held_chunks)",
}
SWEPT = "knowledge_swept"
"""Action in governance.audit."""


@dataclass(frozen=True)
class Swept:
    """How many rows went; `why` none did, where a release could not be read: that is a trouble, as deleted words stay."""

    chunks: int = 0
    vectors: int = 0
    why: str = ""

    @property
    def troubles(self) -> list[str]:
        """What a person is to know of it."""
        return [str(self)] if self.why else []

    def __str__(self) -> str:
        if self.why:
            return f"nothing is swept: {self.why}"
        return f"swept: {self.chunks:,} chunks and {self.vectors:,} vectors that nothing holds any more"


def sweep(store: Store, embedder: str, holds: Iterable[Hold], now: datetime) -> Swept:
    """Take out what is held no more, and say so in the audit; `embedder` is the fingerprint in use. Twice is once."""
    with alone(store, LOCK):
        try:
            released, embedders = _released(IndexStore(store.state), index_names(store))
            used = {embedder, *embedders, *followed_fingerprints(store.state)}
        except (_UnreadableError, SealError) as error:
            return Swept(why=str(error))
        keeping = [hold for hold in holds if not hold.names_somebody and hold.until >= now.date()]
        spared = {
            name: {f.day for f in store.open(name).files() if f.day and any(hold.spans(f.day) for hold in keeping)}
            for name in (CHUNKS, EMBEDDINGS)
        }
        with store.connection() as con:
            define_inputs(con, {name: store.scan_all(name) for name in (DOCUMENTS, CHUNKS, EMBEDDINGS)})
            con.register("released", pa.table({"chunk_id": released}))
            con.register("used", pa.table({"embedder": pa.array(sorted(used), pa.string())}))
            con.execute(_HELD.format(documents_now=store.contracts[DOCUMENTS_NOW].sql_path.read_text(encoding="utf-8")))
            due = {name: _count(con, name, _DOOMED[name], spared[name]) for name in _DOOMED}
            if any(due.values()):
                # Before they go: of rows that a kill left, the next sweep tells again.
                told = {name.partition(".")[2]: count for name, count in due.items()}
                audit.append(store, SWEPT, now.isoformat(), told, now)
                failpoint("knowledge.sweep_recorded")
                for name, doomed in _DOOMED.items():
                    remove_rows(store, con, name, doomed, spared[name])
                    failpoint("knowledge.swept")
            con.execute("drop table held_chunks")
    return Swept(due[CHUNKS], due[EMBEDDINGS])


def _count(con: Connection, name: str, doomed: str, spared: Collection[date]) -> int:
    days = ", ".join(f"date '{day}'" for day in spared)
    kept = f" and day not in ({days})" if days else ""
    return int(con.execute(f"select count(*) from {name} where {doomed}{kept}").fetchall()[0][0])


class _UnreadableError(RuntimeError):
    """A release that cannot be read; says which, and what to do."""


def _released(indexes: IndexStore, names: Iterable[str]) -> tuple[pa.Array, set[str]]:
    """The chunks of all releases on disk, and the embedders of their vectors. Raises _UnreadableError."""
    chunks, embedders = [pa.array([], pa.string())], set()
    for name in names:
        for number in indexes.numbers(name):
            folder = indexes.folder(name) / RELEASES / str(number)
            path = folder / RELEASED_CHUNKS
            try:
                with opened(path) as file:
                    chunks.append(pq.read_table(file, columns=["chunk_id"])["chunk_id"].combine_chunks())
                path = folder / MANIFEST
                with opened(path) as file:
                    embedders.add(str(json.load(file)["embedder"]))
            except (IndexRefusedError, OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
                raise _UnreadableError(
                    f"{path} of {name}@{number} cannot be read ({type(error).__name__}). Restore it; or, where another "
                    f"release is live, remove the folder {folder}: nothing can be rolled back to it then"
                ) from None
    return pa.concat_arrays(chunks), embedders
