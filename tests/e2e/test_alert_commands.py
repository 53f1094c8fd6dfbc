"""The commands that people answer with, as processes of their own see them: what they write, refuse and show."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from alert_house import AlertHouse, failed, moment

from assets.release.deployments import DeploymentError
from assets.service.assets import read_service_seeds
from pipelines.build import build_resources
from pipelines.nightly import COULD_NOT_START
from pipelines.release import deployment
from pipelines.service import alert, incident
from pipelines.service.alert_desk import ALERTS, DEPLOYMENTS, AlertDesk
from pipelines.settings import Settings
from resources.contracts import SEEDS
from resources.events import table_rows
from resources.notify_seed import NotifyError
from resources.warehouse_resource import WarehouseResource


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> AlertHouse:
    made = AlertHouse(tmp_path_factory.mktemp("house"))
    made.deliver("a.jsonl", [failed("r1", "11-09T10:00"), failed("r2", "11-09T10:00", feature="search\x1b[31m")])
    made.night()
    made.desk().work()
    shutil.copytree(SEEDS / "slos", made.seeds / "slos")
    shutil.copy(SEEDS / "features.yml", made.seeds / "features.yml")
    owner = "owners: {any: {any: {channel: oncall, backup_channel: lead, escalate_after_min: 15}}}\n"
    (made.seeds / "owners.yml").write_text(owner, encoding="utf-8")
    return made


@pytest.fixture(autouse=True)
def environment(house: AlertHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands find the house as they find a warehouse: by NOCTURNE_*; its tables are fewer than the project's."""
    monkeypatch.setenv("NOCTURNE_HOME", str(house.store.state))
    monkeypatch.setenv("NOCTURNE_DATA", str(house.store.data))
    monkeypatch.setenv("NOCTURNE_NOW", house.now.isoformat())
    monkeypatch.setattr(WarehouseResource, "store", lambda self: house.store)
    monkeypatch.setattr(WarehouseResource, "seeds", house.seeds)


