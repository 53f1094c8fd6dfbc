"""Which findings become alerts: episodes, severities, what a deployment explains. Pure functions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.release.deployments import DeploymentError, parse_deployments, statements_to_add
from assets.service.alerting import Around, alert_id, new_alerts

NOW = datetime(2026, 11, 10, 3, tzinfo=UTC)


def finding(first_hours_ago: float, last_hours_ago: float, **more: Any) -> dict[str, Any]:
    """A finding of `chat`, so many hours before NOW."""
    first, last = NOW - timedelta(hours=first_hours_ago), NOW - timedelta(hours=last_hours_ago)
    return {
        "day": first.date(), "fingerprint": "burst||chat|||", "rule": "burst", "severity": "page", "title": "it burns",
        "feature": "chat", "model": "large", "prompt_version": None, "tenant": None, "api_key_token": None, "slo": None,
        "cause_class": "infrastructure", "component": "gateway", "first_seen": first, "last_seen": last, "n": 3,
        "value": 1.0, "threshold": 0.0, "unit": "1", "runbook": "docs/runbooks/x.md", "evidence": "select 1",
        "is_replayed_rule": False,
        **more,
    }  # fmt: skip


def deployment(starts_hours_ago: float, ends_hours_ago: float, **more: Any) -> dict[str, Any]:
    return {
        "deployment_id": "d", "starts_at": NOW - timedelta(hours=starts_hours_ago), "feature": None, "model": None,
        "ends_at": NOW - timedelta(hours=ends_hours_ago), "prompt_version": None, "is_cancelled": False, **more,
    }  # fmt: skip


def raised(*findings: dict[str, Any], alerts: list[dict[str, Any]] | None = None, **around: Any) -> list[dict[str, Any]]:
    return new_alerts(findings, alerts or [], Around(now=NOW, **around))


def test_findings_within_a_day_of_each_other_are_one_episode_and_it_keeps_its_beginning() -> None:
    first = raised(finding(40, 30), finding(20, 10))
    assert [(a["first_seen"], a["last_seen"]) for a in first] == [(NOW - timedelta(hours=40), NOW - timedelta(hours=10))]
    assert raised(finding(40, 30), finding(20, 10), finding(9, 1), alerts=first) == []


def test_after_more_than_a_day_of_quiet_it_is_another_alert() -> None:
    first = raised(finding(60, 50))
    assert raised(finding(60, 50), finding(25, 20), alerts=first)[0]["alert_id"] != first[0]["alert_id"]
    assert raised(finding(60, 50), finding(26, 20), alerts=first) == []


def test_a_new_alert_says_whose_it_is_and_an_undeclared_component_is_the_applications() -> None:
    owners = [
        {"component": "application", "cause_class": "infrastructure", "channel": "all", "backup_channel": "b",
         "escalate_after_min": 9},
        {"component": "gateway", "cause_class": "infrastructure", "channel": "exact", "backup_channel": "b",
         "escalate_after_min": 5},
    ]  # fmt: skip
    around = {"owners": owners, "teams": {"chat": "team:chat"}}
    exact, other = (raised(finding(2, 1, component=c), **around)[0] for c in ("gateway", "router"))
    assert (exact["channel"], exact["escalate_after_min"], exact["owner"]) == ("exact", 5, "team:chat")
    assert other["channel"] == "all"
    assert raised(finding(2, 1, feature=None))[0]["owner"] is None


@pytest.mark.parametrize(("minutes", "severity"), [(14, "page"), (15, "ticket"), (None, "ticket")])
def test_a_replayed_rule_pages_only_while_the_newest_row_is_young(minutes: float | None, severity: str) -> None:
    landed = {} if minutes is None else {"chat": NOW - timedelta(minutes=minutes)}
    [alert] = raised(finding(2, 1, is_replayed_rule=True), newest_landed=landed)
    assert (alert["severity"], alert["rule_severity"]) == (severity, "page")
    assert raised(finding(2, 1), newest_landed={})[0]["severity"] == "page", "other rules page whenever they find something"


def test_what_was_over_before_the_look_back_is_late_and_a_leak_is_told_all_the_same_but_wakes_nobody() -> None:
    old, leak = raised(finding(200, 190), finding(200, 190, fingerprint="leak", cause_class="safety"))
    assert (old["state"], leak["state"], leak["severity"]) == ("late", "open", "ticket")
    assert raised(finding(200, 190), look_back_days=10)[0]["state"] == "open"
    going_on = raised(*(finding(hours, hours - 10) for hours in range(300, 0, -20)))
    assert [(a["state"], a["severity"]) for a in going_on] == [("open", "page")], "it goes on, whenever it began"


@pytest.mark.parametrize(
    ("ends_hours_ago", "rule", "state"),
    [
        (1.5, "burst", "suppressed"),  # Its last sign is 30 minutes after the end.
        (1.51, "burst", "open"),
        (2.9, "burn_rate.ticket_fast", "suppressed"),
        (3.1, "burn_rate.ticket_fast", "open"),
    ],
)
def test_the_grace_after_a_deployment_is_the_short_window_of_the_rule(ends_hours_ago: float, rule: str, state: str) -> None:
    window = deployment(9, ends_hours_ago)
    assert raised(finding(8, 1, rule=rule), deployments=[window])[0]["state"] == state


def test_a_deployment_explains_only_what_it_changes_and_a_cancelled_one_nothing() -> None:
    found = finding(2, 1)
    states = [
        raised(found, deployments=[deployment(3, 0.5, **limit)])[0]["state"]
        for limit in ({}, {"feature": "chat"}, {"feature": "search"}, {"prompt_version": "v2"}, {"is_cancelled": True})
    ]
    assert states == ["suppressed", "suppressed", "open", "open", "open"]
    assert raised(finding(2, 1, cause_class="safety"), deployments=[deployment(3, 0.5)])[0]["state"] == "open"


def test_what_was_held_back_and_goes_on_is_raised_and_named_apart() -> None:
    held = raised(finding(5, 4), deployments=[deployment(6, 4)])
    loud = raised(finding(5, 1), deployments=[deployment(6, 4)], alerts=held)
    assert [a["state"] for a in (*held, *loud)] == ["suppressed", "open"]
    assert held[0]["alert_id"] != loud[0]["alert_id"]
    assert raised(finding(5, 1), deployments=[deployment(6, 4)], alerts=[*held, *loud]) == []


def test_a_closed_day_gets_no_alert() -> None:
    assert raised(finding(2, 1), closed=frozenset({NOW.date()})) == []


spans = st.tuples(st.integers(0, 400), st.integers(0, 30)).map(lambda s: finding(s[0] + s[1], s[0]))


@given(st.lists(spans, max_size=12), st.lists(spans, max_size=6), st.booleans())
def test_raising_again_raises_nothing_and_more_findings_never_name_an_alert_twice(
    first: list[dict[str, Any]], later: list[dict[str, Any]], deployed: bool
) -> None:
    around = Around(now=NOW, deployments=[deployment(100, 50)] if deployed else ())
    alerts = new_alerts(first, [], around)
    assert new_alerts(first, alerts, around) == []
    assert new_alerts(list(reversed(first)), alerts, around) == []
    more = new_alerts([*first, *later], alerts, around)
    assert new_alerts([*first, *later], [*alerts, *more], around) == []
    ids = [a["alert_id"] for a in (*alerts, *more)]
    assert len(ids) == len(set(ids))


def test_an_alerts_name_depends_on_what_and_since_when_alone() -> None:
    assert alert_id("f", NOW) == alert_id("f", NOW) != alert_id("f", NOW + timedelta(seconds=1))


# deployments

ENTRY = {"starts_at": "2026-11-10T09:00:00+00:00", "ends_at": "2026-11-10T10:30:00+01:00", "what": "shorter answers"}


def test_a_deployment_is_stated_once_and_a_changed_entry_is_a_further_statement_that_counts() -> None:
    stated = parse_deployments({"deployments": {"d": ENTRY}})
    rows = statements_to_add(stated, [], NOW)
    assert [(r["change"], r["ends_at"].hour, r["actor"]) for r in rows] == [(1, 9, "seed")]
    assert statements_to_add(stated, rows, NOW) == []
    longer = parse_deployments({"deployments": {"d": ENTRY | {"ends_at": "2026-11-10T12:00:00+00:00"}}})
    [second] = statements_to_add(longer, rows, NOW)
    assert (second["change"], second["ends_at"].hour, second["day"]) == (2, 12, rows[0]["day"])
    assert statements_to_add({}, rows, NOW) == [], "an entry that is taken out stays known"


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"what": "x"}, "lacks 'starts_at'"),
        (ENTRY | {"starts_at": "2026-11-10T09:00:00"}, "write a time with its zone"),
        (ENTRY | {"starts_at": datetime(2026, 11, 10, 9)}, "starts_at is 2026-11-10T09:00:00; write"),
        (ENTRY | {"ends_at": "2026-11-10T08:00:00+00:00"}, "ends before it starts"),
        (ENTRY | {"ends_at": "2026-12-10T08:00:00+00:00"}, "longer than 7 days"),
        (ENTRY | {"model_name": "x"}, "takes the keys"),
        (ENTRY | {"cancelled": "yes"}, "true or false"),
    ],
)
def test_a_slip_in_a_deployment_is_named(entry: dict[str, Any], says: str) -> None:
    with pytest.raises(DeploymentError, match=says):
        parse_deployments({"deployments": {"d": entry}})
