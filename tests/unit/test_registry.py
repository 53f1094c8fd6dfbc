"""The model registry on a real MLflow store: versions that stay, a champion that moves, files without code."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from resources.contracts import REPO
from resources.registry import Registry

MODEL = "hallucination_detector"
PARAMETERS = json.dumps({"coefficients": [0.5, -1.25], "name": "Ärger"}, ensure_ascii=False)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that MLflow has migrated: it takes seconds, once."""
    folder = tmp_path_factory.mktemp("template") / "mlflow"
    assert Registry(folder).champion(MODEL) is None
    return folder / "mlflow.db"


@pytest.fixture
def registry(migrated: Path, tmp_path: Path) -> Registry:
    registry = Registry.of(tmp_path)
    registry.folder.mkdir(mode=0o700)
    shutil.copy(migrated, registry.folder)
    return registry


def test_nobody_has_registered_anything_yet(registry: Registry) -> None:
    assert registry.champion(MODEL) is None


def test_the_newest_is_champion_and_reads_as_it_was_written(registry: Registry) -> None:
    first = registry.register(MODEL, "a1", PARAMETERS, {"auc": 0.8}, {"scorer": "rules-1"})
    assert registry.champion(MODEL) == first and first.parameters == PARAMETERS
    second = registry.register(MODEL, "b2", "{}", {"auc": 0.9}, {})
    assert (first.version, second.version) == ("1", "2")
    assert registry.champion(MODEL) == second


def test_a_model_that_is_there_gets_no_second_version(registry: Registry) -> None:
    first = registry.register(MODEL, "a1", PARAMETERS, {}, {})
    registry.register(MODEL, "b2", "{}", {}, {})
    assert registry.register(MODEL, "a1", PARAMETERS, {}, {}) == first
    assert registry.champion(MODEL) == first


def test_nothing_that_is_kept_can_run(registry: Registry) -> None:
    registry.register(MODEL, "a1", PARAMETERS, {"auc": 0.8}, {})
    files = [path for path in registry.folder.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"mlflow.db", "parameters.json"}
    assert registry.folder.stat().st_mode & 0o077 == 0


def test_a_process_without_a_main_file_survives_mlflow(migrated: Path, tmp_path: Path) -> None:
    """pyspark's client, which MLflow imports where it is installed, ends such a process."""
    shutil.copy(migrated, tmp_path)
    program = (
        "import sys; from pathlib import Path; from resources.registry import Registry; "
        f"Registry(Path({str(tmp_path)!r})).register({MODEL!r}, 'a1', '{{}}', {{}}, {{}}); "
        "print('alive', 'pyspark' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPO, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["alive", "False"], done.stderr
