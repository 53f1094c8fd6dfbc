"""Kills at every step of registering a model and of calling it champion: nothing half is there, and a retry finishes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from registry_house import (
    EMBEDDER,
    SUBJECT,
    Killer,
    PromotingHouse,
    decide,
    files,
    forget,
    migrated,
    promote,
    register,
    registration,
    registry_at,
)

from resources import audit
from resources.model_version import CHAMPION, REJECTED

BEFORE = ("registry.begun", "registry.uploaded", "registry.finished")
"""Before there is a version."""
AFTER = ("registry.created", "registry.downloaded", "registry.remembered", "registry.alias")
"""Once there is one; at the last, it is champion, too."""


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    made = Killer()
    yield made
    made.close()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated(tmp_path_factory.mktemp("template"))


def test_at_whatever_step_registering_dies_nothing_half_is_there_and_the_retry_finishes(
    database: Path, tmp_path: Path, killer: Killer
) -> None:
    registry = registry_at(tmp_path / "home", database)
    register(registry.state, files(tmp_path / "old", "the champion before"))
    for number, failpoint in enumerate((*BEFORE, *AFTER), start=2):
        folder = files(tmp_path / failpoint, f"weights {failpoint}")
        champion = registry.by_alias(EMBEDDER, CHAMPION)
        assert killer.killed(register, registry.state, folder, failpoint=failpoint), failpoint
        there = registry.versions(EMBEDDER)
        assert len(there) == (number - 1 if failpoint in BEFORE else number), failpoint
        for version in there:
            registry.files(version)  # Each is whole: else it is refused.
        after = registry.champion_folder(EMBEDDER)
        assert after is not None and champion is not None
        assert (after[0].version == champion.version) == (failpoint != "registry.alias"), failpoint
        register(registry.state, folder)
        made = registry.champion_folder(EMBEDDER)
        assert made is not None and made[0].version == str(number), failpoint
        assert (made[1] / "model.safetensors").read_text(encoding="utf-8") == f"weights {failpoint}"
        assert registry.former_champion(EMBEDDER) == champion.version, failpoint
    with registry._asking("a test looks") as client:
        experiment = client.get_experiment_by_name(EMBEDDER)
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == len(registry.versions(EMBEDDER)), "a retry goes on with the run that it finds"
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert {len(run.data.metrics) for run in runs} == {4}
    for run in runs:
        assert run.inputs is not None and len(run.inputs.dataset_inputs) == 1
        with registry._asking("a test looks") as client:
            assert len(client.get_metric_history(run.info.run_id, "curve/loss")) == 2, "said twice, a number is one"
    left = [path.name for path in (registry.state / "models").iterdir() if path.name.startswith(".making")]
    assert left == []
    shutil.rmtree(registry.state / "models")
    assert registry.champion_folder(EMBEDDER) is not None


def test_the_files_of_a_rejected_version_whose_removal_dies_are_gone_and_the_retry_says_so(
    database: Path, tmp_path: Path, killer: Killer
) -> None:
    registry = registry_at(tmp_path / "home", database)
    made = registry.register_folder(registration(files(tmp_path / "model"), status=REJECTED, reason="nDCG falls"))
    assert killer.killed(forget, registry.state, made.version, failpoint="registry.files_removed")
    [there] = registry.versions(EMBEDDER)
    assert registry.forget_files(there) and not registry.forget_files(registry.version(EMBEDDER, made.version))


def test_a_promotion_or_approval_that_dies_is_in_the_audit_and_done_by_its_retry(
    database: Path, tmp_path: Path, killer: Killer
) -> None:
    house = PromotingHouse(tmp_path, database)
    made = house.registry.register_folder(registration(files(tmp_path / "model")))
    assert killer.killed(promote, tmp_path, made.version, failpoint="registry.audited")
    assert house.registry.by_alias(EMBEDDER, CHAMPION) is None
    promote(tmp_path, made.version)
    champion = house.registry.by_alias(EMBEDDER, CHAMPION)
    assert champion is not None and champion.version == made.version
    assert killer.killed(decide, tmp_path, failpoint="registry.decided")
    assert house.decisions() == []
    decide(tmp_path)
    [row] = house.decisions()
    assert (row["subject"], row["decision"], row["actor"]) == (SUBJECT, "approve", "ada")
    chain = audit.entries(house.store)
    assert [one["action"] for one in chain] == ["model_promoted", "approved"], "at one moment an act is one"
    assert audit.broken_link(chain) is None
