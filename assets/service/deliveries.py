"""What became of the messages about alerts, in words for people: who was told, who was not and why, what is on its way.

Pure: rows of service.alerts_now and of service.alert_log come in. What is due next is routing.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from assets.service.routing import BACKOFF, SENT_WITHIN, SETTLED_AFTER

Row = Mapping[str, Any]

NEW_FOR = timedelta(hours=12)
"""An alert that was raised less long ago is tonight's."""
MESSAGE_ACTS = ("sending", "sent", "failed", "unconfirmed")


@dataclass(frozen=True)
class Attempt:
    """How far one alert has come on one channel: what its last act was, unless an earlier one settled it."""

    channel: str
    act: str
    number: int
    since: datetime
    note: str | None

    @property
    def is_given_up(self) -> bool:
        return self.act == "failed" and self.number > len(BACKOFF)


def attempts(log: Iterable[Row]) -> dict[str, list[Attempt]]:
    """How far each alert has come on the channels that were turned to, by alert_id, in the order of turning."""
    acts: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for entry in sorted(log, key=lambda e: (e["number"], e["act"] != "sending", e["acted_at"])):
        if entry["act"] in MESSAGE_ACTS:
            acts[entry["alert_id"]][entry["channel"]].append(entry)
    found = {}
    for alert_id, by_channel in acts.items():
        tried = [_attempt(channel, entries) for channel, entries in by_channel.items()]
        started = {channel: entries[0]["acted_at"] for channel, entries in by_channel.items()}
        found[alert_id] = sorted(tried, key=lambda a: (started[a.channel], a.channel))
    return found


def told(alert: Row, tried: Iterable[Attempt], absences: Mapping[str, str]) -> str:
    """Who was told of an alert, as a phrase. `absences`: why a channel has no address, by channel."""
    said = [_PHRASES[attempt.act].format(a=attempt, since=_time(attempt.since)) for attempt in tried]
    if said:
        return ", ".join(said)
    if alert["state"] in ("suppressed", "late", "withdrawn"):
        return "not sent"
    if alert["channel"] is None:
        return "not sent: no channel"
    return "not sent: no address" if alert["channel"] in absences else "not sent yet"


def troubles(
    alerts: Iterable[Row], tried: Mapping[str, list[Attempt]], absences: Mapping[str, str], misunderstood: Iterable[str],
    now: datetime,
) -> list[str]:  # fmt: skip
    """What is wrong with deliveries, or not known yet, of alerts that nobody has answered: sentences without an address."""
    open_ones = [alert for alert in alerts if alert["state"] == "open"]
    sentences = [f"channel {name}: Apprise does not understand its address" for name in sorted(misunderstood)]
    waiting: dict[str | None, int] = defaultdict(int)
    groups: dict[tuple[str, str, str], list[Attempt]] = defaultdict(list)
    for alert in open_ones:
        if not tried.get(alert["alert_id"]) and (alert["channel"] is None or alert["channel"] in absences):
            waiting[alert["channel"]] += 1
        for attempt in tried.get(alert["alert_id"], ()):
            is_over = attempt.is_given_up or now - alert["recorded_at"] > SENT_WITHIN
            fate = "given up" if is_over else "tried again"
            groups[attempt.channel, attempt.act, fate if attempt.act == "failed" else ""].append(attempt)
    for channel, number in sorted(waiting.items(), key=str):
        why = f"channel {channel} has no address: {absences[channel]}" if channel else "owners.yml names no channel for them"
        sentences.append(f"{number} alerts wait: {why}")
    for (channel, act, fate), members in sorted(groups.items()):
        note = max(members, key=lambda a: a.since).note
        why = f" ({note})" if note else ""
        since = _time(min(a.since for a in members))
        if act == "failed":
            sentences.append(f"channel {channel}: {len(members)} alerts failed{why}, {fate}")
        elif act == "unconfirmed":
            sentences.append(f"channel {channel}: {len(members)} alerts unconfirmed{why}: nobody knows whether it has them")
        elif act == "sending":
            minutes = int(SETTLED_AFTER.total_seconds() // 60)
            sentences.append(
                f"channel {channel}: {len(members)} alerts under way since {since} UTC; "
                f"the backup is told where nothing is known after {minutes} minutes"
            )
    return sentences


_PHRASES = {
    "sent": "sent to {a.channel}",
    "failed": "failed: {a.channel} did not take it ({a.note}; attempt {a.number})",
    "unconfirmed": "unconfirmed: nobody knows whether {a.channel} was told",
    "sending": "under way to {a.channel} since {since} UTC",
}


def _attempt(channel: str, entries: list[Row]) -> Attempt:
    settled = {entry["act"]: entry for entry in entries if entry["act"] in ("sent", "unconfirmed")}
    entry = settled.get("sent") or settled.get("unconfirmed") or entries[-1]
    return Attempt(channel, entry["act"], entry["number"], entry["acted_at"], entry["note"])


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
