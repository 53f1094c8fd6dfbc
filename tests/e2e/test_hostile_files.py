"""Hostile files: what lies in a landing folder that no line of a log can be blamed for."""

from __future__ import annotations

import gzip
import io
import json
import os
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd
from fsspec.implementations.memory import MemoryFile
from house import CALENDAR_START, SOURCES, House, request

from pipelines import ask
from pipelines.check_source import main as check_source
from resources import terminal
from resources.byte_source import BOMB_BYTES, BOMB_RATIO, UnreadableFile, digest_file
from resources.contracts import REPO
from resources.landing import Landing
from resources.landing_area import FileNotReadable, FolderArea
from resources.sources import Source

DAY = "2026-11-08"
SECONDS = 300
"""So long may a landing take here; a pipe that is opened blocks for ever."""


@pytest.fixture(autouse=True)
def _no_landing_blocks() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError("landing was blocked")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def content(*names: str) -> bytes:
    return "".join(json.dumps(request(name, f"{DAY}T10:00:00Z")) + "\n" for name in names).encode()


def put(house: House, name: str | bytes, body: bytes, source: str = "gateway") -> Path:
    folder = house.landing / source
    folder.mkdir(parents=True, exist_ok=True)
    path = Path(os.fsdecode(os.path.join(os.fsencode(folder), os.fsencode(name))))
    path.write_bytes(body)
    return path


def requests(house: House) -> list[str]:
    stored = house.store.scan_all("logs.landed")
    superseded = f"select file_id from ({house.store.scan_all('logs.files')}) where state = 'superseded'"
    rows = house.store.rows(f"select request_id from ({stored}) where file_id not in ({superseded}) order by 1")
    return [row[0] for row in rows]


def states(house: House) -> dict[str, tuple[str, str | None]]:
    rows = house.store.rows(
        f"select path, state, reason from ({house.store.scan_all('logs.files')}) order by arrived_at, state_number"
    )
    return {path: (state, reason) for path, state, reason in rows}


NAMES: list[str | bytes] = [
    'it\'s "quoted".jsonl',
    "'; drop table logs.files; --.jsonl",
    "new\nline\r\ttab.jsonl",
    "\x1b]0;title\x07\x1b[2J.jsonl",
    "gpj.\u202elnosj.jsonl",
    "-rf.jsonl",
    "=cmd|' -C calc'!A0.jsonl",
    "@sum(1+1).jsonl",
    "+1.jsonl",
    "a|b`<script src=x>.jsonl",
    "%2e%2e%2fpasswd.jsonl",
    "C:\\..\\..\\passwd.jsonl",
    "$(touch x).jsonl",
    "{0}%s*?[a-z].jsonl",
    "x" * 249 + ".jsonl",
    b"caf\xe9.jsonl",
    "caf\\xe9.jsonl",
    "café.jsonl",
    "cafe\u0301.jsonl",
    b"\xff\xfe.jsonl",
]


def test_a_file_lands_under_whatever_name_once_and_is_told_from_its_neighbours(house: House) -> None:
    for number, name in enumerate(NAMES):
        put(house, name, content(f"r{number:02}"))
    report = house.land()
    assert (len(report.files), report.failed, report.passed_over) == (len(NAMES), {}, [])
    assert requests(house) == [f"r{number:02}" for number in range(len(NAMES))]
    assert {r"gateway/caf\xe9.jsonl", r"gateway/caf\x5cxe9.jsonl"} < set(states(house))
    again = house.land()
    assert (again.files, again.unchanged) == ([], len(NAMES))


def test_a_key_of_an_object_store_is_no_path_of_this_machine(house: House, tmp_path: Path) -> None:
    store = fsspec.filesystem("memory")
    names = ["gateway/a/../../../b.jsonl", f"gateway/{'x' * 300}.{'y' * 300}.jsonl", "gateway/c.\0/\x1b.jsonl"]
    for number, name in enumerate(names):
        store.store[f"/hostile/{name}"] = MemoryFile(store, f"/hostile/{name}", content(f"r{number}"))
    try:
        landing = Landing(house.store, "memory://hostile", SOURCES, CALENDAR_START)
        report = landing.land(house.now, lambda file: True)
    finally:
        store.store.clear()
    # What leads upwards is hidden, as every name is that begins with a dot.
    assert sorted(f.path for f in report.files) == sorted(names[1:])
    assert requests(house) == ["r1", "r2"]
    assert not list(tmp_path.rglob("b.jsonl"))


