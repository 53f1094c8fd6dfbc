"""What a killed process leaves behind, and what changes meanwhile: moved files, runs in flight, half-written snapshots."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from core import core_contracts, core_house, file_states, priced
from crash_house import crash_house, leftovers, prepare, priced_anew, published_copy, seen_by_readers
from house import request
from killing import run_worker

from pipelines.jobs import COMPUTE, LAND
from pipelines.runs import Runs
from resources import audit, process_mark
from resources.contracts import Contract
from resources.landing_area import Candidate, FolderArea
from resources.maintenance import vacuum
from resources.table_store import TableStore
from resources.warehouse_resource import PROCESS_TAG

ONE_DAY = [request(f"r{n}", f"2026-11-08T{n:02}:00:00Z") for n in range(3)]


def landed_rows(house: Any) -> list[tuple[Any, ...]]:
    return house.store.rows(
        f"select source, count(*), count(distinct request_id) from ({house.store.scan_all('logs.landed')}) group by source"
    )


def kill_landing(root: Path) -> None:
    """Kill it between the rows and the file's entry in logs.files."""
    assert run_worker(root, "night", failpoint="land.quarantine_appended").ended_by_kill()


def test_a_file_moved_to_another_source_after_a_kill_is_counted_as_it_was_begun(tmp_path: Path) -> None:
    house = priced(core_house(tmp_path))
    path = house.deliver("a.jsonl", ONE_DAY)
    kill_landing(tmp_path)
    moved = house.landing / "replacing" / "b.jsonl"
    moved.parent.mkdir()
    path.rename(moved)
    house = core_house(tmp_path)
    house.night()
    assert landed_rows(house) == [("gateway", 3, 3)]
    assert set(file_states(house)) == {("gateway/a.jsonl", "landed"), ("replacing/b.jsonl", "copy")}
    assert house.ask("select count(*) from logs.requests") == [(3,)]
    assert house.is_quiet() and leftovers(house) == []


def test_a_file_taken_away_after_a_kill_is_counted_when_its_rows_are_there(tmp_path: Path) -> None:
    house = priced(core_house(tmp_path))
    house.deliver("a.jsonl", ONE_DAY)
    kill_landing(tmp_path)
    shutil.rmtree(house.landing / "gateway")
    house = core_house(tmp_path)
    house.night()
    assert file_states(house) == [("gateway/a.jsonl", "landed")]
    assert house.ask("select count(*) from logs.requests") == [(3,)]
    assert leftovers(house) == []


def test_a_file_that_grew_after_a_kill_counts_once(tmp_path: Path) -> None:
    house = priced(core_house(tmp_path))
    house.deliver("a.jsonl", ONE_DAY[:2])
    kill_landing(tmp_path)
    house.deliver("a.jsonl", ONE_DAY)
    house = core_house(tmp_path)
    house.night()
    states = [("gateway/a.jsonl", "landed"), ("gateway/a.jsonl", "landed"), ("gateway/a.jsonl", "superseded")]
    assert sorted(file_states(house)) == states
    assert house.ask("select count(*) from logs.requests") == [(3,)]
    assert house.ask("select count(*) from logs.duplicates") == [(0,)]


def test_a_stage_whose_file_is_gone_before_its_rows_came_is_forgotten(tmp_path: Path) -> None:
    house = priced(core_house(tmp_path))
    path = house.deliver("a.jsonl", ONE_DAY)
    assert run_worker(tmp_path, "night", failpoint="land.staged").ended_by_kill()
    assert len(leftovers(house)) == 1
    path.unlink()
    house = core_house(tmp_path)
    house.night()
    assert file_states(house) == [] and leftovers(house) == []


def test_a_file_that_vanishes_while_others_are_landed_stops_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = priced(core_house(tmp_path))
    gone = house.deliver("a.jsonl", ONE_DAY[:1])
    house.deliver("b.jsonl", ONE_DAY[1:])
    listed = FolderArea.candidates

    def then_vanish(self: FolderArea, sources: Iterable[str]) -> list[Candidate]:
        found = listed(self, sources)
        gone.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(FolderArea, "candidates", then_vanish)
    report = house.land()
    assert [file.path for file in report.files] == ["gateway/b.jsonl"]
    assert report.still_written == []


