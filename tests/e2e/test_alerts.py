"""Alerts from a failed request to a message: raised once, sent once, whatever ends, races or is out of order meanwhile."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import alert_worker
import pytest
from alert_house import AlertHouse, failed, moment
from http_target import TOKEN, Target, http_target
from killing import forks, named_failpoints

from pipelines.service.alert_board import board
from pipelines.service.alert_desk import ALERTS, LOG, AlertError
from pipelines.summary import open_alerts


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A night with a burst of two failed requests of `chat`, not published yet: published files name absolute paths."""
    made = AlertHouse(tmp_path_factory.mktemp("computed") / "house")
    made.deliver("a.jsonl", [failed("r1", "11-09T10:00"), failed("r2", "11-09T10:20")])
    made.land()
    while (plan := made.plan()).ranges:
        made.compute(plan)
    return made.root


@pytest.fixture
def house(computed: Path, tmp_path: Path) -> AlertHouse:
    """That night, published."""
    shutil.copytree(computed, tmp_path / "house")
    copied = AlertHouse(tmp_path / "house")
    copied.publish()
    return copied


@pytest.fixture
def oncall(house: AlertHouse) -> Iterator[Target]:
    with http_target() as target:
        house.addresses["ONCALL"] = target.address
        yield target


@pytest.fixture
def lead(house: AlertHouse) -> Iterator[Target]:
    with http_target() as target:
        house.addresses["LEAD"] = target.address
        yield target


def test_a_burst_is_one_page_with_all_that_somebody_needs_who_was_woken(house: AlertHouse, oncall: Target) -> None:
    done = house.desk().work()
    assert [(a["severity"], a["state"], a["owner"], a["channel"]) for a in done.raised] == [
        ("page", "open", "team:chat", "oncall")
    ]
    [message] = oncall.got
    [alert] = house.rows(ALERTS)
    assert message["title"] == "[page] 2 requests of chat failed"
    for part in (
        "since: 2026-11-09 10:00 UTC", "owner: team:chat", "runbook: docs/runbooks/latency.md",
        "evidence: select * from logs.requests", f"make ack ALERT={alert['alert_id'][:8]}",
    ):  # fmt: skip
        assert part in message["message"]
    house.night()
    again = house.desk()
    assert again.pending() is None and again.work().raised == [] and len(oncall.got) == 1


def test_late_rows_that_begin_an_episode_earlier_raise_nothing_again(house: AlertHouse, oncall: Target) -> None:
    house.desk().work()
    house.deliver("late.jsonl", [failed("r0", "11-09T09:50")])
    house.night()
    assert house.desk().work().raised == [] and len(oncall.got) == 1


def test_a_finding_that_a_restatement_takes_back_stays_an_alert_and_is_withdrawn(tmp_path: Path) -> None:
    house = AlertHouse(tmp_path)
    row = failed("r1", "11-09T10:00")
    house.deliver("a.jsonl", [row], "replacing")
    house.night()
    house.desk().work()
    house.deliver("a.jsonl", [{**row, "error_class": None, "error_code": None, "output_tokens": 5}], "replacing")
    house.night()
    assert house.desk().work().raised == []
    assert house.ask("select state, delivery, title from service.alerts_now") == [
        ("withdrawn", "none", "1 requests of chat failed")
    ]
    house.deliver("a.jsonl", [row], "replacing")
    house.night()
    assert house.desk().work().raised == [], "found again, it is the same alert"
    assert house.ask("select state from service.alerts_now") == [("open",)]


