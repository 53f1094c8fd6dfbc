"""Planted incidents of service: each changes what it says, of its size, in its time and scope, and nothing else.

What is drawn for a request does not depend on incidents, so a world with one is compared, request by request, with the same
world without it.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from assets.release.deployments import parse_deployments
from simulator.__main__ import main
from simulator.catalogue import FEATURES, TOKEN_COLUMNS
from simulator.dirt import NO_DIRT
from simulator.documents import handbook
from simulator.fragments import OUTCOME_CODES
from simulator.incidents import Incident, TokenSpike
from simulator.outcome import CONTEXT_WINDOW_TOKENS
from simulator.phrases import ATTACKS
from simulator.plans import DAYS_APART, PLANS, QUIET_DAYS, SIZES, default_plan, quiet_plan, service_plan
from simulator.service_incidents import (
    Attacker,
    DeployWindow,
    ErrorBurst,
    LatencyRegression,
    Misrouting,
    PromptLoop,
    QueueBacklog,
    SafetyBypass,
    TruncationRise,
)
from simulator.traffic import simulate

DAY, REQUESTS, SEED = date(2026, 11, 4), 6000, 3
START, END = (datetime(2026, 11, 4, hour, tzinfo=UTC) for hour in (10, 18))
SUPPORT, HERON = {"feature": "support_chat"}, {"request_model": "heron-8b"}
KEY = {"api_key_id": "key-kestrel-software-1"}
Request = dict[str, Any]
Requests = dict[str, Request]


def made(
    folder: Path, *incidents: Incident, requests: int = REQUESTS, days: int = 1, **more: Any
) -> tuple[Requests, dict[str, Any]]:
    """All requests of a world without dirt, by id, and its ground truth."""
    arguments: Request = {"dirt": NO_DIRT, "plain": True, "incidents": incidents} | more
    for _ in simulate(folder / "landing", folder / "truth", DAY, days, requests, SEED, **arguments):
        pass
    lines = [line for path in sorted((folder / "landing").rglob("part-*")) for line in path.read_bytes().splitlines()]
    found = {record["request_id"]: record for record in map(json.loads, lines)}
    assert len(found) == len(lines), "an id stands twice"
    return found, json.loads((folder / "truth" / "ground_truth.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Requests:
    return made(tmp_path_factory.mktemp("quiet"))[0]


def is_inside(request: Request) -> bool:
    return START <= datetime.fromisoformat(request["ts"]) < END


def changed(quiet: Requests, folder: Path, incident: Incident) -> tuple[Requests, int]:
    """The requests that are not as they are without the incident, and how many of all it says that it touched."""
    found, truth = made(folder, incident)
    assert found.keys() == quiet.keys()
    different = {key: request for key, request in found.items() if request != quiet[key]}
    assert all(is_inside(request) for request in different.values())
    (told,) = truth["incidents"]
    assert told["size"] == incident.size and told["size_is"] and told["brings"]
    return different, told["requests_touched"]


@pytest.mark.parametrize("size", [1.3, 4.0])
def test_a_slow_model_is_slower_by_the_factor_and_no_other_is(size: float, quiet: Requests, tmp_path: Path) -> None:
    slow, touched = changed(quiet, tmp_path, LatencyRegression("slow", START, END, {"request_model": "gpt-4o-mini"}, size))
    assert len(slow) == touched > 100
    assert {request["request_model"] for request in slow.values()} == {"gpt-4o-mini"}
    for key, request in slow.items():
        usual = quiet[key]
        for name in ("model_ms", "latency_ms", "time_to_first_token_ms"):
            assert request.get(name) == pytest.approx(round(usual[name] * size, 1) if name in usual else None, abs=0.11)
        assert request["time_to_first_token_ms"] <= request["latency_ms"] if "time_to_first_token_ms" in request else True


@pytest.mark.parametrize("code", sorted(OUTCOME_CODES))
@pytest.mark.parametrize("size", [0.1, 0.7])
def test_a_share_of_a_providers_answers_fails(size: float, code: str, quiet: Requests, tmp_path: Path) -> None:
    scope = {"provider": "anthropic"}
    failed, touched = changed(quiet, tmp_path, ErrorBurst("burst", START, END, scope, size, error_code=code))
    answered = [r for r in quiet.values() if r["provider"] == "anthropic" and is_inside(r) and "output_tokens" in r]
    assert len(failed) == touched == pytest.approx(size * len(answered), rel=0.25)
    for key, request in failed.items():
        assert (request["provider"], request["error_code"]) == ("anthropic", code)
        assert "finish_reason" not in request and request.get("latency_ms", 0) >= 0
        if code in ("gateway_timeout", "refusal", "invalid_json_output"):
            assert request["output_tokens"] == quiet[key]["output_tokens"]
        else:
            assert not {*TOKEN_COLUMNS, "reported_cost_usd", "time_to_first_token_ms"} & request.keys()
        if code == "gateway_timeout":
            assert request["is_billed"] is True and request.get("latency_ms", 60_000) >= 60_000


@pytest.mark.parametrize(("size", "share"), [(1.1, 0.12), (4.0, 0.75)])
def test_prompts_that_outgrow_the_window_say_so_and_what_they_lost(
    size: float, share: float, quiet: Requests, tmp_path: Path
) -> None:
    grown, touched = changed(quiet, tmp_path, TruncationRise("long", START, END, SUPPORT, size))
    cut = [request for request in grown.values() if request.get("is_window_truncated")]
    assert len(cut) == touched and all(request["window_lost_tokens"] > 0 for request in cut)
    assert touched / sum("is_window_truncated" in request for request in grown.values()) == pytest.approx(share, abs=0.08)
    for request in cut:
        inputs = sum(request.get(c, 0) for c in TOKEN_COLUMNS if c.startswith(("uncached", "cache")))
        assert inputs in (0, CONTEXT_WINDOW_TOKENS)


def test_misrouted_requests_go_to_the_dear_model_on_another_route_than_expected(quiet: Requests, tmp_path: Path) -> None:
    incident = Misrouting("dear", START, END, SUPPORT, 0.3, model="gpt-4o")
    moved, touched = changed(quiet, tmp_path, incident)
    routed = [request for request in moved.values() if request.get("route") == "premium"]
    assert len(routed) == touched > 100
    assert all((r["expected_route"], r["request_model"], r["is_fallback"]) == ("economy", "gpt-4o", False) for r in routed)
    asked = sum(is_inside(r) and r["feature"] == "support_chat" and not r.get("response_cache_hit") for r in quiet.values())
    assert touched / asked == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("size", [2.0, 10.0])
def test_a_backlog_grows_to_its_minutes_and_is_worked_off(size: float, quiet: Requests, tmp_path: Path) -> None:
    waiting, touched = changed(quiet, tmp_path, QueueBacklog("backlog", START, END, HERON, size))
    assert len(waiting) == touched > 20
    longest = max(waiting.values(), key=lambda request: request["queue_ms"])
    assert 0.8 * size < longest["queue_ms"] / 60_000 < 1.1 * size
    assert abs(datetime.fromisoformat(longest["ts"]) - (START + (END - START) / 2)) < timedelta(hours=1)
    for key, request in waiting.items():
        assert request["request_model"] == "heron-8b"
        waited = request["queue_ms"] - quiet[key]["queue_ms"]
        assert request["latency_ms"] - quiet[key]["latency_ms"] == pytest.approx(waited, abs=0.2)


def test_what_the_filter_blocks_gets_no_answer_but_in_a_bypass(quiet: Requests, tmp_path: Path) -> None:
    blocked = [request for request in quiet.values() if request.get("safety_input_verdict") == "block"]
    assert blocked
    for request in blocked:
        assert request["finish_reason"] == "content_filter" and request["is_billed"] is False
        assert not {"error_class", "response_model", "route", "model_ms", *TOKEN_COLUMNS} & request.keys()
    passed, touched = changed(quiet, tmp_path, SafetyBypass("bypass", START, END, SUPPORT, 0.05))
    assert len(passed) == touched > 20
    for request in passed.values():
        assert request["safety_input_verdict"] == "block" and request["output_tokens"] > 0
        assert "error_class" not in request and request["feature"] == "support_chat"


def test_answers_leak_canaries_and_personal_data_in_a_bypass_and_only_there(tmp_path: Path) -> None:
    bypass = SafetyBypass("bypass", START, END, SUPPORT, 0.05)
    for name, incidents in (("quiet", ()), ("bypass", (bypass,))):
        found, truth = made(tmp_path / name, *incidents, texts=True)
        words = truth["deliveries"][str(DAY)]["made"]["words"]
        marks = set(words["canaries"].values())
        leaking = {key for key, r in found.items() if any(mark in r.get("output_text", "") for mark in marks)}
        told = {kind: {key for key, k in words["unsafe"].items() if k == kind} for kind in words["unsafe"].values()}
        assert leaking == told.get("leaked_prompt", set()) and (name == "bypass") == bool(leaking)
        disclosed = told.get("leaked_personal_data", set())
        assert (name == "bypass") == bool(disclosed)
        strings = {s["request_id"]: s["text"] for s in words["planted"] if s["part"] == "output"}
        assert all(strings[key] in found[key]["output_text"] for key in disclosed)
        if name == "bypass":
            assert len(leaking | disclosed) == truth["incidents"][0]["requests_touched"]


@pytest.mark.parametrize("texts", [False, True])
def test_a_loop_sends_one_prompt_on_top_of_the_traffic_at_its_rate(texts: bool, quiet: Requests, tmp_path: Path) -> None:
    found, truth = made(tmp_path, PromptLoop("loop", START, END, KEY, 90.0), texts=texts)
    if not texts:
        assert {key: found[key] for key in quiet} == quiet, "what was drawn stays as it is"
    more = [request for key, request in found.items() if key not in quiet]
    assert len(more) == truth["incidents"][0]["requests_touched"] == pytest.approx(8 * 90, rel=0.05)
    assert truth["totals"]["requests"] == len(found) == truth["deliveries"][str(DAY)]["made"]["requests"]
    assert all(is_inside(r) and r["api_key_id"] == KEY["api_key_id"] and r["environment"] == "prod" for r in more)
    per_hour = Counter(request["ts"][:13] for request in more)
    assert max(per_hour.values()) == 90
    # A chunk has a caller of its own: the prompt is one, or one for each of the two files that the loop falls in.
    said = {(request["user_id"], request["prompt_text"]) for request in more}
    assert len(said) <= 2 and len({text for _, text in said}) <= (2 if texts else 1)


def test_an_attacker_is_one_user_more_who_tries_everything_and_reads_every_document(quiet: Requests, tmp_path: Path) -> None:
    attacker = Attacker("attacker", START, END, KEY | {"feature": "doc_search"}, 10.0)
    found, truth = made(tmp_path, attacker, texts=True)
    more = {key: request for key, request in found.items() if key not in quiet}
    assert {key: found[key]["user_id"] for key in quiet if "user_id" in found[key]} == {
        key: request["user_id"] for key, request in quiet.items() if "user_id" in request
    }
    (user,) = {request["user_id"] for request in more.values()}
    assert user not in {request.get("user_id") for request in quiet.values()}
    assert truth["incidents"][0]["requests_touched"] == len(more) > 60
    attacks = truth["deliveries"][str(DAY)]["made"]["words"]["attacked"]
    assert {attacks[key] for key in more if key in attacks} == set(ATTACKS)
    documents = {document for request in more.values() for document in _documents(request)}
    assert documents == {document.id for document in handbook().documents}
    assert len({request["prompt_text"] for request in more.values()}) > 40


def _documents(request: Request) -> list[str]:
    return [document["document_id"] for document in request.get("retrievals", [])]


def test_a_talk_that_grows_is_one_conversation_whose_every_turn_is_longer(quiet: Requests, tmp_path: Path) -> None:
    incident = PromptLoop("grows", START, END, KEY | {"feature": "code_assist"}, 10.0, growth_tokens=500)
    found, truth = made(tmp_path, incident)
    talk = sorted((r for key, r in found.items() if key not in quiet), key=lambda r: r["ts"])
    assert truth["incidents"][0]["found_by"] == ["growing_prompt"]
    assert len({request["conversation_id"] for request in talk}) == 1
    turns = [request["conversation_turn"] for request in talk]
    assert turns == sorted(set(turns)) and len(turns) > 70
    sizes = [sum(r.get(c, 0) for c in TOKEN_COLUMNS if "input" in c or "cache" in c) for r in talk if "error_class" not in r]
    first, last = sizes[0], sizes[-1]
    assert last - first == pytest.approx(500 * (turns[-1] - turns[0]), rel=0.3)


def test_a_deployment_fails_in_its_window_alone_and_its_seed_entry_is_taken(tmp_path: Path) -> None:
    deployment = DeployWindow("deployed", START, START + timedelta(hours=1), SUPPORT, 0.8)
    usual, _ = made(tmp_path / "quiet", days=2)
    found, truth = made(tmp_path / "deployed", deployment, days=2)
    failed = [r for key, r in found.items() if r.get("error_code") != usual[key].get("error_code")]
    assert failed and len(failed) == truth["incidents"][0]["requests_touched"]
    assert all(START <= datetime.fromisoformat(r["ts"]) < START + deployment.burst for r in failed)
    assert truth["incidents"][0]["found_by"] == []
    for request in found.values():
        is_new = request["feature"] == "support_chat" and datetime.fromisoformat(request["ts"]) >= START
        assert (request["prompt_version"] == deployment.prompt_version) == is_new
    example = yaml.safe_load((tmp_path / "deployed" / "truth" / "deployments_example.yml").read_text(encoding="utf-8"))
    (entry,) = parse_deployments(example).values()
    assert (entry["starts_at"], entry["ends_at"]) == (deployment.start, deployment.end)
    assert (entry["feature"], entry["prompt_version"]) == ("support_chat", deployment.prompt_version)


def test_on_quiet_nights_two_in_a_thousand_fail_and_all_kinds_of_failure_are_left(tmp_path: Path) -> None:
    found, _ = made(tmp_path, requests=60_000)
    codes = Counter(request.get("error_code") for request in found.values())
    assert codes.keys() == {None, *OUTCOME_CODES}
    ours = [request for request in found.values() if request.get("error_class") not in (None, "client")]
    assert 0.001 < len(ours) / len(found) < 0.0023
    by_feature = Counter(request["feature"] for request in ours)
    asked = Counter(request["feature"] for request in found.values())
    rest = sum(by_feature.values()) - by_feature["doc_search"]
    assert by_feature["doc_search"] / asked["doc_search"] < 0.5 * rest / (len(found) - asked["doc_search"])
    assert max(request.get("queue_ms", 0) for request in found.values()) < 15_000
    cold = [request for request in found.values() if "model_load_ms" in request]
    assert cold and all(1_500 <= request["model_load_ms"] <= 6_000 <= 6_000 + request["latency_ms"] for request in cold)
    assert {request["request_model"] for request in cold} == {"heron-8b"}


def test_a_rate_has_a_denominator_where_it_is_measured_and_none_where_it_is_not(quiet: Requests) -> None:
    reports = {feature.name: feature.reports_window for feature in FEATURES}
    for request in quiet.values():
        went_out = not request.get("response_cache_hit") and request.get("safety_input_verdict") != "block"
        assert ("is_window_truncated" in request) == (reports[request["feature"]] and went_out)
        assert request.get("is_window_truncated", False) == (request.get("window_lost_tokens", 0) > 0)
        assert ("is_window_truncated" in request) == ("window_lost_tokens" in request)
        assert request.get("is_fallback") == (request["route"] == "fallback" if "route" in request else None)
    assert {request.get("is_window_truncated") for request in quiet.values()} >= {False, None}
    assert {request.get("retry_count") for request in quiet.values()} >= {None, 0, 1}
    expected = [r["route"] == r["expected_route"] for r in quiet.values() if "expected_route" in r]
    assert 0.985 < sum(expected) / len(expected) < 1


def test_the_sample_has_one_incident_a_day_and_each_kind() -> None:
    plan = default_plan(DAY, 14)
    assert len({incident.start.date() for incident in plan}) == len(plan)
    kinds = {type(incident) for incident in plan}
    assert kinds >= {LatencyRegression, ErrorBurst, TruncationRise, Misrouting, SafetyBypass, QueueBacklog, PromptLoop,
                     DeployWindow, TokenSpike}  # fmt: skip
    assert {incident.start.date() for incident in plan} <= {DAY + timedelta(days=later) for later in range(14)}
    assert max(incident.end for incident in plan).date() <= DAY + timedelta(days=14)


def test_the_plans_of_a_game_day_differ_in_size_alone_and_begin_after_quiet_weeks() -> None:
    plans = [service_plan(DAY, 74, size) for size in SIZES]
    unsized = [[replace(incident, size=0.0) for incident in plan] for plan in plans]
    assert unsized[0] == unsized[1] == unsized[2] and len(plans[0]) == 20
    for small, medium, large in zip(*plans, strict=True):
        assert small.size < medium.size < large.size
    assert plans[0][0].start.date() == DAY + timedelta(days=QUIET_DAYS)
    days = [incident.start.date() for incident in plans[0]]
    assert {later - earlier for earlier, later in pairwise(days)} == {timedelta(days=DAYS_APART)}
    assert max(incident.end for incident in plans[0]).date() < DAY + timedelta(days=74)
    with pytest.raises(ValueError, match="44 days or more"):
        service_plan(DAY, 43)
    assert quiet_plan(DAY, 60) == () == PLANS["quiet"]("small")(DAY, 60)


def test_incidents_that_cannot_be_told_apart_or_made_are_refused(tmp_path: Path) -> None:
    burst = ErrorBurst("twice", START, END, SUPPORT, 0.1)
    with pytest.raises(ValueError, match="same name"):
        made(tmp_path, burst, burst)
    with pytest.raises(ValueError, match="unknown error_code gremlin"):
        replace(burst, error_code="gremlin")


def test_the_command_line_plants_the_plan_that_it_is_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def planted(name: str, *options: str) -> list[str]:
        where = ["--out", str(tmp_path / name), "--truth", str(tmp_path / f"{name}-truth"), "--first-day", str(DAY)]
        assert main([*where, "--days", "1", "--requests-per-day", "50", "--plain", *options]) == 0
        truth = json.loads((tmp_path / f"{name}-truth" / "ground_truth.json").read_text(encoding="utf-8"))
        return [incident["name"] for incident in truth["incidents"]]

    assert planted("quiet", "--plan", "quiet") == []
    assert planted("default") == [incident.name for incident in default_plan(DAY, 1)]
    service = planted("service", "--plan", "service", "--size", "large", "--world-days", "60")
    assert service == [incident.name for incident in service_plan(DAY, 60, "large")]
    capsys.readouterr()
    where = ["--out", str(tmp_path / "short"), "--truth", str(tmp_path / "t"), "--first-day", str(DAY), "--days", "3"]
    assert main([*where, "--plan", "service"]) == 2
    assert "44 days or more" in capsys.readouterr().err
