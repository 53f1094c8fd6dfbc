"""The file that analysts open: its rows are those that the manifest names, and it says what they mean."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from core import core_house, priced
from house import House, request

from assets.checks import rules
from resources.computing import compute_day
from resources.day_inputs import DayInputs
from resources.published_file import build, shown_columns
from resources.warehouse import open_published


@pytest.fixture
def core(tmp_path: Path) -> House:
    house = priced(core_house(tmp_path))
    house.deliver("a.jsonl", [request("r1", "2026-11-08T10:00:00Z")])
    house.night()
    return house


def test_files_that_land_while_a_snapshot_is_written_are_not_in_it(core: House, tmp_path: Path) -> None:
    publisher = core.publisher
    current = publisher.manifest()
    draft, choice = publisher.draft(current, core.last_due_day, {})
    core.deliver("b.jsonl", [request("r2", "2026-11-08T11:00:00Z")])
    core.land()
    manifest = draft | {"number": 2, "published_at": core.now.isoformat()}
    publisher._locate_files(manifest, current, choice)
    build(core.store, manifest, choice, tmp_path / "slow.duckdb")
    con = open_published(tmp_path / "slow.duckdb")
    assert con.execute("select path from logs.files").fetchall() == core.ask("select path from logs.files")
    assert con.execute("select count(*) from logs.landed").fetchall() == [(1,)]
    con.close()
    core.night()
    assert core.ask("select count(*) from logs.files") == [(2,)]


def test_every_table_and_column_that_analysts_see_has_its_meaning_beside_it(core: House) -> None:
    said = "select count(*), count(comment) from"
    shown = sum(len(shown_columns(contract)) for contract in core.store.contracts.values())
    assert core.ask(f"{said} duckdb_columns() where not internal") == [(shown, shown)]
    things = "(select comment from duckdb_views() where not internal union all select comment from duckdb_tables())"
    assert core.ask(f"{said} {things}") == [(len(core.store.contracts),) * 2]


def test_a_later_file_of_a_process_shows_and_means_the_same_and_words_come_out_of_no_door(core: House) -> None:
    columns = "schema_name, table_name, column_name, data_type, comment"
    shape = f"select {columns} from duckdb_columns() where not internal order by all"
    before = core.ask(shape)
    core.deliver("b.jsonl", [request("r2", "2026-11-08T11:00:00Z", prompt_text="hush")])
    core.night()
    assert core.ask(shape) == before
    assert core.ask("select count(*) from logs.requests") == [(2,)]
    shown = [column.name for column in shown_columns(core.store.contracts["logs.texts"])]
    assert "text" not in shown
    assert [name for name, *_ in core.ask("describe from logs.texts_rows()")] == shown


def test_a_warehouse_that_was_moved_is_published_anew_with_the_days_that_it_kept(core: House, tmp_path: Path) -> None:
    requests = "select request_id from logs.requests"
    core.deliver("late.jsonl", [request("r2", "2026-11-08T11:00:00Z")])
    core.land()
    contract, (days,) = core.store.contracts["logs.requests"], core.plan().ranges
    compute_day(core.store, contract, days.first, DayInputs(core.store, days.pins), rules(contract))
    core.publish()
    assert core.ask(requests) == [("r1",)], "its question is behind, so that readers keep the files of the day before"

    there = tmp_path / "there"
    for folder in ("data", "home", "landing"):
        shutil.move(core.root / folder, there / folder)
    moved = core_house(there)
    assert moved.publish().is_new
    assert moved.ask(requests) == [("r1",)]
    assert not moved.publish().is_new
    moved.night()
    assert moved.ask(f"{requests} order by all") == [("r1",), ("r2",)]
