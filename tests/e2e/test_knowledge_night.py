"""The knowledge base as Dagster and `make index` run it, with the real embedder: from files to an index that answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
from knowledge_house import NOW, KnowledgeHouse

from pipelines.build import build_defs
from pipelines.clock import WallClock
from pipelines.nightly import COULD_NOT_START, NightRun
from pipelines.retrieval import index
from pipelines.retrieval.corpus import EMBEDDINGS, live_chunks, vectors_of
from pipelines.retrieval.index_desk import IndexDesk
from pipelines.retrieval.index_runs import INDEX
from pipelines.settings import Settings
from resources.embedder import Embedder
from resources.index_store import IndexStore
from resources.knowledge_seed import KNOWLEDGE_FILE, KnowledgeSeedError
from resources.warehouse_resource import EmbedderResource, RegistryResource, WarehouseResource

STATES = "retrieval.document_states"
PAGES = {
    "returns.md": "# Returns\n\nSend an order back within 30 days; we refund the price to your card.\n",
    "delivery.md": "# Delivery\n\nParcels arrive in two to four working days. Islands take a week.\n",
    "warranty.md": "# Warranty\n\nA lamp that stops working within two years is repaired for free.\n",
}


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KnowledgeHouse:
    made = KnowledgeHouse(tmp_path)
    (tmp_path / "landing").mkdir()
    monkeypatch.setattr(WarehouseResource, "store", lambda self: made.store)
    return made


@pytest.fixture
def resources(house: KnowledgeHouse) -> dict[str, Any]:
    warehouse = WarehouseResource(
        data_dir=str(house.store.data), state_dir=str(house.store.state), landing_dir=str(house.root / "landing"),
        seeds_dir=str(house.seeds), durable=False,
    )  # fmt: skip
    clock = WallClock(fixed_now=NOW, settle_seconds=0.0)
    return {"warehouse": warehouse, "clock": clock, "embedder": EmbedderResource(), "registry": RegistryResource()}


def settings_of(house: KnowledgeHouse) -> Settings:
    return Settings(house.store.state, house.store.data, house.root / "landing", None, 0.0, "2GB")


def only_the_index(night: NightRun, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in ("land", "probe", "read_labels", "compute", "ask_for_labels", "judge", "publish", "alert"):
        monkeypatch.setattr(night, f"_{step}", lambda *_: None)


def test_a_night_makes_an_index_of_files_and_the_next_one_leaves_it_alone(
    house: KnowledgeHouse, resources: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in PAGES.items():
        house.write(name, content)
    house.write("faq.jsonl", "".join(f'{{"id": "faq-{n}", "text": "Lamp {n} is sold in shop {n}."}}\n' for n in range(12)))
    said: list[str] = []
    with dg.DagsterInstance.ephemeral() as instance:
        night = NightRun(settings_of(house), said.append, resources)
        only_the_index(night, monkeypatch)
        known: list[int] = []
        count = "select count(*) from ({})"
        monkeypatch.setattr(
            night, "_compute", lambda *_: known.append(house.store.rows(count.format(house.store.scan_all(STATES)))[0][0])
        )
        night.read_seeds()
        first = night.run(instance)
        assert (first.failures, said) == ([], ["reading the knowledge base"])
        assert known == [0, 15], "days are computed again once what a reading found is known"
        assert first.seconds["index"] > 0

        embedder = Embedder()
        live = live_chunks(house.store, "main")
        vectors = vectors_of(house.store, live["text_digest"], embedder.fingerprint)
        assert vectors.shape == (15, 384) and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        (asked,) = embedder.embed(["When does my parcel come?"])
        assert live["document_id"][int(np.argmax(vectors @ asked))].as_py() == "help/delivery.md"
        assert not list(house.store.state.glob("embeddings/*")), "the embedder's cache holds none of it"
        released = IndexStore(house.store.state).live("main")
        assert released is not None

        before = house.versions()
        again = night.run(instance)
        assert again.failures == []
        changed = {name for name, version in house.versions().items() if version != before[name]}
        assert changed <= {"retrieval.evaluations"}, "what is measured each night is an event; nothing else is"
        assert IndexStore(house.store.state).live("main") == released

        (house.docs / "returns.md").unlink()
        third = night.run(instance)
        assert third.failures == []
        assert IndexStore(house.store.state).live("main") != released
        for path in house.docs.iterdir():
            path.rename(house.root / path.name)
        fourth = night.run(instance)
        assert [failure for failure in fourth.failures if "is empty now" in failure], "the night tells it, and ends with 1"
    monkeypatch.setattr(index, "build_resources", lambda settings: resources)
    monkeypatch.setattr(Settings, "from_environment", classmethod(lambda cls: settings_of(house)))
    assert index.main([]) == 1
    assert "is empty now" in capsys.readouterr().err
    assert index.main(["rollback", "other"]) == 2
    assert "there is no index 'other'" in capsys.readouterr().err
    manifest = IndexStore(house.store.state).folder("main") / "live" / "manifest.json"
    manifest.write_text("{", encoding="utf-8")
    monkeypatch.setattr(IndexDesk, "work", lambda *_, **__: [])
    assert index.main([]) == 1
    assert f"{manifest.resolve()} of main@" in capsys.readouterr().err
    monkeypatch.setattr(IndexDesk, "work", lambda *_, **__: Path(house.root / "full").read_bytes())
    assert index.main([]) == 2
    assert "No such file" in capsys.readouterr().err


def test_without_a_corpus_a_night_says_nothing_and_writes_nothing(
    house: KnowledgeHouse, resources: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (house.seeds / KNOWLEDGE_FILE).write_text("corpora: {}\n", encoding="utf-8")
    said: list[str] = []
    with dg.DagsterInstance.ephemeral() as instance:
        night = NightRun(settings_of(house), said.append, resources)
        only_the_index(night, monkeypatch)
        night.run(instance)
        assert said == [] and instance.get_runs_count() == 0
        context = dg.build_schedule_context(instance, resources=resources)
        tick = build_defs(resources).get_repository_def().get_schedule_def(INDEX).evaluate_tick(context)
    assert "no corpus" in str(tick.skip_message)
    assert house.store.open(EMBEDDINGS).version == 0
    monkeypatch.setattr(index, "build_resources", lambda settings: resources)
    monkeypatch.setattr(Settings, "from_environment", classmethod(lambda cls: settings_of(house)))
    assert index.main([]) == 0
    assert capsys.readouterr().out == "knowledge.yml: no corpus is declared\n"


def test_a_faulty_seed_keeps_a_night_from_starting_and_a_command_from_working(
    house: KnowledgeHouse, resources: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    house.declare({"chunker": "best"})
    assert KnowledgeSeedError in COULD_NOT_START
    with pytest.raises(KnowledgeSeedError, match="chunker is a chunker"):
        NightRun(settings_of(house), print, resources).read_seeds()
    monkeypatch.setattr(index, "build_resources", lambda settings: resources)
    monkeypatch.setattr(Settings, "from_environment", classmethod(lambda cls: settings_of(house)))
    assert index.main(["--check"]) == 2
    assert "chunker is a chunker" in capsys.readouterr().err
