"""The analysts' guide: it says what the contracts say, and each of its questions has an answer."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from house import House, request

from pipelines.pages.guide import PANELS, WAREHOUSE, guide, panels_page
from pipelines.service.alert_desk import AlertDesk
from resources.contracts import SEEDS, contracts
from resources.events import append
from resources.warehouse import open_published
from resources.worked_questions import worked_questions

QUESTIONS = sorted({c.question for c in contracts().values()})
ASKED_ELSEWHERE = {
    "drift": "e2e/test_drift_tickets.py",
    "release": "e2e/test_release_nights.py",
    "retrieval": "e2e/test_retrieval_nights.py",
}
"""Where all questions are asked of a house that has what they take: weeks of days, releases, a knowledge base."""


def test_the_guide_is_made_from_the_contracts_as_they_are_now() -> None:
    written = (WAREHOUSE / "README.md").read_text(encoding="utf-8")
    assert written == guide(contracts()), "run `make docs` and commit warehouse/README.md"


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_has_worked_answers(question: str) -> None:
    assert len(worked_questions(question)) >= 2


def test_every_worked_question_is_answered_with_rows(house: House) -> None:
    belongings = {
        "retrievals": [{"document_id": "handbook"}],
        "tool_calls": [{"tool_name": "refund", "tool_decision": "denied"}],
        "feedback": [{"feedback_kind": "rating", "feedback_value": 1}],
    }
    service = {
        "latency_ms": 12,
        "conversation_id": "c",
        "response_cache_lookup": True,
        "route": "primary",
        "expected_route": "economy",
        "safety_input_verdict": "pass",
    }
    house.deliver("a.jsonl", [request("r1", "2026-11-08T10:00:00Z", user_id="u", **service, **belongings), "{broken"])
    unknown = request("r2", "2026-11-08T11:00:00Z", request_model="nobody-knows", response_model=None)
    house.deliver("b.jsonl", [unknown, request("r4", "2026-11-08T11:00:00Z", error_class="provider")])
    _judge(house, "r1")
    house.night()
    bypass = {"safety_input_verdict": "block", "output_tokens": 5}
    house.deliver("c.jsonl", [request("r3", "2026-11-08T12:00:00Z", **bypass)])
    house.night()
    AlertDesk(house.publisher, SEEDS, {}, lambda: house.now).raise_alerts()
    house.publish()
    unanswered = [
        f"{question}: {words}"
        for question in QUESTIONS
        for words, sql in worked_questions(question)
        if question not in ASKED_ELSEWHERE and not house.ask(sql.rstrip(";"))
    ]
    assert unanswered == []


def _judge(house: House, request_id: str) -> None:
    """A person has judged an answer of 8 November that was drawn."""
    about = {"day": date(2026, 11, 8), "request_id": request_id}
    facts = {"draw": 1, "stratum": "(none)", "risk": 1.0, "inclusion_probability": 1.0, "is_drawn": True, "is_random": True}
    heard = datetime(2026, 11, 9, tzinfo=UTC)
    said = {"label_id": "l", "annotator": "k.1", "labelled_at": heard, "hallucinated": True, "has_comment": False}
    rest = {"is_revision": False, "file_id": "f", "recorded_at": heard}
    for name, row in (("label_frame", facts | {"needs_second_label": False}), ("labels", said | rest)):
        append(house.store, f"quality.{name}", lambda _, row=row: [about | row])


def test_an_analyst_in_another_time_zone_sees_the_same_instants(house: House) -> None:
    house.deliver("a.jsonl", [request("r1", "2026-11-08T10:30:00Z", trace_id="t", conversation_id="c")])
    house.night()
    con = open_published(house.publisher.door)
    asked = ["ts from logs.requests", "hour_start from cost.cost_hourly", "first_ts from cost.trace_costs"]
    try:
        there = []
        for zone in ("UTC", "America/New_York", "Asia/Kathmandu"):
            con.execute("set timezone = $zone", {"zone": zone})
            there.append([con.execute(f"select cast({what} limit 1").fetchall() for what in _as_text(asked)])
    finally:
        con.close()
    assert there[0] == [[("2026-11-08 10:30:00",)], [("2026-11-08 10:00:00",)], [("2026-11-08 10:30:00",)]]
    assert there[1] == there[0] == there[2]


def _as_text(asked: list[str]) -> list[str]:
    return [what.replace(" from", " as varchar) from", 1) for what in asked]


def test_the_list_of_panels_is_made_from_the_panels_as_they_are_now() -> None:
    assert PANELS.read_text(encoding="utf-8") == panels_page(), "run `make docs` and commit docs/panels.md"
