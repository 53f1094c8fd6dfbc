"""Capture: which words reach logs.texts, with which probability, and that no other word does."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from resources.capture import CaptureError, CapturePolicy, load, parse
from resources.keyring import Keyring
from resources.redaction import Redactor
from resources.sources import Source
from resources.staged_file import rows_of
from resources.staging import StagingRules, stage_file
from resources.warehouse import connect

ARRIVED = datetime(2026, 11, 1, 12, tzinfo=UTC)
TS = "2026-10-31T10:00:00Z"


def texts(root: Path, records: list[dict[str, Any]], capture: Any, redact: bool = False) -> list[dict[str, Any]]:
    """The rows for logs.texts of a file of records, under a capture.yml with these rules."""
    policy = capture if isinstance(capture, CapturePolicy) else parse({"capture": capture})
    path = root / "x.jsonl"
    path.write_text("".join(json.dumps({"ts": TS, **record}) + "\n" for record in records))
    redactor = Redactor(connect(threads=1)) if redact else None
    rules = StagingRules(date(2023, 1, 1), Keyring.open(root / "keys"), policy, redactor)
    stage = stage_file(path, "gateway/x.jsonl", Source("gateway", "canonical"), ARRIVED, rules, root / "s")
    table = rows_of(stage.texts_path).sort_by([("record_number", "ascending"), ("part", "ascending")])
    rows: list[dict[str, Any]] = table.to_pylist()
    assert stage.texts == len(rows)
    return rows


def said(rows: list[dict[str, Any]]) -> list[tuple[int, str, str]]:
    return [(row["record_number"], row["part"], row["text"]) for row in rows]


def test_without_a_rule_no_word_is_kept(tmp_path: Path) -> None:
    assert texts(tmp_path, [{"prompt_text": "canary", "output_text": "canary"}], []) == []
    assert b"canary" not in b"".join(f.read_bytes() for f in (tmp_path / "s").iterdir())


def test_all_words_of_a_request_and_of_what_belongs_to_it_are_kept_by_part(tmp_path: Path) -> None:
    record = {
        "request_id": "a", "system_text": "be kind", "history_text": "earlier", "prompt_text": "Where is it?",
        "output_text": "There.", "retrievals": [{"document_id": "d", "document_text": "It is there."}],
        "tool_calls": [{"tool_name": "find", "arguments_text": '{"what": "it"}', "result_text": "there"}],
        "feedback": [{"feedback_kind": "correction", "comment_text": "no", "correction_text": "Here."}],
    }  # fmt: skip
    rows = texts(tmp_path, [record], [{"mode": "full"}])
    assert said(rows) == [
        (1, "history", "earlier"), (1, "output", "There."), (1, "prompt", "Where is it?"), (1, "system", "be kind"),
        (2, "document", "It is there."), (3, "arguments", '{"what": "it"}'), (3, "result", "there"),
        (4, "comment", "no"), (4, "correction", "Here."),
    ]  # fmt: skip
    assert {row["request_id"] for row in rows} == {"a"}
    assert {row["inclusion_probability"] for row in rows} == {1.0}


def test_a_sample_keeps_its_share_and_says_so_and_keeps_the_same_requests_again(tmp_path: Path) -> None:
    records = [{"request_id": f"r{n}", "prompt_text": "p", "retrievals": [{"document_id": "d", "document_text": "t"}]}
               for n in range(4000)]  # fmt: skip
    rows = texts(tmp_path, records, [{"mode": "sampled", "share": 0.1}])
    kept = {row["request_id"] for row in rows if row["part"] == "prompt"}
    assert 0.08 < len(kept) / 4000 < 0.12
    assert {row["request_id"] for row in rows if row["part"] == "document"} == kept
    assert {row["inclusion_probability"] for row in rows} == {0.1}
    again = texts(tmp_path, records[::-1], [{"mode": "sampled", "share": 0.3}])
    assert kept < {row["request_id"] for row in again}, "a larger sample holds the smaller one"


def test_errors_are_kept_in_full_beside_a_sample(tmp_path: Path) -> None:
    records: list[dict[str, Any]] = [{"request_id": f"r{n}", "prompt_text": "p"} for n in range(50)]
    records += [{"request_id": "e1", "prompt_text": "p", "error_class": "provider"},
                {"request_id": "e2", "prompt_text": "p", "http_status": 500},
                {"request_id": "e3", "prompt_text": "p", "safety_output_verdict": "block"}]  # fmt: skip
    rows = texts(tmp_path, records, [{"mode": "off", "full_for": ["errors"]}])
    assert [(row["request_id"], row["inclusion_probability"]) for row in rows] == [("e1", 1), ("e2", 1), ("e3", 1)]


def test_the_first_rule_that_fits_decides_by_tenant_and_feature(tmp_path: Path) -> None:
    rules = [
        {"tenant": "acme", "feature": ["chat"], "mode": "off"},
        {"tenant": ["acme", "globex"], "mode": "full"},
        {"source": "elsewhere", "mode": "full"},
    ]
    records = [{"tenant": t, "feature": f, "prompt_text": f"{t} {f}"}
               for t in ("acme", "globex", None) for f in ("chat", "search", None)]  # fmt: skip
    assert {text for _, _, text in said(texts(tmp_path, records, rules))} == {
        "acme search", "acme None", "globex chat", "globex search", "globex None",
    }  # fmt: skip


def test_an_incident_keeps_the_words_of_its_hours_and_tenant(tmp_path: Path) -> None:
    policy = parse({
        "capture": [{"mode": "off", "full_for": ["incidents"]}],
        "incidents": [{"from": "2026-10-31T10:00:00Z", "to": "2026-10-31T11:00:00Z", "tenant": "acme"}],
    })  # fmt: skip
    records = [{"tenant": t, "ts": f"2026-10-31T{hour}:00:00Z", "prompt_text": f"{t} {hour}"}
               for t in ("acme", "globex") for hour in ("09", "10", "11")]  # fmt: skip
    assert said(texts(tmp_path, records, policy)) == [(2, "prompt", "acme 10")]


def test_a_record_that_forbids_it_is_never_kept(tmp_path: Path) -> None:
    records = [{"prompt_text": "no", "may_store_text": False},
               {"prompt_text": "yes", "may_store_text": True, "may_train": False}]  # fmt: skip
    rows = texts(tmp_path, records, [{"mode": "full", "full_for": ["errors"]}])
    assert [(row["text"], row["may_train"], row["may_label"]) for row in rows] == [("yes", False, None)]


def test_a_quarantined_record_leaves_no_word(tmp_path: Path) -> None:
    assert texts(tmp_path, [{"prompt_text": "canary", "latency_ms": "soon"}], [{"mode": "full"}]) == []


def test_words_are_redacted_and_counted_before_they_are_staged(tmp_path: Path) -> None:
    records = [{"prompt_text": "mail canary.person@example.com today", "feature": "chat"},
               {"prompt_text": "nothing", "feature": "canary.person@example.com",
                "request_id": "canary.person@example.com", "team": "x"}]  # fmt: skip
    rows = texts(tmp_path, records, [{"mode": "full"}], redact=True)
    assert [(row["text"], row["redactions"]) for row in rows] == [
        ("mail <EMAIL_ADDRESS> today", '{"EMAIL_ADDRESS": 1}'), ("nothing", None),
    ]  # fmt: skip
    assert b"canary" not in b"".join(f.read_bytes() for f in (tmp_path / "s").iterdir())
    landed = rows_of(tmp_path / "s" / "landed.arrow").to_pylist()
    assert landed[1]["feature"] == "<EMAIL_ADDRESS>"
    _, _, digest = landed[1]["request_id"].partition(".")
    assert (landed[1]["user_token"], len(digest)) == (None, 32)
    assert rows[1]["request_id"] == landed[1]["request_id"], "a text finds its request by its pseudonym"


def test_the_shipped_seed_loads_and_a_missing_one_keeps_nothing(tmp_path: Path) -> None:
    assert load().redact
    assert load(tmp_path / "none.yml") == CapturePolicy()


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ([], "one mapping with the keys"),
        ({"captur": []}, "one mapping with the keys"),
        ({"redact": "yes"}, "redact is true or false"),
        ({"capture": {}}, None),
        ({"capture": {"mode": "full"}}, "capture is a list"),
        ({"capture": [{"tenant": "x"}]}, "needs `mode`: off, sampled or full"),
        ({"capture": [{"mode": "some"}]}, "needs `mode`"),
        ({"capture": [{"mode": "sampled"}]}, "needs `share`"),
        ({"capture": [{"mode": "sampled", "share": 2}]}, "at most 1"),
        ({"capture": [{"mode": "full", "share": 0.5}]}, "belongs to mode sampled"),
        ({"capture": [{"mode": "full", "user": "x"}]}, "unknown keys user"),
        ({"capture": [{"mode": "off", "full_for": ["error"]}]}, "full_for is a list of errors and incidents"),
        ({"incidents": [{"from": "2026-10-31T10:00:00Z"}]}, "a mapping with from, to"),
        ({"incidents": [{"from": "soon", "to": "later"}]}, "is a time such as"),
        ({"incidents": [{"from": "2026-10-31T10:00:00Z", "to": "2026-10-30T10:00:00Z"}]}, "ends before it begins"),
    ],
)
def test_a_seed_that_cannot_be_used_is_told_what_is_allowed(raw: Any, told: str | None) -> None:
    if told is None:
        parse(raw)
        return
    with pytest.raises(CaptureError) as raised:
        parse(raw)
    assert told in str(raised.value)


def test_a_bare_off_of_yaml_is_off() -> None:
    assert parse({"capture": [{"mode": False}]}).rules[0].mode == "off"
