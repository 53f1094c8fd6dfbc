"""docs/service-levels.md maps well-known metrics to columns: each that it names exists, and none is left out."""

from __future__ import annotations

import re

import pytest

from resources.contracts import REPO, contracts

PAGE = (REPO / "docs" / "service-levels.md").read_text(encoding="utf-8")
COLUMN = re.compile(r"`([a-z]+\.[a-z0-9_]+)\.([a-z0-9_]+)`")
QUESTIONS = ("logs", "cost", "service", "drift", "quality", "retrieval", "tuning", "release", "governance")
WATCHED = (
    "availability", "latency", "tokens per request", "cost per 1,000 requests", "hallucination rate", "safety blocks",
    "errors", "truncation", "cache hits", "routing success", "feedback coverage of incidents", "billing anomalies",
)  # fmt: skip
PROMISED = (
    "latency", "availability", "errors", "safety pass rate", "hallucination", "token cost per session", "throughput",
    "model load time", "retrieval recall", "grounded share",
)  # fmt: skip


def mapped(heading: str) -> dict[str, str]:
    """{metric: what its row says of where it stands} of one of the page's lists."""
    section = PAGE.split(f"### {heading}\n")[1].split("\n#")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")]
    return {metric: column for metric, column, _ in rows[2:]}


@pytest.mark.parametrize(("heading", "metrics"), [("What is watched", WATCHED), ("What is promised", PROMISED)])
def test_every_metric_of_the_list_has_a_column_or_the_question_that_will_hold_it(
    heading: str, metrics: tuple[str, ...]
) -> None:
    rows = mapped(heading)
    assert tuple(rows) == metrics
    for metric, column in rows.items():
        not_yet = re.fullmatch(r"not yet: `(\w+)`", column)
        assert not_yet is None or not_yet[1] in QUESTIONS, metric
        assert bool(COLUMN.search(column)) != bool(not_yet), metric


def test_every_column_that_the_page_names_is_promised_by_a_contract() -> None:
    named = set(COLUMN.findall(PAGE))
    assert len(named) > 30
    promised = {(contract.name, column.name) for contract in contracts().values() for column in contract.columns}
    assert named - promised == set()


def test_every_table_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`((?:" + "|".join(QUESTIONS) + r")\.[a-z0-9_]+)`", PAGE))
    assert named - set(contracts()) == set()
