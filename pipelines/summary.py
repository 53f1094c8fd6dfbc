"""What `make nightly` prints at its end: what was found, what needs a person, and the next command to try."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.service.alert_board import in_short
from resources import terminal
from resources.near_names import nearest_name
from resources.sources import load
from resources.warehouse import open_published
from resources.warehouse_resource import WarehouseResource

if TYPE_CHECKING:
    from pipelines.nightly import Night

RECENT_DAYS = 30
"""What is told of requests, charges, files and quarantine is told of so many days, up to the last one with rows: all days
would take longer every night. `cost.unpriced_models`, `logs.files` and the other views speak of all."""
MAX_ALERTS = 5
_LAST_DAY = "select max(day) from governance.freshness where question = 'logs' and rows > 0 and day <= $last_due_day"
_DAYS = """
select d.day, d.requests, d.duplicates, c.cost_usd, c.unpriced
from governance.accounting as d
left join (
    select
        day, sum(priced_contracted_amount) as cost_usd, count_if(state in ('unpriced', 'partly_priced')) as unpriced
    from cost.request_costs where day between $since and $last group by day
) as c on d.day = c.day
where d.day between $since and $last
order by d.day desc limit 7
"""
_EARLIER = "select count(*), min(day) from governance.accounting where requests > 0 and day < $since"
_UNPRICED = """
select coalesce(provider, 'no provider'), coalesce(model, 'no model'), reason, count(distinct request_id) as requests,
    count(*) over () as models
