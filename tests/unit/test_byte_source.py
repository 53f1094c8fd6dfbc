"""What a file is packed in, and that one which cannot be read to its end is refused, not read in part."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd

from resources.byte_source import CHUNK_BYTES, Packing, UnreadableFile, decompressed, digest_file, packing_of

LINES = b"".join(b'{"n":%d}\n' % n for n in range(5000))
CHECKED = {zstd.CompressionParameter.checksum_flag: 1}


@pytest.mark.parametrize(
    ("name", "packing"),
    [
        ("x.jsonl", Packing("jsonl")),
        ("x.NDJSON.GZ", Packing("jsonl", "gzip")),
        ("x.json.zst", Packing("json", "zstd")),
        ("x.2026.11.01.csv.zst", Packing("csv", "zstd")),
        ("x.json.csv", Packing("csv")),
        ("x.parquet", Packing("parquet")),
        ("x.jsonl.1", Packing("jsonl")),
        ("x.jsonl.12.gz", Packing("jsonl", "gzip")),
        ("x.jsonl.gz.1", Packing("jsonl", "gzip")),
        ("x.jsonl-20261110.gz", Packing("jsonl", "gzip")),
        ("x.jsonl.2026-11-10_00-00-00", Packing("jsonl")),
    ],
)
def test_the_last_extensions_alone_say_how_a_file_is_read(name: str, packing: Packing) -> None:
    assert packing_of(Path(name)) == packing


@pytest.mark.parametrize("name", ["x", "x.txt", "x.gz", "x.jsonl.part", "x.jsonl.bz2", "x.parquet.gz", "x.gz.zst"])
def test_an_unknown_extension_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(
        UnreadableFile, match=r"unknown_extension.*\.jsonl, \.ndjson, \.json, \.csv, each plain, \.gz or \.zst"
    ):
        packing_of(Path(name))


@pytest.mark.parametrize("name", ["x.csv.zip", "x.jsonl.bz2", "x.tar.gz", "x.TGZ"])
def test_an_archive_is_to_be_unpacked_not_renamed(name: str) -> None:
    with pytest.raises(UnreadableFile, match=r"^unknown_extension: .*; unpack it, and name the file one of \.jsonl"):
        packing_of(Path(name))


def test_identity_is_that_of_the_decompressed_bytes_whatever_the_frames(tmp_path: Path) -> None:
    contents = {
        "x.jsonl": LINES,
        "x.jsonl.gz": gzip.compress(LINES[:5]) + gzip.compress(LINES[5:]),
        "x.jsonl.zst": zstd.compress(LINES[:5]) + zstd.compress(b"") + zstd.compress(LINES[5:]),
        # A frame to be skipped, as parallel compressors write it between the others.
        "y.jsonl.zst": zstd.compress(LINES[:7]) + b"\x50\x2a\x4d\x18\x03\0\0\0abc" + zstd.compress(LINES[7:]),
    }
    digests = []
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        digests.append(digest_file(tmp_path / name, frozenset({5, 9})))
    assert all(digest == digests[0] for digest in digests)
    assert (digests[0].sha256, digests[0].lines) == (hashlib.sha256(LINES).hexdigest(), 5000)


@pytest.mark.parametrize("damage", ["cut", "flip", "plain", "garbage", "half a frame", "half a header"])
def test_a_damaged_zst_file_is_refused(tmp_path: Path, damage: str) -> None:
    packed = zstd.compress(LINES, options=CHECKED)
    middle = len(packed) // 2
    damaged = {
        "cut": packed[:-1],
        "flip": packed[:middle] + bytes([packed[middle] ^ 0xFF]) + packed[middle + 1 :],
        "plain": b'{"n":1}\n',
        "garbage": packed + b"garbage",
        "half a frame": packed + packed[:middle],
        "half a header": packed + packed[:3],
    }
    path = tmp_path / "x.jsonl.zst"
    path.write_bytes(damaged[damage])
    with pytest.raises(UnreadableFile, match="unreadable_zst: cut off or damaged; deliver the file again"):
        digest_file(path)


def test_a_zst_file_that_wants_too_much_memory_is_told_apart_from_a_damaged_one(tmp_path: Path) -> None:
    wide = {zstd.CompressionParameter.window_log: 28, zstd.CompressionParameter.enable_long_distance_matching: 1}
    path = tmp_path / "x.jsonl.zst"
    with zstd.open(path, "wb", options=wide) as file:
        file.write(LINES)
    with pytest.raises(UnreadableFile, match=r"zst_window_too_large: .*128 MB; compress it with --long=27 or less"):
        digest_file(path)


def test_a_small_zst_file_that_unpacks_to_much_is_read_in_small_pieces(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.zst"
    with zstd.open(path, "wb") as file:
        for _ in range(200):
            file.write(bytes(CHUNK_BYTES))
    assert path.stat().st_size < 50_000
    with decompressed(path, packing_of(path)) as reader:
        assert max(len(chunk) for chunk in iter(lambda: reader.read(CHUNK_BYTES), b"")) <= CHUNK_BYTES


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv.gz", "x.json.zst"])
def test_an_empty_file_is_empty_and_not_damaged(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert digest_file(tmp_path / name).lines == 0


def test_the_identity_of_a_parquet_file_is_that_of_its_bytes_and_its_lines_are_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"n": [1, 2, 3]}), path)
    digest = digest_file(path)
    assert (digest.sha256, digest.lines) == (hashlib.sha256(path.read_bytes()).hexdigest(), 3)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(UnreadableFile, match="unreadable_parquet: "):
        digest_file(path)
