"""A vector index in FAISS that is built, changed and tuned: the only place that does so.

Here belong training, adding, removing, exact search, and the choice of how thoroughly to search. How an index is read and
searched, by applications too, is live_index.py; which kind a size wants, assets/retrieval/index_rules.py.

Vectors are of length 1 and compared by inner product. A chunk's id is given once and never again. In a refined index (an
inverted file of 4-bit codes whose best candidates are compared exactly, `IVF512,PQ96x4fs,RFlat`) it is the row of its
vector: a removed row stays, empty, until the next build.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resources.live_index import Ids, Point, Shard, Vectors, search_shards

FLAT = "Flat"
REFINED = ",RFlat"
_ROWS_AT_ONCE = 65_536
SHARD_ROWS = 2_000_000
"""Rows of a shard: 3 GB of 384 dimensions."""
_POINTS_PER_LIST = 256
_PROBES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096, 8192)
_K_FACTORS = (1, 2, 4, 8, 16, 24, 32, 64)
_SAME = 1e-6
"""Scores that differ by less are of equal chunks."""
Read = Callable[[Ids], Vectors]
"""Gives the vectors of rows, in their order."""


class DimensionError(ValueError):
    """Vectors of another length than the index has."""


@dataclass(frozen=True)
class Tuned:
    """An operating point, the share of exact results that it finds on the queries it was tuned with, and the CPU seconds
    that they took."""

    point: Point
    recall: float
    cost_s: float = field(default=0.0, compare=False)


@dataclass
class VectorIndex:
    """An index of a `kind` (FAISS's factory string), in one shard or more. `next_id`: the one that is given out next."""

    kind: str
    dimensions: int
    threads: int
    shards: list[Shard] = field(default_factory=list)
    next_id: int = 0
    shard_rows: int = SHARD_ROWS

    @property
    def ids(self) -> Ids:
        """What can be found, as the index itself holds it, ascending."""
        found = [_reachable(shard) for shard in self.shards]
        return np.sort(np.concatenate(found)) if found else np.empty(0, np.int64)

    @property
    def tombstones(self) -> int:
        """Rows that are kept and cannot be found."""
        return sum(int(shard.index.ntotal) for shard in self.shards) - len(self.ids)

    def add(self, vectors: Vectors) -> Ids:
        """Add vectors; their ids, in order. What was trained stays. Raises DimensionError."""
        if vectors.shape[1:] != (self.dimensions,):
            raise DimensionError(f"vectors of {vectors.shape[-1]} numbers cannot join an index of {self.dimensions}")
        given = np.arange(self.next_id, self.next_id + len(vectors))
        with _bounded(self.threads):
            for start in range(0, len(vectors), _ROWS_AT_ONCE):
                for rows in self._rooms(vectors[start : start + _ROWS_AT_ONCE]):
                    _add(self.shards[-1], np.ascontiguousarray(rows, np.float32), self.next_id)
                    self.next_id += len(rows)
        return given

    def _rooms(self, vectors: Vectors) -> Iterator[Vectors]:
        """The vectors in pieces, each of which the last shard has room for; shards are added as they fill up."""
        while len(vectors):
            last = self.shards[-1]
            room = self.shard_rows - last.index.ntotal if self.kind.endswith(REFINED) else len(vectors)
            if room <= 0:
                self.shards.append(Shard(_emptied(last.index), self.next_id))
                continue
            yield vectors[:room]
            vectors = vectors[room:]

    def remove(self, ids: Ids) -> int:
        """Make these unreachable, and overwrite their vectors; how many there were."""
        with _bounded(self.threads):
            return sum(_remove(shard, ids) for shard in self.shards)

    def vectors(self, ids: Ids) -> Vectors:
        """The stored vectors of reachable ids, exact and in their order."""
        found = np.empty((len(ids), self.dimensions), np.float32)
        for shard in self.shards:
            mine = np.nonzero(np.isin(ids, _reachable(shard)))[0]
            found[mine] = _stored(shard, ids[mine])
        return found

    def search(self, queries: Vectors, k: int, point: Point) -> tuple[Vectors, Ids]:
        """Scores and ids of the k best of each query; -1 where there are fewer."""
        return search_shards(self.shards, queries, k, point, self.threads)


def device() -> str:
    """Where an index is trained, and exact search runs: gpu where FAISS has one, else cpu."""
    import faiss

    return "gpu" if faiss.get_num_gpus() > 0 else "cpu"


def build(kind: str, dimensions: int, count: int, read: Read, threads: int, shard_rows: int = SHARD_ROWS) -> VectorIndex:
    """An index of the rows 0 to count, whose ids are those numbers. It trains on an even sample and adds in blocks: no more
    than those and the index are in memory at a time. The centroids are found on the GPU where there is one."""
    import faiss

    index = VectorIndex(kind, dimensions, threads, shard_rows=shard_rows)
    if kind == FLAT:
        index.shards.append(Shard(faiss.IndexIDMap2(faiss.IndexFlatIP(dimensions))))
    else:
        base = faiss.index_factory(dimensions, kind.removesuffix(REFINED), faiss.METRIC_INNER_PRODUCT)
        sample = min(count, _POINTS_PER_LIST * base.nlist)
        with _bounded(threads):
            _train(base, read(np.linspace(0, count - 1, sample).astype(np.int64)))
        index.shards.append(Shard(_refined(base)))
    for start in range(0, count, _ROWS_AT_ONCE):
        index.add(read(np.arange(start, min(count, start + _ROWS_AT_ONCE))))
    return index


def exact(
    queries: Vectors, blocks: Iterable[tuple[Ids, Vectors]], k: int, threads: int
) -> tuple[Vectors, Ids]:
    """Scores and ids of the k best of each query among all vectors, by comparing with each; -1 where there are fewer."""
    import faiss

    scores = np.full((len(queries), k), -np.inf, np.float32)
    ids = np.full((len(queries), k), -1, np.int64)
    queries = np.ascontiguousarray(queries, np.float32)
    with _bounded(threads):
        for names, vectors in blocks:
            if not len(names):
                continue
            some = min(k, len(names))
            if device() == "gpu":
                found, places = faiss.knn_gpu(
                    faiss.StandardGpuResources(), queries, vectors, some, metric=faiss.METRIC_INNER_PRODUCT
                )
            else:
                found, places = faiss.knn(queries, vectors, some, metric=faiss.METRIC_INNER_PRODUCT)
            scores, ids = np.hstack([scores, found]), np.hstack([ids, names[places]])
            best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
            scores, ids = np.take_along_axis(scores, best, 1), np.take_along_axis(ids, best, 1)
    return scores, ids


def recalls(found: Vectors, truth: Vectors) -> NDArray[np.float64]:
    """Of each query, the share of its k results that are as good as the k exact ones: chunks of equal words count alike.

    Both are scores, k a query, best first; the places of too few results hold -inf, and are asked of nobody.
    """
    wanted = np.isfinite(truth)
    worst = np.where(wanted, truth, np.inf).min(axis=1)
    hits = np.minimum((found >= worst[:, None] - _SAME).sum(axis=1), wanted.sum(axis=1))
    return np.asarray(hits / np.maximum(wanted.sum(axis=1), 1), np.float64)


def tune(index: VectorIndex, queries: Vectors, truth: Vectors, target: float) -> Tuned:
    """The cheapest point, in CPU time, of those that find `target` of what exact search finds; where none does, the most
    thorough one. `truth`: exact scores, as recalls() takes them."""
    k = truth.shape[1]

    def tried(point: Point) -> Tuned:
        began = process_time()  # CPU seconds, which other work on the machine leaves alone.
        scores, _ = index.search(queries, k, point)
        return Tuned(point, float(recalls(scores, truth).mean()), process_time() - began)

    if index.kind == FLAT:
        return tried(Point())
    lists = max(nlist(shard) for shard in index.shards)
    ladder = [probes for probes in _PROBES if probes < lists] + [lists]
    # More lists and more candidates never find less: the fewest lists for most candidates, then ever fewer candidates and as
    # many more lists as those take, until lists cost more than candidates ever could.
    low, high = 0, len(ladder) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if tried(Point(ladder[middle], _K_FACTORS[-1])).recall >= target else (middle + 1, high)
    good, fewest = list[Tuned](), ladder[low]
    for k_factor in reversed(_K_FACTORS):
        one = tried(Point(ladder[low], k_factor))
        while one.recall < target and low + 1 < len(ladder) and ladder[low + 1] <= 4 * fewest:
            low += 1
            one = tried(Point(ladder[low], k_factor))
        if one.recall < target:
            return min(good, key=lambda each: each.cost_s) if good else one
        good.append(one)
    return min(good, key=lambda each: each.cost_s)


def write(shard: Shard, path: Path) -> dict[str, Any]:
    """Write a shard into a new file that is its owner's alone, flushed; its entry in a manifest."""
    import faiss

    with new_file(path) as entry:
        faiss.write_index(shard.index, str(path))
    return entry | {"first_id": shard.first_id, "rows": shard.index.ntotal}


@contextmanager
def new_file(path: Path) -> Iterator[dict[str, Any]]:
    """A new file, its owner's alone, for whoever writes by its name; at the end it is flushed, and what is given says of it
    what a manifest does: its name, SHA-256 and bytes."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    entry: dict[str, Any] = {"file": path.name}
    yield entry
    with path.open("rb") as file:
        entry |= {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "bytes": os.fstat(file.fileno()).st_size}
        os.fsync(file.fileno())


def nlist(shard: Shard) -> int:
    """Inverted lists of a refined shard."""
    import faiss

    return int(faiss.extract_index_ivf(shard.index.base_index).nlist)


@contextmanager
def _bounded(threads: int) -> Iterator[None]:
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _train(base: Any, sample: Vectors) -> None:
    """Centroids and codes. What FAISS finds centroids with may live on a GPU; the result is on the CPU in any case."""
    import faiss

    if device() == "gpu":
        resources = faiss.StandardGpuResources()
        finder = faiss.index_cpu_to_gpu(resources, 0, faiss.IndexFlatIP(base.d))
        base.clustering_index = finder
        try:
            base.train(sample)
        finally:
            base.clustering_index = None
    else:
        base.train(sample)


def _refined(base: Any) -> Any:
    import faiss

    index = faiss.IndexRefineFlat(base)
    index.own_fields = True
    base.this.disown()
    return index


def _emptied(index: Any) -> Any:
    """A trained index like this one, without its rows."""
    import faiss

    base = faiss.clone_index(faiss.downcast_index(index.base_index))
    base.reset()
    return _refined(base)


def _add(shard: Shard, vectors: Vectors, first_id: int) -> None:
    import faiss

    if isinstance(shard.index, faiss.IndexIDMap2):
        shard.index.add_with_ids(vectors, np.arange(first_id, first_id + len(vectors)))
        return
    # Not index.add(): it numbers the rows of the codes by how many there are, which after a removal is too low.
    row = shard.index.ntotal
    faiss.downcast_index(shard.index.base_index).add_with_ids(vectors, np.arange(row, row + len(vectors)))
    shard.index.refine_index.add(vectors)
    shard.index.ntotal = row + len(vectors)


def _remove(shard: Shard, ids: Ids) -> int:
    import faiss

    if isinstance(shard.index, faiss.IndexIDMap2):
        return int(shard.index.remove_ids(np.ascontiguousarray(ids, np.int64)))
    base = faiss.downcast_index(shard.index.base_index)
    rows = ids - shard.first_id
    rows = np.ascontiguousarray(rows[(rows >= 0) & (rows < shard.index.ntotal)], np.int64)
    removed = int(base.remove_ids(rows)) if len(rows) else 0
    _blank_tails(base)
    _rows(shard)[rows] = 0
    return removed


def _blank_tails(base: Any) -> None:
    """Empty the places behind the last code of each list. FAISS 1.15 leaves there what it moved, and ORs what is added next
    into it: without this, codes that are added after a removal are wrong."""
    import faiss

    lists = faiss.downcast_InvertedLists(base.invlists)
    packer, nothing = lists.packer, np.zeros(lists.packer.code_size, np.uint8)
    for number in range(lists.nlist):
        used, blocks = lists.list_size(number) % lists.n_per_block, -(-lists.list_size(number) // lists.n_per_block)
        if used:
            codes = faiss.rev_swig_ptr(lists.get_codes(number), blocks * lists.block_size)[-lists.block_size :]
            block = codes.copy().reshape(1, -1)
            for place in range(used, lists.n_per_block):
                packer.pack_1(nothing, place, block)
            codes[:] = block[0]


def _reachable(shard: Shard) -> Ids:
    import faiss

    if isinstance(shard.index, faiss.IndexIDMap2):
        return np.asarray(faiss.vector_to_array(shard.index.id_map), np.int64)
    lists = faiss.extract_index_ivf(shard.index.base_index).invlists
    sizes = [(number, lists.list_size(number)) for number in range(lists.nlist)]
    found = [faiss.rev_swig_ptr(lists.get_ids(number), size).copy() for number, size in sizes if size]
    return np.concatenate(found) + shard.first_id if found else np.empty(0, np.int64)


def _rows(shard: Shard) -> Vectors:
    """All rows of a refined shard, writable, as long as the shard lives."""
    import faiss

    flat = faiss.downcast_index(shard.index.refine_index)
    rows: Vectors = faiss.rev_swig_ptr(flat.get_xb(), flat.ntotal * flat.d).reshape(-1, flat.d)
    return rows


def _stored(shard: Shard, ids: Ids) -> Vectors:
    import faiss

    if isinstance(shard.index, faiss.IndexIDMap2):
        found: Vectors = shard.index.reconstruct_batch(np.ascontiguousarray(ids, np.int64))
        return found
    return _rows(shard)[ids - shard.first_id]
