"""Datasets on disk: made beside their place, digested, and there whole or not at all.

    datasets/<kind>/<version>/    manifest.json, train.parquet, dev.parquet, test.parquet, provenance.parquet
                                  (and corpus.parquet, of a retriever)

Here belong folders, names, modes and digests. The words of users lie in them: folders are their owner's alone, and
pipelines/tuning/dataset_sweep.py takes them away when texts expire. What is in a dataset is assets/tuning/'s business.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from resources.durable import sync_files, sync_path, write_atomically
from resources.failpoints import failpoint

FORMAT = "nocturne-dataset-1"
MANIFEST = "manifest.json"
KINDS = ("retriever", "detector", "sft", "preferences")
SPLITS = ("train", "dev", "test")
PROVENANCE, CORPUS = "provenance", "corpus"
_VERSION = re.compile(r"[0-9a-f]{16}")
_MAKING = ".making-"
_BLOCK = 1 << 20


class DatasetError(RuntimeError):
    """A dataset that is not there, not whole, or not what its name says; says which, and what to do."""


@dataclass(frozen=True)
class Dataset:
    """One dataset whose files are the ones that were written."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def kind(self) -> str:
        return str(self.manifest["kind"])

    @property
    def version(self) -> str:
        return str(self.manifest["version"])

    def table(self, name: str) -> pa.Table:
        """One of its files: train, dev, test, provenance, or corpus. Raises DatasetError where it has none of the name."""
        if name not in self.manifest["files"]:
            named = f"dataset {self.kind}/{self.version}"
            raise DatasetError(f"{named} has no {name}; it has {', '.join(self.manifest['files'])}")
        return pq.read_table(self.folder / f"{name}.parquet")


class DatasetStore:
    """All datasets of one warehouse. One process at a time makes or removes; any number read."""

    def __init__(self, state: Path):
        self.root = state / "datasets"

    def folder(self, kind: str, version: str) -> Path:
        """Where a dataset lies, or would. Raises DatasetError for what names none."""
        if kind not in KINDS or not _VERSION.fullmatch(version):
            raise DatasetError(f"a dataset is one of {', '.join(KINDS)} and 16 hex digits, not {kind!r} and {version!r}")
        return self.root / kind / version

    def versions(self, kind: str) -> list[str]:
        """The datasets of a kind that are on disk, by name."""
        folder = self.root / kind
        return sorted(path.name for path in folder.iterdir() if _VERSION.fullmatch(path.name)) if folder.is_dir() else []

    def open(self, kind: str, version: str) -> Dataset:
        """A dataset, its files proven to be whole. Raises DatasetError."""
        return open_dataset(self.folder(kind, version))

    def write(self, kind: str, tables: Mapping[str, pa.Table], facts: Mapping[str, Any]) -> Dataset:
        """Write a dataset in one step, under the version that its content gives; one that is there already stays as it is.

        `tables`: train, dev, test and provenance, in an order of rows that their content decides. `facts`: what the manifest
        says besides. Raises DatasetError where one of that version is there and broken.
        """
        version = content_version(kind, tables)
        folder = self.folder(kind, version)
        if folder.is_dir():
            return open_dataset(folder)
        for private in (self.root, folder.parent):
            private.mkdir(parents=True, exist_ok=True, mode=0o700)
        making = folder.parent / f"{_MAKING}{secrets.token_hex(4)}"
        making.mkdir(mode=0o700)
        files = {}
        for name, table in tables.items():
            path = making / f"{name}.parquet"
            path.touch(mode=0o600)
            pq.write_table(table, path, compression="zstd")
            files[name] = {"rows": table.num_rows, "sha256": _sha256(path)}
        sync_files(sorted(making.iterdir()))
        failpoint("dataset.written")
        splits = {name: files[name] for name in SPLITS}
        manifest = {**facts, "format": FORMAT, "kind": kind, "version": version, "splits": splits, "files": files}
        write_atomically(making / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True).encode(), mode=0o600)
        making.rename(folder)
        sync_path(folder.parent)
        failpoint("dataset.made")
        return Dataset(folder, manifest)

    def remove(self, kind: str, version: str) -> bool:
        """Take a dataset away, out of its place in one step; whether there was one."""
        folder = self.folder(kind, version)
        if not folder.is_dir():
            return False
        aside = folder.parent / f"{_MAKING}{secrets.token_hex(4)}"
        folder.rename(aside)
        failpoint("dataset.aside")
        shutil.rmtree(aside)
        return True

    def tidy(self) -> int:
        """Remove what killed passes left half made or half removed; how many folders that were. Nobody writes meanwhile."""
        left = sorted(self.root.glob(f"*/{_MAKING}*"))
        for path in left:
            shutil.rmtree(path)
        return len(left)


def open_dataset(folder: Path) -> Dataset:
    """A dataset folder, its files proven to be the ones that were written. Raises DatasetError."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
        files = {name: (int(said["rows"]), str(said["sha256"])) for name, said in manifest["files"].items()}
        named = (manifest["format"], manifest["kind"], manifest["version"])
    except FileNotFoundError:
        raise DatasetError(f"there is no dataset {folder}: texts are not kept for ever; build it anew") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{path} cannot be read ({type(error).__name__}); remove the folder, and build it anew") from None
    if named != (FORMAT, folder.parent.name, folder.name):
        raise DatasetError(f"{folder} holds {named[1]}/{named[2]} in the format {named[0]}: it belongs elsewhere; remove it")
    for name, (_, digest) in files.items():
        file = folder / f"{name}.parquet"
        if not file.is_file() or _sha256(file) != digest:
            raise DatasetError(f"{file} is not the file that was written; remove the folder {folder}, and build it anew")
    return Dataset(folder, manifest)


def content_version(kind: str, tables: Mapping[str, pa.Table]) -> str:
    """First 16 hex digits of a digest over the rows of these tables, whatever Parquet makes of them."""
    digest = hashlib.sha256(f"{FORMAT}\n{kind}".encode())
    for name in sorted(tables):
        table = tables[name]
        digest.update(f"\n{name} {table.num_rows} {' '.join(table.column_names)}\n".encode())
        for batch in table.to_batches(max_chunksize=4096):
            rows = json.dumps(batch.to_pylist(), ensure_ascii=True, default=str, separators=(",", ":"))
            # Batches end where chunks do, which is no content: their brackets are left out.
            digest.update(f"{rows[1:-1]},".encode())
    return digest.hexdigest()[:16]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
