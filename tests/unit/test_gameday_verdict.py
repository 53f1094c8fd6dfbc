"""What counts as found and what as a false alarm, on a game day."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from pipelines.gameday.report import UNDECLARED, GameDay, lines
from pipelines.gameday.verdict import Alarm, cause, episodes, judged
from simulator.service_incidents import DeployWindow, ErrorBurst, QueueBacklog

NOON = datetime(2026, 6, 3, 12, tzinfo=UTC)
BURST = ErrorBurst("burst", NOON, NOON + timedelta(hours=4), {"provider": "openai"}, 0.6)
BACKLOG = QueueBacklog("backlog", NOON + timedelta(days=1), NOON + timedelta(days=1, hours=4), {}, 6.0)


def alarm(rule: str, hours: float, lasts: float = 1.0, fingerprint: str = "x") -> Alarm:
    """An alarm that begins so many hours after the burst."""
    begun = NOON + timedelta(hours=hours)
    return Alarm(rule, fingerprint, "page", "title", begun, begun + timedelta(hours=lasts), None)


def test_only_a_rule_that_has_to_find_it_finds_it_and_the_first_one_counts() -> None:
    alarms = [alarm("latency", 0.5), alarm("burn_rate.slow", 3.0), alarm("burn_rate.fast", 1.5)]
    found = judged(BURST, alarms)
    assert (found.found_by, found.after_hours) == ("burn_rate.fast", 1.5)
    assert judged(BURST, alarms[:1]).found_by is None


def test_a_finding_long_after_the_end_speaks_of_something_else_though_it_is_explained() -> None:
    late = alarm("burn_rate.slow", 11.0)
    assert judged(BURST, [late]).found_by is None
    assert cause(late, [BURST]) == "burst"
    assert cause(alarm("burn_rate.slow", 24 * 3 + 5), [BURST]) is None


def test_the_newest_incident_that_may_wake_a_rule_is_its_cause() -> None:
    assert cause(alarm("burn_rate.fast", 25.0), [BURST, BACKLOG]) == "backlog", "a backlog may wake a burn rate"
    assert cause(alarm("misrouting", 25.0), [BURST, BACKLOG]) is None


def test_findings_of_one_name_within_a_day_are_one_alarm() -> None:
    found = [alarm("burn_rate.fast", 1.0), alarm("burn_rate.fast", 20.0), alarm("burn_rate.fast", 60.0)]
    assert [a.last_seen - a.first_seen for a in episodes(found, [BURST])] == [timedelta(hours=20), timedelta(hours=1)]


def test_a_false_alarm_and_what_was_missed_are_shown_and_news_and_a_deployment_are_not() -> None:
    deployed = DeployWindow("deployed", NOON, NOON + timedelta(hours=1), {"feature": "support_chat"}, 0.9)
    false, news = alarm("cost_spike", 0.0), alarm(UNDECLARED, -100.0, fingerprint="v2")
    seen = replace(alarm("queue_backlog", 26.0), raised_at=NOON + timedelta(hours=39))
    played = tuple(judged(incident, [seen, false, news]) for incident in (BURST, BACKLOG, deployed))
    game = GameDay(date(2026, 6, 1), 7, played, (replace(seen, caused_by="backlog"), false, news), (), 9, 60.0)
    assert (game.false_alarms, game.undeclared, game.exit_status) == ([false], 1, 1)
    assert [played.incident.name for played in game.missed] == ["burst"]
    shown = "\n".join(lines(game))
    assert "1 false alarms in 7 nights; 1 tickets say" in shown and "page cost_spike: title" in shown
    assert "2.0 h  page, 15 h after" in shown and "(need not be)" in shown and "missed: burst" in shown
