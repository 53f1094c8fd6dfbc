"""The release gate as Dagster runs it: a version that may not go fails a check, and no words are in its records."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from eval_house import EvalHouse, asked, number, right, suite
from probe_target import KEY, Provider, provider

from pipelines.build import build_defs
from pipelines.clock import WallClock
from pipelines.release.release_gate_runs import RELEASE_GATE, REPLAY
from resources.contracts import SEEDS
from resources.warehouse_resource import EmbedderResource, WarehouseResource


@pytest.fixture
def at() -> Iterator[Provider]:
    with provider() as running:
        running.say = lambda body: "qzwrongzq" if "[bad]" in asked(body) and number(body) % 3 == 0 else right(body)
        yield running


@pytest.fixture
def repository(tmp_path: Path, at: Provider, monkeypatch: pytest.MonkeyPatch) -> dg.RepositoryDefinition:
    monkeypatch.setenv("EVAL_KEY", KEY)
    house = EvalHouse(tmp_path / "house")
    house.declare(at.base_url, runs={"at_once": 8})
    house.write_suite(suite(60))
    house.write_prompt("v1")
    house.write_prompt("v2", "[bad] {{question}}", rollback_to="v1")
    kept = {path.name for path in house.seeds.iterdir()}
    shutil.copytree(SEEDS, house.seeds, dirs_exist_ok=True, ignore=lambda folder, names: kept & set(names))
    monkeypatch.setattr(WarehouseResource, "store", lambda self: house.store)
    warehouse = WarehouseResource(
        data_dir=str(house.store.data), state_dir=str(house.store.state), landing_dir=str(house.landing),
        seeds_dir=str(house.seeds), durable=False,
    )  # fmt: skip
    clock = WallClock(fixed_now="2026-11-10T09:00:00", settle_seconds=0.0)
    return build_defs({"warehouse": warehouse, "clock": clock, "embedder": EmbedderResource()}).get_repository_def()


def run(repository: dg.RepositoryDefinition, job: str, op: str, config: dict[str, Any]) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        return repository.get_job(job).execute_in_process(
            instance=instance, run_config={"ops": {op: {"config": config}}}, raise_on_error=False
        )


def test_a_blocked_version_fails_the_check_and_the_run_succeeds(repository: dg.RepositoryDefinition, at: Provider) -> None:
    done = run(repository, RELEASE_GATE, "release__gates", {"candidate": "chat@v2"})
    assert done.success
    [check] = done.get_asset_check_evaluations()
    assert not check.passed and "worse than the live version" in str(check.metadata["verdict"].value)
    told = "".join(str(event) for event in done.all_events)
    assert "chat@v2 must not be released" in told and "qzwrongzq" not in told and KEY not in told
    assert len(at.got) == 120


def test_without_a_candidate_nothing_is_asked(repository: dg.RepositoryDefinition, at: Provider) -> None:
    for job, op in ((RELEASE_GATE, "release__gates"), (REPLAY, "release__replays")):
        assert run(repository, job, op, {}).success
    assert at.got == []
