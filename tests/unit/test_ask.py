"""`python -m pipelines.ask`: a door for reading, whatever the question tries."""

from __future__ import annotations

from pathlib import Path

import pytest
from core import priced
from retention_house import RetentionHouse, said

from pipelines import ask


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> RetentionHouse:
    house = RetentionHouse(tmp_path_factory.mktemp("warehouse"))
    priced(house)
    house.deliver("1.jsonl", [said("r1", "11-01")])
    house.night()
    return house


@pytest.fixture
def warehouse(published: RetentionHouse, monkeypatch: pytest.MonkeyPatch) -> RetentionHouse:
    monkeypatch.setenv("NOCTURNE_DATA", str(published.store.data))
    return published


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return tmp_path / "written.csv"


@pytest.mark.parametrize(
    ("question", "shown"),
    [
        ("select request_id from logs.requests", "r1"),
        ("describe logs.requests", "request_id"),
        ("summarize logs.files", "path"),
        ("show all tables", "requests"),
        ("with r as (from logs.landed) select count(*) from r;", "1"),
    ],
)
def test_what_analysts_ask_is_answered(
    warehouse: RetentionHouse, capsys: pytest.CaptureFixture[str], question: str, shown: str
) -> None:
    assert ask.main([question]) == 0
    assert shown in capsys.readouterr().out


def test_a_question_writes_no_file_even_among_the_tables(
    warehouse: RetentionHouse, written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = warehouse.store.data / "logs" / "requests" / "written.csv"
    for target in (written, table):
        for question in (
            f"copy (select 1) to '{target}'",
            f"explain analyze copy (select 1) to '{target}'",
            f"explain (analyze) copy (select 1) to '{target}'",
            f"export database '{target}'",
            f"attach '{target}' as other",
            f"select 1; copy (select 1) to '{target}'",
        ):
            assert ask.main([question]) == 2
            assert "ask: the question is one SELECT" in capsys.readouterr().err
            assert not target.exists()


def test_a_question_reads_no_file_of_the_machine_and_no_words(
    warehouse: RetentionHouse, written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written.write_text("canary\n", encoding="utf-8")
    words = next((warehouse.store.data / "logs" / "texts").rglob("*.parquet"))
    for question in (
        f"select * from read_text('{written}')",
        f"select * from '{written}'",
        f"select * from glob('{written.parent}/*')",
        f"select * from read_parquet('{words}')",
        f"select * from query('select * from read_text(''{written}'')')",
    ):
        assert ask.main([question]) == 2
        said_to_the_analyst = capsys.readouterr()
        assert "canary" not in said_to_the_analyst.out and "Permission Error" in said_to_the_analyst.err


@pytest.mark.parametrize("question", ["", ";", "selec", "set enable_external_access = true", "install httpfs"])
def test_what_is_no_question_is_refused_in_a_line(
    warehouse: RetentionHouse, capsys: pytest.CaptureFixture[str], question: str
) -> None:
    assert ask.main([question]) == 2
    assert capsys.readouterr().err.startswith("ask: ")


def test_a_setting_that_cannot_be_used_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NOCTURNE_NOW", "yesterday")
    assert ask.main(["select 1"]) == 2
    assert "NOCTURNE_NOW='yesterday' cannot be used" in capsys.readouterr().err