def test_of_what_was_taken_back_before_anybody_was_told_nobody_is_told(tmp_path: Path) -> None:
    house = AlertHouse(tmp_path, seed="pages_open_incidents: false\n")
    row = failed("r1", "11-09T10:00")
    house.deliver("a.jsonl", [row], "replacing")
    house.night()
    house.desk().work()
    house.deliver("a.jsonl", [{**row, "error_class": None, "error_code": None, "output_tokens": 5}], "replacing")
    house.night()
    with http_target() as oncall, http_target() as lead:
        house.addresses |= {"ONCALL": oncall.address, "LEAD": lead.address}
        house.declare("pages_open_incidents: true\n")
        assert house.desk().pending() is None
        assert house.desk().work().incidents == [] and oncall.got == [] and house.acts() == []
        house.deliver("a.jsonl", [row], "replacing")
        house.night()
        house.desk().work()
        assert len(oncall.got) == 1, "found again, it is told"
        house.deliver("a.jsonl", [{**row, "error_class": None, "error_code": None, "output_tokens": 5}], "replacing")
        house.night()
        house.wait(20)
        assert house.desk().pending() is None, "and taken back again, nobody is woken because nobody acknowledged it"


def test_a_page_that_nobody_acknowledges_goes_to_the_backup_once(house: AlertHouse, oncall: Target, lead: Target) -> None:
    house.desk().work()
    house.wait(14)
    assert house.desk().pending() is None
    house.wait(1)
    house.desk().work()
    house.wait(60)
    assert house.desk().pending() is None
    assert len(oncall.got) == len(lead.got) == 1
    assert lead.got[0]["message"].startswith("not acknowledged within 15 minutes; you are the backup.")
    assert house.acts() == [
        ("sending", "oncall", 1), ("sent", "oncall", 1), ("escalated", "lead", 1), ("sending", "lead", 1),
        ("sent", "lead", 1),
    ]  # fmt: skip


def test_an_acknowledged_page_stays_where_it_is_and_is_acknowledged_once(
    house: AlertHouse, oncall: Target, lead: Target
) -> None:
    house.desk().work()
    name = house.rows(ALERTS)[0]["alert_id"]
    assert house.desk().acknowledge(name[:8], "ada") is not None
    assert house.desk().acknowledge(name, "bob") is None
    house.wait(20)
    assert house.desk().pending() is None and lead.got == []
    [standing] = house.desk().standing()
    assert (standing["state"], standing["acknowledged_by"], standing["delivery"]) == ("acknowledged", "ada", "sent")
    with pytest.raises(AlertError, match="no alert's name begins with 'nobody'"):
        house.desk().acknowledge("nobody", "ada")
    with pytest.raises(AlertError, match="name an alert"):
        house.desk().acknowledge("", "ada")


def test_a_server_that_refuses_is_tried_again_with_patience_and_gets_it_once(house: AlertHouse, oncall: Target) -> None:
    oncall.answers = [500, 503]
    house.desk().work()
    assert house.desk().pending() is None, "the second attempt waits"
    house.wait(1)
    house.desk().work()
    house.wait(1)
    assert house.desk().pending() is None, "the third one waits longer"
    house.wait(1)
    house.desk().work()
    assert len(oncall.got) == 1
    assert house.acts() == [
        ("sending", "oncall", 1), ("failed", "oncall", 1), ("sending", "oncall", 2), ("failed", "oncall", 2),
        ("sending", "oncall", 3), ("sent", "oncall", 3),
    ]  # fmt: skip


def test_a_server_that_is_down_is_tried_a_bounded_number_of_times_and_then_the_backup_is_told(
    house: AlertHouse, lead: Target
) -> None:
    with http_target() as gone:
        house.addresses["ONCALL"] = gone.address
    for _ in range(30):
        house.desk().work()
        house.wait(4)
    attempts = [number for act, channel, number in house.acts() if (act, channel) == ("failed", "oncall")]
    assert attempts == list(range(1, 8))
    assert len(lead.got) == 1


def test_silence_is_not_tried_again_and_the_backup_is_told_at_once(house: AlertHouse, oncall: Target, lead: Target) -> None:
    oncall.answers = ["silent"]
    house.desk().work()
    assert len(oncall.got) == len(lead.got) == 1
    assert lead.got[0]["message"].startswith("nobody knows whether oncall was told")
    assert sorted(house.acts()) == [
        ("escalated", "lead", 1), ("sending", "lead", 1), ("sending", "oncall", 1), ("sent", "lead", 1),
        ("unconfirmed", "oncall", 1),
    ]  # fmt: skip


