"""What retrieval.index_releases says of the releases of one index, and how it is kept true to what is on disk.

Here belong the rows: which states there are now, which number is next, what a kill left unsaid. What is on disk is
resources/index_store.py's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from pipelines.retrieval.corpus import DOCUMENTS, DOCUMENTS_NOW
from resources.clock import Clock
from resources.events import append, table_rows
from resources.index_store import IndexStore
from resources.live_index import MANIFEST, RELEASES
from resources.store import Store
from resources.warehouse import define_inputs

RELEASES_TABLE, EVALUATIONS = "retrieval.index_releases", "retrieval.evaluations"
BUILT, GATED, LIVE, RETIRED, REJECTED = "built", "gated", "live", "retired", "rejected"
_ORDER = {state: place for place, state in enumerate((BUILT, GATED, LIVE, RETIRED, REJECTED))}
_SAID = (
    "embedder", "chunker", "corpus_version", "kind", "ntotal", "tombstones", "build_seconds", "parent", "what", "device",
)  # fmt: skip
"""What a row says in the manifest's own words."""
Row = dict[str, Any]


def index_names(store: Store) -> list[str]:
    """The indexes that documents belong to, and those that had a release: what else lies in the folder is nobody's."""
    now = store.contracts[DOCUMENTS_NOW].sql_path.read_text(encoding="utf-8")
    with store.connection() as con:
        define_inputs(con, {DOCUMENTS: store.scan_all(DOCUMENTS)})
        found = {name for (name,) in con.execute(f"select distinct index_name from ({now}) as n").fetchall()}
    return sorted(found | {row["index_name"] for row in table_rows(store, RELEASES_TABLE)})


class IndexLedger:
    """The releases of one index. `newest`: the newest row of each, by number; steps of one moment count in the order in
    which they are taken. Nobody else writes meanwhile: the desk works alone."""

    def __init__(self, store: Store, indexes: IndexStore, index: str, clock: Clock):
        self._store = store
        self._indexes = indexes
        self._index = index
        self._clock = clock
        rows = [row for row in table_rows(store, RELEASES_TABLE) if row["index_name"] == index]
        rows.sort(key=lambda row: (row["release"], row["recorded_at"], _ORDER[row["state"]]))
        self.newest: dict[int, Row] = {row["release"]: row for row in rows}

    def next_number(self) -> int:
        """A number that no release ever had."""
        return max([0, *self.newest, *self._indexes.numbers(self._index)]) + 1

    def record(self, number: int, state: str, reason: str | None = None) -> None:
        """A release of this disk takes a step."""
        self._append(self._described(number), state, reason)

    def measured(self, number: int, rows: Iterator[Row]) -> None:
        """What was found of a release tonight; what was measured already tonight stays."""
        night, now = self._clock.last_due_day(), self._clock.now()
        told = {"day": night, "recorded_at": now, "index_name": self._index, "release": number}
        found = [told | row for row in rows]
        append(self._store, EVALUATIONS, lambda _: found, days={night})

    def went_live(self, number: int, reason: str | None = None) -> None:
        """A release was published: the one before it retires."""
        self._append(self.newest[number] if number in self.newest else self._described(number), LIVE, reason)
        for other, row in list(self.newest.items()):
            if other != number and row["state"] == LIVE:
                self._append(row, RETIRED, f"{self._index}@{number} took its place")

    def mend(self) -> None:
        """Write what a killed pass, or a hand that moved the link, left unsaid: what is live on disk is live here, and
        alone; what never came to be is rejected. Raises IndexStoreError, IndexRefusedError."""
        live = self._indexes.live(self._index)
        said = self.newest[live]["state"] if live in self.newest else None
        if live is not None and said != LIVE:
            self.went_live(live, "the link was moved by hand" if said in (RETIRED, REJECTED) else None)
        for number, row in list(self.newest.items()):
            if number == live:
                continue
            if row["state"] in (BUILT, GATED):
                self._append(row, REJECTED, "it was cut short before it was published")
            elif row["state"] == LIVE:
                told = "the link leads to no release" if live is None else f"{self._index}@{live} is the one that is loaded"
                self._append(row, RETIRED, told)

    def before(self, live: int | None) -> list[int]:
        """The release that was live before, to be kept: what a rollback goes back to; of those on disk."""
        others = [self.newest[n] for n in self._indexes.numbers(self._index) if n != live and n in self.newest]
        retired = [row for row in others if row["state"] == RETIRED]
        return [max(retired, key=lambda row: (row["recorded_at"], row["release"]))["release"]] if retired else []

    def _append(self, row: Row, state: str, reason: str | None) -> None:
        step = {"day": self._clock.last_due_day(), "recorded_at": self._clock.now(), "state": state, "reason": reason}
        self.newest[row["release"]] = row | step
        append(self._store, RELEASES_TABLE, lambda _: [row | step])

    def _described(self, number: int) -> Row:
        said = self._indexes.manifest(self._index, number)
        content = (self._indexes.folder(self._index) / RELEASES / str(number) / MANIFEST).read_bytes()
        value, low, high = said["index_recall"] or (None, None, None)
        return {name: said[name] for name in _SAID} | {
            "index_name": self._index, "release": number,
            "operating_point": json.dumps(said["operating_point"], sort_keys=True),
            "bytes": sum(entry["bytes"] for entry in [*said["shards"], said["chunks"]]) + len(content),
            "digest": sha256(content).hexdigest(),
            "index_recall": value, "index_recall_low": low, "index_recall_high": high,
        }  # fmt: skip
