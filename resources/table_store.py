"""The only `import deltalake`: Delta tables of Parquet files behind a few verbs.

Here belongs how rows are stored, replaced, appended once and removed. What a commit *means* (inputs, day versions,
pins) is days.py. A day is replaced by an overwrite of its partition; every commit of a day carries the
application transaction `day:<D>` with the next number, so that two commits of one day always conflict, even when one
of them changes no rows. Measured with deltalake 1.6.6: without that transaction they do not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from deltalake import ColumnProperties, CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from resources.contracts import Contract, ContractError
from resources.durable import sync_files
from resources.failpoints import failpoint

METADATA_KEY = "nocturne"
"""The one key of ours in a Delta commit's metadata; its value is a JSON object."""

_CONFIGURATION: dict[str, str | None] = {
    # Our record of inputs and verdicts lives in the commits: Delta's default drops them after 30 days.
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 3650 days",
    # A handle reads the last checkpoint and every commit since: at the default of 100, most of the time that opening takes.
    "delta.checkpointInterval": "20",
}
_FACT_ROWS, _TEXT_ROWS = 122_880, 16_384
"""Rows of a row group. A writer holds one a day in memory: those of words are wide."""


def _writer(contract: Contract) -> WriterProperties:
    words = [f"{c.name}.list.element" if c.type.endswith("[]") else c.name for c in contract.columns if c.class_ == "text"]
    return WriterProperties(
        compression="ZSTD",
        compression_level=3,
        max_row_group_size=_TEXT_ROWS if words else _FACT_ROWS,
        # Words do not repeat, and their smallest and largest say nothing but a person's secret.
        column_properties={name: ColumnProperties(dictionary_enabled=False, statistics_enabled="NONE") for name in words},
    )


_ARROW = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMPTZ": pa.timestamp("us", tz="UTC"),
    "FLOAT[]": pa.list_(pa.float32()),
}


class CommitConflict(RuntimeError):
    """Somebody else committed first; load a fresh handle and decide again."""


@dataclass(frozen=True)
class StoredFile:
    """One live Parquet file: absolute path, its day (None in unpartitioned tables), rows, bytes."""

    path: str
    day: date | None
    rows: int
    size_bytes: int


@dataclass(frozen=True)
class Commit:
    """One commit of ours: Delta version, its time (ms since 1970) and our metadata."""

    version: int
    time_ms: int
    metadata: dict[str, Any]


def arrow_type(sql_type: str) -> pa.DataType:
    """The Arrow type of a contract's column type; raises ContractError for one that no table may have."""
    if sql_type.startswith("DECIMAL("):
        precision, scale = sql_type[len("DECIMAL(") : -1].split(",")
        return pa.decimal128(int(precision), int(scale))
    if sql_type not in _ARROW:
        raise ContractError(f"column type {sql_type!r} is not stored; use one of {', '.join(_ARROW)} or DECIMAL(p,s)")
    return _ARROW[sql_type]


def arrow_schema(contract: Contract) -> pa.Schema:
    """The contract's columns as an Arrow schema, in contract order."""
    return pa.schema([pa.field(c.name, arrow_type(c.type)) for c in contract.columns])


