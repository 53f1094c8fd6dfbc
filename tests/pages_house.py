"""A published file for the pages: two days of traffic with something of everything, and names that are markup."""

from __future__ import annotations

import atexit
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from house import House, price, request

from apps.pages.door import Door, door_of

HOSTILE = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>{{7*7}}"
WORDS = "zebra-words-that-no-page-shows"
TOLD = {
    "latency_ms": 900, "queue_ms": 5, "retrieval_ms": 40, "model_ms": 800, "filter_ms": 6, "time_to_first_token_ms": 300,
    "feature": "chat", "tenant": "acme", "user_id": "u", "conversation_id": "c", "route": "primary",
    "expected_route": "economy", "safety_input_verdict": "pass", "prompt_text": WORDS, "output_text": WORDS,
}  # fmt: skip
BELONGINGS: dict[str, Any] = {
    "retrievals": [{"document_id": HOSTILE, "retrieval_score": 0.5, "document_rank": 1, "document_text": WORDS}],
    "tool_calls": [{"tool_name": HOSTILE, "tool_decision": "denied", "latency_ms": 20}],
    "feedback": [{"feedback_kind": "rating", "feedback_name": "thumbs", "feedback_value": 1, "comment_text": WORDS}],
}


@cache
def pages_house() -> House:
    """A warehouse of 8 and 9 November that is published; one a process, which nobody changes."""
    folder = TemporaryDirectory()
    atexit.register(folder.cleanup)
    house = House(Path(folder.name) / "house")
    house.set_prices([price("large", 1.5)])
    house.deliver("8.jsonl", [request(f"a{n}", f"2026-11-08T{n:02d}:00:00Z", **TOLD) for n in range(6)])
    failed = TOLD | {"error_class": "provider", "http_status": 500}
    bypass = TOLD | {"safety_input_verdict": "block"}
    house.deliver("9.jsonl", [
        request("whole", "2026-11-09T09:00:00Z", **TOLD, **BELONGINGS),
        request("failed", "2026-11-09T10:00:00Z", **failed),
        request("bypass", "2026-11-09T11:00:00Z", **bypass),
        request(HOSTILE, "2026-11-09T12:00:00Z", **(TOLD | {"feature": HOSTILE, "prompt_version": HOSTILE})),
        request("bare", "2026-11-09T13:00:00Z"),
    ])  # fmt: skip
    house.night()
    return house


def pages_door(house: House) -> Door:
    """The door of its published file."""
    return door_of(house.store.data)
