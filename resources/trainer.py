"""The trainer: starts a training outside the orchestrator's process, and shows it in the orchestrator while it runs.

Here belong where a training runs (a process of this machine, or a pod of a Kubernetes cluster), how it is ended, and what
Dagster is told of its messages. Both ways follow Dagster Pipes. What is trained is trainers/; whether to train, and what
becomes of the model, is decided elsewhere.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import dagster as dg

from resources.contracts import REPO
from resources.process_group import end_group
from resources.training_folder import BUSY, SECONDS_BEYOND, locked, seconds_spent, write_spent
from resources.training_spec import DONE, LOG, SAYS, Done, TrainingSpec, read_done, write_spec

Context = dg.OpExecutionContext | dg.AssetExecutionContext
Told = Callable[[Mapping[str, Any]], None]
"""Takes a training's custom message: {"event": "point" | "checkpoint", …}."""
COMMAND = ["-m", "trainers.train", "--spec"]
PASSED_ON = (
    "CUDA_VISIBLE_DEVICES", "HF_HOME", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "NOCTURNE_FAILPOINT", "PATH", "TMPDIR",
)  # fmt: skip
"""Variables of the orchestrator's that a training on the same machine may see. No key and no address is among them."""


class TrainingError(RuntimeError):
    """A training that failed; says why, and where its log lies."""


class TrainingPostponedError(TrainingError):
    """A training that cannot be begun or followed now, of which nothing is known that speaks against it: another process is
    at it, or the cluster does not answer. Asked for again, it goes on."""


class Launcher(Protocol):
    """Where a training runs."""

    def launch(self, context: Context, spec: TrainingSpec, path: Path, told: Told) -> None:
        """Run the training of a spec.json to its end; returns when it has ended in good order.

        Ends it, with its checkpoint, when the run is interrupted, and without one when it hangs: when it goes on for
        SECONDS_BEYOND its limit. Raises TrainingError, TrainingPostponedError.
        """
        ...


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """What of an environment a training may see."""
    return {name: environment[name] for name in PASSED_ON if name in environment}


def curve_key(kind: str) -> dg.AssetKey:
    """The asset on whose page the curves of a kind's trainings are drawn."""
    return dg.AssetKey(["tuning", "training", kind])


@dataclass(frozen=True)
class Trainer:
    """Trains candidates in `<home>/training/`, one process for each."""

    home: Path
    launcher: Launcher

    def train(self, context: Context, spec: TrainingSpec) -> Done:
        """Train a candidate, or go on with it where it stopped; one that is trained is not trained again.

        While it runs, each point of its curve is an observation of the asset `tuning/training/<kind>` and each checkpoint a
        line of the run's log; its end is a materialization. Returns as well where a limit stopped it, somebody cancelled it
        or it was interrupted: `Done.state` says so. Raises TrainingError; of those TrainingPostponedError where another
        process trains the same candidate: one whose starter was killed goes on for a while.
        """
        folder = spec.folder(self.home)
        done = read_done(folder)
        if done is not None and done.state == "trained":
            context.log.info(f"candidate {spec.candidate} is trained already")
            return done
        path = write_spec(self.home, spec)
        with locked(folder) as is_ours:
            if not is_ours:
                raise _busy(spec)
        context.log.info(f"candidate {spec.candidate} ({spec.kind}) is trained in {folder}")
        self.launcher.launch(context, spec, path, _Shown(context, spec))
        done = read_done(folder)
        if done is None:
            raise TrainingError(f"the training of {spec.candidate} ended without {DONE}; its log is {folder / LOG}")
        context.log_event(
            dg.AssetMaterialization(curve_key(spec.kind), description=done.reason or None, metadata=_summary(done))
        )
        return done