class Table:
    """A handle on one table at one version. Read and write through the same handle; refresh to see newer commits."""

    def __init__(self, contract: Contract, delta: DeltaTable, folder: Path, durable: bool):
        self.contract = contract
        self.folder = folder
        self._delta = delta
        self._durable = durable
        self._files: tuple[int, list[StoredFile]] | None = None
        self._paths: tuple[int, dict[date | None, list[str]]] | None = None

    @property
    def version(self) -> int:
        return self._delta.version()

    @property
    def min_reader_version(self) -> int:
        return self._delta.protocol().min_reader_version

    def refresh(self) -> None:
        """Move this handle to the newest version."""
        # To look for the next commit costs a fiftieth of asking Delta, and most of the time there is none.
        if self._commit_file(self.version + 1).exists():
            self._delta.update_incremental()

    def files(self) -> list[StoredFile]:
        """The live files of this handle's version."""
        if self._files is None or self._files[0] != self.version:
            actions = pa.table(self._delta.get_add_actions(flatten=True)).to_pylist()
            files = [
                StoredFile(
                    path=f"{self.folder}/{unquote(a['path'])}",
                    day=a.get("partition.day"),
                    rows=a["num_records"] or 0,
                    size_bytes=a["size_bytes"],
                )
                for a in actions
            ]
            self._files = (self.version, sorted(files, key=lambda f: f.path))
        return self._files[1]

    def paths_by_day(self) -> dict[date | None, list[str]]:
        """The live files of each day of this handle's version."""
        if self._paths is None or self._paths[0] != self.version:
            found: dict[date | None, list[str]] = {}
            for file in self.files():
                found.setdefault(file.day, []).append(file.path)
            self._paths = (self.version, found)
        return self._paths[1]

    @cached_property
    def has_whole_files(self) -> bool:
        """Whether every file has every column of the contract, as the table was made with all of them: what a writer does
        not know of, delta-rs adds as NULL."""
        created = (json.loads(line) for line in self._commit_file(0).read_text(encoding="utf-8").splitlines())
        first = next(action["metaData"]["schemaString"] for action in created if "metaData" in action)
        return {c.name for c in self.contract.columns} <= {field["name"] for field in json.loads(first)["fields"]}

    def commits(self, after: int = -1) -> list[Commit]:
        """Our commits in (`after`, this handle's version], oldest first."""
        # Not the handle's own history(): with a newer commit in the log it yields that one, too, and numbers all wrongly.
        found = (self._commit(version) for version in range(after + 1, self.version + 1))
        return [commit for commit in found if commit is not None]

    def metadata_of(self, version: int) -> dict[str, Any]:
        """Our metadata of one commit of this table; raises LookupError for a commit that is not ours."""
        commit = self._commit(version)
        if commit is None:
            raise LookupError(f"commit {version} of {self.contract.name} says nothing of ours")
        return commit.metadata

    def _commit(self, version: int) -> Commit | None:
        for line in self._commit_file(version).read_text(encoding="utf-8").splitlines():
            if line.startswith('{"commitInfo"'):
                said = json.loads(line)["commitInfo"]
                if METADATA_KEY in said:
                    return Commit(version, said["timestamp"], json.loads(said[METADATA_KEY]))
        return None

    def commit_digest(self, version: int) -> str:
        """Tells a commit from any other that ever had its number, or may have it after a restore."""
        return sha256(self._commit_file(version).read_bytes()).hexdigest()

    def _commit_file(self, version: int) -> Path:
        return self.folder / "_delta_log" / f"{version:020d}.json"

    def replace_day(self, day: date, rows: pa.RecordBatchReader, sequence: int, metadata: dict[str, Any]) -> None:
        """Replace the whole partition `day`, also by nothing. `sequence` is the day's next commit number."""
        self._write(
            rows,
            metadata,
            Transaction(f"day:{day.isoformat()}", sequence),
            mode="overwrite",
            predicate=f"day = '{day.isoformat()}'",
        )

    def record_day(self, day: date, sequence: int, metadata: dict[str, Any]) -> None:
        """Commit what was learnt about a day (inputs, verdicts) and leave its rows alone."""
        self._write(self._no_rows(), metadata, Transaction(f"day:{day.isoformat()}", sequence), mode="append")

    def replace_all(self, rows: pa.RecordBatchReader, sequence: int, metadata: dict[str, Any]) -> None:
        """Replace an unpartitioned table whole."""
        self._write(rows, metadata, Transaction("all", sequence), mode="overwrite")

    def has_appended(self, transaction: str) -> bool:
        """Whether a transaction was committed by append_once or append_numbered, up to this handle's version."""
        return self._delta.transaction_version(transaction) is not None

    def append_once(self, transaction: str, rows: pa.RecordBatchReader, metadata: dict[str, Any]) -> bool:
        """Append rows unless `transaction` was committed before. True if this call appended them."""
        return self.append_numbered(transaction, 1, rows, metadata)

    def append_numbered(
        self, transaction: str, number: int, rows: pa.RecordBatchReader, metadata: dict[str, Any]
    ) -> bool:
        """Append rows as number `number` of a series. False if that number or a later one is there already.

        Raises CommitConflict if another process wrote the series since this handle was loaded.
        """
        seen = self._delta.transaction_version(transaction)
        if seen is not None and seen >= number:
            return False
        self._write(rows, metadata, Transaction(transaction, number), mode="append")
        return True

    def compact(self, day: date) -> int:
        """Rewrite the files of a day as one; the rows stay. Returns the number of files removed."""
        try:
            metrics = self._delta.optimize.compact(
                partition_filters=[("day", "=", day.isoformat())], writer_properties=_writer(self.contract)
            )
        except CommitFailedError as error:
            raise CommitConflict(f"{self.contract.name}: {error}") from error
        return int(metrics["numFilesRemoved"])

    def removable_files(self, retention_hours: int) -> list[Path]:
        """Files that no live version needs, orphans of crashed commits included, older than the retention."""
        names = self._delta.vacuum(
            retention_hours=retention_hours, dry_run=True, enforce_retention_duration=False, full=True
        )
        # The log names a replaced file for ever, also when it was removed long ago.
        return [path for path in (self.folder / unquote(name) for name in names) if path.exists()]

    def _no_rows(self) -> pa.RecordBatchReader:
        return arrow_schema(self.contract).empty_table().to_reader()

    def _write(
        self, rows: pa.RecordBatchReader, metadata: dict[str, Any], transaction: Transaction, **options: Any
    ) -> None:
        before = self.version
        properties = CommitProperties(
            custom_metadata={METADATA_KEY: json.dumps(metadata, sort_keys=True)}, app_transactions=[transaction]
        )
        try:
            write_deltalake(
                self._delta,
                rows,
                commit_properties=properties,
                writer_properties=_writer(self.contract),
                schema_mode="merge",
                **options,
            )
        except CommitFailedError as error:
            raise CommitConflict(f"{self.contract.name}: {error}") from error
        failpoint("table.committed")
        if self._durable:
            self._sync_commits(before)

    def _sync_commits(self, after: int) -> None:
        """delta-rs never fsyncs: a commit would survive a kill, but not a power cut."""
        paths = []
        for version in range(after + 1, self.version + 1):
            entry = self._commit_file(version)
            paths.append(entry)
            for line in entry.read_text(encoding="utf-8").splitlines():
                added = json.loads(line).get("add")
                if added:
                    paths.append(self.folder / unquote(added["path"]))
        sync_files(path for path in paths if path.exists())


