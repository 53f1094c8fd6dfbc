"""Which message is due to whom, and what it says. Pure functions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from assets.service import routing
from resources.terminal import one_line

NOW = datetime(2026, 11, 10, 3, tzinfo=UTC)


def alert(**more: Any) -> dict[str, Any]:
    return {
        "day": NOW.date(), "alert_id": "a" * 16, "severity": "page", "state": "open", "title": "it burns", "rule": "burst",
        "channel": "oncall", "backup_channel": "lead", "escalate_after_min": 15, "recorded_at": NOW, "first_seen": NOW,
        "group_key": "large / chat / -", "owner": None, "runbook": "docs/runbooks/x.md", "evidence": "select 1",
        "rule_severity": "page", "cause_class": "infrastructure", "last_seen": NOW, **more,
    }  # fmt: skip


def due(alerts: list[dict[str, Any]], log: list[dict[str, Any]], minutes: float = 0, without: str = "") -> list[Any]:
    found = routing.due_messages(alerts, log, NOW + timedelta(minutes=minutes), lambda channel: channel != without)
    return [(m.channel, sorted(m.attempts.values())) for m in found]


def test_what_is_held_back_late_old_or_answered_is_sent_to_nobody() -> None:
    assert due([alert(state="suppressed")], []) == due([alert(state="late")], []) == []
    assert due([alert()], [], minutes=24 * 60 + 1) == []
    assert due([alert()], [routing.acknowledgement(alert(), "ada", None, NOW)]) == []
    assert due([alert()], routing.outcome_entries(alert(), [], "noise", "ada", None, NOW)) == []
    assert due([alert(channel=None, backup_channel=None)], []) == []


def test_a_ticket_never_escalates_for_want_of_an_answer() -> None:
    sent = [routing.entry(alert(), act, NOW, "oncall", 1) for act in ("sending", "sent")]
    assert due([alert(severity="ticket")], sent, minutes=60) == []
    assert due([alert()], sent, minutes=15) == [("lead", [1])]


def test_a_message_on_its_way_is_left_alone_until_it_is_lost() -> None:
    begun = [routing.entry(alert(), "sending", NOW, "oncall", 1)]
    assert due([alert()], begun, minutes=4) == []
    assert routing.lost_attempts([alert()], begun, NOW + timedelta(minutes=4)) == []
    lost = routing.lost_attempts([alert()], begun, NOW + timedelta(minutes=5))
    assert [(e["act"], e["number"]) for e in lost] == [("unconfirmed", 1)]
    assert due([alert()], [*begun, *lost], minutes=5) == [("lead", [1])]
    # Who was only slow says at last that it was sent: it is not sent again.
    assert due([alert()], [*begun, *lost, routing.entry(alert(), "sent", NOW, "oncall", 1)], minutes=6) == []


def test_a_backup_that_is_the_same_channel_is_no_backup() -> None:
    sent = [routing.entry(alert(), act, NOW, "oncall", 1) for act in ("sending", "unconfirmed")]
    assert due([alert(backup_channel="oncall")], sent, minutes=30) == []


def test_an_outcome_is_said_again_only_where_it_changes() -> None:
    first = routing.outcome_entries(alert(), [], "noise", "ada", None, NOW)
    assert routing.outcome_entries(alert(), first, "noise", "bob", None, NOW) == []
    [second] = routing.outcome_entries(alert(), first, "incident", "bob", None, NOW)
    assert second["number"] == 2


FORGED = "model @here\r\nrunbook: http://evil <!everyone>\x1b[31m\u2028owner: nobody"


def told(*alerts: dict[str, Any]) -> tuple[str, str]:
    return routing.text_of(routing.Message("oncall", "page", "x", alerts, {a["alert_id"]: 1 for a in alerts}), one_line)


def test_a_message_calls_nobody_by_a_strangers_name_and_a_stranger_writes_no_line_of_it() -> None:
    title, body = told(alert(title=FORGED, group_key=FORGED, evidence=f"select '{FORGED}'"))
    assert "@" not in title + body and "<!" not in body and title.isprintable()
    lines = body.split("\n")
    assert all(line.isprintable() for line in lines)
    assert [line.split(":")[0] for line in lines] == [
        "page", "where", "since", "owner", "runbook", "evidence", "acknowledge"
    ]  # fmt: skip
    assert "model (at)here\\r\\nrunbook" in lines[0]


def test_the_query_of_a_message_is_the_one_of_the_table_or_the_one_that_yields_it() -> None:
    plain = "select *  from logs.requests where model = 'two  blanks'"
    assert f"evidence: {plain}" in told(alert(evidence=plain))[1].split("\n")
    for altered in ("select 'user@host'", "select 'two\nlines'", f"select '{'x' * 700}'", "select '<!x'"):
        line = f"evidence: select evidence from service.alerts_now where alert_id = '{'a' * 16}'"
        assert line in told(alert(evidence=altered))[1].split("\n")


def test_the_headline_of_a_group_is_its_worst_alert() -> None:
    later = NOW + timedelta(minutes=5)
    alerts = [
        alert(alert_id="0", title="a replayed burn", severity="ticket", last_seen=later),
        alert(alert_id="1", title="slow", severity="ticket", rule_severity="ticket", last_seen=later),
        alert(alert_id="2", title="a late leak", severity="ticket", cause_class="safety"),
        alert(alert_id="3", title="older", severity="ticket", rule_severity="ticket"),
    ]
    [message] = routing.due_messages(alerts, [], later, lambda channel: True)
    assert [a["title"] for a in message.alerts] == ["a late leak", "a replayed burn", "slow", "older"]
    assert routing.text_of(message, one_line)[0] == "[ticket] a late leak (and 3 more)"
    pages = [
        alert(alert_id="4", title="burst", last_seen=later),
        alert(alert_id="5", title="leak", cause_class="compliance"),
    ]
    first = routing.due_messages([*alerts, *pages], [], later, lambda channel: True)[0]
    assert routing.text_of(first, one_line)[0] == "[page] leak (and 1 more)"


def test_more_alerts_than_a_message_holds_are_further_messages() -> None:
    many = [alert(alert_id=f"{n:016}") for n in range(23)]
    found = routing.due_messages(many, [], NOW, lambda channel: True)
    assert [len(m.alerts) for m in found] == [10, 10, 3]


ENDS = st.sampled_from(["sent", "failed", "unconfirmed", "lost", "ack"])


@given(st.lists(st.tuples(ENDS, st.integers(0, 90)), max_size=40))
def test_whatever_becomes_of_attempts_no_channel_is_tried_after_it_may_have_been_told(steps: list[tuple[str, int]]) -> None:
    """A random history: each step lets time pass, and ends every attempt that was due in one way."""
    log: list[dict[str, Any]] = []
    now = NOW
    for end, minutes in steps:
        now += timedelta(minutes=minutes)
        log += routing.lost_attempts([alert()], log, now)
        for message in routing.due_messages([alert()], log, now, lambda channel: True):
            before = [e["act"] for e in log if e["channel"] == message.channel]
            assert "sent" not in before and "unconfirmed" not in before
            assert not any(e["act"] == "acknowledged" for e in log)
            log += routing.claims(message, now)
            if end in ("sent", "failed", "unconfirmed"):
                log += routing.outcomes(message, end, None, now)
        if end == "ack":
            log += [routing.acknowledgement(alert(), "ada", None, now)]
    names = [e["entry_id"] for e in log if e["act"] != "acknowledged"]
    assert len(names) == len(set(names))
    for channel in ("oncall", "lead"):
        attempts = [e["number"] for e in log if (e["act"], e["channel"]) == ("sending", channel)]
        assert attempts == list(range(1, len(attempts) + 1)) and len(attempts) <= len(routing.BACKOFF) + 1