def test_an_extension_that_cannot_be_shown_is_refused_without_being_repeated(house: House) -> None:
    put(house, b"a.\xff\x1b[31m", content("a"))
    put(house, "b.jsonl", content("b"))
    house.land()
    reasons = [reason for _, reason in states(house).values() if reason]
    assert len(reasons) == 1 and reasons[0].startswith("unknown_extension: not one that can be shown; rename")
    assert requests(house) == ["b"]


def test_pipes_sockets_devices_and_links_are_passed_over_and_told(house: House, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.jsonl").write_bytes(content("outside"))
    gateway = put(house, "a.jsonl", content("a")).parent
    os.mkfifo(gateway / "pipe.jsonl")
    (gateway / "link.jsonl").symlink_to(outside / "secret.jsonl")
    (gateway / "folder").symlink_to(outside)
    (gateway / "nowhere.jsonl").symlink_to(outside / "nowhere")
    (gateway / "round").symlink_to(gateway)
    odd = ["folder", "link.jsonl", "nowhere.jsonl", "pipe.jsonl", "round"]
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(gateway)  # The name of a socket is short.
        try:
            server.bind("socket.jsonl")
        finally:
            os.chdir(here)
        odd.append("socket.jsonl")
        if os.geteuid() == 0:
            os.mknod(gateway / "zero.jsonl", 0o600 | stat.S_IFCHR, os.makedev(1, 5))
            odd.append("zero.jsonl")
        report = house.land()
    assert report.passed_over == [f"gateway/{name}" for name in odd]
    assert requests(house) == ["a"]


def test_a_pipe_or_link_that_takes_a_files_place_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "gateway").mkdir()
    path = tmp_path / "gateway" / "a.jsonl"
    path.write_bytes(content("a"))
    area = FolderArea(tmp_path)
    (candidate,) = area.candidates(["gateway"])
    for swap in (lambda: os.mkfifo(path), lambda: path.symlink_to("/etc/passwd"), path.mkdir):
        path.unlink()
        swap()
        with pytest.raises(FileNotReadable, match=r"is no file any more|cannot be read"), area.local(candidate, tmp_path):
            pass


def test_a_folder_named_like_a_file_is_a_folder_and_a_hard_link_a_copy(house: House) -> None:
    (house.landing / "gateway" / "day.jsonl").mkdir(parents=True)
    first = put(house, "day.jsonl/a.jsonl", content("a"))
    os.link(first, first.parent / "b.jsonl")
    house.land()
    assert states(house) == {
        "gateway/day.jsonl/a.jsonl": ("landed", None), "gateway/day.jsonl/b.jsonl": ("copy", None),
    }  # fmt: skip


_LAND = """
import sys
from pathlib import Path
from house import House
report = House(Path(sys.argv[1])).land()
print(sorted((f.path, f.state) for f in report.files), report.failed)
"""


def test_what_this_user_may_not_read_fails_the_night_by_name_and_stops_no_other_file(house: House) -> None:
    put(house, "a.jsonl", content("a"))
    put(house, "b.jsonl", content("b")).chmod(0)
    (put(house, "z.jsonl", content("z")).parent / "closed").mkdir(0)
    command = [sys.executable, "-c", _LAND, str(house.root)]
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root reads everything, and setpriv, which takes that from it, is not here")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    path = os.pathsep.join([str(REPO), str(REPO / "tests")])
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "('gateway/a.jsonl', 'landed'), ('gateway/z.jsonl', 'landed')" in done.stdout
    for name in ("b.jsonl", "closed"):
        assert f"'gateway/{name}': 'cannot be read (Permission denied); let this user read it'" in done.stdout


