"""A backup set becomes a warehouse again: unpacked aside, proven, then put in place.

Everything is unpacked into `.restoring` of the data folder and proven there; the home's part goes to `.restoring` of
the home. Renaming the data folder's to `.restored` is the commit: before it nothing is restored, after it a repeated
restore finishes what was begun. No night begins while either is there (pipelines/settings.py).
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from resources.backup import KEYS, copy_keys, keys_folder, map_files, shape
from resources.backup_set import MANIFEST, BackupError, Manifest, extract
from resources.contracts import Contract
from resources.day_inputs import code_digest
from resources.durable import sync_path, write_atomically
from resources.failpoints import failpoint
from resources.keyring import Keyring
from resources.publishing import DOOR, PUBLISHED
from resources.store import Store
from resources.warehouse import fingerprint, scan

RESTORING, RESTORED = ".restoring", ".restored"
SEEDS_OF_THE_SET = "seeds-of-the-backup"
_NOTHING = {RESTORING, RESTORED, "lost+found"}
_MLFLOW_PATHS = (
    ("experiments", "artifact_location"), ("runs", "artifact_uri"), ("model_versions", "source"),
    ("model_versions", "storage_location"), ("logged_models", "artifact_location"),
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """Where a warehouse is restored to: the two folders of a warehouse, empty or not there yet."""

    home: Path
    data: Path

    @property
    def is_begun(self) -> bool:
        """Whether a set lies here, proven, and only has to be put in place."""
        return (self.data / RESTORED).is_dir()

    def manifest(self) -> Manifest:
        """That of the set whose restore was interrupted here."""
        path = self.data / RESTORED / MANIFEST
        return Manifest.from_bytes(path.read_bytes(), path.parent)

    def check_empty(self) -> None:
        """Raises BackupError where a warehouse, or anything else, is there already."""
        for folder in (self.home, self.data):
            inside = [p for p in folder.iterdir() if p.name not in _NOTHING and p != self.data] if folder.exists() else []
            if inside:
                raise BackupError(
                    f"{folder} is not empty ({inside[0].name}); a warehouse is restored into empty folders: "
                    "move it aside, or name others with --home and --data"
                )


def unpack(
    source: Path, target: Target, contracts: dict[str, Contract], keys: Path | None, say: Callable[[str], None]
) -> Manifest:
    """Unpack a set aside and prove it: digests, table versions, rows and fingerprints, the key.

    Raises BackupError or KeyringError, and leaves the target as empty as it was.
    """
    target.check_empty()
    _clear(target)
    try:
        target.data.mkdir(parents=True, exist_ok=True)
        place = target.data / RESTORING
        place.mkdir(mode=0o700)
        manifest = extract(source, place)
        say(f"{manifest.name}: {len(manifest.files):,} files are as they were backed up; reading the tables")
        (place / "data").mkdir(exist_ok=True)
        (place / "home").mkdir(exist_ok=True)
        _prove_tables(manifest, Store(place / "data", place / "scratch", contracts), say)
        shutil.rmtree(place / "scratch", ignore_errors=True)
        if keys is not None:
            _take_keys(manifest, keys, place / "home" / KEYS, say)
        if (place / "seeds").exists():
            shutil.move(place / "seeds", place / "home" / SEEDS_OF_THE_SET)
        _relocate(manifest, place, target)
        target.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.move(place / "home", target.home / RESTORING)
        for folder in (target.home / RESTORING, place):
            _sync_tree(folder)
        write_atomically(place / MANIFEST, manifest.to_bytes())
        failpoint("restore.proven")
    except BaseException:
        _clear(target)
        raise
    os.rename(place, target.data / RESTORED)
    sync_path(target.data)
    failpoint("restore.committed")
    return manifest


def put_in_place(target: Target) -> None:
    """Move what was unpacked to where it belongs. Repeated after a kill, it goes on."""
    for staged, folder in ((target.home / RESTORING, target.home), (target.data / RESTORED / "data", target.data)):
        if not staged.is_dir():
            continue
        for path in sorted(staged.iterdir()):
            os.rename(path, folder / path.name)
            failpoint("restore.part_moved")
        staged.rmdir()
        sync_path(folder)


def end(target: Target) -> None:
    """Let nights begin again: all is in place and published."""
    shutil.rmtree(target.data / RESTORED)
    sync_path(target.data)


def other_code(manifest: Manifest, contracts: dict[str, Contract]) -> list[str]:
    """Tables whose SQL, columns or checks are not those of the set: the next night computes their days anew."""
    return [
        name
        for name, mark in manifest.tables.items()
        if mark.code is not None and name in contracts and code_digest(contracts[name]) != mark.code
    ]


def other_seeds(target: Target, seeds: Path) -> list[str]:
    """Seeds that differ between the restored set and this checkout, as relative paths."""
    kept = target.home / SEEDS_OF_THE_SET
    names = {p.relative_to(root).as_posix() for root in (kept, seeds) for p in root.rglob("*") if p.is_file()}
    return sorted(n for n in names if _content(kept / n) != _content(seeds / n))


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _prove_tables(manifest: Manifest, store: Store, say: Callable[[str], None]) -> None:
    for name, mark in manifest.tables.items():
        contract = store.contracts.get(name)
        if contract is None:
            say(f"{name} has no contract in this checkout; its files are restored unread")
            continue
        if not store.tables.exists(contract):
            raise BackupError(f"the set names {name}, and holds no table of that name; use another set")
        table = store.open(name, mark.version)
        files = table.files()
        if sum(f.rows for f in files) != mark.rows:
            raise BackupError(f"{name} has {sum(f.rows for f in files)} rows instead of {mark.rows}; use another set")
        if mark.fingerprint is None:
            continue
        if shape(contract) != mark.shape:
            say(f"{name} has other columns in this checkout; its rows are not compared")
            continue
        with store.connection() as con:
            found, _ = fingerprint(con, contract, scan(contract, [f.path for f in files]))
        if found != mark.fingerprint:
            raise BackupError(f"the rows of {name} are not those that were backed up; use another set")


def _take_keys(manifest: Manifest, keys: Path, place: Path, say: Callable[[str], None]) -> None:
    if not manifest.key_ids:
        say("the warehouse had no pseudonyms, and needs no key")
        return
    copy_keys(keys_folder(keys, manifest.name), place)
    Keyring.open(place, manifest.key_ids[-1], manifest.key_ids[:-1])


def _relocate(manifest: Manifest, place: Path, target: Target) -> None:
    """Tell what names absolute paths where it lies now: the readers' manifest, and MLflow's artefacts."""
    if manifest.published:
        path = place / "data" / PUBLISHED / f"manifest-{manifest.published}.json"
        moved = map_files(json.loads(path.read_bytes()), lambda file: str(target.data / file))
        path.write_text(json.dumps(moved, sort_keys=True), encoding="utf-8")
        # Until it is published anew nobody can read by it: the file that it names is not there.
        (place / "data" / DOOR).symlink_to(Path(PUBLISHED) / f"warehouse-{manifest.published}.duckdb")
    for database in (place / "home" / "mlflow").glob("*.db"):
        with closing(sqlite3.connect(database)) as con, con:
            for table, column in _MLFLOW_PATHS:
                if con.execute("select 1 from pragma_table_info(?) where name = ?", (table, column)).fetchone():
                    con.execute(
                        f"update {table} set {column} = replace({column}, ?, ?) where {column} like ?",
                        (f"{manifest.home}/", f"{target.home}/", f"%{manifest.home}/%"),
                    )


def _clear(target: Target) -> None:
    for folder in (target.data, target.home):
        if (folder / RESTORING).exists():
            shutil.rmtree(folder / RESTORING)


def _sync_tree(folder: Path) -> None:
    for inner, _, names in os.walk(folder, topdown=False):
        for name in names:
            if not Path(inner, name).is_symlink():
                sync_path(Path(inner, name))
        sync_path(Path(inner))
