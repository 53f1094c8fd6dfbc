"""Staging: every line is accounted for, every value is typed or named, and no text gets out."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import stat
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources import json_splitter, staging
from resources.byte_source import digest_file
from resources.capture import CapturePolicy
from resources.contracts import contracts
from resources.keyring import Keyring
from resources.record_typing import TypingFailed
from resources.sources import Format, Source
from resources.staged_file import ACCOUNTING_FILE, StagedFile, StageIncomplete, rows_of
from resources.staging import FileStillWritten, StagingRules, stage_file
from resources.table_store import arrow_schema

ARRIVED = datetime(2026, 11, 1, 12, tzinfo=UTC)
TS = "2026-10-31T10:00:00Z"
CANONICAL = Source("gateway", "canonical", keep_attributes=("app_version", "channel"))
AZURE = Source("azure_llm_2023", "azure_llm_2023", defaults={"provider": "azure", "tenant": "azure-trace"})
AZURE_TRACE = (
    Path(__file__).resolve().parents[3] / "shared" / "data" / "azure_llm_2023" / "data" / "AzureLLMInferenceTrace_conv.csv"
)

Stage = Callable[..., StagedFile]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    rules = StagingRules(date(2023, 1, 1), Keyring.open(tmp_path / "keys"), CapturePolicy(), None)

    def run(content: bytes | str, name: str = "x.jsonl", source: Source = CANONICAL, **options: Any) -> StagedFile:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return stage_file(path, f"{source.name}/{name}", source, ARRIVED, rules, tmp_path / "s", **options)

    return run


def landed(staged: StagedFile) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = rows_of(staged.landed_path).sort_by("record_number").to_pylist()
    return rows


def quarantined(staged: StagedFile) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = rows_of(staged.quarantine_path).sort_by("line_number").to_pylist()
    return rows


def record(**values: Any) -> str:
    return json.dumps({"ts": TS, **values}) + "\n"


def test_columns_stand_in_contract_order_with_the_day_first(stage: Stage) -> None:
    staged = stage(record(latency_ms=1.5) + "nonsense\n")
    for path, name in ((staged.landed_path, "logs.landed"), (staged.quarantine_path, "logs.quarantine")):
        assert rows_of(path).schema == arrow_schema(contracts()[name])
    assert staged.landed_by_day == {"2026-10-31": 1}
    assert landed(staged)[0]["day"] == date(2026, 10, 31)
    assert quarantined(staged)[0]["day"] == date(2026, 11, 1)


@pytest.mark.parametrize(
    ("values", "reason", "column"),
    [
        ({"ts": None}, "missing_value", "ts"),
        ({"ts": ""}, "missing_value", "ts"),
        ({"ts": "12"}, "bad_type", "ts"),
        ({"ts": "infinity"}, "bad_type", "ts"),
        ({"ts": "2026-10-31"}, "bad_type", "ts"),
        ({"ts": "2026-02-30T00:00:00Z"}, "bad_type", "ts"),
        ({"ts": "2022-12-31T23:59:59Z"}, "impossible_time", "ts"),
        ({"ts": "2026-11-02T12:00:01Z"}, "impossible_time", "ts"),
        ({"output_tokens": 1.7}, "bad_type", "output_tokens"),
        ({"output_tokens": "1e5"}, "bad_type", "output_tokens"),
        ({"output_tokens": "0x1F"}, "bad_type", "output_tokens"),
        ({"output_tokens": "1_000"}, "bad_type", "output_tokens"),
        ({"output_tokens": -1}, "out_of_range", "output_tokens"),
        ({"output_tokens": 10**11}, "out_of_range", "output_tokens"),
        ({"http_status": 2**31}, "bad_type", "http_status"),
        ({"http_status": 99}, "out_of_range", "http_status"),
        ({"latency_ms": "inf"}, "bad_type", "latency_ms"),
        ({"latency_ms": float("nan")}, "bad_type", "latency_ms"),
        ({"is_batch": "yes"}, "bad_type", "is_batch"),
        ({"is_batch": 2}, "bad_type", "is_batch"),
        ({"reported_cost_usd": "a lot"}, "bad_type", "reported_cost_usd"),
        ({"endpoint_trust": "Public"}, "not_allowed", "endpoint_trust"),
        ({"record_kind": "opinion"}, "not_allowed", "record_kind"),
        ({"record_kind": "feedback"}, "missing_value", "feedback_kind"),
        ({"record_kind": "retrieval"}, "missing_value", "document_id"),
        ({"record_kind": "tool_call"}, "missing_value", "tool_name"),
        ({"request_model": "m" * 257}, "too_long", "request_model"),
        ({"user_id": "u" * 257}, "too_long", "user_id"),
        ({"request_model": {"name": "m"}}, "bad_type", "request_model"),
        ({"user_id": ["a"]}, "bad_type", "user_id"),
        ({"attributes": "channel"}, "bad_type", "attributes"),
        ({"attributes": {"channel": "x" * 5000}}, "too_long", "attributes"),
        ({"request_model": "a\0b"}, "nul_byte", None),
    ],
)
def test_a_bad_value_is_named_with_its_column(stage: Stage, values: dict[str, Any], reason: str, column: str | None) -> None:
    staged = stage(record() + record(**values) + record())
    assert [r["record_number"] for r in landed(staged)] == [1, 3]
    (bad,) = quarantined(staged)
    assert (bad["record_number"], bad["line_number"], bad["reason"], bad["column_name"]) == (2, 2, reason, column)
    assert bad["expected"]


@pytest.mark.parametrize(
    ("values", "stored"),
    [
        ({"ts": "2026-10-31 10:00:00.1234567"}, {"ts": datetime(2026, 10, 31, 10, 0, 0, 123456, UTC)}),
        ({"ts": "2026-10-31T23:30:00-0130"}, {"ts": datetime(2026, 11, 1, 1, tzinfo=UTC), "day": date(2026, 11, 1)}),
        ({"output_tokens": "12.0", "reasoning_tokens": 12.0}, {"output_tokens": 12, "reasoning_tokens": 12}),
        ({"output_tokens": 2**53 + 1, "ts": TS, "maximum": 1}, None),
        ({"is_batch": 1, "is_billed": "FALSE"}, {"is_batch": True, "is_billed": False}),
        ({"team": "", "output_tokens": ""}, {"team": None, "output_tokens": None}),
        ({"request_model": 4}, {"request_model": "4"}),
        ({"feature": "[beta] search"}, {"feature": "[beta] search"}),
        ({"request_model": "ü" * 256}, {"request_model": "ü" * 256}),
        ({"latency_ms": 1e3, "unknown_key": "x"}, {"latency_ms": 1000.0}),
        (
            {"attributes": {"secret": "x", "channel": "web", "app_version": 3}},
            {"attributes": '{"app_version":3,"channel":"web"}'},
        ),
        ({"attributes": {"secret": "x", "channel": None}}, {"attributes": None}),
    ],
)
def test_what_is_accepted_and_as_what(stage: Stage, values: dict[str, Any], stored: dict[str, Any] | None) -> None:
    rows = landed(stage(record(**values)))
    if stored is None:
        assert rows == []  # beyond the contract's maximum, and not rounded into it
    else:
        assert {name: rows[0][name] for name in stored} == stored


def test_lines_that_are_no_record_take_no_record_number(stage: Stage) -> None:
    staged = stage(record() + "[1]\n" + '{"ts":\n' + '"text"\n' + "null\n" + record())
    assert [(r["line_number"], r["reason"], r["record_number"]) for r in quarantined(staged)] == [
        (2, "not_an_object", None), (3, "not_json", None), (4, "not_an_object", None), (5, "not_an_object", None),
    ]  # fmt: skip
    assert [r["record_number"] for r in landed(staged)] == [1, 2]
    assert (staged.lines_read, staged.lines_refused, staged.records) == (2, 4, 2)


def test_defaults_speak_only_where_the_record_is_silent(stage: Stage) -> None:
    source = Source("gateway", "canonical", defaults={"provider": "azure", "is_batch": "true"})
    rows = landed(stage(record(provider="openai", is_batch=False) + record(provider=""), source=source))
    assert [(r["provider"], r["is_batch"], r["record_kind"]) for r in rows] == [
        ("openai", False, "request"), ("azure", True, "request"),
    ]  # fmt: skip


def test_a_made_up_request_id_is_that_of_file_and_record(stage: Stage) -> None:
    staged = stage(record(request_id="r1") + record())
    made_up = hashlib.sha256(f"{staged.file_id}:2".encode()).hexdigest()[:32]
    assert [r["request_id"] for r in landed(staged)] == ["r1", made_up]


def test_ids_and_texts_leave_as_tokens_and_nothing_else(stage: Stage, tmp_path: Path) -> None:
    secret = "Zq-Secret-Qz"
    staged = stage(
        record(
            user_id=secret,
            conversation_id=secret,
            api_key_id=secret,
            tenant=secret,
            prompt_text=f" {secret}\n\tis\n\n  Here ",
        )
        + record(user_id=secret, prompt_text=f"{secret} IS   here", system_text=[{"a": secret}], output_tokens="x")
        + record(prompt_text=f"{secret} is here", system_text=" \n ")
        + f'{{"prompt_text": "{secret}", \n'
    )
    keyring = Keyring.open(tmp_path / "keys", staged.key_id)
    first, third = landed(staged)
    for kind in ("user", "conversation", "api_key", "tenant"):
        assert first[f"{kind}_token"] == keyring.token(kind, secret)
    assert first["prompt_fingerprint"] == third["prompt_fingerprint"] == keyring.token("text", f"{secret.lower()} is here")
    assert third["system_fingerprint"] is None
    assert staged.records_quarantined == staged.lines_refused == 1
    for path in (tmp_path / "s").iterdir():
        assert secret.encode() not in path.read_bytes()
    for row in landed(staged) + quarantined(staged):
        assert secret.lower() not in str(row).lower()


def test_a_format_may_ignore_records_with_a_reason(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    sql = "select record_number, raw ->> 'ts' as ts, raw ->> 'skip' as ignored_reason from records"
    monkeypatch.setattr(staging, "formats", lambda: {"canonical": Format("canonical", sql)})
    staged = stage(record() + record(skip="not_a_request", ts="bad") + record(skip="canary@example.com"))
    assert (staged.records_landed, staged.records_ignored) == (1, 2)
    assert staged.ignored_by_reason == {"not_a_request": 1, "reason_is_not_a_word": 1}, "a reason is a word, not a value"


def test_a_format_that_yields_an_unknown_column_is_told(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Format("canonical", "select record_number, raw as colour from records")
    monkeypatch.setattr(staging, "formats", lambda: {"canonical": wrong})
    with pytest.raises(ValueError, match="yields colour; allowed"):
        stage(record())


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (b"{}\n", "x.txt", "unknown_extension"),
        (gzip.compress(b"{}\n" * 99, mtime=0)[:-9], "x.jsonl.gz", "unreadable_gzip"),
        (b"TIMESTAMP,GeneratedTokens\r\n", "x.csv", "missing_column: the header lacks ContextTokens"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole(stage: Stage, content: bytes, name: str, reason: str) -> None:
    staged = stage(content, name, AZURE)
    assert staged.reason is not None
    assert staged.reason.startswith(reason)
    assert landed(staged) == quarantined(staged) == []
    assert StagedFile.load(staged.folder) == staged


@pytest.mark.parametrize(("content", "name"), [(b"", "x.jsonl"), (b"", "x.csv"), (b"\n\n", "x.jsonl"), (b"", "x.jsonl.gz")])
def test_an_empty_file_lands_nothing_and_is_not_refused(stage: Stage, content: bytes, name: str) -> None:
    staged = stage(content, name)
    assert (staged.is_refused, staged.records, staged.lines_blank) == (False, 0, content.count(b"\n"))


def test_a_stage_is_reloaded_whole_or_not_at_all(stage: Stage) -> None:
    staged = stage(record() + "x\n", prefix_sizes=frozenset({4}))
    assert StagedFile.load(staged.folder) == staged
    assert stat.S_IMODE(staged.folder.stat().st_mode) == 0o700
    (staged.folder / ACCOUNTING_FILE).unlink()
    with pytest.raises(StageIncomplete, match="stage the file again"):
        StagedFile.load(staged.folder)


def test_staging_again_gives_the_same_rows(stage: Stage) -> None:
    content = "".join(record(output_tokens=n, user_id=f"u{n}") for n in range(100))
    assert landed(stage(content)) == landed(stage(content))


def test_a_file_that_grows_while_it_is_read_is_not_staged(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = staging._type_batch

    def grow(*args: Any) -> None:
        original(*args)
        with (tmp_path / "x.jsonl").open("a") as file:
            file.write(record())

    monkeypatch.setattr(staging, "_type_batch", grow)
    with pytest.raises(FileStillWritten, match="changed while it was read"):
        stage(record())
    with pytest.raises(StageIncomplete):
        StagedFile.load(tmp_path / "s")


def test_other_bytes_of_the_same_size_and_time_are_noticed(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = digest_file

    def swap(path: Path, *args: Any) -> Any:
        digest, times = original(path, *args), path.stat()
        path.write_bytes(path.read_bytes().replace(b"aa", b"bb"))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        return digest

    monkeypatch.setattr(staging, "digest_file", swap)
    with pytest.raises(FileStillWritten):
        stage(record(team="aa"))


def test_csv_records_are_typed_like_any_other(stage: Stage) -> None:
    staged = stage(f'ts,team,output_tokens\r\n{TS},"a\r\nb",\r\n{TS},x\r\n\r\n{TS},,7', "x.csv")
    assert [(r["record_number"], r["team"], r["output_tokens"]) for r in landed(staged)] == [
        (1, "a\r\nb", None),
        (3, None, 7),
    ]
    assert [(r["record_number"], r["line_number"], r["reason"]) for r in quarantined(staged)] == [
        (2, 4, "wrong_field_count")
    ]
    assert (staged.lines, staged.lines_header, staged.lines_read, staged.lines_blank) == (6, 1, 4, 1)


def test_a_request_brings_the_records_that_belong_to_it(stage: Stage) -> None:
    staged = stage(
        record(
            request_id="a", tenant="t", user_id="u",
            retrievals=[{"document_id": "d1", "retrieval_score": 0.9}, {"document_id": "d2", "document_rank": 7}],
            tool_calls=[{"tool_name": "refund", "arguments_text": "{}", "tool_decision": "denied"}],
            feedback=[{"feedback_kind": "rating", "feedback_value": -1, "ts": "2026-10-31T11:00:00Z"}],
        )
        + record(request_id="b")
    )  # fmt: skip
    rows = landed(staged)
    assert [(r["record_number"], r["record_kind"], r["request_id"]) for r in rows] == [
        (1, "request", "a"), (2, "retrieval", "a"), (3, "retrieval", "a"), (4, "tool_call", "a"), (5, "feedback", "a"),
        (6, "request", "b"),
    ]  # fmt: skip
    assert [(r["document_id"], r["document_rank"]) for r in rows[1:3]] == [("d1", 1), ("d2", 7)]
    assert len({r["user_token"] for r in rows[:5]}) == len({r["tenant_token"] for r in rows[:5]}) == 1
    assert rows[3]["arguments_fingerprint"] is not None
    assert rows[4]["ts"].hour == 11
    assert (staged.lines_read, staged.records, staged.records_landed) == (2, 6, 6)


def test_records_of_a_request_without_an_id_find_it(stage: Stage) -> None:
    rows = landed(stage(record() + record(retrievals=[{"document_id": "d"}])))
    assert rows[2]["record_kind"] == "retrieval"
    assert rows[2]["request_id"] == rows[1]["request_id"] != rows[0]["request_id"]


@pytest.mark.parametrize("listed", [3, "d1", {"document_id": "d1"}, [3], [["d1"]]])
def test_what_should_be_a_list_of_records_and_is_not_is_quarantined_beside_its_request(stage: Stage, listed: Any) -> None:
    staged = stage(record(retrievals=listed))
    assert (staged.records_landed, staged.records_quarantined) == (1, 1)
    (bad,) = quarantined(staged)
    assert (bad["reason"], bad["expected"]) == ("not_this_format", "retrievals: a list of objects")


@pytest.mark.parametrize(
    ("ts", "microsecond"),
    [
        (1_761_904_800, 0), (1_761_904_800.25, 250_000), ("1761904800.123456789", 123_456), (1_761_904_800_123, 123_000),
        (1_761_904_800_123_456, 123_456), (1_761_904_800_123_456_789, 123_456),
    ],
)  # fmt: skip
def test_a_time_since_1970_is_read_by_its_digits(stage: Stage, ts: Any, microsecond: int) -> None:
    assert landed(stage(record(ts=ts)))[0]["ts"] == datetime(2025, 10, 31, 10, 0, 0, microsecond, UTC)


STOPS_AT_WORDS = "select record_number, raw ->> 'ts' as ts, cast((raw ->> 'n')::int as varchar) as team from records"


def formatted(monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    monkeypatch.setattr(staging, "formats", lambda: {"canonical": Format("canonical", sql)})


def test_a_document_of_which_the_format_makes_nothing_is_quarantined(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    formatted(monkeypatch, "select record_number, raw ->> 'ts' as ts from records where raw ->> 'team' is null")
    staged = stage(record() + record(team="x") + record())
    assert [r["record_number"] for r in landed(staged)] == [1, 3]
    assert [(r["record_number"], r["line_number"], r["reason"]) for r in quarantined(staged)] == [(2, 2, "no_record")]


def test_two_rows_of_a_document_without_parts_are_the_formats_fault(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    formatted(monkeypatch, "select record_number, raw ->> 'ts' as ts from records, range(2)")
    with pytest.raises(TypingFailed, match="have the same `part`"):
        stage(record())


def test_one_record_that_stops_the_sql_stops_no_other(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    formatted(monkeypatch, STOPS_AT_WORDS)
    staged = stage(record(n=1) + record(n="canary") + record(n=3))
    assert [r["team"] for r in landed(staged)] == ["1", "3"]
    assert [(r["record_number"], r["line_number"], r["reason"]) for r in quarantined(staged)] == [(2, 2, "typing_failed")]


@pytest.mark.parametrize(("good", "bad"), [(0, 1), (0, 3), (5, 30)])
def test_sql_that_stops_too_often_is_the_formats_fault_and_quotes_no_record(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, good: int, bad: int
) -> None:
    formatted(monkeypatch, STOPS_AT_WORDS)
    with pytest.raises(TypingFailed, match="withheld") as raised:
        stage(record(n=1) * good + record(n="canary") * bad)
    assert "canary" not in str(raised.value)


def test_documents_of_a_json_file_are_records_and_all_its_lines_are_read(stage: Stage) -> None:
    good, later = record(team="a").strip(), record(team="b").strip()
    content = f'[\n{good},\n1, {{"ts":\n}},\n\n{later}, {{"ts": "12"}}\n]\n'
    staged = stage(content, "x.json")
    assert [(r["record_number"], r["team"]) for r in landed(staged)] == [(1, "a"), (4, "b")]
    assert [(r["record_number"], r["line_number"], r["reason"], r["expected"]) for r in quarantined(staged)][:2] == [
        (2, 3, "not_an_object", "a JSON object"), (3, 3, "not_json", "JSON"),
    ]  # fmt: skip
    assert quarantined(staged)[2]["reason"] == "bad_type"
    assert (staged.lines, staged.lines_read, staged.lines_refused, staged.records) == (7, 7, 0, 5)


def test_a_json_file_that_breaks_off_is_refused_whole(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where records before the damage have been typed already."""
    monkeypatch.setattr(json_splitter, "BATCH_ROWS", 2)
    content = "[" + ",".join([record()] * 9) + ', {"ts":'
    staged = stage(content, "x.json")
    assert staged.reason is not None
    assert staged.reason.startswith("unreadable_json: the file ends within what starts on line 10; deliver")
    assert landed(staged) == quarantined(staged) == []
    assert (staged.records, staged.records_landed, staged.landed_by_day, staged.lines) == (0, 0, {}, 10)
    assert StagedFile.load(staged.folder) == staged


