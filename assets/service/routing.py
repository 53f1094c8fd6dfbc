"""Which messages are due: to whom, about which alerts, in which attempt; and what they say.

Pure: alerts and their log come in, messages come out. The log is the only memory: an attempt is written there before it is
made, so that whoever looks next, after whatever end, knows of it. docs/decisions/0012 says what that guarantees.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

Row = dict[str, Any]

SETTLED_AFTER = timedelta(minutes=5)
"""An attempt without an outcome is not on its way any more: a message takes seconds, and its process has ended."""
BACKOFF = tuple(timedelta(minutes=m) for m in (1, 2, 5, 10, 20, 40))
"""Waits after a channel's first, second ... refusal; after the last one the channel is given up."""
SENT_WITHIN = timedelta(hours=24)
"""An alert raised longer ago is told to nobody: whoever sets up a channel does not get last month's."""
IN_ONE_MESSAGE = 10
LONGEST_EVIDENCE = 600


@dataclass(frozen=True)
class Message:
    """One message to one channel. `attempts`: the number of the attempt, by alert_id; `why` is said to a backup."""

    channel: str
    severity: str
    group_key: str
    alerts: tuple[Row, ...] = ()
    attempts: Mapping[str, int] = field(default_factory=dict)
    why: str | None = None


def lost_attempts(alerts: Iterable[Row], log: Iterable[Row], now: datetime) -> list[Row]:
    """Entries that say of each attempt without an outcome, begun a while ago, that nobody knows what became of it."""
    by_id = {a["alert_id"]: a for a in alerts}
    rows = []
    for (alert_id, channel), acts in _acts(log).items():
        last = acts[-1]
        # A clock that was set back must not keep an attempt on its way for ever.
        if last["act"] == "sending" and abs(now - last["acted_at"]) >= SETTLED_AFTER and alert_id in by_id and channel:
            note = "the process ended before it knew"
            rows.append(entry(by_id[alert_id], "unconfirmed", now, channel, last["number"], note=note))
    return rows


def due_messages(
    alerts: Iterable[Row], log: Iterable[Row], now: datetime, has_address: Callable[[str], bool]
) -> list[Message]:
    """The messages to be sent now, the worst first, and so within a message; each alert at most once a channel."""
    acts = _acts(log)
    groups: dict[tuple[str, str, str, str | None], dict[str, tuple[Row, int]]] = defaultdict(dict)
    for alert in sorted(alerts, key=_worst_first):
        if alert["state"] != "open" or acts.get((alert["alert_id"], None)):
            continue
        if now - alert["recorded_at"] > SENT_WITHIN:
            continue
        for channel, why in _turns(alert, acts, now, has_address):
            attempt = _next_attempt(acts.get((alert["alert_id"], channel), []), now)
            if attempt is not None and has_address(channel):
                groups[channel, alert["severity"], alert["group_key"], why][alert["alert_id"]] = (alert, attempt)
    messages = []
    for (channel, severity, group_key, why), members in groups.items():
        listed = list(members.values())
        for start in range(0, len(listed), IN_ONE_MESSAGE):
            part = listed[start : start + IN_ONE_MESSAGE]
            attempts = {alert["alert_id"]: attempt for alert, attempt in part}
            messages.append(Message(channel, severity, group_key, tuple(alert for alert, _ in part), attempts, why))
    return messages


def _worst_first(alert: Row) -> tuple[Any, ...]:
    """Pages, then what the rule calls one, then harm to people; of those that are alike, what was seen last."""
    return (
        alert["severity"] != "page", alert["rule_severity"] != "page", alert["cause_class"] not in ("safety", "compliance"),
        -alert["last_seen"].timestamp(), alert["alert_id"],
    )  # fmt: skip


def claims(message: Message, now: datetime) -> list[Row]:
    """The entries that are written before a message leaves: `sending`, and `escalated` where a backup is turned to."""
    rows = []
    for alert in message.alerts:
        number = message.attempts[alert["alert_id"]]
        if message.why and number == 1:
            rows.append(entry(alert, "escalated", now, message.channel, 1, note=message.why))
        rows.append(entry(alert, "sending", now, message.channel, number))
    return rows


def outcomes(message: Message, act: str, note: str | None, now: datetime) -> list[Row]:
    """The entries that say what became of a message: sent, failed or unconfirmed."""
    return [entry(a, act, now, message.channel, message.attempts[a["alert_id"]], note=note) for a in message.alerts]


def acknowledgement(alert: Row, actor: str, note: str | None, now: datetime) -> Row:
    """The entry of a person who looks at an alert; the first one counts."""
    return entry(alert, "acknowledged", now, None, 1, actor, note)


