"""An incident from a page to its postmortem: counted, held, classified, and its evidence outlives its class."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from alert_house import AlertHouse, failed, moment
from retention_house import RetentionHouse

from assets.service.incidents import IncidentError
from pipelines.service.alert_desk import ALERTS, DEPLOYMENTS, LOG
from pipelines.service.incident_desk import INCIDENTS, IncidentDesk
from resources.closing import Retention
from resources.incident_holds import incident_holds
from resources.retention import Hold, RetentionPolicy

BOTH = "pages_open_incidents: true\n"


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> AlertHouse:
    """A burst in which three users met with failures, after a deployment, and one calm request."""
    house = AlertHouse(tmp_path_factory.mktemp("story"), seed=BOTH)
    deployment = (
        "deployments:\n  prompt-13:\n    starts_at: 2026-11-09T08:00:00+00:00\n    ends_at: 2026-11-09T08:10:00+00:00\n"
        "    feature: chat\n    what: a shorter prompt\n"
    )
    house.declare(BOTH, deployment)
    rows = [failed(f"r{n}", f"11-09T10:0{n}") for n in range(3)]
    rows.append({**rows[0], "request_id": "calm", "ts": "2026-11-09T10:01:30Z", "error_class": None, "error_code": None})
    rows.append(failed("leak", "11-09T10:01", code="leak"))
    house.deliver("a.jsonl", [*rows, failed("other", "11-09T10:01", feature="search")])
    house.night()
    return house


def test_a_page_opens_an_incident_once_and_another_of_the_same_joins_it(story: AlertHouse) -> None:
    done = story.desk().work()
    assert len(done.raised) == 3 and done.incidents == ["2026-11-10-1", "2026-11-10-2"]
    assert story.desk().work().incidents == [] and story.desk().pending() is None
    of_chat = next(i for i in story.desk().incidents.all().values() if i.feature == "chat")
    assert len(of_chat.alert_ids) == 2
    # r0, r1, r2, the calm one and the leak lie in the window of one alert or the other; `calm` is r0's user.
    assert (of_chat.affected_requests, of_chat.affected_users) == (5, 4)


def test_an_incident_is_told_change_by_change_and_refuses_what_cannot_be(story: AlertHouse) -> None:
    desk = story.desk().incidents
    name = next(i.incident_id for i in desk.all().values() if i.feature == "chat")
    story.wait(30)
    with pytest.raises(IncidentError, match="was detected at"):
        desk.change(name, "contained", "ada", moment("11-09T09:00"))
    desk.change(name, "contained", "ada", note="rolled back")
    with pytest.raises(IncidentError, match="was contained at"):
        desk.change(name, "contained", "ada")
    story.wait(30)
    desk.change(name, "resolved", "ada")
    with pytest.raises(IncidentError, match="open a new one if it came back"):
        desk.change(name, "resolved", "ada")
    desk.change(name, "classified", "ada", cause_class="model", is_reportable=False)
    desk.change(name, "compliance_notified", "ada")
    desk.change(name, "action", "ada", note="limit the prompt", action_owner="team:chat", action_due=date(2026, 12, 1))
    with pytest.raises(IncidentError, match="there is no incident"):
        desk.change("2026-01-01-1", "resolved", "ada")
    story.publish()
    [row] = story.ask(
        "select state, cause_class, is_reportable, alerts, recurrence from service.incidents_now where feature = 'chat'"
    )
    assert row == ("resolved", "model", False, 2, 0)


def test_the_draft_tells_what_happened_names_samples_and_blames_nobody(story: AlertHouse) -> None:
    story.desk().acknowledge(next(a["alert_id"] for a in story.rows(ALERTS) if a["rule"] == "burst"), "ada")
    desk = story.desk().incidents
    old = next(i.incident_id for i in desk.all().values() if i.feature == "chat")
    again = desk.open("cut off again", "ada", feature="chat", cause_class="model", window=None)
    tables = [story.rows(name) for name in (ALERTS, LOG, DEPLOYMENTS)]
    path = Path(desk.draft(old, *tables))
    text = path.read_text(encoding="utf-8")
    assert path.parent == story.store.state / "postmortems" and path.stat().st_mode & 0o077 == 0
    for part in (
        "| 2026-11-09 08:00 | deployment prompt-13 begins: a shorter prompt |",
        "| 2026-11-10 03:00 | incident opened |",
        "| contained | 2026-11-10 03:30, after 30 minutes |",
        "rolled back",
        "acknowledged",
        "at most 4 users",
        "Samples: `r0`, `leak`, `r1`, `r2`, `calm`",
        "| limit the prompt | team:chat | 2026-12-01 |",
        "what it cost is not measured",
    ):
        assert part in text, part
    assert "ada" not in text
    assert f"| {old} |" in Path(desk.draft(again, *tables)).read_text(encoding="utf-8"), "an earlier one is alike"


def test_calls_that_another_model_answered_than_was_asked_for_are_counted_and_named(tmp_path: Path) -> None:
    house = AlertHouse(tmp_path)
    asked = {"request_model": "large"}
    answers = (None, "large-2026-10", "small-by-fallback")
    rows = [failed(f"r{n}", f"11-09T10:0{n}", **asked, response_model=model) for n, model in enumerate(answers)]
    rows.append(failed("another", "11-09T10:01", request_model="other", response_model="other", feature="search"))
    house.deliver("a.jsonl", rows)
    house.night()
    house.desk().work()
    [page] = [a for a in house.rows(ALERTS) if a["feature"] == "chat"]
    desk = house.desk().incidents
    name = desk.open("cut off", "ada", page)
    opened = desk.all()[name]
    assert (page["model"], opened.affected_requests, opened.affected_users) == ("large", 3, 3)
    assert "Samples: `r0`, `r1`, `r2`\n" in Path(desk.draft(name, [page], [], [])).read_text(encoding="utf-8")
    both = (moment("11-09T10:00"), moment("11-09T10:10"))
    by_answer = desk.open("by the model that answered", "ada", window=both, model="large-2026-10")
    assert desk.all()[by_answer].affected_requests == 1


def test_an_incident_that_is_written_down_hours_after_it_was_detected_was_not_opened_then(tmp_path: Path) -> None:
    desk = AlertHouse(tmp_path).desk().incidents
    name = desk.open("slow since midnight", "ada", detected_at=moment("11-10T00:15"), note="told by a customer")
    text = Path(desk.draft(name, [], [], [])).read_text(encoding="utf-8")
    assert "| 2026-11-10 00:15 | detected |\n| 2026-11-10 03:00 | incident opened: told by a customer |" in text


def test_two_that_open_at_once_get_two_names_and_an_alert_opens_one_incident(story: AlertHouse) -> None:
    before = story.desk().incidents.all().keys()
    two = [IncidentDesk(story.publisher, lambda: story.now).open(f"by hand {n}", "ada") for n in range(2)]
    assert len(set(two)) == 2 and not set(two) & before
    alert = story.rows(ALERTS)[0]
    known = {i.incident_id for i in story.desk().incidents.all().values() if alert["alert_id"] in i.alert_ids}
    assert {story.desk().incidents.open("the same alert", "bob", alert)} == known


def test_evidence_is_held_until_a_month_after_the_end_and_longer_where_it_is_reportable(tmp_path: Path) -> None:
    house = AlertHouse(tmp_path)
    desk = house.desk().incidents
    name = desk.open("x", "ada", window=(moment("11-01T10:00"), moment("11-02T10:00")))
    desk.open("without evidence", "ada")
    [hold] = incident_holds(house.store)
    days = {"first_day": date(2026, 11, 1), "last_day": date(2026, 11, 2)}
    assert hold == Hold(f"incident-{name}", f"incident {name}: x", date(2026, 11, 10), **days)
    desk.change(name, "resolved", "ada")
    assert [h.until for h in incident_holds(house.store)] == [date(2026, 12, 10)]
    house.wait(60 * 24 * 60)
    desk.change(name, "classified", "ada", cause_class="safety", is_reportable=True)
    ids = {h.id: h.until for h in incident_holds(house.store)}
    assert ids == {f"incident-{name}": date(2026, 12, 10), f"incident-{name}-reportable-3": date.max}, (
        "a hold that has ended is not begun again, which retention would refuse"
    )
    desk.change(name, "released", "ada")
    assert incident_holds(house.store) == []


def test_retention_leaves_the_days_of_an_open_incident_and_takes_them_afterwards(tmp_path: Path) -> None:
    house = AlertHouse(tmp_path, now="2026-11-02T03:00:00")
    house.deliver("a.jsonl", [failed("r1", "11-01T10:00"), failed("r0", "10-31T10:00", feature="search")])
    house.night()
    house.desk().work()
    alert = next(a for a in house.rows(ALERTS) if a["feature"] == "chat")
    name = house.desk().incidents.open("it fails", "ada", alert)
    policy = RetentionPolicy({"text": 3, "rows": 10, "aggregates": None}, landing_files=None)

    def retained() -> set[str]:
        area = RetentionHouse(house.root, house.store.contracts, house.now.isoformat()).area()
        Retention(house.publisher, area, policy, incident_holds(house.store)).run(house.now)
        return {f"{f.day:%m-%d}" for f in house.store.open("logs.requests").files() if f.day and f.rows}

    house.wait(20 * 24 * 60)
    assert retained() == {"11-01"}
    assert [a["alert_id"] for a in house.rows(ALERTS)] == [alert["alert_id"]], "the alert stays with its evidence"
    house.desk().incidents.change(name, "resolved", "ada")
    house.wait(31 * 24 * 60)
    assert retained() == set()
    assert house.rows(INCIDENTS), "what happened stays known when its evidence is gone"