def test_a_damaged_file_is_refused_and_the_night_goes_on(house: House) -> None:
    whole = content(*(f"x{n}" for n in range(500)))
    table = io.BytesIO()
    pq.write_table(pa.table({"ts": [f"{DAY}T10:00:00Z"] * 500}), table)
    put(house, "a.jsonl.gz", gzip.compress(whole)[:-20])
    put(house, "b.jsonl.zst", zstd.compress(whole)[:-20])
    put(house, "c.parquet", table.getvalue()[:-20])
    put(house, "d.parquet", table.getvalue()[20:])
    put(house, "e.jsonl.gz", b"PK\3\4" + whole)
    put(house, "f.csv.gz", b"")
    put(house, "g.jsonl", content("g"))
    house.land()
    reasons = [reason for state, reason in states(house).values() if state == "refused" and reason]
    assert sorted(reason.split(":")[0] for reason in reasons) == [
        "unreadable_gzip", "unreadable_gzip", "unreadable_parquet", "unreadable_parquet", "unreadable_zst",
    ]  # fmt: skip
    assert requests(house) == ["g"]


@pytest.mark.parametrize("extension", ["gz", "zst"])
def test_a_small_file_that_unpacks_to_more_than_a_gigabyte_is_refused_in_bounded_memory(
    tmp_path: Path, extension: str
) -> None:
    piece = bytes(64 << 20)
    packed = gzip.compress(piece) if extension == "gz" else zstd.compress(piece)
    bomb = tmp_path / f"bomb.jsonl.{extension}"
    bomb.write_bytes(packed * 32)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UnreadableFile, match=rf"decompression_bomb: .* MB, over {BOMB_RATIO} times what it takes"):
        digest_file(bomb)
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kb < 100 << 10
    assert bomb.stat().st_size * BOMB_RATIO < BOMB_BYTES * 2


def test_a_log_that_repeats_itself_is_no_bomb(tmp_path: Path) -> None:
    """A long prompt in every line packs a few hundred times, and is what logs of agents look like."""
    prompt = "You are a helpful assistant. " * 1000
    lines = "".join(json.dumps({"ts": f"{DAY}T10:00:00Z", "request_id": f"r{n}", "system_text": prompt}) for n in range(500))
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(zstd.compress(lines.encode()))
    assert len(lines) > 100 * path.stat().st_size
    assert digest_file(path).bytes == len(lines)


def test_a_log_rotated_by_renaming_counts_once(house: House) -> None:
    log = put(house, "app.jsonl", content("r1", "r2"))
    house.land()
    log.rename(log.with_name("app-1.jsonl"))
    put(house, "app.jsonl", content("r3"))
    house.land()
    put(house, "app-1.jsonl.gz", gzip.compress(log.with_name("app-1.jsonl").read_bytes()))
    log.with_name("app-1.jsonl").unlink()
    house.land()
    assert requests(house) == ["r1", "r2", "r3"]
    assert states(house)["gateway/app-1.jsonl.gz"] == ("copy", None)


def test_a_log_that_logrotate_renamed_before_anybody_looked_lands_and_counts_once(house: House) -> None:
    put(house, "app.jsonl.1", content("r1"))
    put(house, "app.jsonl.2.gz", gzip.compress(content("r2")))
    put(house, "app.jsonl-20261109.zst", zstd.compress(content("r3")))
    log = put(house, "app.jsonl", content("r4"))
    house.land()
    log.rename(log.with_name("app.jsonl.3"))
    house.land()
    assert requests(house) == ["r1", "r2", "r3", "r4"]
    assert states(house)["gateway/app.jsonl.3"] == ("copy", None)


def test_a_log_rotated_by_copying_and_truncating_counts_once_whenever_it_is_looked_at(house: House) -> None:
    log = put(house, "app.jsonl", content("r1"))
    house.land()
    log.write_bytes(content("r1", "r2"))
    put(house, "app-1.jsonl", content("r1", "r2"))
    house.land()
    log.write_bytes(b"")
    house.land()
    log.write_bytes(content("r3"))
    house.land()
    log.write_bytes(content("r3", "r4"))
    house.land()
    assert requests(house) == ["r1", "r2", "r3", "r4"]


def test_a_file_packed_anew_is_a_copy_however_it_is_packed(house: House) -> None:
    body = content("r1", "r2")
    put(house, "a.jsonl", body)
    put(house, "b.jsonl.gz", gzip.compress(body))
    put(house, "c.jsonl.gz", gzip.compress(body[:100], 1) + gzip.compress(body[100:], 9))
    put(house, "d.jsonl.zst", zstd.compress(body))
    put(house, "e.ndjson", body)
    house.land()
    assert [state for state, _ in states(house).values()] == ["landed", *["copy"] * 4]
    assert requests(house) == ["r1", "r2"]


