"""A disk that fills up, or turns read-only, anywhere in a night: readers keep what they have, one more run mends the rest.

A real file system runs out of room (tests/small_disk.py): the k-th new file has no place, or the n-th byte. The long form
tries many more of both, and writes docs/proofs/disk.md.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from crash_house import crash_house, leftovers, prepare, priced_anew, published_copy, seen_by_readers, state_of
from house import House, price, request
from killing import REPO
from night_worker import maintain
from retention_house import RetentionHouse, retained_night
from retention_house import said as spoken
from small_disk import SmallDisk, small_disk

from pipelines.settings import INSTANCE_YAML
from resources import disk_trouble, maintenance
from resources.warehouse import open_published

SEED = 20261121
SECONDS = float(os.environ.get("NOCTURNE_PROOF_SECONDS", "420"))
RESULT = REPO / "docs" / "proofs" / "disk.md"
_HEADING = """# Nights on a disk that fills up

A small file system is left with room for so many new files, or so many bytes, and a night (landing, prices, computing,
publishing), a maintenance (compaction, removal) or a retention (closing, removal, the night after it) is run on it until it
fails. *Equal*: the error is one that `make nightly` explains; readers see the old or the new snapshot, whole, while the
disk is full; and one run with room again ends with the fingerprints of all tables, every row of the published file and the
chain of the audit of an undisturbed one. Trials in which the room was enough are not counted.
Written by `make proof` (tests/e2e/test_full_disk.py).

| date | scene | no room for a file | no room for bytes | equal | seed | cores | python | duckdb | deltalake | command |
|---|---|---|---|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Scene:
    """A house on a small disk: as it is before an act, what readers see then, and what an undisturbed act makes of it.

    `files` and `size_bytes` are the room that the act takes.
    """

    disk: SmallDisk
    saved: Path
    open: Callable[[Path], House]
    act: Callable[[House], object]
    old: dict[str, list[str]]
    state: dict[str, Any]
    files: int
    size_bytes: int

    @property
    def folder(self) -> Path:
        return self.disk.folder / "house"

    def begin(self) -> None:
        """The house as it is before the act, at the same place: published files name absolute paths."""
        self.disk.mend()
        shutil.rmtree(self.folder)
        shutil.copytree(self.saved, self.folder, symlinks=True)

    def fails(self) -> bool:
        """Act. Whether it failed; with what nobody would understand, the test does."""
        try:
            self.act(self.open(self.folder))
        except Exception as error:
            assert disk_trouble.explain(str(error)), repr(error)
            return True
        return False

    def assert_mended(self) -> None:
        """Readers have the old or the new snapshot; the act, once more and with room, makes all of it as undisturbed."""
        assert seen_by_readers(self.open(self.folder)) in (self.old, self.state["published"])
        self.disk.mend()
        house = self.open(self.folder)
        self.act(house)
        assert state_of(house) == self.state
        assert house.is_quiet()
        assert leftovers(house) == []
        assert [path.name for path in house.root.rglob("*#*")] == [], "a commit that was cut short"


def scene_of(
    folder: Path, open_: Callable[[Path], House], make: Callable[[Path], object], act: Callable[[House], object]
) -> Iterator[Scene]:
    with small_disk(folder / "disk") as disk:
        house_folder = disk.folder / "house"
        make(house_folder)
        shutil.copytree(house_folder, folder / "saved", symlinks=True)
        old = seen_by_readers(open_(house_folder))
        with disk.most_used() as used:
            act(open_(house_folder))
        yield Scene(disk, folder / "saved", open_, act, old, state_of(open_(house_folder)), *used)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("night")

    def act(house: House) -> None:
        priced_anew(house)
        house.night()

    yield from scene_of(folder, crash_house, partial(published_copy, prepare(folder / "prepared")), act)


@pytest.fixture(scope="module")
def maintained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("maintained")
    prepared = prepare(folder / "prepared")

    def make(target: Path) -> None:
        house = published_copy(prepared, target)
        priced_anew(house)
        house.night()

    def act(house: House) -> None:
        maintain(crash_house(house.root, "2026-11-11T03:00:00"))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(maintenance, "MANY_FILES", 1)
        yield from scene_of(folder, crash_house, make, act)


@pytest.fixture(scope="module")
def retained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    def opened(folder: Path) -> RetentionHouse:
        return RetentionHouse(folder, now="2026-11-16T03:00:00")

    def make(target: Path) -> None:
        house = RetentionHouse(target, now="2026-11-10T03:00:00")
        house.set_prices([price("large", 2.0)])
        for number in range(1, 10, 2):
            house.deliver(
                f"{number}.jsonl", [spoken(f"r{number}", f"11-0{number}"), spoken(f"r{number + 1}", f"11-0{number}")]
            )
        house.night()

    yield from scene_of(tmp_path_factory.mktemp("retained"), opened, make, lambda house: retained_night(house))  # type: ignore[arg-type]


