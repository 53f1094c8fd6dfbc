"""Excerpts show a line's shape and none of its values."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.excerpt import EXCERPT_CHARACTERS, excerpt


@pytest.mark.parametrize(
    ("raw", "shape"),
    [
        ('{"model": "gpt-4o-mini!", "tokens":123, "ok":true, "x":null}',
         '{"model":<string:12>,"tokens":<number:3>,"ok":<bool>,"x":<null>}'),
        ('{"ts":"one","team":tw o', '{"ts":<string:3>,"team":<text:2><text:1>'),
        ('{"ts":"never closed, "b": 1}', '{"ts":<string:14><text:1><string:4>'),
        (
            '{"alice@example.com": 1, "usage":{"4915112345678":[1,2]}, "Alice_Liddell": 2, "sk-abcdef": 3}',
            '{<key:17>:<number:1>,"usage":{<key:13>:[<number:1>,<number:1>]},<key:13>:<number:1>,<key:9>:<number:1>}',
        ),
        ("plain words", "<text:11>"),
        ("", "<text:0>"),
        (b"\xff\xfe{}", "<bytes:4>"),
        ('{"ts":"b":"c"}', '{"ts":<string:1>:<string:1>}'),
    ],
)  # fmt: skip
def test_shape(raw: str | bytes, shape: str) -> None:
    assert excerpt(raw) == shape


SECRET = "zqsecretqz"


@given(st.text(max_size=60), st.text(max_size=60), st.integers(0, 400))
def test_no_value_shows_even_when_the_line_is_cut_anywhere(before: str, after: str, cut: int) -> None:
    raw = json.dumps({"prompt": before + SECRET + after, "n": [SECRET, {"k": SECRET}]}, ensure_ascii=False)[:cut]
    shown = excerpt(raw)
    assert SECRET not in shown
    assert len(shown) <= EXCERPT_CHARACTERS


@given(st.one_of(st.text(), st.binary()))
def test_any_input_has_a_bounded_excerpt(raw: str | bytes) -> None:
    assert len(excerpt(raw)) <= EXCERPT_CHARACTERS


@pytest.mark.parametrize("raw", ["[" * 4_000_000, '{"a":"' + "\\" * 4_000_001, '{"' * 2_000_000, "{" + " " * 4_000_000])
def test_hostile_lines_take_linear_time(raw: str) -> None:
    started = time.process_time()
    assert len(excerpt(raw)) <= EXCERPT_CHARACTERS
    assert time.process_time() - started < 2
