"""A game day: a simulated world with planted incidents is played through the warehouse, and every finding is judged.

A finding is *right* where an incident that it may speak of was going on, or had just been; all others are false alarms. An
incident is *found* by the first finding of one of the rules that have to find it. Rules of later questions take part as
soon as service.findings has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from core import declare_tenants
from house import House
from service_house import service_contracts

from assets.cost.price_catalogue import price_tables
from assets.service.assets import declared_tables
from resources.contracts import SEEDS
from resources.references import replace_reference
from resources.tenants import declared_tenants
from simulator.incidents import Incident
from simulator.plans import Plan
from simulator.traffic import simulate

GRACE = timedelta(days=3)
"""The longest window of a burn rate: so long an incident may still be found after its end."""
FOUND_WITHIN = timedelta(hours=6)
"""After its end, a finding that begins later speaks of something else, though the long windows may still explain it."""
EPISODE = timedelta(hours=24)
"""Findings of one fingerprint no further apart are one alarm, as service.alerts has it."""


@dataclass(frozen=True)
class Alarm:
    """An episode of one fingerprint. `caused_by`: the incident that it may speak of; None for a false alarm."""

    rule: str
    fingerprint: str
    severity: str
    title: str
    first_seen: datetime
    last_seen: datetime
    caused_by: str | None


@dataclass(frozen=True)
class Played:
    """What became of one incident: the rule that found it first, and the hours from its start until then."""

    incident: Incident
    found_by: str | None
    after_hours: float | None


@dataclass(frozen=True)
class GameDay:
    """A world that was played: its days, what was planted and every alarm."""

    days: int
    incidents: tuple[Played, ...]
    alarms: tuple[Alarm, ...]

    @property
    def false_alarms(self) -> list[Alarm]:
        return [alarm for alarm in self.alarms if alarm.caused_by is None]


def play(
    root: Path, plan: Plan, first_day: date, days: int, requests_per_day: int, seed: int, texts: bool = False
) -> GameDay:
    """Simulate the world, run one night over all of it, judge what service.findings says."""
    incidents = plan(first_day, days)
    house = game_house(root, first_day + timedelta(days=days))
    for _ in simulate(
        house.landing, root / "truth", first_day, days, requests_per_day, seed,
        incidents=incidents, files_per_day=1, texts=texts,
    ):  # fmt: skip
        pass
    house.night()
    found = house.store.rows(
        "select rule, fingerprint, severity, title, first_seen, last_seen "
        f"from ({house.store.scan_all('service.findings')}) order by fingerprint, first_seen"
    )
    alarms = episodes([Alarm(*row, caused_by=None) for row in found], incidents)
    return GameDay(days, tuple(judged(incident, alarms) for incident in incidents), tuple(alarms))


def game_house(root: Path, day_after: date) -> House:
    """A house that computes what the rules read, with the shipped seeds and the catalogue's prices."""
    names = ("service.findings", "service.slo_status", "governance.freshness")
    house = House(root, f"{day_after + timedelta(days=1)}T03:00:00", service_contracts(*names))
    for name, rows in zip(("cost.prices", "cost.price_models"), price_tables([]), strict=True):
        replace_reference(house.store, name, rows)
    declare_tenants(house, *declared_tenants(SEEDS / "tenants.yml"))
    declared: dict[str, pa.Table] = declared_tables(SEEDS, house.store.contracts)
    for name, rows in declared.items():
        if name in house.store.contracts:
            replace_reference(house.store, name, rows)
    return house


def episodes(found: Sequence[Alarm], incidents: Sequence[Incident]) -> list[Alarm]:
    """Findings (by fingerprint, in order of time) as alarms, each with the incident that may have caused it."""
    alarms: list[Alarm] = []
    for finding in found:
        before = alarms[-1] if alarms else None
        if before and before.fingerprint == finding.fingerprint and finding.first_seen <= before.last_seen + EPISODE:
            last_seen = max(before.last_seen, finding.last_seen)
            alarms[-1] = Alarm(**{**vars(before), "last_seen": last_seen})
        else:
            alarms.append(finding)
    return [Alarm(**{**vars(alarm), "caused_by": _cause(alarm, incidents)}) for alarm in alarms]


def judged(incident: Incident, alarms: Sequence[Alarm]) -> Played:
    """When an incident was found, and by which of the rules that have to find it."""
    found_by = incident.as_truth()["found_by"]
    right = [
        a
        for a in alarms
        if _overlaps(a, incident) and a.first_seen < incident.end + FOUND_WITHIN and _is_one_of(a.rule, found_by)
    ]
    if not right:
        return Played(incident, None, None)
    first = min(right, key=lambda alarm: alarm.first_seen)
    return Played(incident, first.rule, max(0.0, (first.first_seen - incident.start) / timedelta(hours=1)))


def _cause(alarm: Alarm, incidents: Sequence[Incident]) -> str | None:
    for incident in incidents:
        if _overlaps(alarm, incident) and _is_one_of(alarm.rule, (*incident.found_by, *incident.may_wake)):
            return incident.name
    return None


def _overlaps(alarm: Alarm, incident: Incident) -> bool:
    return alarm.first_seen < incident.end + GRACE and alarm.last_seen > incident.start


def _is_one_of(rule: str, families: Sequence[str]) -> bool:
    """`burn_rate` stands for all rules of burn rates."""
    return any(rule == family or rule.startswith(f"{family}.") for family in families)