def test_the_same_request_in_two_formats_is_one_request(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SOURCES, "otel", Source("otel", "otlp"))
    span = {
        "traceId": "5" * 32, "spanId": "6" * 16, "name": "chat large",
        "startTimeUnixNano": "1794132000000000000", "endTimeUnixNano": "1794132001000000000",
        "attributes": [
            {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
            {"key": "gen_ai.request.model", "value": {"stringValue": "large"}},
            {"key": "gen_ai.response.id", "value": {"stringValue": "chatcmpl-1"}},
        ],
    }  # fmt: skip
    put(house, "a.jsonl", content("chatcmpl-1"))
    put(house, "b.jsonl", json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode(), "otel")
    house.night()
    assert house.ask("select request_id, day::varchar from logs.requests") == [("chatcmpl-1", DAY)]
    assert house.ask("select count(*) from logs.duplicates") == [(1,)]


ORDERS = "\x1b[31mred\x1b]0;title\x07\x9b2J\u202edesrever"


def test_no_order_of_a_log_reaches_the_terminal(
    house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(house, f"a{ORDERS}.jsonl", json.dumps(request("r", f"{DAY}T10:00:00Z", feature=ORDERS)).encode())
    house.night()
    monkeypatch.setenv("NOCTURNE_DATA", str(house.root / "data"))
    assert ask.main(["select feature, path from logs.requests, logs.files"]) == 0
    assert ask.main([f"select '{ORDERS}'::integer"]) == 2
    check_source([str(path), "--format", "canonical"])
    said = capsys.readouterr()
    text = said.out + said.err
    assert text.count("red") >= 5, "it is shown, as what it is"
    assert not set(text) & {"\x1b", "\x07", "\x9b", "\u202e", "\r"}


def test_what_is_shown_of_a_name_tells_it_from_another() -> None:
    assert terminal.one_line("a\x1b\n\u202e\udcff\x85b") == r"a\x1b\n\u202e\udcff\x85b"
    assert terminal.lines("a\x1b\nb") == "a\\x1b\nb"
    assert terminal.markdown_cell("a|b\n<x>`") == r"a\|b\\n&lt;x>\`"


def test_nothing_writes_files_for_spreadsheets() -> None:
    """Names that begin with = + - @ are formulas to a spreadsheet. They stay as they are in tables, which are not CSV;
    the one file that is made for spreadsheets escapes each cell (tests/e2e/test_label_export.py)."""
    folders = ("pipelines", "assets", "resources")
    writers = ("csv.writer", "csv.DictWriter", "to_csv", "write_csv", "to_excel", "format csv")
    found = {
        f"{path.relative_to(REPO)}: {writer}"
        for folder in folders
        for path in (REPO / folder).rglob("*.py")
        for writer in writers
        if writer in path.read_text(encoding="utf-8")
    }
    assert found == {"assets/quality/label_export.py: csv.writer"}


_NIGHT = """
import json, resource, sys
from pathlib import Path
from core import core_house, priced
from house import request
house, number = priced(core_house(Path(sys.argv[1]))), int(sys.argv[2])
(house.landing / "gateway").mkdir(parents=True)
with (house.landing / "gateway" / "a.jsonl").open("w") as file:
    for n in range(number):
        file.write(json.dumps(request(f"r{n}", "2026-11-08T10:00:00Z", tenant=f"t{n}")) + "\\n")
house.night()
((tenants, cost),) = house.ask("select count(distinct tenant), sum(contracted_amount) from cost.cost_15min")
published_kb = house.publisher.door.resolve().stat().st_size >> 10
print(tenants, cost, published_kb, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)
"""


@pytest.mark.proof
def test_a_million_tenants_are_computed_and_published_in_bounded_memory(tmp_path: Path) -> None:
    path = os.pathsep.join([str(REPO), str(REPO / "tests")])
    command = [sys.executable, "-c", _NIGHT, str(tmp_path), "1000000"]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=True)
    tenants, cost, published_kb, memory_mb = done.stdout.splitlines()[-1].split()  # DuckDB's progress stands before it.
    assert (int(tenants), Decimal(cost)) == (1_000_000, Decimal(2800))
    assert int(published_kb) < 2_000
    assert int(memory_mb) < 3_000
