"""Champions of the registry as Dagster follows them: real models, a real MLflow, a real index, and a way back."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from knowledge_house import NOW, KnowledgeHouse
from registry_house import migrated, promotion_in, registration, registry_at
from tiny_embedder import WIDTH, tiny_embedder

from pipelines.build import build_defs
from pipelines.clock import WallClock
from pipelines.retrieval import index
from pipelines.retrieval.corpus import EMBEDDINGS
from pipelines.retrieval.index_runs import INDEX, RELEASED
from pipelines.settings import Settings
from pipelines.tuning import model
from pipelines.tuning.champion import EMBEDDER, followed_fingerprints
from pipelines.tuning.model_desk import PROMOTED, ROLLED_BACK, ModelDesk
from resources import audit
from resources.embedder import Embedder
from resources.index_store import IndexStore
from resources.live_index import IndexRefusedError, LiveIndex
from resources.model_version import CHAMPION, text_to_vector
from resources.registry import Registry
from resources.warehouse_resource import EmbedderResource, RegistryResource, WarehouseResource

NOBODY = "http://127.0.0.1:9"
"""An address where nobody answers."""
PAGES = {
    "returns.md": "# Returns\n\nSend an order back within 30 days; we refund the price to your card.\n",
    "delivery.md": "# Delivery\n\nParcels arrive in two to four working days. Islands take a week.\n",
    "warranty.md": "# Warranty\n\nA lamp that stops working within two years is repaired for free.\n",
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The configured embedder, and two that were tuned."""
    root = tmp_path_factory.mktemp("models")
    return {name: tiny_embedder(root / name, seed) for seed, name in enumerate(("configured", "first", "second"))}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated(tmp_path_factory.mktemp("template"))


class Champions:
    """A warehouse with a knowledge base, its registry, and its definitions."""

    def __init__(self, root: Path, models: dict[str, Path], database: Path | None, uri: str = ""):
        self.house = KnowledgeHouse(root)
        (root / "landing").mkdir(exist_ok=True)
        promotion_in(self.house.seeds, "automatic")
        self.store = self.house.store
        self.registry = registry_at(self.store.state, database) if database else Registry.of(self.store.state)
        self.models = models
        self.use(uri)

    def use(self, uri: str) -> None:
        """Have the registry somewhere."""
        warehouse = WarehouseResource(
            data_dir=str(self.store.data), state_dir=str(self.store.state), landing_dir=str(self.house.root / "landing"),
            seeds_dir=str(self.house.seeds), durable=False,
        )  # fmt: skip
        self.resources: dict[str, Any] = {
            "warehouse": warehouse, "clock": WallClock(fixed_now=NOW, settle_seconds=0.0),
            "embedder": EmbedderResource(model=str(self.models["configured"])), "registry": RegistryResource(uri=uri),
        }  # fmt: skip
        self.repository = build_defs(self.resources).get_repository_def()

    def register(self, name: str) -> str:
        """A tuned embedder's version."""
        lineage = {"candidate": name.encode().hex().ljust(16, "0")[:16]}
        said = registration(self.models[name], signature=text_to_vector(WIDTH), lineage=lineage)
        return self.registry.register_folder(said).version

    @property
    def desk(self) -> ModelDesk:
        return ModelDesk(self.store, self.registry, self.house.seeds, WallClock())

    def tick(self, instance: dg.DagsterInstance, cursor: str | None) -> Any:
        """What the sensor says now, read anew as after a restart."""
        context = dg.build_sensor_context(instance, cursor, repository_def=self.repository, resources=self.resources)
        return self.repository.get_sensor_def("registry").evaluate_tick(context)

    def run(self, instance: dg.DagsterInstance, tags: dict[str, str] | None = None) -> dg.ExecuteInProcessResult:
        """The job of the index."""
        return self.repository.get_job(INDEX).execute_in_process(instance=instance, tags=tags, raise_on_error=False)

    def followed(self, instance: dg.DagsterInstance, cursor: str | None) -> str:
        """The sensor asks for one run, it ends well, and it asks for no other; its cursor."""
        asked = self.tick(instance, cursor)
        [request] = asked.run_requests
        assert self.run(instance, request.tags).success
        again = self.tick(instance, asked.cursor)
        assert again.run_requests == [] and "indexes were released with" in again.skip_message
        return str(asked.cursor)

    def live(self) -> dict[str, Any]:
        """The manifest of the live release."""
        indexes = IndexStore(self.store.state)
        number = indexes.live("main")
        assert number is not None
        return indexes.manifest("main", number)

    def vectors(self) -> int:
        """Vectors that are stored."""
        found = self.store.rows(f"select count(*) from ({self.store.scan_all(EMBEDDINGS)})")
        return int(found[0][0])

    def fingerprint(self, name: str) -> str:
        return Embedder(str(self.models[name])).fingerprint


