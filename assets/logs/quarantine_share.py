"""How much of what a source delivered could not be landed, and from where on that fails the night.

Here belongs the rule and its sentence. Few bad lines are every log's fate and wait in logs.quarantine; many mean that a
source changed its shape, and that figures of these days are too small.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

MIN_RECORDS = 20
"""Of fewer records a share says nothing."""


@dataclass(frozen=True)
class Delivery:
    """What arrived from a source on one UTC day, in files that count: records and refused lines, and how many of them are
    in quarantine, most of them for `reason`."""

    source: str
    day: date
    records: int
    quarantined: int
    reason: str | None

    @property
    def share(self) -> float:
        return self.quarantined / self.records if self.records else 0.0


def too_much(deliveries: Iterable[Delivery], limits: Mapping[str, float]) -> dict[str, int]:
    """Of each delivery with a larger share in quarantine than its source's limit, a sentence and the number of records."""
    return {
        _sentence(d, limits[d.source]): d.quarantined
        for d in deliveries
        if d.source in limits and d.records >= MIN_RECORDS and d.share > limits[d.source]
    }


def _sentence(d: Delivery, limit: float) -> str:
    return (
        f"{d.source}: {d.share:.1%} of the {d.records:,} records that arrived on {d.day} are in quarantine "
        f"(limit {limit:.1%}), most for {d.reason}. Look: select line_number, reason, column_name, expected, excerpt "
        f"from logs.quarantine where source = '{d.source}' and day = '{d.day}'. Try a file: make check-source FILE=... "
        f"SOURCE={d.source}. Then deliver it mended, or set quarantine_limit of the source in warehouse/seeds/sources.yml"
    )
