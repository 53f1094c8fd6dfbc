"""One call is one row, whichever tool logged it: what is not so stands in tests/fixtures/formats/differences.yml."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from formats import fixture_lines, rows_of
from parity import CANONICAL, LOGS, Pair, calls, difference, differences, landed, pairs

from pipelines.pages.guide import DIFFERENCES, differences_page, known_differences
from simulator.chunk import Chunk
from simulator.fragments import ANSWERED, OUTCOME_CODES

Known = dict[str, str | dict[str, str]]
FOUND = ("request_id", "conversation_token", "user_token", "tenant_token", "request_model", "prompt_fingerprint",
         "system_fingerprint", "output_characters", "temperature", "max_output_tokens", "prompt_text",
         "output_text")  # fmt: skip
"""What every log says of every kind of call; a comparison without it would be of nothing."""


@pytest.fixture(scope="module")
def day() -> Chunk:
    return calls(seed=8, day=date(2026, 11, 1), requests=12_000, one_in=4)


def expected(name: str) -> Known:
    """By kind of record how each column differs, without the reasons."""
    told: Known = {}
    for kind, by_way in known_differences()[name].items():
        ways = {} if isinstance(by_way, str) else by_way
        told[kind] = by_way if isinstance(by_way, str) else {column: way for way in ways for column in ways[way]}
    return told


@pytest.mark.parametrize("name", LOGS)
def test_the_same_call_in_another_format_is_the_same_row_but_for_what_is_listed(
    name: str, day: Chunk, tmp_path: Path
) -> None:
    log = LOGS[name]
    fitting = log.fitting(day)
    assert len(fitting) > 200 and set(fitting.codes["outcome"].tolist()) == {ANSWERED, *OUTCOME_CODES.values()}
    found = list(pairs(landed(CANONICAL, fitting, tmp_path), landed(log, fitting, tmp_path)))
    both = [(left, right) for left, right in found if left and right]
    assert all(any(right[column] is not None for _, right in both) for column in FOUND)
    assert differences(found) == expected(name), "compare tests/fixtures/formats/differences.yml with the SQL of the format"


def test_each_log_has_its_list_and_a_column_stands_in_it_once() -> None:
    assert set(known_differences()) == set(LOGS)
    for name, kinds in known_differences().items():
        for kind, by_way in kinds.items():
            if not isinstance(by_way, str):
                columns = [column for listed in by_way.values() for column in listed]
                assert len(columns) == len(set(columns)), (name, kind)
                assert all(why for listed in by_way.values() for why in listed.values()), (name, kind)


def test_the_page_of_differences_says_what_the_list_says_now() -> None:
    assert DIFFERENCES.read_text(encoding="utf-8") == differences_page(known_differences()), "run `make docs` and commit it"


@pytest.mark.parametrize(
    ("left", "right", "how"),
    [
        ([1, 2], [1, 2], None),
        ([None, 2], [None, 2], None),
        ([1, 2], [None, None], "not said"),
        ([1, 2], [None, 2], "not always said"),
        ([1, None], [None, 3], "other"),
        ([None, 2], [1, 2], "said here only"),
        ([0, 2], [None, 2], "not always said"),
        ([1, 2], [1, 2.5], "other"),
    ],
)
def test_a_zero_is_no_silence_and_one_row_is_enough_to_differ(left: list[Any], right: list[Any], how: str | None) -> None:
    both = [({"model_ms": a}, {"model_ms": b}) for a, b in zip(left, right, strict=True)]
    assert difference("model_ms", both) == how


def test_a_record_that_one_log_has_alone_is_no_difference_in_columns_but_a_fault() -> None:
    asked: dict[str, Any] = {"record_kind": "request", "request_id": "r", "trace_id": "t", "ts": "2026", "record_number": 1}
    asked |= {"document_id": None, "document_rank": None}
    found: list[Pair] = list(pairs([asked, asked | {"request_id": "s", "trace_id": "u"}], [asked]))
    assert found == [(asked, asked), (asked | {"request_id": "s", "trace_id": "u"}, None)]
    with pytest.raises(AssertionError, match="1 of 2 requests are in one log only"):
        differences(found)
    # A call that goes by another name in the other log is the same call all the same.
    assert list(pairs([asked], [asked | {"request_id": "span"}])) == [(asked, asked | {"request_id": "span"})]


def failures(status: int) -> dict[str, dict[str, Any]]:
    """A call that a provider answered with this status and a body, as each log tells it; of no other word than `odd`."""
    payload = json.loads(fixture_lines("litellm", "failures.jsonl")[0])
    spent = json.loads(fixture_lines("litellm_spend_logs", "rows.jsonl")[0])
    told = {"error_code": str(status), "error_class": "OddError", "error_message": "odd", "llm_provider": "openai"}
    common = {"ts": "2026-10-31T10:00:00Z", "request": {"model": "m", "messages": []}, "status_code": status}
    said = {"gen_ai.operation.name": "chat", "http.response.status_code": status, "error.type": "odd"}
    span = {"context": {"trace_id": "0a", "span_id": "0b"}, "start_time": "2026-10-31T10:00:00Z", "attributes": said}
    return {
        "otlp": span | {"status": {"status_code": "ERROR"}},
        "litellm": payload | {"error_information": told, "error_str": "odd"},
        "litellm_spend_logs": spent | {"status": "failure", "metadata": {"status": "failure", "error_information": told}},
        "langfuse": {
            "id": "o", "type": "GENERATION", "level": "ERROR", "start_time": "2026-10-31 10:00:00",
            "status_message": f"Error code: {status} - odd",
        },
        "openai": common | {"response": {"error": {"message": "odd", "type": "odd", "param": None, "code": None}}},
        "anthropic": common | {"response": {"type": "error", "error": {"type": "odd", "message": "odd"}}},
    }  # fmt: skip


@pytest.mark.parametrize("name", failures(500))
@pytest.mark.parametrize(
    ("status", "whose"),
    [
        (400, "client"), (401, "client"), (404, "client"), (408, "infrastructure"), (409, "provider"),
        (425, "infrastructure"), (429, "provider"), (500, "provider"), (503, "provider"), (529, "provider"),
    ],
)  # fmt: skip
def test_a_status_means_the_failure_of_the_same_party_in_every_format(status: int, whose: str, name: str) -> None:
    (row,) = rows_of(name, [failures(status)[name]])
    assert (row["error_class"], row["http_status"]) == (whose, str(status))
