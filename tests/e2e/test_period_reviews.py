"""Reviews of weeks, months and quarters: asked of what was published, written for people, and their tasks kept."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from house import House, all_contracts, price, request, selected

from assets.governance.review import KINDS, ReviewError
from pipelines.clock import WallClock
from pipelines.governance.period_reviews import PeriodReviews, package_licences
from pipelines.governance.review_seed import SECTIONS, ReviewSeedError, load_reviews
from resources.contracts import SEEDS
from resources.events import table_rows
from resources.warehouse import AnalystError, create_database, empty_rows, load_macros, open_published

REPO = Path(__file__).parents[2]


class ReviewHouse(House):
    """What a few sections ask of; the others' tables are not there."""

    def __init__(self, root: Path, now: str = "2026-11-16T05:00:00"):
        super().__init__(root, now, selected("cost.unpriced_models", "cost.trace_costs", "governance.reviews_now"))
        self.seeds = root / "seeds"
        self.seeds.mkdir(exist_ok=True)
        if not (self.seeds / "reviews.yml").exists():
            shutil.copy(SEEDS / "reviews.yml", self.seeds)

    def reviews(self, would_train: list[str] | None = None) -> PeriodReviews:
        clock = WallClock(fixed_now=self.now.isoformat())
        return PeriodReviews(self.store, self.seeds, clock, lambda: would_train or ["retriever: nothing has changed"])


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> ReviewHouse:
    """A week with a model that nobody knows, a line that cannot be read and a hostile feature; one story of all tests."""
    house = ReviewHouse(tmp_path_factory.mktemp("reviews"), "2026-11-15T05:00:00")
    house.set_prices([price("large", 2.0)])
    dear = request("r1", "2026-11-10T10:00:00Z", trace_id="t1", feature="<script>alert(1)</script>")
    unknown = request("r2", "2026-11-11T11:00:00Z", request_model="nobody-knows", response_model=None)
    house.deliver("a.jsonl", [dear, unknown, "{broken"])
    house.night()
    house.now = house.now.replace(day=16)
    return house


def test_a_kill_between_the_page_and_its_tasks_loses_none(reviewed: ReviewHouse) -> None:
    program = (
        "import sys; from pathlib import Path; from test_period_reviews import ReviewHouse;"
        "ReviewHouse(Path(sys.argv[1])).reviews().write()"
    )
    environment = {**os.environ, "NOCTURNE_FAILPOINT": "review.written"}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, (REPO, REPO / "tests", REPO / "tests" / "e2e")))
    assert subprocess.run([sys.executable, "-c", program, str(reviewed.root)], env=environment, check=False).returncode == -9
    assert table_rows(reviewed.store, "governance.reviews") == []
    assert reviewed.reviews().write().new_tasks >= 1


def test_a_week_becomes_tasks_with_owners_and_days_and_twice_is_once(reviewed: ReviewHouse) -> None:
    written = reviewed.reviews().write()
    assert written.review.period.review == "weekly/2026-W46"
    found = {task["section"]: task for task in written.review.tasks()}
    assert "quarantine" in found and found["quarantine"]["owner"] == "team:data-platform"
    assert "| nobody-knows |" not in written.text, "prices are a matter of the month"
    assert "## The dearest traces" in written.text and "r1" not in written.text
    assert "no table for:" in written.text and "Error budgets" in written.text
    before = written.path.read_bytes()
    again = reviewed.reviews().write("weekly", "2026-W46")
    assert (again.new_tasks, again.path.read_bytes()) == (0, before)
    rows = table_rows(reviewed.store, "governance.reviews")
    assert {(row["section"], row["act"]) for row in rows} == {(name, "raised") for name in found}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (written.path, written.page)} == {0o600}


def test_the_page_runs_nothing_of_what_a_stranger_wrote(reviewed: ReviewHouse) -> None:
    html = reviewed.reviews().write().page.read_text(encoding="utf-8")
    assert "&lt;script&gt;alert" in html and "<script" not in html
    assert "default-src 'none'" in html and "<table>" in html


