"""The live index of this project, for an application that answers: import it, or copy this file. It needs numpy, pyarrow,
cryptography and FAISS, and nothing else of the project.

Here belongs how a release is read: its signature, its digests, its index, its chunks, and what searches them. Nothing is
given to FAISS before its bytes are known to be the ones that were signed. How releases are made is index_store.py.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import stat
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from numpy.typing import NDArray

FORMAT = "nocturne-index-1"
MANIFEST, SIGNATURE, CHUNKS, LIVE, RELEASES = "manifest.json", "manifest.sig", "chunks.parquet", "live", "releases"
_ATTEMPTS = 3
"""A release may be tidied away while it is read, once another is live."""
_BLOCK = 1 << 20
_KEY_BYTES = 32
_OF_A_HIT = ("chunk_id", "document_id", "version", "access_label", "valid_until")
Vectors = NDArray[np.float32]
Ids = NDArray[np.int64]


class IndexRefusedError(RuntimeError):
    """A release that is not used: not signed by whom it should be, not whole, or not of this index or embedder."""


@dataclass(frozen=True)
class Point:
    """How thoroughly is searched: lists probed, and candidates a result that are compared exactly. Flat ignores both."""

    nprobe: int = 1
    k_factor: int = 1


@dataclass(frozen=True)
class Shard:
    """A FAISS index, and the id of its first row; ids of a flat one are the index's own."""

    index: Any
    first_id: int = 0


@dataclass(frozen=True)
class Hit:
    """One chunk that was found. `score`: the cosine of question and chunk; `valid_until`: None where nobody said."""

    chunk_id: str
    document_id: str
    version: str
    access_label: str
    valid_until: date | None
    score: float


@dataclass(frozen=True)
class Release:
    """One release in memory. `ids` rise; `chunks` has their rows, in that order."""

    manifest: dict[str, Any]
    shards: list[Shard]
    ids: Ids
    chunks: pa.Table

    @property
    def version(self) -> str:
        """What applications log as index_version: `main@12`."""
        return f"{self.manifest['index']}@{self.manifest['release']}"

    @property
    def point(self) -> Point:
        return Point(**self.manifest["operating_point"])


def read_manifest(folder: Path, public_key: bytes) -> dict[str, Any]:
    """The manifest of a release folder, once its signature is proven. Raises IndexRefusedError, FileNotFoundError."""
    with opened(folder / MANIFEST) as said, opened(folder / SIGNATURE) as signed:
        content, signature = said.read(), signed.read()
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, content)
    except InvalidSignature:
        raise IndexRefusedError(
            f"{folder / MANIFEST} is not signed with the key that this index is trusted for; publish it anew, or give the "
            "application the public key that belongs to it"
        ) from None
    manifest: dict[str, Any] = json.loads(content)
    if manifest.get("format") != FORMAT:
        raise IndexRefusedError(f"{folder / MANIFEST} is of the format {manifest.get('format')!r}, not {FORMAT}")
    if folder.name != str(manifest["release"]) or folder.parent.parent.name != manifest["index"]:
        name = f"{manifest['index']}@{manifest['release']}"
        raise IndexRefusedError(f"{folder} holds {name}, which belongs elsewhere: an old release cannot pass for another")
    return manifest


def check_embedder(manifest: dict[str, Any], embedder: str) -> None:
    """Raises IndexRefusedError where the index was made with another embedder: their vectors do not compare."""
    if manifest["embedder"] != embedder:
        raise IndexRefusedError(
            f"{manifest['index']}@{manifest['release']} was built with embedder {manifest['embedder'][:8]}, questions are "
            f"embedded with {embedder[:8]}: their vectors do not compare. Use the embedder of the index, or build another"
        )


def load_release(folder: Path, public_key: bytes) -> Release:
    """A release, proven and loaded. Raises IndexRefusedError, and FileNotFoundError where one of its files is gone."""
    manifest = read_manifest(folder, public_key)
    import faiss

    shards = []
    for entry in manifest["shards"]:
        with _proven(folder, entry) as file:
            index = faiss.read_index(faiss.PyCallbackIOReader(file.read, _BLOCK))
        if index.d != manifest["dimensions"]:
            raise IndexRefusedError(f"{folder / entry['file']} has {index.d} dimensions, not {manifest['dimensions']}")
        shards.append(Shard(index, entry["first_id"]))
    with _proven(folder, manifest["chunks"]) as file:
        chunks = pq.read_table(file).combine_chunks()
    return Release(manifest, shards, chunks["id"].to_numpy(), chunks)


