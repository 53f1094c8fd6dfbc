"""Places that logs land in: what lies there, and that no secret of a URL is shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import pytest
from house import CALENDAR_START, SOURCES, House, request

from pipelines.clock import WallClock
from resources.landing import Landing
from resources.landing_area import LandingError, _modified_ns, landing_area

SECRET = "Zq-Secret-Qz"


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    """fsspec's own store in memory, the simplest of those that are no folder."""
    files = fsspec.filesystem("memory")
    yield files
    files.rm("/logs", recursive=True)


def test_a_folder_shows_what_is_delivered_and_hides_what_is_being_written(tmp_path: Path) -> None:
    for name in (
        "gateway/b.jsonl",
        "gateway/a/c.jsonl",
        "gateway/.x.jsonl",
        "gateway/.d/x.jsonl",
        "gateway/x.tmp",
        "other/x",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    (tmp_path / "gateway" / "link.jsonl").symlink_to(tmp_path / "gateway" / "b.jsonl")
    (tmp_path / ".hidden").touch()
    area = landing_area(tmp_path)
    found = area.candidates(["gateway", "silent"])
    assert [(c.path, c.source, c.name, c.size_bytes) for c in found] == [
        ("gateway/a/c.jsonl", "gateway", "c.jsonl", 2), ("gateway/b.jsonl", "gateway", "b.jsonl", 2),
    ]  # fmt: skip
    assert found[1].modified_ns == (tmp_path / "gateway/b.jsonl").stat().st_mtime_ns
    assert area.undeclared(["gateway", "silent"]) == ["other"]
    assert area.look("gateway/gone.jsonl") is None


def test_a_folder_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    area = landing_area(tmp_path / "none")
    assert (area.candidates(["gateway"]), area.undeclared([])) == ([], [])


def test_a_url_lands_like_a_folder(house: House, memory: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    path = house.deliver("a.jsonl", [request("r1", "2026-11-08T10:00:00Z")])
    memory.put_file(str(path), "/logs/llm/gateway/a.jsonl")
    landing = Landing(house.store, "memory://logs/llm", SOURCES, CALENDAR_START)
    assert [(f.path, f.records_landed) for f in landing.land(house.now, lambda _: True).files] == [("gateway/a.jsonl", 1)]
    assert landing.land(house.now, lambda _: True).unchanged == 1
    assert [f.state for f in house.land().files] == ["copy"]  # The same bytes by another way are no new ones.


def test_an_object_needs_no_time_to_settle_and_a_fresh_file_does(tmp_path: Path, memory: fsspec.AbstractFileSystem) -> None:
    clock = WallClock(settle_seconds=60)
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway" / "a.jsonl").touch()
    memory.pipe_file("/logs/gateway/a.jsonl", b"")
    for place, expected in ((tmp_path, False), ("memory://logs", True)):
        (file,) = landing_area(place).candidates(["gateway"])
        assert clock.is_settled(file) is expected


def test_a_source_may_have_a_place_of_its_own(house: House, memory: fsspec.AbstractFileSystem) -> None:
    record = json.dumps(request("r1", "2026-11-08T10:00:00Z"))
    memory.pipe_file("/logs/partner/2026/a.jsonl", record.encode())
    memory.pipe_file("/logs/partner/.hidden.jsonl", record.encode())
    house.deliver("b.jsonl", [request("r2", "2026-11-08T10:00:00Z")], "replacing")
    house.deliver("c.jsonl", [request("r3", "2026-11-08T10:00:00Z")], "gateway")
    sources = SOURCES | {"gateway": replace(SOURCES["gateway"], url="memory://logs/partner")}
    landing = Landing(house.store, house.landing, sources, CALENDAR_START)
    report = landing.land(house.now, lambda _: True)
    assert [file.path for file in report.files] == ["gateway/2026/a.jsonl", "replacing/b.jsonl"]
    assert [file.source for file in report.files] == ["gateway", "replacing"]
    assert report.undeclared == ["gateway"]  # What lies where nobody looks is named.
    assert landing.land(house.now, lambda _: True).unchanged == 2
    memory.rm("/logs/partner/2026/a.jsonl")
    assert landing.area.look("gateway/2026/a.jsonl") is None


@pytest.mark.parametrize(
    "url",
    [f"s3://key:{SECRET}@bucket/logs", f"https://host/logs?token={SECRET}", f"s3://{SECRET}@bucket", f"s3://b/l#{SECRET}"],
)
def test_a_url_that_holds_secrets_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(LandingError, match="leave them out and give credentials through the environment") as raised:
        landing_area(url)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(("url", "client"), [("gs://bucket/logs", "gcsfs"), ("nowhere://x", "implementation of its scheme")])
def test_a_url_whose_client_is_not_installed_says_which_one_is_missing(url: str, client: str) -> None:
    with pytest.raises(LandingError, match=f"{url} cannot be read here .*install .*{client}"):
        landing_area(url).candidates(["gateway"])


def test_two_versions_of_one_second_are_told_apart_whatever_the_answer_it_was_read_from() -> None:
    listed = {"LastModified": datetime(2026, 11, 8, 10, 0, 0, 123000, UTC), "ETag": '"a"'}
    looked_at = {"LastModified": datetime(2026, 11, 8, 10, tzinfo=UTC), "ETag": "a"}
    replaced = {"LastModified": datetime(2026, 11, 8, 10, tzinfo=UTC), "ETag": '"b"'}
    assert _modified_ns(listed) == _modified_ns(looked_at) != _modified_ns(replaced)
    assert _modified_ns(listed) // 10**9 == _modified_ns(replaced) // 10**9 == 1_794_132_000
    assert _modified_ns({"mtime": 1.5}) == _modified_ns({"updated": "1970-01-01T00:00:01.500000Z"}) == 1_500_000_000
