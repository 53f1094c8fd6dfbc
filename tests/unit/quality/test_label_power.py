"""quality.label_power: what is asked of tomorrow's labels, from the rates of a day."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
from judged_days import DAY, answer, drawn, judge, rate_table, said

from assets.quality.label_power import COLUMNS, label_power
from resources.contracts import contracts


def power(rates: pl.DataFrame) -> pl.DataFrame:
    found = label_power(DAY, rates.select(COLUMNS["quality.rates"]))
    assert found.columns == [column.name for column in contracts()["quality.label_power"].columns]
    return found


def test_a_week_is_asked_for_by_the_day_and_a_feature_for_itself() -> None:
    frame = []
    for back in range(4):
        names = [f"{back}-{n:04}" for n in range(1500)]
        answers = [answer(name, feature="chat" if n % 3 else None) for n, name in enumerate(names)]
        frame += drawn(answers, 60, day=DAY - timedelta(days=back))
    labels = judge(frame, lambda row: int(row["request_id"][-2:]) < 20)
    found = power(rate_table(frame, labels)).filter(verdict="hallucinated")
    assert set(found.select("window_days", "feature").rows()) == {(1, None), (1, "chat"), (7, None), (7, "chat")}, (
        "answers without a feature are in all alone"
    )
    (week,) = found.filter(pl.col("feature").is_null(), window_days=7).to_dicts()
    (day,) = found.filter(pl.col("feature").is_null(), window_days=1).to_dicts()
    assert (week["n_labelled"], day["n_labelled"]) == (240, 60)
    assert week["labels_needed"] > 3 * 240 and week["labels_a_day"] == -(-week["labels_needed"] // 4)
    assert day["labels_a_day"] == day["labels_needed"] > 3 * 60 and day["width"] > week["width"]


def test_where_nobody_has_judged_nothing_is_foretold() -> None:
    frame = drawn([answer(f"{n:03}") for n in range(100)], 20)
    found = power(rate_table(frame, []))
    assert len(found) == 12
    assert found["labels_needed"].null_count() == found["width"].null_count() == 12 and not found["is_raters_error"].any()


def test_what_raters_get_wrong_no_number_of_labels_makes_up_for() -> None:
    """Nearly all is judged, by people who are wrong one time in five: what is left is their error."""
    rng = np.random.default_rng(2)
    frame = drawn([answer(f"{n:04}", p_hallucinated=0.1 if n % 2 else 0.7) for n in range(320)], 300)
    truth = {row["request_id"]: bool(rng.random() < row["score"]) for row in frame}
    labels = [
        said(row, annotator, hallucinated=truth[row["request_id"]] ^ bool(rng.random() < 0.2))
        for row in frame
        if row["is_drawn"]
        for annotator in ("ana", "bea", "cyd")
    ]
    (found,) = power(rate_table(frame, labels)).filter(verdict="hallucinated", window_days=1).to_dicts()
    assert found["is_raters_error"] and found["labels_needed"] is None and found["width"] > 0
