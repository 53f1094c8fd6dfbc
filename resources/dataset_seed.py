"""warehouse/seeds/datasets.yml: licences of sources, further evaluation sets, and the shares that one person may have.

Here belongs the lint of that seed. What follows from it is pipelines/tuning/dataset_desk.py's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resources.contracts import REPO
from resources.seed_yaml import SeedYamlError, read_seed

DATASETS_FILE = "datasets.yml"
_KEYS = frozenset({"licences", "evaluation_sets", "user_share", "annotator_share"})


class DatasetSeedError(ValueError):
    """A datasets.yml that cannot be used as written; says which entry, and what to write."""


@dataclass(frozen=True)
class DatasetSeed:
    """The seed as it stands."""

    licences: Mapping[str, str] = field(default_factory=dict)
    evaluation_sets: tuple[Path, ...] = ()
    user_share: float = 0.05
    annotator_share: float = 0.5


def load_datasets(path: Path) -> DatasetSeed:
    """The seed of a file, or what is left out where there is none. Raises DatasetSeedError."""
    try:
        raw = read_seed(path)
    except FileNotFoundError:
        return DatasetSeed()
    except SeedYamlError as error:
        raise DatasetSeedError(str(error)) from error
    if not isinstance(raw, dict) or set(raw) - _KEYS:
        raise DatasetSeedError(f"{path.name} is a mapping of {', '.join(sorted(_KEYS))}")
    licences = raw.get("licences") or {}
    if not isinstance(licences, dict) or not all(isinstance(text, str) for pair in licences.items() for text in pair):
        raise DatasetSeedError(f"{path.name}: licences is a mapping of landing sub-folders to names of licences")
    return DatasetSeed(
        licences=licences,
        evaluation_sets=_paths(path.name, raw.get("evaluation_sets") or []),
        **{name: _share(path.name, name, raw[name]) for name in ("user_share", "annotator_share") if name in raw},
    )


def _paths(where: str, raw: Any) -> tuple[Path, ...]:
    if not isinstance(raw, list) or not all(isinstance(one, str) and one for one in raw):
        raise DatasetSeedError(f"{where}: evaluation_sets is a list of files and folders")
    found = tuple((REPO / one).resolve() for one in raw)
    # A set that is not found protects nothing, and nobody would know.
    if missing := [str(path) for path in found if not path.exists()]:
        raise DatasetSeedError(f"{where}: there is no evaluation set {missing[0]}; restore it, or take its entry out")
    return found


def _share(where: str, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise DatasetSeedError(f"{where}: {name} is a share above 0, up to 1; not {value!r}")
    return float(value)
