"""`python -m trainers.train --spec spec.json`: train one candidate, or go on with it from its newest whole checkpoint.

What a spec says is resources/training_spec.py; this program alone decides the variables of its own environment. Exit status
0: done.json says how it ended, a limit and a cancellation among that. 2: it cannot be done as it is, and the last line says
why. 3: another process trains this candidate. 4: it hung, long after its limit, and ended itself.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from dagster_pipes import PipesContext, open_dagster_pipes

from resources.base_model import BaseModelError, base_model
from resources.dataset_store import DatasetError, open_dataset
from resources.failpoints import failpoint
from resources.training_folder import BUSY, locked
from resources.training_spec import (
    DONE,
    MODEL,
    QUIET,
    SAYS,
    Done,
    TrainingSpec,
    TrainingSpecError,
    home_of,
    read_done,
    read_spec,
    write_done,
)
from trainers.limits import Interrupted, Stop
from trainers.session import Outcome, Report, Session, TrainingDataError


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Train one candidate.")
    parser.add_argument("--spec", type=Path, required=True, help="spec.json in the candidate's folder")
    path = parser.parse_args().spec
    os.umask(0o077)
    interrupted = Interrupted()
    try:
        spec = read_spec(path)
        # Before the libraries are imported, which read them then.
        os.environ.update(environment(spec))
        with locked(path.parent) as is_ours:
            if not is_ours:
                print(f"{SAYS}another process trains {spec.candidate}", file=sys.stderr)
                return BUSY
            if "DAGSTER_PIPES_CONTEXT" not in os.environ:
                attempt(spec, path, interrupted.stop, lambda message: None)
                return 0
            with open_dagster_pipes() as pipes:
                attempt(spec, path, interrupted.stop, _reporting(pipes))
    except (TrainingSpecError, TrainingDataError, DatasetError, BaseModelError) as error:
        print(f"{SAYS}{error}", file=sys.stderr)
        return 2
    return 0


def environment(spec: TrainingSpec) -> dict[str, str]:
    """All variables that a training sets for itself."""
    threads = {"OMP_NUM_THREADS": str(spec.threads)} if spec.threads else {}
    return {**QUIET, **threads, **spec.environment}


def attempt(spec: TrainingSpec, path: Path, interrupted: Callable[[], Stop | None], report: Report) -> Done:
    """One attempt at a training, under its lock; leaves done.json."""
    folder, home = path.parent, home_of(path)
    done = read_done(folder)
    if done is not None and done.state == "trained":
        return done
    dataset = open_dataset(home / spec.dataset)
    if (dataset.kind, dataset.version) != (spec.kind, spec.dataset_version):
        raise TrainingDataError(f"{dataset.folder} holds {dataset.kind}/{dataset.version}, not what {path} asks for")
    base = base_model(spec.kind, spec.base_model, home)
    if base.fingerprint != spec.base_fingerprint:
        raise BaseModelError(f"{spec.base_model or 'the packaged embedder'} is not the model that was asked for")
    (folder / DONE).unlink(missing_ok=True)
    session = Session(spec, folder, dataset, base, interrupted, report)
    with session.counted():
        stop = session.stop()
        outcome = Outcome(session.resumed_from_step or 0, 0, stop) if stop else _train(session)
    done = Done(
        candidate=spec.candidate,
        kind=spec.kind,
        state=outcome.stopped.state if outcome.stopped else "trained",
        reason=f"{outcome.stopped.reason}; step {outcome.steps}" if outcome.stopped else "",
        steps=outcome.steps,
        planned_steps=outcome.planned_steps,
        seconds=round(session.seconds, 3),
        cost_usd=spec.limits.cost_usd(session.seconds),
        device=device(spec),
        resumed_from_step=session.resumed_from_step,
        metrics=outcome.metrics,
        model="" if outcome.stopped else MODEL,
        files=outcome.files,
        parameters=outcome.parameters,
    )
    failpoint("training.model")
    write_done(folder, done)
    if not outcome.stopped and session.checkpoints.exists():
        shutil.rmtree(session.checkpoints)
    return done


def device(spec: TrainingSpec) -> str:
    """cpu or cuda."""
    if spec.device != "auto" or spec.kind == "detector":
        return "cpu" if spec.kind == "detector" else spec.device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _train(session: Session) -> Outcome:
    session.spec = replace(session.spec, device=device(session.spec))
    name = {"detector": "trainers.detector", "retriever": "trainers.retriever"}.get(session.spec.kind, "trainers.generator")
    # Here, for each brings libraries that the others do without.
    train: Callable[[Session], Outcome] = import_module(name).train
    return train(session)


def _reporting(pipes: PipesContext) -> Report:
    return lambda message: pipes.report_custom_message(dict(message))


if __name__ == "__main__":
    sys.exit(main())
