"""Verified copies of registered models on this machine, and which champion was followed last.

    models/<model>/<version>/          a sealed folder (artefact_seal.py)
    models/<model>/followed.json       the champion that retrieval went by last, and the one before

Here belong folders, modes and the order of steps. What is downloaded is registry.py's; who is
followed, pipelines/tuning/champion.py's.
"""

from __future__ import annotations

import fcntl
import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from resources.artefact_seal import SealError, proven
from resources.durable import sync_files, sync_path, write_atomically
from resources.failpoints import failpoint
from resources.model_version import Version
from resources.signing_key import private_folder

_FOLLOWED = "followed.json"
_MAKING = ".making-"


@dataclass(frozen=True)
class Followed:
    """A champion that was followed. `version` None: there was none, and what the project is configured with was taken."""

    version: str | None
    digest: str
    fingerprint: str
    """Of the embedder, in this machine's number format."""


@dataclass(frozen=True)
class ModelCopies:
    """The copies of the warehouse with this state."""

    state: Path

    @property
    def root(self) -> Path:
        return self.state / "models"

    def place(self, version: Version) -> Path:
        """Where the copy of a version lies."""
        return self.root / version.model / version.version

    def has(self, version: Version, public_key: bytes) -> bool:
        """Whether a proven copy is here. Raises SealError where one is that was changed."""
        place = self.place(version)
        if not place.exists():
            return False
        try:
            seal = proven(place, version.model, public_key)
        except SealError as error:
            raise SealError(f"{error}. Remove {place}: it is downloaded again") from None
        if seal.digest == version.digest:
            return True
        # The same number of another registry: each has its own versions.
        aside = self.root / f"{_MAKING}{secrets.token_hex(4)}"
        place.rename(aside)
        shutil.rmtree(aside)
        return False

    def keep(self, version: Version, folder: Path) -> None:
        """Put a proven folder in its place, whole or not at all."""
        private_folder(self.root / version.model)
        sync_files(path for path in folder.rglob("*") if path.is_file())
        failpoint("registry.downloaded")
        folder.rename(self.place(version))
        sync_path(self.place(version).parent)

    @contextmanager
    def making(self) -> Iterator[Path]:
        """A new folder of one's own, gone at the end; for whoever works `alone`."""
        folder = self.root / f"{_MAKING}{secrets.token_hex(4)}"
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One process at a time; what killed ones left is cleared first."""
        private_folder(self.root)
        with (self.root / ".lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            for left in self.root.glob(f"{_MAKING}*"):
                shutil.rmtree(left)
            yield

    # Who was followed.

    def followed(self, model: str) -> list[Followed]:
        """The champion that was followed last, and the one before it; nobody yet: none. Raises SealError where the file
        that says so is damaged."""
        path = self.root / model / _FOLLOWED
        try:
            return [Followed(**said) for said in json.loads(path.read_bytes())]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError) as error:
            raise SealError(f"{path} is damaged; remove it while the registry can be asked") from error

    def follow(self, model: str, champion: Followed) -> None:
        """Remember who is followed from now on. Twice is once."""
        before = self.followed(model)
        if before and before[0] == champion:
            return
        private_folder(self.root / model)
        said = json.dumps([asdict(one) for one in [champion, *before][:2]], indent=1)
        write_atomically(self.root / model / _FOLLOWED, said.encode(), mode=0o600)

    def keep_followed(self, model: str) -> None:
        """Remove the copies of all versions but of those that are, and were, followed."""
        kept = {one.version for one in self.followed(model)}
        with self.alone():
            for place in (self.root / model).iterdir():
                if place.is_dir() and place.name not in kept:
                    shutil.rmtree(place)
