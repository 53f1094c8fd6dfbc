"""Prompts in a real MLflow registry, and releases: once however often, whole whoever is killed, back by one command."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from killing import REPO
from prompt_house import PromptHouse, manifest

from assets.release.assets import REGISTRY_LOG, read_prompts
from assets.release.releases import ReleaseError
from pipelines.release import release
from pipelines.release.prompt_desk import MANIFESTS
from resources import audit
from resources.events import append, table_rows
from resources.mlflow_store import MlflowStore
from resources.references import replace_reference
from resources.table_store import arrow_schema

V12 = manifest(version="v12", rollback_to=..., what="the first")
V13 = manifest()
BOTH = {"support-chat@v12.yml": V12, "support-chat@v13.yml": V13}
WHY = "there is no gate yet"


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that MLflow has migrated: it takes seconds, once."""
    folder = tmp_path_factory.mktemp("template") / "mlflow"
    with MlflowStore(folder).asking("it cannot be made") as client:
        client.search_prompts()
    return folder / "mlflow.db"


@pytest.fixture
def house(migrated: Path, tmp_path: Path) -> PromptHouse:
    house = PromptHouse(tmp_path)
    house.declare(BOTH)
    (tmp_path / "home" / "mlflow").mkdir(mode=0o700)
    shutil.copy(migrated, tmp_path / "home" / "mlflow")
    return house


