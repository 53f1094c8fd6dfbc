"""Releases of indexes on disk: made beside their place, signed, sealed, and put before applications in one step.

    indexes/signing.pub                          the public key, hex
    indexes/<index>/releases/<number>/           manifest.json, manifest.sig, chunks.parquet, one .faiss a shard
    indexes/<index>/live -> releases/<number>    what applications load; moving this link is what publishing is

Here belong folders, names, modes, the signature and the order of steps that a kill may cut anywhere. How a release is read
is live_index.py; what is in it, faiss_index.py; which one deserves to be live, pipelines/retrieval/index_desk.py.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from resources.durable import sync_path, write_atomically
from resources.failpoints import failpoint
from resources.faiss_index import VectorIndex, new_file, write
from resources.live_index import (
    CHUNKS,
    FORMAT,
    LIVE,
    MANIFEST,
    RELEASES,
    SIGNATURE,
    IndexRefusedError,
    Release,
    live_folder,
    load_release,
    read_manifest,
)
from resources.signing_key import SigningKey, SigningKeyError, private_folder

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_TO_BE_MADE, _TO_BE_LIVE = ".making-", ".live-"
CHUNK_COLUMNS = pa.schema(
    [
        ("id", pa.int64()), ("chunk_id", pa.string()), ("document_id", pa.string()), ("version", pa.string()),
        ("access_label", pa.string()), ("valid_until", pa.date32()),
    ]
)  # fmt: skip
"""What chunks.parquet holds of each chunk, by rising id: names, and no words."""


class IndexStoreError(RuntimeError):
    """A release that cannot be made or published as asked; says why, and what to do."""


@dataclass(frozen=True)
class Draft:
    """A release to be: its index, what its ids stand for (CHUNK_COLUMNS), and what its manifest says besides."""

    index: VectorIndex
    chunks: pa.Table
    facts: dict[str, Any] = field(default_factory=dict)


class IndexStore:
    """All indexes of one warehouse. One process at a time makes or publishes; any number read."""

    def __init__(self, state: Path):
        self._key = SigningKey(state)
        self.root = state / "indexes"

    def folder(self, index: str) -> Path:
        """Where an index lives: what an application is given. Raises IndexStoreError for a name that is no folder's."""
        if not _NAME.fullmatch(index):
            raise IndexStoreError(f"an index is named by up to 64 of a-z, 0-9, '.', '_' and '-', not {index!r}")
        return self.root / index

    def public_key(self) -> bytes:
        """The key that releases are proven with; made at first use and written beside them. Raises IndexStoreError."""
        try:
            return self._key.public_key()
        except SigningKeyError as error:
            raise IndexStoreError(str(error)) from None

    def numbers(self, index: str) -> list[int]:
        """The releases that are on disk, ascending."""
        folder = self.folder(index) / RELEASES
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        return sorted(int(name) for name in names if _NUMBER.fullmatch(name))

    def live(self, index: str) -> int | None:
        """The release that applications load; None: nothing was published yet, or it is gone. Raises IndexStoreError where
        `live` is not what publishing makes."""
        try:
            release = live_folder(self.folder(index))
        except FileNotFoundError:
            return None
        except IndexRefusedError as error:
            raise IndexStoreError(f"{error}. Move it away, and run make index: a release is built anew") from None
        return int(release.name) if release.is_dir() else None

    def manifest(self, index: str, number: int) -> dict[str, Any]:
        """The proven manifest of a release. Raises IndexRefusedError, FileNotFoundError."""
        return read_manifest(self._release(index, number), self.public_key())

    def load(self, index: str, number: int, threads: int) -> tuple[VectorIndex, Release]:
        """A release as what can be added to and removed from. Raises IndexRefusedError, FileNotFoundError."""
        release = load_release(self._release(index, number), self.public_key())
        said = release.manifest
        made = VectorIndex(said["kind"], said["dimensions"], threads, release.shards, said["next_id"], said["shard_rows"])
        return made, release

    def make(self, index: str, number: int, draft: Draft) -> dict[str, Any]:
        """Write a release, sign it and put it in its place, whole or not at all; its manifest. Nothing is published.

        Raises IndexStoreError where what the index can find is not what the chunks are.
        """
        ids = draft.chunks["id"].to_numpy()
        if not _equal(ids, draft.index.ids):
            raise IndexStoreError(f"{index}: the index finds {len(draft.index.ids)} ids, the table has {len(ids)} chunks")
        private_folder(self.root)
        private_folder(self.folder(index))
        private_folder(self.folder(index) / RELEASES)
        making = self.folder(index) / f"{_TO_BE_MADE}{secrets.token_hex(4)}"
        making.mkdir(mode=0o700)
        shards = [write(shard, making / f"index-{place}.faiss") for place, shard in enumerate(draft.index.shards)]
        failpoint("index.written")
        chunks = _write_chunks(draft.chunks, making / CHUNKS)
        manifest = {
            "format": FORMAT, "index": index, "release": number, "kind": draft.index.kind,
            "dimensions": draft.index.dimensions, "ntotal": len(ids), "tombstones": draft.index.tombstones,
            "next_id": draft.index.next_id, "shard_rows": draft.index.shard_rows, "shards": shards, "chunks": chunks,
            **draft.facts,
        }  # fmt: skip
        content = json.dumps(manifest, indent=1, sort_keys=True).encode()
        write_atomically(making / MANIFEST, content, mode=0o600)
        write_atomically(making / SIGNATURE, self._signed(content), mode=0o600)
        failpoint("index.signed")
        making.rename(self._release(index, number))
        sync_path(self.folder(index) / RELEASES)
        failpoint("index.made")
        return manifest

    def publish(self, index: str, number: int) -> None:
        """Put a release before applications, once it is proven to be whole. Raises IndexRefusedError, FileNotFoundError."""
        load_release(self._release(index, number), self.public_key())
        folder = self.folder(index)
        beside = folder / f"{_TO_BE_LIVE}{secrets.token_hex(4)}"
        beside.symlink_to(f"{RELEASES}/{number}")
        failpoint("index.linked")
        os.replace(beside, folder / LIVE)
        sync_path(folder)
        failpoint("index.published")

    def tidy(self, index: str, keep: Sequence[int]) -> list[int]:
        """Remove what killed passes left, and all releases but those to keep and the live one; the numbers that went."""
        folder, live = self.folder(index), self.live(index)
        if not folder.is_dir():
            return []
        for path in folder.iterdir():
            if path.name.startswith(_TO_BE_LIVE):
                path.unlink()
            elif path.name.startswith(_TO_BE_MADE):
                shutil.rmtree(path)
        gone = [number for number in self.numbers(index) if number != live and number not in keep]
        for number in gone:
            # Out of its place in one step: what is half removed is no release.
            aside = folder / f"{_TO_BE_MADE}{secrets.token_hex(4)}"
            self._release(index, number).rename(aside)
            failpoint("index.aside")
            shutil.rmtree(aside)
        return gone

    def _signed(self, content: bytes) -> bytes:
        try:
            return self._key.sign(content)
        except SigningKeyError as error:
            raise IndexStoreError(str(error)) from None

    def _release(self, index: str, number: int) -> Path:
        return self.folder(index) / RELEASES / str(number)


def refuse_to_mix(manifest: dict[str, Any], embedder: str, dimensions: int) -> None:
    """Raises IndexRefusedError where vectors of this embedder are no neighbours of those in the release."""
    if manifest["embedder"] != embedder or manifest["dimensions"] != dimensions:
        raise IndexRefusedError(
            f"{manifest['index']}@{manifest['release']} holds vectors of embedder {manifest['embedder'][:8]} "
            f"({manifest['dimensions']} dimensions); those of {embedder[:8]} ({dimensions}) are not added to it: build anew"
        )


def _write_chunks(chunks: pa.Table, path: Path) -> dict[str, Any]:
    with new_file(path) as entry:
        pq.write_table(chunks.select(CHUNK_COLUMNS.names).cast(CHUNK_COLUMNS), path)
    return entry


def _equal(some: Any, others: Any) -> bool:
    return len(some) == len(others) and bool((some == others).all())
