"""The splitter: which bytes are which line, whatever the chunks."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.byte_source import UnreadableFile, decompressed, digest_file, packing_of
from resources.csv_splitter import split_csv
from resources.splitter import BATCH_ROWS, MAX_LINE_BYTES, LineReader, LongLine, split_jsonl


def jsonl(content: bytes) -> tuple[list[tuple[int, str]], list[tuple[int, str]], int]:
    """(line, raw) of the rows, (line, reason) of the refused, blank lines."""
    batches = list(split_jsonl(LineReader(io.BytesIO(content))))
    rows = [(n, r.rstrip("\r\n")) for b in batches for n, r in zip(*b.rows.select([0, 1]).to_pydict().values(), strict=True)]
    return rows, [(r.line_number, r.reason) for b in batches for r in b.refused], sum(b.blank_lines for b in batches)


def rows_of_csv(content: bytes, *expects: str) -> tuple[list[tuple[int, object, str | None]], list[tuple[int, str]]]:
    batches = list(split_csv(LineReader(io.BytesIO(content)), expects))
    rows = [(r["line_number"], json.loads(r["raw"]), r["fault"]) for b in batches for r in b.rows.to_pylist()]
    return rows, [(r.line_number, r.reason) for b in batches for r in b.refused]


def test_crlf_blank_lines_and_a_missing_last_newline() -> None:
    assert jsonl(b'{"a":1}\r\n\r\n \t\n{"b":2}') == ([(1, '{"a":1}'), (4, '{"b":2}')], [], 2)


def test_a_byte_order_mark_belongs_to_no_record() -> None:
    assert jsonl(b"\xef\xbb\xbf{}\n{}\n")[0] == [(1, "{}"), (2, "{}")]
    assert jsonl(b"\xef\xbb\xbf") == ([], [], 1)
    assert rows_of_csv(b"\xef\xbb\xbfa\r\n1\r\n")[0] == [(2, {"a": "1"}, None)]


def test_nul_bytes_and_bad_utf8_refuse_their_line_only() -> None:
    rows, refused, _ = jsonl(b'{}\n{"a":"\xff"}\n{"a":"\x00"}\n{}\n')
    assert rows == [(1, "{}"), (4, "{}")]
    assert refused == [(2, "not_utf8"), (3, "nul_byte")]


def test_other_line_separators_do_not_end_a_line() -> None:
    line = '{"a":"x\u2028y\u0085z"}'
    assert jsonl((line + "\n").encode())[0] == [(1, line)]


def test_a_line_beyond_the_limit_is_refused_and_the_next_is_read() -> None:
    edge = b'"' + b"y" * (MAX_LINE_BYTES - 2) + b'"'
    rows, refused, _ = jsonl(b"{}\n" + b"x" * (MAX_LINE_BYTES + 1) + b"\n" + edge + b"\n{}\n" + b"z" * (MAX_LINE_BYTES + 9))
    assert [number for number, _ in rows] == [1, 3, 4]
    assert refused == [(2, "line_too_long"), (5, "line_too_long")]


def test_many_tiny_lines_come_in_bounded_batches() -> None:
    batches = list(split_jsonl(LineReader(io.BytesIO(b"{}\n" * 120_000))))
    assert max(len(b.rows) for b in batches) <= BATCH_ROWS
    numbers = [n for b in batches for n in b.rows["line_number"].to_pylist()]
    assert numbers == list(range(1, 120_001))


@given(st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"")), max_size=12), st.booleans(), st.integers(1, 9))
def test_lines_are_the_same_whatever_the_chunks(lines: list[bytes], is_closed: bool, chunk_bytes: int) -> None:
    content = b"\n".join(lines) + (b"\n" if is_closed else b"")
    found: dict[int, bytes] = {}
    for block in LineReader(io.BytesIO(content), max_line_bytes=10, chunk_bytes=chunk_bytes):
        if isinstance(block, LongLine):
            found[block.number] = b"?" * block.size_bytes
        else:
            for offset, line in enumerate(io.BytesIO(block.body)):
                found[block.first_number + offset] = line.rstrip(b"\n")
    expected = {
        n: (b"?" * len(x) if len(x) > 10 else x) for n, x in enumerate((y.rstrip(b"\n") for y in io.BytesIO(content)), 1)
    }
    if not content.startswith(b"\xef\xbb\xbf"):
        assert found == expected


def test_quoted_newlines_make_records_of_several_lines() -> None:
    rows, refused = rows_of_csv(b'a,b\r\n1,"x\r\n\r\ny"\r\n2,z\r\n')
    assert rows == [(2, {"a": "1", "b": "x\r\n\r\ny"}, None), (5, {"a": "2", "b": "z"}, None)]
    assert refused == []


def test_a_wrong_number_of_fields_is_a_bad_record_and_a_stray_quote_a_refused_line() -> None:
    rows, refused = rows_of_csv(b'a,b\n1\n1,2,3\n"x"y,2\n3,4\n')
    assert [(line, fault) for line, _, fault in rows] == [(2, "wrong_field_count"), (3, "wrong_field_count"), (5, None)]
    assert refused == [(4, "bad_csv")]


def test_an_unclosed_quote_refuses_every_line_it_swallowed() -> None:
    rows, refused = rows_of_csv(b'a,b\n1,2\n3,"4\n5,6\n7,8')
    assert [line for line, _, _ in rows] == [2]
    assert refused == [(3, "bad_csv"), (4, "bad_csv"), (5, "bad_csv")]


def test_bad_utf8_inside_a_csv_record_refuses_all_its_lines() -> None:
    rows, refused = rows_of_csv(b'a\n"x\n\xff"\n1\n')
    assert rows == [(4, {"a": "1"}, None)]
    assert refused == [(2, "bad_csv"), (3, "not_utf8")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"a,c\n", "missing_column: the header lacks b"), (b"a,a\n", "duplicate_column"), (b'"a"x\n', "unreadable_header")],
)
def test_a_header_that_cannot_be_used_refuses_the_file(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableFile, match=reason):
        rows_of_csv(content, "a", "b")


@pytest.mark.parametrize(("separator", "word"), [(b";", "semicolon"), (b"\t", "tab")])
def test_a_header_with_another_separator_says_so(separator: bytes, word: str) -> None:
    with pytest.raises(UnreadableFile, match=rf"missing_column: the header lacks a, .* a {word}; .* separated by commas"):
        rows_of_csv(separator.join([b"a", b"b"]) + b"\n", "a", "b")


def test_identity_is_that_of_the_decompressed_bytes(tmp_path: Path) -> None:
    content = b'{"a":1}\n{"b":2}'
    (tmp_path / "x.jsonl").write_bytes(content)
    (tmp_path / "y.jsonl.gz").write_bytes(gzip.compress(content[:5]) + gzip.compress(content[5:]))
    plain, packed = digest_file(tmp_path / "x.jsonl"), digest_file(tmp_path / "y.jsonl.gz")
    assert plain == packed
    assert (plain.sha256, plain.lines, plain.bytes) == (hashlib.sha256(content).hexdigest(), 2, len(content))


def test_a_grown_file_has_its_old_digest_at_its_old_size(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    (tmp_path / "x.jsonl").write_bytes(content)
    sizes = frozenset({0, 1, 1 << 20, (1 << 20) + 1, len(content), len(content) + 1})
    prefixes = digest_file(tmp_path / "x.jsonl", sizes).prefixes
    assert prefixes == {n: hashlib.sha256(content[:n]).hexdigest() for n in sizes if n <= len(content)}


@pytest.mark.parametrize("damage", ["cut", "flip", "plain", "tail"])
def test_a_damaged_gzip_file_is_refused(tmp_path: Path, damage: str) -> None:
    packed = gzip.compress(b"".join(b'{"n":%d}\n' % n for n in range(5000)))
    middle = len(packed) // 2
    damaged = {
        "cut": packed[:middle],
        "flip": packed[:middle] + bytes([packed[middle] ^ 0xFF]) + packed[middle + 1 :],
        "plain": b'{"n":1}\n',
        "tail": packed[:-8] + b"\1\2\3\4" + packed[-4:],
    }
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(damaged[damage])
    with pytest.raises(UnreadableFile, match="unreadable_gzip"):
        digest_file(path)


def test_a_date_in_the_name_is_no_extension(tmp_path: Path) -> None:
    path = tmp_path / "log.2026.11.01.jsonl"
    path.write_bytes(b"{}\n")
    with decompressed(path, packing_of(path)) as reader:
        assert reader.read(10) == b"{}\n"
