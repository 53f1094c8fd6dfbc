"""Where this warehouse lives, from the environment: the one place that reads NOCTURNE_* variables."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
INSTANCE_YAML = REPO / "deploy" / "dagster.local.yaml"


@dataclass(frozen=True)
class Settings:
    """Folders of one warehouse, and the clock that a rehearsal may fix.

    NOCTURNE_HOME: state (landing, keys, staging, the Dagster instance). NOCTURNE_DATA: tables and the analysts' file.
    NOCTURNE_LANDING: the logs, one sub-folder a source. NOCTURNE_NOW: a fixed present (ISO 8601), for rehearsals.
    """

    home: Path
    data: Path
    landing: Path
    fixed_now: str | None
    settle_seconds: float
    memory_limit: str

    @classmethod
    def from_environment(cls) -> Settings:
        """Settings as the environment gives them; relative paths are below the checkout."""
        home = REPO / os.environ.get("NOCTURNE_HOME", ".nocturne")
        return cls(
            home=home,
            data=REPO / os.environ.get("NOCTURNE_DATA", "warehouse/data"),
            landing=REPO / os.environ.get("NOCTURNE_LANDING", str(home / "landing")),
            fixed_now=os.environ.get("NOCTURNE_NOW"),
            settle_seconds=float(os.environ.get("NOCTURNE_SETTLE_SECONDS", "5")),
            memory_limit=os.environ.get("NOCTURNE_MEMORY_LIMIT", "2GB"),
        )

    def prepare_instance(self) -> None:
        """Make DAGSTER_HOME a folder of this warehouse, with the local instance's configuration, unless it is set."""
        folder = Path(os.environ.setdefault("DAGSTER_HOME", str(self.home / "dagster")))
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "dagster.yaml").exists():
            shutil.copyfile(INSTANCE_YAML, folder / "dagster.yaml")
