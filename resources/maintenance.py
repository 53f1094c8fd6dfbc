"""Keeping house: fewer files, and files that nobody needs removed. Never a row changed, never a reader disturbed.

A plain vacuum would delete files that a published snapshot or a running writer still needs. What goes here is what no
live version needs (orphans of crashed commits included), minus every path that the readers' manifest names, and every
manifest superseded less than the retention ago.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from resources import audit
from resources.failpoints import failpoint
from resources.publishing import Publisher
from resources.store import Store
from resources.table_store import CommitConflict, remove_files

RETENTION_HOURS = 7 * 24
"""Longer than the longest run and the longest analyst session: both may still read what a newer commit replaced."""
MANY_FILES = 8
"""A ledger day in more files than this is rewritten as one: one file per delivery is not how days stay."""


@dataclass(frozen=True)
class Removed:
    """What one vacuum took away."""

    table_files: int
    snapshots: int


def compact_ledgers(store: Store) -> int:
    """Rewrite days of ledgers and event tables that lie in many files. Returns the number of files that became unnecessary.

    Day versions do not change: no day is re-opened by it.
    """
    replaced = 0
    for contract in store.contracts.values():
        if contract.kind not in ("ledger", "event"):
            continue
        table = store.open(contract.name)
        counts: dict[str, int] = {}
        days = {}
        for file in table.files():
            days[str(file.day)] = file.day
            counts[str(file.day)] = counts.get(str(file.day), 0) + 1
        for name, day in sorted(days.items()):
            if day is None or counts[name] <= MANY_FILES:
                continue
            while True:
                try:
                    replaced += store.open(contract.name).compact(day)
                    failpoint("compact.committed")
                    break
                except CommitConflict:
                    continue
    return replaced


def vacuum(publisher: Publisher, now: datetime, retention_hours: int = RETENTION_HOURS) -> Removed:
    """Delete files that nobody needs, and snapshots superseded longer than the retention ago."""
    store = publisher.store
    with publisher.lock():
        kept_manifests, old = _manifests_by_need(publisher, now - timedelta(hours=retention_hours))
        needed = {path for number in kept_manifests for path in _paths(publisher.manifest(number))}
        removable = [
            path
            for contract in store.contracts.values()
            if contract.kind not in ("view", "projection") and store.tables.exists(contract)
            for path in store.open(contract.name).removable_files(retention_hours)
            if str(path) not in needed
        ]
        if removable or old:
            # Recorded first: a kill must not leave a removal that nobody wrote down.
            audit.append(store, "vacuumed", now.isoformat(), {"files": len(removable), "snapshots": len(old)}, now)
            failpoint("vacuum.recorded")
        removed = remove_files(removable)
        failpoint("vacuum.files_removed")
        for number in old:
            # The manifest goes last: as long as it is there, its snapshot is known.
            remove_files([publisher.folder / f"warehouse-{number}.duckdb"])
            remove_files([publisher.folder / f"manifest-{number}.json"])
    return Removed(removed, len(old))


def clear_staging(store: Store) -> None:
    """Remove what killed runs left in staging and spilled; rejected rows stay for the person who looks into them."""
    remove_files(path for path in (store.state / "spill").rglob("*") if path.is_file())
    if not store.staging.exists():
        return
    for folder in store.staging.iterdir():
        if folder.name not in ("rejected", "landing"):
            shutil.rmtree(folder)


def _manifests_by_need(publisher: Publisher, before: datetime) -> tuple[list[int], list[int]]:
    """(numbers to keep, numbers to remove). A manifest is superseded when the next one is published."""
    current = publisher.current_number()
    numbers = sorted(int(p.stem.split("-")[1]) for p in publisher.folder.glob("manifest-*.json"))
    published = {n: datetime.fromisoformat(_read(publisher.folder, n)["published_at"]) for n in numbers}
    old = [n for n in numbers if n < current and (n + 1) in published and published[n + 1] < before]
    return [n for n in numbers if n not in old], old


def _read(folder: Path, number: int) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / f"manifest-{number}.json").read_text(encoding="utf-8"))
    return content


def _paths(manifest: dict[str, Any]) -> list[str]:
    found: list[str] = []
    for table in manifest["tables"].values():
        entries = table["days"].values() if table["kind"] == "derived" else [table]
        for entry in entries:
            found += entry["files"]
    return found
