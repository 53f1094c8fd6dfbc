"""Closing days: what has been kept long enough goes, for good, unless a legal hold keeps it.

In this order, each step safe to repeat: the day of each table is recorded as closed, in the table's own commits; the audit
says so; the rows are removed from the tables; landed files leave the landing folder. The Parquet files themselves go with
the next vacuum, once no snapshot that readers may have open needs them (maintenance.py).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from resources import audit, closed_days
from resources.contracts import Contract
from resources.days import DayLog, day_commit
from resources.embedder import cache_folder, forget_all_but
from resources.failpoints import failpoint
from resources.landing import SIGHTING, Landing, sighted_at
from resources.landing_area import Candidate, FolderArea
from resources.publishing import Publisher
from resources.retention import Hold, RetentionError, RetentionPolicy
from resources.stage_writer import LANDED, TEXTS
from resources.staged_file import StagedFile, StageIncomplete
from resources.table_store import CommitConflict, arrow_schema, remove_files
from resources.warehouse import literal, scan

CLOSED, HELD, RELEASED, TOO_LATE, FILES_REMOVED = (
    "days_closed", "hold_began", "hold_ended", "hold_came_too_late", "landing_files_removed"
)  # fmt: skip
"""Actions in governance.audit."""
Say = Callable[[str], None]


@dataclass
class Retained:
    """What one retention did.

    `closed`: days closed now, by table. `held`: days that only a hold keeps, by its id. `gone`: what was removed before a
    hold that covers it was listed. `half_landed`: files whose landing was cut short; their days wait until it is finished.
    """

    closed: dict[str, list[date]] = field(default_factory=dict)
    removed_days: int = 0
    removed_rows: int = 0
    landing_files: int = 0
    held: dict[str, list[date]] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)
    half_landed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class LandedLongAgo:
    """A file of the landing folder that may go: the days on which it has rows, and whether it has unreadable records."""

    days: frozenset[date]
    is_unclear: bool


class Retention:
    """Retention of one warehouse. `own_landing` is the landing folder where it is this project's: its files go as well."""

    def __init__(
        self,
        publisher: Publisher,
        landing: Landing,
        policy: RetentionPolicy,
        holds: Iterable[Hold],
        own_landing: Path | None = None,
    ):
        self.publisher = publisher
        self.store = publisher.store
        self.landing = landing
        self.policy = policy
        self.holds = list(holds)
        self.own_landing = own_landing

    def run(self, now: datetime, say: Say = lambda text: None) -> Retained:
        """Close and remove what is due to go. Twice equals once; a kill anywhere is repaired by the next run.

        No file lands and nothing is published meanwhile. Raises RetentionError for a hold whose id was used before.
        """
        today = now.date()
        done = Retained()
        with self.store.ledger_lock(), self.publisher.lock():
            closed_days.refresh(self.store)
            holds = [hold for hold in self.holds if hold.until >= today]
            done.gone = self._record_holds(holds, now)
            unfinished = self._clear_stages(today, done)
            expired = self._expired(today)
            files = self._expired_files(today)
            asked = {day for days in expired.values() for day in days}.union(*(file.days for file in files.values()))
            held = {hold.id: self._held_by(hold, {d for d in asked if hold.spans(d)}, now) for hold in holds}
            kept = unfinished.union(*held.values())
            self._close({name: [d for d in days if d not in kept] for name, days in expired.items()}, done, say)
            self._record_closed(now)
            failpoint("retain.recorded")
            self._remove_rows(done, say)
            self._forget_vectors()
            # Of a record that cannot be read nobody knows whose it is: as long as there is a hold, it stays.
            free = [c for c, file in files.items() if not file.days & kept and not (holds and file.is_unclear)]
            self._remove_files(free, now, done)
            done.held = {id_: sorted(days) for id_, days in held.items() if days}
        return done

    def _expired(self, today: date) -> dict[str, list[date]]:
        """The days of each table that were kept long enough and are not closed yet, what others read last."""
        found: dict[str, list[date]] = {}
        for contract in reversed(self.store.by_day()):
            last = self.policy.last_expired(contract.retention, today)
            log = self.store.day_log(contract.name)
            days = {f.day for f in log.table.files() if f.day} | set(log.states)
            if last and (due := sorted(d for d in days if d <= last and d not in log.closed)):
                found[contract.name] = due
        return found

    def _close(self, expired: Mapping[str, list[date]], done: Retained, say: Say) -> None:
        for name, days in expired.items():
            contract, log = self.store.contracts[name], self.store.day_log(name)
            for day in days:
                _commit(log, day, "closed", self.policy.reason(contract.retention))
                failpoint("retain.closed")
            if days:
                done.closed[name] = days
                say(f"{name}: {_span(days)} closed ({self.policy.reason(contract.retention)})")

    def _record_closed(self, now: datetime) -> None:
        """Each closed day of each class in the audit, those of an earlier run that was cut short as well."""
        tables: dict[tuple[date, str], list[str]] = {}
        for contract in self.store.by_day():
            for day in self.store.day_log(contract.name).closed:
                tables.setdefault((day, contract.retention), []).append(contract.name)
        subjects = {f"{class_} of {day.isoformat()}": {"tables": names} for (day, class_), names in sorted(tables.items())}
        audit.append_all(self.store, CLOSED, subjects, now)

    def _remove_rows(self, done: Retained, say: Say) -> None:
        for contract in reversed(self.store.by_day()):
            log = self.store.day_log(contract.name)
            rows: dict[date, int] = {}
            for file in log.table.files():
                if file.day in log.closed:
                    rows[file.day] = rows.get(file.day, 0) + file.rows
            for day in sorted(rows):
                _commit(log, day, "removed", log.closed[day])
                failpoint("retain.removed")
            if rows:
                done.removed_days += len(rows)
                done.removed_rows += sum(rows.values())
                say(f"{contract.name}: {sum(rows.values()):,} rows of {_span(sorted(rows))} removed")
            self._remove_rejected(contract, log)

    def _forget_vectors(self) -> None:
        """Vectors of words that are stored no more, whatever took them away, leave the embedder's cache."""
        cache = cache_folder(self.store.state)
        if not cache.is_dir():
            return
        embedded = {name for c in self.store.contracts.values() if c.embeds for name in c.reads}
        selects = [
            f"select {column.name} from ({self.store.scan_all(name)})"
            for name in sorted(embedded)
            for column in self.store.contracts[name].columns
            if column.class_ == "text"
        ]
        forget_all_but(cache, (text for select in selects for (text,) in self.store.rows(select)))

    def _remove_rejected(self, contract: Contract, log: DayLog) -> None:
        """Rows that a blocking check held back lie in staging; they are as old as their day."""
        folder = self.store.staging / "rejected" / contract.question / contract.table
        remove_files(folder / f"{day.isoformat()}.parquet" for day in log.closed)

    def _clear_stages(self, today: date, done: Retained) -> set[date]:
        """Remove the rows of stages that can be made again; the days of those whose rows are in the ledger already."""
        unfinished: set[date] = set()
        last = self.policy.last_expired("rows", today)
        if not self.landing.stages.is_dir():
            return unfinished
        for folder in sorted(self.landing.stages.iterdir()):
            try:
                stage = StagedFile.load(folder)
            except StageIncomplete:
                stage = None
            if stage is not None and self.landing.is_begun(stage):
                done.half_landed.append(stage.path)
                unfinished |= {date.fromisoformat(day) for day in stage.landed_by_day}
                unfinished.add(datetime.fromisoformat(stage.arrived_at).date())
                continue
            # What says when the file was first seen stays, unless its quarantine would be filed under a closed day.
            is_sighted = (folder / SIGHTING).exists()
            if not is_sighted or (last and sighted_at(folder).date() <= last):
                shutil.rmtree(folder)
            else:
                remove_files(path for path in folder.iterdir() if path.name != SIGHTING)
        failpoint("retain.stages_cleared")
        return unfinished

    def _expired_files(self, today: date) -> dict[Candidate, LandedLongAgo]:
        """Files of the project's own landing folder that arrived long ago and have their row in logs.files."""
        last = self.policy.last_expired_file(today)
        if self.own_landing is None or last is None:
            return {}
        told: dict[tuple[str, int, int], list[dict[str, Any]]] = {}
        for state in self.landing.states():
            told.setdefault((state["path"], state["size_bytes"], state["modified_ns"]), []).append(state)
        # A folder that is a link leads to files that are somebody else's.
        own = [n for n, s in self.landing.sources.items() if not s.url and not (self.own_landing / n).is_symlink()]
        found = {}
        for file in FolderArea(self.own_landing).candidates(own):
            states = told.get(file.fate, [])
            if states and max(state["arrived_at"].date() for state in states) <= last:
                days = (json.loads(state["landed_by_day"] or "{}") for state in states)
                found[file] = LandedLongAgo(
                    frozenset(date.fromisoformat(day) for by_day in days for day in by_day),
                    any(s["state"] == "refused" or s["lines_refused"] or s["records_quarantined"] for s in states),
                )
        return found

    def _remove_files(self, files: list[Candidate], now: datetime, done: Retained) -> None:
        if not files or self.own_landing is None:
            return
        subject = f"arrived until {self.policy.last_expired_file(now.date())}"
        audit.append(self.store, FILES_REMOVED, subject, {"files": len(files)}, now)
        failpoint("retain.files_recorded")
        area = FolderArea(self.own_landing)
        for file in files:
            # Another one may have come in its place.
            if area.look(file.path) == file:
                with area.local(file, self.store.staging) as path:
                    done.landing_files += remove_files([path])
        failpoint("retain.files_removed")

    def _held_by(self, hold: Hold, days: set[date], now: datetime) -> set[date]:
        """Those of some days that a hold keeps."""
        if not hold.names_somebody or not days:
            return days
        keyring = self.landing.keyring(now) if hold.tenant else None
        wanted = hold.values(lambda name: keyring.tokens("tenant", name) if keyring else [])
        test = " or ".join(f"{column} in ({', '.join(map(literal, v))})" for column, v in wanted.items())
        found: set[date] = set()
        for name in (LANDED, TEXTS):
            files = [f.path for f in self.store.day_log(name).table.files() if f.day in days]
            rows = scan(self.store.contracts[name], files)
            found |= {row[0] for row in self.store.rows(f"select distinct day from ({rows}) where {test}")}
        return found

    def _record_holds(self, holds: Iterable[Hold], now: datetime) -> dict[str, str]:
        """Holds that began and ended, in the audit; what each of them came too late for.

        A hold brings nothing back: what was removed before it was listed is told.
        """
        acts = {(e["action"], e["subject"]): e["recorded_at"] for e in audit.entries(self.store)}
        began, ended = ({s for action, s in acts if action == wanted} for wanted in (HELD, RELEASED))
        listed = {hold.id: hold for hold in holds}
        # One whose end was recorded after its last day is no other hold: the clock has stepped back, and it holds again.
        if again := sorted(id_ for id_ in set(listed) & ended if acts[RELEASED, id_].date() <= listed[id_].until):
            raise RetentionError(f"the holds {', '.join(again)} have ended before; give a new hold an id of its own")
        late = {id_: gone for id_, hold in listed.items() if id_ not in began and (gone := self._gone_in(hold))}
        audit.append_all(self.store, TOO_LATE, {id_: {"gone": gone} for id_, gone in late.items()}, now)
        audit.append_all(self.store, HELD, {id_: {"since": h.since.isoformat()} for id_, h in listed.items()}, now)
        audit.append_all(self.store, RELEASED, {id_: {} for id_ in sorted(began - ended - set(listed))}, now)
        told = (e for e in audit.entries(self.store) if e["action"] == TOO_LATE and e["subject"] in listed)
        return {e["subject"]: json.loads(e["details"])["gone"] for e in told}

    def _gone_in(self, hold: Hold) -> str:
        closed: dict[str, set[date]] = {}
        for contract in self.store.by_day():
            days = {d for d in self.store.day_log(contract.name).closed if hold.spans(d)}
            closed.setdefault(contract.retention, set()).update(days)
        return ", ".join(f"{class_} of {_span(sorted(days))}" for class_, days in sorted(closed.items()) if days)


def _commit(log: DayLog, day: date, outcome: str, reason: str) -> None:
    """Commit a day as closed, or its rows as removed, whoever else writes the table."""
    while True:
        state = log.state(day)
        sequence = state.sequence + 1 if state else 1
        metadata = day_commit(day, sequence, outcome, {}, {}, reason=reason)
        try:
            if outcome == "closed":
                log.table.record_day(day, sequence, metadata)
            else:
                nothing = arrow_schema(log.table.contract).empty_table().to_reader()
                log.table.replace_day(day, nothing, sequence, metadata)
        except CommitConflict:
            log.refresh()
            continue
        log.refresh()
        return


def _span(days: list[date]) -> str:
    return f"{days[0]}" if len(days) == 1 else f"{len(days)} days from {days[0]} to {days[-1]}"