def test_alerts_are_listed_answered_and_judged(house: AlertHouse, capsys: pytest.CaptureFixture[str]) -> None:
    assert alert.main(["list"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("page") == 2 and "\x1b" not in shown
    name = next(a["alert_id"] for a in house.rows(ALERTS) if a["feature"] == "chat")
    assert alert.main(["--actor", "ada", "ack", name[:8]]) == 0
    assert alert.main(["ack", name[:8]]) == 0
    assert alert.main(["outcome", name[:8], "expected"]) == 0
    assert "as it was before" in capsys.readouterr().out
    assert alert.main(["list"]) == 0
    assert name[:8] not in capsys.readouterr().out
    assert alert.main(["ack", "nobody"]) == 2
    assert "no alert's name begins with 'nobody'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        alert.main(["outcome", name, "maybe"])


def test_a_deployment_begins_and_ends_at_the_terminal(house: AlertHouse, capsys: pytest.CaptureFixture[str]) -> None:
    assert deployment.main(["list"]) == 0
    assert capsys.readouterr().out == "no deployments are stated\n"
    assert deployment.main(["start", "v13", "--what", "shorter answers", "--feature", "suport_chat"]) == 2
    assert "features.yml declares no feature 'suport_chat'; there are: code_assist" in capsys.readouterr().err
    assert deployment.main(["start", "v13", "--what", "shorter answers", "--feature", "support_chat"]) == 0
    assert "v13: going on, 2026-11-10 03:00 to 03:30 UTC, support_chat: shorter answers" in capsys.readouterr().out
    assert deployment.main(["start", "v13", "--what", "another"]) == 2
    assert "was stated before" in capsys.readouterr().err
    assert deployment.main(["finish", "v13"]) == 2
    assert "ends before it starts" in capsys.readouterr().err, "the clock stands still here: it would have taken no time"
    assert deployment.main(["cancel", "v13"]) == 0
    assert deployment.main(["finish", "v13"]) == 2
    assert [(d["change"], d["is_cancelled"]) for d in table_rows(house.store, DEPLOYMENTS)] == [(1, False), (2, True)]


def test_an_incident_is_opened_and_closed_at_the_terminal(house: AlertHouse, capsys: pytest.CaptureFixture[str]) -> None:
    name = house.rows(ALERTS)[0]["alert_id"]
    assert incident.main(["open", "--alert", name[:8], "--title", "answers are cut off"]) == 0
    shown = capsys.readouterr().out
    assert (
        "2026-11-10-1 is open; evidence of 2026-11-09 to 2026-11-09 is on legal hold: 1 requests, at most 1 users" in shown
    )
    assert "service.incidents_now shows it once it is published again" in shown
    assert Path(shown.splitlines()[-1].removeprefix("postmortem draft: ")).exists()
    for arguments in (
        ["contain", "2026-11-10-1", "--note", "rolled back"],
        ["action", "2026-11-10-1", "--what", "limit it", "--owner", "team:chat", "--due", "2026-12-01"],
        ["resolve", "2026-11-10-1"],
        ["classify", "2026-11-10-1", "--cause", "model", "--no-reportable"],
        ["notified", "2026-11-10-1"],
        ["release", "2026-11-10-1"],
    ):
        assert incident.main(arguments) == 0, arguments
    capsys.readouterr()
    assert incident.main(["list"]) == 0
    assert capsys.readouterr().out == "no open incidents\n"
    assert incident.main(["list", "--all"]) == 0
    assert "resolved" in capsys.readouterr().out
    for wrong, says in (
        (["resolve", "2026-11-10-1"], "open a new one if it came back"),
        (["contain", "2026-01-01-1"], "there is no incident"),
        (["draft", "2026-01-01-1"], "there is no incident"),
        (["open"], "an incident has a title"),
        (["open", "--title", "x", "--first", "2026-11-09"], "both ends"),
        (["open", "--title", "x", "--first", "2026-11-09", "--last", "2026-11-08"], "ends before it begins"),
        (["open", "--title", "x", "--at", "2027-01-01"], "in the future"),
    ):
        assert incident.main(wrong) == 2, wrong
        assert says in capsys.readouterr().err


def test_a_name_in_a_title_begins_no_line_of_its_own(house: AlertHouse, capsys: pytest.CaptureFixture[str]) -> None:
    assert incident.main(["open", "--title", "it fails\nresolved  page  all is well\x1b[2J"]) == 0
    draft = Path(capsys.readouterr().out.splitlines()[-1].removeprefix("postmortem draft: ")).read_text(encoding="utf-8")
    assert "it fails resolved page all is well\\x1b[2J" in draft and "\x1b" not in draft
    assert incident.main(["list"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert line.endswith("it fails\\nresolved  page  all is well\\x1b[2J")


def test_the_desk_of_a_process_reads_the_seeds_of_its_warehouse(house: AlertHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONCALL", "json://127.0.0.1:1/")
    resources = build_resources(Settings.from_environment())
    desk = AlertDesk.of(resources["warehouse"], resources["clock"])
    desk.read_seeds(read_service_seeds(house.seeds))
    assert desk.pending() is not None, "the channel that had no address has one now"


def test_seeds_that_do_not_fit_each_other_keep_a_night_from_starting(house: AlertHouse, tmp_path: Path) -> None:
    def read(owner: str = "oncall", feature: str = "support_chat", ends: str = "2026-11-10T09:00:00Z") -> None:
        seeds = shutil.copytree(house.seeds, tmp_path / "seeds", dirs_exist_ok=True)
        owners = (house.seeds / "owners.yml").read_text(encoding="utf-8")
        (seeds / "owners.yml").write_text(owners.replace("channel: oncall", f"channel: {owner}"), encoding="utf-8")
        entry = f"{{starts_at: 2026-11-09T08:00:00Z, ends_at: {ends}, feature: {feature}, what: x}}"
        (seeds / "deployments.yml").write_text(f"deployments: {{v13: {entry}}}\n", encoding="utf-8")
        AlertDesk(house.publisher, seeds, {}, lambda: house.now).read_seeds(read_service_seeds(seeds))

    read()
    with pytest.raises(NotifyError, match=r"channels that notify\.yml does not declare: on-call; there are: lead, oncall"):
        read(owner="on-call")
    with pytest.raises(DeploymentError, match=r"deployments\.yml: v13: features\.yml declares no feature 'suport_chat'"):
        read(feature="suport_chat")
    read(feature="a_feature_of_last_year", ends="2026-11-09T09:00:00Z")
    assert {NotifyError, DeploymentError} <= set(COULD_NOT_START)


def test_retention_honours_the_holds_of_incidents_beside_those_of_the_seed(house: AlertHouse) -> None:
    for name in ("retention.yml", "sources.yml", "capture.yml"):
        shutil.copy(SEEDS / name, house.seeds / name)
    listed = "holds:\n  - {id: matter-1, since: 2026-11-09, reason: dispute, first_day: 2026-10-01, last_day: 2026-10-02}\n"
    (house.seeds / "legal_holds.yml").write_text(listed, encoding="utf-8")
    warehouse = build_resources(Settings.from_environment())["warehouse"]
    opened = house.desk().incidents.open("held", "ada", window=(moment("11-03T10:00"), moment("11-04T10:00")))
    assert {"matter-1", f"incident-{opened}"} <= {hold.id for hold in warehouse.retention().holds}
