"""A house whose rows expire: its words are kept, and it closes days as the `retain` job does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from core import core_contracts
from house import CALENDAR_START, SOURCES, House, request

from resources.capture import CapturePolicy, Rule
from resources.closing import Retained, Retention
from resources.contracts import Contract
from resources.landing import Landing, LandingReport
from resources.maintenance import RETENTION_HOURS, vacuum
from resources.retention import Hold, RetentionPolicy

KEPT = RetentionPolicy({"text": 3, "rows": 10, "aggregates": None}, landing_files=5)
"""Days of each class in these tests."""
WORDS = CapturePolicy(rules=(Rule("full"),))


class RetentionHouse(House):
    """A house of the core tables that keeps words and owns its landing folder, at 03:00 UTC of 2026-11-10."""

    def __init__(
        self, root: Path, contracts: Mapping[str, Contract] | None = None, now: str = "2026-11-10T03:00:00"
    ) -> None:
        super().__init__(root, now, contracts or core_contracts())
        self.store.threads = 1

    def area(self) -> Landing:
        return Landing(self.store, self.landing, SOURCES, CALENDAR_START, WORDS)

    def land(self) -> LandingReport:
        return self.area().land(self.now, lambda path: True)

    def retain(self, holds: Iterable[Hold] = (), policy: RetentionPolicy = KEPT) -> Retained:
        return Retention(self.publisher, self.area(), policy, holds, self.landing).run(self.now)

    def vacuum(self, hours: int = RETENTION_HOURS) -> None:
        vacuum(self.publisher, self.now + timedelta(minutes=1), hours)

    def pass_days(self, days: int) -> None:
        self.now += timedelta(days=days)

    def count(self, table: str, day: str) -> int:
        """Rows of a day that readers see, as `11-03` of 2026."""
        return int(self.ask(f"select count(*) from {table} where day = date '2026-{day}'")[0][0])

    def stored(self, table: str) -> list[str]:
        """The days on which a table has rows, whatever readers see, as `11-03`."""
        return sorted({f"{f.day:%m-%d}" for f in self.store.open(table).files() if f.day})

    def state(self, table: str, day: str) -> tuple[str, str | None]:
        """What governance.freshness says of a day of a table."""
        question, stem = table.split(".")
        where = f"question = '{question}' and table_name = '{stem}' and day = date '2026-{day}'"
        ((state, reason),) = self.ask(f"select state, reason from governance.freshness where {where}")
        return state, reason


def said(request_id: str, day: str, **more: Any) -> dict[str, Any]:
    """A request at 10:00 of a day of 2026 that holds words."""
    words = {"prompt_text": f"the words of {request_id}", "tenant": "acme-corp", "user_id": f"user-{request_id}"}
    return request(request_id, f"2026-{day}T10:00:00Z", **words, **more)


HOLD = Hold("matter-1", "dispute", date(2026, 11, 9), request=("r2",))


def retained_night(house: RetentionHouse) -> dict[str, Any]:
    """What `maintain` and the night after it do, with a hold on one request and no grace for files."""
    done = house.retain([HOLD])
    house.night()
    house.vacuum(hours=0)
    return {"rows": done.removed_rows, "files": done.landing_files, "held": len(done.held)}