class TableStore:
    """All tables below one folder, `<root>/<question>/<table>`."""

    def __init__(self, root: Path, durable: bool = True):
        self.root = root
        self.durable = durable

    def folder(self, contract: Contract) -> Path:
        return self.root / contract.question / contract.table

    def exists(self, contract: Contract) -> bool:
        return DeltaTable.is_deltatable(str(self.folder(contract)))

    def open(self, contract: Contract, version: int | None = None) -> Table:
        """A handle on a table, newest version unless told otherwise. Creates the table, or adds the columns that
        the contract has gained and the properties that tables are created with by now; raises ContractError where the
        contract changed a stored column's type."""
        folder = self.folder(contract)
        try:
            delta = DeltaTable(str(folder), version=version)
        except TableNotFoundError:
            try:
                delta = self._create(contract, folder)
            except CommitFailedError:
                # Another process created it at this moment.
                delta = DeltaTable(str(folder))
        while version is None:
            try:
                self._evolve(contract, delta)
                break
            except CommitFailedError:
                # Another process adds the columns, or writes rows, at this moment: look again at what is missing.
                delta = DeltaTable(str(folder))
        return Table(contract, delta, folder, self.durable)

    def as_it_lies(self, contract: Contract) -> Table | None:
        """A handle on the newest version, to look at: nothing is made, no column added. None where there is no table."""
        try:
            return Table(contract, DeltaTable(str(self.folder(contract))), self.folder(contract), self.durable)
        except TableNotFoundError:
            return None

    def _create(self, contract: Contract, folder: Path) -> DeltaTable:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(exist_ok=True, mode=0o700 if contract.has_words else 0o777)
        statistics = [c.name for c in contract.columns if c.class_ == "fact" and c.type in ("TIMESTAMPTZ", "DATE")]
        return DeltaTable.create(
            str(folder),
            schema=arrow_schema(contract),
            mode="ignore",
            partition_by=["day"] if contract.is_partitioned else None,
            # Statistics keep a column's smallest and largest value in the log: times only, never names.
            configuration={**_CONFIGURATION, "delta.dataSkippingStatsColumns": ",".join(statistics)},
        )

    def _evolve(self, contract: Contract, delta: DeltaTable) -> None:
        stored = {field.name: field.type for field in pa.schema(delta.schema().to_arrow())}
        missing = []
        for column in contract.columns:
            wanted = arrow_type(column.type)
            if column.name not in stored:
                missing.append(column.name)
            elif not _same_type(stored[column.name], wanted):
                raise ContractError(
                    f"{contract.name}.{column.name} is stored as {stored[column.name]}, the contract says {column.type}; "
                    "give the new meaning a new column name"
                )
        if missing:
            from deltalake.schema import Schema

            fields = [f for f in Schema.from_arrow(arrow_schema(contract)).fields if f.name in missing]
            delta.alter.add_columns(fields)
        stored_configuration = delta.metadata().configuration
        if changed := {key: value for key, value in _CONFIGURATION.items() if stored_configuration.get(key) != value}:
            delta.alter.set_table_properties({key: str(value) for key, value in changed.items()})


def _same_type(stored: pa.DataType, wanted: pa.DataType) -> bool:
    if pa.types.is_list(wanted):  # Delta names the elements otherwise.
        return bool(pa.types.is_list(stored) and _same_type(stored.value_type, wanted.value_type))
    if pa.types.is_string(wanted):
        return bool(pa.types.is_string(stored) or pa.types.is_string_view(stored) or pa.types.is_large_string(stored))
    return bool(stored == wanted)


def remove_files(paths: Iterable[Path]) -> int:
    """Delete files for good; one that is gone already does not count."""
    removed = 0
    for path in paths:
        try:
            path.unlink()
            removed += 1
        except FileNotFoundError:
            continue
    return removed
