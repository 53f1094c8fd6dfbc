"""What the end of a night and `make alerts` show: which alerts stand, who was told of each, what is amiss."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from assets.service.deliveries import NEW_FOR, attempts, told, troubles
from pipelines.service.alert_desk import LOG, AlertDesk, Row
from resources import terminal
from resources.events import table_rows
from resources.notifier import Notifier
from resources.notify_seed import NOTIFY_FILE, load_notify

STILL = ("open", "acknowledged")


@dataclass(frozen=True)
class Board:
    """`rows`: those of service.alerts_now as the desk orders them, with `told` and `is_new`; `troubles`: sentences."""

    rows: list[Row] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    @property
    def still(self) -> list[Row]:
        """The alerts that are open or acknowledged."""
        return [row for row in self.rows if row["state"] in STILL]


def board(desk: AlertDesk) -> Board:
    """What stands now. Raises NotifyError."""
    now, standing, log = desk.now(), desk.standing(), attempts(table_rows(desk.store, LOG))
    seed = load_notify(desk.seeds / NOTIFY_FILE)
    notifier = Notifier(seed.addresses(desk.environment, desk.store.state))
    absences = {
        channel: seed.absence(channel, desk.environment, desk.store.state)
        for channel in {row["channel"] for row in standing if row["channel"]}
        if not notifier.has_address(channel)
    }
    rows = [
        {**row, "told": told(row, log.get(row["alert_id"], ()), absences), "is_new": now - row["recorded_at"] < NEW_FOR}
        for row in standing
    ]
    return Board(rows, troubles(standing, log, absences, notifier.misunderstood(), now))


def listed(rows: Iterable[Row]) -> list[str]:
    """The alerts, a line each, with one for where to look."""
    lines = []
    for row in rows:
        mark, since = "new" if row["is_new"] else "", f"{row['first_seen']:%Y-%m-%d %H:%M}"
        title = terminal.one_line(row["title"])
        lines.append(f"{row['alert_id'][:8]}  {row['severity']:6}  {row['state']:12}  {mark:3}  {since}  {title}")
        lines.append(f"          {terminal.one_line(row['told'])}; {row['owner'] or 'no owner'}; {row['runbook']}")
    return lines


def in_short(row: Row) -> str:
    """An alert in one line."""
    marks = ["new"] * row["is_new"] + ["acknowledged"] * (row["state"] == "acknowledged")
    mark = f" ({', '.join(marks)})" if marks else ""
    return f"{row['severity']} {row['alert_id'][:8]}{mark}: {row['title']}; {row['told']}"
