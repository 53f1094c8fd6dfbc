"""The loop through Dagster, with the real embedder: people ask in new words, recall falls, the embedder learns from what
they open, proves itself and serves; and one that learned from broken data does not."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest
from tuning_house import PAGES, TuningHouse, coded, plain

from pipelines.tuning.dataset_desk import DATASETS
from pipelines.tuning.gate_desk import GATES
from pipelines.tuning.tuning_desk import TRIGGERS
from pipelines.tuning.tuning_ledger import CANDIDATES, TuningLedger
from resources.base_model import base_model
from resources.dataset_store import DatasetStore
from resources.events import table_rows
from resources.model_version import CHAMPION
from resources.training_spec import candidate_id

FIRST = date(2026, 11, 8)
Loop = tuple[TuningHouse, dg.DagsterInstance]


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """Three nights: everybody asks in the words of the pages, then in words of their own; the third one's index is made."""
    house = TuningHouse(tmp_path_factory.mktemp("loop"), f"{FIRST + timedelta(days=1)}T03:00:00")
    house.write_pages()
    with dg.DagsterInstance.ephemeral() as instance:
        for night, (words, count) in enumerate(((plain, 60), (coded, 150), (coded, 90))):
            day = FIRST + timedelta(days=night)
            house.now = f"{day + timedelta(days=1)}T03:00:00"
            pages = [(n * 7 + night) % len(PAGES) for n in range(count)]
            house.log(day, {f"q{night}-{n}": (words(page, n * 13 + night), page) for n, page in enumerate(pages)})
            house.index(instance)
            if night < 2:
                assert house.tune(instance) == [] and house.states() == {}, "one bad night trains nothing"
        yield house, instance


def test_recall_that_fell_on_two_nights_is_learned_back_and_a_new_index_serves(loop: Loop) -> None:
    house, instance = loop
    before = house.measured()
    assert house.tune(instance) == []
    [(candidate, states)] = house.states().items()
    assert states == ["requested", "training", "trained", "passed", "registered", "promoted"]
    triggers = {row["day"]: row for row in table_rows(house.store, TRIGGERS)}
    assert [(row["fired"], row["reason"]) for _, row in sorted(triggers.items())] == [
        (False, "nothing"), (False, "nothing"), (True, "recall_fell"),
    ]  # fmt: skip
    [fell] = [one for one in json.loads(triggers[max(triggers)]["evidence"]) if one["holds"]]
    assert len(fell["figures"]["nights"]) == 2 and fell["figures"]["usual"] > 0.9

    gates = {(row["gate"], row["metric"], row["segment"]): row for row in table_rows(house.store, GATES)}
    domain = gates["domain", "ndcg", ""]
    assert domain["outcome"] == "passed" and domain["low"] > 0 and domain["candidate_value"] > domain["champion_value"] + 0.2
    assert gates["forgetting", "ndcg", ""]["outcome"] == gates["safety", "violations", ""]["outcome"] == "passed"
    registry = house.desk().registry
    champion = registry.by_alias("embedder", CHAMPION)
    assert champion is not None and champion.tags["candidate"] == candidate and champion.status == "passed"
    [row] = [row for row in table_rows(house.store, CANDIDATES) if row["state"] == "promoted"]
    assert row["model_version"] == champion.version and row["training_seconds"] > 0

    assert house.tune(instance) == [] and len(house.states()[candidate]) == 6, "twice is once"
    night = max(before)
    house.index(instance)
    after = house.measured()[night]
    assert after["release"] > before[night]["release"] and after["low"] > before[night]["high"]
    (told,) = house.desk().would()
    assert told.startswith("retriever: no training: nothing speaks for it; "), "of the new champion nothing fell yet"


@pytest.mark.proof
def test_what_learned_from_shuffled_answers_is_rejected_and_nothing_moves(loop: Loop) -> None:
    house, instance = loop
    if house.desk().registry.champion_folder("embedder") is None:
        assert house.tune(instance) == [], "the loop comes first"
    champion = house.desk().registry.champion_folder("embedder")
    assert champion is not None
    version, folder = champion
    store = DatasetStore(house.store.state)
    [row] = table_rows(house.store, DATASETS)[-1:]
    good = store.open("retriever", row["version"])
    tables = {name: good.table(name) for name in good.manifest["files"]}
    rows = tables["train"].to_pylist()
    wrong = [(one["positive_id"], one["positive"]) for one in rows]
    random.Random(3).shuffle(wrong)
    for one, (name, text) in zip(rows, wrong, strict=True):
        one["positive_id"], one["positive"] = name, text
    tables["train"] = tables["train"].from_pylist(rows, schema=tables["train"].schema)
    facts = {name: value for name, value in good.manifest.items() if name in ("built_at", "embedder", "days", "summary")}
    bad = store.write("retriever", tables, facts).version

    seed = house.desk().read_seed().kinds["retriever"]
    base = base_model("retriever", str(folder), house.store.state).fingerprint
    candidate = candidate_id("retriever", bad, base, seed.recipe)
    ledger = TuningLedger(house.store, house.clock)
    assert ledger.request(candidate, "retriever", bad, base, seed.recipe, "shuffled positives", "somebody")
    assert house.tune(instance) == []
    assert house.states()[candidate] == ["requested", "training", "trained", "rejected", "rejected"]
    rejected = TuningLedger(house.store, house.clock).newest[candidate]
    assert "domain (ndcg, test)" in rejected["reason"]
    registered = house.desk().registry.version("embedder", rejected["model_version"])
    assert (registered.status, registered.aliases) == ("rejected", ()) and registered.reason == rejected["reason"]
    assert house.desk().registry.by_alias("embedder", CHAMPION) == version


def test_a_killed_night_left_nothing_that_a_person_has_to_mend(loop: Loop, tmp_path: Path) -> None:
    house, _ = loop
    assert not list((house.store.state / "datasets").glob("*/.making-*"))
    assert not list((house.store.state / "training").glob("*/checkpoints/*")), "what is trained needs no checkpoint"