def test_a_channel_without_an_address_leaves_the_alert_to_the_backup_or_waiting(house: AlertHouse) -> None:
    done = house.desk().work()
    assert (done.waiting, done.messages.total(), house.desk().pending()) == ({"oncall": 1}, 0, None)
    with http_target() as lead:
        house.addresses["LEAD"] = lead.address
        house.desk().work()
        assert lead.got[0]["message"].startswith("oncall has no address")
        house.desk().work()
        assert len(lead.got) == 1


def test_a_channel_that_is_set_up_late_does_not_get_what_is_old(house: AlertHouse) -> None:
    house.desk().work()
    house.wait(25 * 60)
    with http_target() as oncall:
        house.addresses["ONCALL"] = oncall.address
        assert house.desk().pending() is None
        house.desk().work()
        assert oncall.got == []


def test_alerts_of_one_group_are_one_message_and_a_storm_is_bounded(tmp_path: Path) -> None:
    house = AlertHouse(tmp_path)
    rows = [failed(f"a{n}", "11-09T10:00", code=code) for n, code in enumerate(("500", "slow", "leak"))]
    rows += [failed(f"f{n}", "11-09T10:00", feature=f"feature-{n}") for n in range(30)]
    house.deliver("a.jsonl", rows)
    house.night()
    with http_target() as oncall:
        house.addresses["ONCALL"] = oncall.address
        house.desk().work()
        assert len(oncall.got) == 20
        while house.desk().pending():
            house.desk().work()
        of_chat = [m["title"] for m in oncall.got if "of chat" in m["title"]]
        assert sorted(of_chat) == ["[page] 1 requests of chat failed (and 1 more)", "[ticket] 1 requests of chat failed"]
        assert len(oncall.got) == 32


# what is shown


def test_pages_stand_first_then_what_is_newest_and_each_says_who_was_told(tmp_path: Path) -> None:
    house = AlertHouse(tmp_path)
    house.deliver("a.jsonl", [failed("old", "11-08T10:00"), failed("slow", "11-09T12:00", code="slow")])
    house.night()
    house.desk().work()
    house.desk().acknowledge(house.rows(ALERTS)[0]["alert_id"], "ada")
    house.wait(13 * 60)
    house.deliver("b.jsonl", [failed("new", "11-09T11:00", feature="search")])
    house.night()
    with http_target() as oncall:
        house.addresses["ONCALL"] = oncall.address
        house.desk().raise_alerts()
        search = next(a["alert_id"] for a in house.rows(ALERTS) if a["feature"] == "search")
        shown = board(house.desk()).still
        assert [(r["severity"], r["feature"], r["is_new"]) for r in shown] == [
            ("page", "search", True), ("page", "chat", False), ("ticket", "chat", False)
        ]  # fmt: skip
        house.desk().send_due()
        lines = open_alerts(board(house.desk()).still)
    assert lines[0] == f"page {search[:8]} (new): 1 requests of search failed; sent to oncall"
    acknowledged = [line for line in lines if "(acknowledged)" in line]
    assert len(acknowledged) == 1 and acknowledged[0].endswith("not sent yet")


def test_what_is_wrong_with_a_channel_is_told_with_its_name_and_never_its_address(
    house: AlertHouse, oncall: Target, lead: Target
) -> None:
    def troubles() -> list[str]:
        found = board(house.desk()).troubles
        assert TOKEN not in " ".join(found)
        return found

    assert troubles() == []
    oncall.answers = [500, "silent"]
    house.desk().work()
    assert troubles() == ["channel oncall: 1 alerts failed (HTTP 500), tried again"]
    house.wait(2)
    house.desk().work()
    assert troubles() == ["channel oncall: 1 alerts unconfirmed (no answer in time): nobody knows whether it has them"]
    [row] = board(house.desk()).still
    assert row["told"] == "unconfirmed: nobody knows whether oncall was told, sent to lead"
    house.addresses["ONCALL"] = f"nosuchscheme://{TOKEN}/"
    assert "channel oncall: Apprise does not understand its address" in troubles()
    house.desk().acknowledge(row["alert_id"], "ada")
    del house.addresses["ONCALL"]
    assert troubles() == [], "somebody looks at it"


