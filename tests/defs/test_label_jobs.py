"""Labels as Dagster runs them: what a night does and in which order, what sensors ask for, what pages show."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from assets.tables import asset_key
from pipelines import nightly
from pipelines.build import build_defs
from pipelines.clock import WallClock
from pipelines.nightly import COULD_NOT_START, NightRun
from pipelines.quality.label_desk import QUEUE, LabelDesk
from pipelines.quality.label_inbox import IMPORTS, LABELS, LabelInbox
from pipelines.quality.label_runs import ASK, IMPORT
from pipelines.settings import Settings
from resources.contracts import SEEDS
from resources.events import table_rows
from resources.labelling_seed import LABELLING_FILE, LabellingSeedError
from resources.warehouse_resource import EmbedderResource, WarehouseResource

NOW = "2026-11-10T03:00:00"


@pytest.fixture
def resources(tmp_path: Path) -> dict[str, Any]:
    seeds = tmp_path / "seeds"
    shutil.copytree(SEEDS, seeds)
    raw = yaml.safe_load((seeds / LABELLING_FILE).read_text())
    (seeds / LABELLING_FILE).write_text(yaml.safe_dump({**raw, "labels_per_night": 2, "look_back_days": 1}, sort_keys=False))
    (seeds / "capture.yml").write_text("capture: [{mode: full}]\n")
    warehouse = WarehouseResource(
        data_dir=str(tmp_path / "data"), state_dir=str(tmp_path / "home"), landing_dir=str(tmp_path / "landing"),
        seeds_dir=str(seeds), durable=False,
    )  # fmt: skip
    return {"warehouse": warehouse, "clock": WallClock(fixed_now=NOW, settle_seconds=0.0), "embedder": EmbedderResource()}


def tick(resources: dict[str, Any], name: str, instance: dg.DagsterInstance, cursor: str | None = None) -> Any:
    repository = build_defs(resources).get_repository_def()
    context = dg.build_sensor_context(instance, cursor=cursor, repository_def=repository, resources=resources)
    return repository.get_sensor_def(name).evaluate_tick(context)


def test_a_night_reads_what_was_said_before_it_computes_and_computes_again_with_what_it_drew(
    tmp_path: Path, resources: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, clock = resources["warehouse"], resources["clock"]
    inbox = LabelInbox.of(warehouse, clock)
    inbox.folder.mkdir(parents=True)
    (inbox.folder / "ana.jsonl").write_text('{"request_id": "r1", "annotator": "ana", "hallucinated": "yes"}\n')
    order: list[str] = []
    found = iter(["something to draw", None])
    monkeypatch.setattr(nightly, "pending", lambda warehouse, clock: next(found))
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(2):
            settings = Settings(tmp_path / "home", tmp_path / "data", tmp_path / "landing", NOW, 0.0, "2GB")
            run = NightRun(settings, order.append, resources)
            for step in ("_land", "_compute", "_publish", "_alert"):
                monkeypatch.setattr(run, step, lambda *_, step=step: order.append(step))
            run.read_seeds()
            assert run.run(instance).failures == []
    assert order == [
        "_land", "reading labels", "_compute", "drawing responses to label", "_compute", "_publish", "_alert",
        "_land", "_compute", "_publish", "_alert",
    ]  # fmt: skip
    assert len(table_rows(warehouse.store(), IMPORTS)) == 1 and inbox.waiting() == []


def test_the_sensors_ask_for_files_that_wait_and_for_a_look_after_each_publish(resources: dict[str, Any]) -> None:
    inbox = LabelInbox.of(resources["warehouse"], resources["clock"]).folder
    inbox.mkdir(parents=True)
    with dg.DagsterInstance.ephemeral() as instance:
        assert tick(resources, "label_inbox", instance).skip_message == "no label file has settled"
        (inbox / "ana.jsonl").write_text("{}\n")
        (asked,) = tick(resources, "label_inbox", instance).run_requests
        assert asked.run_key == tick(resources, "label_inbox", instance).run_requests[0].run_key
        looked = tick(resources, "label_queue", instance)
        assert looked.skip_message == "all is drawn and exported"
        assert tick(resources, "label_queue", instance, looked.cursor).skip_message.startswith("nothing was published")


def test_the_pages_of_both_jobs_count_and_name_nobody(resources: dict[str, Any]) -> None:
    inbox = LabelInbox.of(resources["warehouse"], resources["clock"]).folder
    inbox.mkdir(parents=True)
    (inbox / "ana-smith.jsonl").write_text('{"request_id": "r1", "annotator": "ana-smith", "hallucinated": "yes"}\n')
    repository = build_defs(resources).get_repository_def()
    with dg.DagsterInstance.ephemeral() as instance:
        read = repository.get_job(IMPORT).execute_in_process(instance=instance)
        drawn = repository.get_job(ASK).execute_in_process(instance=instance)
    told = {event.asset_key: event.metadata for event in read.asset_materializations_for_node("read_labels")}
    assert "ana-smith" not in str(told) and "| 1 | 0 | 0 | 0 | 0 | 0 | 1 |" in str(told[asset_key(LABELS)]["read"].value)
    counted = {event.asset_key: event.metadata for event in drawn.asset_materializations_for_node("draw_and_export")}
    assert counted[asset_key(QUEUE)]["drawn"].value == 0


def test_a_faulty_seed_keeps_a_night_from_starting(resources: dict[str, Any]) -> None:
    (resources["warehouse"].seeds / LABELLING_FILE).write_text("labels_per_night: many\n")
    assert LabellingSeedError in COULD_NOT_START
    with pytest.raises(LabellingSeedError, match="labels_per_night is a whole number from 0 to 100000; not 'many'"):
        LabelDesk.of(resources["warehouse"], resources["clock"]).read_seed()
