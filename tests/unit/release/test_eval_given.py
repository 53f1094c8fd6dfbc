"""Files of given answers: a line that cannot be meant is told by its number, and nothing odd reaches a table."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from assets.quality.eval_case import EvalCase
from pipelines.release.eval_given import GivenError, given_in_file

SUITES = {"chat": [EvalCase("a", "answerable", "How long?", must=["30"])]}


@pytest.mark.parametrize(
    "said",
    [
        '"cost_usd": NaN', '"cost_usd": "NaN"', '"cost_usd": 1e300', '"cost_usd": -1', '"input_tokens": 1000000001',
        '"output_tokens": -1', '"latency_ms": NaN', '"latency_ms": -1', '"latency_ms": ' + "9" * 400,
        '"says_refused": "false"', '"calls": ' + "[" * 100_000, '"model": "\\ud800"',
    ],
)  # fmt: skip
def test_an_odd_line_is_told_with_its_number(tmp_path: Path, said: str) -> None:
    path = tmp_path / "given.jsonl"
    path.write_text('\n{"case_id": "a", "answer": "30", ' + said + "}\n", encoding="utf-8")
    with pytest.raises(GivenError, match=r"given\.jsonl, line 2"):
        given_in_file(path, SUITES, 1)


def test_a_sound_line_is_read(tmp_path: Path) -> None:
    path = tmp_path / "given.jsonl"
    path.write_text('{"case_id": "a", "answer": "30", "cost_usd": 0.002, "says_refused": true}\n', encoding="utf-8")
    [one] = given_in_file(path, SUITES, 1)[1]
    assert one.cost_usd == Decimal("0.002") and one.reply.says_refused