def test_half_written_snapshots_of_killed_publishers_are_overwritten_and_cleared(tmp_path: Path) -> None:
    house = published_copy(prepare(tmp_path / "prepared"), tmp_path / "house")
    folder = house.publisher.folder
    before = seen_by_readers(house)
    assert run_worker(house.root, "night", failpoint="publish.file_half_written").ended_by_kill()
    assert (folder / "manifest-2.json").exists() and leftovers(house) != []
    # Another process number would do; the same one is what a container has after each restart.
    aside = f".warehouse-2.duckdb.{os.getpid()}.aside"
    for name in (aside, f"{aside}.wal", "warehouse-2.duckdb"):
        (folder / name).write_bytes(b"not a database")
    (folder / "manifest-2.json").write_text("{", encoding="utf-8")
    assert seen_by_readers(house) == before
    house = crash_house(house.root)
    house.night()
    assert house.publisher.current_number() == 2 and leftovers(house) == []
    assert seen_by_readers(house) != before
    assert house.is_quiet()


def test_publishing_and_removing_at_once_leave_readers_all_their_files(tmp_path: Path) -> None:
    house = published_copy(prepare(tmp_path / "prepared"), tmp_path / "house")
    priced_anew(house)
    house.land()
    while (plan := house.plan()).ranges:
        house.compute(plan)
    others = [crash_house(house.root), crash_house(house.root)]
    with ThreadPoolExecutor(3) as pool:
        ends = [
            pool.submit(house.publish),
            pool.submit(lambda: vacuum(others[0].publisher, others[0].now, retention_hours=0)),
            pool.submit(others[1].publish),
        ]
        numbers = [end.result() for end in ends]
    assert {numbers[0].number, numbers[2].number} == {2}
    seen_by_readers(crash_house(house.root))
    assert audit.broken_link(audit.entries(house.store)) is None
    assert crash_house(house.root).is_quiet()


def test_acts_recorded_by_many_at_once_form_one_chain(tmp_path: Path) -> None:
    houses = [core_house(tmp_path) for _ in range(4)]

    def record(number: int) -> None:
        for act in range(5):
            audit.append(houses[number].store, "tested", f"{number}.{act}", {}, houses[number].now)
            audit.append(houses[number].store, "tested", "what all of them record", {}, houses[number].now)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(record, range(4)))
    chain = audit.entries(houses[0].store)
    assert audit.broken_link(chain) is None
    assert len(chain) == 4 * 5 + 1


def test_two_processes_that_add_the_same_columns_both_go_on(tmp_path: Path) -> None:
    contract = core_contracts()["logs.request_days"]
    TableStore(tmp_path, durable=False).open(replace(contract, columns=contract.columns[:-1]))

    class Overtaken(TableStore):
        """Another process adds the columns just before this one does."""

        def _evolve(self, contract: Contract, delta: Any) -> None:
            if not hasattr(self, "was_overtaken"):
                self.was_overtaken = True
                TableStore(self.root, durable=False).open(contract)
            super()._evolve(contract, delta)

    opened = Overtaken(tmp_path, durable=False).open(contract)
    assert not opened.has_whole_files
    assert opened.version == TableStore(tmp_path, durable=False).open(contract).version


@pytest.mark.parametrize("job", [LAND, COMPUTE])
def test_a_run_killed_before_its_first_step_is_buried(job: str) -> None:
    dead = process_mark.process_mark("run").removeprefix("run:").replace(f":{os.getpid()}:", ":999999999:")
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(_job(job))
        instance.add_run_tags(run.run_id, {PROCESS_TAG: f"{run.run_id}:{dead}"})
        assert Runs(instance, job).is_in_flight()
        assert Runs(instance, job).bury_the_dead() == [run.run_id]
        assert not Runs(instance, job).is_in_flight()


def test_a_retried_run_is_not_buried_for_the_mark_it_inherited() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(_job(COMPUTE))
        inherited = process_mark.process_mark("its parent").replace(f":{os.getpid()}:", ":999999999:")
        instance.add_run_tags(run.run_id, {PROCESS_TAG: inherited})
        assert Runs(instance, COMPUTE).bury_the_dead() == []


def test_a_process_that_got_the_number_of_a_dead_one_is_told_from_it() -> None:
    mark = process_mark.process_mark("run")
    assert not process_mark.is_gone(mark, "run")
    own, _, beginning = mark.rpartition(":")
    assert process_mark.is_gone(f"{own}:{beginning}1", "run")
    assert not process_mark.is_gone("", "run")
    assert not process_mark.is_gone(mark.replace("run:", "run:another-machine", 1), "run")


def _job(name: str) -> dg.JobDefinition:
    @dg.op(name=f"{name}_op")
    def nothing() -> None:
        return None

    @dg.job(name=name)
    def job() -> None:
        nothing()

    return job
