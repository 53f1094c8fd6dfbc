"""golden_queries.yml: what is kept, and what is refused with which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from resources.contracts import SEEDS
from resources.golden_seed import GOLDEN_FILE, GoldenQuery, GoldenSeedError, load_golden


def seed(tmp_path: Path, content: Any) -> dict[str, list[GoldenQuery]]:
    path = tmp_path / GOLDEN_FILE
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return load_golden(path)


def one(tmp_path: Path, **entry: Any) -> GoldenQuery:
    return seed(tmp_path, {"golden_queries": {"main": [entry]}})["main"][0]


def test_what_is_shipped_asks_nothing(tmp_path: Path) -> None:
    assert load_golden(SEEDS / GOLDEN_FILE) == {}
    assert load_golden(tmp_path / GOLDEN_FILE) == {}
    assert seed(tmp_path, "") == {}


def test_a_list_of_documents_is_of_grade_one(tmp_path: Path) -> None:
    assert one(tmp_path, query=" why? ", relevant=["a", 7]) == GoldenQuery("why?", {"a": 1, "7": 1})
    assert one(tmp_path, query="why?", relevant={"a": 3}, topic="t").relevant == {"a": 3}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"queries": {}}, "`golden_queries:`"),
        ({"golden_queries": {"main": {"query": "x"}}}, "main is a list"),
        ({"golden_queries": {"main": [{"query": "x", "relevance": ["a"]}]}}, "query 1 is a mapping"),
        ({"golden_queries": {"main": [{"relevant": ["a"]}]}}, "needs its question"),
        ({"golden_queries": {"main": [{"query": "x", "relevant": []}]}}, "relevant is a list of document ids"),
        ({"golden_queries": {"main": [{"query": "x", "relevant": {"a": 4}}]}}, "relevant is a list"),
        ("golden_queries: {main: [{query: x, relevant: {a: yes}}]}", "relevant is a list"),
        ({"golden_queries": {"main": [{"query": "x", "relevant": ["a"]}] * 2}}, "asks one question twice"),
        ({"golden_queries": {"main": [{"query": "x", "relevant": ["a"], "topic": 3}]}}, "topic is a name"),
        ("golden_queries:\n  main: []\n  main: []\n", "names 'main' twice"),
    ],
)  # fmt: skip
def test_a_slip_is_refused_with_its_place(tmp_path: Path, content: Any, words: str) -> None:
    with pytest.raises(GoldenSeedError, match=words):
        seed(tmp_path, content)
