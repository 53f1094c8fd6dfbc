"""What an index is made of: the chunks that are live, and their vectors, as retrieval's tables hold them.

Here belongs reading, columnar and whole, for whoever builds, evaluates or explains an index. How documents become chunks and
chunks vectors is knowledge_desk.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from resources.store import Store
from resources.warehouse import define_inputs

DOCUMENTS, CHUNKS, EMBEDDINGS = "retrieval.documents", "retrieval.chunks", "retrieval.embeddings"
DOCUMENTS_NOW = "retrieval.documents_now"
_LIVE = """
    select distinct
        c.chunk_id, c.document_id, c.version, n.access_label, n.valid_until, c.text_digest, c.chunker
    from retrieval.chunks as c
    inner join ({documents_now}) as n
        on c.document_id = n.document_id and c.version = n.version and c.chunker = n.chunker
    where n.state = 'live' and n.index_name = $index_name and coalesce(n.valid_until >= $day, true)
    order by c.chunk_id
"""


class VectorsMissingError(LookupError):
    """Texts that an embedder has given no vector yet; says how many, and what to do."""


def live_chunks(store: Store, index_name: str, day: date | None = None) -> pa.Table:
    """The chunks of an index's live documents, by chunk_id; with `day`, of those that are valid on it.

    Columns: chunk_id, document_id, version, access_label, valid_until, text_digest, chunker. Words are not read.
    """
    now = store.contracts[DOCUMENTS_NOW].sql_path.read_text(encoding="utf-8")
    with store.connection() as con:
        define_inputs(con, {name: store.scan_all(name) for name in (DOCUMENTS, CHUNKS)})
        chosen = {"index_name": index_name, "day": day or date.min}
        found: pa.Table = con.sql(_LIVE.format(documents_now=now), params=chosen).to_arrow_table()
    return found.combine_chunks()


def corpus_version(chunks: pa.Table) -> str:
    """Digest, 32 hex digits, of which chunks there are and who may receive them until when; of the rows of live_chunks."""
    rows = zip(*(chunks[name].to_pylist() for name in ("chunk_id", "access_label", "valid_until")), strict=True)
    return sha256("\n".join(f"{id_} {until or ''} {label}" for id_, label, until in sorted(rows)).encode()).hexdigest()[:32]


def vectors_of(store: Store, digests: Sequence[str] | pa.ChunkedArray, embedder: str) -> NDArray[np.float32]:
    """One row for each text digest, in their order, repeats included. Raises VectorsMissingError where one has no vector."""
    wanted = pa.array(digests, pa.string()) if not isinstance(digests, pa.ChunkedArray) else digests.combine_chunks()
    with store.connection() as con:
        define_inputs(con, {EMBEDDINGS: store.scan_all(EMBEDDINGS)})
        con.register("wanted", pa.table({"text_digest": wanted.unique()}))
        found: pa.Table = con.sql(
            f"select text_digest, vector from {EMBEDDINGS} semi join wanted using (text_digest) where embedder = $embedder",
            params={"embedder": embedder},
        ).to_arrow_table()
    places = pc.index_in(wanted, value_set=found["text_digest"].combine_chunks())
    if places.null_count:
        missing = len(wanted.filter(pc.is_null(places)).unique())
        raise VectorsMissingError(f"{missing} texts have no vector of embedder {embedder[:8]} yet; run `make index`")
    if not len(wanted):
        return np.empty((0, 0), np.float32)
    numbers = found["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    matrix: NDArray[np.float32] = numbers.reshape(found.num_rows, -1)[places.to_numpy()]
    return matrix
