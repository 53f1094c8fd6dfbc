"""Nights over a living knowledge base: what searches found is judged by what was known then, to the last row."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
import yaml
from house import CALENDAR_START, SOURCES, House, selected
from knowledge_house import TinyEmbedder

from assets.retrieval.assets import known_tables
from pipelines.clock import WallClock
from pipelines.retrieval.knowledge_desk import KnowledgeDesk
from resources.capture import parse
from resources.contracts import SEEDS, contracts
from resources.embedder import Progress, Vectors
from resources.landing import Landing, LandingReport
from resources.references import replace_reference
from resources.worked_questions import worked_questions
from simulator.dirt import NO_DIRT
from simulator.plans import retrieval_plan
from simulator.traffic import simulate

DAY, DAYS = date(2026, 11, 1), 14
NIGHTS = (5, 6, 9)
"""Days of the world after which there is a night: before, and after, a page is deleted, and after one is mislabelled."""


CONDITIONS = {
    "expired": "is_expired", "deleted": "state = 'deleted'", "quarantined": "state = 'quarantined'", "stale": "is_stale",
}  # fmt: skip


@dataclass(frozen=True)
class WordEmbedder(TinyEmbedder):
    """Texts are near each other that have words in common."""

    def embed(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        made = np.full((len(texts), 256), 1e-3, np.float32)
        for place, text in enumerate(texts):
            for word in set(re.findall(r"[a-z]{4,}", text.lower())):
                made[place, crc32(word.encode()) % 256] += 1
        return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)


class RetrievalHouse(House):
    """A house that keeps every word, and reads the simulated knowledge base each night."""

    def land(self) -> LandingReport:
        everything = parse({"capture": [{"mode": "full"}]})
        return Landing(self.store, self.landing, SOURCES, CALENDAR_START, everything).land(self.now, lambda path: True)

    def read_knowledge(self, folder: Path) -> None:
        """A pass of the desk, and what is known by it."""
        seeds = self.root / "seeds"
        if not seeds.exists():
            shutil.copytree(SEEDS, seeds)
            corpora = {"corpora": {"handbook": {"path": str(folder), "owner": "retrieval", "access": "public"}}}
            (seeds / "knowledge.yml").write_text(yaml.safe_dump(corpora), encoding="utf-8")
        clock = WallClock(nightly_hour_utc=2, settle_seconds=0.0, fixed_now=self.now.isoformat())
        KnowledgeDesk(self.store, seeds, self.embedder, clock).work()
        for name, rows in known_tables(self.store, seeds).items():
            replace_reference(self.store, name, rows)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[RetrievalHouse, dict[str, Any]]:
    """The house after its third night, and the ground truth."""
    root = tmp_path_factory.mktemp("retrieval")
    house = RetrievalHouse(root, contracts_=selected(*(name for name in contracts() if name.startswith("retrieval."))))
    house.embedder = WordEmbedder()
    first = 4
    for last in NIGHTS:
        since = DAY + timedelta(days=first)
        for _ in simulate(
            house.landing, root / "truth", since, last - first + 1, 400, 7, world_first_day=DAY, world_days=DAYS, texts=True,
            dirt=NO_DIRT, files_per_day=1, incidents=retrieval_plan,
        ):  # fmt: skip
            pass
        first = last + 1
        house.now = datetime.combine(DAY + timedelta(days=last + 1), datetime.min.time(), UTC) + timedelta(hours=4)
        house.read_knowledge(root / "truth" / "knowledge")
        if last == NIGHTS[-1]:
            house.night()
    return house, json.loads((root / "truth" / "ground_truth.json").read_text(encoding="utf-8"))


def found(house: House, document_id: str, since: str) -> set[tuple[str, int]]:
    """The retrievals of a document from a moment on, as the log has them."""
    of_it = f"document_id = '{document_id}' and ts >= timestamp '{since}'"
    rows = house.ask(f"select file_id, record_number from logs.retrievals where {of_it}")
    assert rows
    return set(rows)


def test_a_label_is_broken_from_the_moment_that_it_was_changed(told: tuple[RetrievalHouse, dict[str, Any]]) -> None:
    house, truth = told
    wrong = truth["knowledge"]["mislabelled"]
    broken = set(house.ask("select file_id, record_number from retrieval.access_violations"))
    assert broken == found(house, wrong["id"], wrong["since"][:19])
    assert house.ask("select distinct access_label, user_class, feature from retrieval.access_violations") == [
        ("internal", "public", "doc_search")
    ]
    assert found(house, wrong["id"], "2026-11-05") - broken
    before = f"document_id = '{wrong['id']}' and ts < '{wrong['since'][:19]}'"
    assert house.ask(f"select distinct access from retrieval.retrieved where {before}") == [("allowed",)]


def test_what_is_stale_is_so_from_the_day_after_and_what_is_deleted_from_when_it_was_seen_gone(
    told: tuple[RetrievalHouse, dict[str, Any]],
) -> None:
    house, truth = told
    stale, deleted, poisoned = (truth["knowledge"][what] for what in ("stale", "deleted", "poisoned"))
    judged = {
        reason: set(house.ask(f"select file_id, record_number from retrieval.retrieved where {condition}"))
        for reason, condition in CONDITIONS.items()
    }
    expired = date.fromisoformat(stale["valid_until"]) + timedelta(days=1)
    seen_gone = date.fromisoformat(deleted["day"]) + timedelta(days=1)
    assert judged["expired"] == found(house, stale["id"], f"{expired}")
    assert judged["deleted"] == found(house, deleted["id"], f"{seen_gone} 04:00:00")
    assert judged["quarantined"] == found(house, poisoned["id"], f"{poisoned['day']} 12:00:00")
    assert judged["stale"] == judged["expired"] | judged["deleted"] | judged["quarantined"]


def test_the_rates_count_what_the_rows_say(told: tuple[RetrievalHouse, dict[str, Any]]) -> None:
    house, _ = told
    by_rows = house.ask(
        "select r.day, count(*) filter (where is_stale), count(is_stale) from retrieval.retrieved as r "
        "inner join logs.requests as q on r.request_id = q.request_id and r.day = q.day group by r.day order by r.day"
    )
    by_rate = house.ask(
        "select day, cast(round(value * n) as bigint), n from retrieval.search_rates "
        "where scope = 'all' and metric = 'stale_rate' order by day"
    )
    assert by_rate == by_rows and len(by_rows) == NIGHTS[-1] - 3
    cited = house.ask("select sum(cited), sum(documents_said), sum(searches_cited) from retrieval.log_metrics")
    assert cited == house.ask(
        "select count(*) filter (where is_cited), count(is_cited), count(distinct q.request_id) filter (where is_cited) "
        "from logs.retrievals inner join logs.requests as q using (request_id) where not coalesce(q.is_shadow, false)"
    )
    assert house.ask("select distinct basis from retrieval.recall") == [("cited",)]


def test_a_gap_is_named_by_requests_that_no_page_answers(told: tuple[RetrievalHouse, dict[str, Any]]) -> None:
    house, truth = told
    gaps = house.ask("select request_id, more_request_ids, declined, unanswered from retrieval.knowledge_gaps")
    assert gaps
    answers = {}
    for path in (house.root / "truth" / "answers").glob("*.jsonl"):
        answers |= {line["request_id"]: line for line in map(json.loads, path.read_text(encoding="utf-8").splitlines())}
    named = [answers[name] for first, more, *_ in gaps for name in (first, *(more or "").split(",")) if name]
    assert {answer["feature"] for answer in named} == {"doc_search"}
    in_vain = [answer["label"] != "grounded" for answer in named]
    assert sum(in_vain) >= 0.8 * len(in_vain)
    shown = str(house.ask("select * from retrieval.knowledge_gaps"))
    asked = " ".join(text for questions in truth["knowledge"]["gaps"].values() for text in questions)
    assert not {word for word in asked.split() if len(word) > 6 and word in shown}


def test_every_worked_question_about_retrieval_is_answered_with_rows(told: tuple[RetrievalHouse, dict[str, Any]]) -> None:
    house, _ = told
    assert [words for words, sql in worked_questions("retrieval") if not house.ask(sql.rstrip(";"))] == []
