"""Whole-file JSON: which bytes are which document, whatever the chunks, and which files are no JSON at all."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.byte_source import UnreadableFile
from resources.json_splitter import split_json
from resources.splitter import BATCH_BYTES, BATCH_ROWS, Batch


def batches(content: bytes, **limits: int) -> list[Batch]:
    return list(split_json(io.BytesIO(content), **limits))


def documents(content: bytes, **limits: int) -> list[tuple[int, str, str | None]]:
    """(line, raw without the space around it, fault) of every document; every line of the content is accounted for."""
    found = batches(content, **limits)
    assert sum(b.row_lines for b in found) == content.count(b"\n") + (bool(content) and not content.endswith(b"\n"))
    return [(r["line_number"], r["raw"].strip(), r["fault"]) for b in found for r in b.rows.to_pylist()]


def test_an_array_is_its_elements_with_the_line_on_which_each_starts() -> None:
    content = b'\n[\n  {"a": 1,\n   "b": 2}, {"c": 3}\n,\n\n4, [5, {}], "x", null ]\n'
    assert documents(content) == [
        (3, '{"a": 1,\n   "b": 2}', None), (4, '{"c": 3}', None),
        (7, "4", None), (7, "[5, {}]", None), (7, '"x"', None), (7, "null", None),
    ]  # fmt: skip


def test_documents_may_follow_each_other_with_or_without_a_newline() -> None:
    assert documents(b'{"a":[1,2]}{"b":{}}\r\n{\n"c":1}[{"d":1},{"e":2}]') == [
        (1, '{"a":[1,2]}', None), (1, '{"b":{}}', None), (2, '{\n"c":1}', None), (3, '{"d":1}', None), (3, '{"e":2}', None),
    ]  # fmt: skip


def test_an_enveloping_object_is_one_document() -> None:
    content = b'{"resourceSpans": [{"a": 1}, {"b": 2}],\n "more": []}\n'
    assert documents(content) == [(1, content.decode().strip(), None)]


def test_brackets_commas_and_quotes_within_words_cut_nothing() -> None:
    words = ['],[{"', "\\", '\\"', "\\\\", '"}]', "a,b", "\n", "\u2028", "\\\\\\"]
    content = json.dumps([{"w": word, word: [word]} for word in words]).encode()
    for chunk_bytes in (1, 2, 3, 7, 1000):
        found = documents(content, chunk_bytes=chunk_bytes)
        assert [json.loads(raw) for _, raw, _ in found] == [{"w": word, word: [word]} for word in words]


def test_numbers_and_repeated_keys_stay_as_they_were_written() -> None:
    content = '[{"a": 1e400, "a": 0.10000000000000000000001, "ü": "\\u00fc"}]'
    assert documents(content.encode()) == [(1, content[1:-1], None)]


@pytest.mark.parametrize("content", [b"", b"\n \n", b"[]", b" [\n]\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf[]\n", b"[][]"])
def test_a_file_without_documents_is_merely_empty(content: bytes) -> None:
    assert documents(content) == documents(content, chunk_bytes=1) == []


def test_a_byte_order_mark_belongs_to_no_document() -> None:
    for chunk_bytes in (1, 2, 3, 4, 100):
        assert documents(b"\xef\xbb\xbf{}\n", chunk_bytes=chunk_bytes) == [(1, "{}", None)]


def test_what_a_comma_promises_is_a_document_even_if_nothing_is_there() -> None:
    assert documents(b'[{"a":1},\n]') == [(1, '{"a":1}', None), (2, "", None)]
    assert documents(b"[,{}]") == [(1, "", None), (1, "{}", None)]


def test_words_between_documents_are_a_document_of_their_own() -> None:
    assert documents(b'{}, then\n"a {"{}') == [(1, "{}", None), (1, ', then\n"a {"', None), (2, "{}", None)]


def test_a_document_that_is_no_text_is_at_fault_and_its_neighbours_are_not() -> None:
    found = documents(b'[{"a":"\xff"},{"b":1},{"c":"\0"}]')
    assert [(json.loads(raw) if fault is None else None, fault) for _, raw, fault in found] == [
        (None, "not_utf8"), ({"b": 1}, None), (None, "nul_byte"),
    ]  # fmt: skip


def test_a_document_beyond_the_limit_is_not_held_and_shows_its_keys() -> None:
    long = b'{"data": [' + b",\n".join([b'{"a": 1}'] * 5000) + b"]}"
    for chunk_bytes in (10, 1 << 20):
        found = documents(b"{}\n" + long + b"\n{}\n", max_document_bytes=1000, chunk_bytes=chunk_bytes)
        assert [(line, fault) for line, _, fault in found] == [(1, None), (2, "document_too_long"), (5002, None)]
        assert found[1][1].startswith('{"data": [{"a": 1}')
        assert len(found[1][1]) <= 4096


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b'[{"a":1},\n{"b":', "the file ends within what starts on line 2"),
        (b'[{"a":1},\n{"b":2}', "the file ends within what starts on line 2"),
        (b'[{"a":1},\n', "the file ends within what starts on line 2"),
        (b'{"a":1}\n{"a":"x\n', "the file ends within what starts on line 2"),
        (b'{"a":1}\n\n}', "a bracket closes that was never opened on line 3"),
        (b'[{"a":1}\n}', "an array ends like an object on line 2"),
    ],
)
def test_a_file_whose_brackets_do_not_close_is_refused(content: bytes, what: str) -> None:
    for chunk_bytes in (1, 1 << 20):
        with pytest.raises(UnreadableFile, match=f"unreadable_json: {what}; deliver .* as .jsonl"):
            batches(content, chunk_bytes=chunk_bytes)


def test_batches_are_bounded_by_rows_and_bytes() -> None:
    many = batches(b"[" + b",\n".join([b"{}"] * 120_000) + b"]")
    assert max(len(b.rows) for b in many) <= BATCH_ROWS
    assert [n for b in many for n in b.rows["line_number"].to_pylist()] == list(range(1, 120_001))
    large = batches(b"[" + b",".join([b'{"a":"' + b"x" * (4 << 20) + b'"}'] * 12) + b"]")
    assert max(b.rows.nbytes for b in large) <= BATCH_BYTES
    assert sum(len(b.rows) for b in large) == 12


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(JSON, max_size=6), st.sampled_from([None, 0, 3]), st.booleans(), st.integers(1, 40), st.booleans())
def test_any_array_gives_its_elements_in_order_whatever_the_chunks(
    values: list[Any], indent: int | None, ascii_: bool, chunk_bytes: int, is_closed: bool
) -> None:
    content = json.dumps(values, indent=indent, ensure_ascii=ascii_) + ("\n" if is_closed else "")
    found = documents(content.encode(), chunk_bytes=chunk_bytes)
    assert [json.loads(raw) for _, raw, fault in found if fault is None] == values
    lines = content.split("\n")
    assert all(json.dumps(value)[:1] in lines[line - 1] for value, (line, _, _) in zip(values, found, strict=True))


@given(st.binary(max_size=60).map(lambda b: bytes(b'[]{},"\\\n x\xff\0'[n % 12] for n in b)), st.integers(1, 9))
def test_any_bytes_are_split_alike_whatever_the_chunks_or_refused_alike(content: bytes, chunk_bytes: int) -> None:
    def outcome(size: int) -> object:
        try:
            return documents(content, chunk_bytes=size)
        except UnreadableFile as error:
            return error.reason

    assert outcome(chunk_bytes) == outcome(1 << 20)
