"""What a process of its own does: a part of a night in a folder prepared with `crash_house`, to be killed or raced.

    FOLDER night|write|maintain|retain|rotate|read [--now T] [--days FIRST LAST] [--passes FILE]

`night`: prices, landing, computing, publishing. `write`: computes and publishes a range of days under pins of its
own. `retain`: closes days as tests/retention_house.py says, then a night and a vacuum. `rotate`: a new key. `read`: asks the
published file until FOLDER/stop is there. tests/killing.py starts it: it says that it is ready, begins when it is told to,
and says at its end what it did. Importing this file opens nothing: the processes are forked after it.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from crash_house import NOW, crash_house, priced_anew
from house import House
from retention_house import RetentionHouse, retained_night
from snapshot_laws import broken_laws

from resources import maintenance
from resources.key_record import rotate_key
from resources.warehouse import open_published


def night(house: House) -> dict[str, Any]:
    """A whole night; what became of each day."""
    priced_anew(house)
    done = house.night()
    return {"days": [[table, str(day), o.outcome, o.rows] for (table, day), o in done.items()]}


def write(house: House, first: date, last: date) -> dict[str, Any]:
    """Computes and publishes some days, whatever others do, until the planner has nothing left for them."""
    outcomes: Counter[str] = Counter()
    for _ in range(20):
        plan = house.plan()
        mine = [replace(r, first=max(first, r.first), last=min(last, r.last)) for r in plan.ranges]
        mine = [r for r in mine if r.first <= r.last]
        if not mine:
            break
        outcomes.update(o.outcome for o in house.compute(replace(plan, ranges=mine)).values())
        house.publish()
    house.publish()
    return {"outcomes": outcomes}


def maintain(house: House) -> dict[str, Any]:
    """Compacts and removes all that nobody needs, without any grace."""
    maintenance.MANY_FILES = 1
    compacted = maintenance.compact_ledgers(house.store)
    removed = maintenance.vacuum(house.publisher, house.now, retention_hours=0)
    return {"compacted": compacted, "removed": removed.table_files}


def read(house: House) -> dict[str, Any]:
    """Opens the published file again and again; counts openings, the snapshots seen, and what was wrong in them."""
    openings, numbers, wrong = 0, set(), []
    while True:
        is_last = (house.root / "stop").exists()
        con = open_published(house.publisher.door)
        try:
            openings += 1
            numbers.add(con.execute("select count(*) from governance.audit where action = 'published'").fetchall()[0][0])
            wrong += broken_laws(con)
        finally:
            con.close()
        if is_last:
            return {"openings": openings, "snapshots": len(numbers), "wrong": wrong[:5]}
        time.sleep(0.02)  # An analyst thinks; and the writers need the processors.


def note_passes(target: Path) -> None:
    """Writes down the name of each failpoint that this process passes."""

    def noted(name: str) -> None:
        with target.open("a", encoding="utf-8") as file:
            file.write(f"{name}\n")

    for name, module in list(sys.modules.items()):
        if name.startswith("resources.") and hasattr(module, "failpoint"):
            vars(module)["failpoint"] = noted


def serve(told: Connection, command: list[str], failpoint: str | None) -> None:
    """What the process does: one command, to be killed at a failpoint. An error is told as a traceback."""
    os.environ.pop("NOCTURNE_FAILPOINT", None)
    if failpoint:
        os.environ["NOCTURNE_FAILPOINT"] = failpoint
    try:
        part = prepared_part(command)
        told.send(("ready", ""))
        told.recv()
        told.send(("done", part()))
    except Exception:
        told.send(("failed", traceback.format_exc()))


def prepared_part(command: list[str]) -> Callable[[], dict[str, Any]]:
    """What a command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("part", choices=["night", "write", "maintain", "retain", "rotate", "read"])
    parser.add_argument("--now", default=NOW)
    parser.add_argument("--days", nargs=2, type=date.fromisoformat, default=(date.min, date.max))
    parser.add_argument("--passes", type=Path)
    options = parser.parse_args(command)
    house = crash_house(options.folder, options.now)
    if options.passes:
        note_passes(options.passes)
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "night": lambda: night(house),
        "write": lambda: write(house, *options.days),
        "maintain": lambda: maintain(house),
        "retain": lambda: retained_night(RetentionHouse(options.folder, now=options.now)),
        "rotate": lambda: {"key_id": rotate_key(house.store, house.now).key_id},
        "read": lambda: read(house),
    }
    return parts[options.part]
