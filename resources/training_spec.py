"""What a training is told, and what it leaves: the two files of which the programs that plan it and that do it both know.

`spec.json` is written by resources/trainer.py into the candidate's folder and read by trainers/; `done.json` the other way
round. Both lie in `<home>/training/<candidate>/`, and name other folders from the home on, so that the same files are true
on another machine where the home is mounted elsewhere. Neither holds a text of the training data, or a secret.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from resources.durable import write_atomically
from resources.tuning_seed import KINDS, LimitsSeed, Recipe

SAYS = "training: "
"""How a line of the training's own begins, in a log that holds its libraries' words, too."""
State = Literal["trained", "cancelled", "interrupted", "limit"]
DEVICES = ("auto", "cpu", "cuda")
SPEC, DONE, CURVE, LOG, CHECKPOINTS, MODEL = "spec.json", "done.json", "curve.jsonl", "log.txt", "checkpoints", "model"
CANCEL = "cancel"
"""A file in a candidate's folder that says who ends its training, wherever that runs."""
QUIET = {
    "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "OMP_WAIT_POLICY": "PASSIVE", "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1", "TOKENIZERS_PARALLELISM": "false", "TRANSFORMERS_VERBOSITY": "error", "DO_NOT_TRACK": "1",
}  # fmt: skip
"""What every training's environment says: no network, no telemetry, threads that sleep while they wait."""


class TrainingSpecError(ValueError):
    """A spec.json or done.json that cannot be used; says what is wrong."""


@dataclass(frozen=True)
class TrainingSpec:
    """One training, whole: the same spec gives the same candidate on the same machine."""

    kind: str
    dataset: str
    """Folder of the dataset (manifest.json, train.parquet …), from the home on."""
    dataset_version: str
    recipe: Recipe
    limits: LimitsSeed
    base_model: str = ""
    """Folder from the home on or absolute, or an id in the hub's cache here. Empty: the packaged embedder; of a detector."""
    base_fingerprint: str = ""
    """What base_model must be (resources/base_model.py); training refuses another."""
    device: str = "auto"
    """cpu, cuda, or auto: cuda where there is one."""
    threads: int = 0
    """Threads on a CPU; 0: one for each core."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """All variables that the training sets for itself, beside QUIET. Never a secret: the file is kept."""

    @property
    def candidate(self) -> str:
        """Its id, and the name of its folder."""
        return candidate_id(self.kind, self.dataset_version, self.base_fingerprint, self.recipe)

    def folder(self, home: Path) -> Path:
        """Where all of this training lies."""
        return training_folder(home, self.candidate)


@dataclass(frozen=True)
class Done:
    """How a training ended. `trained` is final; the others go on from `steps`: what was interrupted (its machine was shut
    down, who started it is gone) with the next pass, what somebody cancelled or a limit ended when it is asked for again."""

    candidate: str
    kind: str
    state: State
    reason: str
    """Why it stopped before its end, in a sentence; empty when it did not."""
    steps: int
    planned_steps: int
    seconds: float
    """Of all attempts, those that were killed included."""
    cost_usd: Decimal
    """`seconds` at the spec's price of an hour."""
    device: str
    resumed_from_step: int | None = None
    """Of the last attempt; None: it began at the beginning."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """By name, such as dev_ndcg_at_10 and dev_ndcg_at_10_before."""
    model: str = ""
    """Folder of the model in the candidate's; empty until it is trained."""
    files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each file of the model, by its path in it."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """What a card tells: trained and all parameters, tokens seen, peak memory in bytes, versions of the libraries."""


def candidate_id(kind: str, dataset_version: str, base_fingerprint: str, recipe: Recipe) -> str:
    """16 hex digits of what decides on a model: kind, data, base model, recipe. Limits and machines do not."""
    named = json.dumps([kind, dataset_version, base_fingerprint, _plain(recipe)], sort_keys=True)
    return hashlib.sha256(named.encode()).hexdigest()[:16]


def training_folder(home: Path, candidate: str) -> Path:
    """`<home>/training/<candidate>`."""
    return home / "training" / candidate


def write_spec(home: Path, spec: TrainingSpec) -> Path:
    """The spec.json of a training, in its folder, which is its owner's alone; its path."""
    folder = spec.folder(home)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / SPEC
    write_atomically(path, _json(asdict(spec)), mode=0o600)
    return path


def read_spec(path: Path) -> TrainingSpec:
    """The spec of a file. Raises TrainingSpecError, also where it lies in another candidate's folder."""
    raw = _read(path)
    try:
        limits = raw.pop("limits")
        spec = TrainingSpec(
            **raw,
            limits=LimitsSeed(float(limits["hours"]), Decimal(limits["usd"]), Decimal(limits["usd_per_hour"])),
        )
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise TrainingSpecError(f"{path} is no spec of a training ({error!r}); let resources/trainer.py write it") from error
    if spec.kind not in KINDS or spec.device not in DEVICES:
        raise TrainingSpecError(f"{path}: kind is one of {', '.join(KINDS)}, device one of {', '.join(DEVICES)}")
    if path.parent.name != spec.candidate:
        raise TrainingSpecError(f"{path} describes candidate {spec.candidate}: it was changed, or lies in another's folder")
    return spec


def home_of(spec_path: Path) -> Path:
    """The home in whose `training/` a spec.json lies."""
    return spec_path.resolve().parents[2]


def write_done(folder: Path, done: Done) -> None:
    """The done.json of a candidate's folder, there whole or not at all."""
    write_atomically(folder / DONE, _json(asdict(done)), mode=0o600)


def read_done(folder: Path) -> Done | None:
    """How the training of a candidate's folder ended; None: it has not. Raises TrainingSpecError."""
    path = folder / DONE
    if not path.exists():
        return None
    raw = _read(path)
    try:
        return Done(**(raw | {"cost_usd": Decimal(raw["cost_usd"])}))
    except (KeyError, TypeError, ArithmeticError) as error:
        raise TrainingSpecError(f"{path} does not say how a training ended ({error!r}); delete it to train again") from error


def read_curve(folder: Path) -> list[dict[str, Any]]:
    """The points of a training so far, in the order of their steps; a line that a kill cut off is left out."""
    path = folder / CURVE
    if not path.exists():
        return []
    points = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            points.append(json.loads(line))
    return points


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingSpecError(f"{path} cannot be read: {error}") from error
    if not isinstance(raw, dict):
        raise TrainingSpecError(f"{path} holds no object")
    return raw


def _json(raw: dict[str, Any]) -> bytes:
    return (json.dumps(_plain(raw), indent=1, sort_keys=True, default=str) + "\n").encode()


def _plain(value: Any) -> Any:
    """As JSON has it: 1 and 1.0 are one number, a tuple is a list."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