def killed(house: PromptHouse, failpoint: str, *act: str) -> None:
    """The act in a process of its own, which dies at the failpoint."""
    environment = {**os.environ, "NOCTURNE_FAILPOINT": failpoint, "PYTHONPATH": f"{REPO}{os.pathsep}{REPO / 'tests'}"}
    worker = str(REPO / "tests" / "prompt_worker.py")
    command = [sys.executable, "-W", "ignore", worker, str(house.root), house.now.replace(tzinfo=None).isoformat(), *act]
    done = subprocess.run(command, env=environment, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def versions(house: PromptHouse) -> list[str | None]:
    return [one.version for one in house.registry.versions("support-chat")]


def live(house: PromptHouse, alias: str = "live") -> str | None:
    """The version that the registry's alias points to."""
    number = house.registry.pointed("support-chat", {alias}).get(alias)
    return next((one.version for one in house.registry.versions("support-chat") if one.number == number), None)


def promote(house: PromptHouse, version: str, environment: str = "prod") -> Any:
    return house.desk.promote(f"support-chat@{version}", environment, "ada", "shorter answers", WHY)


def test_each_version_is_registered_once_however_often_it_is_synced(house: PromptHouse) -> None:
    assert house.desk.work().registered == ["support-chat@v12", "support-chat@v13"]
    for _ in range(2):
        assert house.desk.work().registered == []
    assert versions(house) == ["v12", "v13"]
    assert [row["act"] for row in table_rows(house.store, REGISTRY_LOG)] == ["registered"] * 2


def test_a_kill_while_prompts_are_synced_leaves_nothing_twice_and_nothing_out(house: PromptHouse) -> None:
    killed(house, "prompt.registered", "sync")
    house.desk.work()
    assert versions(house) == ["v12", "v13"]
    assert [row["prompt_version"] for row in table_rows(house.store, REGISTRY_LOG)] == ["v12", "v13"]


def test_faulty_manifests_stay_out_of_the_registry_and_hold_no_other_back(house: PromptHouse) -> None:
    house.declare({**BOTH, "support-chat@v14.yml": manifest(version="v14", owner="team:nobody", rollback_to="v13")})
    assert house.desk.work().registered == ["support-chat@v12", "support-chat@v13"]
    with pytest.raises(ReleaseError, match="whom nobody knows"):
        promote(house, "v14")


def test_a_version_that_was_registered_and_then_changed_is_told(house: PromptHouse) -> None:
    house.desk.work()
    house.declare({**BOTH, "support-chat@v13.yml": V13 | {"system_policy": "2026-11"}})
    faults = read_prompts(house.seeds, house.store).faults
    assert [fault.rule for fault in faults] == ["changed_after_sync"]
    assert house.desk.work().registered == []


def test_a_release_moves_the_alias_and_says_so_everywhere(house: PromptHouse) -> None:
    released = promote(house, "v12")
    assert live(house) == "v12" and released.row["release_id"] == "support-chat-prod-1"
    promote(house, "v12", "staging")
    assert live(house, "live-staging") == "v12"
    promote(house, "v13")
    assert (live(house), live(house, "live-staging")) == ("v13", "v12")
    rows = {row["release_id"]: row for row in table_rows(house.store, MANIFESTS)}
    assert rows["support-chat-prod-2"]["replaces"] == "support-chat-prod-1"
    told = json.loads(rows["support-chat-prod-2"]["manifest"])
    assert told["prompt"]["version"] == "v13" and told["model"]["name"] == "gpt-4o-mini-2024-07-18"
    assert told["rollback"] == {"to": "v12", "replaces": "support-chat-prod-1"} and told["evaluation"]["suite"] == "support"
    assert V13["template"][0]["content"] not in rows["support-chat-prod-2"]["manifest"]
    stated = {row["deployment_id"]: row for row in table_rows(house.store, "release.deployments")}
    assert stated["support-chat-prod-2"]["prompt_version"] == "v13" and set(stated) == set(rows)
    acts = [(entry["action"], entry["subject"], entry["actor"]) for entry in audit.entries(house.store)]
    assert acts == [("release.promote", f"support-chat-{name}", "ada") for name in ("prod-1", "staging-1", "prod-2")]
    assert audit.broken_link(audit.entries(house.store)) is None


def test_before_the_first_night_staging_does_not_move_what_users_get(house: PromptHouse) -> None:
    nothing = arrow_schema(house.store.contracts["service.features"]).empty_table()
    replace_reference(house.store, "service.features", nothing)
    promote(house, "v12")
    promote(house, "v13", "staging")
    assert (live(house), live(house, "live-staging")) == ("v12", "v13")


def test_what_was_never_live_there_is_not_gone_back_to(house: PromptHouse) -> None:
    house.declare({**BOTH, "support-chat@v14.yml": manifest(version="v14", owner="team:nobody")})
    promote(house, "v13")
    promote(house, "v12", "staging")
    for to in (None, "v12", "v14"):
        with pytest.raises(ReleaseError, match=r"never live in this environment.*promote"):
            house.desk.rollback("support-chat", "prod", "grace", "refunds were promised", to)
    assert len(table_rows(house.store, MANIFESTS)) == 2


def test_a_rollback_whose_alias_has_nowhere_to_be_says_so(house: PromptHouse) -> None:
    promote(house, "v12")
    promote(house, "v13")
    features = (house.seeds / "features.yml").read_text(encoding="utf-8")
    (house.seeds / "features.yml").write_text("features: {}\n", encoding="utf-8")
    (house.seeds / "slos").rename(house.seeds / "slos.away")
    released = house.desk.rollback("support-chat", "prod", "grace", "refunds were promised")
    assert released.trouble and "its alias did not move: features.yml has no feature 'support_chat'" in released.trouble
    assert live(house) == "v13"
    (house.seeds / "features.yml").write_text(features, encoding="utf-8")
    (house.seeds / "slos.away").rename(house.seeds / "slos")
    assert house.desk.work().moved == ["live of support-chat to v12"]


@pytest.mark.parametrize("minutes", ["99999999999", "0", "10081", "-1", "1.5"])
def test_a_window_that_is_no_window_is_refused_before_anything_is_done(minutes: str) -> None:
    words = ["promote", "support-chat@v13", "--reason", "so", "--minutes"]
    with pytest.raises(SystemExit, match="2"):
        release._parser().parse_args([*words, minutes])
    assert release._parser().parse_args([*words, "10080"]).minutes == 7 * 24 * 60


def test_one_command_goes_back_and_is_audited(house: PromptHouse) -> None:
    promote(house, "v12")
    promote(house, "v13")
    released = house.desk.rollback("support-chat", "prod", "grace", "refunds were promised")
    assert live(house) == "v12"
    assert (released.row["act"], released.row["replaces"]) == ("rollback", "support-chat-prod-2")
    last = audit.entries(house.store)[-1]
    assert (last["action"], last["actor"]) == ("release.rollback", "grace")
    assert json.loads(last["details"])["reason"] == "refunds were promised"
    with pytest.raises(ReleaseError, match="first version"):
        house.desk.rollback("support-chat", "prod", "grace", "once more")


@pytest.mark.parametrize(
    ("failpoint", "act"),
    [
        ("release.decided", ("promote", "support-chat@v13")),
        ("release.stated", ("rollback", "support-chat")),
        ("prompt.pointed", ("rollback", "support-chat")),
    ],
)
def test_what_a_killed_release_left_undone_the_next_pass_does(
    house: PromptHouse, failpoint: str, act: tuple[str, str]
) -> None:
    promote(house, "v12")
    if act[0] == "rollback":
        promote(house, "v13")
    killed(house, failpoint, *act)
    for _ in range(2):
        done = house.desk.work()
        assert done.found == []
    assert live(house) == {"promote": "v13", "rollback": "v12"}[act[0]]
    released = sorted(row["release_id"] for row in table_rows(house.store, MANIFESTS))
    assert sorted(row["deployment_id"] for row in table_rows(house.store, "release.deployments")) == released
    assert sorted(entry["subject"] for entry in audit.entries(house.store)) == released
    moved = [row["release_id"] for row in table_rows(house.store, REGISTRY_LOG) if row["act"] == "alias_moved"]
    assert sorted(moved) == released


def test_a_registry_that_does_not_answer_holds_no_rollback_up(house: PromptHouse) -> None:
    promote(house, "v12")
    promote(house, "v13")
    house.uri = "http://127.0.0.1:9"
    released = house.desk.rollback("support-chat", "prod", "grace", "refunds were promised")
    assert released.trouble and "does not answer" in released.trouble
    assert audit.entries(house.store)[-1]["action"] == "release.rollback"
    house.uri = ""
    assert live(house) == "v13"
    assert house.desk.work().moved == ["live of support-chat to v12"]
    assert live(house) == "v12"


def test_an_alias_that_somebody_moved_by_hand_is_written_down_and_left(house: PromptHouse) -> None:
    promote(house, "v12")
    numbers = {one.version: one.number for one in house.registry.versions("support-chat")}
    house.registry.point("support-chat", "live", numbers["v13"])
    assert house.desk.work().found == ["live of support-chat"]
    assert house.desk.work().found == []
    assert live(house) == "v13"
    last = max(table_rows(house.store, REGISTRY_LOG), key=lambda row: row["change"])
    assert (last["act"], last["prompt_version"], last["actor"]) == ("alias_found", "v13", None)


def test_nothing_goes_live_without_the_gate_or_a_reason(house: PromptHouse) -> None:
    with pytest.raises(ReleaseError, match="never put before the gate"):
        house.desk.promote("support-chat@v13", "prod", "ada", "better")
    with pytest.raises(ReleaseError, match="--reason is empty"):
        house.desk.promote("support-chat@v13", "prod", "ada", "  ", WHY)
    with pytest.raises(ReleaseError, match="never put before the gate"):
        house.desk.promote("support-chat@v13", "prod", "ada", "better", "  ")
    assert table_rows(house.store, MANIFESTS) == [] and versions(house) == []


def test_a_feature_whose_risk_became_high_wants_an_approval_of_what_the_gate_let_through(house: PromptHouse) -> None:
    features = house.seeds / "features.yml"
    risky = features.read_text(encoding="utf-8").replace("risk_class: limited", "risk_class: high")
    features.write_text(risky, encoding="utf-8")
    with pytest.raises(ReleaseError, match=r"needs 1 approvals and has 0 \(the risk class of support_chat is high\)"):
        promote(house, "v12")
    assert table_rows(house.store, MANIFESTS) == []


def test_an_approval_is_of_the_content_and_of_enough_people(house: PromptHouse) -> None:
    house.declare({**BOTH, "support-chat@v13.yml": V13 | {"approvals": {"needed": 2}}})
    digest = next(m.digest for m in read_prompts(house.seeds, house.store).manifests if m.version == "v13")

    def approve(actor: str, of: str) -> None:
        at = house.now.replace(second=len(actor))
        row = {"day": at.date(), "recorded_at": at, "subject": "release/support-chat@v13", "subject_digest": of}
        row |= {"decision": "approve", "actor": actor, "reason": "read it"}
        append(house.store, "governance.approvals", lambda _: [row])

    approve("ada", "0" * 64)
    approve("grace", digest)
    with pytest.raises(ReleaseError, match="needs 2 approvals and has 1"):
        promote(house, "v13")
    approve("edsger", digest)
    assert promote(house, "v13").row["approved_by"] == "edsger,grace"
