"""Legal holds of incidents: the days of an incident's evidence stay, whatever their class says.

Made of service.incidents when retention runs, beside those of seeds/legal_holds.yml, and kept like them (closing.py).
"""

from __future__ import annotations

from datetime import date, timedelta
from itertools import groupby

from resources.events import Row, table_rows
from resources.retention import Hold
from resources.store import Store

KEPT_AFTER_RESOLUTION = timedelta(days=30)
"""A postmortem is written in this time."""


def incident_holds(store: Store) -> list[Hold]:
    """One hold an incident, until a while after it is resolved, and another one for as long as it is reportable.

    None of an incident that names no evidence, or whose evidence was released by hand.
    """
    rows = sorted(table_rows(store, "service.incidents"), key=lambda row: (row["incident_id"], row["change"]))
    return [
        hold
        for incident_id, changes in groupby(rows, key=lambda row: str(row["incident_id"]))
        for hold in _of(incident_id, list(changes))
    ]


def _of(incident_id: str, changes: list[Row]) -> list[Hold]:
    firsts = [row["evidence_from"].date() for row in changes if row["evidence_from"]]
    lasts = [row["evidence_to"].date() for row in changes if row["evidence_to"]]
    if not firsts or not lasts or any(row["act"] == "released" for row in changes):
        return []
    opened, resolved = changes[0], next((row for row in changes if row["act"] == "resolved"), None)
    reason = f"incident {incident_id}: {opened['title']}"
    # Counted from when it was written down: what is resolved in retrospect has its evidence still to be looked at.
    until = resolved["recorded_at"].date() + KEPT_AFTER_RESOLUTION if resolved else date.max
    name = f"incident-{incident_id}"
    holds = [Hold(name, reason, opened["day"], min(firsts), max(lasts), until=until)]
    said = [row for row in changes if row["is_reportable"] is not None]
    if said and said[-1]["is_reportable"]:
        # A hold that has ended never begins again: what is said later has one of its own.
        holds.append(Hold(f"{name}-reportable-{said[-1]['change']}", reason, opened["day"], min(firsts), max(lasts)))
    return holds
