"""`make tune`, and the step of a night: what they say, what they do, and that they say nothing where nothing is enabled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from registry_house import migrated
from tuning_desk_house import DeskHouse

from pipelines.nightly import NightRun
from pipelines.settings import Settings
from pipelines.tuning import tune
from pipelines.tuning.tuning_runs import code_revision
from resources.contracts import REPO
from resources.trainer import curve_key
from resources.tuning_seed import TUNING_FILE
from resources.warehouse_resource import EmbedderResource, RegistryResource, WarehouseResource


@pytest.fixture
def house(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> DeskHouse:
    made = DeskHouse(tmp_path, migrated(tmp_path_factory.mktemp("template")))
    (tmp_path / "landing").mkdir()
    settings = Settings(made.store.state, made.store.data, tmp_path / "landing", made.clock.fixed_now, 0.0, "2GB")
    monkeypatch.setattr(Settings, "from_environment", classmethod(lambda cls: settings))
    monkeypatch.setattr(tune, "build_resources", lambda settings: resources(made))
    return made


def resources(house: DeskHouse) -> dict[str, Any]:
    root = house.store.data.parent
    warehouse = WarehouseResource(
        data_dir=str(house.store.data), state_dir=str(house.store.state), landing_dir=str(root / "landing"),
        seeds_dir=str(house.seeds), durable=False, threads=1,
    )  # fmt: skip
    return {"warehouse": warehouse, "clock": house.clock, "embedder": EmbedderResource(), "registry": RegistryResource()}


def test_the_commands_say_what_there_is_and_what_cannot_be_done(
    house: DeskHouse, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune.main(["--check"]) == 0
    nothing = "nothing in the logs, feedback or labels of the days that are kept speaks for a row"
    assert capsys.readouterr().out == f"detector: no training: nothing speaks for it; no dataset: {nothing}\n"
    candidate = house.ask()
    assert tune.main(["list"]) == 0 and f"{candidate} detector     requested" in capsys.readouterr().out
    assert tune.main(["--check"]) == 0 and f"{candidate} (detector) is requested" in capsys.readouterr().out
    assert tune.main(["--kind", "detector", "--now"]) == 2
    assert "another candidate of its kind is under way" in capsys.readouterr().err
    assert tune.main(["--actor", "ada", "cancel", candidate]) == 0 and house.states(candidate)[-1] == "cancelled"
    assert tune.main(["cancel", candidate]) == 2 and "there is nothing to cancel" in capsys.readouterr().err
    assert tune.main(["--kind", "sft", "--now"]) == 2 and "sft is not enabled" in capsys.readouterr().err
    assert tune.main(["--kind", "detector", "--now"]) == 2, "there are no labels to learn from"
    assert "detector is not trained: no dataset of detector" in capsys.readouterr().err
    (house.seeds / TUNING_FILE).write_text("kinds: {}\n", encoding="utf-8")
    assert tune.main([]) == 0 and "enables nothing, and no candidate is under way" in capsys.readouterr().out
    (house.seeds / TUNING_FILE).write_text("kinds: {ranker: {}}\n", encoding="utf-8")
    assert tune.main([]) == 2 and "unknown keys ranker" in capsys.readouterr().err


def test_a_night_trains_outside_its_process_and_the_curve_is_seen_in_dagster(house: DeskHouse) -> None:
    candidate = house.ask()
    said: list[str] = []
    settings = Settings.from_environment()
    with dg.DagsterInstance.ephemeral() as instance:
        night = NightRun(settings, said.append, resources(house))
        night.tune(instance)
        assert night.night.failures == [] and said == ["tuning models"]
        assert house.states(candidate)[-1] == "promoted"
        observed = instance.fetch_observations(curve_key("detector"), limit=10).records
        points = [one.asset_observation for one in observed]
        assert points and points[0] is not None and points[0].metadata["auc"].value > 0.5
        [run] = instance.get_runs()
        champion = house.registry.by_alias("hallucination_detector", "champion")
        assert champion is not None and champion.tags["orchestrator_run"] == run.run_id
        (house.seeds / TUNING_FILE).write_text("kinds: {}\n", encoding="utf-8")
        night.tune(instance)
        assert said == ["tuning models"] and len(instance.get_runs()) == 1, "nothing is enabled: nothing is said"


def test_a_training_of_hours_holds_up_no_table_and_no_alert(house: DeskHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = (
        "wait_until_settled", "land", "probe", "read_labels", "compute", "ask_for_labels", "judge", "index", "sync_prompts",
        "publish", "alert",
    )  # fmt: skip
    order: list[str] = []
    with dg.DagsterInstance.ephemeral() as instance:
        night = NightRun(Settings.from_environment(), print, resources(house))
        for step in steps:
            monkeypatch.setattr(night, f"_{step}", lambda *_, step=step: order.append(step))
        monkeypatch.setattr(night, "_execute", lambda job, *_: order.append(job))
        night.run(instance)
        assert order[-5:] == ["publish", "alert", "tuning", "publish", "alert"]
        (house.seeds / TUNING_FILE).write_text("kinds: {}\n", encoding="utf-8")
        night.run(instance)
        assert order[-3:] == ["sync_prompts", "publish", "alert"], "nothing is enabled: once is enough"


def test_the_revision_of_a_checkout_is_read_from_its_own_files(tmp_path: Path) -> None:
    assert code_revision(tmp_path) == ""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n", encoding="utf-8")
    (tmp_path / ".git" / "packed-refs").write_text(f"# pack-refs\n{'a' * 40} refs/heads/main\n", encoding="utf-8")
    assert code_revision(tmp_path) == "a" * 40
    (tmp_path / ".git" / "HEAD").write_text(f"{'b' * 40}\n", encoding="utf-8")
    assert code_revision(tmp_path) == "b" * 40
    assert len(code_revision(REPO)) in (0, 40)
