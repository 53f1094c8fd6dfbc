"""Panels: a file is one, its tables may be missing, and whatever stands in the rows is shown as words."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from core import core_contracts
from house import House, request
from pages_house import HOSTILE, pages_door, pages_house

from apps.pages import charts, drawings
from apps.pages.board import Shown, board
from apps.pages.door import Door, Snapshot
from apps.pages.figures import NOT_MEASURED, change, figure, interval
from apps.pages.pages import ADDRESSES
from apps.pages.panels import SQL, Panel, PanelError, panels, read_panel
from apps.pages.report import report
from apps.pages.templates import environment
from resources.warehouse import AnalystError, ask

PAGES = ("executive", "on_call", "debug", "request")
DAY = date(2026, 11, 9)
HEAD = "-- title: T\n-- show: {show}\n-- unit: {unit}\n-- section: S\n-- meaning: M.\n"


@pytest.fixture(scope="module")
def house() -> House:
    return pages_house()


@pytest.fixture(scope="module")
def snapshot(house: House) -> Iterator[Snapshot]:
    yield pages_door(house).snapshot()


def shown(snapshot: Snapshot, page: str, root: Path = SQL) -> dict[str, Shown]:
    made = board(snapshot, page, {"day": DAY, "days": 30, "request_id": "whole"}, root=root)
    return {one.panel.name: one for section in made.sections for one in section.shown}


def panel_file(root: Path, name: str, sql: str, show: str = "table", unit: str = "facts", page: str = "p") -> Path:
    path = root / page / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEAD.format(show=show, unit=unit) + sql, encoding="utf-8")
    return path


# the panels of the project


@pytest.mark.parametrize("page", PAGES)
def test_every_panel_is_answered_by_a_published_file(snapshot: Snapshot, page: str) -> None:
    found = shown(snapshot, page)
    assert found.keys() == {panel.name for panel in panels(page)}, "none is absent where all tables are published"
    assert {name: one.problem for name, one in found.items() if one.problem} == {}


def test_figures_are_those_of_the_rows(snapshot: Snapshot) -> None:
    found = shown(snapshot, "executive")
    tiles = {name: one.tile for name, one in found.items() if one.tile}
    assert tiles["requests"].value == "11" and tiles["error_rate"].value == "9.1 %" and tiles["error_rate"].n == "11"
    assert tiles["hallucinated"].value == NOT_MEASURED, "nobody has judged: that is not zero"
    assert tiles["satisfaction"].value == "100 %" and tiles["satisfaction"].span.endswith("–100 %")
    on_call = shown(snapshot, "on_call")
    assert on_call["bypass_count"].tile is not None and on_call["bypass_count"].tile.value == "1"


def test_one_request_has_its_steps_its_money_and_its_documents(snapshot: Snapshot) -> None:
    found = shown(snapshot, "request")
    assert "retrieval" in found["steps"].drawing and "40 ms" in found["steps"].drawing
    tokens, documents = found["tokens"].table, found["documents"].table
    assert tokens is not None and [row[4].text for row in tokens.rows] == ["$0.00150", "$0.000600"]
    assert documents is not None and documents.rows[0][1].text == HOSTILE


# panels as files


def test_a_new_panel_is_a_file(snapshot: Snapshot, tmp_path: Path) -> None:
    panel_file(tmp_path, "10_mine.sql", "select day, count(*) as n from logs.requests group by day order by day;")
    table = shown(snapshot, "p", tmp_path)["mine"].table
    assert table is not None
    assert [[cell.text for cell in row] for row in table.rows] == [["2026-11-08", "6"], ["2026-11-09", "5"]]


def test_a_panel_without_its_table_is_absent_and_said_to_be(snapshot: Snapshot, tmp_path: Path) -> None:
    panel_file(tmp_path, "10_there.sql", "select 1 as one from logs.requests")
    panel_file(tmp_path, "11_not_yet.sql", "with a as (select * from cost.to_come where day = $day) select * from a")
    made = board(snapshot, "p", {"day": DAY}, root=tmp_path)
    assert [one.panel.name for section in made.sections for one in section.shown] == ["there"] and made.absent == ("T",)


def test_a_panel_that_cannot_be_asked_says_so_and_the_others_stand(snapshot: Snapshot, tmp_path: Path) -> None:
    panel_file(tmp_path, "10_no_column.sql", "select nothing_of_the_kind from logs.requests")
    panel_file(tmp_path, "11_no_value.sql", "select 1 as one from logs.requests", "tile")
    panel_file(tmp_path, "12_writes.sql", "create table x as select 1")
    panel_file(tmp_path, "13_good.sql", "select 1 as one")
    found = shown(snapshot, "p", tmp_path)
    assert "nothing_of_the_kind" in found["no_column"].problem and "lacks the columns value" in found["no_value"].problem
    assert found["writes"].problem and found["good"].table is not None


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("mine.sql", HEAD + "select 1", "two digits"),
        ("10_a.sql", "select 1", "begin with a comment"),
        ("10_a.sql", "-- title: [\nselect 1", "is no YAML"),
        ("10_a.sql", "-- title: T\nselect 1", "lacks meaning, section, show, unit"),
        ("10_a.sql", HEAD.format(show="pie", unit="facts") + "select 1", "`show: pie` is none of"),
        ("10_a.sql", HEAD.format(show="tile", unit="furlong") + "select 1", "`unit: furlong`"),
        ("10_a.sql", "-- colour: red\n" + HEAD.format(show="tile", unit="share") + "select 1", "says colour"),
        ("10_a.sql", "-- columns: none\n" + HEAD.format(show="tile", unit="share") + "select 1", "cannot be read"),
    ],
)
def test_a_file_that_is_no_panel_says_what_it_lacks(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(PanelError, match=said):
        read_panel(tmp_path / name)


def test_two_panels_of_one_name_are_refused(tmp_path: Path) -> None:
    for place in (10, 11):
        panel_file(tmp_path, f"{place}_same.sql", "select 1 as one")
    with pytest.raises(PanelError, match="two files are called same"):
        panels("p", tmp_path)


# what stands in rows


@pytest.mark.parametrize("show", ["tile", "line", "bars", "table", "facts", "steps"])
def test_markup_in_rows_is_words_however_it_is_shown(snapshot: Snapshot, tmp_path: Path, show: str) -> None:
    columns = "$name as value" if show == "tile" else "0.5 as value"
    sql = f"""select {columns}, $name as name, $name as series, $name as step, 0 as start_ms, 1 as duration_ms,
        current_date as moment, $name as state, $name as runbook, $name as request_id, $name as evidence"""
    panel_file(tmp_path, "10_x.sql", sql.replace("$name", f"'{HOSTILE.replace(chr(39), chr(39) * 2)}'"), show)
    made = board(snapshot, "p", {}, root=tmp_path)
    page = environment().get_template("on_call.html").render(
        board=made, is_live=True, stale="", page="on_call", addresses=ADDRESSES, link_sql=lambda _: "",
    )  # fmt: skip
    assert "window.hacked" in page and "<script>window" not in page and "<img src=x" not in page


def test_what_is_not_measured_is_said_and_is_no_number() -> None:
    for nothing in (None, math.nan, math.inf, Decimal("NaN")):
        assert figure(nothing, "share") == NOT_MEASURED and interval(nothing, 0.5, "share") == ""
    assert figure(0.0, "share") == "0 %" and figure(0, "count") == "0"


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (Decimal("1234.5"), "USD", "$1,234.50"), (Decimal("-0.5"), "USD", "-$0.50"), (Decimal(0), "USD", "$0.00"),
        (Decimal("0.000123456"), "USD", "$0.000123"), (0.99951, "share", "99.951 %"), (0.5, "share", "50.0 %"),
        (1, "share", "100 %"), (12.4, "ms", "12 ms"), (61_000, "ms", "1.0 min"), (5.04, "times", "5.04×"),
        (1_234_567, "count", "1,234,567"), (0.0000578, "count", "0.0000578"), (True, "facts", "yes"),
        (datetime(2026, 11, 9, 8, 5, tzinfo=UTC), "facts", "2026-11-09 08:05"),
    ],
)  # fmt: skip
def test_a_figure_is_written_in_its_unit(value: object, unit: str, said: str) -> None:
    assert figure(value, unit) == said


def test_shares_move_in_points_and_all_else_in_percent() -> None:
    assert change(0.012, 0.009, "share") == "+0.30 points" and change(90, 100, "ms") == "-10 %"
    assert change(1, None, "USD") == change(1, 0, "USD") == ""


def test_a_line_has_gaps_where_nothing_was_measured() -> None:
    drawn = drawings.spark([1, None, math.nan, 3, 4], target=2)
    assert drawn.count("M") == 3 and "NaN" not in drawn and "spark-target" in drawn
    assert drawings.spark([None, 1]) == "", "one point is no line"


def test_each_point_of_a_chart_says_its_value_its_interval_and_its_n() -> None:
    panel = Panel("p", "x", "T", "line", "share", "M.", "S")
    row = {"moment": DAY, "value": 0.5, "low": 0.4, "high": 0.6, "n": 1200, "target": 0.7, "series": HOSTILE}
    drawn = charts.line(panel, [row, {**row, "moment": date(2026, 11, 8), "value": None}], "k")
    assert drawn.count("<title>") == 1 and "50.0 % (40.0–60.0 %) n = 1,200</title>" in drawn
    assert "<script" not in drawn and "var(--series-1)" in drawn and "style=" not in drawn


# the file


def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    house = House(tmp_path, contracts_=core_contracts())
    house.deliver("first.jsonl", [request("early", "2026-11-09T10:00:00Z")])
    house.night()
    door = Door(house.publisher.door, [house.store.data])
    before = door.snapshot()
    assert door.snapshot() is before
    house.deliver("more.jsonl", [request("late", "2026-11-09T20:00:00Z")])
    house.night()
    count = "select count(*) from logs.requests"
    assert before.ask(count, {}).rows == [(1,)], "a page that is being made keeps its snapshot"
    assert door.snapshot().ask(count, {}).rows == [(2,)]


def test_without_a_file_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AnalystError, match="make nightly"):
        Door(tmp_path / "warehouse.duckdb", []).snapshot()


def test_a_panel_can_read_no_file_and_no_words(snapshot: Snapshot, house: House) -> None:
    words = next((house.store.data / "logs" / "texts").rglob("*.parquet"), None)
    places = [__file__, *([str(words)] if words else [])]
    for question in [f"select * from read_text('{place}')" for place in places]:
        with pytest.raises(AnalystError, match="disabled by configuration"):
            ask(snapshot.con, question, {}, 1)
    assert os.path.exists(__file__)


def test_the_report_stands_alone(house: House) -> None:
    page = report(pages_door(house), 7)
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page
    assert "<script" not in page and "<link" not in page and 'href="/' not in page and "<img" not in page
    assert '<meta name="manifest" content="7">' in page and "default-src 'none'" in page
    assert "Availability" in page and "Open alerts" in page