def test_a_parquet_file_lands_like_any_other(stage: Stage) -> None:
    table = pa.table(
        {
            "ts": pa.array([datetime(2026, 10, 31, 10, tzinfo=UTC)] * 3, pa.timestamp("us", "UTC")),
            "output_tokens": pa.array([1, None, -1]),
            "latency_ms": [1.5, float("nan"), 2.5],
            "reported_cost_usd": pa.array([Decimal("0.1"), None, None], pa.decimal128(38, 12)),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    staged = stage(sink.getvalue(), "x.parquet")
    assert staged.file_id == hashlib.sha256(sink.getvalue()).hexdigest()
    assert [(r["ts"], r["output_tokens"], r["latency_ms"], r["reported_cost_usd"]) for r in landed(staged)] == [
        (datetime(2026, 10, 31, 10, tzinfo=UTC), 1, 1.5, Decimal("0.100000000000")),
        (datetime(2026, 10, 31, 10, tzinfo=UTC), None, None, None),
    ]
    assert [(r["line_number"], r["reason"], r["column_name"]) for r in quarantined(staged)] == [
        (3, "out_of_range", "output_tokens")
    ]
    assert (staged.lines, staged.lines_read, staged.records) == (3, 3, 3)


GOOD = st.builds(lambda n: record(output_tokens=n).rstrip("\n").encode(), st.integers(0, 9))
BAD_VALUE = st.sampled_from([b'{"ts":"12"}', b"{}", b'{"ts":"2026-10-31T10:00:00Z","output_tokens":1.7}'])
BLANK = st.sampled_from([b"", b" ", b"\t"])
REFUSED = st.sampled_from([b"{", b"[1]", b"null", b"words", b'{"a":"\xff"}', b'{"a":"\0"}', b'{"a":1}{"b":2}'])
LINE = st.one_of(
    st.tuples(st.just("good"), GOOD), st.tuples(st.just("bad"), BAD_VALUE),
    st.tuples(st.just("blank"), BLANK), st.tuples(st.just("refused"), REFUSED),
)  # fmt: skip


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(LINE, st.sampled_from([b"\n", b"\r\n"])), max_size=25), st.booleans(), st.booleans())
def test_every_line_of_any_mix_is_accounted_for(
    stage: Stage, lines: list[tuple[tuple[str, bytes], bytes]], is_closed: bool, is_packed: bool
) -> None:
    content = b"".join(line + end for (_, line), end in lines)
    kinds = [kind for (kind, _), _ in lines]
    if not is_closed and lines and lines[-1][0][1]:
        content = content.rstrip(b"\r\n")
    staged = stage(gzip.compress(content) if is_packed else content, "x.jsonl.gz" if is_packed else "x.jsonl")
    assert staged.lines == len(kinds)
    assert staged.lines_blank == kinds.count("blank")
    assert staged.lines_refused == kinds.count("refused")
    assert staged.records_quarantined == kinds.count("bad")
    assert staged.records_landed == kinds.count("good")
    assert [r["record_number"] for r in landed(staged)] == [
        number for number, kind in enumerate((k for k in kinds if k in ("good", "bad")), 1) if kind == "good"
    ]
    assert len(quarantined(staged)) == kinds.count("refused") + kinds.count("bad")


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200).map(lambda b: b"ts,team\n" + b.replace(b"\x01", b'"').replace(b"\x02", b"\n")))
def test_any_csv_bytes_keep_the_accounting(stage: Stage, content: bytes) -> None:
    staged = stage(content, "x.csv")  # the laws are asserted before the stage is returned
    assert staged.lines == content.count(b"\n") + (not content.endswith(b"\n"))


def test_the_azure_trace_lands_every_line(tmp_path: Path) -> None:
    if not AZURE_TRACE.exists():
        pytest.skip("the Azure LLM inference trace is not there; see warehouse/seeds/sources.yml for where it comes from")
    rules = StagingRules(date(2023, 1, 1), Keyring.open(tmp_path / "keys"), CapturePolicy(), None)
    staged = stage_file(AZURE_TRACE, "azure/conv.csv", AZURE, ARRIVED, rules, tmp_path / "s")
    assert (staged.lines, staged.lines_header, staged.lines_read) == (19_367, 1, 19_366)
    assert (staged.records, staged.records_landed, staged.landed_by_day) == (19_366, 19_366, {"2023-11-16": 19_366})
    first = landed(staged)[0]
    assert (first["ts"], first["uncached_input_tokens"], first["output_tokens"]) == (
        datetime(2023, 11, 16, 18, 15, 46, 680590, UTC), 374, 44,
    )  # fmt: skip
    assert first["provider"] == "azure"
    assert first["user_token"] is None