@pytest.fixture
def champions(
    tmp_path: Path, models: dict[str, Path], database: Path, monkeypatch: pytest.MonkeyPatch
) -> Champions:
    made = Champions(tmp_path, models, database)
    monkeypatch.setattr(WarehouseResource, "store", lambda self: made.store)
    for name, content in PAGES.items():
        made.house.write(name, content)
    return made


def checks(done: dg.ExecuteInProcessResult) -> dict[str, list[str]]:
    """What each check of a run is troubled by."""
    found = {}
    for one in done.get_asset_check_evaluations():
        said = one.metadata.get("sentences")
        found[one.check_name] = list(said.value) if said else []  # type: ignore[arg-type]
        assert one.passed == (not found[one.check_name])
    return found


def test_indexes_follow_the_alias_and_come_back_with_it_in_under_a_minute(champions: Champions) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        nobody = champions.tick(instance, None)
        assert "nobody is champion" in nobody.skip_message and nobody.run_requests == []
        assert champions.run(instance).success
        assert champions.live()["embedder"] == champions.fingerprint("configured")

        first, second = champions.register("first"), champions.register("second")
        assert "nobody is champion" in champions.tick(instance, None).skip_message, "registered is not promoted"
        champions.desk.promote(EMBEDDER, first, "ada", "better by 6 %")
        cursor = champions.followed(instance, None)
        assert champions.live()["embedder"] == champions.fingerprint("first")
        restarted = champions.tick(instance, cursor)
        assert restarted.run_requests == [] and restarted.cursor in (None, cursor)

        found = champions.registry.champion_folder(EMBEDDER)
        assert found is not None
        indexes, application = IndexStore(champions.store.state), Embedder(str(found[1]))
        live = LiveIndex(indexes.folder("main"), indexes.public_key(), application.fingerprint)
        vector = application.embed([PAGES["delivery.md"]])
        assert live.search(vector, k=1)[0][0].document_id == "help/delivery.md"

        champions.desk.promote(EMBEDDER, second, "ada", "better by 9 %")
        cursor = champions.followed(instance, cursor)
        assert champions.live()["embedder"] == champions.fingerprint("second")
        with pytest.raises(IndexRefusedError, match="their vectors do not compare"):
            live.refresh()
        assert live.trouble is not None and live.search(vector)[0], "the one before answers meanwhile"

        # No release with vectors of the first is on disk any more; the sweep keeps its vectors all the same.
        for number in range(2):
            champions.house.write(f"new-{number}.md", f"# Shop {number}\n\nIt opens at {number + 7}.\n")
            assert champions.run(instance).success
        kept = {indexes.manifest("main", number)["embedder"] for number in indexes.numbers("main")}
        assert kept == {champions.fingerprint("second")}
        assert set(followed_fingerprints(champions.store.state)) == {champions.fingerprint(n) for n in ("first", "second")}
        before, began = champions.vectors(), time.monotonic()
        back = champions.desk.rollback(EMBEDDER, "ada", "islands are not found")
        assert back is not None and back.version == first
        champions.followed(instance, cursor)
        assert time.monotonic() - began < 60
        assert champions.live()["embedder"] == champions.fingerprint("first")
        assert champions.vectors() == before + 2, "only what came since is embedded"
        live.refresh()
        assert live.trouble is None and live.version == f"main@{champions.live()['release']}"

    said = [(e["action"], json.loads(e["details"])) for e in audit.entries(champions.store)]
    acts = [(action, told["version"], told["before"]) for action, told in said if action in (PROMOTED, ROLLED_BACK)]
    assert acts == [
        (PROMOTED, "embedder@1", None), (PROMOTED, "embedder@2", "embedder@1"), (ROLLED_BACK, "embedder@1", "embedder@2"),
    ]  # fmt: skip


