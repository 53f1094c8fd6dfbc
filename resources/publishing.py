"""Publish: put all that passed and fits together before the readers, as one snapshot, in one step.

Written in this order: manifest n, `warehouse-<n>.duckdb`, the symlink `warehouse.duckdb`. The symlink is the commit:
"the manifest" is always the one it names, and a leftover n + 1 is overwritten. Readers that have an older file open
keep it: published files are never changed.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from resources import audit, closed_days
from resources.closed_days import ClosedDays
from resources.computing import is_stale
from resources.contracts import Contract
from resources.day_inputs import DayInputs, code_digest, digest, take_pins
from resources.durable import sync_path, write_atomically
from resources.failpoints import failpoint
from resources.manifest import Choice, Entries, Entry, choose
from resources.published_file import build
from resources.references import reference_version
from resources.settled import Reopened
from resources.store import Store

PUBLISHED = "_published"
DOOR = "warehouse.duckdb"
PLACE = "place"
"""Where the tables lay when a manifest was made: it and its readers' file name absolute paths."""


@dataclass(frozen=True)
class Published:
    """What one publish did: `number` of the manifest readers have now, and whether this call made it."""

    number: int
    is_new: bool
    behind: dict[str, str]
    late: dict[str, str]
    path: Path | None


class Publisher:
    """Publishes one warehouse. `last_due_day` and `now` are the caller's clock."""

    def __init__(self, store: Store):
        self.store = store
        self.folder = store.data / PUBLISHED
        self.door = store.data / DOOR

    def current_number(self) -> int:
        """The number of the manifest that readers have; 0 before the first."""
        try:
            return int(os.readlink(self.door).rsplit("-", 1)[1].removesuffix(".duckdb"))
        except FileNotFoundError:
            return 0

    def manifest(self, number: int | None = None) -> dict[str, Any]:
        """A manifest by number, the readers' one by default; empty before the first. It is shared: leave it as it is."""
        number = self.current_number() if number is None else number
        if number == 0:
            return {"number": 0, "tables": {}, "behind": {}, "late": {}, "waiting": {}, "closed": {}, "shape": ""}
        path = self.folder / f"manifest-{number}.json"
        # Of one number there may be another content: after a restore.
        return self.store.remember(("manifest", number * 10**20 + path.stat().st_mtime_ns), lambda: _read(path))

    def due(self, last_due_day: date, waiting: Mapping[date, str] | None = None) -> str | None:
        """A digest of what publishing now would show; None where that is what readers have, and it is recorded."""
        current = self.manifest()
        draft, _ = self.draft(current, last_due_day, waiting or {})
        is_recorded = not current["number"] or self._is_recorded(current["number"])
        if is_recorded and _substance(draft) == _substance(current):
            return None
        return digest(json.dumps(_substance(draft), sort_keys=True), str(is_recorded))

    def publish(self, last_due_day: date, now: datetime, waiting: Mapping[date, str] | None = None) -> Published:
        """Publish if there is anything new. Never goes back; a kill at any moment leaves the old or the new snapshot."""
        with self.lock():
            self._clear_leftovers()
            current = self.manifest()
            if current["number"]:
                self._record(current["number"], now)
            draft, choice = self.draft(current, last_due_day, waiting or {})
            if _substance(draft) == _substance(current):
                return self._result(current, is_new=False)
            number = current["number"] + 1
            manifest = draft | {"number": number, "published_at": now.astimezone(UTC).isoformat()}
            self._locate_files(manifest, current, choice)
            failpoint("publish.decided")
            write_atomically(self.folder / f"manifest-{number}.json", json.dumps(manifest, sort_keys=True).encode())
            failpoint("publish.manifest_written")
            target = self.folder / f"warehouse-{number}.duckdb"
            build(self.store, manifest, choice, target)
            failpoint("publish.file_written")
            self._swing_door(target)
            failpoint("publish.door_swung")
            self._record(number, now)
            return self._result(manifest, is_new=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One publisher or file remover at a time, across processes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _result(self, manifest: dict[str, Any], is_new: bool) -> Published:
        return Published(
            manifest["number"], is_new, manifest["behind"], manifest["late"], self.door if manifest["number"] else None
        )

    def draft(
        self, current: dict[str, Any], last_due_day: date, waiting: Mapping[date, str]
    ) -> tuple[dict[str, Any], Choice]:
        """The manifest that would follow `current`, without its number, time and files, and how it was chosen."""
        store = self.store
        derived = store.derived()
        closed_days.refresh(store)
        states = {contract.name: store.day_log(contract.name).states for contract in derived}
        # After the days: the ledger that readers get is at least as new as what the days were computed from.
        inputs = DayInputs(store, take_pins(store, last_due_day))
        closed = ClosedDays.of(store)
        reopened = Reopened(store, inputs, current)
        newest = {(c.name, day): inputs.of(c, day) for c in derived for day in reopened.of(c)}
        judged = None if reopened.everything else {(name.split(".")[0], day) for name, day in newest}
        choice = choose(derived, states, _entries(current), newest, closed, judged)
        stale = {
            (contract.question, day)
            for contract in derived
            for day in reopened.of(contract)
            if is_stale(contract, day, states[contract.name].get(day), newest[contract.name, day], reopened.begin)
            and not closed.why(contract, day)
        }
        held = {(name.split(".")[0], day) for name, day in choice.closed if day in choice.entries[name]}
        tables: dict[str, Any] = {
            name: {
                "kind": "derived",
                "days": {
                    day.isoformat(): {"version": e.version, "rows": e.rows, "content_version": e.content_version}
                    for day, e in sorted(days.items())
                },
            }
            for name, days in choice.entries.items()
        }
        for contract in store.contracts.values():
            if contract.kind in ("ledger", "event", "reference"):
                pinned = inputs.pinned(contract.name)
                content = (
                    reference_version(pinned) if contract.kind == "reference" else str(sum(f.rows for f in pinned.files()))
                )
                tables[contract.name] = {"kind": contract.kind, "version": pinned.version, "content": content}
        draft = {
            "tables": tables,
            "behind": {f"{question} {day}": reason for (question, day), reason in sorted(choice.behind.items())},
            "late": {f"{question} {day}": reason for (question, day), reason in sorted(choice.late.items())},
            "waiting": {day.isoformat(): reason for day, reason in sorted(waiting.items())},
            "closed": {
                f"{name} {day}": reason
                for (name, day), reason in sorted(choice.closed.items())
                if day in choice.entries[name]
            },
            "shape": _shape(store.contracts),
            PLACE: str(store.data),
            "seen": reopened.seen({*choice.behind, *choice.late, *stale, *held}),
        }
        return draft, choice

    def _locate_files(self, manifest: dict[str, Any], current: dict[str, Any], choice: Choice) -> None:
        """Name the live files: a derived day taken anew has the table's, one kept has those of the earlier manifest."""
        for name, table in manifest["tables"].items():
            if table["kind"] != "derived":
                files = self.store.at(name, table["version"]).files()
                table["files"] = [f.path for f in files]
                continue
            before = current["tables"].get(name, {}).get("days", {})
            live: dict[str, list[str]] = {}
            for file in self.store.day_log(name).table.files():
                live.setdefault(str(file.day), []).append(file.path)
            states = self.store.day_log(name).states
            for day, entry in table["days"].items():
                state = states.get(date.fromisoformat(day))
                is_live = state is not None and state.content_version == entry["content_version"]
                entry["files"] = live.get(day, []) if is_live else self._where_now(before[day]["files"], current)

    def _where_now(self, files: list[str], current: dict[str, Any]) -> list[str]:
        """Files that the earlier manifest names, after a move of the whole warehouse too."""
        earlier, now = f"{current.get(PLACE, self.store.data)}/", f"{self.store.data}/"
        return [now + file.removeprefix(earlier) if file.startswith(earlier) else file for file in files]

    def _clear_leftovers(self) -> None:
        """Remove what killed publishers were writing; under the lock nobody writes."""
        for folder, pattern in (
            (self.folder, ".warehouse-*"),
            (self.folder, ".manifest-*"),
            (self.door.parent, f".{DOOR}.*"),
        ):
            for leftover in folder.glob(pattern):
                leftover.unlink(missing_ok=True)

    def _swing_door(self, target: Path) -> None:
        aside = self.door.with_name(f".{DOOR}.{os.getpid()}.aside")
        aside.unlink(missing_ok=True)
        aside.symlink_to(Path(PUBLISHED) / target.name)
        failpoint("publish.door_ready")
        os.replace(aside, self.door)
        sync_path(self.door.parent)

    def _is_recorded(self, number: int) -> bool:
        return audit.is_recorded(self.store, "published", f"manifest {number}")

    def _record(self, number: int, now: datetime) -> None:
        content = (self.folder / f"manifest-{number}.json").read_text(encoding="utf-8")
        audit.append(self.store, "published", f"manifest {number}", {"manifest_digest": digest(content)}, now)
        failpoint("publish.recorded")


def _read(path: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return manifest


def _entries(manifest: dict[str, Any]) -> Entries:
    return {
        name: {
            date.fromisoformat(day): Entry(e["version"], e["rows"], {}, e["content_version"])
            for day, e in table["days"].items()
        }
        for name, table in manifest["tables"].items()
        if table["kind"] == "derived"
    }


def _shape(contracts: Mapping[str, Contract]) -> str:
    """What the published file looks like, rows apart: columns, meanings and the SQL of views."""
    return digest(
        *(
            f"{c.name} {c.row} {c.caveats} {c.columns} {code_digest(c) if c.kind == 'view' else ''}"
            for c in contracts.values()
        )
    )


def _substance(manifest: dict[str, Any]) -> dict[str, Any]:
    """What readers would notice of a manifest, and its place: not its number and time, nor the record of publishing."""
    tables = {}
    for name, table in manifest["tables"].items():
        if table["kind"] == "derived":
            tables[name] = {day: entry["version"] for day, entry in table["days"].items()}
        elif name != audit.AUDIT:
            tables[name] = table["content"]
    said = {key: manifest.get(key, {}) for key in ("behind", "late", "waiting", "closed")}
    return {"tables": tables, "shape": manifest["shape"], PLACE: manifest.get(PLACE)} | said
