"""How a release comes about: from nothing, from its parent, or from an earlier one without what is gone.

Here belongs which vectors and ids an index is made of. How FAISS holds them is resources/faiss_index.py; which way is due,
assets/retrieval/index_rules.py; whether the result may be live, index_desk.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.retrieval.index_measures import K, Searched
from resources.faiss_index import VectorIndex, build
from resources.index_store import CHUNK_COLUMNS, refuse_to_mix
from resources.live_index import Ids, Vectors

_GONE_ASKED = 200
Read = Callable[[pa.Table], Vectors]
"""Gives the vectors of rows of a corpus (pipelines/retrieval/corpus.py: live_chunks), in their order."""


@dataclass(frozen=True)
class Loaded:
    """A release in memory: what its manifest says, and what can be searched, or changed into another."""

    manifest: dict[str, Any]
    searched: Searched

    @property
    def number(self) -> int:
        return int(self.manifest["release"])

    def gone(self, corpus: pa.Table) -> Ids:
        """Ids of chunks that the corpus has no more."""
        chunks = self.searched.chunks
        is_gone = pc.invert(pc.is_in(chunks["chunk_id"], value_set=corpus["chunk_id"].combine_chunks()))
        ids: Ids = chunks["id"].to_numpy()[is_gone.to_numpy()]
        return ids


@dataclass(frozen=True)
class Gone:
    """What a release had and the corpus has no more: the names of all such chunks, and vectors of some."""

    names: frozenset[str]
    vectors: Vectors


@dataclass(frozen=True)
class Made:
    """An index and the chunks that its ids stand for (CHUNK_COLUMNS), and how long that took."""

    index: VectorIndex
    chunks: pa.Table
    seconds: float


def made_from_nothing(kind: str, dimensions: int, corpus: pa.Table, read: Read, threads: int) -> Made:
    """An index of a kind with all chunks of a corpus."""
    began = perf_counter()
    index = build(kind, dimensions, corpus.num_rows, lambda rows: read(corpus.take(pa.array(rows))), threads)
    return Made(index, _table(corpus, np.arange(corpus.num_rows)), perf_counter() - began)


def made_from_parent(parent: Loaded, corpus: pa.Table, read: Read, embedder: str) -> Made:
    """The parent's index, changed in place: less what is gone, with what came. Raises IndexRefusedError where the vectors of
    what came are another embedder's."""
    began = perf_counter()
    index = parent.searched.index
    refuse_to_mix(parent.manifest, embedder, index.dimensions)
    ids = _known(parent, corpus)
    new = np.nonzero(ids < 0)[0]
    index.remove(parent.gone(corpus))
    if len(new):
        ids[new] = index.add(read(corpus.take(pa.array(new))))
    return Made(index, _table(corpus, ids), perf_counter() - began)


def made_without_what_is_gone(earlier: Loaded, corpus: pa.Table) -> Made:
    """An earlier release's index, changed in place: less what is not in the corpus now. Labels and dates are today's."""
    began = perf_counter()
    earlier.searched.index.remove(earlier.gone(corpus))
    ids = _known(earlier, corpus)
    kept = corpus.filter(pa.array(ids >= 0))
    return Made(earlier.searched.index, _table(kept, ids[ids >= 0]), perf_counter() - began)


def gone_from(live: Loaded | None, corpus: pa.Table) -> Gone:
    """What the live release has to lose; asked for before it is changed."""
    if live is None:
        return Gone(frozenset(), np.empty((0, 0), np.float32))
    ids = live.gone(corpus)
    names = live.searched.names(ids)
    return Gone(frozenset(names), live.searched.index.vectors(ids[:_GONE_ASKED]))


def still_found(gone: Gone, candidate: Searched) -> int:
    """How many chunks that are gone the candidate has, or finds when it is asked for their own vectors."""
    found = set(candidate.chunk_ids())
    if len(gone.vectors) and gone.vectors.shape[1] == candidate.index.dimensions and candidate.chunks.num_rows:
        _, ids = candidate.index.search(gone.vectors, K, candidate.point)
        found |= set(candidate.names(np.unique(ids[ids >= 0])))
    return len(gone.names & found)


def _known(release: Loaded, corpus: pa.Table) -> Ids:
    """For each row of the corpus its id in the release; -1: it has none."""
    chunks = release.searched.chunks
    places = pc.index_in(corpus["chunk_id"].combine_chunks(), value_set=chunks["chunk_id"].combine_chunks())
    ids = chunks["id"].to_numpy()
    found = pc.fill_null(places, -1).to_numpy()
    return np.where(found >= 0, ids[np.maximum(found, 0)], -1) if len(ids) else np.full(corpus.num_rows, -1, np.int64)


def _table(corpus: pa.Table, ids: Ids) -> pa.Table:
    named = corpus.append_column("id", pa.array(ids, pa.int64()))
    return named.select(CHUNK_COLUMNS.names).cast(CHUNK_COLUMNS).sort_by("id").combine_chunks()
