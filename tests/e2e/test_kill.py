"""A night that is killed anywhere, and run once more, ends in the warehouse of an undisturbed night.

The long form, over real nights through Dagster, is tests/e2e/test_kill_proof.py.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from core import core_contracts
from crash_house import crash_house, leftovers, prepare, priced_anew, published_copy, seen_by_readers, state_of
from killing import Worker, named_failpoints, run_worker

SEED = 20261110
DAY_AFTER = "2026-11-11T03:00:00"
TABLES = [c.table for c in core_contracts().values() if c.kind == "derived"]
NAMES = named_failpoints({"{contract.table}": TABLES, "{name.split('.')[1]}": ["landed", "texts", "quarantine"]})
MAINTENANCE = [name for name in NAMES if name.startswith(("compact.", "vacuum."))]
NIGHTLY = [name for name in NAMES if name.startswith(("land.", "reference.", "compute.", "table.", "publish.", "audit."))]
"""Those of other stages are killed elsewhere; tests/test_failpoints.py says that none is forgotten."""
SUPERSEDING = ["land.staged#3", "land.landed_appended#2", "land.file_recorded#3"]
"""The passes of the landing in which a file that grew takes its predecessor's place: the ones that are killed."""
REPLACING = ["land.landed_appended#4", "land.file_recorded#6"]
"""Those in which one does that is declared to replace the earlier one under its path."""


@dataclass(frozen=True)
class Scene:
    """The prepared folder, and what an undisturbed night makes of it."""

    prepared: Path
    old: dict[str, Any]
    state: dict[str, Any]
    days: list[list[Any]]
    passes: list[str]
    seconds: float


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("scene")
    prepared = prepare(folder / "prepared")
    house = published_copy(prepared, folder / "undisturbed")
    old = seen_by_readers(house)
    worker = Worker(house.root, "night", "--passes", str(folder / "passes"))
    worker.wait_until_ready()
    begun = worker.go()
    days = worker.report()["days"]
    seconds = time.monotonic() - begun
    passes = (folder / "passes").read_text(encoding="utf-8").split()
    return Scene(prepared, old, state_of(crash_house(house.root)), days, passes, seconds)


def assert_ends_as_undisturbed(scene: Scene, folder: Path) -> None:
    """Readers have the old or the new snapshot, whole; one more night makes all of it as if nothing had happened."""
    assert seen_by_readers(crash_house(folder)) in (scene.old, scene.state["published"])
    house = crash_house(folder)
    priced_anew(house)
    house.night()
    assert state_of(house) == scene.state
    assert house.is_quiet()
    assert leftovers(house) == []


def kill_and_repeat(scene: Scene, folder: Path, *failpoints: str) -> None:
    """A night killed at each of these in turn, each time as far as the kills before it let it come, and one more night."""
    house = published_copy(scene.prepared, folder)
    for failpoint in failpoints:
        assert run_worker(folder, "night", failpoint=failpoint).ended_by_kill(), f"{failpoint} was not passed"
        assert seen_by_readers(house) in (scene.old, scene.state["published"])
    assert_ends_as_undisturbed(scene, folder)


def test_the_night_meets_all_that_a_night_can_meet(scene: Scene) -> None:
    outcomes = {(outcome, rows > 0) for _, _, outcome, rows in scene.days}
    assert {("replaced", True), ("replaced", False), ("unchanged", True), ("unchanged", False)} <= outcomes
    states = " ".join(scene.state["published"]["logs.files"])
    assert all(f"'{state}'" in states for state in ("landed", "superseded", "copy", "refused"))
    assert len(scene.state["published"]["logs.duplicates"]) == 2
    assert scene.state["published"]["logs.quarantine"] and scene.state["published"]["logs.restatements"]
    assert scene.state["broken_link"] is None


def test_no_failpoint_is_left_out(scene: Scene) -> None:
    assert set(NIGHTLY) == set(scene.passes)


