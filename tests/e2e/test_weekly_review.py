"""The review of a week: the same from the same tables, words for its owner alone and for as long as they are kept."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from case_house import CaseHouse, asked, complaint
from label_house import label

from assets.quality.weekly_review import without_words
from assets.tables import asset_key
from pipelines.build import build_defs
from pipelines.governance.review_runs import REVIEW
from pipelines.release.case_desk import PROPOSALS
from pipelines.word_files import remove_words
from resources.retention import RetentionPolicy
from resources.warehouse_resource import WarehouseResource

KEPT = RetentionPolicy({"text": 30, "rows": 400, "aggregates": None}, None)


@pytest.fixture
def house(tmp_path: Path) -> CaseHouse:
    """Two weeks of chat: one complaint in 40 requests, then ten and a made-up voucher."""
    made = CaseHouse(tmp_path / "house")
    filler = [asked(f"f{day}-{n}", f"Filler {n}", day=f"2026-11-{day:02}") for day in (3, 10) for n in range(39)]
    made.take("a.jsonl", [
        asked("old", "Where is my parcel?", day="2026-11-03"), complaint("old", ts="2026-11-03T12:00:00Z"),
        asked("r1", "Is the zanzibar voucher valid?", "Yes, for kumquats. ![](http://x.example/p)", day="2026-11-10"),
        *filler,
        *(complaint(f"f10-{n}", ts="2026-11-11T09:00:00Z") for n in range(10)),
        {"record_kind": "retrieval", "request_id": "r1", "ts": "2026-11-10T10:00:00Z", "feature": "chat", "document_id": "d",
         "retrieval_score": 0.9},
    ])  # fmt: skip
    made.declare(look_back_days=14, labels_per_night=200)
    made.judge(label("r1", severity="critical", root_cause="made_up"))
    return made


def test_a_review_says_what_failed_most_and_why_and_twice_is_the_same_to_the_byte(house: CaseHouse) -> None:
    house.cases().propose()
    (case,) = {row["case_id"] for row in house.proposals() if row["request_id"] == "r1"}
    house.now = house.now.replace(day=15)
    with pytest.raises(Exception, match="was proposed at"):
        house.cases().change(case, "rejected", "bo")
    house.now = house.now.replace(day=16)
    done = house.review().write()
    assert (done.week, stat.S_IMODE(done.path.stat().st_mode), stat.S_IMODE(done.path.parent.stat().st_mode)) == (
        "2026-W46", 0o600, 0o700,
    )  # fmt: skip
    text = done.path.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and "chat" in line]
    made_up, thumbs = ([cell.strip() for cell in row.split("|")[2:-2]] for row in rows[:2])
    cause = "made_up 1; search: high_score 1"
    assert made_up == ["chat", "hallucinated", "-", "1", "0", "drawn: see rates", "0.0028", cause]
    trend = "25.00% (14.19% to 40.19%); before 2.50% (0.44% to 12.88%): up"
    assert thumbs == ["chat", "thumbs_down", "-", "10", "1", trend, "0.0280", "search: nothing_found 10"]
    assert ">     asked: Is the zanzibar voucher valid?\n>     answered: Yes, for kumquats." in text
    assert "## Rates" not in text, "this house has no such table"
    assert f"| {case} | chat | hallucinated | proposed | 5 | 1 | nocturne |" in text, "proposed after the week, of the week"
    first = done.path.read_bytes()
    os.utime(done.path, (0, 0))
    house.now = house.now.replace(day=18)
    house.review().write("2026-W46")
    assert done.path.read_bytes() == first, "the day on which it is written does not matter"


def test_words_leave_a_review_when_retention_takes_them_and_the_rest_stays(house: CaseHouse) -> None:
    house.cases().propose()
    done = house.review().write()
    house.pass_days(31)
    house.retain(policy=KEPT)
    assert remove_words(house.store) == 3, "two files of proposals, one review"
    left = done.path.read_text(encoding="utf-8")
    assert left == without_words(done.text) and "kumquats" not in left and "`r1`" in left
    assert remove_words(house.store) == 0
    assert house.review().write("2026-W46").text == left, "written again without words, it is the same"


def test_the_job_proposes_and_shows_a_review_without_a_word_of_anybody(house: CaseHouse) -> None:
    warehouse = WarehouseResource(
        data_dir=str(house.store.data), state_dir=str(house.store.state), landing_dir=str(house.landing),
        seeds_dir=str(house.seeds), durable=False,
    )  # fmt: skip
    house.publish()
    resources: dict[str, Any] = {"warehouse": warehouse, "clock": house.clock}
    repository = build_defs(resources).get_repository_def()
    with dg.DagsterInstance.ephemeral() as instance:
        result = repository.get_job(REVIEW).execute_in_process(instance=instance)
        told = {event.asset_key: event.metadata for event in result.asset_materializations_for_node("propose_and_review")}
        records = "".join(str(event) for event in instance.all_logs(result.run_id))
    shown = told[asset_key(PROPOSALS)]
    assert (shown["new_failures"].value, shown["week"].value) == (12, "2026-W46")
    assert "| 1 | chat | hallucinated |" in str(shown["review"].value)
    assert not any(word in records for word in ("zanzibar", "kumquats", "parcel"))
    written = {path.name for path in (house.store.state / "reviews").iterdir()}
    assert written == {"2026-W46.md", "weekly-2026-W46.md", "weekly-2026-W46.html"}