def outcome_entries(alert: Row, log: Iterable[Row], outcome: str, actor: str, note: str | None, now: datetime) -> list[Row]:
    """The entry that says what an alert was; none where that was said last."""
    said = [e for e in log if e["alert_id"] == alert["alert_id"] and e["act"] == "outcome"]
    newest = max(said, key=lambda e: e["number"], default=None)
    if newest is not None and newest["outcome"] == outcome:
        return []
    return [entry(alert, "outcome", now, None, len(said) + 1, actor, note, outcome)]


def entry(
    alert: Mapping[str, Any], act: str, now: datetime, channel: str | None, number: int, actor: str = "nocturne",
    note: str | None = None, outcome: str | None = None,
) -> Row:  # fmt: skip
    """One row of service.alert_log, filed under the alert's day."""
    name = "\x1f".join((alert["alert_id"], act, channel or "", str(number)))
    return {
        "day": alert["day"], "entry_id": sha256(name.encode()).hexdigest()[:16], "alert_id": alert["alert_id"],
        "acted_at": now, "act": act, "channel": channel, "number": number, "actor": actor, "note": note, "outcome": outcome,
    }  # fmt: skip


def text_of(message: Message, one_line: Callable[[str], str]) -> tuple[str, str]:
    """The title and the body of a message: what, whose, since when, where to look, how to answer. No words of users.

    `one_line` shows what ends a line, or gives orders, as its escape (resources/terminal.py).
    """

    def shown(text: str) -> str:
        # Names of models and tenants are strangers' texts: nobody is called by them.
        return one_line(text).replace("<!", "< !").replace("@", "(at)")

    first, more = message.alerts[0], len(message.alerts) - 1
    title = f"[{message.severity}] {shown(first['title'])}" + (f" (and {more} more)" if more else "")
    parts = [f"{message.why}; you are the backup."] if message.why else []
    return title, "\n\n".join([*parts, *(_paragraph(alert, shown) for alert in message.alerts)])


def _paragraph(alert: Row, shown: Callable[[str], str]) -> str:
    return "\n".join(
        (
            f"{alert['severity']}: {shown(alert['title'])}",
            f"where: {shown(alert['group_key'])}",
            f"since: {alert['first_seen'].astimezone(UTC):%Y-%m-%d %H:%M} UTC",
            f"owner: {shown(alert['owner'] or 'not declared')}",
            f"runbook: {shown(alert['runbook'])}",
            f"evidence: {_evidence(alert, shown)}",
            f"acknowledge: make ack ALERT={alert['alert_id'][:8]}",
        )
    )


def _evidence(alert: Row, shown: Callable[[str], str]) -> str:
    """The query as it stands, or the one that yields it: a query that was altered to be shown would show other rows."""
    query = str(alert["evidence"])
    if len(query) <= LONGEST_EVIDENCE and shown(query) == query:
        return query
    return f"select evidence from service.alerts_now where alert_id = '{alert['alert_id']}'"


Acts = Mapping[tuple[str, str | None], list[Row]]


def _acts(log: Iterable[Row]) -> Acts:
    """What was done about each alert on each channel, by attempt and time; acts of people under None."""
    found: dict[tuple[str, str | None], list[Row]] = defaultdict(list)
    order = {"sending": 0}
    for row in log:
        if row["act"] != "escalated":
            found[row["alert_id"], row["channel"]].append(row)
    return {key: sorted(rows, key=lambda r: (r["number"], order.get(r["act"], 1))) for key, rows in found.items()}


def _turns(alert: Row, acts: Acts, now: datetime, has_address: Callable[[str], bool]) -> Iterable[tuple[str, str | None]]:
    """The channels whose turn it is, with the reason where that is the backup's."""
    first, backup = alert["channel"], alert["backup_channel"]
    if first:
        yield first, None
    if not backup or backup == first:
        return
    so_far = acts.get((alert["alert_id"], first), []) if first else []
    if not first or not has_address(first):
        yield backup, f"{first or 'the first channel'} has no address"
    elif any(e["act"] == "unconfirmed" for e in so_far) and not any(e["act"] == "sent" for e in so_far):
        yield backup, f"nobody knows whether {first} was told"
    elif sum(e["act"] == "failed" for e in so_far) > len(BACKOFF):
        yield backup, f"{first} could not be told"
    elif alert["severity"] == "page" and now - alert["recorded_at"] >= timedelta(minutes=alert["escalate_after_min"]):
        yield backup, f"not acknowledged within {alert['escalate_after_min']} minutes"


def _next_attempt(acts: list[Row], now: datetime) -> int | None:
    """The number of the attempt that is due on a channel; None where it was told, may have been, or has to wait."""
    if not acts:
        return 1
    last = acts[-1]
    if any(e["act"] in ("sent", "unconfirmed") for e in acts) or last["act"] != "failed" or last["number"] > len(BACKOFF):
        return None
    return int(last["number"]) + 1 if abs(now - last["acted_at"]) >= BACKOFF[last["number"] - 1] else None