def test_a_night_killed_at_each_failpoint_in_turn_ends_as_if_undisturbed(scene: Scene, tmp_path: Path) -> None:
    """In the order in which a night passes them, so that after each there is something left to do for the next."""
    in_order = [name for name in dict.fromkeys(scene.passes) if name != "table.committed"]
    # The one commit of the references was killed already: the next is the landing's.
    in_order.insert(in_order.index("reference.committed") + 1, "table.committed")
    # Each day of a table, so that every kind of commit is met.
    each_day = {"compute.requests.committed": scene.passes.count("compute.requests.committed")}
    kills = [name for name in in_order for _ in range(each_day.get(name, 1))]
    assert set(kills) == set(NIGHTLY)
    kill_and_repeat(scene, tmp_path / "house", *kills)


@pytest.mark.proof
@pytest.mark.parametrize("name", NIGHTLY)
def test_a_night_killed_at_one_failpoint_ends_as_if_undisturbed(scene: Scene, tmp_path: Path, name: str) -> None:
    passes = Counter(scene.passes)[name]
    nth = random.Random(f"{SEED} {name}").randint(1, max(passes, 1))
    kill_and_repeat(scene, tmp_path / "house", f"{name}#{nth}")


@pytest.mark.parametrize("failpoint", SUPERSEDING)
def test_a_night_killed_while_a_file_takes_its_predecessors_place_ends_as_if_undisturbed(
    scene: Scene, tmp_path: Path, failpoint: str
) -> None:
    kill_and_repeat(scene, tmp_path / "house", failpoint)


@pytest.mark.proof
@pytest.mark.parametrize(("outcome", "has_rows"), [("replaced", True), ("replaced", False), ("unchanged", True)])
def test_a_night_killed_at_each_kind_of_commit_ends_as_if_undisturbed(
    scene: Scene, tmp_path: Path, outcome: str, has_rows: bool
) -> None:
    requests = [(kind, rows > 0) for table, _, kind, rows in scene.days if table == "logs.requests"]
    nth = requests.index((outcome, has_rows)) + 1
    kill_and_repeat(scene, tmp_path / "house", f"compute.requests.committed#{nth}")


@pytest.mark.parametrize("failpoint", REPLACING)
def test_a_night_killed_while_a_file_takes_anothers_place_ends_as_if_undisturbed(
    scene: Scene, tmp_path: Path, failpoint: str
) -> None:
    kill_and_repeat(scene, tmp_path / "house", failpoint)


@pytest.mark.parametrize("moment", [round(random.Random(SEED + n).random(), 3) for n in range(2)])
def test_a_night_killed_at_a_random_moment_ends_as_if_undisturbed(scene: Scene, tmp_path: Path, moment: float) -> None:
    folder = tmp_path / "house"
    published_copy(scene.prepared, folder)
    worker = run_worker(folder, "night")
    time.sleep(moment * scene.seconds)  # The kill's own moment: nothing waits for it.
    worker.kill()
    assert_ends_as_undisturbed(scene, folder)


def test_maintenance_killed_at_each_of_its_failpoints_ends_as_if_undisturbed(scene: Scene, tmp_path: Path) -> None:
    maintain = ("maintain", "--now", DAY_AFTER)
    ends = []
    for kills in ([], MAINTENANCE):
        house = published_copy(scene.prepared, tmp_path / f"killed-{len(kills)}-times")
        priced_anew(house)
        house.night()
        for name in kills:
            assert run_worker(house.root, *maintain, failpoint=name).ended_by_kill(), f"{name} was not passed"
            assert seen_by_readers(crash_house(house.root)) == scene.state["published"]
        report = run_worker(house.root, *maintain).report()
        assert kills or (report["compacted"] > 0 and report["removed"] > 0)
        house = crash_house(house.root)
        assert house.is_quiet()
        assert seen_by_readers(house) == scene.state["published"]
        snapshots = sorted(path.name for path in house.publisher.folder.iterdir())
        ends.append((state_of(house), len(list(house.store.data.rglob("*.parquet"))), snapshots))
    assert ends[0] == ends[1]
