"""Where this warehouse lives, from the environment: the one place that reads NOCTURNE_* variables."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args
from urllib.parse import urlsplit

import dagster as dg

from pipelines.clock import read_present
from pipelines.event_log import open_instance
from resources.durable import write_atomically
from resources.landing_area import LandingError, landing_area
from resources.restore import RESTORED, RESTORING

HOME_FOLDERS = (
    "dagster", "data_docs", "embeddings", "indexes", "keys", "labelling", "pages", "report", "reviews", "sample", "spill",
    "staging", "validation",
)  # fmt: skip
"""What lies in the home beside the landing folder; each is its owner's alone from the first moment."""
Dtype = Literal["float32", "bfloat16"]
REPO = Path(__file__).resolve().parent.parent
INSTANCE_YAML = REPO / "deploy" / "dagster.local.yaml"


@dataclass(frozen=True)
class Setting:
    """What an environment variable of ours means. `default`: what holds where it is not set, in words."""

    default: str
    meaning: str


SETTINGS = {
    "NOCTURNE_HOME": Setting("`.nocturne`", "state: landing, keys, staging, the Dagster instance. Its owner's alone"),
    "NOCTURNE_DATA": Setting("`warehouse/data`", "tables, and the analysts' file `warehouse.duckdb`"),
    "NOCTURNE_LANDING": Setting(
        "`$NOCTURNE_HOME/landing`",
        "the logs, a sub-folder a source: a folder that exists, or a URL such as `s3://bucket/prefix` (landing.md)",
    ),
    "NOCTURNE_MEMORY_LIMIT": Setting("`2GB`", "what DuckDB may use; a night takes up to 2 GB beside it"),
    "NOCTURNE_SETTLE_SECONDS": Setting("`5`", "how long a file must lie still before it is taken"),
    "NOCTURNE_EMBEDDER": Setting(
        "all-MiniLM-L6-v2, packaged",
        "the model that turns kept words into vectors: a folder, or an id of the Hugging Face hub in this machine's cache "
        "(drift.md)",
    ),
    "NOCTURNE_EMBEDDER_DTYPE": Setting("`float32`", "or `bfloat16`, for a processor with AMX; counts as another model"),
    "NOCTURNE_EMBEDDER_DEVICE": Setting("`cpu`", "or `cuda`, `cuda:1` and so on (knowledge.md)"),
    "NOCTURNE_MLFLOW_URI": Setting(
        "SQLite in the home",
        "the MLflow server that keeps models, without user and password: those go into `MLFLOW_TRACKING_USERNAME` and "
        "`MLFLOW_TRACKING_PASSWORD` (registry.md)",
    ),
    "NOCTURNE_RUN_HISTORY_DAYS": Setting(
        "`30`", "for how many days Dagster's record of ended runs is kept (retention.md)"
    ),
    "NOCTURNE_CODE_URL": Setting(
        "files of this machine",
        "where this checkout is browsed, such as `https://git.example.com/data/nocturne/blob/main`: the Dagster UI links "
        "each table's contract, SQL and pages there",
    ),
    "NOCTURNE_COMPUTE_LOGS": Setting(
        "not set", "the folder of compute logs that all processes of a deployment mount; only `deploy/` reads it"
    ),
    "NOCTURNE_NOW": Setting(
        "the clock",
        "a fixed present, such as `2026-11-01T03:00:00+00:00`, for rehearsals; `@/path/of/a/file` reads it from a file at "
        "each look, so that it can be moved",
    ),
    "NOCTURNE_SENSOR_SECONDS": Setting(
        "each its own, 15 to 300", "the longest that a sensor waits between two looks, for rehearsals"
    ),
}
"""Every environment variable that this project reads; docs/configuration.md is made from it. The names of secrets (addresses
of channels, keys of endpoints) are chosen in seeds."""


class SettingsError(ValueError):
    """An environment variable that cannot be used; names it and says what it takes."""


