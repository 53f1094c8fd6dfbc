"""The sample of a day's texts: no more than it may have, the same in any order, and it says how likely each text was."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sql_cases import Case, run_case

from resources.contracts import contracts

DAY = date(2026, 1, 15)
Rows = list[dict[str, Any]]


def sampled(numbers: list[int], folder: Path) -> Rows:
    """The rows of drift.text_sample where these requests have a prompt, kept with probability .5, of 2,000 characters."""
    at = {"day": DAY, "file_id": "f"}
    requests = [{**at, "request_id": f"r{number}", "record_number": number} for number in numbers]
    texts = [
        {**at, "record_number": number, "record_kind": "request", "part": "prompt", "text": "é" * 2000,
         "inclusion_probability": 0.5}
        for number in numbers
    ]  # fmt: skip
    folder.mkdir()
    given = {"logs.requests": requests, "logs.texts": texts}
    rows, broken = run_case(Case("drift.text_sample", DAY, given, []), contracts(), folder)
    assert not broken
    return rows


def test_a_large_day_is_sampled_the_same_in_any_order_and_a_late_request_changes_at_most_one(tmp_path: Path) -> None:
    numbers = list(range(1, 1251))
    rows = sampled(numbers, tmp_path / "a")
    chosen = {row["request_id"] for row in rows}
    assert len(rows) == len(chosen) == 1000
    assert [row["inclusion_probability"] for row in rows] == pytest.approx([0.4] * 1000)
    assert {row["text"] for row in rows} == {"é" * 1000}
    random.Random(1).shuffle(numbers)
    late = {row["request_id"] for row in sampled([*numbers, 5000], tmp_path / "b")}
    assert len(late) == 1000
    assert len(chosen - late) <= 1


def test_a_small_day_is_looked_at_whole(tmp_path: Path) -> None:
    rows = sampled([1, 2, 3], tmp_path / "a")
    assert len(rows) == 3
    assert {row["inclusion_probability"] for row in rows} == {0.5}