def search_shards(
    shards: Sequence[Shard], queries: Vectors, k: int, point: Point, threads: int, allowed: NDArray[np.bool_] | None = None
) -> tuple[Vectors, Ids]:
    """Scores and ids of the k best of each query, best first; -1 where there are fewer. `allowed`: by id, what may be found.

    Where little is allowed, as many lists more are probed: what is found does not depend on what is not.
    """
    import faiss

    faiss.omp_set_num_threads(threads)
    queries = np.ascontiguousarray(queries, np.float32)
    found = [_search(shard, queries, k, point, allowed) for shard in shards]
    if len(found) == 1:
        return found[0]
    scores, ids = np.hstack([one for one, _ in found]), np.hstack([one for _, one in found])
    best = np.argsort(np.where(ids < 0, np.inf, -scores), axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, best, 1), np.take_along_axis(ids, best, 1)


def _search(shard: Shard, queries: Vectors, k: int, point: Point, allowed: NDArray[np.bool_] | None) -> tuple[Vectors, Ids]:
    import faiss

    is_refined = isinstance(shard.index, faiss.IndexRefineFlat)
    rows = shard.index.ntotal
    mine = None if allowed is None else allowed[shard.first_id : shard.first_id + rows] if is_refined else allowed
    selector = None if mine is None else faiss.IDSelectorBitmap(np.packbits(mine, bitorder="little"))
    if not is_refined:
        options = faiss.SearchParameters(sel=selector) if selector else None
        scores, ids = shard.index.search(queries, k, params=options)
        return scores, ids
    lists = faiss.extract_index_ivf(shard.index.base_index).nlist
    share = 1.0 if mine is None else max(float(mine.mean()), 1 / lists) if rows else 1.0
    options = faiss.SearchParametersIVF(nprobe=min(lists, round(point.nprobe / share)), sel=selector)
    refined = faiss.IndexRefineSearchParameters(k_factor=point.k_factor, base_index_params=options)
    scores, ids = shard.index.search(queries, k, params=refined)
    return scores, np.where(ids < 0, ids, ids + shard.first_id)


