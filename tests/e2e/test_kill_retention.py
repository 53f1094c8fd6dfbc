"""Retention and the change of the key, killed at each of their named steps, end as if they had not been."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from crash_house import state_of
from house import price
from killing import named_failpoints, run_worker
from retention_house import RetentionHouse, said

from resources import audit
from resources.key_record import open_keyring

SEED = 20261113
BEFORE, NOW = "2026-11-10T03:00:00", "2026-11-16T03:00:00"
NAMES = [n for n in named_failpoints({"{contract.table}": [], "{name.split('.')[1]}": []}) if n.startswith("retain.")]


@dataclass(frozen=True)
class Scene:
    """A prepared folder, what an undisturbed retention makes of it, and the failpoints that it passes."""

    prepared: Path
    state: dict[str, Any]
    files: list[str]
    passes: Counter[str]


def copied(prepared: Path, target: Path) -> RetentionHouse:
    """A copy with its first nights published; published files name absolute paths, so not before."""
    shutil.copytree(prepared, target)
    RetentionHouse(target, now=BEFORE).publish()
    return RetentionHouse(target, now=NOW)


def left(house: RetentionHouse) -> list[str]:
    """How many files each day of a table has, but the audit's; what lies in the landing folder and in staging."""
    tables = Counter(str(p.parent.relative_to(house.store.data)) for p in house.store.data.glob("[!g]*/*/day=*/*.parquet"))
    lying = [p for folder in (house.landing, house.area().stages) for p in folder.rglob("*") if p.is_file()]
    return [*(f"{folder}: {n}" for folder, n in sorted(tables.items())), *sorted(p.name for p in lying)]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("scene")
    house = RetentionHouse(folder / "prepared", now=BEFORE)
    house.set_prices([price("large", 2.0)])
    for number in range(1, 10, 2):
        house.deliver(f"{number}.jsonl", [said(f"r{number}", f"11-0{number}"), said(f"r{number + 1}", f"11-0{number}")])
    house.land()
    while (plan := house.plan()).ranges:
        house.compute(plan)
    cut_short = house.area().stages / ("0" * 32)
    cut_short.mkdir(parents=True)
    (cut_short / "texts.arrow").write_bytes(b"words of a landing that was killed")
    undisturbed = copied(house.root, folder / "undisturbed")
    worker = run_worker(undisturbed.root, "retain", "--now", NOW, "--passes", str(folder / "passes"))
    report = worker.report()
    assert report["rows"] > 20 and report["files"] == 4 and report["held"] == 1
    found = RetentionHouse(undisturbed.root, now=NOW)
    assert found.stored("logs.requests") == ["11-01", "11-07", "11-09"], "r2 of 11-01 is held"
    passes = Counter((folder / "passes").read_text(encoding="utf-8").split())
    return Scene(house.root, state_of(found), left(found), passes)


def test_no_failpoint_of_retention_is_left_out(scene: Scene) -> None:
    assert {name for name in scene.passes if name.startswith("retain.")} == set(NAMES)


def kill_and_repeat(scene: Scene, folder: Path, *failpoints: str) -> None:
    """A retention killed at each of these in turn, and one more that ends."""
    house = copied(scene.prepared, folder)
    for failpoint in failpoints:
        worker = run_worker(house.root, "retain", "--now", NOW, failpoint=failpoint)
        assert worker.ended_by_kill(), f"{failpoint} was not passed"
        # A night between the kill and the repetition shows readers no day of which half is gone.
        between = RetentionHouse(house.root, now=NOW)
        between.publish()
        counts = "select (select count(*) from logs.requests), (select count(*) from logs.request_days), "
        counts += "(select count(*) from cost.request_costs), (select count(distinct request_id) from cost.charges)"
        (row,) = between.ask(counts)
        assert len(set(row)) == 1
    run_worker(house.root, "retain", "--now", NOW).report()
    again = RetentionHouse(house.root, now=NOW)
    state, wanted = state_of(again), deepcopy(scene.state)
    published = [act for act in state["audit"] if act[1] == "published"]
    # Each night between may have published once more; all else is as if nothing had happened.
    more = len(published) - len([act for act in wanted["audit"] if act[1] == "published"])
    assert 0 <= more <= len(failpoints)
    for kept in (state, wanted):
        kept["acts"] = [(action, subject) for _, action, subject in kept["audit"] if action not in ("published", "vacuumed")]
        kept["published"] = {k: v for k, v in kept["published"].items() if k != audit.AUDIT}
    assert {k: v for k, v in state.items() if k not in ("audit", "manifest")} == {
        k: v for k, v in wanted.items() if k not in ("audit", "manifest")
    }
    assert left(again) == scene.files
    assert again.is_quiet()


def test_a_retention_killed_at_each_failpoint_in_turn_ends_as_if_undisturbed(scene: Scene, tmp_path: Path) -> None:
    """In the order in which it passes them, so that after each there is something left to do for the next."""
    in_order = [name for name in scene.passes if name in NAMES]
    assert set(in_order) == set(NAMES)
    kill_and_repeat(scene, tmp_path / "house", *in_order)


@pytest.mark.proof
@pytest.mark.parametrize("name", NAMES)
def test_a_retention_killed_at_one_failpoint_ends_as_if_undisturbed(scene: Scene, tmp_path: Path, name: str) -> None:
    nth = random.Random(f"{SEED} {name}").randint(1, scene.passes[name])
    kill_and_repeat(scene, tmp_path / "house", f"{name}#{nth}")


def test_a_change_of_key_that_is_killed_is_finished_and_not_made_twice(scene: Scene, tmp_path: Path) -> None:
    house = copied(scene.prepared, tmp_path / "house")
    before = open_keyring(house.store, house.now).key_id
    assert run_worker(house.root, "rotate", "--now", NOW, failpoint="rotate.written").ended_by_kill()
    made = run_worker(house.root, "rotate", "--now", NOW).report()["key_id"]
    keyring = open_keyring(house.store, house.now)
    assert keyring.key_ids == [before, made]
    acts = [(e["action"], e["subject"]) for e in audit.entries(house.store) if e["action"].startswith("key_")]
    assert acts == [("key_created", before), ("key_rotated", made)]