from cost.charges
where state = 'unpriced' and day between $since and $last
group by provider, model, reason
order by requests desc, provider, model limit 5
"""
_REFUSED = """
select path, reason, count(*) over () as files from logs.files where state = 'refused' and day >= $since
order by arrived_at desc, path limit 5
"""
_NOTHING_LANDED = """
select path, lines, count(*) over () as files from logs.files
where day >= $since and state = 'landed' and records_landed = 0 and records_quarantined + lines_refused > 0
order by arrived_at desc, path limit 5
"""
_FINDINGS = """
select source, record_kind, field, finding, records, usual_records, fill_rate, usual_fill_rate
from logs.completeness
where day = $last_due_day and finding is not null
order by finding desc, source, record_kind, field
"""
_QUARANTINED = "select reason, count(*) from logs.quarantine where day >= $since group by reason order by 2 desc, 1"
_TENANTS = """
select count(distinct tenant) from logs.requests
where day between $since and $last and tenant not in (select tenant from logs.tenants)
"""


def print_night(night: Night, warehouse: WarehouseResource, last_due_day: date) -> None:
    """A short table in the terminal."""
    console = Console(highlight=False, soft_wrap=True)
    door = relative(warehouse.publisher().door)
    con = open_published(warehouse.publisher().door)
    try:
        table = Table(title=f"The last days in {door}", title_justify="left")
        for name in ("day (UTC)", "requests", "duplicates", "cost USD", "unpriced"):
            table.add_column(name, justify="left" if name.startswith("day") else "right")
        last = con.execute(_LAST_DAY, {"last_due_day": last_due_day}).fetchall()[0][0] or last_due_day
        recent = {"since": last - timedelta(days=RECENT_DAYS - 1), "last": last}
        for day, requests, duplicates, cost, unpriced in con.execute(_DAYS, recent).fetchall():
            table.add_row(str(day), f"{requests:,}", f"{duplicates:,}", _usd(cost), f"{unpriced or 0:,}")
        console.print()
        console.print(table)
        for line in [*_notes(con, night, recent), *source_findings(con, last_due_day)]:
            console.print(f"  {escape(terminal.one_line(line))}")
    finally:
        con.close()
    for line in open_alerts(night.board.still):
        console.print(f"[yellow]  ALERT[/yellow] {escape(terminal.one_line(line))}")
    for trouble in night.board.troubles:
        console.print(f"[yellow]  DELIVERY[/yellow] {escape(terminal.one_line(trouble))}")
    for failure in night.failures:
        console.print(f"[red]  FAILED[/red] {escape(terminal.lines(failure))}")
    for doubt in night.doubts or ():
        console.print(f"[yellow]  DOUBTFUL[/yellow] {escape(terminal.lines(doubt))}")
    if night.doubts is not None:
        docs = relative(warehouse.publisher().store.state / "data_docs" / "index.html")
        verdict = "what it found stands above" if night.doubts else "all as the contracts promise"
        console.print(f"  Great Expectations looked at what readers see: {verdict}; {escape(docs)}")
    seconds = ", ".join(f"{name} {value:.1f} s" for name, value in night.seconds.items() if name != "whole")
    published = (
        f"published as manifest {night.manifest}"
        if night.is_published
        else f"nothing new to publish (manifest {night.manifest})"
    )
    console.print(f"\n{night.commits} commits, {published}; {night.seconds['whole']:.1f} s ({seconds})")
    console.print("\nNext:")
    console.print(
        '  ask it    .venv/bin/python -m pipelines.ask "select * from cost.cost_daily order by day desc limit 5"',
        markup=False,
    )
    console.print("  see it    make pages    (the pages on http://127.0.0.1:3002; make dev: the Dagster UI)", markup=False)
    console.print(
        "  your own  NOCTURNE_LANDING=folder make nightly      (one sub-folder a source; README.md says how)", markup=False
    )


def _notes(con: Any, night: Night, recent: Mapping[str, date]) -> list[str]:
    notes = []
    landed, arrived = night.landed, {"since": recent["since"]}
    if landed:
        notes.append(
            f"{landed['files_landed']} files landed, {landed['files_copy']} copies, {landed['files_refused']} refused, "
            f"{landed['files_unchanged']} as before"
        )
        refused = con.execute(_REFUSED, arrived).fetchall()
        notes += [f"refused: {path} ({reason})" for path, reason, _ in refused]
        notes += _more("refused", refused, "select path, reason from logs.files where state = 'refused'")
        idle = con.execute(_NOTHING_LANDED, arrived).fetchall()
        for path, lines, _ in idle:
            notes.append(f"nothing landed of {path}: none of its {lines:,} lines could be read; see logs.quarantine")
        notes += _more("nothing landed of", idle, "select path, lines from logs.files where records_landed = 0")
        for source, keys in landed["unread_keys"].items():
            notes.append(f"no column takes these keys of {source}: {', '.join(keys)}; see contracts/logs/landed.yml")
        for name in landed["undeclared"]:
            if "." in name:  # which the name of a source cannot have
                notes.append(f"{name} in the landing folder belongs to no source; move it into the sub-folder of one")
                continue
            note = f"{name} in the landing folder belongs to no source; declare it in warehouse/seeds/sources.yml"
            meant = nearest_name(name, load())
            notes.append(f"{note}, or rename it to {meant}" if meant else note)
        if landed["passed_over"]:
            notes.append(
                f"passed over in the landing folder, as no files (links, pipes …): {len(landed['passed_over'])}, "
                f"such as {landed['passed_over'][0]}"
            )
        if landed["still_written"]:
            notes.append(
                f"{len(landed['still_written'])} files are still being written and taken next time, "
                f"such as {landed['still_written'][0]}"
            )
    quarantined = con.execute(_QUARANTINED, arrived).fetchall()
    if quarantined:
        notes.append("quarantine: " + ", ".join(f"{reason} {count:,}" for reason, count in quarantined))
    earlier, first = con.execute(_EARLIER, arrived).fetchall()[0]
    if earlier:
        notes.append(f"{earlier:,} earlier days have requests, from {first} on: select * from governance.accounting")
    unpriced = con.execute(_UNPRICED, recent).fetchall()
    for provider, model, reason, requests, _ in unpriced:
        unmeasured = reason == "tokens_unmeasured"
        remedy = "add it to warehouse/seeds/prices.yml"
        if unmeasured:
            remedy = "its records hold no token counts under the names that their format reads"
        elif reason == "no_model":
            remedy = "name the model in the log, or under `defaults` of its source in warehouse/seeds/sources.yml"
        notes.append(f"unpriced: {provider} / {model} ({reason}, {requests:,} requests); {remedy}")
    notes += _more("unpriced", unpriced, "select * from cost.unpriced_models")
    undeclared = con.execute(_TENANTS, recent).fetchall()[0][0]
    if undeclared:
        notes.append(f"{undeclared} tenants appear as pseudonyms; name them in warehouse/seeds/tenants.yml")
    return notes


def _more(what: str, shown: Sequence[tuple[Any, ...]], query: str) -> list[str]:
    """What is said where not all rows are shown; the last column of each row is how many there are."""
    others = shown[0][-1] - len(shown) if shown else 0
    return [f"{what} {others:,} more: {query}"] if others else []


def _usd(cost: Decimal | None) -> str:
    """To the cent; what is less than one is not 0."""
    if cost is None:
        return "-"
    return "< 0.01" if 0 < cost < Decimal("0.01") else f"{cost:,.2f}"


def source_findings(con: Any, day: date) -> list[str]:
    """What sources did not send on a day as they usually do, in words."""
    found = []
    for source, kind, field, finding, records, usual, rate, usual_rate in con.execute(
        _FINDINGS, {"last_due_day": day}
    ).fetchall():
        if finding == "silent":
            found.append(f"{source} sent {records:,} {kind} records on {day}, usually {usual:,.0f} on this weekday")
        else:
            share = f"{rate:.0%} of its {kind} records"
            found.append(f"{source} filled {field} in {share} on {day}, usually in {usual_rate:.0%}")
    return found


def open_alerts(alerts: Sequence[Mapping[str, Any]]) -> list[str]:
    """The first of the open and acknowledged alerts, in the order of the board, and how many more there are."""
    lines = [in_short(dict(row)) for row in alerts[:MAX_ALERTS]]
    if len(alerts) > MAX_ALERTS:
        lines.append(f"and {len(alerts) - MAX_ALERTS} more; `make alerts` lists them")
    return lines


def relative(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
