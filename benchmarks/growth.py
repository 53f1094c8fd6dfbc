"""The same night on a warehouse of a year and on one of a week.

    python -m benchmarks.growth [--days 365] [--requests-per-day 200] [--repeats 5] [--cache FOLDER] [--write]

Both warehouses end on the same day, and the night lands the same files. Each day of a history was landed under its own
clock, and computed, published and maintained with its week; the last week was whole nights. With `--cache` the histories are
kept for the next time. Every night that is measured is a process of its own, on a fresh copy, the two warehouses in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.nightly import LAST_DAY, PARTS, REPO, environment, header, measured, night
from resources.contracts import contracts
from resources.warehouse import open_published

if TYPE_CHECKING:
    from resources.warehouse_resource import WarehouseResource

WEEK = 7
AIM = 1.1
NIGHTS_AFTER = 2
"""Days of traffic beyond the history: the night that is measured, and the one after `maintain`."""
SEED = 7
OURSELVES = [sys.executable, "-W", "ignore", "-m", "benchmarks.growth"]
QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
_PUBLISHED = """
select question || '.' || table_name, count_if(state in ('fresh', 'late_rows')), sum(rows)
from governance.freshness group by all
"""


@dataclass(frozen=True)
class Warehouse:
    """A history of `days` days up to LAST_DAY. Manifests hold absolute paths: it is measured where it grew."""

    folder: Path
    traffic: Path
    days: int

    @property
    def root(self) -> Path:
        return self.folder / "live"

    def deliver(self, day: date) -> None:
        """Put a day's files into the landing folder, as they were written."""
        for delivered in self.traffic.glob(f"*/{day}"):
            target = self.root / "landing" / delivered.parent.name / delivered.name
            shutil.copytree(delivered, target)

    def grow(self) -> None:
        """Make the history, unless it was kept."""
        if (self.folder / "grown").exists():
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.root / "landing").mkdir(parents=True)
        step = ["--grow", str(self.days), str(self.root), str(self.traffic)]
        wall, _, _ = measured([*OURSELVES, *step], environment(self.root, LAST_DAY))
        self.assert_grown()
        self.root.rename(self.folder / "grown")
        print(f"{self.days} nights took {wall:.0f} s", file=sys.stderr)

    def assert_grown(self) -> None:
        """Raises SystemExit unless readers see every day of every computed table, and requests at all."""
        con = open_published(self.root / "data" / "warehouse.duckdb")
        published = {name: (days, rows) for name, days, rows in con.execute(_PUBLISHED).fetchall()}
        con.close()
        for contract in contracts().values():
            days, rows = published.get(contract.name, (0, 0))
            # Many tables have no rows on quiet days, such as findings and safety events.
            if contract.kind == "derived" and (days < self.days or (contract.name == "logs.requests" and not rows)):
                raise SystemExit(f"{contract.name}: {days} of {self.days} days were published, {rows} rows")

    def restore(self) -> None:
        """Back to the end of the history."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.folder / "grown", self.root, symlinks=True)

    def files(self) -> int:
        return sum(1 for path in (self.folder / "grown" / "data").rglob("*") if path.is_file())


def make_traffic(folder: Path, days: int, requests_per_day: int) -> None:
    """The files of all days, those after the history too; texts make retrievals, tool calls and feedback."""
    from simulator.traffic import simulate

    if folder.exists():
        return
    aside = folder.with_name(f"{folder.name}.begun")
    shutil.rmtree(aside, ignore_errors=True)
    first = LAST_DAY - timedelta(days=days - 1)
    for _ in simulate(aside, folder.with_name("truth"), first, days + NIGHTS_AFTER, requests_per_day, SEED,
                      incidents=(), files_per_day=1, texts=True):  # fmt: skip
        pass
    aside.rename(folder)


def grow_in_process(days: int, root: Path, traffic: Path) -> None:
    """A history in this process: each day landed under its own clock, computed, published and maintained once a week; the
    last week as whole nights."""
    from pipelines.build import build_resources
    from pipelines.nightly import NightRun
    from pipelines.settings import Settings
    from resources.warehouse_resource import WarehouseResource

    warehouse = Warehouse(root.parent, traffic, days)
    for number in range(days):
        day = LAST_DAY - timedelta(days=days - 1 - number)
        warehouse.deliver(day)
        os.environ |= environment(root, day)
        settings = Settings.from_environment()
        settings.prepare_instance()
        # What it grows into is the same; only a power cut could tell.
        unsynced = WarehouseResource(
            data_dir=str(settings.data), state_dir=str(settings.home), landing_dir=str(settings.landing), durable=False
        )
        resources = build_resources(settings) | {"warehouse": unsynced}
        clock = resources["clock"]
        if 0 < number < days - WEEK:
            unsynced.landing().land(clock.now(), clock.is_settled)
            if (days - number) % WEEK == 1:
                week_in_process(unsynced, day, clock.now())
                print(f"{day}: {time.process_time():.0f} CPU seconds", file=sys.stderr)
            continue
        run = NightRun(settings, say=lambda text: None, resources=resources)
        with settings.instance() as instance:
            done = run.run(instance)
        if done.failures:
            raise SystemExit(f"{day}: {done.failures}")


def week_in_process(warehouse: WarehouseResource, day: date, now: datetime) -> None:
    """What the jobs do, without a run of Dagster around each table."""
    from assets.checks import rules
    from assets.python_tables import python_table
    from pipelines.planner import stale_days
    from resources.computing import compute_day
    from resources.day_inputs import DayInputs, take_pins
    from resources.maintenance import compact_ledgers, vacuum

    store, publisher = warehouse.store(), warehouse.publisher()
    pins = take_pins(store, day)
    inputs = DayInputs(store, pins)
    for stale in stale_days(store, pins):
        contract = store.contracts[stale.table]
        outcome = compute_day(store, contract, stale.day, inputs, rules(contract), python_table(contract))
        if outcome.failing:
            raise SystemExit(f"{stale.table} {stale.day}: {outcome.failing}")
    publisher.publish(day, now)
    compact_ledgers(store)
    warehouse.retention().run(now, lambda text: None)
    vacuum(publisher, now)


def maintain_in_process() -> None:
    """One `maintain` over the warehouse of the environment, as its schedule starts it."""
    from pipelines.build import build_defs
    from pipelines.governance.maintain import MAINTAIN
    from pipelines.settings import Settings

    with Settings.from_environment().instance() as instance:
        build_defs().get_repository_def().get_job(MAINTAIN).execute_in_process(instance=instance, run_config=QUIET)


def maintain(warehouse: Warehouse, day: date) -> dict[str, float]:
    """`maintain` as a process of its own."""
    wall, cpu, peak = measured([*OURSELVES, "--maintain"], environment(warehouse.root, day))
    return {"wall": wall, "cpu": cpu, "peak_mb": peak}


def nights(warehouse: Warehouse) -> dict[str, dict[str, float]]:
    """The night of a new day, and one without anything new, on a fresh copy of the history."""
    warehouse.restore()
    day = LAST_DAY + timedelta(days=1)
    warehouse.deliver(day)
    new, quiet = night(warehouse.root, "new", day), night(warehouse.root, "quiet", day)
    if not new["commits"] or quiet["commits"]:
        raise SystemExit(f"expected commits in the first night only: {new['commits']:.0f}, {quiet['commits']:.0f}")
    return {"new": new, "quiet": quiet}


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {part: statistics.median(run[part] for run in runs) for part in runs[0]}


def report_of(options: argparse.Namespace, figures: dict[str, dict[str, float]], files: dict[int, int]) -> str:
    """The result as Markdown."""
    few, many = WEEK, options.days

    def ratio(kind: str, part: str) -> str:
        return f"{figures[f'{kind}, {many} days'][part] / figures[f'{kind}, {few} days'][part]:.2f} x {part}"

    rows = [
        f"| {name} | " + " | ".join(f"{run[part]:.2f}" if part in run else "" for part in PARTS) + " |"
        for name, run in figures.items()
    ]
    return "\n".join(
        [
            "# The same night after a week and after a year",
            "",
            header(),
            f"{options.requests_per_day:,} requests a day with words, retrievals, tool calls and feedback. {few} days lie "
            f"in {files[few]:,} files of tables and logs, {many} in {files[many]:,}. Medians of {options.repeats} nights, "
            "each a process on a fresh copy, the two warehouses in turn; others used the machine as well, so that CPU "
            "seconds are the better measure.",
            f"Command: `python -m benchmarks.growth --days {options.days} --requests-per-day {options.requests_per_day} "
            f"--repeats {options.repeats}`",
            "",
            f"| seconds | {' | '.join(PARTS)} |",
            f"|---|{'---:|' * len(PARTS)}",
            *rows,
            "",
            f"**{many} days / {few} days: {', '.join(ratio('new day', part) for part in ('cpu', 'wall', 'peak_mb'))}.** "
            f"Aim: {AIM} x. A quiet night: {', '.join(ratio('quiet', part) for part in ('cpu', 'wall'))}.",
            "",
        ]
    )


def measure(options: argparse.Namespace, cache: Path) -> str:
    """Grow both histories, run the nights, tell."""
    traffic = cache / f"traffic-{options.days}x{options.requests_per_day}"
    make_traffic(traffic, options.days, options.requests_per_day)
    houses = [Warehouse(cache / f"{days}x{options.requests_per_day}", traffic, days) for days in (WEEK, options.days)]
    for house in houses:
        house.grow()
    runs = [{house.days: nights(house) for house in houses} for _ in range(options.repeats)]
    print(json.dumps(runs, indent=1), file=sys.stderr)
    figures = {
        f"{name}, {house.days} days": medians([run[house.days][kind] for run in runs])
        for kind, name in (("new", "new day"), ("quiet", "quiet"))
        for house in houses
    }
    grown = houses[-1]
    figures[f"maintain, {grown.days} days"] = maintain(grown, LAST_DAY + timedelta(days=1))
    grown.deliver(LAST_DAY + timedelta(days=2))
    figures["new day after it"] = night(grown.root, "after", LAST_DAY + timedelta(days=2))
    return report_of(options, figures, {house.days: house.files() for house in houses})


def main() -> None:
    """The command line; `--grow` and `--maintain` are the steps that run as processes of their own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--requests-per-day", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cache", type=Path, help="keep the histories here; they are used again as they are")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--grow", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--maintain", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.grow:
        return grow_in_process(int(options.grow[0]), Path(options.grow[1]), Path(options.grow[2]))
    if options.maintain:
        return maintain_in_process()
    cache = options.cache or Path(tempfile.mkdtemp(prefix="nocturne-growth-"))
    try:
        text = measure(options, cache)
    finally:
        if options.cache is None:
            shutil.rmtree(cache)
    print(text)
    if options.write:
        (REPO / "benchmarks" / "results" / "growth.md").write_text(text, encoding="utf-8")
    return None


if __name__ == "__main__":
    main()
