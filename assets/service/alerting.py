"""What the rules found becomes alerts: one an episode, as loud as it deserves, held back where a deployment explains it.

Pure: findings, alerts that are there, deployments, owners and the present come in, new rows of service.alerts come out.
Whom they are sent to, and when, is routing.py. docs/alerts.md says the same in words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any

from assets.release.deployments import explains

Row = dict[str, Any]

EPISODE_GAP = timedelta(hours=24)
"""Findings of one fingerprint less than this apart are one episode."""
LIVE_FOR = timedelta(minutes=15)
"""A replayed rule pages only while the newest landed row of its feature is younger."""
GRACE = timedelta(minutes=30)
GRACE_OF_RULE = {"burn_rate.ticket_fast": timedelta(hours=2), "burn_rate.ticket_slow": timedelta(hours=6)}
"""How long after a deployment its errors still make a rule fire: the rule's short window, because both windows must burn.
Of all rules that page the longest short window is half an hour."""
FACTS = (
    "fingerprint", "rule", "feature", "model", "prompt_version", "tenant", "api_key_token", "slo", "cause_class",
    "component", "runbook", "evidence",
)  # fmt: skip
"""What an alert takes over from its finding as it stands."""
_ANY_COMPONENT = "application"


@dataclass(frozen=True)
class Around:
    """What new alerts are judged by, beside the findings.

    `newest_landed`: per feature, the time of the newest landed row. `owners`: rows of service.owners. `teams`: the owner
    of each declared feature. `closed`: days to which nothing is added any more.
    """

    now: datetime
    look_back_days: int = 3
    deployments: Sequence[Mapping[str, Any]] = ()
    owners: Sequence[Mapping[str, Any]] = ()
    teams: Mapping[str, str] = field(default_factory=dict)
    newest_landed: Mapping[str, datetime] = field(default_factory=dict)
    closed: frozenset[date] = frozenset()


def is_safety_critical(found: Mapping[str, Any]) -> bool:
    """What no deployment excuses: a leak of the prompt, personal data in an answer, a filter that was passed by."""
    return found["rule_severity"] == "page" and found["cause_class"] in ("safety", "compliance")


def new_alerts(findings: Iterable[Mapping[str, Any]], alerts: Iterable[Mapping[str, Any]], around: Around) -> list[Row]:
    """The alerts that these findings still lack. Given again with those added, it yields none.

    `findings`: rows of service.findings, all days of each fingerprint. `alerts`: all rows of service.alerts.
    """
    by_fingerprint: dict[str, list[Row]] = defaultdict(list)
    for found in findings:
        by_fingerprint[found["fingerprint"]].append({**found, "rule_severity": found["severity"]})
    known: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for alert in alerts:
        known[alert["fingerprint"]].append(alert)
    rows = [
        row
        for fingerprint, found in sorted(by_fingerprint.items())
        for row in _of_fingerprint(found, known[fingerprint], around)
    ]
    return [row for row in rows if row["day"] not in around.closed]


def _of_fingerprint(found: list[Row], alerts: list[Mapping[str, Any]], around: Around) -> list[Row]:
    reasons = [_explanation(f, around.deployments) for f in found]
    # What a deployment explains is covered by any alert; what outlives it needs one that was not held back.
    held = [(f, reason) for f, reason in zip(found, reasons, strict=True) if reason is not None]
    loud = [f for f, reason in zip(found, reasons, strict=True) if reason is None]
    told = [alert for alert in alerts if alert["state"] != "suppressed"]
    rows = [_raise(episode, None, around) for episode in _uncovered(loud, told)]
    explained = {f["first_seen"]: reason for f, reason in held}
    rows += [_raise(e, explained[e[0]["first_seen"]], around) for e in _uncovered([f for f, _ in held], [*alerts, *rows])]
    return rows


def _uncovered(found: list[Row], alerts: Iterable[Mapping[str, Any]]) -> list[list[Row]]:
    """The episodes among some findings that no alert belongs to, each in the order of time."""
    anchors: list[tuple[datetime, datetime, Row | None]] = [(a["first_seen"], a["last_seen"], None) for a in alerts]
    parts = anchors + [(f["first_seen"], f["last_seen"], f) for f in found]
    episodes: list[list[Row]] = []
    members: list[Row] = []
    is_known, end = False, None
    for first, last, finding in sorted(parts, key=lambda part: part[:2]):
        if end is not None and first - end > EPISODE_GAP:
            if members and not is_known:
                episodes.append(members)
            members, is_known, end = [], False, None
        end = last if end is None else max(end, last)
        if finding is None:
            is_known = True
        else:
            members.append(finding)
    if members and not is_known:
        episodes.append(members)
    return episodes


def _raise(episode: list[Row], suppressed_by: str | None, around: Around) -> Row:
    first, newest = episode[0], episode[-1]
    last_seen = max(f["last_seen"] for f in episode)
    is_late = last_seen.date() < around.now.date() - timedelta(days=around.look_back_days)
    rule_severity = min(f["severity"] for f in episode)  # `page` stands before `ticket`
    severity, title = rule_severity, newest["title"]
    if severity == "page" and newest["is_replayed_rule"] and not _is_live(newest["feature"], around):
        severity, title = "ticket", f"{title} (found in replay)"
    state = "suppressed" if suppressed_by else "open"
    if is_late and state == "open":
        state = "open" if is_safety_critical(newest) else "late"
        severity, title = "ticket", f"{title} (found late)"
    owner = _owner(newest, around.owners)
    return {
        "day": first["day"],
        "alert_id": alert_id(newest["fingerprint"], first["first_seen"], suppressed_by is not None),
        **{column: newest[column] for column in FACTS},
        "severity": severity,
        "rule_severity": rule_severity,
        "title": title,
        "owner": around.teams.get(newest["feature"] or ""),
        "channel": owner.get("channel"),
        "backup_channel": owner.get("backup_channel"),
        "escalate_after_min": owner.get("escalate_after_min"),
        "first_seen": first["first_seen"],
        "last_seen": last_seen,
        "recorded_at": around.now,
        "state": state,
        "suppressed_by": suppressed_by,
        "group_key": " / ".join(newest[part] or "-" for part in ("model", "feature", "prompt_version")),
    }


def alert_id(fingerprint: str, start: datetime, is_suppressed: bool = False) -> str:
    """The name of an episode's alert: the same whoever raises it. What is held back has a name of its own."""
    return sha256(f"{fingerprint}\x1f{start.isoformat()}\x1f{is_suppressed}".encode()).hexdigest()[:16]


def _explanation(found: Row, deployments: Iterable[Mapping[str, Any]]) -> str | None:
    if is_safety_critical(found):
        return None
    grace = GRACE_OF_RULE.get(found["rule"], GRACE)
    names = sorted(d["deployment_id"] for d in deployments if explains(d, found, grace))
    return names[0] if names else None


def _is_live(feature: str | None, around: Around) -> bool:
    newest = around.newest_landed.get(feature or "")
    return newest is not None and around.now - newest < LIVE_FOR


def _owner(found: Mapping[str, Any], owners: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Who is told; a component that nobody declared is the application's."""
    by_pair = {(o["component"], o["cause_class"]): o for o in owners}
    exact = by_pair.get((found["component"], found["cause_class"]))
    return exact or by_pair.get((_ANY_COMPONENT, found["cause_class"])) or {}