def test_a_missing_address_is_told_with_what_to_set(house: AlertHouse) -> None:
    house.desk().work()
    waits = "1 alerts wait: channel oncall has no address: "
    assert board(house.desk()).troubles == [f"{waits}the environment variable ONCALL is not set"]
    [row] = board(house.desk()).still
    assert row["told"] == "not sent: no address"
    house.addresses["ONCALL"] = ""
    assert board(house.desk()).troubles == [f"{waits}the environment variable ONCALL is empty"]
    notify = house.seeds / "notify.yml"
    notify.write_text("channels: {oncall: {file: keys/oncall}}\n", encoding="utf-8")
    place = house.store.state / "keys" / "oncall"
    assert board(house.desk()).troubles == [f"{waits}the file {place} is missing"]
    notify.write_text("channels: {}\n", encoding="utf-8")
    assert board(house.desk()).troubles == [f"{waits}notify.yml does not declare it"]


# kills


def work(house: AlertHouse, failpoint: str | None = None) -> int | None:
    """A pass in a process of its own, to be killed; its exit status."""
    return ended(start(house, failpoint))


def start(house: AlertHouse, failpoint: str | None = None) -> BaseProcess:
    environment = {**house.addresses, **({"NOCTURNE_FAILPOINT": failpoint} if failpoint else {}), "PATH": "/usr/bin:/bin"}
    process = forks().Process(target=alert_worker.work, args=(house.root, house.now.isoformat(), environment))
    process.start()
    return process


def ended(process: BaseProcess) -> int | None:
    process.join()
    return process.exitcode


NAMED = named_failpoints({"{contract.table}": [], "{name.split('.')[1]}": []})
FAILPOINTS = [name for name in NAMED if name.startswith("alert.")]


def test_the_failpoints_of_sending_are_those() -> None:
    assert FAILPOINTS == ["alert.claimed", "alert.recorded", "alert.sent"]


@pytest.mark.parametrize("name", [*FAILPOINTS, "table.committed"])
def test_a_kill_while_sending_tells_no_channel_twice_and_somebody_for_certain(
    house: AlertHouse, oncall: Target, lead: Target, name: str
) -> None:
    assert work(house, name) == -9
    on_its_way = board(house.desk()).troubles
    for _ in range(8):
        house.desk().work()
        house.wait(2)
    assert len(oncall.got) <= 1 and len(lead.got) <= 1
    assert len(oncall.got) + len(lead.got) >= 1
    if name in ("alert.claimed", "alert.sent"):
        assert on_its_way == [
            "channel oncall: 1 alerts under way since 2026-11-10 03:00 UTC; "
            "the backup is told where nothing is known after 5 minutes"
        ]
        # It may have been told, or not: the backup is told, and says why.
        assert lead.got[0]["message"].startswith("nobody knows whether oncall was told")
        assert ("unconfirmed", "oncall", 1) in house.acts()
    assert len(house.rows(ALERTS)) == 1
    assert house.desk().pending() is None or not lead.got


def test_racing_raisers_and_senders_tell_each_channel_once(house: AlertHouse, oncall: Target) -> None:
    for process in [start(house) for _ in range(3)]:
        assert ended(process) == 0
    assert len(oncall.got) == 1
    assert len(house.rows(ALERTS)) == 1
    assert house.acts() == [("sending", "oncall", 1), ("sent", "oncall", 1)]


