"""Redaction: what is replaced, what is left, and that nothing else happens to a batch."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources import gate_sweep
from resources.contracts import REPO
from resources.redaction import Redactor
from resources.redaction_seed import CustomPattern, RedactionRules
from resources.warehouse import connect

KEY = "ghp_" + "a1B2c3D4e5" * 3 + "F6g7H8"
PEM = "-----BEGIN RSA " + "PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA7bq1\n" * 6 + "-----END RSA PRIVATE KEY-----"


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor(connect(threads=1), rules=RedactionRules())


def redacted(redactor: Redactor, text: str) -> str:
    found = redactor.redact(pa.table({"text": [text]}))["text"][0].as_py()
    assert isinstance(found, str)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Write to ana.lópez+x@münchen.example.de.", "Write to <EMAIL_ADDRESS>."),
        ("https://x.org/?u=ana%40example.org&v=1", "https://x.org/?u=<EMAIL_ADDRESS>&v=1"),
        ("ana (at) example (dot) org, or ana [at] example.org", "<EMAIL_ADDRESS>, or <EMAIL_ADDRESS>"),
        ("Card 4111 1111 1111 1111, 378282246310005.", "Card <CREDIT_CARD>, <CREDIT_CARD>."),
        ("4111 1111 1111 1111 12/27 123, order 77 4111-1111-1111-1111", "<CREDIT_CARD> 12/27 123, order 77 <CREDIT_CARD>"),
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "<CREDIT_CARD>"),
        ("pay to GB82 WEST 1234 5698 7654 32 by noon", "pay to <IBAN_CODE> by noon"),
        ("gb82west12345698765432", "<IBAN_CODE>"),
        ("from 203.0.113.9:8080 and 2001:db8:0:1::9", "from <IP_ADDRESS>:8080 and <IP_ADDRESS>"),
        ("aa:bb:cc:00:11:22", "<MAC_ADDRESS>"),
        ("SSN 536-90-4399, or social security number 536904399", "SSN <US_SSN>, or social security number <US_SSN>"),
        ("Ring tel:+44 20 7946 0958 or (415) 555-2671 x12", "Ring tel:<PHONE_NUMBER> or <PHONE_NUMBER>"),
        ("call me at 467 3395", "call me at <PHONE_NUMBER>"),
        ("to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "to <CRYPTO>"),
        ("NHS number 943 476 5919", "NHS number <UK_NHS>"),
        ("codice RSSMRA85T10A562S", "codice <IT_FISCAL_CODE>"),
        ("passport no. X1234567", "passport no. <PASSPORT>"),
        (f"the key is {KEY}, keep it", "the key is <SECRET>, keep it"),
        (f"a\n{PEM}\nb", "a\n<SECRET>\nb"),
        ("postgres://joe:h4x0r!pw@db/x", "postgres://<SECRET>@db/x"),
        ("/get?id=7&access_token=9f8a7b6c5d4e&x=1 https://a.b", "/get?id=7&access_token=<SECRET>&x=1 https://a.b"),
        ("密码 ana@example.org 🦊 é", "密码 <EMAIL_ADDRESS> 🦊 é"),
    ],
)
def test_what_identifies_a_person_is_replaced_by_the_name_of_its_kind(redactor: Redactor, text: str, expected: str) -> None:
    assert redacted(redactor, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "release 10.4.0.2, version 1.2.3.4, section 4.5.1.48",
        "127.0.0.1, 0.0.0.0, 255.255.255.0, ::1",
        "x[1::2], std::vector<int>::iterator, a::b",
        "pi is 3.14159265358979, 1,234,567,890 and 1 000 000 000",
        "between 1990-2000, on 2026-11-21 10:31:07, 21.11.2026, 1939-1945",
        "4111 1111 1111 1112 fails the check; 1234567890123456 has no issuer",
        "GB82 WEST 1234 5698 7654 33 fails it too",
        "A @ B, a@b, @decorator, foo@self.bar(), user@localhost",
        "req_8f14e45fceea167a5a36dedd4bea2543 550e8400-e29b-41d4-a716-446655440000",
        "round of 69-74-70-73, pages 1011 1019 of the year 1998 2003",
        'password = "your-password"; api_key = os.environ["OPENAI_API_KEY"]; token: <token>',
        "postgres://user:password@localhost/db",
        "AKIA" + "IOSFODNN7EXAMPLE",
        "tickets 467 3395 and 358 0594 are closed",
        "https://example.org/a/b?page=2",
    ],
)
def test_what_only_looks_like_it_is_left(redactor: Redactor, text: str) -> None:
    assert redacted(redactor, text) == text


def test_one_stretch_that_is_two_things_becomes_one(redactor: Redactor) -> None:
    batch = redactor.redact(pa.table({"text": [f"https://bob:{KEY}@example.org and x@{KEY}.com"]}))
    assert batch["text"][0].as_py().count("<") == 2
    assert KEY not in batch["text"][0].as_py()


def test_nothing_but_the_text_and_its_counts_changes() -> None:
    redactor = Redactor(connect(threads=2), rules=RedactionRules())
    texts = ["a@example.org a@example.org", None, "", "nothing", f"{KEY} 203.0.113.9"] * 1000
    table = pa.table({"n": range(5000), "text": texts, "redactions": pa.array([None] * 5000, pa.string())})
    expected = ['{"EMAIL_ADDRESS": 2}', None, None, None, '{"IP_ADDRESS": 1, "SECRET:github-pat": 1}']
    for type_ in (pa.string(), pa.large_string()):
        batch = table.cast(pa.schema([("n", pa.int64()), ("text", type_), ("redactions", pa.string())]))
        out = redactor.redact(batch)
        assert out.schema.equals(batch.schema)
        assert out["n"].equals(batch["n"])
        assert out["redactions"].to_pylist() == expected * 1000
        assert out["text"].to_pylist()[1:4] == [None, "", "nothing"]
    sliced = table.combine_chunks().to_batches()[0].slice(4990)
    out = redactor.redact(sliced)
    assert isinstance(out, pa.RecordBatch)
    assert out["redactions"].to_pylist() == expected * 2
    assert redactor.redact(table.slice(0, 0).drop(["redactions"])).schema.names == ["n", "text", "redactions"]


def test_a_batch_without_text_is_refused(redactor: Redactor) -> None:
    with pytest.raises(ValueError, match="text column"):
        redactor.redact(pa.table({"text": [1]}))


FRAGMENTS = st.sampled_from(
    [
        "a@example.org", "+44 20 7946 0958", "4111 1111 1111 1111", "203.0.113.9", "536-90-4399", KEY, PEM,
        "GB82WEST12345698765432", "password = 'Zx9.q7w2-e5r8t1'", "curl -u 'joe:s3cr3tpw' https://x.org",
        "<EMAIL_ADDRESS>", "<SECRET>", "<PHONE_NUMBER>", "<", ">", "@", ".", "-", " ", "\n", "1", "555", "call ", "key=",
        "://", ":", "'", '"', "é", "🦊", "EMAIL_ADDRESS", "x",
    ]
)  # fmt: skip
TEXTS = st.lists(FRAGMENTS, max_size=14).map("".join)
LAWFUL = Redactor(
    connect(threads=1),
    rules=RedactionRules(custom=(CustomPattern("words", "[a-z]{3}[0-9]{3}|EMAIL", "CODE"),), also=frozenset({"URL"})),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(TEXTS, st.text(max_size=40)), max_size=4))
def test_a_redacted_text_is_redacted_no_further(texts: list[str]) -> None:
    once = LAWFUL.redact(pa.table({"text": pa.array(texts, pa.string())}))
    twice = LAWFUL.redact(once)
    assert twice["text"].to_pylist() == once["text"].to_pylist()
    assert twice["redactions"].null_count == len(texts)
    assert LAWFUL.is_clean(once["text"]).to_pylist() == [True] * len(texts)
    assert [not clean for clean in LAWFUL.is_clean(pa.array(texts, pa.string())).to_pylist()] == [
        counts is not None for counts in once["redactions"].to_pylist()
    ]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(TEXTS, st.text(max_size=40), st.none()), min_size=1, max_size=20))
def test_few_texts_and_many_are_swept_alike(texts: list[str | None]) -> None:
    column = pa.array(texts, pa.string())
    few = LAWFUL._sweep.open(column)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gate_sweep, "FEW_TEXTS", 0)
        assert sorted(LAWFUL._sweep.open(column)) == few


def test_short_columns_are_redacted_by_value_and_counted_by_row(redactor: Redactor) -> None:
    values = ["search", "a@example.org", None, "a@example.org"] * 3
    out, counts = redactor.redact_names(pa.chunked_array([values, []], pa.string()))
    assert out.to_pylist() == ["search", "<EMAIL_ADDRESS>", None, "<EMAIL_ADDRESS>"] * 3
    assert counts == {"EMAIL_ADDRESS": 6}


def test_json_stays_json_whatever_is_taken_out_of_it(redactor: Redactor) -> None:
    documents = [
        {"to": "x\nana@example.org", "n": 1.5, "card": 4111111111111111, "list": ["203.0.113.9", None, True]},
        {"ana@example.org": {"ssn": 536904399}, "api_key": KEY},
        {"left": "as it is", "odd": [1, 2]},
    ]
    deep = "[" * 100_000 + '"ana@example.org"' + "]" * 100_000
    texts = [json.dumps(document) for document in documents]
    out, counts = redactor.redact_names(pa.array([*texts, '{"broken": "ana@example.org"', deep]))
    first, second, third, broken, deepest = out.to_pylist()
    assert json.loads(first) == {
        "to": "x\n<EMAIL_ADDRESS>", "n": 1.5, "card": "<CREDIT_CARD>", "list": ["<IP_ADDRESS>", None, True],
    }  # fmt: skip
    assert json.loads(second) == {"<EMAIL_ADDRESS>": {"ssn": "<US_SSN>"}, "api_key": "<SECRET>"}
    assert third == texts[2]
    assert broken == '{"broken": "<EMAIL_ADDRESS>"'
    assert "ana@" not in deepest
    assert counts["EMAIL_ADDRESS"] == 4


def test_an_identifier_is_clean_unless_it_holds_a_find(redactor: Redactor) -> None:
    clean = ["chatcmpl-9Xa81bQ", "550e8400-e29b-41d4-a716-446655440000", None, "1699999999123"]
    unclean = ["user-ana@example.org", "415-555-2671"]
    assert redactor.is_clean(pa.array(clean + unclean)).to_pylist() == [True] * 4 + [False] * 2


def test_a_hostile_text_costs_time_in_proportion_to_its_length(redactor: Redactor) -> None:
    length = 100_000  # an expression that backtracks would not come back from it
    pem = "-----BEGIN " + "PRIVATE KEY-----"
    for piece in ("1", "1-", "a@", "a@a.", "GB82", "://a:", "password=", pem, "curl ", "(1", "<SECRET>", "1:"):
        redactor.redact(pa.table({"text": [piece * (length // len(piece)) + "ana@example.org"]}))


def test_redaction_reaches_for_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("redaction reached for the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    fresh = Redactor(connect(threads=1))
    texts = ["ana@example.org", "4111 1111 1111 1111", "GB82WEST12345698765432", "NHS 943 476 5919", KEY, "+44 20 7946 0958"]
    assert not any(fresh.is_clean(pa.array(texts)).to_pylist())


def test_importing_redaction_imports_nothing_heavy() -> None:
    heavy = "('spacy', 'presidio_analyzer', 'torch', 'phonenumbers', 'stdnum', 're2', 'tldextract')"
    code = f"import sys, resources.redaction; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