def test_a_run_that_failed_is_asked_for_again_and_a_registry_that_is_down_asks_for_none(champions: Champions) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        champions.registry.set_alias(EMBEDDER, CHAMPION, champions.register("first"))
        place = champions.registry.state / "keys"
        asked = champions.tick(instance, None)
        [request] = asked.run_requests
        place.rename(place.with_name("lost"))
        assert not champions.run(instance, request.tags).success
        place.with_name("lost").rename(place)
        [again] = champions.tick(instance, asked.cursor).run_requests
        assert again.tags == request.tags and again.run_key != request.run_key
        assert champions.run(instance, again.tags).success
        assert "indexes were released with embedder@1" in champions.tick(instance, asked.cursor).skip_message
        champions.use(NOBODY)
        down = champions.tick(instance, asked.cursor)
        assert down.run_requests == [] and f"{NOBODY} does not answer" in down.skip_message


def test_while_the_registry_is_down_vectors_stay_those_of_the_last_champion(
    champions: Champions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To take the configured model instead would mix two spaces."""
    with dg.DagsterInstance.ephemeral() as instance:
        champions.registry.set_alias(EMBEDDER, CHAMPION, champions.register("first"))
        assert champions.run(instance).success
        champions.use(NOBODY)
        champions.house.write("new.md", "# New\n\nA new page.\n")
        down = champions.run(instance)
        assert down.success
        [sentence] = checks(down)[RELEASED]
        assert sentence.endswith("Meanwhile vectors are of embedder@1, which was champion last")
        assert champions.live()["embedder"] == champions.fingerprint("first") and champions.live()["ntotal"] == 4

        copy = champions.store.state / "models" / EMBEDDER / "1" / "artefacts" / "config.json"
        whole = copy.read_bytes()
        copy.write_bytes(whole + b" ")
        changed = champions.run(instance)
        assert not changed.success and champions.live()["ntotal"] == 4, "what was changed makes no vectors"
        copy.write_bytes(whole)
        champions.use("")
        assert checks(champions.run(instance))[RELEASED] == [], "it answers again"
        champions.registry.folder.rename(champions.registry.folder.with_name("gone"))
        champions.use("")
        lost = champions.run(instance)
        [sentence] = checks(lost)[RELEASED]
        assert "knows no model embedder any more" in sentence
        assert champions.live()["embedder"] == champions.fingerprint("first")


def test_where_nobody_knows_who_is_champion_no_index_is_made_and_no_page_is_lost(champions: Champions) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        champions.use(NOBODY)
        assert not champions.run(instance).success
        assert IndexStore(champions.store.state).live("main") is None
        champions.use("")
        assert champions.run(instance).success, "the retry succeeds"
        assert champions.live()["embedder"] == champions.fingerprint("configured")


def test_commands_list_promote_and_roll_back(
    champions: Champions, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(champions.store.state, champions.store.data, champions.house.root / "landing", None, 0.0, "2GB")
    monkeypatch.setattr(Settings, "from_environment", classmethod(lambda cls: settings))
    monkeypatch.setattr(model, "build_resources", lambda _: champions.resources | {"clock": WallClock()})
    monkeypatch.setattr(index, "build_resources", lambda _: champions.resources)
    assert model.main(["list"]) == 0 and capsys.readouterr().out == "no model is registered yet\n"
    for name in ("first", "second"):
        champions.register(name)
        version = champions.registry.versions(EMBEDDER)[-1].version
        assert model.main(["promote", EMBEDDER, version, "--reason", "it is better"]) == 0
    assert "embedder@2 is champion\nindexes are released" in capsys.readouterr().out
    assert index.main([]) == 0
    assert "vectors are of embedder@2" in capsys.readouterr().out
    assert model.main(["--actor", "ada", "rollback", EMBEDDER]) == 0
    assert "embedder@1 is champion again" in capsys.readouterr().out
    assert model.main(["list"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("embedder@1 [champion] ") and second.startswith("embedder@2 ") and "[" not in second
    assert index.main([]) == 0
    assert "vectors are of embedder@1" in capsys.readouterr().out
    assert model.main(["promote", EMBEDDER, "7"]) == 2
    assert "embedder has no version 7; there are: 1, 2" in capsys.readouterr().err
    assert model.main(["list", "embeder"]) == 2
    assert "there is no model embeder; there are: embedder, generator, hallucination_detector" in capsys.readouterr().err
    assert model.main(["rollback", "generator"]) == 2
    assert "generator has no champion" in capsys.readouterr().err
