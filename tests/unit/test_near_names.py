"""What a message offers in place of a name that is not known."""

from __future__ import annotations

import pytest

from resources.near_names import allowed_names, nearest_name

KNOWN = ["latency_ms", "tenant", "uncached_input_tokens", "output_tokens", "audio_input_tokens", "ts"]


@pytest.mark.parametrize(
    ("wrong", "offered"),
    [
        ("latency", "latency_ms and 5 more (there)"),
        ("tenent", "tenant and 5 more (there)"),
        ("input_tokens", "audio_input_tokens, uncached_input_tokens, output_tokens and 3 more (there)"),
        ("colour", ", ".join(KNOWN)),
    ],
)
def test_names_that_are_near_come_in_place_of_all(wrong: str, offered: str) -> None:
    assert allowed_names([wrong], KNOWN, "there") == offered


def test_a_name_is_offered_where_one_is_near() -> None:
    assert nearest_name("gatway", ["otel", "gateway"]) == "gateway"
    assert nearest_name("billing", ["otel", "gateway"]) is None
    assert nearest_name("billing", []) is None
