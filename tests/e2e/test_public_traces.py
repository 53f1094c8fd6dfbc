"""Public traces as their publishers wrote them: every line lands, and sums equal those read off the files in Python.

The files are read where they lie; the tests skip where they are not.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import house as harness
import pytest
from formats import landed_rows, quarantined_rows, staged
from house import House, selected

from resources.contracts import REPO
from resources.sources import Source

DATA = REPO.parent / "shared" / "data"
MOONCAKE = DATA / "mooncake" / "traces" / "conversation_trace.jsonl"
LLMPERF = DATA / "llmperf_2023" / "raw_data"
ARENA_HARD = DATA / "arena_hard" / "history_arena-bench-v1" / "model_answer"

needs_mooncake = pytest.mark.skipif(not MOONCAKE.exists(), reason="the Mooncake trace is not beside the checkout")
needs_llmperf = pytest.mark.skipif(not LLMPERF.exists(), reason="the LLMPerf results are not beside the checkout")
needs_arena_hard = pytest.mark.skipif(not ARENA_HARD.exists(), reason="the Arena-Hard answers are not beside the checkout")


@needs_mooncake
def test_the_mooncake_trace_lands_whole_from_the_start_that_the_source_gives(tmp_path: Path) -> None:
    start = datetime(2024, 6, 27, 23, 30, tzinfo=UTC)
    lines = [json.loads(line) for line in MOONCAKE.read_text(encoding="utf-8").splitlines()]
    stage = staged(tmp_path, Source("kimi", "mooncake", start=start), MOONCAKE.read_bytes())
    assert (stage.lines, stage.lines_read, stage.records, stage.records_landed) == (len(lines),) * 4
    before_midnight = sum(line["timestamp"] < 30 * 60 * 1000 for line in lines)
    assert stage.landed_by_day == {"2024-06-27": before_midnight, "2024-06-28": len(lines) - before_midnight}
    rows = landed_rows(stage)
    assert sum(row["uncached_input_tokens"] for row in rows) == sum(line["input_length"] for line in lines)
    assert sum(row["output_tokens"] for row in rows) == sum(line["output_length"] for line in lines)
    assert [(row["ts"] - start).total_seconds() * 1000 for row in rows] == pytest.approx(
        [line["timestamp"] for line in lines]
    )
    assert {row["cache_read_tokens"] for row in rows} == {None}


@needs_mooncake
def test_a_trace_of_relative_times_without_a_start_is_quarantined_whole(tmp_path: Path) -> None:
    lines = b"".join(MOONCAKE.read_bytes().splitlines(keepends=True)[:5])
    stage = staged(tmp_path, Source("kimi", "mooncake"), lines)
    assert (stage.records_landed, stage.records_quarantined) == (0, 5)
    assert {row["expected"] for row in quarantined_rows(stage)} == {"start: when the trace began, in sources.yml"}


def _llmperf_source(name: str) -> Source:
    """A source for one file of LLMPerf, from the summary of its run, as docs/formats/public_traces.md tells a person to."""
    summary = json.loads((LLMPERF / "summary" / f"{name}.json").read_text(encoding="utf-8"))
    defaults = {"provider": summary["framework"], "request_model": summary["model"]}
    return Source(name, "llmperf_2023", defaults=defaults, start=datetime.fromtimestamp(summary["timestamp"], UTC))


@needs_llmperf
def test_every_call_of_llmperf_lands_with_its_error_and_the_sums_of_its_run(tmp_path: Path) -> None:
    codes, total = Counter[Any](), 0
    for path in sorted((LLMPERF / "individual").glob("*.json")):
        calls = json.loads(path.read_text(encoding="utf-8"))
        summary = json.loads((LLMPERF / "summary" / path.name).read_text(encoding="utf-8"))
        folder = tmp_path / path.stem
        folder.mkdir()
        stage = staged(folder, _llmperf_source(path.stem), path.read_bytes(), path.name)
        assert (stage.records, stage.records_landed) == (len(calls), len(calls)), path.name
        rows = landed_rows(stage)
        answered = [call for call in calls if call["end_to_end_latency_s"] > 0]
        assert sum(row["uncached_input_tokens"] or 0 for row in rows) == sum(c["number_input_tokens"] for c in answered)
        assert sum(row["output_tokens"] or 0 for row in rows) == sum(c["number_output_tokens"] for c in answered)
        latencies = [1000 * call["end_to_end_latency_s"] for call in answered]
        assert [row["latency_ms"] for row in rows if row["latency_ms"] is not None] == pytest.approx(latencies)
        assert sum(row["error_class"] is not None for row in rows) == summary["results_number_errors"], path.name
        assert {row["ts"].timestamp() for row in rows} == {summary["timestamp"]}
        assert {row["request_model"] for row in rows} == {summary["model"]}
        codes.update((row["error_code"], row["error_class"], row["http_status"]) for row in rows)
        total += len(rows)
    assert total == 2845
    assert codes[("429", "provider", 429)] > 300


@needs_llmperf
def test_the_summary_of_a_run_is_no_call(tmp_path: Path) -> None:
    path = LLMPERF / "summary" / "groq_70b.json"
    stage = staged(tmp_path, _llmperf_source("groq_70b"), path.read_bytes(), path.name)
    assert stage.ignored_by_reason == {"summary": 1}


@needs_arena_hard
def test_answers_without_token_counts_are_requests_whose_price_is_visibly_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A night over the answers of three models, all of one day or two."""
    house = House(tmp_path, "2023-11-10T03:00:00", selected("cost.request_costs"))
    monkeypatch.setattr(harness, "SOURCES", {"arena": Source("arena", "arena_hard")})
    house.set_shipped_prices()
    answers = []
    for model in ("gpt-4-1106-preview", "gpt-4-0314", "palm-2-chat-bison-001"):
        lines = (ARENA_HARD / f"{model}.jsonl").read_text(encoding="utf-8").splitlines()
        house.deliver(f"{model}.jsonl", lines, "arena")
        answers += [json.loads(line) for line in lines]
    house.night()
    assert house.ask("select count(*), count(distinct request_id) from logs.requests") == [(len(answers), len(answers))]
    tokens = "coalesce(uncached_input_tokens, cache_read_tokens, output_tokens, reasoning_tokens)"
    assert house.ask(f"select count({tokens}) from logs.requests") == [(0,)]
    costs = house.ask("select state, count(*), sum(priced_list_amount) from cost.request_costs group by all")
    assert [(state, count, paid or 0) for state, count, paid in costs] == [("unpriced", len(answers), 0)]
    assert house.ask("select distinct reason from cost.charges") == [("tokens_unmeasured",)]


@needs_arena_hard
def test_every_answer_of_arena_hard_lands_at_the_instant_it_was_stored(tmp_path: Path) -> None:
    landed = 0
    for path in sorted(ARENA_HARD.glob("*.jsonl")):
        answers = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        folder = tmp_path / path.stem
        folder.mkdir()
        stage = staged(folder, Source("arena", "arena_hard"), path.read_bytes())
        rows = landed_rows(stage)
        assert (stage.lines, stage.records_landed) == (len(answers), len(answers))
        assert [row["request_id"] for row in rows] == [answer["answer_id"] for answer in answers]
        assert [row["ts"].timestamp() for row in rows] == pytest.approx([answer["tstamp"] for answer in answers], abs=1e-5)
        lengths = [len("\n".join(answer["choices"][0]["turns"])) for answer in answers]
        assert [row["output_characters"] or 0 for row in rows] == lengths
        landed += len(rows)
    assert landed == 4500
