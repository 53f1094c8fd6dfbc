"""What a backup set holds of a warehouse, and in which order it is taken so that it is one consistent set.

Two kinds of files. State is changed in place (the home: Dagster's and MLflow's databases, indexes, stages of
interrupted landings; the seeds): it is copied while nothing is in flight, and the caller looks again afterwards
(pipelines/governance/backup.py). Tables are immutable: a Delta version names files that never change, and vacuum, the only
one who deletes them, waits for the publish lock, which the caller holds. So they are copied afterwards, at the versions
noted before, whatever is computed meanwhile.

Never in a set: keys, which lie apart; the landing area, which is the senders'; cached vectors, spill and locks.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from resources import audit
from resources.backup_set import MANIFEST, BackupError, SetWriter, TableMark, is_sqlite_side
from resources.contracts import SEEDS, Contract
from resources.day_inputs import code_digest
from resources.durable import sync_files, sync_path
from resources.failpoints import failpoint
from resources.key_record import CREATED, ROTATED
from resources.keyring import KEY_FILE, Keyring
from resources.publishing import DOOR, PLACE, PUBLISHED, Publisher
from resources.store import Store
from resources.table_store import Table
from resources.warehouse import fingerprint, scan

KEYS, DAGSTER, STAGING = "keys", "dagster", "staging"
NAME = "nocturne-"
LOG = "_delta_log"
_NOT_STATE = (KEYS, "embeddings", "spill", ".restoring", ".restored")
_WITH_WORDS = ("labelling", "reviews")
_KEPT_STAGES = ("landing", "rejected")
_VERSION_DIGITS = 20


class NotStill(BackupError):
    """Something moved while state was copied; wait, and begin again."""


def versions(store: Store) -> dict[str, int]:
    """The version of every stored table as it is now; a table that was never made is left out."""
    return {
        contract.name: store.open(contract.name).version
        for contract in store.contracts.values()
        if contract.kind not in ("view", "projection") and store.tables.exists(contract)
    }


def key_ids(store: Store) -> list[str]:
    """The keys that the pseudonyms were made with, oldest first, as the audit names them."""
    if not store.tables.exists(store.contracts[audit.AUDIT]):
        return []
    return [e["subject"] for e in audit.entries(store) if e["action"] in (CREATED, ROTATED)]


def shape(contract: Contract) -> str:
    """A digest of the columns that a fingerprint covers: rows of another shape cannot be compared."""
    columns = [(c.name, c.type) for c in contract.columns if c.name not in contract.volatile]
    return sha256(json.dumps(columns).encode()).hexdigest()


def add_state(
    writer: SetWriter,
    publisher: Publisher,
    dagster_home: Path,
    apart: Sequence[Path],
    with_text: bool,
    seeds: Path = SEEDS,
) -> None:
    """Take in what is changed in place, and the readers' manifest. Raises NotStill where something moves.

    `apart` are folders that are no state although they may lie in the home: the landing area, the tables.
    """
    store = publisher.store
    skipped = {path.resolve() for path in (*apart, dagster_home)} | {store.state / name for name in _NOT_STATE}
    skipped |= {store.staging, *(store.state / name for name in _WITH_WORDS if not with_text)}
    stages = [store.staging / name for name in _KEPT_STAGES] if with_text else []
    try:
        _add_tree(writer, "home", store.state, skipped)
        for stage in stages:
            _add_tree(writer, f"home/{STAGING}/{stage.name}", stage)
        _add_tree(writer, f"home/{DAGSTER}", dagster_home)
        _add_tree(writer, "seeds", seeds)
        number = publisher.current_number()
        if number:
            relative = map_files(publisher.manifest(), lambda path: _below(store, Path(path)))
            if not with_text:
                relative["tables"] = {n: t for n, t in relative["tables"].items() if not _holds_text(store.contracts.get(n))}
            relative.pop(PLACE, None)  # of no known place: the restored warehouse is published anew
            content = json.dumps(relative, sort_keys=True).encode()
            writer.add_folder(f"data/{PUBLISHED}", publisher.folder)
            writer.add_bytes(f"data/{PUBLISHED}/manifest-{number}.json", content, 0o644)
            writer.manifest.published = number
    except FileNotFoundError as error:
        raise NotStill(f"{error.filename} was taken away while state was copied") from error
    failpoint("backup.state_added")


def add_tables(
    writer: SetWriter,
    store: Store,
    at: Mapping[str, int],
    with_text: bool,
    with_fingerprints: bool,
    say: Callable[[str], None],
) -> None:
    """Take in every table at its version: its log up to there, its live files, and those that readers still have."""
    for name, version in at.items():
        contract = store.contracts[name]
        if _holds_text(contract) and not with_text:
            continue
        table = store.open(name, version)
        folder = f"data/{contract.question}/{contract.table}"
        writer.add_folder(f"{folder}/{LOG}", table.folder / LOG)
        for entry in sorted((table.folder / LOG).iterdir()):
            if _is_up_to(entry, version):
                writer.add(f"{folder}/{LOG}/{entry.name}", entry)
        for file in table.files():
            _add_table_file(writer, store, Path(file.path))
        writer.manifest.tables[name] = _mark(store, table, with_fingerprints)
        failpoint("backup.table_added")
    # A day that is behind is shown from files that no live version has.
    if writer.manifest.published:
        read = Publisher(store).manifest(writer.manifest.published)
        tables = {n: t for n, t in read["tables"].items() if with_text or not _holds_text(store.contracts.get(n))}
        map_files({"tables": tables}, lambda path: _add_table_file(writer, store, Path(path)))
    for other in _undeclared(store):
        say(f"{other} is a table without a contract; it is taken as it lies there")
        _add_tree(writer, f"data/{other.relative_to(store.data).as_posix()}", other)


def _add_table_file(writer: SetWriter, store: Store, path: Path) -> str:
    relative = _below(store, path)
    if f"data/{relative}" not in writer.manifest.files:
        writer.add_folder(f"data/{relative}".rpartition("/")[0], path.parent)
        writer.add(f"data/{relative}", path)
    return relative


def _below(store: Store, path: Path) -> str:
    try:
        return path.relative_to(store.data).as_posix()
    except ValueError:
        door = store.data / DOOR
        raise BackupError(
            f"readers' files name {path}, which lies outside of {store.data}: the warehouse was moved. Move it "
            f"back, or remove {door} and run `make nightly`, which publishes anew"
        ) from None


def _mark(store: Store, table: Table, with_fingerprints: bool) -> TableMark:
    contract, files = table.contract, table.files()
    proof = None
    if with_fingerprints:
        with store.connection() as con:
            proof, _ = fingerprint(con, contract, scan(contract, [f.path for f in files]))
    code = code_digest(contract) if contract.kind == "derived" else None
    return TableMark(table.version, sum(f.rows for f in files), proof, shape(contract), code)


def _is_up_to(entry: Path, version: int) -> bool:
    """Whether a file of a Delta log speaks of `version` and earlier ones alone: its name begins with the version.

    `_last_checkpoint`, a hint that a later commit may change, is left out: without it a reader lists the log.
    """
    numbers = [part for part in entry.name.split(".") if len(part) == _VERSION_DIGITS and part.isdigit()]
    return bool(numbers) and entry.name[0].isdigit() and max(map(int, numbers)) <= version


def _undeclared(store: Store) -> list[Path]:
    declared = {store.tables.folder(contract) for contract in store.contracts.values()}
    return sorted(log.parent for log in store.data.glob(f"*/*/{LOG}") if log.parent not in declared)


def _holds_text(contract: Contract | None) -> bool:
    return contract is not None and contract.has_words


def map_files(manifest: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """A readers' manifest with every path of a file changed."""
    tables = {}
    for name, table in manifest["tables"].items():
        if table["kind"] == "derived":
            days = {day: entry | {"files": [change(f) for f in entry["files"]]} for day, entry in table["days"].items()}
            tables[name] = table | {"days": days}
        else:
            tables[name] = table | {"files": [change(f) for f in table["files"]]}
    return {**manifest, "tables": tables}


