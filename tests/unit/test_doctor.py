"""`make doctor`: every kind of trouble is told, with what to do, and nothing secret; each made in a real folder or file."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import dagster as dg
import pytest
from house import House, request

from pipelines.build import build_resources
from pipelines.doctor import machine, packages
from pipelines.doctor.__main__ import main
from pipelines.doctor.finding import Finding, exit_status
from pipelines.doctor.places import folder_findings, landing_findings, mode_findings, restore_finding
from pipelines.doctor.seeds import seed_findings
from pipelines.doctor.settings import names_in_seeds, settings_findings
from pipelines.doctor.state import embedder_finding, instance_findings, keyring_finding, registry_finding
from pipelines.event_log import open_instance
from pipelines.seed_reading import night_readers, other_readers
from pipelines.settings import INSTANCE_YAML, REPO, Settings
from resources.contracts import SEEDS
from resources.keyring import KEY_FILE
from resources.process_mark import process_mark
from resources.restore import RESTORING
from resources.warehouse_resource import PROCESS_TAG, WarehouseResource

SECRET = "Zq-Secret-Qz"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A warehouse below `tmp_path` that was never used."""
    for name in [name for name in os.environ if name.startswith("NOCTURNE_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("NOCTURNE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NOCTURNE_DATA", str(tmp_path / "data"))
    return Settings.from_environment()


def states(findings: list[Finding]) -> list[str]:
    return [finding.state for finding in findings]


# what is installed


def test_another_python_is_told_before_anything_is_imported() -> None:
    found = packages.python_finding((3, 12, 1))
    assert (found.state, found.said) == ("fail", "Python 3.12.1; this project runs on 3.11")


def test_this_environment_is_as_it_is_pinned() -> None:
    assert states(packages.package_findings(REPO, packages.installed())) == ["ok"]


def test_a_package_that_is_missing_or_older_than_its_pin_is_named() -> None:
    there = packages.installed() | {"duckdb": "1.0.0"}
    del there["deltalake"]
    missing, other = packages.package_findings(REPO, there)
    assert (missing.state, other.state) == ("fail", "fail")
    assert missing.said == "not installed: deltalake"
    assert "duckdb 1.0.0 (pinned: " in other.said


def test_another_version_of_what_only_others_ask_for_is_no_failure() -> None:
    indirect = (set(packages.pins(REPO / "constraints.txt")) & set(packages.installed())) - set(
        packages.needed(REPO / "pyproject.toml")
    )
    there = packages.installed() | {min(indirect): "0.0.1"}
    assert states(packages.package_findings(REPO, there)) == ["warn"]


@pytest.mark.parametrize(
    ("wheels", "cards", "state", "do"),
    [
        (["faiss-cpu"], [], "ok", ""),
        (["faiss_gpu"], ["NVIDIA H200"], "ok", ""),
        (["faiss-cpu", "faiss-gpu"], [], "fail", "remove .venv"),
        ([], [], "fail", "make setup"),
        (["faiss-gpu"], [], "warn", "without GPU=1"),
        (["faiss-cpu"], ["NVIDIA H200"], "warn", "make setup GPU=1"),
    ],
)
def test_faiss_fits_the_machine(wheels: list[str], cards: list[str], state: str, do: str) -> None:
    found = packages.faiss_finding(wheels, cards)
    assert (found.state, do in found.do) == (state, True)


def test_gpus_are_those_that_nvidia_smi_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for script, found in (("echo 'GPU 0: NVIDIA H200 (UUID: GPU-1)'", ["NVIDIA H200"]), ("echo broken; exit 9", [])):
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)
        assert packages.gpus() == found


def test_an_embedder_on_cuda_needs_cuda() -> None:
    assert packages.cuda_finding("cpu", None) is None
    found = packages.cuda_finding("cuda:1", has_cuda=False)
    assert found is not None and (found.state, "NOCTURNE_EMBEDDER_DEVICE" in found.do) == ("fail", True)


# the environment


def test_a_misspelt_setting_is_told_with_the_one_that_is_meant() -> None:
    [found] = settings_findings({"NOCTURNE_LANDIGN": SECRET}, [])
    assert (found.state, found.do) == ("fail", "did you mean NOCTURNE_LANDING?")
    assert SECRET not in found.said


def test_names_that_seeds_choose_are_known_and_others_are_told() -> None:
    named = names_in_seeds(SEEDS)
    assert states(settings_findings({"NOCTURNE_CHANNEL_FINOPS": SECRET, "NOCTURNE_HOME": "/srv"}, named)) == ["ok"]
    [found] = settings_findings({"NOCTURNE_WHATEVER_ELSE": SECRET}, named)
    assert found.state == "warn"


def test_a_failpoint_in_the_environment_is_told() -> None:
    assert states(settings_findings({"NOCTURNE_FAILPOINT": "land.staged"}, [])) == ["fail"]


# folders


def test_a_new_warehouse_is_fine_and_nothing_is_made_for_it(settings: Settings) -> None:
    found = [*folder_findings("home", settings.home), *mode_findings(settings), restore_finding(settings)]
    found += [*landing_findings(settings, SEEDS / "sources.yml"), *instance_findings(settings), registry_finding(settings)]
    store = build_resources(settings)["warehouse"].store()
    assert set(states([*found, keyring_finding(store)])) == {"ok"}
    assert not settings.home.exists() and not settings.data.exists()


def test_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file", encoding="utf-8")
    [found] = folder_findings("home", tmp_path / "home" / "deeper")
    assert (found.state, found.said.startswith(f"{tmp_path / 'home'} is a file")) == ("fail", True)


def test_a_folder_is_written_flushed_renamed_and_linked_and_left_as_it_was(tmp_path: Path) -> None:
    assert states(folder_findings("data", tmp_path)) == ["ok", "ok"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["fsync", "replace", "link"])
def test_a_file_system_that_lacks_what_commits_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    """As some network and FUSE file systems answer."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, verb, refuse)
    [found] = folder_findings("data", tmp_path)
    assert (found.state, "Operation not supported" in found.said) == ("fail", True)
    assert list(tmp_path.iterdir()) == []


def test_keys_and_logs_that_others_may_look_into(settings: Settings) -> None:
    (settings.home / "keys").mkdir(parents=True, mode=0o700)
    settings.home.chmod(0o700)
    (settings.home / "keys").chmod(0o755)
    settings.landing.mkdir(mode=0o700)
    [found] = mode_findings(settings)
    assert (found.state, found.do) == ("fail", f"chmod 700 {settings.home / 'keys'}")
    (settings.home / "keys").chmod(0o700)
    settings.landing.chmod(0o770)
    assert mode_findings(settings)[0].do == f"chmod 700 {settings.landing}"


def test_a_restore_that_was_cut_short(settings: Settings) -> None:
    (settings.data / RESTORING).mkdir(parents=True)
    assert restore_finding(settings).state == "fail"


def test_a_landing_place_that_is_not_there_or_holds_what_nobody_declared(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed, landing = SEEDS / "sources.yml", tmp_path / "logs"
    monkeypatch.setenv("NOCTURNE_LANDING", str(landing))
    assert states(landing_findings(Settings.from_environment(), seed)) == ["fail"]
    (landing / "gatway").mkdir(parents=True)
    undeclared, empty = landing_findings(Settings.from_environment(), seed)
    assert (undeclared.state, "gatway" in undeclared.said, empty.state) == ("warn", True, "warn")
    (landing / "gatway").rename(landing / "gateway")
    (landing / "gateway" / "a.jsonl").write_text("{}\n", encoding="utf-8")
    assert states(landing_findings(Settings.from_environment(), seed)) == ["ok"]


@pytest.mark.parametrize("url", [f"s3://ada:{SECRET}@bucket/logs", "nonsense://bucket/logs"])
def test_a_landing_url_that_cannot_be_read(settings: Settings, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("NOCTURNE_LANDING", url)
    [found] = landing_findings(Settings.from_environment(), SEEDS / "sources.yml")
    assert (found.state, SECRET in found.said) == ("fail", False)


# the machine


def test_a_clock_that_stands_before_the_newest_publish() -> None:
    now = datetime(2026, 11, 10, 3, tzinfo=UTC)
    later = (now + timedelta(days=1)).timestamp()
    assert states(machine.clock_findings(now, now, 2, later, None)) == ["fail"]
    assert states(machine.clock_findings(now, now, 2, now.timestamp(), "2026-11-01")) == ["ok", "warn"]


def test_zones_of_quarter_hours_are_right_and_the_nightly_hour_is_told_in_them() -> None:
    now = datetime(2026, 11, 10, 3, tzinfo=UTC)
    kathmandu = now.astimezone(timezone(timedelta(hours=5, minutes=45)))
    [found] = machine.clock_findings(now, kathmandu, 2, None, None)
    assert (found.state, "here 07:45 (UTC+0545)" in found.said) == ("ok", True)
    odd = now.astimezone(timezone(timedelta(minutes=7)))
    assert states(machine.clock_findings(now, odd, 2, None, None)) == ["warn"]


@pytest.mark.parametrize(("seconds", "words"), [(90.0, "90 s behind"), (-90.0, "90 s ahead of")])
def test_a_file_server_with_a_clock_of_its_own(seconds: float, words: str) -> None:
    found = machine.file_clock_finding("data", seconds)
    assert (found.state, words in found.said) == ("warn", True)


def test_room_is_held_against_what_the_last_night_wrote(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"x" * 3_000)
    new.write_bytes(b"x" * 1_000)
    os.utime(old, (1_700_000_000, 1_700_000_000))
    assert machine.usage([tmp_path]) == machine.Usage(4_000, 1_000)
    assert states(machine.disk_findings("disk", tmp_path, machine.Usage(0, 10**18))) == ["fail"]
    assert states(machine.disk_findings("disk", tmp_path, machine.Usage(10**18, 0))) == ["warn"]


def test_duckdb_may_not_use_more_than_there_is() -> None:
    found = machine.memory_finding("16GB", 8 * 10**9, 7 * 10**9)
    assert (found.state, found.do) == ("fail", "set NOCTURNE_MEMORY_LIMIT to 4GB or less")
    assert machine.memory_finding("2GB", 8 * 10**9, 3 * 10**9).state == "warn"
    assert machine.memory_finding("512MiB", 8 * 10**9, 6 * 10**9).state == "ok"


def test_in_a_container_its_own_limit_counts(tmp_path: Path) -> None:
    group = tmp_path / "sys" / "fs" / "cgroup"
    group.mkdir(parents=True)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 64000000 kB\nMemAvailable: 60000000 kB\n", encoding="ascii")
    assert machine.memory_bytes(tmp_path)[0] == 64_000_000 * 1024
    (group / "memory.max").write_text("4000000000\n", encoding="ascii")
    (group / "memory.current").write_text("1000000000\n", encoding="ascii")
    assert machine.memory_bytes(tmp_path) == (4_000_000_000, 3_000_000_000)


# state


def test_keys_are_held_against_what_the_ledger_knows(house: House) -> None:
    house.deliver("a.jsonl", [request("r1", "2026-11-08T10:00:00Z", user_id="u")])
    house.land()
    path = house.store.state / "keys" / KEY_FILE
    sound, ring = keyring_finding(house.store), path.read_text(encoding="utf-8")
    assert (sound.state, json.loads(ring)["keys"][0]["key"] in sound.said) == ("ok", False)
    path.chmod(0o644)
    assert "chmod 600" in keyring_finding(house.store).said
    path.chmod(0o600)
    path.write_text(ring[: len(ring) // 2], encoding="utf-8")
    assert "is damaged" in keyring_finding(house.store).said
    path.unlink()
    lost = keyring_finding(house.store)
    assert (lost.state, "is missing, but the ledger's pseudonyms" in lost.said) == ("fail", True)
    assert not path.exists()


def test_a_model_that_is_not_there(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert embedder_finding(settings).state == "ok"
    monkeypatch.setenv("NOCTURNE_EMBEDDER", "/nowhere/model")
    assert embedder_finding(Settings.from_environment()).state == "fail"


def test_a_registry_that_is_damaged_or_does_not_answer(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    (settings.home / "mlflow").mkdir(parents=True)
    (settings.home / "mlflow" / "mlflow.db").write_bytes(b"no database at all" * 100)
    assert registry_finding(settings).state == "fail"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("NOCTURNE_MLFLOW_URI", f"http://127.0.0.1:{free.getsockname()[1]}")
        found = registry_finding(Settings.from_environment())
    assert (found.state, "does not answer" in found.said) == ("fail", True)


def test_runs_of_another_night_are_told_from_killed_ones(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    home = settings.home / "dagster"
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_bytes(INSTANCE_YAML.read_bytes())
    with open_instance(str(home)) as instance:
        alive, killed = (
            instance.create_run_for_job(_nothing, status=dg.DagsterRunStatus.STARTED).run_id for _ in range(2)
        )
        instance.add_run_tags(alive, {PROCESS_TAG: process_mark(alive)})
        instance.add_run_tags(killed, {PROCESS_TAG: f"{killed}:{socket.gethostname()}:999999999:1"})
    told = {finding.said.split(",")[0]: finding for finding in instance_findings(settings) if finding.what == "runs"}
    assert set(told) == {"1 were killed", "1 under way or queued"}
    assert alive[:8] in told["1 under way or queued"].said and killed[:8] in told["1 were killed"].said
    monkeypatch.setenv("DAGSTER_HOME", "relative/folder")
    assert states(instance_findings(settings)) == ["fail"]


def test_an_instance_that_cannot_be_opened(settings: Settings) -> None:
    home = settings.home / "dagster"
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text("concurency: {runs: {}}\n", encoding="utf-8")
    [found] = instance_findings(settings)
    assert (found.state, "dagster.local.yaml" in found.do) == ("fail", True)


# seeds


def test_every_seed_has_a_reader(settings: Settings) -> None:
    resources = build_resources(settings)
    names = {name for key in (*night_readers(resources), *other_readers(resources)) for name in key.split(", ")}
    there = {path.name for path in SEEDS.iterdir()} - {"gitleaks"}
    assert names == there


def test_all_faulty_seeds_are_told_at_once_and_those_of_a_night_fail(
    settings: Settings, tmp_path: Path, copied_seeds: Callable[[], Path]
) -> None:
    seeds = copied_seeds()
    resources = build_resources(settings)
    resources["warehouse"] = _over(settings, seeds)
    assert states(seed_findings(resources)) == ["ok"]
    (seeds / "tenants.yml").write_text("tenants: [acme]\n", encoding="utf-8")
    (seeds / "retention.yml").write_text("keep_days: {text: never}\n", encoding="utf-8")
    (seeds / "release.yml").write_text("endpoint: {}\n", encoding="utf-8")
    found = seed_findings(resources)
    assert states(found) == ["fail", "fail", "warn"]
    assert [finding.do.split(": ")[1].split(". ")[0] for finding in found] == ["retention.yml", "tenants.yml", "release.yml"]


# the command


def test_the_doctor_ends_with_1_where_something_fails_and_shows_no_secret(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    assert main(["--json"], said.append) == 0
    sound = json.loads(said[0])
    assert (sound["exit_status"], {f["state"] for f in sound["findings"]} <= {"ok", "warn"}) == (0, True)
    assert len({f["what"] for f in sound["findings"]}) >= 15
    monkeypatch.setenv("NOCTURNE_MLFLOW_URI", f"http://ada:{SECRET}@mlflow.example:5000")
    monkeypatch.setenv("NOCTURNE_CHANNEL_FINOPS", SECRET)
    assert main([], said.append) == 1
    assert "MLFLOW_TRACKING_PASSWORD" in said[1] and SECRET not in said[1]
    assert exit_status([Finding("a", "warn", "b", "c")]) == 0


@dg.op
def _idle() -> None:
    pass


@dg.job
def _nothing() -> None:
    _idle()


def _over(settings: Settings, seeds: Path) -> WarehouseResource:
    return WarehouseResource(
        data_dir=str(settings.data), state_dir=str(settings.home), landing_dir=str(settings.landing), seeds_dir=str(seeds)
    )


@pytest.fixture
def copied_seeds(tmp_path: Path) -> Callable[[], Path]:
    """The shipped seeds, to be edited."""

    def copy() -> Path:
        import shutil

        return Path(shutil.copytree(SEEDS, tmp_path / "seeds"))

    return copy
