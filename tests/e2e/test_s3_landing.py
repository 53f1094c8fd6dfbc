"""Landing from an object store: a real S3 server over HTTP, files put by a client that is not ours."""

from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.config import Config
from house import CALENDAR_START, SOURCES, House, request
from moto.server import ThreadedMotoServer

from resources import landing, landing_area
from resources.contracts import REPO
from resources.landing import Landing, LandingReport
from resources.landing_area import LandingError, ObjectArea
from resources.warehouse import open_published

BUCKET = "company-logs"
URL = f"s3://{BUCKET}/llm"
DAY = "2026-11-08T10:00:00Z"


@dataclass
class Bucket:
    """What the teams do: they put objects under llm/ and know nothing of us."""

    client: Any
    endpoint: str

    def put(self, name: str, *records: dict[str, Any]) -> None:
        body = "".join(json.dumps(record) + "\n" for record in records)
        self.client.put_object(Bucket=BUCKET, Key=f"llm/{name}", Body=body.encode())

    def tell_server(self, what: str, body: str = "") -> None:
        urlopen(Request(f"{self.endpoint}/moto-api/{what}", body.encode(), {"Content-Type": "text/plain"})).close()

    def delete(self, name: str) -> None:
        self.client.delete_object(Bucket=BUCKET, Key=f"llm/{name}")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3", config=Config(retries={"max_attempts": 1}))
    client.create_bucket(Bucket=BUCKET)
    bucket = Bucket(client, f"http://{host}:{port}")
    try:
        yield bucket
    finally:
        # The server keeps its buckets in this process, not in itself.
        bucket.tell_server("reset-auth", "inf")
        bucket.tell_server("reset")
        server.stop()


def land(house: House, url: str = URL) -> LandingReport:
    return Landing(house.store, url, SOURCES, CALENDAR_START).land(house.now, lambda file: file.is_whole)


def states(house: House) -> list[tuple[str, str]]:
    return [(f["path"], f["state"]) for f in Landing(house.store, URL, SOURCES, CALENDAR_START).states()]