@pytest.mark.parametrize("scene", ["night", "maintained", "retained"])
@pytest.mark.parametrize("what", ["files", "size_bytes"])
def test_a_disk_that_fills_up_harms_no_reader_and_one_more_run_mends_the_rest(
    request: pytest.FixtureRequest, scene: str, what: str
) -> None:
    found: Scene = request.getfixturevalue(scene)
    chance = random.Random(f"{SEED} {scene} {what}")
    room = int(max(getattr(found, what), 1) * chance.random())
    found.begin()
    found.disk.leave(**{what: room})
    assert found.fails(), f"room for {room} {what} was enough"
    found.assert_mended()


def test_a_published_file_that_could_not_be_written_whole_is_not_put_before_readers(night: Scene) -> None:
    """Closing a DuckDB file writes it, and is silent where that fails: readers had a file without a table."""
    night.begin()
    house = crash_house(night.folder)
    priced_anew(house)
    house.land()
    while (plan := house.plan()).ranges:
        house.compute(plan)
    said: list[str] = []
    for room in range(0, night.size_bytes, 2**16):
        night.disk.leave(size_bytes=room)
        try:
            crash_house(night.folder).publish()
            break
        except Exception as error:
            said.append(str(error))
        assert seen_by_readers(crash_house(night.folder)) == night.old
    assert any("checkpoint" in words for words in said), "the file was there, and the disk full before all was in it"
    night.assert_mended()


@pytest.mark.parametrize("scene", ["night", "maintained", "retained"])
def test_a_disk_that_turned_read_only_harms_no_reader(request: pytest.FixtureRequest, scene: str) -> None:
    found: Scene = request.getfixturevalue(scene)
    found.begin()
    found.disk.refuse_writes()
    assert found.fails()
    found.assert_mended()


def test_make_nightly_tells_of_a_full_disk_in_a_sentence_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        house = House(disk.folder, "2026-11-10T03:00:00")
        house.deliver("a.jsonl", [request_of(n) for n in range(3)])
        for room in (0, 2 * 2**20):
            disk.leave(size_bytes=room)
            ended = make_nightly(disk.folder)
            said = ended.stdout + ended.stderr
            assert ended.returncode in (1, 2), said
            assert "Traceback" not in said and "the disk is full; nothing that was published is harmed" in said
        disk.mend()
        ended = make_nightly(disk.folder)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        # A copy that was cut short would have been an instance with other settings from then on.
        assert (disk.folder / "home" / "dagster" / "dagster.yaml").read_bytes() == INSTANCE_YAML.read_bytes()
        con = open_published(house.publisher.door)
        assert con.execute("select count(*) from logs.requests").fetchall() == [(3,)]
        con.close()


def request_of(number: int) -> dict[str, Any]:
    return request(f"r{number}", f"2026-11-08T{number:02}:00:00Z")


def make_nightly(root: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NOCTURNE_", "DAGSTER_"))}
    environment |= {
        "NOCTURNE_HOME": str(root / "home"), "NOCTURNE_DATA": str(root / "data"), "NOCTURNE_LANDING": str(root / "landing"),
        "NOCTURNE_NOW": "2026-11-10T03:00:00", "NOCTURNE_SETTLE_SECONDS": "0",
    }  # fmt: skip
    command = [sys.executable, "-W", "ignore", "-m", "pipelines.nightly", "--no-sample", "--no-validation"]
    return subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.proof
@pytest.mark.parametrize("scene", ["night", "maintained", "retained"])
def test_a_disk_that_fills_up_anywhere_harms_no_reader(request: pytest.FixtureRequest, scene: str) -> None:
    found: Scene = request.getfixturevalue(scene)
    files, sizes = list(range(found.files)), list(range(0, found.size_bytes, 4096))
    for numbers in (files, sizes):
        random.Random(SEED).shuffle(numbers)
    # In turn, so that both have their share of the time.
    rooms = [
        room for n in range(len(sizes)) for room in (*(("files", m) for m in files[n : n + 1]), ("size_bytes", sizes[n]))
    ]
    begun, failed = time.monotonic(), {"files": 0, "size_bytes": 0}
    for what, room in rooms:
        if time.monotonic() - begun > SECONDS / 3:
            break
        found.begin()
        found.disk.leave(**{what: room})
        failed[what] += found.fails()
        found.assert_mended()
    assert sum(failed.values())
    if not RESULT.exists():
        RESULT.write_text(_HEADING, encoding="utf-8")
    facts = [
        datetime.now(UTC).date().isoformat(), scene, failed["files"], failed["size_bytes"], sum(failed.values()), SEED,
        os.cpu_count(), sys.version.split()[0], version("duckdb"), version("deltalake"),
        f"`NOCTURNE_PROOF_SECONDS={SECONDS:g} make proof`",
    ]  # fmt: skip
    with RESULT.open("a", encoding="utf-8") as page:
        page.write(f"| {' | '.join(map(str, facts))} |\n")