def _add_tree(writer: SetWriter, name: str, folder: Path, skipped: Set[Path] = frozenset()) -> None:
    """Take in a folder with all below it; locks, sockets and the like are left out."""
    if not folder.is_dir():
        return
    writer.add_folder(name, folder)
    for path in sorted(folder.iterdir()):
        if path.resolve() in skipped:
            continue
        inner = f"{name}/{path.name}"
        if path.is_symlink():
            writer.add_link(inner, os.readlink(path))
        elif path.is_dir():
            _add_tree(writer, inner, path, skipped)
        elif path.is_file() and path.suffix != ".lock" and path.name != ".lock" and not is_sqlite_side(path):
            writer.add(inner, path)


def save_keys(keys: Path, expected: Sequence[str], target: Path) -> None:
    """Copy the keys to a folder of their own, 0700 and 0600. Raises KeyringError where one in use is not among them."""
    Keyring.open(keys, expected[-1], expected[:-1])
    aside = target.with_name(f".{target.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    copy_keys(keys, aside)
    os.rename(aside, target)
    sync_path(target.parent)


def copy_keys(source: Path, target: Path) -> None:
    """The files of a keys folder, but its lock, into a new folder that nobody else can read."""
    target.mkdir(parents=True, mode=0o700)
    copies = []
    for path in sorted(source.iterdir()):
        if path.is_file() and path.suffix != ".lock":
            copies.append(target / path.name)
            with os.fdopen(os.open(copies[-1], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(path.read_bytes())
    sync_files(copies)


def keys_folder(place: Path, name: str) -> Path:
    """The folder with the keys of a set: the one that was named, or the set's own in it. Raises BackupError."""
    for folder in (place, place / name):
        if (folder / KEY_FILE).is_file():
            return folder
    raise BackupError(f"{place} holds no {KEY_FILE}, nor does {place / name}; name the folder that --keys-to made")


def sets(folder: Path) -> list[Path]:
    """The whole sets in a folder, oldest first."""
    return sorted(p for p in folder.glob(f"{NAME}*") if p.is_dir() and (p / MANIFEST).is_file())


def remove_old(folder: Path, keep: int) -> list[Path]:
    """Delete all whole sets in a folder but the newest `keep`. Keys are never deleted."""
    removed = sets(folder)[:-keep]
    for path in removed:
        # The manifest first: what a kill leaves is no set any more.
        doomed = path.with_name(f".{path.name}.removed")
        os.rename(path, doomed)
    for doomed in folder.glob(f".{NAME}*.removed"):
        shutil.rmtree(doomed)
    return removed


@contextmanager
def held(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold a lock file; `waiting` is called once where another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