def test_objects_land_exactly_once_and_a_second_look_fetches_nothing(
    house: House, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("gateway/2026/11/08/a.jsonl", request("r1", DAY), request("r2", DAY))
    bucket.put("gateway/b.jsonl", request("r3", DAY))
    bucket.put("gateway/.hidden.jsonl", request("r4", DAY))
    bucket.put("gateway/half.jsonl.part", request("r5", DAY))
    bucket.put("nobody/c.jsonl", request("r6", DAY))
    bucket.put("stray.jsonl", request("r7", DAY))
    bucket.client.put_object(Bucket=BUCKET, Key="llm/gateway/folder/", Body=b"")
    bucket.client.put_object(Bucket=BUCKET, Key="elsewhere/gateway/d.jsonl", Body=b"{}\n")
    report = land(house)
    assert [(f.path, f.state, f.records_landed) for f in report.files] == [
        ("gateway/2026/11/08/a.jsonl", "landed", 2), ("gateway/b.jsonl", "landed", 1),
    ]  # fmt: skip
    assert report.undeclared == ["nobody", "stray.jsonl"]

    monkeypatch.setattr(ObjectArea, "local", None)
    again = land(house)
    assert (again.files, again.unchanged, again.still_written) == ([], 2, [])


def test_nothing_of_an_object_stays_on_this_machine_and_what_is_there_meanwhile_is_private(
    house: House, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    original = landing.stage_file

    def looked_at(path: Path, *arguments: Any) -> Any:
        seen.append((path, stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)))
        return original(path, *arguments)

    monkeypatch.setattr(landing, "stage_file", looked_at)
    bucket.put("gateway/a.jsonl", request("r1", DAY))
    land(house)
    ((path, mode, folder_mode),) = seen
    assert path.is_relative_to(house.store.staging)
    assert (mode, folder_mode) == (0o600, 0o700)
    assert list((house.store.staging / "landing").iterdir()) == []


def test_a_copy_that_a_killed_run_left_is_cleared_away(
    house: House, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("gateway/a.jsonl", request("r1", DAY))

    class Killed(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(landing, "stage_file", killed)
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(Killed):
            land(house)
    (copy,) = (house.store.staging / "landing").rglob("fetched*")
    bucket.delete("gateway/a.jsonl")
    assert land(house).files == []
    assert not copy.exists()


def test_a_replaced_object_follows_what_its_source_says_of_the_same_path(house: House, bucket: Bucket) -> None:
    for source in ("gateway", "replacing"):
        bucket.put(f"{source}/a.jsonl", request(f"{source}-1", DAY))
    land(house)
    # Same size and, for a store that counts in seconds, perhaps the same time.
    for source in ("gateway", "replacing"):
        bucket.put(f"{source}/a.jsonl", request(f"{source}-2", DAY))
    report = land(house)
    assert [(f.path, f.state) for f in report.files] == [("gateway/a.jsonl", "landed"), ("replacing/a.jsonl", "landed")]
    assert sorted(states(house)) == [
        ("gateway/a.jsonl", "landed"), ("gateway/a.jsonl", "landed"), ("replacing/a.jsonl", "landed"),
        ("replacing/a.jsonl", "landed"), ("replacing/a.jsonl", "superseded"),
    ]  # fmt: skip
    bucket.put("gateway/b.jsonl", request("gateway-2", DAY))
    assert [(f.path, f.state) for f in land(house).files] == [("gateway/b.jsonl", "copy")]


def test_an_object_that_is_replaced_while_it_is_fetched_is_taken_later(
    house: House, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("gateway/a.jsonl", request("r1", DAY))
    original = ObjectArea.look
    looks = []

    def replaced_before_the_second(self: ObjectArea, path: str) -> Any:
        looks.append(path)
        if len(looks) == 2:
            bucket.put("gateway/a.jsonl", request("r2", DAY))
        return original(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(ObjectArea, "look", replaced_before_the_second)
        report = land(house)
    assert (report.files, report.still_written) == ([], ["gateway/a.jsonl"])
    assert [f.state for f in land(house).files] == ["landed"]
    assert [row[0] for row in house.store.rows(f"select request_id from ({house.store.scan_all('logs.landed')})")] == ["r2"]


@pytest.mark.parametrize("moment", ["look", "local"])
def test_an_object_that_vanishes_is_no_error(
    house: House, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    bucket.put("gateway/a.jsonl", request("r1", DAY))
    bucket.put("gateway/b.jsonl", request("r2", DAY))
    original = getattr(ObjectArea, moment)

    def vanished(self: ObjectArea, *arguments: Any) -> Any:
        bucket.delete("gateway/a.jsonl")
        return original(self, *arguments)

    monkeypatch.setattr(ObjectArea, moment, vanished)
    report = land(house)
    assert [f.path for f in report.files] == ["gateway/b.jsonl"]
    assert (report.failed, report.still_written) == ({}, [])


def test_a_prefix_under_which_nothing_was_put_yet_is_empty_and_a_missing_bucket_is_not(house: House, bucket: Bucket) -> None:
    assert land(house).files == []
    with pytest.raises(LandingError, match=r"s3://no-such-bucket/llm cannot be listed: there is no such bucket"):
        land(house, "s3://no-such-bucket/llm")


def test_wrong_credentials_are_named_without_secrets(house: House, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.put("gateway/a.jsonl", request("r1", DAY))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAWRONGWRONGWRONG")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "Zq-Secret-Qz")
    bucket.tell_server("reset-auth", "0")  # From here on the server asks who somebody is.
    with pytest.raises(LandingError, match=r"cannot list s3:.*PermissionError.*Check the credentials") as raised:
        land(house)
    assert "Zq-Secret" not in str(raised.value)
    assert "WRONG" not in str(raised.value)


def test_a_service_that_cannot_be_reached_is_said_to_be(
    house: House, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(LandingError, match=r"cannot list s3://company-logs/llm .*Check that the service can be reached"):
        land(house)


def test_the_ledger_knows_an_object_by_its_path_below_the_url(house: House, bucket: Bucket) -> None:
    bucket.put("gateway/a.jsonl", request("r1", DAY))
    land(house)
    (candidate,) = landing_area.landing_area(URL).candidates(["gateway"])
    (state,) = Landing(house.store, URL, SOURCES, CALENDAR_START).states()
    assert (state["path"], state["size_bytes"], state["modified_ns"]) == candidate.fate


def test_a_night_lands_from_a_url_and_publishes_and_shows_no_secret(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("gateway/a.jsonl", request("r1", DAY), request("r2", DAY))
    environment = os.environ | {
        "NOCTURNE_HOME": str(tmp_path / "home"),
        "NOCTURNE_DATA": str(tmp_path / "data"),
        "NOCTURNE_LANDING": URL,
        "NOCTURNE_NOW": "2026-11-10T03:00:00+00:00",
        "AWS_SECRET_ACCESS_KEY": "Zq-Secret-Qz",
    }
    command = [sys.executable, "-W", "ignore", "-m", "pipelines.nightly", "--no-validation"]
    ended = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    with closing(open_published(tmp_path / "data" / "warehouse.duckdb")) as con:
        assert con.execute("select count(*) from logs.requests").fetchall() == [(2,)]
        assert con.execute("select path, state from logs.files").fetchall() == [("gateway/a.jsonl", "landed")]
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in written if b"Zq-Secret-Qz" in path.read_bytes()] == []
    assert "Zq-Secret-Qz" not in ended.stdout
