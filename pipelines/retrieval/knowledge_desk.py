"""The desk where files become a knowledge base: documents, the pieces that they are cut into, and a vector for each piece.

What Dagster's run and `make index` share. A pass that is killed is repeated: what was stored is not done again, but for one
commit of each table. Vectors lie in retrieval.embeddings alone, not in the embedder's cache, which retention empties by
other rules. Indexes are made of them in index_desk.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa

from assets.retrieval.chunkers import CHUNKERS
from pipelines.retrieval.corpus import CHUNKS, DOCUMENTS, DOCUMENTS_NOW, EMBEDDINGS, corpus_version, live_chunks
from pipelines.retrieval.index_queries import Embeds
from pipelines.retrieval.knowledge_reading import KnowledgeReader, Reading
from pipelines.retrieval.knowledge_vetting import Vetting
from resources.clock import Clock
from resources.embedder import Embedder, Vectors
from resources.events import alone, append_table
from resources.failpoints import failpoint
from resources.knowledge_seed import KNOWLEDGE_FILE, KnowledgeSeed, load_knowledge
from resources.store import Store
from resources.table_store import arrow_schema
from resources.warehouse import define_inputs
from resources.warehouse_resource import EmbedderResource, WarehouseResource

LOCK = ".indexing.lock"
TEXTS_OF_A_COMMIT = 1_024
"""A killed pass computes as many again at most: half a minute of two quiet cores."""
_WANTING = """
    select c.text_digest, any_value(c.chunk_text) as chunk_text
    from retrieval.chunks as c
    inner join ({documents_now}) as n
        on c.document_id = n.document_id and c.version = n.version and c.chunker = n.chunker
    anti join (select text_digest from retrieval.embeddings where embedder = $embedder) as e on c.text_digest = e.text_digest
    where n.state = 'live'
    group by c.text_digest
"""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Corpus:
    """What an index is to be made of: its live documents and chunks, and the digest that tells it from any other."""

    index_name: str
    version: str
    documents: int
    chunks: int


@dataclass
class Pass:
    """What a pass did. `corpora` by index; `embedder` is the fingerprint of the vectors, and `embedded` how many are new."""

    embedder: str
    reading: Reading = field(default_factory=Reading)
    embedded: int = 0
    corpora: Mapping[str, Corpus] = field(default_factory=dict)

    def __str__(self) -> str:
        chunks = sum(corpus.chunks for corpus in self.corpora.values())
        return f"documents: {self.reading}; {chunks:,} live chunks, {self.embedded:,} vectors computed"


class KnowledgeDesk:
    """The knowledge base of one warehouse."""

    def __init__(self, store: Store, seeds: Path, embedder: Embeds, clock: Clock):
        self.store = store
        self.seeds = seeds
        self.embedder = replace(embedder, cache=None) if isinstance(embedder, Embedder) else embedder
        self.clock = clock

    @classmethod
    def of(cls, warehouse: WarehouseResource, embedder: EmbedderResource, clock: Clock) -> Self:
        """The desk of a warehouse."""
        store = warehouse.store()
        return cls(store, warehouse.seeds, embedder.open(store), clock)

    def read_seed(self) -> KnowledgeSeed:
        """What is declared now. Raises KnowledgeSeedError, and the errors of the seeds that vetting goes by."""
        return self._seed(Vetting.of(self.seeds))

    def is_off(self) -> bool:
        """Nothing is declared, and nothing is left of what once was: a pass has nothing to do."""
        return not self.read_seed().corpora and not any(file.rows for file in self.store.newest(DOCUMENTS).files())

    def work(self, say: Say = lambda text: None) -> Pass:
        """Bring documents, chunks and vectors up to date; twice is once. Raises KnowledgeSeedError and EmbedderError."""
        vetting = Vetting.of(self.seeds)
        seed = self._seed(vetting)
        with alone(self.store, LOCK):
            reading = KnowledgeReader(self.store, seed, vetting, self.clock.now()).read(say)
            done = Pass(self.embedder.fingerprint, reading)
            done.embedded = self._embed(say)
            done.corpora = {name: self._corpus(name) for name in self._index_names()}
        return done

    def _seed(self, vetting: Vetting) -> KnowledgeSeed:
        return load_knowledge(self.seeds / KNOWLEDGE_FILE, CHUNKERS, vetting.labels, vetting.kinds)

    def _embed(self, say: Say) -> int:
        """A vector for each live text that has none of this embedder, some a commit, short texts first."""
        now = self.store.contracts[DOCUMENTS_NOW].sql_path.read_text(encoding="utf-8")
        wanting, asked = _WANTING.format(documents_now=now), {"embedder": self.embedder.fingerprint}
        done = 0
        with self.store.connection() as con:
            define_inputs(con, {name: self.store.scan_all(name) for name in (DOCUMENTS, CHUNKS, EMBEDDINGS)})
            total = con.execute(f"select count(*) from ({wanting})", asked).fetchall()[0][0]
            if not total:
                return 0
            # A batch of texts of a length is padded the least.
            ordered = f"{wanting} order by length(any_value(c.chunk_text)), c.text_digest"
            for batch in con.sql(ordered, params=asked).to_arrow_reader(TEXTS_OF_A_COMMIT):
                for start in range(0, batch.num_rows, TEXTS_OF_A_COMMIT):
                    some = batch.slice(start, TEXTS_OF_A_COMMIT)
                    vectors = self.embedder.embed(some["chunk_text"].to_pylist())
                    self._store_vectors(some["text_digest"].cast(pa.string()), vectors, self.clock.now())
                    failpoint("knowledge.embedded")
                    done += some.num_rows
                    say(f"embedding: {done:,} of {total:,} texts")
        return done

    def _store_vectors(self, digests: pa.Array, vectors: Vectors, now: datetime) -> None:
        count, dimensions = vectors.shape
        offsets = pa.array(np.arange(count + 1, dtype=np.int32) * dimensions)
        columns = {
            "day": [now.date()] * count, "recorded_at": [now] * count, "text_digest": digests,
            "embedder": [self.embedder.fingerprint] * count, "dimensions": [dimensions] * count,
            "vector": pa.ListArray.from_arrays(offsets, pa.array(vectors.ravel(), pa.float32())),
        }  # fmt: skip
        schema = arrow_schema(self.store.contracts[EMBEDDINGS])
        append_table(self.store, EMBEDDINGS, pa.table([columns[name] for name in schema.names], schema=schema))

    def _index_names(self) -> list[str]:
        """Every index that any document ever was part of: one that has lost them all is to know."""
        found = self.store.rows(f"select distinct index_name from ({self.store.scan_all(DOCUMENTS)}) order by 1")
        return [name for (name,) in found]

    def _corpus(self, index_name: str) -> Corpus:
        chunks = live_chunks(self.store, index_name)
        documents = Counter(chunks["document_id"].to_pylist())
        return Corpus(index_name, corpus_version(chunks), len(documents), chunks.num_rows)
