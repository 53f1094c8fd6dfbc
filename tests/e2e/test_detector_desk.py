"""Training the detector of a warehouse: real labels and scores, a real MLflow store, and what it scores from then on."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from house import request, selected
from killing import REPO
from retention_house import RetentionHouse

from pipelines.clock import WallClock
from pipelines.quality.detector_desk import DETECTORS, MODEL, DetectorDesk
from pipelines.quality.detector_labels import labelled
from pipelines.tuning.dataset_desk import DatasetDesk
from pipelines.tuning.model_desk import PROMOTED
from resources import audit
from resources.contracts import SEEDS
from resources.events import append, table_rows
from resources.registry import Registry

DAY = date(2026, 11, 9)
GOODS = ["lamp", "table", "kettle", "carpet", "mirror", "pillow", "candle", "basket"]


def traffic(day: date, count: int, seed: int) -> list[dict[str, Any]]:
    """Answers over a document each; every third says what its document does not, and its id says so."""
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        thing, days = chance.choice(GOODS), chance.randint(10, 60)
        is_wrong = number % 3 == 0
        said = f"Return the {thing} in {days} days."
        if is_wrong:
            said = f"The {thing} comes with {days + 5} years of service from Harbour Ltd."
        name = f"{day}-{number:03}-{'wrong' if is_wrong else 'right'}"
        at = f"{day}T10:00:00Z"
        rows.append(request(name, at, conversation_id=f"c{number // 2}", prompt_text=f"My {thing}?", output_text=said))
        document = {"document_id": f"{thing}-1", "document_rank": 1, "record_id": "1"}
        text = f"Return the {thing} in {days} days. We check each {thing}."
        rows.append(request(name, at, record_kind="retrieval", **document, document_text=text))
    return rows


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> RetentionHouse:
    house = RetentionHouse(tmp_path_factory.mktemp("training"), selected("quality.scores"), "2026-11-10T03:00:00")
    house.deliver("a.jsonl", traffic(DAY, 210, seed=1))
    done = house.night()
    assert not [key for key, outcome in done.items() if outcome.outcome == "failed"]
    return house


def desk(house: RetentionHouse) -> DetectorDesk:
    clock = WallClock(fixed_now=house.now.isoformat())
    return DetectorDesk(house.store, Registry.of(house.root / "home"), SEEDS, clock)


def frame_row(name: str, **more: Any) -> dict[str, Any]:
    drawn = {"is_drawn": True, "is_random": False, "needs_second_label": False, "draw": 1, "stratum": "(none)", "risk": 1.0}
    unknown = ("user_token", "conversation_token", "tenant", "feature", "model", "prompt_version", "score", "excluded")
    none = dict.fromkeys(unknown)
    return {"day": DAY, "request_id": name, "inclusion_probability": 0.5, **drawn, **none, **more}


def label_row(house: RetentionHouse, name: str, hallucinated: bool | None, annotator: str = "k.1") -> dict[str, Any]:
    contract = house.store.contracts["quality.labels"]
    said = dict.fromkeys(column.name for column in contract.columns)
    return said | {
        "day": DAY, "label_id": f"{name}-{annotator}", "request_id": name, "annotator": annotator, "labelled_at": house.now,
        "hallucinated": hallucinated, "has_comment": False, "is_revision": False, "file_id": "f", "recorded_at": house.now,
    }  # fmt: skip


def trained_until(house: RetentionHouse, failpoint: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NOCTURNE_FAILPOINT": failpoint, "PYTHONPATH": f"{REPO}{os.pathsep}{REPO / 'tests'}"}
    worker = str(REPO / "tests" / "detector_worker.py")
    command = [sys.executable, "-W", "ignore", worker, str(house.root), house.now.isoformat()]
    return subprocess.run(command, env=environment, cwd=REPO, capture_output=True, text=True, check=False)


def test_labels_train_a_detector_that_scores_tomorrow(house: RetentionHouse) -> None:
    assert "no drawn response has a label" in str(desk(house).work())
    names = [row["request_id"] for row in traffic(DAY, 210, seed=1)[::2]]
    undrawn, torn = names[0], names[3]
    append(house.store, "quality.label_frame", lambda _: [frame_row(name) for name in names if name != undrawn])
    labels = [label_row(house, name, "wrong" in name) for name in names]
    labels.append(label_row(house, torn, "wrong" not in torn, annotator="k.2"))
    append(house.store, "quality.labels", lambda _: labels[:60])
    assert "a detector needs 200" in str(desk(house).work())
    assert table_rows(house.store, DETECTORS) == []

    append(house.store, "quality.labels", lambda _: labels)
    rows = labelled(house.store)
    assert set(rows["request_id"]) == set(names) - {undrawn, torn}
    killed = trained_until(house, "detector.registered")
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    assert table_rows(house.store, DETECTORS) == []

    # What the killed one registered is the same model: it is not registered twice.
    done = desk(house).work()
    assert done.row is not None and done.row["is_adopted"], str(done)
    assert done.row["auc_low"] > 0.9 and done.row["n_labels"] == 208
    champion = Registry.of(house.root / "home").champion(MODEL)
    assert champion is not None and (champion.version, champion.parameters) == ("1", done.row["parameters"])

    [promotion] = [entry for entry in audit.entries(house.store) if entry["action"] == PROMOTED]
    assert promotion["actor"] == "nocturne" and "the first detector" in promotion["details"]

    # The same labels are the same detector: nothing is added, whenever it is asked again.
    assert desk(house).work() == done
    assert len(table_rows(house.store, DETECTORS)) == 1

    stored = f"select * from ({house.store.scan_all('quality.scores')}) where day = date"
    before = house.store.rows(f"{stored} '{DAY}' order by all")
    house.now = house.now.replace(day=12)
    house.deliver("b.jsonl", traffic(date(2026, 11, 11), 30, seed=2))
    house.night()
    stored = f"select * from ({house.store.scan_all('quality.scores')}) where day = date"
    assert house.store.rows(f"{stored} '{DAY}' order by all") == before
    scored = house.store.rows(f"select request_id, p_hallucinated, detector from ({stored} '2026-11-11')")
    assert {name for _, _, name in scored} == {done.row["detector"]}
    assert min(p for name, p, _ in scored if "wrong" in name) > max(p for name, p, _ in scored if "right" in name)


def test_a_detector_holds_no_word(house: RetentionHouse, tmp_path: Path) -> None:
    stored = b"".join(path.read_bytes() for path in (house.root / "home" / "mlflow").rglob("*") if path.is_file())
    assert b"Harbour" not in stored and b"kettle" not in stored


def test_a_dataset_of_its_labels_leaves_out_who_says_the_opposite_of_others(house: RetentionHouse) -> None:
    names = [row["request_id"] for row in traffic(DAY, 210, seed=1)[::2]]
    contrary = [label_row(house, name, "wrong" not in name, "k.9") for name in names[4:64]]
    append(house.store, "quality.labels", lambda _: contrary)
    datasets = DatasetDesk(house.store, SEEDS, house.embedder, WallClock(fixed_now=house.now.isoformat()))
    built = datasets.build("detector")
    assert built.row is not None, built.why
    # Torn between k.1 and k.9, they would be left out; as nobody believes k.9, k.1 alone is heard.
    assert json.loads(built.row["removals"]) == {}
    assert built.row["candidates_seen"] == 208
    data = datasets.datasets.open("detector", built.version or "")
    rows = [row for split in ("train", "dev", "test") for row in data.table(split).to_pylist()]
    assert {row["request_id"]: row["label"] for row in rows} == {
        name: "wrong" in name for name in names if name not in (names[0], names[3])
    }
    assert b"kettle" not in b"".join(path.read_bytes() for path in data.folder.iterdir())


def test_a_detector_of_more_labels_takes_nobody_s_place_without_its_gates(house: RetentionHouse) -> None:
    [before] = table_rows(house.store, DETECTORS)
    names = [row["request_id"] for row in traffic(DAY, 210, seed=1)[::2]]
    agreeing = [label_row(house, name, "wrong" in name, "k.3") for name in names[3:64]]
    append(house.store, "quality.labels", lambda _: agreeing)
    done = desk(house).work()
    assert done.row is not None and done.row["n_labels"] == before["n_labels"] + 1 and done.row["auc_low"] > 0.9
    assert not done.row["is_adopted"] and f"{before['detector']} scores, and another takes its place" in str(done)
    assert [version.aliases for version in Registry.of(house.root / "home").versions(MODEL)] == [("champion",)]
    assert len([entry for entry in audit.entries(house.store) if entry["action"] == PROMOTED]) == 1
    assert desk(house).work() == done, "measured once"
