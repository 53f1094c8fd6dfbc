"""By what logged questions are judged: citations, clicks and labels, each its own number, and none where people say no."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from house import request, selected
from index_house import IndexHouse, chunk_id, text_of
from rules_house import TalkingHouse

from pipelines.retrieval.index_judgments import LABELS
from resources.contracts import contracts
from resources.events import append_table
from resources.table_store import arrow_schema

NEEDED = ("logs.requests", "logs.retrievals", "logs.texts", "logs.feedback")
AT = "2026-11-09T10:00:00Z"


@pytest.fixture
def house(tmp_path: Path) -> IndexHouse:
    """Sixty documents, and a search for each that found the right one; answers of the first thirty cite it."""
    found = IndexHouse(tmp_path)
    found.put(range(60))
    return found


def searched(number: int, is_cited: bool = False, found: int | None = None) -> list[dict[str, Any]]:
    """A question for a document, and the one that was found for it."""
    asked = request(f"q{number}", AT, tenant="acme-corp", prompt_text=text_of(number))
    hit = {"record_kind": "retrieval", "document_rank": 1, "record_id": "1", "index_version": "main@1", "is_cited": is_cited}
    return [asked, {**asked, **hit, "prompt_text": None, "document_id": chunk_id(number if found is None else found)}]


def opened(number: int, document: str, name: str = "clicked", value: float = 1, **more: Any) -> dict[str, Any]:
    """What a system says of a document that was shown."""
    return {
        "record_kind": "feedback", "record_id": f"f{number}{name}{document}", "request_id": f"q{number}", "ts": AT,
        "tenant": "acme-corp", "feedback_kind": "outcome", "feedback_name": name, "feedback_value": value,
        "feedback_label": document,
    } | more  # fmt: skip


def log(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    logs = TalkingHouse(tmp_path, contracts_=selected(*NEEDED))
    logs.deliver("a.jsonl", rows)
    logs.land()
    logs.compute()


def label(house: IndexHouse, number: int, annotator: str = "1.ana", day: date = date(2026, 11, 9), **said: Any) -> None:
    row = {
        "day": day, "label_id": f"{number}{annotator}", "request_id": f"q{number}", "annotator": annotator,
        "labelled_at": datetime(2026, 11, 10, 1, tzinfo=UTC), "has_comment": False, "is_revision": False,
        "file_id": "f" * 64, "recorded_at": house.now, "hallucinated": False, "grounded": True,
    }  # fmt: skip
    append_table(house.store, LABELS, pa.Table.from_pylist([row | said], schema=arrow_schema(contracts()[LABELS])))


def measured(house: IndexHouse) -> dict[tuple[str, str, str], tuple[float, int]]:
    house.desk.work()
    return {(row["basis"], row["metric"], row["scope"]): (row["value"], row["n"]) for row in house.evaluations()}


def test_clicks_and_accepted_citations_are_judgments_of_their_own_with_a_tenant_of_their_own(
    house: IndexHouse, tmp_path: Path
) -> None:
    rows = [row for number in range(20) for row in searched(number)]
    rows += [opened(number, f"d{number}") for number in range(8)]
    rows += [opened(number, chunk_id(number), "citation_accepted") for number in range(6, 10)]
    # Not opened, an amount of something, another outcome, a page that no corpus holds, and a request that nobody made.
    rows += [opened(11, "d11", value=0), opened(12, "d12", feedback_unit="min"), opened(13, "d13", "accepted")]
    rows += [opened(14, "elsewhere"), opened(99, "d1")]
    log(tmp_path, rows)
    found = measured(house)
    assert found["clicks", "recall", "all"] == found["clicks", "recall", "tenant"] == (1.0, 10)
    assert not any(basis in ("cited", "labels") for basis, *_ in found)


def test_a_click_on_another_document_than_the_nearest_lowers_the_measure(house: IndexHouse, tmp_path: Path) -> None:
    rows = [row for number in range(6) for row in searched(number)]
    log(tmp_path, [*rows, *(opened(number, f"d{number}") for number in range(5)), opened(5, "d39")])
    value, n = measured(house)["clicks", "mrr", "all"]
    assert n == 6 and 5 / 6 <= value < 1


def test_labels_vouch_for_what_was_cited_and_the_blamed_leave_every_judgment(house: IndexHouse, tmp_path: Path) -> None:
    rows = [row for number in range(30) for row in searched(number, is_cited=number < 28)]
    log(tmp_path, [*rows, opened(3, "d3"), opened(4, "d4"), opened(5, "d5")])
    for number in range(10):
        label(house, number)
    label(house, 3, "1.ben", grounded=False, hallucinated=True, root_cause="retrieval_wrong")
    label(house, 6, "1.ben", grounded=False)
    label(house, 7, "1.ben", hallucinated=True)
    label(house, 8, "1.ben", grounded=None, hallucinated=None)
    label(house, 20, grounded=False, hallucinated=True, root_cause="made_up")
    label(house, 21, grounded=False, hallucinated=False, root_cause="retrieval_missed")
    label(house, 29)
    found = measured(house)
    assert found["labels", "hit_rate", "all"] == (1.0, 7), (
        "ten, less the blamed one and two that are split; 29 cited nothing"
    )
    assert found["cited", "hit_rate", "all"] == (1.0, 26), "28, less the two that are blamed on the search"
    assert found["clicks", "hit_rate", "all"] == (1.0, 2)


def test_a_label_counts_for_weeks_after_its_question_and_is_asked_once(house: IndexHouse, tmp_path: Path) -> None:
    log(tmp_path, [row for number in range(6) for row in searched(number, is_cited=True)])
    for number in range(6):
        label(house, number)
    house.at("2026-12-01T03:00:00")
    found = measured(house)
    assert found["labels", "ndcg", "all"] == (1.0, 6) and not any(basis == "cited" for basis, *_ in found)
    house.at("2026-12-20T03:00:00")
    assert {row["basis"] for row in house.evaluations() if row["day"] == house.clock.last_due_day()} == set()
