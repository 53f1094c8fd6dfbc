"""A game day: a simulated world with planted incidents is played through the warehouse, and every finding is judged.

Which findings are right, and when an incident is found, is said in pipelines/gameday/verdict.py.

A drift is found where a verdict names the segment and one of the metrics in which it was planted; it has to be by its third
night. Drift tests look eight weeks back: a world that they judge begins so much earlier, and of those days they compute the
profiles alone.
"""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from core import declare_tenants
from house import CALENDAR_START, SOURCES, House
from service_house import service_contracts

from assets.checks import rules
from assets.python_tables import python_table
from assets.service.assets import declared_tables
from assets.tables import days_between
from pipelines.gameday.verdict import Alarm, Played, episodes, is_calm, judged
from pipelines.planner import Plan as WorkPlan
from resources.capture import CapturePolicy, load
from resources.computing import DayOutcome, compute_day
from resources.contracts import SEEDS
from resources.day_inputs import DayInputs
from resources.embedder import Embedder
from resources.landing import Landing, LandingReport
from resources.references import replace_reference
from resources.tenants import declared_tenants
from simulator.drift_incidents import Drift
from simulator.incidents import Incident
from simulator.plans import Plan
from simulator.traffic import simulate

SERVICE = ("service.findings", "service.slo_status", "governance.freshness")
DRIFT = ("drift.changes", "governance.freshness", "service.slos", "service.features", "service.tools", "service.canaries")
NIGHTS_TO_FIND = 3
"""Verdicts look at three nights together; a drift that they do not name by then is missed."""
RELEASE = "a release"
_VERSIONS = ("prompt_version", "index_version")
"""The simulated shop releases prompts every ten days and its index every week: a verdict on these is news, not false."""
_JUDGING = ("drift.drift_tests", "drift.drift_verdicts", "drift.changes")
"""What days of reference need not have."""


@dataclass(frozen=True)
class GameDay:
    """A world that was played: its days, what was planted and every alarm."""

    days: int
    incidents: tuple[Played, ...]
    alarms: tuple[Alarm, ...]

    @property
    def releases(self) -> int:
        """Tickets that only say that a new version is in use."""
        return sum(alarm.caused_by == RELEASE for alarm in self.alarms)

    @property
    def false_alarms(self) -> list[Alarm]:
        return [alarm for alarm in self.alarms if alarm.caused_by is None]


class GameHouse(House):
    """A house in which days before `judged_from` get no drift tests, and that keeps words where it `keeps_words`."""

    judged_from = date.min
    keeps_words = False

    def land(self) -> LandingReport:
        capture = load(SEEDS / "capture.yml") if self.keeps_words else CapturePolicy()
        return Landing(self.store, self.landing, SOURCES, CALENDAR_START, capture=capture).land(self.now, lambda path: True)

    def compute(self, plan: WorkPlan | None = None) -> dict[tuple[str, date], DayOutcome]:
        plan = plan or self.plan()
        done = {}
        for days in plan.ranges:
            inputs = DayInputs(self.store, days.pins)
            for contract in self.store.derived():
                for day in days_between(days.first, days.last):
                    if contract.name in _JUDGING and day < self.judged_from:
                        continue
                    python = python_table(contract, self.embedder)
                    outcome = compute_day(self.store, contract, day, inputs, rules(contract), python)
                    if outcome.outcome != "fresh":
                        done[contract.name, day] = outcome
        return done

    def night(self) -> dict[tuple[str, date], DayOutcome]:
        """As of any house, but days that are left out stay stale: a round without work is the last one."""
        self.land()
        done: dict[tuple[str, date], DayOutcome] = {}
        while some := self.compute():
            done |= some
        self.publish()
        return done


def play(
    root: Path, plan: Plan, first_day: date, days: int, requests_per_day: int, seed: int, *,
    texts: bool = False, reference_days: int = 0, tables: Sequence[str] = SERVICE, vectors: Path | None = None,
    empty: Collection[str] = (),
) -> GameDay:  # fmt: skip
    """Simulate the world, run one night over all of it, judge what the rules say of `days` days from `first_day` on.

    The world, and what the plan places, begins `reference_days` earlier. `tables`: SERVICE, DRIFT or both. `vectors`: a
    cache that worlds share, of what they say alike. `empty`: tables that could say nothing of so short a world.
    """
    begin, all_days = first_day - timedelta(days=reference_days), reference_days + days
    incidents = plan(begin, all_days)
    house = game_house(root, first_day + timedelta(days=days), tables, empty)
    house.judged_from, house.keeps_words = first_day, texts
    if vectors:
        house.embedder = Embedder(cache=vectors)
    for _ in simulate(
        house.landing, root / "truth", begin, all_days, requests_per_day, seed,
        incidents=incidents, files_per_day=1, texts=texts,
    ):  # fmt: skip
        pass
    house.night()
    alarms = episodes(_found(house, first_day), incidents)
    planted = [incident for incident in incidents if not is_calm(incident)]
    return GameDay(days, tuple(_played(house, incident, alarms) for incident in planted), tuple(alarms))


