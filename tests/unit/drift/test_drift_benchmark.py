"""The parts of benchmarks/drift.py: it runs the SQL and the tests of a night, and puts in the drift that it says."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from assets.drift.family import FLOOR
from benchmarks import drift, drift_history, drift_ours
from benchmarks.drift_nights import CATEGORIES, DRIFTING, NUMBERS, Table, Texts, with_points
from benchmarks.drift_ours import Meanings, profile_sql, profiled, vector_rows
from resources.contracts import contracts
from resources.warehouse import connect, load_macros

DAY = date(2026, 1, 5)


def test_the_statement_is_that_of_the_night_but_for_its_metrics() -> None:
    ours, made = contracts()["drift.profiles"].sql_path.read_text(encoding="utf-8"), profile_sql()
    assert made.split("numbers as (")[0] == ours.split("numbers as (")[0]
    assert made.split("cells as (")[1] == ours.split("cells as (")[1]
    assert "input_tokens" not in made
    assert all(made.count(f"'{name}'") == 2 for name in (*NUMBERS, *CATEGORIES))


def test_a_statement_of_another_shape_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "select 1")
    with pytest.raises(ValueError, match="0 places"):
        profile_sql()


def test_every_row_is_in_one_bin_of_each_column(tmp_path: Path) -> None:
    con = connect(threads=1)
    load_macros(con)
    pq.write_table(Table(3).night(0, DAY, 500), tmp_path / "night.parquet")
    profile = profiled(con, tmp_path / "night.parquet", DAY)
    counted = profile.group_by("metric").agg(pl.col("n").sum())
    assert dict(counted.iter_rows()) == dict.fromkeys((*NUMBERS, *CATEGORIES), 500)
    assert profile["segment_kind"].unique().to_list() == ["all"]
    assert list(drift_ours.read_profiles(con, _stored(tmp_path, profile)).columns) == drift_ours.PROFILE_COLUMNS


def _stored(folder: Path, profile: pl.DataFrame) -> Path:
    (folder / "profiles").mkdir()
    profile.write_parquet(folder / "profiles" / "0.parquet")
    return folder / "profiles"


def test_a_drift_changes_the_columns_it_names_and_no_other() -> None:
    quiet, drifted = Table(3).night(7, DAY, 2_000), Table(3).night(7, DAY, 2_000, drifts=True)
    assert {name for name in quiet.column_names if not quiet[name].equals(drifted[name])} == set(DRIFTING)
    for i, name in enumerate(NUMBERS):
        moved = np.log(drifted[name].to_numpy()).mean() - np.log(quiet[name].to_numpy()).mean()
        assert moved / Table(3).sigmas[i] == pytest.approx(0.3 if name in DRIFTING else 0, abs=0.01)


def test_points_are_gained_by_the_smallest_share() -> None:
    assert with_points(np.array([0.5, 0.1, 0.4]), 0.1) == pytest.approx([4 / 9, 0.2, 16 / 45])


def test_a_night_finds_the_drift_of_columns_and_nothing_in_a_quiet_one(tmp_path: Path) -> None:
    con = connect(threads=1)
    load_macros(con)
    ours = drift.our_night(con, drift.World(tmp_path / "world", 5, 3_000, 56 * 300).make())
    assert ours.quiet == []
    assert set(ours.drift) <= set(DRIFTING) and len(ours.drift) >= 8
    assert min(ours.night.cpu, ours.test.cpu, ours.before.cpu) > 0


def test_a_surge_of_a_topic_raises_a_cluster_above_the_floor() -> None:
    texts = Texts(1)
    meanings = Meanings(DAY, texts.night(0, 600))
    shares = []
    for drifts in (False, True):
        rows = meanings.profiled(DAY, vector_rows(DAY, texts.night(1, 600, drifts)))
        of_all = rows.filter((pl.col("segment_kind") == "all") & pl.col("metric").str.ends_with(".cluster"))
        shares.append(dict(of_all.select("bin", pl.col("n") / 600).iter_rows()))
    rises = [share - shares[0].get(cluster, 0) for cluster, share in shares[1].items()]
    assert max(rises) > FLOOR["embedding"]


def test_a_history_is_read_by_the_real_computation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift_history, "SEGMENTS", 2)
    monkeypatch.setattr(drift_history, "METRICS", 4)
    drift_history.make(tmp_path, 17)
    assert drift_history.night(tmp_path)["cpu"] > 0
    store = drift_history.opened(tmp_path)
    tests, last = store.scan_all("drift.drift_tests"), drift_history.LAST_DAY
    assert store.rows(f"select status, count(*) from ({tests}) where day = date '{last}' group by status") == [("weak", 8)]


def test_a_part_that_is_measured_again_takes_the_place_of_its_own() -> None:
    earlier = "# Title\n\n## Columns\n\nold\n\n## Texts\n\nkept\n"
    assert drift.merged(earlier, ["## Columns\n\nnew\n"]) == "## Columns\n\nnew\n\n## Texts\n\nkept\n"
