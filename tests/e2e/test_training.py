"""Trainings as they are started: each kind learns, goes on after a kill, ends when asked to, and shows in Dagster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import dagster as dg
import polars as pl
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError
from training_house import (
    TOPICS,
    command,
    in_dagster,
    killed,
    make_embedder,
    make_generator,
    numbers,
    passage,
    spec_of,
    trained,
    wait_for,
)

from assets.quality.detector import from_json
from resources.contracts import REPO
from resources.embedder import Embedder
from resources.generator_scores import GeneratorScoresError, ScoringOverdueError, generator_scores
from resources.trainer import (
    SubprocessLauncher,
    Trainer,
    TrainingError,
    TrainingPostponedError,
    curve_key,
    passed_on,
)
from resources.training_folder import seconds_spent
from resources.training_spec import CANCEL, Done, TrainingSpec, read_curve, read_done, write_spec
from resources.tuning_seed import LimitsSeed

SECRET = "NOCTURNE_TEST_TOKEN"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training") / "home"
    folder.mkdir()
    return folder


def done_of(home: Path, spec: TrainingSpec) -> Done:
    done = read_done(spec.folder(home))
    assert done is not None
    return done


# a retriever, through Dagster


@pytest.fixture(scope="module")
def retriever(home: Path) -> TrainingSpec:
    make_embedder(home / "models" / "tiny")
    return spec_of(home, "retriever", "models/tiny", rows=160, epochs=2)


def test_a_run_that_is_interrupted_leaves_a_checkpoint_and_the_next_goes_on(home: Path, retriever: TrainingSpec) -> None:
    trainer = Trainer(home, SubprocessLauncher(passed_on(os.environ)))
    folder = retriever.folder(home)

    def interrupt() -> None:
        wait_for(lambda: len(read_curve(folder)) >= 4, "the curve")
        os.kill(os.getpid(), signal.SIGINT)  # as Dagster ends a run: its own process is interrupted

    threading.Thread(target=interrupt).start()
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(DagsterExecutionInterruptedError):
        in_dagster(trainer, retriever, instance)
    cancelled = done_of(home, retriever)
    assert cancelled.state == "interrupted" and "SIGTERM" in cancelled.reason and not cancelled.model
    assert 0 < cancelled.steps < cancelled.planned_steps

    with dg.DagsterInstance.ephemeral() as instance:
        done = in_dagster(trainer, retriever, instance)
        points = instance.fetch_observations(curve_key("retriever"), limit=1000).records
        [end] = instance.fetch_materializations(curve_key("retriever"), limit=10).records
        ended = instance.get_run_stats(end.run_id)
    assert done.state == "trained" and done.resumed_from_step == cancelled.steps
    assert done.steps == done.planned_steps == cancelled.planned_steps
    # What was seen in the UI is the curve of this run, and it was there before the end.
    curve = [point for point in read_curve(folder) if point["step"] > cancelled.steps]
    seen = [point.asset_observation.metadata["step"].value for point in reversed(points) if point.asset_observation]
    assert seen == [point["step"] for point in curve]
    assert points[-1].timestamp < points[0].timestamp < (ended.end_time or 0)
    # A curve has each step once, whatever was done twice, and its clock counts all attempts.
    losses = [point["step"] for point in read_curve(folder) if "loss" in point]
    assert losses == list(range(1, done.steps + 1))
    seconds = numbers(read_curve(folder), "seconds")
    assert seconds == sorted(seconds) and done.seconds >= cancelled.seconds


def test_a_retriever_finds_more_than_the_one_that_it_began_as(home: Path, retriever: TrainingSpec) -> None:
    done = done_of(home, retriever)
    assert done.metrics["dev_ndcg_at_10"] > done.metrics["dev_ndcg_at_10_before"] + 0.1
    assert done.metrics["loss_last"] < done.metrics["loss_first"]
    folder = retriever.folder(home)
    model = Embedder(model=str(folder / "model"))
    assert model.fingerprint != retriever.base_fingerprint
    scores = model.embed([f"what is the {topic[0]}" for topic in TOPICS]) @ model.embed([passage(at) for at in range(24)]).T
    before = Embedder(model=str(home / "models" / "tiny"))
    first = before.embed([f"what is the {topic[0]}" for topic in TOPICS]) @ before.embed([passage(at) for at in range(24)]).T
    assert (scores.argmax(axis=1) == range(24)).mean() > (first.argmax(axis=1) == range(24)).mean()


def test_a_model_s_folder_is_private_and_holds_no_pickle_and_no_training_text(home: Path, retriever: TrainingSpec) -> None:
    folder = retriever.folder(home)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in (folder / "model").rglob("*") if path.is_file()} <= {".json", ".safetensors", ".txt"}
    assert not [path for path in files if path.suffix in (".bin", ".pt", ".pth", ".pkl", ".md")]
    assert [path for path in files if path.name != "spec.json" and b"dax3 " in path.read_bytes()] == []
    assert {path.stat().st_mode & 0o077 for path in [folder, *files]} == {0}


# a generator, killed twice


@pytest.fixture(scope="module")
def generator(home: Path) -> str:
    make_generator(home / "models" / "llm")
    return "models/llm"


def test_sft_goes_on_after_a_kill_and_takes_as_many_steps(home: Path, generator: str) -> None:
    spec = spec_of(home, "sft", generator, rows=48)
    folder = spec.folder(home)
    killed(home, spec, "training.checkpoint#2")
    assert read_done(folder) is None and len(list((folder / "checkpoints").glob("checkpoint-*"))) == 2
    trained(home, spec)
    done = done_of(home, spec)
    # The second checkpoint was there and not whole: the first one counts.
    assert done.resumed_from_step == 2 and done.steps == done.planned_steps == 12
    assert [point["step"] for point in read_curve(folder) if "loss" in point] == list(range(1, 13))
    assert done.metrics["dev_loss"] < done.metrics["dev_loss_before"]
    assert done.metrics["loss_last"] < done.metrics["loss_first"]
    assert done.parameters["trained_parameters"] < done.parameters["all_parameters"]
    assert not (folder / "checkpoints").exists()


def test_dpo_prefers_what_people_preferred(home: Path, generator: str) -> None:
    spec = spec_of(home, "preferences", generator, rows=32)
    killed(home, spec, "training.sealed#1")
    trained(home, spec)
    done = done_of(home, spec)
    assert done.resumed_from_step == 2 and done.steps == done.planned_steps == 8
    assert done.metrics["dev_loss"] < done.metrics["dev_loss_before"] == pytest.approx(0.693147, abs=1e-4)


def test_an_adapter_is_measured_beside_the_base_model_example_by_example(home: Path, generator: str) -> None:
    by_kind = {done.kind: done for folder in (home / "training").iterdir() if (done := read_done(folder)) and done.model}
    for kind in ("sft", "preferences"):
        adapter = home / "training" / by_kind[kind].candidate / "model"
        [dataset] = (home / "datasets" / kind).iterdir()
        found = generator_scores(home / generator, adapter, None, dataset / "test.parquet", passed_on(os.environ))
        values = pl.from_arrow(found)
        assert isinstance(values, pl.DataFrame)
        candidate, champion = (values.filter(model=name).sort("example_id") for name in ("candidate", "champion"))
        assert candidate["example_id"].equals(champion["example_id"]) and candidate.height == 8
        if kind == "sft":
            assert (candidate["nll"] < champion["nll"]).all() and candidate["rejected_nll"].is_null().all()
        else:
            margins = [(one["rejected_nll"] - one["nll"]).mean() for one in (candidate, champion)]
            assert margins[0] > margins[1]


def test_a_folder_without_an_adapter_is_not_measured(home: Path, generator: str) -> None:
    with pytest.raises(GeneratorScoresError, match="is no adapter"):
        generator_scores(home / generator, home / generator, None, home / "none.parquet", {})


# a detector, which needs seconds: what holds for all kinds


def test_a_detector_is_numbers_in_a_file_and_a_kill_before_its_end_is_repaired(home: Path) -> None:
    spec = spec_of(home, "detector", rows=300)
    killed(home, spec, "training.model")
    assert read_done(spec.folder(home)) is None
    trained(home, spec)
    done = done_of(home, spec)
    text = (spec.folder(home) / "model" / "parameters.json").read_text(encoding="utf-8")
    assert from_json("one", text).features and done.metrics["auc_low"] > 0.9
    before = (spec.folder(home) / "done.json").stat().st_mtime_ns
    trained(home, spec)
    assert (spec.folder(home) / "done.json").stat().st_mtime_ns == before, "what is trained is not trained again"


def test_time_and_money_end_a_training_and_are_named(home: Path) -> None:
    spec = spec_of(home, "detector", rows=301)
    trained(home, replace(spec, limits=LimitsSeed(1e-9, Decimal(0), Decimal(0))))
    done = done_of(home, spec)
    assert done.state == "limit" and "hours" in done.reason and not done.model
    trained(home, replace(spec, limits=LimitsSeed(1.0, Decimal("0.000001"), Decimal(1_000_000))))
    done = done_of(home, spec)
    assert done.state == "limit" and "USD" in done.reason and done.cost_usd > Decimal("0.000001")
    trained(home, spec)
    assert done_of(home, spec).state == "trained", "with more to spend it goes on"


def test_a_file_in_its_folder_ends_a_training_wherever_it_runs(home: Path) -> None:
    spec = spec_of(home, "detector", rows=302)
    path = write_spec(home, spec)
    path.with_name(CANCEL).write_text("ann cancelled it\n", encoding="utf-8")
    trained(home, spec)
    assert (done_of(home, spec).state, done_of(home, spec).reason) == ("cancelled", "ann cancelled it; step 0")


def test_two_at_once_are_one_training(home: Path) -> None:
    import fcntl

    spec = spec_of(home, "detector", rows=303)
    with (write_spec(home, spec).with_name(".lock")).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another process trains" in trained(home, spec, status=3)
        trainer = Trainer(home, SubprocessLauncher(passed_on(os.environ)))
        with dg.DagsterInstance.ephemeral() as instance, pytest.raises(TrainingPostponedError, match="another process"):
            in_dagster(trainer, spec, instance)
    trained(home, spec)


def test_what_the_orchestrator_knows_of_keys_a_training_does_not_see(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET, "hush")
    monkeypatch.setenv("NOCTURNE_FAILPOINT", "training.model")
    spec = spec_of(home, "detector", rows=304)
    # Killed at its end by the failpoint, which is handed on: until then its environment can be read.
    environment = passed_on(os.environ)
    assert SECRET not in environment and "NOCTURNE_FAILPOINT" in environment
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(TrainingError, match="-9"):
        in_dagster(Trainer(home, Peeking(environment)), spec, instance)
    assert Peeking.seen and SECRET not in "".join(Peeking.seen)
    pipes = {"DAGSTER_PIPES_CONTEXT", "DAGSTER_PIPES_MESSAGES"}
    assert {name.partition("=")[0] for name in Peeking.seen} <= {*environment, *pipes}


class Peeking(SubprocessLauncher):
    """Looks at the environment that a training was started with."""

    seen: ClassVar[list[str]] = []

    def launch(self, context, spec, path, told) -> None:  # type: ignore[no-untyped-def]
        def peek() -> None:
            for _ in range(1000):
                for process in Path("/proc").iterdir():
                    try:
                        if process.name.isdigit() and str(path) in (process / "cmdline").read_text(encoding="utf-8"):
                            text = (process / "environ").read_text(encoding="utf-8")
                            Peeking.seen = [one for one in text.split("\0") if one]
                            return
                    except (FileNotFoundError, ProcessLookupError, PermissionError):
                        continue
                time.sleep(0.01)

        if not Path("/proc/self/environ").exists():
            pytest.skip("environments of processes are read from Linux's /proc")
        looking = threading.Thread(target=peek)
        looking.start()
        try:
            super().launch(context, spec, path, told)
        finally:
            looking.join()


def deaf(folder: Path) -> Path:
    """In the place of Python: a program that hears no SIGTERM, and starts another one; both write down who they are."""
    path = folder / "deaf"
    path.write_text(f"#!/bin/sh\ntrap '' TERM\nsleep 300 &\necho $$ $! > {folder}/pids\nwait\n", encoding="utf-8")
    path.chmod(0o700)
    return path


def is_gone(folder: Path) -> bool:
    """Whether neither of them runs any more."""
    pids = (folder / "pids").read_text(encoding="utf-8").split()
    states = [Path(f"/proc/{pid}/stat") for pid in pids]
    return all(not path.exists() or path.read_text(encoding="utf-8").split()[2] in "ZX" for path in states)


def test_a_training_that_hangs_is_ended_with_all_that_it_started_and_paid(home: Path, tmp_path: Path) -> None:
    spec = spec_of(home, "detector", rows=305, limits=LimitsSeed(1e-9, Decimal(0), Decimal(0)))
    launcher = SubprocessLauncher(passed_on(os.environ), str(deaf(tmp_path)), seconds_to_stop=0.2, seconds_beyond=1.0)
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(TrainingError, match="hung"):
        in_dagster(Trainer(home, launcher), spec, instance)
    wait_for(lambda: is_gone(tmp_path), "the end of its group", 30)
    assert (seconds_spent(spec.folder(home)) or 0.0) >= 1.2


def test_a_measurement_that_hangs_is_ended_with_all_that_it_started(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.generator_scores.sys.executable", str(deaf(tmp_path)))
    monkeypatch.setattr("resources.generator_scores._SECONDS_TO_STOP", 0.2)
    (tmp_path / "adapter_model.safetensors").touch()
    with pytest.raises(ScoringOverdueError, match="were not measured within"):
        generator_scores(tmp_path, tmp_path, None, tmp_path / "examples.parquet", {}, most_seconds=1.0)
    wait_for(lambda: is_gone(tmp_path), "the end of its group", 30)


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ({"dataset_version": "0" * 16}, "not what"),
        ({"dataset": "datasets/detector/0000000000000000"}, "0000000000000000"),
        ({"base_fingerprint": "f" * 32}, "is not the model that was asked for"),
    ],
)
def test_what_a_spec_asks_for_and_is_not_there_is_said(home: Path, broken: dict[str, str], why: str) -> None:
    spec = replace(spec_of(home, "detector", rows=306), **broken)  # type: ignore[arg-type]
    assert why in trained(home, spec, status=2)
    assert read_done(spec.folder(home)) is None


def test_a_spec_that_was_changed_is_no_candidate_s_any_more(home: Path) -> None:
    spec = spec_of(home, "detector", rows=306)
    path = write_spec(home, spec)
    raw = json.loads(path.read_text(encoding="utf-8")) | {"recipe": {"seed": 9}}
    path.write_text(json.dumps(raw), encoding="utf-8")
    done = subprocess.run(command(path), cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "was changed" in done.stderr
