"""The simulated knowledge base keeps its word: the truth says what its pages are, and logs go on finding what went wrong."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.retrieval.vetting import injections
from resources.document_reader import Corpus, Found
from resources.knowledge_seed import CorpusSeed, KnowledgeSeed
from simulator.dirt import NO_DIRT
from simulator.knowledge import KnowledgeBase
from simulator.plans import quiet_plan, retrieval_plan
from simulator.poison import POISONED
from simulator.traffic import simulate

DAY = date(2026, 11, 1)
DAYS = 14


def world(folder: Path, first: int, days: int, **more: Any) -> dict[str, Any]:
    """Some days of a world of 14, from the day with this number on; its truth."""
    since = DAY + timedelta(days=first)
    for _ in simulate(
        folder / "landing", folder / "truth", since, days, 300, 7, world_first_day=DAY, world_days=DAYS, texts=True,
        dirt=NO_DIRT, files_per_day=1, **more,
    ):  # fmt: skip
        pass
    truth: dict[str, Any] = json.loads((folder / "truth" / "ground_truth.json").read_text(encoding="utf-8"))
    return truth


def files(folder: Path) -> dict[str, str]:
    root = folder / "truth" / "knowledge"
    found = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in found}


def requests(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted((folder / "landing" / "gateway").glob("*/part-*")):
        yield from map(json.loads, gzip.decompress(path.read_bytes()).decode().splitlines())


def feedback(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted((folder / "landing" / "gateway").glob("*/feedback*")):
        yield from map(json.loads, gzip.decompress(path.read_bytes()).decode().splitlines())


@pytest.fixture(scope="module")
def seven_to_ten(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Four days in which everything planted is there, with the incident of the plan."""
    folder = tmp_path_factory.mktemp("knowledge")
    return folder, world(folder, 5, 5, incidents=retrieval_plan)


def test_a_night_later_the_files_are_those_of_one_long_run(tmp_path: Path) -> None:
    for first in (0, 1, 2):
        world(tmp_path / "nights", first, 1, incidents=quiet_plan)
    truth = world(tmp_path / "run", 0, 3, incidents=quiet_plan)
    assert files(tmp_path / "nights") == files(tmp_path / "run")
    assert {name for name in files(tmp_path / "run") if name.startswith("notices/")} == {
        f"notices/2026-11-0{day}-{number}.md" for day in (1, 2, 3) for number in (1, 2)
    }
    assert json.loads((tmp_path / "nights" / "truth" / "ground_truth.json").read_text()) == truth


def test_what_each_day_did_to_the_pages_adds_up_to_what_there_is() -> None:
    base, there = KnowledgeBase(7, DAY, DAYS), set()
    for offset in range(DAYS):
        day = DAY + timedelta(days=offset)
        did = base.changes(day)
        assert not there & set(did["added"]) and set(did["deleted"]) | set(did["changed"]) <= there
        there = (there | set(did["added"])) - set(did["deleted"])
        assert there == base.on(day).keys() and len(there) == did["pages"]
    planted = base.as_truth()
    assert planted["deleted"]["id"] not in there and POISONED.id in there
    assert not any(name.startswith(f"notices/{DAY.isoformat()}") for name in there)
    last = base.on(DAY + timedelta(days=DAYS - 1))
    assert (last[planted["mislabelled"]["id"]].access, last["staff-01"].access) == ("internal", "internal")
    assert last[planted["stale"]["id"]].valid_until == date(2026, 11, 3)
    assert planted["stale"]["valid_until"] == "2026-11-03"


def test_our_reader_reads_every_page_and_vetting_holds_back_the_poisoned_one_alone(
    seven_to_ten: tuple[Path, dict[str, Any]],
) -> None:
    folder, truth = seven_to_ten
    seed = CorpusSeed("handbook", folder / "truth" / "knowledge", "retrieval")
    found = list(Corpus(seed, KnowledgeSeed({})).documents())
    assert all(isinstance(document, Found) for document in found)
    read = {document.document_id: document.read() for document in found if isinstance(document, Found)}
    assert len(read) == truth["deliveries"]["2026-11-10"]["knowledge"]["pages"]
    wrong = truth["knowledge"]["mislabelled"]
    assert (read[wrong["id"]].access, read[wrong["id"]].updated_at.isoformat()) == (wrong["access"], wrong["since"])  # type: ignore[union-attr]
    refused = [name for name, kinds in zip(read, injections([page.text for page in read.values()]), strict=True) if kinds]
    assert refused == [truth["knowledge"]["poisoned"]["id"]]


def test_the_logs_go_on_finding_what_is_stale_deleted_or_mislabelled(seven_to_ten: tuple[Path, dict[str, Any]]) -> None:
    folder, truth = seven_to_ten
    found = {r["document_id"] for record in requests(folder) for r in record.get("retrievals", ())}
    assert {truth["knowledge"][what]["id"] for what in ("stale", "deleted", "mislabelled", "poisoned")} <= found


def test_a_poisoned_page_takes_the_place_of_a_wrong_one_and_touches_nothing_else(
    seven_to_ten: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, truth = seven_to_ten
    *_, incident = truth["incidents"]
    assert (incident["kind"], incident["found_by"]) == ("PoisonedPage", ["planted_instruction"])
    world(tmp_path, 5, 5, incidents=lambda first, days: retrieval_plan(first, days)[:-1])
    poisoned = 0
    for record, clean in zip(requests(folder), requests(tmp_path), strict=True):
        differ = {key for key in record if record[key] != clean.get(key)}
        assert differ <= {"retrievals"}
        if not differ:
            continue
        [place] = [n for n, (a, b) in enumerate(zip(record["retrievals"], clean["retrievals"], strict=True)) if a != b]
        assert record["retrievals"][place]["document_id"] == POISONED.id and not clean["retrievals"][place]["is_cited"]
        assert incident["start"] <= record["ts"].replace("Z", "+00:00") < incident["end"]
        poisoned += 1
    assert 0 < poisoned <= incident["requests_touched"]


def test_users_open_what_was_found_for_them_and_most_often_what_is_named_and_stands_first(
    seven_to_ten: tuple[Path, dict[str, Any]],
) -> None:
    folder, _ = seven_to_ten
    shown = {
        r["request_id"]: {d["document_id"]: d for d in r["retrievals"]} for r in requests(folder) if r.get("retrievals")
    }
    clicks = [r for r in feedback(folder) if r.get("feedback_name") == "clicked" and r["request_id"] in shown]
    assert {(c["feedback_kind"], c["feedback_value"], c["feedback_by"]) for c in clicks} == {("outcome", 1, "user")}
    found = [shown[c["request_id"]][c["feedback_label"]] for c in clicks]
    every = [document for documents in shown.values() for document in documents.values()]
    opened, there = (sum(bool(d.get("is_cited")) for d in some) / len(some) for some in (found, every))
    assert len(found) > 30 and opened > 1.5 * there
    assert sum(d["document_rank"] == 1 for d in found) > len(found) / 2
