"""A house whose words are kept and whose answers people judge. As a program: one pass of its desk, in its own process."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from house import request, selected
from retention_house import RetentionHouse

from pipelines.clock import WallClock
from pipelines.quality.label_desk import DRAWS, FRAME, QUEUE, LabelDesk
from pipelines.quality.label_export import LabelExport
from pipelines.quality.label_inbox import IMPORTS, LABELS, QUARANTINE, Imported, LabelInbox
from resources.contracts import SEEDS
from resources.events import Row, table_rows
from resources.keyring import KEY_BYTES, KEY_FILE, Keyring, write_ring
from resources.labelling_seed import LABELLING_FILE

TABLES = (
    "logs.requests", "logs.feedback", "logs.retrievals", "logs.tool_calls", "service.safety_events", "quality.agreement",
    "quality.annotator_errors",
)  # fmt: skip
DAY = date(2026, 11, 9)


def settle_the_draw(state: Path, number: int = 1) -> None:
    """Give a new house a key that is known: the draw follows it, and one draw in twenty misses what it estimates."""
    Keyring.open(state / "keys")
    write_ring(state / "keys" / KEY_FILE, [("d1ce0001", bytes([number]) * KEY_BYTES)])


class LabelHouse(RetentionHouse):
    """At 03:00 UTC of 2026-11-10; `declare` changes what labelling.yml says, 20 labels a night otherwise. `more`: tables
    that it has besides."""

    def __init__(self, root: Path, now: str = "2026-11-10T03:00:00", more: tuple[str, ...] = ()):
        contracts = {name: c for name, c in selected(*TABLES, *more).items() if name != "quality.scores"}
        super().__init__(root, contracts, now)
        self.seeds = root / "seeds"
        if not self.seeds.exists():
            self.declare()
            settle_the_draw(self.store.state)

    def declare(self, **changes: Any) -> None:
        """Write labelling.yml: the shipped one with 20 labels a night, and these changes."""
        raw = yaml.safe_load((SEEDS / LABELLING_FILE).read_text(encoding="utf-8"))
        self.seeds.mkdir(parents=True, exist_ok=True)
        told = yaml.safe_dump({**raw, "labels_per_night": 20, **changes}, sort_keys=False)
        (self.seeds / LABELLING_FILE).write_text(told, encoding="utf-8")
        shutil.copy(SEEDS / "retention.yml", self.seeds)

    @property
    def clock(self) -> WallClock:
        return WallClock(fixed_now=self.now.isoformat(), settle_seconds=0.0)

    def desk(self) -> LabelDesk:
        return LabelDesk(self.store, self.seeds, self.clock)

    def take(self, name: str, records: list[dict[str, Any]]) -> None:
        """Deliver, land and compute."""
        self.deliver(name, records)
        self.land()
        self.compute()

    def frame(self, day: date = DAY) -> list[Row]:
        return table_rows(self.store, FRAME, {day})

    def queue(self, day: date = DAY) -> list[Row]:
        """In the order in which people are asked."""
        rows = table_rows(self.store, QUEUE, {day})
        return sorted(rows, key=lambda row: (row["draw"] or 99, row["place"]))

    def draws(self, day: date = DAY) -> list[Row]:
        return table_rows(self.store, DRAWS, {day})

    def export(self) -> LabelExport:
        return LabelExport(self.store, self.seeds, self.clock)

    def inbox(self) -> LabelInbox:
        return LabelInbox(self.store, self.seeds, self.clock)

    def drop(self, name: str, content: str | bytes | list[Any]) -> Path:
        """Put a file into the inbox: as it stands, or a list as JSON lines, CSV or JSON by the name's ending."""
        if isinstance(content, list):
            if name.endswith(".csv"):
                columns = list(dict.fromkeys(key for row in content for key in row))
                out = io.StringIO()
                writer = csv.DictWriter(out, columns)
                writer.writeheader()
                writer.writerows(content)
                content = out.getvalue()
            else:
                content = json.dumps(content) if name.endswith(".json") else "".join(json.dumps(r) + "\n" for r in content)
        path = self.inbox().folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def read_labels(self) -> list[Imported]:
        return self.inbox().work()

    def labels(self) -> list[Row]:
        order = ("request_id", "annotator", "labelled_at")
        return sorted(table_rows(self.store, LABELS), key=lambda row: [row[name] for name in order])

    def imports(self) -> list[Row]:
        return table_rows(self.store, IMPORTS)

    def refused(self) -> list[tuple[int, str]]:
        """(line, reason) of what could not be taken."""
        return sorted((row["line_number"], row["reason"]) for row in table_rows(self.store, QUARANTINE))

    def reasons(self) -> Mapping[str, int]:
        return Counter(row["reason"] for row in self.queue())


def answered(name: str, hour: int = 10, day: str = "2026-11-09", **more: Any) -> dict[str, Any]:
    """A request with a question and an answer."""
    words = {"prompt_text": f"question of {name}", "output_text": f"answer to {name}"}
    return request(name, f"{day}T{hour:02}:00:00Z", **{**words, **more})


def traffic(count: int, prefix: str = "r", **more: Any) -> list[dict[str, Any]]:
    """So many answered requests of three features."""
    features = ("chat", "search", "mail")
    return [answered(f"{prefix}{n:03}", feature=features[n % 3], user_id=f"user-{n}", **more) for n in range(count)]


def label(request_id: str, annotator: str = "ana", at: str = "2026-11-10T02:00:00Z", **said: Any) -> dict[str, Any]:
    """A line of a label file: hallucinated, unless it says otherwise."""
    return {"request_id": request_id, "annotator": annotator, "labelled_at": at, **({"hallucinated": "yes"} | said)}


if __name__ == "__main__":
    house = LabelHouse(Path(sys.argv[1]))
    acts = {"draw": house.desk().work, "import": house.read_labels, "export": house.export().work}
    print(acts[sys.argv[2]]())