def test_racing_threads_tell_each_channel_once_and_every_alert_is_told(tmp_path: Path) -> None:
    house = AlertHouse(tmp_path)
    house.deliver("a.jsonl", [failed(f"f{n}", "11-09T10:00", feature=f"feature-{n}") for n in range(8)])
    house.night()
    with http_target() as oncall:
        house.addresses["ONCALL"] = oncall.address
        threads = [threading.Thread(target=house.desk().work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(oncall.taken()) == [f"[page] 1 requests of feature-{n} failed" for n in range(8)]


def test_a_clock_that_is_set_back_neither_repeats_a_message_nor_loses_one(
    house: AlertHouse, oncall: Target, lead: Target
) -> None:
    assert work(house, "alert.claimed") == -9
    house.wait(-3 * 60)
    for _ in range(3):
        house.desk().work()
    assert (len(oncall.got), len(lead.got)) == (0, 1)


def test_the_token_is_in_no_table_and_no_published_file(house: AlertHouse, oncall: Target, lead: Target) -> None:
    oncall.answers = [500]
    lead.answers = ["hang up"]
    for _ in range(4):
        house.desk().work()
        house.wait(15)
    house.publish()
    assert any(e["act"] == "failed" for e in house.rows(LOG))
    held = [p for p in house.root.rglob("*") if p.is_file() and TOKEN.encode() in p.read_bytes()]
    assert held == []


# what is raised


def test_a_burn_rate_pages_only_while_rows_come_in(tmp_path: Path) -> None:
    house = AlertHouse(tmp_path)
    house.deliver("a.jsonl", [failed("r1", "11-09T10:00", code="burn"), failed("r2", "11-09T10:00", "quiet", "burn")])
    house.night()
    house.deliver("live.jsonl", [{**failed("r3", "11-10T02:50", code="burn"), "error_class": None, "error_code": None}])
    house.land()
    raised = {a["feature"]: a for a in house.desk().work().raised}
    assert (raised["chat"]["severity"], raised["quiet"]["severity"]) == ("page", "ticket")
    assert raised["quiet"]["rule_severity"] == "page"
    assert raised["quiet"]["title"].endswith("(found in replay)")


def test_the_first_run_over_an_old_warehouse_tells_nobody_of_what_is_over(tmp_path: Path) -> None:
    house = AlertHouse(tmp_path)
    days = ["11-01", "11-04", "11-08"]
    house.deliver("a.jsonl", [failed(f"r{d}", f"{d}T10:00") for d in days] + [failed("leak", "11-02T10:00", code="leak")])
    house.night()
    with http_target() as oncall:
        house.addresses["ONCALL"] = oncall.address
        house.desk().work()
        alerts = house.rows(ALERTS)
        assert sum(a["state"] == "late" for a in alerts) == 2
        assert sorted(m["title"] for m in oncall.got) == [
            "[page] 1 requests of chat failed", "[ticket] 1 requests of chat failed (found late)"
        ]  # fmt: skip


DEPLOYMENT = """
deployments:
  prompt-13:
    starts_at: 2026-11-09T09:55:00+00:00
    ends_at: 2026-11-09T10:05:00+00:00
    feature: chat
    what: a shorter prompt
"""


def test_a_deployment_explains_what_lies_in_it_and_never_a_leak(house: AlertHouse, oncall: Target) -> None:
    house.declare(deployments=DEPLOYMENT)
    house.deliver("b.jsonl", [failed("r3", "11-09T10:00", code="leak"), failed("r4", "11-09T10:00", "search")])
    house.night()
    house.desk().work()
    found = {(a["feature"], a["rule"]): (a["state"], a["suppressed_by"]) for a in house.rows(ALERTS)}
    assert found == {
        ("chat", "burst"): ("suppressed", "prompt-13"),
        ("chat", "canary_leak"): ("open", None),
        ("search", "burst"): ("open", None),
    }
    assert len(oncall.got) == 2


def test_what_outlives_a_deployment_is_raised_after_all(house: AlertHouse, oncall: Target) -> None:
    house.declare(deployments=DEPLOYMENT)
    house.desk().work()
    assert oncall.got == []
    house.deliver("late.jsonl", [failed("r3", "11-09T11:00")])
    house.night()
    house.desk().work()
    assert oncall.taken() == ["[page] 3 requests of chat failed"]
    house.desk().work()
    assert len(house.rows(ALERTS)) == 2 and len(oncall.got) == 1
    assert sorted(row["state"] for row in house.desk().standing()) == ["open", "suppressed"]
    assert moment("11-09T10:00") == house.rows(ALERTS)[0]["first_seen"]
