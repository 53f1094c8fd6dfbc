"""Checkpoints of a training: which are whole, which is the newest, and which was the best.

The libraries write a checkpoint in its place, file by file. It counts from the moment when it is sealed: `whole.json` names
each file with its digest, and is written last. Only checkpoints of the candidate's own folder are ever loaded.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from resources.durable import sync_files, sync_path, write_atomically
from resources.failpoints import failpoint

SEAL = "whole.json"
_PREFIX = "checkpoint-"
_UNWANTED = ("README.md", "training_args.bin")
"""What the libraries add that nobody reads here: a page that quotes training data, and a pickle."""
_NOT_OF_A_MODEL = frozenset({SEAL, "optimizer.pt", "rng_state.pth", "scaler.pt", "scheduler.pt", "trainer_state.json"})


def seal(checkpoint: Path) -> None:
    """Say that a checkpoint is whole, once its bytes are on the disk."""
    for name in _UNWANTED:
        (checkpoint / name).unlink(missing_ok=True)
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file())
    sync_files(files)
    failpoint("training.checkpoint")
    names = {path.relative_to(checkpoint).as_posix(): sha256(path) for path in files}
    write_atomically(checkpoint / SEAL, json.dumps(names, indent=1).encode(), mode=0o600)
    sync_path(checkpoint.parent)
    failpoint("training.sealed")


def is_whole(checkpoint: Path) -> bool:
    """Whether all that was sealed is there, byte for byte."""
    try:
        names = json.loads((checkpoint / SEAL).read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return all((checkpoint / name).is_file() and sha256(checkpoint / name) == digest for name, digest in names.items())


def newest_whole(folder: Path) -> Path | None:
    """The last checkpoint of a folder that is whole; what is not whole is removed."""
    found = sorted(folder.glob(f"{_PREFIX}*"), key=step_of)
    while found:
        if is_whole(newest := found.pop()):
            return newest
        shutil.rmtree(newest)
    return None


def prune(folder: Path, best: int | None) -> None:
    """Remove all checkpoints but the newest two, the second in case the first is damaged, and the best."""
    found = sorted(folder.glob(f"{_PREFIX}*"), key=step_of)
    for checkpoint in found[:-2]:
        if step_of(checkpoint) != best:
            shutil.rmtree(checkpoint)


def checkpoint_of(folder: Path, step: int) -> Path:
    """Where the libraries put the checkpoint of a step."""
    return folder / f"{_PREFIX}{step}"


def step_of(checkpoint: Path) -> int:
    """The step after which a checkpoint was written."""
    return int(checkpoint.name.removeprefix(_PREFIX))


def place_model(source: Path, target: Path) -> dict[str, str]:
    """Copy the model of a checkpoint to `target`, there whole or not at all; the digest of each of its files."""
    making = target.with_name(f".{target.name}.making")
    for old in (making, target):
        if old.exists():
            shutil.rmtree(old)
    shutil.copytree(source, making, ignore=lambda _, names: _NOT_OF_A_MODEL.intersection(names))
    files = sorted(path for path in making.rglob("*") if path.is_file())
    for path in files:
        path.chmod(0o600)
    sync_files(files)
    digests = {path.relative_to(making).as_posix(): sha256(path) for path in files}
    making.rename(target)
    sync_path(target.parent)
    return digests


def sha256(path: Path) -> str:
    """Digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
