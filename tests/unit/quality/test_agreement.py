"""How well people agree, from rows of labels: who thinks again counts once, and what is not measured is NULL."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from assets.quality.agreement import agreement
from assets.quality.annotator_errors import annotator_errors
from assets.quality.judged import VERDICTS, mean_verdicts
from assets.quality.label_files import escaped, unescaped
from resources.contracts import contracts

DAY = date(2026, 11, 9)
NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)


def said(request: str, annotator: str, hallucinated: bool | None, minutes: int = 0) -> dict[str, Any]:
    """A row of quality.labels."""
    return {
        "day": DAY, "label_id": f"{request} {annotator} {minutes}", "request_id": request, "annotator": annotator,
        "labelled_at": NOON + timedelta(minutes=minutes), **dict.fromkeys(VERDICTS), "hallucinated": hallucinated,
    }  # fmt: skip


def labels(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, infer_schema_length=None, schema_overrides=dict.fromkeys(VERDICTS, pl.Boolean))


def frame(scores: dict[str, float | None]) -> pl.DataFrame:
    rows = [{"day": DAY, "request_id": name, "score": score} for name, score in scores.items()]
    return pl.DataFrame(rows, schema={"day": pl.Date, "request_id": pl.String, "score": pl.Float64})


def test_who_thinks_again_counts_once_and_agrees_with_nobody_by_it() -> None:
    rows = [said("r1", "ana", True), said("r1", "ana", False, minutes=1), said("r2", "ana", None), said("r3", "bea", True)]
    (row,) = agreement(DAY, labels(rows), frame({})).to_dicts()
    assert (row["verdict"], row["n_labels"], row["n_labelled"], row["n_doubled"], row["annotators"]) == (
        "hallucinated", 2, 2, 0, 2,
    )  # fmt: skip
    assert (row["alpha"], row["sensitivity"], row["warning"]) == (None, None, "few_doubled")
    assert mean_verdicts(labels(rows), "hallucinated") == {(DAY, "r1"): 0.0, (DAY, "r3"): 1.0}


@pytest.mark.parametrize(("careless", "warned"), [(0.02, "none"), (0.45, "too_noisy")])
def test_a_rater_who_guesses_is_found_and_warned_of(careless: float, warned: str) -> None:
    rng = np.random.default_rng(7)
    rows, scores = [], {}
    for n in range(400):
        truth = bool(rng.random() < 0.4)
        scores[f"r{n}"] = float(np.clip(0.7 * truth + 0.3 * rng.random(), 0, 1))
        for annotator, error in (("ana", 0.02), ("bea", careless), ("cyd", careless)):
            rows.append(said(f"r{n}", annotator, truth ^ bool(rng.random() < error)))
    table = labels(rows)
    (row,) = agreement(DAY, table, frame(scores)).to_dicts()
    assert row["warning"] == warned and row["double_share"] == 1.0
    errors = {r["annotator"]: r for r in annotator_errors(DAY, table, frame(scores)).to_dicts()}
    assert errors["ana"]["n_doubled"] == 400
    assert errors["bea"]["sensitivity"] == pytest.approx(1 - careless, abs=0.08)
    assert errors["bea"]["specificity"] == pytest.approx(1 - careless, abs=0.08)


def test_the_tables_have_the_columns_that_their_contracts_promise() -> None:
    rows = labels([said("r1", "ana", True)])
    for table in (agreement(DAY, rows, frame({"r1": 0.2})), annotator_errors(DAY, rows, frame({}))):
        name = "quality.annotator_errors" if "annotator" in table.columns else "quality.agreement"
        assert table.columns == [column.name for column in contracts()[name].columns]


@pytest.mark.parametrize("cell", ["=1", "'=1", "''=1", "plain", "'tis", "-", "@x", "", "'"])
def test_a_cell_that_was_made_safe_comes_back_as_it_was(cell: str) -> None:
    assert unescaped(escaped(cell)) == cell and not escaped(cell).startswith(("=", "+", "-", "@", "\t", "\r"))
