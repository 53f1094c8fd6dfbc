"""Hostile lines: what each does to its own record, and that it does nothing to its neighbours.

All lines of `LINES` lie in one file: whatever one of them does, the others must come out as they would alone.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from formats import landed_rows, quarantined_rows, staged
from hypothesis import given
from hypothesis import strategies as st

from resources.excerpt import EXCERPT_CHARACTERS
from resources.mending import mended
from resources.sources import Source
from resources.splitter import MAX_LINE_BYTES
from resources.staged_file import StagedFile

TS = "2026-10-31T10:00:00Z"
GATEWAY = Source("gateway", "canonical", keep_attributes=("channel",))
CANARY = "canary7391"
DEEP = 2000


def line(**values: Any) -> bytes:
    return json.dumps({"ts": TS, **values}).encode()


def raw(body: str | bytes) -> bytes:
    """An object with a time and what is given, byte for byte."""
    return b'{"ts":"' + TS.encode() + b'",' + (body.encode() if isinstance(body, str) else body) + b"}"


def at(time: Any) -> bytes:
    return json.dumps({"ts": time}).encode()


def utc(text: str) -> dict[str, Any]:
    return {"ts": datetime.fromisoformat(text).replace(tzinfo=UTC)}


Outcome = dict[str, Any] | tuple[str, str | None]
LINES: dict[str, tuple[bytes, Outcome]] = {
    # bytes and characters
    "a byte-order mark in the middle, where two files were put together": (b"\xef\xbb\xbf" + line(team="a"), {"team": "a"}),
    "a carriage return before the newline": (line(team="a") + b"\r", {"team": "a"}),
    "a NUL byte": (raw(b'"team":"a\0b"'), ("nul_byte", None)),
    "an escaped NUL in a fact": (raw(r'"team":"a\u0000b"'), ("nul_byte", None)),
    "an escaped NUL in a name that becomes a pseudonym": (raw(r'"user_id":"a\u0000b"'), ("nul_byte", None)),
    "an escaped NUL in a key that nobody reads": (raw(r'"te\u0000am":"a"'), {"team": None}),
    "backslash, u, four noughts as plain text": (raw(r'"team":"a\\u0000b"'), {"team": "a\\u0000b"}),
    "half of a surrogate pair, escaped": (raw(r'"team":"cut off \ud83d"'), {"team": "cut off �"}),
    "halves in the wrong order": (raw(r'"team":"\ude00\ud83d"'), {"team": "��"}),
    "a whole surrogate pair": (raw(r'"team":"\ud83d\ude00"'), {"team": "😀"}),
    "a half after an escaped backslash": (raw(r'"team":"\\\ud83d"'), {"team": "\\�"}),
    "what only looks like a half": (raw(r'"team":"\\ud83d","feature":"\udc00"'), {"team": "\\ud83d", "feature": "�"}),
    "half of a surrogate pair in bytes": (raw(b'"team":"\xed\xa0\xbd"'), ("not_utf8", None)),
    "Latin-1": (raw(b'"team":"caf\xe9"'), ("not_utf8", None)),
    "separators that end no line": (line(team="a\u2028b\u0085c"), {"team": "a\u2028b\u0085c"}),
    "an order to the terminal": (line(team="\x1b]0;x\x07\x1b[31mred"), {"team": "\x1b]0;x\x07\x1b[31mred"}),
    "a formula": (line(team="=cmd|' /C calc'!A0"), {"team": "=cmd|' /C calc'!A0"}),
    "SQL": (line(team="'; drop table logs.landed; --"), {"team": "'; drop table logs.landed; --"}),
    # JSON
    "NaN where a number belongs": (raw('"latency_ms":NaN'), ("bad_type", "latency_ms")),
    "Infinity where a number belongs": (raw('"latency_ms":-Infinity'), ("bad_type", "latency_ms")),
    "NaN where nobody looks": (raw('"own":NaN'), {"team": None}),
    "a key twice": (raw('"team":"first","team":"second"'), {"team": "first"}),
    "a time twice": (b'{"ts":"2026-10-30T00:00:00Z","ts":"nonsense"}', utc("2026-10-30T00:00:00")),
    "a comma too many": (raw('"team":"a",'), {"team": "a"}),
    "a comment": (raw('"team":"a"/* b */'), ("not_json", None)),
    "quotes of Python": (b"{'ts': '" + TS.encode() + b"'}", ("not_json", None)),
    "two objects": (line() + line(), ("not_json", None)),
    "deep where nobody looks": (raw('"own":' + "[" * DEEP + "]" * DEEP), {"team": None}),
    "deep objects where nobody looks": (raw('"own":' + '{"a":' * DEEP + "1" + "}" * DEEP), {"team": None}),
    "deep in a fact": (raw('"team":' + "[" * DEEP + "]" * DEEP), ("bad_type", "team")),
    "deep in an attribute": (raw('"attributes":{"own":' + "[" * DEEP + "]" * DEEP + "}"), {"attributes": None}),
    "deep and not closed": (b'{"a":' * DEEP, ("not_json", None)),
    "a million deep": (raw('"own":' + "[" * 10**6 + "]" * 10**6), {"team": None}),
    "a hundred thousand keys": (line(**{f"k{n}": n for n in range(100_000)}), {"team": None}),
    # times
    "the second": (at(1793440800), utc("2026-10-31T10:00:00")),
    "the millisecond": (at(1793440800123), utc("2026-10-31T10:00:00.123")),
    "the microsecond": (at(1793440800123456), utc("2026-10-31T10:00:00.123456")),
    "the nanosecond": (at("1793440800123456789"), utc("2026-10-31T10:00:00.123456")),
    "Kathmandu": (at("2026-10-31T02:00:00+05:45"), utc("2026-10-30T20:15:00")),
    "Baker Island": (at("2026-10-31T10:00:00-12:00"), utc("2026-10-31T22:00:00")),
    "Kiritimati": (at("2026-10-31T10:00:00+14:00"), utc("2026-10-30T20:00:00")),
    "a zone that there is not": (at("2026-10-31T10:00:00+99:00"), ("bad_type", "ts")),
    "no zone": (at("2026-10-31 10:00:00"), utc("2026-10-31T10:00:00")),
    "a leap second": (at("2026-10-30T23:59:60Z"), utc("2026-10-31T00:00:00")),
    "half a second into a leap second in Kathmandu": (at("2026-10-31T05:44:60.5+05:45"), utc("2026-10-31T00:00:00.5")),
    "a second 60 that is no leap second": (at("2026-10-31T10:10:60Z"), ("bad_type", "ts")),
    "the end of a day": (at("2026-10-30T24:00:00Z"), utc("2026-10-31T00:00:00")),
    "a clock an hour ahead": (at("2026-11-01T13:00:00Z"), utc("2026-11-01T13:00:00")),
    "a clock two days ahead": (at("2026-11-03T12:00:00Z"), ("impossible_time", "ts")),
    "1970": (at("1970-01-01T00:00:00Z"), ("impossible_time", "ts")),
    "2099": (at("2099-01-01T00:00:00Z"), ("impossible_time", "ts")),
    "the year 1": (at("0001-01-01T00:00:00Z"), ("impossible_time", "ts")),
    "a number too large for a time": (at("9999999999999999999"), ("bad_type", "ts")),
    "an American date": (at("10/31/2026 10:00 AM"), ("bad_type", "ts")),
    # numbers
    "fewer tokens than none": (line(output_tokens=-1), ("out_of_range", "output_tokens")),
    "more tokens than there are": (line(output_tokens=10**12), ("out_of_range", "output_tokens")),
    "more tokens than a number holds": (line(output_tokens=10**40), ("bad_type", "output_tokens")),
    "a hundred thousand digits": (raw('"output_tokens":' + "9" * 100_000), ("bad_type", "output_tokens")),
    "a cost of 1e308": (line(reported_cost_usd=1e308), ("bad_type", "reported_cost_usd")),
    "a cost one digit too long": (line(reported_cost_usd="1" + "0" * 26), ("bad_type", "reported_cost_usd")),
    "the largest cost": (line(reported_cost_usd="9" * 26), {"reported_cost_usd": Decimal("9" * 26)}),
    "a cost of many decimals": (raw('"reported_cost_usd":0.12' + "0" * 9999), {"reported_cost_usd": Decimal("0.12")}),
    "a number beyond a double": (raw('"latency_ms":1e400'), ("bad_type", "latency_ms")),
    "the largest double": (line(latency_ms=1e308), {"latency_ms": 1e308}),
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> StagedFile:
    content = b"".join(text + b"\n" for text, _ in LINES.values())
    return staged(tmp_path_factory.mktemp("hostile"), GATEWAY, content)


@pytest.mark.parametrize("name", LINES)
def test_a_hostile_line_does_to_its_record_what_is_documented_and_nothing_to_its_neighbours(
    stage: StagedFile, name: str
) -> None:
    expected = LINES[name][1]
    number = list(LINES).index(name) + 1
    refused = {row["line_number"]: row for row in quarantined_rows(stage)}
    if isinstance(expected, tuple):
        assert (refused[number]["reason"], refused[number]["column_name"]) == expected
        assert len(refused[number]["excerpt"]) <= EXCERPT_CHARACTERS
        return
    assert number not in refused
    no_records = sum(other < number and row["record_number"] is None for other, row in refused.items())
    (row,) = [row for row in landed_rows(stage) if row["record_number"] == number - no_records]
    assert {column: row[column] for column in expected} == expected


def test_every_hostile_line_is_accounted_for(stage: StagedFile) -> None:
    landing = sum(isinstance(outcome, dict) for _, outcome in LINES.values())
    assert stage.records_landed == landing
    assert stage.records_quarantined + stage.lines_refused == len(LINES) - landing


@given(st.text(alphabet='\\ud8cEef0129"{}:,😀\ufeff', max_size=60))
def test_what_is_mended_was_broken_and_is_mended_once(text: str) -> None:
    better = mended(text)
    if better is not None:
        assert mended(better) is None
    whole = json.dumps({"a": text}, ensure_ascii=True)
    assert mended(whole) is None, "text that Python wrote whole is left alone"


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (f'{{"ts": "{TS}"}}\n'.encode("utf-16"), "nul_byte"),
        (f'{{"ts": "{TS}", "team": "{CANARY}"}}\r{{"ts": "{TS}"}}\r'.encode(), "not_json"),
    ],
)
def test_a_file_in_another_encoding_is_refused_line_by_line_without_its_values(
    tmp_path: Path, encoded: bytes, reason: str
) -> None:
    bad = quarantined_rows(staged(tmp_path, GATEWAY, encoded))
    assert bad[0]["reason"] == reason
    assert CANARY not in str(bad)


def test_a_record_with_ten_thousand_retrievals_lands_whole(tmp_path: Path) -> None:
    """And with a long prompt beside them, of which no retrieval takes a copy."""
    retrievals = [{"document_id": f"d{n}"} for n in range(10_000)]
    content = line(
        request_id="r", prompt_text="word " * 20_000, retrievals=retrievals, feedback=[{"feedback_kind": "rating"}]
    )
    rows = landed_rows(staged(tmp_path, GATEWAY, content))
    assert [r["document_id"] for r in rows[1:-1]] == [r["document_id"] for r in retrievals]
    assert {r["request_id"] for r in rows} == {"r"}
    assert (rows[-1]["record_kind"], rows[-2]["document_rank"]) == ("feedback", 10_000)


def test_ten_thousand_spans_in_one_line_land_whole(tmp_path: Path) -> None:
    spans = [
        {
            "traceId": f"{n:032x}", "spanId": f"{n:016x}", "name": "chat m", "startTimeUnixNano": "1793440800000000000",
            "endTimeUnixNano": "1793440801000000000",
            "attributes": [
                {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
                {"key": "gen_ai.request.model", "value": {"stringValue": "m"}},
            ],
        }
        for n in range(1, 10_001)
    ]  # fmt: skip
    document = {"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": spans}]}]}
    stage = staged(tmp_path, Source("otel", "otlp"), json.dumps(document).encode())
    assert (stage.records_landed, stage.records_quarantined) == (10_000, 0)


def test_a_line_of_a_hundred_megabytes_is_refused_by_its_size_and_never_held(tmp_path: Path) -> None:
    content = line(team="a") + b"\n" + b'{"ts":"' + b"9" * (100 << 20) + b'"}\n' + line(team="b") + b"\n"
    stage = staged(tmp_path, GATEWAY, content)
    assert [r["team"] for r in landed_rows(stage)] == ["a", "b"]
    (bad,) = quarantined_rows(stage)
    assert (bad["line_number"], bad["reason"]) == (2, "line_too_long")
    assert bad["excerpt"] == f"<bytes:{(100 << 20) + 9}>"
    assert len(content) > 6 * MAX_LINE_BYTES


@pytest.mark.parametrize(("content", "blank"), [(b"", 0), (b"\n" * 100_000, 100_000), (b"\r\n \t\n", 2)])
def test_a_file_of_nothing_is_read_and_lands_nothing(tmp_path: Path, content: bytes, blank: int) -> None:
    stage = staged(tmp_path, GATEWAY, content)
    assert (stage.is_refused, stage.lines_blank, stage.records, stage.lines_refused) == (False, blank, 0, 0)
