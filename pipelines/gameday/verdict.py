"""What was planted, held against what was alarmed: found by which rule, after how many hours; and which alarms are false.

A finding is *right* where an incident that it may speak of was going on, or had just been; all others are false alarms. An
incident is *found* by the first finding of one of the rules that have to find it. Here is the judgement alone; where the
findings come from is the caller's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import filterfalse

from simulator.drift_incidents import LanguageSwitch
from simulator.incidents import Incident
from simulator.seasons import Season

GRACE = timedelta(days=3)
"""The longest window of a burn rate: so long an incident may still be found after its end."""
FOUND_WITHIN = timedelta(hours=6)
"""After its end, a finding that begins later speaks of something else, though the long windows may still explain it."""
EPISODE = timedelta(hours=24)
"""Findings of one fingerprint no further apart are one alarm, as service.alerts has it."""


@dataclass(frozen=True)
class Alarm:
    """An episode of one fingerprint. `caused_by`: the incident that it may speak of; None for a false alarm.

    `raised_at`: when somebody could be told; None where findings are judged that raised no alert.
    """

    rule: str
    fingerprint: str
    severity: str
    title: str
    first_seen: datetime
    last_seen: datetime
    caused_by: str | None
    raised_at: datetime | None = None


@dataclass(frozen=True)
class Played:
    """What became of one incident: the rule that found it first, and the hours from its start until then."""

    incident: Incident
    found_by: str | None
    after_hours: float | None
    night: int | None = None
    """Of a drift: the night that found it, from 1."""
    alarm: Alarm | None = None


def is_calm(incident: Incident) -> bool:
    """What belongs to the world, and is there on all its days."""
    return isinstance(incident, Season) or (isinstance(incident, LanguageSwitch) and incident.is_usual)


def episodes(found: Iterable[Alarm], incidents: Sequence[Incident]) -> list[Alarm]:
    """Findings (by fingerprint, in order of time) as alarms, each with the incident that may have caused it."""
    alarms: list[Alarm] = []
    for finding in found:
        before = alarms[-1] if alarms else None
        if before and before.fingerprint == finding.fingerprint and finding.first_seen <= before.last_seen + EPISODE:
            last_seen = max(before.last_seen, finding.last_seen)
            both = before.caused_by if before.caused_by == finding.caused_by else None
            alarms[-1] = replace(before, last_seen=last_seen, caused_by=both)
        else:
            alarms.append(finding)
    return [replace(alarm, caused_by=alarm.caused_by or cause(alarm, incidents)) for alarm in alarms]


def judged(incident: Incident, alarms: Iterable[Alarm]) -> Played:
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
    hours = max(0.0, (first.first_seen - incident.start) / timedelta(hours=1))
    return Played(incident, first.rule, hours, alarm=first)


def cause(alarm: Alarm, incidents: Iterable[Incident]) -> str | None:
    """The newest incident that an alarm may speak of."""
    newest_first = sorted(filterfalse(is_calm, incidents), key=lambda incident: incident.start, reverse=True)
    for incident in newest_first:
        # Whatever is planted changes the traffic, which drift tests may say.
        if _overlaps(alarm, incident) and _is_one_of(alarm.rule, (*incident.found_by, *incident.may_wake, "drift")):
            return incident.name
    return None


def _overlaps(alarm: Alarm, incident: Incident) -> bool:
    return alarm.first_seen < incident.end + GRACE and alarm.last_seen > incident.start


def _is_one_of(rule: str, families: Iterable[str]) -> bool:
    """`burn_rate` stands for all rules of burn rates."""
    return any(rule == family or rule.startswith(f"{family}.") for family in families)