class LiveIndex:
    """The live release of one index, below `folder` (`…/indexes/main`). Any number of threads may search it.

    `public_key`: the 32 bytes, or the hex digits of signing.pub, that the application was deployed with, not what lies
    beside the index. `embedder`: fingerprint of what the application embeds questions with. Raises IndexRefusedError,
    FileNotFoundError where nothing was published yet, and ValueError where the key is none.
    """

    def __init__(self, folder: str | Path, public_key: str | bytes, embedder: str, threads: int = 1):
        self.folder = Path(folder).resolve()
        self.trouble: str | None = None
        """Why the newest release is not used; the one before answers meanwhile. None: all is well."""
        self._key = _key_of(public_key)
        self._embedder = embedder
        self._threads = threads
        self._stop = threading.Event()
        self._loading = threading.Lock()
        self._release = self._load()

    @property
    def version(self) -> str:
        """The release that answers now, to be logged with each retrieval as index_version."""
        return self._release.version

    def search(
        self, queries: Vectors, k: int = 10, labels: Collection[str] | None = None, today: date | None = None
    ) -> list[list[Hit]]:
        """The k best chunks of each query, best first. `labels`: access labels that whoever asks may receive, None: all;
        `today`: leaves out what is not valid any more. Raises ValueError where `queries` are not rows of the index's
        dimensions, or `labels` is one word."""
        release = self._release  # One release answers a call, whatever is published meanwhile.
        queries, dimensions = np.asarray(queries), release.manifest["dimensions"]
        if queries.ndim != 2 or queries.shape[1] != dimensions:
            raise ValueError(
                f"queries are rows of {dimensions} numbers, one row a query; these have the shape {queries.shape}"
            )
        if isinstance(labels, str):
            raise ValueError(f"labels is a collection of access labels, such as {{{labels!r}}}, not one word")
        allowed = self._allowed(release, labels, today)
        scores, ids = search_shards(release.shards, queries, k, release.point, self._threads, allowed)
        places = np.searchsorted(release.ids, ids)
        return [
            [_hit(release.chunks, int(place), float(score)) for id_, place, score in zip(*row, strict=True) if id_ >= 0]
            for row in zip(ids, places, scores, strict=True)
        ]

    def refresh(self) -> bool:
        """Take the newest release, if another is live by now; whether it did. Where it raises, the old one stays."""
        with self._loading:
            number = self._release.manifest["release"]
            try:
                is_new = live_folder(self.folder).name != str(number)
                if is_new:
                    self._release = self._load(after=number)
            except Exception as error:
                foreseen = isinstance(error, IndexRefusedError | OSError)
                self.trouble = str(error) if foreseen else f"a {type(error).__name__}, not foreseen: see the log"
                raise
            self.trouble = None
            return is_new

    def follow(self, every_seconds: float = 30.0) -> None:
        """Refresh in the background from now on; what is refused is logged, and stands in `trouble`."""

        def look() -> None:
            while not self._stop.wait(every_seconds):
                try:
                    self.refresh()
                except Exception:  # Whatever it is: a thread that died would never take a release again.
                    logging.getLogger(__name__).exception("%s stays: the newest release is refused", self.version)

        threading.Thread(target=look, name="live index", daemon=True).start()

    def close(self) -> None:
        """Follow no more."""
        self._stop.set()

    def _load(self, after: int = 0) -> Release:
        for attempt in range(_ATTEMPTS):
            try:
                folder = live_folder(self.folder)
                if int(folder.name) < after:
                    raise IndexRefusedError(
                        f"{folder} is older than release {after}, which answers: what is taken back is published as a newer "
                        "release (make index, rollback)"
                    )
                release = load_release(folder, self._key)
                break
            except FileNotFoundError:
                if attempt == _ATTEMPTS - 1:
                    raise
        check_embedder(release.manifest, self._embedder)
        return release

    @staticmethod
    def _allowed(release: Release, labels: Collection[str] | None, today: date | None) -> NDArray[np.bool_] | None:
        if labels is None and today is None:
            return None
        kept = np.ones(len(release.ids), bool)
        if labels is not None:
            kept &= np.isin(release.chunks["access_label"].to_numpy(), list(labels))
        if today is not None:
            until = release.chunks["valid_until"].to_numpy().astype("datetime64[D]")
            kept &= np.isnat(until) | (until >= np.datetime64(today))
        allowed = np.zeros(release.manifest["next_id"], bool)
        allowed[release.ids[kept]] = True
        return allowed


def live_folder(folder: Path) -> Path:
    """The release that is live. Raises FileNotFoundError where none is, IndexRefusedError where the link leads elsewhere."""
    try:
        target = os.readlink(folder / LIVE)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise IndexRefusedError(f"{folder / LIVE} is no link to a release of this index") from None
    if not re.fullmatch(rf"{RELEASES}/[1-9][0-9]{{0,17}}", target):
        raise IndexRefusedError(f"{folder / LIVE} leads to {target}, and not to a release of this index")
    return folder / target


def opened(path: Path) -> BufferedReader:
    """A plain file, open to be read. Raises IndexRefusedError where it is none (a pipe would be waited for), OSError."""
    return open(path, "rb", opener=_plain)


def _plain(path: str, flags: int) -> int:
    handle = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise IndexRefusedError(f"{path} is not a plain file")
    return handle


def _key_of(public_key: str | bytes) -> bytes:
    try:
        key = bytes.fromhex(public_key.strip()) if isinstance(public_key, str) else bytes(public_key)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ValueError("public_key is the 64 hex digits of signing.pub, or the 32 bytes that they stand for")
    return key


def _proven(folder: Path, entry: dict[str, Any]) -> BufferedReader:
    """A file of a release, open at its start, whose bytes are those that were signed for. Raises IndexRefusedError."""
    path = folder / entry["file"]
    file = opened(path)
    try:
        size = os.fstat(file.fileno()).st_size
        if size != entry["bytes"]:
            raise IndexRefusedError(f"{path} has {size} bytes, its manifest says {entry['bytes']}: cut off, or replaced")
        if hashlib.file_digest(file, "sha256").hexdigest() != entry["sha256"]:
            raise IndexRefusedError(f"{path} is not the file that was signed for: its digest is another")
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _hit(chunks: pa.Table, place: int, score: float) -> Hit:
    chunk_id, document_id, version, label, until = (chunks[name][place].as_py() for name in _OF_A_HIT)
    return Hit(chunk_id, document_id, version, label, until, score)