@dataclass(frozen=True)
class SubprocessLauncher:
    """A process of this machine. It sees the variables of `environment` and no others: what the orchestrator knows of keys
    and tokens it does not hand on, which Dagster's own client for processes would do."""

    environment: Mapping[str, str] = field(default_factory=dict)
    python: str = sys.executable
    seconds_to_stop: float = 120.0
    """How long it may take for its last checkpoint, after which it is killed."""
    seconds_beyond: float = SECONDS_BEYOND

    def launch(self, context: Context, spec: TrainingSpec, path: Path, told: Told) -> None:
        """See Launcher."""
        reader = live(dg.PipesTempFileMessageReader, told)
        log, folder = path.with_name(LOG), path.parent
        before = seconds_spent(folder) or 0.0
        allowed = max(0.0, spec.limits.seconds - before) + self.seconds_beyond
        with (
            dg.open_pipes_session(context, dg.PipesTempFileContextInjector(), reader) as session,
            os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as out,
        ):
            process = subprocess.Popen(
                [self.python, *COMMAND, str(path)],
                cwd=REPO,
                env={**self.environment, **session.get_bootstrap_env_vars()},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                # An interrupt of the orchestrator's terminal is passed on below, in order, and not twice.
                start_new_session=True,
            )
            began = time.monotonic()
            try:
                status = process.wait(allowed)
            except subprocess.TimeoutExpired:
                self._end(context, process, "the training hangs")
                write_spent(folder, before + time.monotonic() - began)
                hours = spec.limits.seconds / 3600
                raise TrainingError(
                    f"the training of {spec.candidate} hung: it went on long after its limit ({hours:g} hours) and was "
                    f"ended; its log is {log}"
                ) from None
            except BaseException:
                self._end(context, process, "the run was interrupted")
                raise
        if status == BUSY:
            raise _busy(spec)
        if status:
            raise TrainingError(f"the training of {spec.candidate} failed ({_last_line(log) or status}); its log is {log}")

    def _end(self, context: Context, process: subprocess.Popen[bytes], why: str) -> None:
        context.log.info(f"{why}: it is asked to write a checkpoint and end")
        if not end_group(process, self.seconds_to_stop):
            context.log.warning(f"the training did not end within {self.seconds_to_stop:.0f} s and was killed")


class _Shown:
    """Tells Dagster of a training's messages as they come."""

    def __init__(self, context: Context, spec: TrainingSpec):
        self._context = context
        self._spec = spec

    def __call__(self, message: Mapping[str, Any]) -> None:
        kind, candidate = self._spec.kind, self._spec.candidate
        said = {key: value for key, value in message.items() if key != "event"}
        if message.get("event") == "point":
            numbers = {key: value for key, value in said.items() if isinstance(value, int | float)}
            self._context.log_event(dg.AssetObservation(curve_key(kind), metadata={"candidate": candidate, **numbers}))
        elif message.get("event") == "checkpoint":
            self._context.log.info(f"{candidate}: checkpoint of step {said['step']} is whole")


def live(reader: type[Any], told: Told) -> Any:
    """A reader of messages that also tells of custom ones at once: Dagster hands them out only when all is over."""

    class Live(reader):  # type: ignore[misc]
        @contextmanager
        def read_messages(self, handler: Any) -> Iterator[Any]:
            with super().read_messages(_Overheard(handler, told)) as parameters:
                yield parameters

    return Live()


class _Overheard:
    """A handler of messages, and somebody who listens."""

    def __init__(self, handler: Any, told: Told):
        self._handler = handler
        self._told = told

    def handle_message(self, message: Mapping[str, Any]) -> None:
        if message.get("method") == "report_custom_message" and isinstance(message["params"]["payload"], dict):
            self._told(message["params"]["payload"])
        self._handler.handle_message(message)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handler, name)


def _busy(spec: TrainingSpec) -> TrainingPostponedError:
    return TrainingPostponedError(f"another process trains {spec.candidate}; what becomes of it, the next pass sees")


def _summary(done: Done) -> dict[str, Any]:
    named = {"candidate": done.candidate, "state": done.state, "device": done.device}
    numbers = {"steps": done.steps, "seconds": done.seconds, "cost_usd": float(done.cost_usd)}
    return {**named, **numbers, **done.metrics}


def _last_line(log: Path) -> str:
    """What the training itself said last; of a library's words, which may quote the data, nothing."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:500] if lines and lines[-1].startswith(SAYS) else ""
