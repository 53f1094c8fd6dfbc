"""A file that landed nothing under a wrong declaration lands once it is declared, or put, where it belongs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import house as harness
import pytest
from core import core_house, file_states
from house import House

from resources.sources import Source

CALL = {
    "started_at": "2026-11-08T10:00:00Z", "ended_at": "2026-11-08T10:00:01Z", "status_code": 200,
    "request": {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]},
    "response": {"id": "chatcmpl-1", "object": "chat.completion", "created": 1793440800, "model": "gpt-4o",
                 "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
                 "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}},
}  # fmt: skip


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    sources = {name: Source(name, "canonical") for name in ("gateway", "bodies")}
    monkeypatch.setattr(harness, "SOURCES", sources)
    return core_house(tmp_path)


def declare(monkeypatch: pytest.MonkeyPatch, name: str, format_name: str) -> None:
    sources = harness.SOURCES | {name: replace(harness.SOURCES[name], format=format_name, defaults={"provider": "openai"})}
    monkeypatch.setattr(harness, "SOURCES", sources)


def requests(house: House) -> list[tuple[str, int]]:
    house.night()
    return [(r[0], r[1]) for r in house.ask("select request_id, input_tokens from logs.requests order by 1")]


def test_a_source_that_is_declared_right_lands_what_it_could_not_read(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.deliver("a.jsonl", [json.dumps(CALL)], source="bodies")
    assert requests(house) == []
    assert house.land().files == [], "a file that lands nothing again says nothing again"
    declare(monkeypatch, "bodies", "openai")
    assert requests(house) == [("chatcmpl-1", 9)]
    assert file_states(house) == [("bodies/a.jsonl", "landed"), ("bodies/a.jsonl", "landed")]
    assert requests(house) == [("chatcmpl-1", 9)]
    assert house.land().unchanged == 1


def test_a_file_that_is_moved_to_its_own_source_lands_there(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(monkeypatch, "bodies", "openai")
    wrong = house.deliver("a.jsonl", [json.dumps(CALL)], source="gateway")
    assert requests(house) == []
    right = house.landing / "bodies" / "a.jsonl"
    right.parent.mkdir()
    wrong.rename(right)
    assert requests(house) == [("chatcmpl-1", 9)]
    assert house.ask("select path, state, records_landed from logs.files order by state_number")[-1] == (
        "bodies/a.jsonl", "landed", 1,
    )  # fmt: skip


def test_what_landed_stays_as_it_was_read(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(monkeypatch, "bodies", "openai")
    house.deliver("a.jsonl", [json.dumps(CALL)], source="bodies")
    before = requests(house)
    declare(monkeypatch, "bodies", "canonical")
    assert requests(house) == before
    house.deliver("copy.jsonl", [json.dumps(CALL)], source="gateway")
    assert requests(house) == before
    assert ("gateway/copy.jsonl", "copy") in file_states(house)
