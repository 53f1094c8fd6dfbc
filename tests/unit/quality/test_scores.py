"""quality.scores through whole nights: landed words, the packaged model, late answers, a detector that is trained."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from house import request, selected
from retention_house import RetentionHouse

from assets.python_tables import python_table
from assets.quality.detector import HEURISTIC
from resources.contracts import contracts
from resources.events import append

DAY = date(2026, 11, 5)
AT = f"{DAY}T10:00:00Z"
SCORES = "quality.scores"
RETURNS = "Items may be returned within 30 days of delivery. Maria Lopez of Alderbrook pays for the parcel."
QUESTION = "How long may I return a lamp?"


def document(request_id: str, text: str | None = RETURNS, **more: Any) -> dict[str, Any]:
    words = {"document_text": text} if text else {}
    of_it = {"document_id": "returns-03", "document_rank": 1, "record_id": f"{request_id}-1"}
    return request(request_id, AT, record_kind="retrieval", **of_it, **words, **more)


def answered(request_id: str, output: str, **more: Any) -> dict[str, Any]:
    return request(request_id, AT, prompt_text=QUESTION, output_text=output, feature="chat", **more)


ROWS = [
    answered("true", "Items may be returned within 30 days [returns-03]."), document("true"),
    answered("false", "You get 500 euros in cash until 3 May, says Peter Miller."), document("false"),
    answered("other", "I could not find this in our documents."), document("other"),
    answered("alone", "You may return it within 30 days."),
    answered("unkept", "Thirty days [1]."), document("unkept", text=None),
    answered("shadow", "Items may be returned.", is_shadow=True), document("shadow"),
    answered("silent", "   "),
    request("nothing", AT, feature="chat"),
    answered("tool", "The parcel leaves on Friday."),
    request("tool", AT, record_kind="tool_call", tool_name="track", record_id="t-1", result_text="parcel leaves Friday"),
]  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RetentionHouse]:
    house = RetentionHouse(tmp_path_factory.mktemp("scores"), selected(SCORES))
    house.deliver("a.jsonl", ROWS)
    done = house.night()
    assert not [key for key, outcome in done.items() if outcome.outcome == "failed"]
    yield house


def rows(house: RetentionHouse, day: date = DAY) -> dict[str, dict[str, Any]]:
    names = [c.name for c in contracts()[SCORES].columns]
    found = house.store.rows(f"select {', '.join(names)} from ({house.store.scan_all(SCORES)}) where day = date '{day}'")
    return {row["request_id"]: row for row in (dict(zip(names, values, strict=True)) for values in found)}


def cached(house: RetentionHouse) -> int:
    (cache,) = (house.store.state / "embeddings").glob("*.sqlite")
    with sqlite3.connect(cache) as con:
        return int(con.execute("select count(*) from vectors").fetchone()[0])


def test_every_kept_answer_that_somebody_saw_has_one_score(house: RetentionHouse) -> None:
    assert sorted(rows(house)) == ["alone", "false", "other", "tool", "true", "unkept"]


def test_what_is_made_up_scores_above_what_the_document_says(house: RetentionHouse) -> None:
    true, false, declined = (rows(house)[name] for name in ("true", "false", "other"))
    assert (true["unsupported_numbers"], true["citation_correct"], true["copied"]) == (0, 1, 1)
    assert (false["unsupported_numbers"], false["unsupported_dates"], false["unsupported_names"]) == (1, 1, 1)
    assert false["p_hallucinated"] > max(true["p_hallucinated"], declined["p_hallucinated"]) + 0.3
    assert declined["refuses"] and not false["refuses"]
    assert true["similarity_mean"] > false["similarity_mean"]


def test_what_needs_a_context_is_unmeasured_without_one(house: RetentionHouse) -> None:
    alone, unkept, tool = (rows(house)[name] for name in ("alone", "unkept", "tool"))
    assert alone["has_context"] is False
    assert [alone[name] for name in ("support_mean", "similarity_mean", "citation_coverage")] == [None] * 3
    assert alone["numbers"] == 1 and alone["question_similarity"] > 0.3 and 0 < alone["p_hallucinated"] < 1
    assert (unkept["has_context"], unkept["citation_coverage"], unkept["citation_correct"]) == (False, 1, 1)
    assert tool["has_context"] and tool["support_mean"] > 0.4


def test_a_late_answer_costs_its_own_words_alone(house: RetentionHouse) -> None:
    before, earlier = cached(house), rows(house)
    house.deliver("b.jsonl", [answered("late", "Lamps may be returned within a fortnight."), document("late")])
    house.night()
    assert sorted(set(rows(house)) - set(earlier)) == ["late"]
    assert {name: row for name, row in rows(house).items() if name != "late"} == earlier
    assert cached(house) == before + 1


def test_a_trained_detector_guesses_from_the_next_day_on_and_not_before(house: RetentionHouse) -> None:
    scorer = rows(house)["true"]["scorer"]
    of_all = {
        "day": DAY, "trained_at": datetime(2026, 11, 5, 23, tzinfo=UTC), "scorer": scorer, "n_labels": 300,
        "n_hallucinated": 50, "n_held_out": 300, "first_day": DAY, "last_day": DAY, "auc": 0.8, "auc_low": 0.7,
        "auc_high": 0.9, "brier": 0.1, "brier_low": 0.1, "brier_high": 0.2, "auc_before": 0.6, "brier_before": 0.2,
    }  # fmt: skip
    adopted = of_all | {"detector": "trained-a", "parameters": HEURISTIC.to_json(), "is_adopted": True, "model_version": "1"}
    refused = of_all | {"detector": "trained-b", "parameters": "{}", "is_adopted": False, "model_version": None}
    of_others = adopted | {"detector": "trained-c", "parameters": "{}", "scorer": "rules-0+00000000"}
    append(house.store, "quality.detectors", lambda _: [adopted, refused, of_others])
    before = rows(house)
    tomorrow = {"ts": "2026-11-06T10:00:00Z"}
    house.deliver("c.jsonl", [row | tomorrow | {"request_id": f"{row['request_id']}2"} for row in ROWS])
    done = house.night()
    assert (SCORES, DAY) not in done and rows(house) == before
    assert {row["detector"] for row in rows(house, date(2026, 11, 6)).values()} == {"trained-a"}
    assert {row["detector"] for row in before.values()} == {"heuristic-1"}


def test_without_kept_words_a_day_is_empty_and_no_model_is_loaded(tmp_path: Path) -> None:
    def embed(texts: list[str]) -> Any:
        raise AssertionError("there is nothing to embed")

    contract = contracts()[SCORES]
    table = python_table(contract)
    assert table is not None
    kinds = {"BOOLEAN": pl.Boolean, "DOUBLE": pl.Float64, "BIGINT": pl.Int64, "INTEGER": pl.Int32}
    inputs = {}
    for name in contract.reads:
        of_input = {c.name: c.type for c in contracts()[name].columns}
        inputs[name.split(".")[1]] = pl.DataFrame(
            schema={column: kinds.get(of_input[column], pl.String) for column in table.columns[name]}
        )
    found = table.function(DAY, **inputs, embed=embed)
    assert found.height == 0 and set(found.columns) == {c.name for c in contract.columns}
