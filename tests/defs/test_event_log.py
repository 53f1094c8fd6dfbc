"""The event log that a night keeps open: the same log as Dagster's own, which other processes read and write beside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage

from pipelines.event_log import MAX_OPEN_RUNS, OpenEventLog, open_instance
from resources.contracts import REPO


@dg.asset(check_specs=[dg.AssetCheckSpec("holds", asset="counted")])
def counted() -> dg.MaterializeResult:  # type: ignore[type-arg]
    return dg.MaterializeResult(metadata={"rows": 3}, check_results=[dg.AssetCheckResult(passed=True)])


def events_of(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    return [f"{entry.timestamp} {entry.user_message} {entry.dagster_event_type}" for entry in instance.all_logs(run_id)]


def test_dagster_reads_beside_an_open_night_all_that_it_logs(tmp_path: Path) -> None:
    with open_instance(str(tmp_path)) as night:
        assert isinstance(night.event_log_storage, OpenEventLog)
        run_id = dg.materialize([counted], instance=night).run_id
        with dg.DagsterInstance.from_config(str(tmp_path)) as dagster:
            assert type(dagster.event_log_storage) is SqliteEventLogStorage
            assert len(events_of(dagster, run_id)) > 5
            assert events_of(dagster, run_id) == events_of(night, run_id)
            (found,) = dagster.fetch_materializations(dg.AssetKey("counted"), limit=5).records
            assert found.asset_materialization and found.asset_materialization.metadata["rows"].value == 3
            other = dg.materialize([counted], instance=dagster).run_id
        assert len(events_of(night, other)) == len(events_of(night, run_id)), "what another process logs is seen here"
    left = [path.name for path in tmp_path.rglob("*.db-wal")]
    assert left == [], "a night that has ended leaves no database open"


def test_a_killed_night_loses_no_event_that_it_logged(tmp_path: Path) -> None:
    program = (
        "import os, sys, dagster as dg; from pipelines.event_log import open_instance\n"
        "@dg.asset\ndef counted(context): context.log.info('the last word'); os.kill(os.getpid(), 9)\n"
        "dg.materialize([counted], instance=open_instance(sys.argv[1]), raise_on_error=False)"
    )
    killed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, str(tmp_path)], cwd=REPO, capture_output=True, check=False,
        env={**os.environ, "PYTHONPATH": str(REPO)},
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with dg.DagsterInstance.from_config(str(tmp_path)) as dagster:
        (run,) = dagster.get_runs()
        assert "the last word" in [entry.user_message for entry in dagster.all_logs(run.run_id)]


def test_nothing_is_written_into_a_run_that_was_deleted_meanwhile(tmp_path: Path) -> None:
    with open_instance(str(tmp_path)) as night:
        run_id = dg.materialize([counted], instance=night).run_id
        log = night.event_log_storage
        assert isinstance(log, OpenEventLog)
        for suffix in ("", "-wal", "-shm"):
            Path(log.path_for_shard(run_id) + suffix).unlink(missing_ok=True)
        with pytest.raises(Exception, match="no such table"):
            night.all_logs(run_id)


def test_however_many_runs_are_read_few_databases_stay_open(tmp_path: Path) -> None:
    with open_instance(str(tmp_path)) as night:
        runs = [dg.materialize([counted], instance=night).run_id for _ in range(MAX_OPEN_RUNS + 2)]
        assert all(events_of(night, run_id) for run_id in runs)
        shards = {os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink() and link.exists()}
        assert len({path for path in shards if path.endswith(".db") and Path(path).stem in runs}) <= MAX_OPEN_RUNS


def test_another_storage_is_used_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text(
        "event_log_storage:\n  module: dagster._core.storage.event_log\n  class: ConsolidatedSqliteEventLogStorage\n"
        f"  config:\n    base_dir: {tmp_path}\n"
    )
    with open_instance(str(tmp_path)) as night:
        assert type(night.event_log_storage).__name__ == "ConsolidatedSqliteEventLogStorage"
