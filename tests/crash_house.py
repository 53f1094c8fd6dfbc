"""A small warehouse with all that a night can meet: the scene of the crash and concurrency tests."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from core import core_contracts
from house import House, price, request

from resources import audit
from resources.warehouse import open_published

BEFORE, NOW = "2026-11-09T03:00:00", "2026-11-10T03:00:00"
"""The night that was published already, and the one that is disturbed."""
VOLATILE = {
    "governance.freshness": ("computed_at", "checked_at"),
    "logs.restatements": ("restated_at",),
    "governance.audit": ("recorded_at", "details", "prev_digest", "digest"),
}
"""Columns that tell when, not what."""


def crash_house(root: Path, now: str = NOW) -> House:
    """The house of these tests over a folder; one thread each, because several processes share the machine."""
    house = House(root, now, core_contracts())
    house.store.threads = 1
    return house


def priced_anew(house: House) -> None:
    """The price book with a correction of one day."""
    day = {"since": "2026-11-07", "until": "2026-11-08"}
    house.set_prices(
        [price("large", 2.0, until="2026-11-07"), price("large", 3.0, **day), price("large", 2.0, since="2026-11-08")]
    )


def prepare(root: Path) -> Path:
    """A folder whose first night is computed but not published, with the second night's files in the landing folder."""
    house = crash_house(root, BEFORE)
    house.set_prices([price("large", 2.0)])
    first = [_request(f"a{n}", "11-07", n) for n in range(3)]
    house.deliver("first.jsonl", first)
    house.deliver("grows.jsonl", [_request(f"c{n}", "11-07", n) for n in range(2)])
    house.deliver("emptied.jsonl", [_request("gone", "11-06", 1), _request("kept", "11-07", 9)], "replacing")
    house.deliver("quiet.jsonl", [_request(f"d{n}", "11-08", n) for n in range(2)])
    house.land()
    while (plan := house.plan()).ranges:
        house.compute(plan)
    house.deliver("again.jsonl", [*first[:2], _request("late", "11-07", 7)])
    house.deliver("copy.jsonl", [_request(f"d{n}", "11-08", n) for n in range(2)])
    house.deliver("grows.jsonl", [_request(f"c{n}", "11-07", n) for n in range(3)])
    house.deliver("emptied.jsonl", [_request("kept", "11-07", 9)], "replacing")
    bad_lines = ["{not json", '{"request_id": "untimed"}']
    house.deliver("new.jsonl", [*(_request(f"e{n}", "11-09", n) for n in range(2)), *bad_lines])
    house.deliver("unreadable.jsonl.gz", ["this is no gzip"])
    return root


def published_copy(prepared: Path, target: Path) -> House:
    """A copy of a prepared folder with its first night published; snapshots name absolute paths, so not before."""
    shutil.copytree(prepared, target)
    crash_house(target, BEFORE).publish()
    return crash_house(target)


def state_of(house: House) -> dict[str, Any]:
    """All that a night leaves behind, but for the times at which it did so."""
    chain = audit.entries(house.store)
    return {
        "rows": {name: value for name, value in house.fingerprints().items() if name != audit.AUDIT},
        "audit": [(e["seq"], e["action"], e["subject"]) for e in chain],
        "broken_link": audit.broken_link(chain),
        "published": seen_by_readers(house),
        "manifest": house.publisher.current_number(),
    }


def seen_by_readers(house: House) -> dict[str, list[str]]:
    """Every row of every published table, as sorted text."""
    con = open_published(house.publisher.door)
    try:
        return {name: _rows(con, name) for name in house.store.contracts}
    finally:
        con.close()


def leftovers(house: House) -> list[str]:
    """What killed processes leave lying about and a night has to clear."""
    folders = (house.publisher.folder, house.store.data, house.store.staging / "landing")
    names = [path.name for folder in folders if folder.is_dir() for path in folder.iterdir()]
    return sorted(n for n in names if n.endswith(".aside") or n.startswith((".manifest", ".warehouse")) or len(n) == 32)


def _rows(con: Any, name: str) -> list[str]:
    shown = [row[0] for row in con.execute(f"describe {name}").fetchall() if row[0] not in VOLATILE.get(name, ())]
    rows = con.execute(f"select {', '.join(shown)} from {name}").fetchall()
    return sorted(str(tuple(map(_to_ten_digits, row))) for row in rows)


def _to_ten_digits(value: Any) -> Any:
    """As fingerprints have it: sums of doubles differ in their last digits from run to run."""
    return float(f"{value:.10g}") if isinstance(value, float) else value


def _request(request_id: str, day: str, hour: int) -> dict[str, Any]:
    return request(request_id, f"2026-{day}T{hour:02}:00:00Z", tenant="acme-corp", user_id=f"user-{request_id}")
