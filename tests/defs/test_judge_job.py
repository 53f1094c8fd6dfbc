"""The judge as Dagster runs it: the asset's page, the sensor, the order of the night; and no key in its records."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from judge_house import JudgeHouse, verdict
from label_house import traffic
from probe_target import KEY, Provider, provider

from pipelines.build import build_defs
from pipelines.clock import WallClock
from pipelines.nightly import COULD_NOT_START, NightRun
from pipelines.quality.judge_runs import JUDGE
from pipelines.settings import Settings
from resources.contracts import SEEDS
from resources.judge_seed import JUDGE_FILE, JudgeSeedError
from resources.publishing import Publisher
from resources.warehouse_resource import EmbedderResource, WarehouseResource


@pytest.fixture
def at() -> Iterator[Provider]:
    with provider() as running:
        running.say = verdict
        yield running


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JudgeHouse:
    """A house of few tables under definitions of all: what the judge reads is in it."""
    monkeypatch.setenv("JUDGE_KEY", KEY)
    made = JudgeHouse(tmp_path)
    made.take("a.jsonl", traffic(3))
    monkeypatch.setattr(WarehouseResource, "store", lambda self: made.store)
    return made


@pytest.fixture
def resources(house: JudgeHouse) -> dict[str, Any]:
    kept = {path.name for path in house.seeds.iterdir()}
    shutil.copytree(SEEDS, house.seeds, dirs_exist_ok=True, ignore=lambda folder, names: kept & set(names))
    warehouse = WarehouseResource(
        data_dir=str(house.store.data), state_dir=str(house.store.state), landing_dir=str(house.landing),
        seeds_dir=str(house.seeds), durable=False,
    )  # fmt: skip
    clock = WallClock(fixed_now="2026-11-10T03:00:00", settle_seconds=0.0)
    return {"warehouse": warehouse, "clock": clock, "embedder": EmbedderResource()}


def tick(resources: dict[str, Any], instance: dg.DagsterInstance, cursor: str | None = None) -> Any:
    repository = build_defs(resources).get_repository_def()
    context = dg.build_sensor_context(instance, cursor, repository_def=repository, resources=resources)
    return repository.get_sensor_def("judge").evaluate_tick(context)


def test_the_run_says_what_it_cost_and_holds_neither_key_nor_words(
    house: JudgeHouse, resources: dict[str, Any], at: Provider
) -> None:
    house.name_judge(at.base_url)
    at.plan = [b"qzreplyzq"]
    job = build_defs(resources).get_repository_def().get_job(JUDGE)
    with dg.DagsterInstance.ephemeral() as instance:
        done = job.execute_in_process(instance=instance)
        written = "".join([str(entry) for entry in instance.all_logs(done.run_id)])
    assert done.success and "2 answers judged for 0.000108 USD, 1 not json" in written
    for secret in (KEY, "answer to r", "question of r", "qzreplyzq"):
        assert secret not in written
    [event] = done.asset_materializations_for_node("quality__judgements")
    told = {name: value.value for name, value in event.metadata.items()}
    assert (told["dagster/row_count"], told["judged"], told["failed"], told["cost_usd"]) == (3, 2, 1, "0.000108")


def test_the_sensor_asks_after_a_publish_and_not_where_nothing_can_be_asked(
    house: JudgeHouse, resources: dict[str, Any], at: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        house.name_judge(at.base_url)
        assert tick(resources, instance).skip_message == "nothing is published"
        monkeypatch.setattr(Publisher, "current_number", lambda self: 1)
        [asked] = tick(resources, instance).run_requests
        assert asked.run_key.startswith("judge:")
        monkeypatch.delenv("JUDGE_KEY")
        keyless = tick(resources, instance)
        assert "JUDGE_KEY holds no key" in keyless.skip_message
        assert tick(resources, instance, keyless.cursor).skip_message == "nothing was published since the last look"
        (house.seeds / JUDGE_FILE).write_text("endpoint: null\n")
        assert tick(resources, instance).skip_message == "no endpoint in seeds/judge.yml"


def test_a_night_asks_when_labels_are_drawn_and_not_again(
    house: JudgeHouse, resources: dict[str, Any], at: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.name_judge(at.base_url)
    said: list[str] = []
    settings = Settings(tmp_path / "home", tmp_path / "data", tmp_path / "landing", None, 0.0, "2GB")
    order: list[str] = []
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(2):
            night = NightRun(settings, said.append, resources)
            for step in ("land", "probe", "read_labels", "compute", "ask_for_labels", "publish", "alert"):
                tell = lambda *_, step=step: order.append(f"{step} with {len(at.got)} asked")  # noqa: E731
                monkeypatch.setattr(night, f"_{step}", tell)
            night.read_seeds()
            night.run(instance)
            assert night.night.failures == []
    assert order[3:6] == ["compute with 0 asked", "ask_for_labels with 0 asked", "publish with 3 asked"]
    assert said.count("asking the judge") == 1 and len(at.got) == 3


def test_a_faulty_seed_keeps_a_night_from_starting(house: JudgeHouse, resources: dict[str, Any]) -> None:
    house.name_judge("https://llm.example", {"key": KEY})
    assert JudgeSeedError in COULD_NOT_START
    night = NightRun(Settings(house.store.state, house.store.data, house.landing, None, 0.0, "2GB"), print, resources)
    with pytest.raises(JudgeSeedError, match="unknown keys key") as caught:
        night.read_seeds()
    assert KEY not in str(caught.value)