def play_all(worlds: Mapping[str, Callable[[Path], GameDay]], folder: Path, lanes: int) -> dict[str, GameDay]:
    """What became of each world, `lanes` of them at once, in a process each; each is told when it ends."""
    games = {}
    with ProcessPoolExecutor(lanes, mp_context=multiprocessing.get_context("spawn")) as pool:
        running = {pool.submit(_play_and_remove, make, folder / name): name for name, make in worlds.items()}
        for done in as_completed(running):
            name, game = running[done], done.result()
            games[name] = game
            found = [(played.incident.name, played.found_by, played.night) for played in game.incidents]
            print(f"{name}: {len(game.false_alarms)} false alarms; {found}", flush=True)
    return games


def _play_and_remove(make: Callable[[Path], GameDay], folder: Path) -> GameDay:
    game = make(folder)
    shutil.rmtree(folder)
    return game


def _found(house: House, first_day: date) -> list[Alarm]:
    """What the rules of service say, and a line for each night of each change that drift tests found."""
    versions = ", ".join(f"'{metric}'" for metric in _VERSIONS)
    wanted = {
        "service.findings": "select rule, fingerprint, severity, title, first_seen, last_seen, null from ({}) "
        "where not starts_with(rule, 'drift.') and day >= {}",
        "drift.changes": "select 'drift.' || any_value(change_family), change_id, 'ticket', max(ticket), "
        "cast(min(change_since_day) as timestamptz), cast(day + 1 as timestamptz), "
        f"case when bool_and(metric in ({versions})) then '{RELEASE}' end from ({{}}) "
        "where day >= {} group by change_id, day",
    }
    rows = [
        row
        for table, select in wanted.items()
        if table in house.store.contracts
        for row in house.store.rows(select.format(house.store.scan_all(table), f"date '{first_day}'"))
    ]
    return sorted(map(_alarm, rows), key=lambda alarm: (alarm.fingerprint, alarm.first_seen, alarm.last_seen))


def _alarm(row: tuple[Any, ...]) -> Alarm:
    rule, fingerprint, severity, title, first_seen, last_seen, caused_by = row
    return Alarm(rule, fingerprint, severity, title, first_seen, last_seen, caused_by)


def _played(house: House, incident: Incident, alarms: Sequence[Alarm]) -> Played:
    return _drift_judged(house, incident) if isinstance(incident, Drift) else judged(incident, alarms)


def _drift_judged(house: House, incident: Drift) -> Played:
    """The first night on which a verdict names what was planted, where it was."""
    told, began = incident.as_truth(), incident.start.date()
    named = " or ".join(
        f"(family = '{shown['family']}' and split_part(metric, '.', 1) = '{shown['metric']}')" for shown in told["shows_in"]
    )
    verdicts = house.store.rows(
        f"select day, family, metric from ({house.store.scan_all('drift.drift_verdicts')}) where ({named}) "
        f"and segment_kind = '{told['segment_kind']}' and segment = '{told['segment']}' "
        f"and day between date '{began}' and date '{incident.end.date()}' order by all"
    )
    if not verdicts:
        return Played(incident, None, None)
    day, family, metric = verdicts[0]
    night = (day - began).days + 1
    return Played(incident, f"drift.{family}: {metric}", 24.0 * night, night)


def game_house(root: Path, day_after: date, tables: Sequence[str] = SERVICE, empty: Collection[str] = ()) -> GameHouse:
    """A house that computes what the rules read, with the shipped seeds and the catalogue's prices."""
    house = GameHouse(root, f"{day_after + timedelta(days=1)}T03:00:00", service_contracts(*tables, empty=empty))
    house.set_shipped_prices()
    declare_tenants(house, *declared_tenants(SEEDS / "tenants.yml"))
    declared: dict[str, pa.Table] = declared_tables(SEEDS, house.store.contracts)
    for name, rows in declared.items():
        if name in house.store.contracts:
            replace_reference(house.store, name, rows)
    return house
