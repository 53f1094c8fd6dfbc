"""The probe as Dagster runs it: the asset's page, the schedule, the order of the night; and no key in its records."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from probe_target import KEY, Provider, provider

from assets.tables import asset_key
from pipelines.build import build_defs
from pipelines.clock import WallClock
from pipelines.drift.probe_desk import PROBES, ProbeDesk
from pipelines.drift.probe_runs import PROBE
from pipelines.nightly import COULD_NOT_START, NightRun
from pipelines.settings import Settings
from resources.contracts import SEEDS
from resources.events import table_rows
from resources.probe_seed import PROBES_FILE, ProbeSeedError
from resources.warehouse_resource import EmbedderResource, WarehouseResource

PROMPTS = {"sum": {"prompt": "6 * 7?", "expect": {"numeric": 42}}}


@pytest.fixture
def at() -> Iterator[Provider]:
    with provider() as running:
        yield running


@pytest.fixture
def resources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("PROBE_KEY", KEY)
    seeds = tmp_path / "seeds"
    shutil.copytree(SEEDS, seeds)
    warehouse = WarehouseResource(
        data_dir=str(tmp_path / "data"), state_dir=str(tmp_path / "home"), landing_dir=str(tmp_path / "landing"),
        seeds_dir=str(seeds), durable=False,
    )  # fmt: skip
    clock = WallClock(fixed_now="2026-11-10T03:00:00", settle_seconds=0.0)
    return {"warehouse": warehouse, "clock": clock, "embedder": EmbedderResource()}


def declare(resources: dict[str, Any], **endpoints: Any) -> None:
    path = resources["warehouse"].seeds / PROBES_FILE
    path.write_text(yaml.safe_dump({"endpoints": endpoints, "prompts": PROMPTS}))


def main(at: Provider) -> dict[str, Any]:
    return {"base_url": at.base_url, "model": "large", "key_env": "PROBE_KEY", "requests_per_minute": 6000}


def scheduled(resources: dict[str, Any]) -> dg.RunRequest | dg.SkipReason:
    repository = build_defs(resources).get_repository_def()
    context = dg.build_schedule_context(repository_def=repository, resources=resources)
    found = repository.get_schedule_def("probe").evaluate_tick(context)
    return found.run_requests[0] if found.run_requests else dg.SkipReason(found.skip_message)


def test_the_asset_says_what_was_asked_and_its_run_holds_no_key(resources: dict[str, Any], at: Provider) -> None:
    declare(resources, main=main(at), locked=main(at) | {"key_env": "NOBODY_SET_THIS"})
    assert isinstance(scheduled(resources), dg.RunRequest)
    job = build_defs(resources).get_repository_def().get_job(PROBE)
    with dg.DagsterInstance.ephemeral() as instance:
        at.plan = [401]
        done = job.execute_in_process(instance=instance)
        written = [str(entry) for entry in instance.all_logs(done.run_id)] + [str(instance.get_run_by_id(done.run_id))]
    assert done.success and KEY not in "".join(written)
    [event] = done.asset_materializations_for_node("drift__probes")
    told = {name: value.value for name, value in event.metadata.items()}
    assert (told["dagster/row_count"], told["answered"], told["failed"]) == (1, 0, 1)
    assert "| main | 0 | 1 | 0 | 2 | its key is not accepted |" in told["endpoints"]
    assert "NOBODY_SET_THIS holds no key" in told["endpoints"]


def test_without_an_endpoint_the_page_says_so_and_the_schedule_skips(resources: dict[str, Any]) -> None:
    declare(resources)
    skipped = scheduled(resources)
    assert isinstance(skipped, dg.SkipReason) and "no endpoint" in str(skipped.skip_message)
    done = build_defs(resources).get_repository_def().get_job(PROBE).execute_in_process()
    [event] = done.asset_materializations_for_node("drift__probes")
    assert "names no endpoint" in str(event.metadata["is_off"].value)
    assert event.asset_key == asset_key(PROBES)


def test_a_night_asks_before_it_computes_and_not_again(
    resources: dict[str, Any], at: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(resources, main=main(at))
    said: list[str] = []
    settings = Settings(tmp_path / "home", tmp_path / "data", tmp_path / "landing", None, 0.0, "2GB")
    order: list[str] = []
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(2):
            night = NightRun(settings, said.append, resources)
            monkeypatch.setattr(night, "_land", lambda instance: order.append("land"))
            monkeypatch.setattr(night, "_compute", lambda instance, runs: order.append(f"compute with {len(at.got)} asked"))
            night.read_seeds()
            monkeypatch.setattr(night, "_publish", lambda instance: order.append("publish"))
            monkeypatch.setattr(night, "_alert", lambda instance: None)
            night.run(instance)
            assert night.night.failures == []
    assert order == ["land", "compute with 3 asked", "publish"] * 2
    assert said.count("asking the golden prompts") == 1
    assert {row["score"] for row in table_rows(resources["warehouse"].store(), PROBES)} == {1.0}


def test_a_faulty_seed_keeps_a_night_from_starting(resources: dict[str, Any]) -> None:
    declare(resources, main={"base_url": "https://llm.example", "model": "large", "key": KEY})
    assert ProbeSeedError in COULD_NOT_START
    desk = ProbeDesk.of(resources["warehouse"], resources["clock"])
    with pytest.raises(ProbeSeedError, match="main has unknown keys key") as caught:
        desk.read_seed()
    assert KEY not in str(caught.value)
