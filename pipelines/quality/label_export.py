"""The queue as files below $NOCTURNE_HOME/labelling/queue: one folder a draw, written once, for its owner alone.

Words are read from logs.texts when a folder is written, and leave with them: a folder of a day whose words retention has
removed is removed, too, and what the labelling page keeps about it. How a task is spelled is assets/quality/label_export.py.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assets.quality.label_export import Asked, Task, argilla, json_lines, label_studio, label_studio_config, spreadsheet
from pipelines.quality.label_desk import QUEUE, TEXTS
from pipelines.response_words import response_words
from resources.clock import Clock
from resources.durable import sync_path, write_atomically
from resources.events import closed_days_of, table_rows
from resources.failpoints import failpoint
from resources.labelling_seed import LABELLING_FILE, load_labelling
from resources.retention import RETENTION_FILE, load_policy
from resources.store import Store
from resources.warehouse_resource import WarehouseResource

Row = dict[str, Any]
CONFIG = "label_studio_config.xml"


@dataclass
class Exported:
    """What a pass wrote. `gone`: asked about, but its words are not kept any more; `forbidden`: its data-use flag has
    changed since it was drawn."""

    tasks: Counter[str] = field(default_factory=Counter)
    gone: int = 0
    forbidden: int = 0
    removed: int = 0

    def __str__(self) -> str:
        parts = [f"{sum(self.tasks.values())} responses exported to {len(self.tasks)} folders"]
        parts += [f"{self.gone} without their words, which are not kept any more"] if self.gone else []
        parts += [f"{self.forbidden} that may not be labelled any more"] if self.forbidden else []
        parts += [f"{self.removed} old folders and files removed"] if self.removed else []
        return ", ".join(parts)


class LabelExport:
    """The exported queue of one warehouse."""

    def __init__(self, store: Store, seeds: Path, clock: Clock):
        self.store = store
        self.seeds = seeds
        self.clock = clock
        self.folder = store.state / "labelling" / "queue"
        self.desk = store.state / "labelling" / "desk"
        self.imported = store.state / "labelling" / "imported"

    @classmethod
    def of(cls, warehouse: WarehouseResource, clock: Clock) -> LabelExport:
        """The export of a warehouse."""
        return cls(warehouse.store(), warehouse.seeds, clock)

    def batches(self) -> dict[str, list[Row]]:
        """The queue by the name of its folder: a draw of a day, or the day's targeted ones of a night, in their order."""
        closed, found = closed_days_of(self.store, TEXTS), dict[str, list[Row]]()
        rows = [row for row in table_rows(self.store, QUEUE) if row["day"] not in closed]
        for row in sorted(rows, key=lambda row: (row["day"], row["place"], row["request_id"])):
            name = f"draw-{row['draw']}" if row["draw"] else f"targeted-{row['drawn_at'].date()}"
            found.setdefault(f"{row['day']}-{name}", []).append(row)
        return found

    def pending(self) -> list[str]:
        """Folders that are not written yet."""
        return [name for name in self.batches() if not (self.folder / name).exists()]

    def work(self) -> Exported:
        """Write the folders that are missing, and remove what is too old. Twice is once. Raises LabellingSeedError."""
        seed, done = load_labelling(self.seeds / LABELLING_FILE), Exported()
        asked = Asked(seed.verdicts, seed.severities, seed.root_causes)
        done.removed = self._remove_old()
        batches = self.batches()
        for name in self.pending():
            tasks = self._tasks(batches[name], done)
            second = {row["request_id"] for row in batches[name] if row["needs_second_label"]}
            self._write(name, {"first": tasks, "second": [t for t in tasks if t.request_id in second]}, asked)
            done.tasks[name] = len(tasks)
        return done

    def _tasks(self, rows: list[Row], done: Exported) -> list[Task]:
        words = response_words(self.store, rows[0]["day"], [row["request_id"] for row in rows])
        tasks = []
        for row in rows:
            found = words.get(row["request_id"])
            if found is not None and not found["may_label"]:
                done.forbidden += 1
            elif found is None or "output" not in found["texts"]:
                done.gone += 1
            else:
                tasks.append(_task(row, found))
        return tasks

    def _write(self, name: str, copies: dict[str, list[Task]], asked: Asked) -> None:
        """A folder that is there whole or not at all."""
        for folder in (self.folder.parent, self.folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = self.folder / f".{name}"
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(mode=0o700)
        for copy, tasks in copies.items():
            for ending, spell in _FORMATS.items():
                write_atomically(beside / f"{copy}{ending}", spell(tasks), mode=0o600)
        write_atomically(beside / CONFIG, label_studio_config(asked), mode=0o600)
        failpoint("label.exported")
        os.replace(beside, self.folder / name)
        sync_path(self.folder)

    def _remove_old(self) -> int:
        """Folders of days whose words are gone, and label files that were read as long ago as words are kept."""
        closed = {str(day) for day in closed_days_of(self.store, TEXTS)}
        # The queue's first: a page that is open writes nothing about a draw that is not in the queue.
        there = [*_entries(self.folder), *_entries(self.desk)]
        old = [path for path in there if path.name.lstrip(".")[:10] in closed]
        for path in old:
            shutil.rmtree(path)
        policy = load_policy(self.seeds / RETENTION_FILE.name, self.store.contracts)
        last = policy.last_expired("text", self.clock.now().date())
        read = [path for path in _entries(self.imported) if last is not None and path.name[:10] <= str(last)]
        for path in read:
            path.unlink()
        return len(old) + len(read)


_FORMATS = {
    ".jsonl": json_lines, ".csv": spreadsheet, ".label_studio.json": label_studio, ".argilla.json": argilla,
}  # fmt: skip


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []


def _task(row: Row, found: Row) -> Task:
    texts = found["texts"]
    given = {name: "\n".join(texts[name]) if name in texts else None for name in ("system", "history", "prompt")}
    context = [*texts.get("document", []), *texts.get("result", [])]
    return Task(row["day"], row["request_id"], found["feature"], **given, context=context, answer="\n".join(texts["output"]))