@dataclass(frozen=True)
class Settings:
    """Folders of one warehouse, its limits, its models, and the clock that a rehearsal may fix: what SETTINGS says.

    `landing_url`: the landing place where it is a URL; `landing` is then not used.
    """

    home: Path
    data: Path
    landing: Path
    fixed_now: str | None
    settle_seconds: float
    memory_limit: str
    landing_url: str | None = None
    run_history_days: int = 30
    embedder: str = ""
    embedder_dtype: Dtype = "float32"
    embedder_device: str = "cpu"
    mlflow_uri: str = ""
    code_url: str = ""

    @classmethod
    def from_environment(cls) -> Settings:
        """Settings as the environment gives them; relative paths are below the checkout. Raises SettingsError."""
        home = _folder("NOCTURNE_HOME", ".nocturne")
        url = os.environ.get("NOCTURNE_LANDING", "")
        is_url = "://" in url
        return cls(
            home=home,
            data=_folder("NOCTURNE_DATA", "warehouse/data"),
            landing=home / "landing" if is_url else _folder("NOCTURNE_LANDING", str(home / "landing")),
            fixed_now=_checked("NOCTURNE_NOW", read_present, "a time such as 2026-11-01T03:00:00+00:00, or @file"),
            settle_seconds=float(_checked("NOCTURNE_SETTLE_SECONDS", float, "a number of seconds such as 5") or 5),
            memory_limit=_checked("NOCTURNE_MEMORY_LIMIT", _size, "a size such as 2GB") or "2GB",
            landing_url=url if is_url else None,
            run_history_days=int(_checked("NOCTURNE_RUN_HISTORY_DAYS", _count, "a whole number of days, 1 or more") or 30),
            embedder=os.environ.get("NOCTURNE_EMBEDDER", ""),
            embedder_dtype=_dtype(os.environ.get("NOCTURNE_EMBEDDER_DTYPE") or "float32"),
            embedder_device=_checked("NOCTURNE_EMBEDDER_DEVICE", _device, "cpu, or cuda, or cuda:1 and so on") or "cpu",
            mlflow_uri=_mlflow_uri(os.environ.get("NOCTURNE_MLFLOW_URI", "")),
            code_url=(_checked("NOCTURNE_CODE_URL", _page, "an address such as https://host/team/code") or "").rstrip("/"),
        )

    @property
    def is_own_landing(self) -> bool:
        """Whether the landing folder is this project's own, and not a team's folder that the environment names."""
        return "NOCTURNE_LANDING" not in os.environ

    def check_folders(self) -> None:
        """Make the folders that are ours. Raises SettingsError for one that cannot be, or a landing place that is not."""
        self.check_warehouse()
        # Libraries write there with whatever modes they like: nobody else gets as far as their files.
        for name in (*HOME_FOLDERS, *(["landing"] if self.is_own_landing else [])):
            (self.home / name).mkdir(exist_ok=True, mode=0o700)
        if self.landing_url:
            try:
                landing_area(self.landing_url).undeclared([])
            except LandingError as error:
                raise SettingsError(f"NOCTURNE_LANDING: {error}") from None
        elif not self.is_own_landing and not self.landing.is_dir():
            raise SettingsError(f"NOCTURNE_LANDING: {self.landing} is no folder; name the folder that holds your sources")

    def check_warehouse(self) -> None:
        """Make the home and the data folder. Raises SettingsError for one that cannot be, or that is half restored."""
        # Readers of the data are whom the umask lets in; nobody but its owner ever writes it.
        os.umask(os.umask(0o077) | 0o022)
        # The home holds keys, logs as they came and stages with words; analysts read the data.
        for name, folder, mode in (("NOCTURNE_HOME", self.home, 0o700), ("NOCTURNE_DATA", self.data, 0o755)):
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=mode)
            except OSError as error:
                problem = f"{name}: {folder} cannot be made ({error.strerror}); name a folder to write to"
                raise SettingsError(problem) from error
            if not os.access(folder, os.W_OK):
                raise SettingsError(f"{name}: {folder} cannot be written to; name another folder, or change its owner")
        self.check_restored()

    def check_restored(self) -> None:
        """Raises SettingsError for a warehouse that is half restored."""
        for begun in (self.data / RESTORING, self.data / RESTORED):
            if begun.exists():
                raise SettingsError(f"a restore was interrupted in {self.data}, or is going on; run `make restore` again")

    def prepare_instance(self) -> None:
        """Make DAGSTER_HOME a folder of this warehouse, with the local instance's configuration, unless it is set."""
        folder = Path(os.environ.setdefault("DAGSTER_HOME", str(self.home / "dagster")))
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (folder / "dagster.yaml").exists():
            # Whole or not at all: half a configuration would count as one.
            write_atomically(folder / "dagster.yaml", INSTANCE_YAML.read_bytes(), mode=0o600)

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """The Dagster instance; its tables are made by one process at a time."""
        with self.lock():
            instance = open_instance(os.environ["DAGSTER_HOME"])
            instance.get_runs_count()
        with instance:
            yield instance

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One process at a time, while a new home is furnished."""
        with (self.home / ".furnishing.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def sensor_seconds(usual: int) -> int:
    """How long a sensor waits between two looks: as it usually does, or NOCTURNE_SENSOR_SECONDS where those are fewer."""
    text = _checked("NOCTURNE_SENSOR_SECONDS", _count, "a whole number of seconds, 1 or more")
    return min(usual, int(text)) if text else usual


def _folder(name: str, default: str) -> Path:
    return REPO / Path(os.environ.get(name) or default).expanduser()


def _checked(name: str, check: Callable[[str], object], takes: str) -> str | None:
    """The text of a variable that passes a check; None where it is not set."""
    text = os.environ.get(name)
    if not text:
        return None
    try:
        check(text)
    except ValueError as error:
        raise SettingsError(f"{name}={text!r} cannot be used; it takes {takes}") from error
    return text


def _dtype(text: str) -> Dtype:
    if text not in get_args(Dtype):
        raise SettingsError(f"NOCTURNE_EMBEDDER_DTYPE={text!r} cannot be used; it takes float32 or bfloat16")
    return cast("Dtype", text)


def _mlflow_uri(text: str) -> str:
    """The address of a server. It is shown in the UI and in messages, so that no password is taken in it."""
    address = urlsplit(text)
    if text and (address.scheme not in ("http", "https") or not address.hostname):
        raise SettingsError("NOCTURNE_MLFLOW_URI cannot be used; it takes the address of a server: http://mlflow.example:5000")
    if "@" in address.netloc or address.query:
        raise SettingsError(
            "NOCTURNE_MLFLOW_URI holds a user or a password; write them into MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, and the address alone into NOCTURNE_MLFLOW_URI"
        )
    return text.rstrip("/")


def _page(text: str) -> None:
    if not re.fullmatch(r"https?://[^\s@?#]+", text):
        raise ValueError(text)


def _device(text: str) -> None:
    if not re.fullmatch(r"cpu|cuda(:\d+)?", text):
        raise ValueError(text)


def _count(text: str) -> None:
    if int(text) < 1:
        raise ValueError(text)


def _size(text: str) -> None:
    if not re.fullmatch(r"\d+(\.\d+)?\s*([KMGT]i?B)", text, flags=re.IGNORECASE):
        raise ValueError(text)
