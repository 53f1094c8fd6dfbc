"""Whole nights over a release: what analysts are told of a version that came, made things worse, and nobody declared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from house import request
from prompt_house import PromptHouse, manifest

from assets.release.assets import SUITES, read_suites, suite_rows
from assets.release.deployments import statement, statements_to_add
from assets.release.manifest import parse_manifest
from assets.release.releases import PROMOTE, Evidence, Said, release_row
from resources.events import append
from resources.references import replace_reference
from resources.worked_questions import worked_questions

TABLES = (
    "release.eval_results", "release.before_after", "release.live_versions", "release.request_releases",
    "service.alerts_now",
)  # fmt: skip
FIRST = {"support-chat@v12.yml": manifest(version="v12", rollback_to=...)}
NEW = "2026-11-08T10:00:00"


def traffic(start: datetime, hours: int, version: str, every: int, **more: Any) -> list[dict[str, Any]]:
    """Twenty requests an hour of one version, of which each `every`th fails."""
    rows = []
    for number in range(hours * 20):
        at = start + timedelta(minutes=3 * number)
        failing = {"error_class": "provider"} if number % every == 0 else {}
        whose = {"feature": "support_chat", "environment": "prod", "prompt_id": "support-chat", "prompt_version": version}
        rows.append(request(f"{version}-{number}", f"{at:%Y-%m-%dT%H:%M:%SZ}", latency_ms=900.0, **whose, **failing, **more))
    return rows


def judge(house: PromptHouse, began: datetime) -> None:
    """v12 before the gate: an adversarial case that passes and one that fails, the verdict, a replay, and a thin suite."""

    def rows(table: str, *some: dict[str, Any]) -> list[dict[str, Any]]:
        none = dict.fromkeys(column.name for column in house.store.contracts[table].columns)
        return [none | {"day": began.date()} | one for one in some]

    run = {
        "run_id": "r-1", "suite": "adversarial", "suite_digest": "d", "repeat": 1, "kind": "injected", "is_critical": True,
        "version": "support-chat@v12", "version_digest": "x", "source": "file", "attempts": 0, "is_cached": False,
        "asked_at": began,
    }  # fmt: skip
    failed = {"case_id": "b", "passed": False, "checks": '{"must_not": {"passed": false}}'}
    runs = rows("release.eval_runs", run | {"case_id": "a", "passed": True, "checks": "{}"}, run | failed)
    append(house.store, "release.eval_runs", lambda _: runs)
    verdict = {
        "gate_id": "g", "gate": "verdict", "metric": "verdict", "segment": "all", "candidate": "support-chat@v12",
        "candidate_digest": "x", "suite": "adversarial", "suite_digest": "d", "candidate_run": "r-1", "outcome": "blocked",
        "n": 0, "reason": "1 of 2 critical cases failed", "actor": "ada", "decided_at": began,
    }  # fmt: skip
    append(house.store, "release.gates", lambda _: rows("release.gates", verdict))
    replayed = {
        "replay_id": "p", "request_id": "v12-0", "repeat": 1, "candidate": "support-chat@v12", "candidate_digest": "x",
        "attempts": 1, "asked_at": began,
    }  # fmt: skip
    append(house.store, "release.replays", lambda _: rows("release.replays", replayed))
    replace_reference(house.store, SUITES, suite_rows(read_suites(house.seeds), house.store.contracts[SUITES]))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> PromptHouse:
    """v12 from the 6th on, v13 from the 8th at ten; the release of v12 is known, that of v13 is not."""
    house = PromptHouse(tmp_path_factory.mktemp("releases"), "2026-11-10T03:00:00", TABLES, empty=("service.findings",))
    house.declare(FIRST)
    house.set_prices([])
    began = datetime(2026, 11, 6, 10, tzinfo=UTC)
    m = parse_manifest(FIRST["support-chat@v12.yml"], "12.yml")
    said = Said(PROMOTE, began, "ada", "the first")
    judge(house, began)
    append(house.store, "release.manifests", lambda there: [release_row(m, "prod", there, said, Evidence())])
    window = {"starts_at": began, "ends_at": began + timedelta(minutes=30), "feature": None, "model": None}
    stated = statement("d", **window, prompt_version=None, what="a move", actor="ada", is_cancelled=False)
    append(house.store, "release.deployments", lambda there: statements_to_add({"d": stated}, there, began))
    rows = traffic(began, 48, "v12", every=20)
    liked = {"feedback": [{"feedback_kind": "rating", "feedback_value": 0, "feedback_by": "user"}]}
    house.deliver("a.jsonl", rows + traffic(datetime.fromisoformat(NEW).replace(tzinfo=UTC), 38, "v13", every=3, **liked))
    house.night()
    return house


def test_the_first_days_are_held_against_the_version_before(house: PromptHouse) -> None:
    rows = house.ask(
        "select metric, before_version, days_live, value_before, value_after, reading from release.before_after "
        "where day = date '2026-11-09' order by metric"
    )
    found = {row[0]: row[1:] for row in rows}
    assert found["failed_share"] == ("v12", 2, pytest.approx(0.05), pytest.approx(1 / 3, abs=0.01), "worse")
    assert found["latency_p95_ms"][2:] == (pytest.approx(900, rel=0.01), pytest.approx(900, rel=0.01), "no_difference_shown")
    assert found["liked_share"][2:] == (None, 0.0, "not_known")
    assert "cost_usd" not in found, "what has no price has no cost"


def test_who_declares_another_version_than_runs_is_told(house: PromptHouse) -> None:
    rows = house.ask("select source, value, since, agrees, title from release.live_versions where kind = 'prompt_version'")
    by_source = {row[0]: row[1:] for row in rows}
    assert by_source["logs"] == (
        "v13", datetime(2026, 11, 8, 10), False,
        "support_chat in prod runs prompt version v13 (100.0 % of requests); declared is v12",
    )  # fmt: skip
    assert by_source["release"][:3] == ("v12", datetime(2026, 11, 6, 10), False)


def test_each_request_finds_its_release(house: PromptHouse) -> None:
    asked = "select prompt_version, release_id, state, count(*) from release.request_releases group by all order by all"
    assert house.ask(asked) == [
        ("v12", "support-chat-prod-1", "in_force", 960), ("v13", None, "not_released", 760),
    ]  # fmt: skip


def test_every_worked_question_is_answered_with_rows(house: PromptHouse) -> None:
    assert [words for words, sql in worked_questions("release") if not house.ask(sql.rstrip(";"))] == []


def test_the_next_night_commits_nothing(house: PromptHouse) -> None:
    assert house.is_quiet()