def test_a_task_that_nobody_ended_is_in_the_next_review_and_one_that_was_is_not(reviewed: ReviewHouse) -> None:
    task = "weekly/2026-W46/quarantine"
    with pytest.raises(ReviewError, match="say what was done"):
        reviewed.reviews().say(task, "done", "ana", " ")
    reviewed.now = reviewed.now.replace(day=24)
    reviewed.publish()
    assert "| weekly/2026-W46 | quarantine |" in reviewed.reviews().write("weekly", "2026-W47").text
    reviewed.reviews().say(task, "done", "ana", "its source was mended")
    assert task not in {f"{t['review']}/{t['section']}" for t in reviewed.reviews().open_tasks()}
    reviewed.publish()
    assert "| weekly/2026-W46 | quarantine |" not in reviewed.reviews().write("weekly", "2026-W47").text


def test_a_month_says_what_would_be_trained_and_a_quarter_under_which_licences_it_runs(reviewed: ReviewHouse) -> None:
    month = reviewed.reviews(["retriever: 120 new pairs"]).write("monthly", "2026-11")
    assert "| retriever: 120 new pairs |" in month.text and "nobody-knows" in month.text
    quarter = reviewed.reviews().write("quarterly", "2026-Q4")
    assert "Licences of the packages" in quarter.text
    columns, rows = package_licences()
    assert columns[0] == "licence" and any("duckdb" in row[2] for row in rows)


def test_before_anything_is_published_a_review_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AnalystError, match="make nightly"):
        ReviewHouse(tmp_path).reviews().write()


def test_every_section_that_ships_can_be_asked_of_the_whole_warehouse(tmp_path: Path) -> None:
    con = create_database(tmp_path / "warehouse.duckdb")
    load_macros(con)
    for contract in all_contracts().values():
        con.execute(f"create schema if not exists {contract.question}")
        columns = ", ".join(
            f"{c.name} at time zone 'UTC' as {c.name}" if c.type == "TIMESTAMPTZ" else c.name
            for c in contract.columns
            if c.class_ != "text"
        )
        con.execute(f"create table {contract.name} as select {columns} from ({empty_rows(contract)})")
    con.close()
    asked = [one for kind in KINDS for one in load_reviews(SEEDS / "reviews.yml")[kind]]
    assert {one.section.name for one in asked if one.sql} == {path.stem for path in SECTIONS.glob("*.sql")}
    con = open_published(tmp_path / "warehouse.duckdb")
    bound = {"first": "2026-11-09", "last": "2026-11-15", "first_before": "2026-11-02"}
    for one in asked:
        if one.sql:
            named = {name: f"date '{day}'" for name, day in bound.items()}
            sql = one.sql
            for name in sorted(named, key=len, reverse=True):
                sql = sql.replace(f"${name}", named[name])
            assert con.execute(sql).fetchall() == [], one.section.name
    con.close()


@pytest.mark.parametrize(
    ("told", "match"),
    [
        ({"daily": {}}, "mapping, reviews, of weekly"),
        ({"weekly": {"unpriced": {"do": "price them"}}}, "has an owner"),
        ({"weekly": {"unprized": None}}, "has no unprized.sql; sections: .*unpriced"),
        ({"weekly": {"../seeds/x": None}}, "has no"),
        ({"weekly": {"unpriced": {"due": 3}}}, "due_days"),
        ({"weekly": {"unpriced": {"due_days": "soon"}}}, "whole number"),
    ],
)
def test_a_faulty_seed_says_which_entry(tmp_path: Path, told: object, match: str) -> None:
    (tmp_path / "reviews.yml").write_text(yaml.safe_dump({"reviews": told}))
    with pytest.raises(ReviewSeedError, match=match):
        load_reviews(tmp_path / "reviews.yml")
