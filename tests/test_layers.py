"""The shape of the project: layers, names, sizes, and what its files may not say."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from layers import MAY_IMPORT, SLOW, faults

from assets.python_tables import python_table
from pipelines.doctor.__main__ import WHEELS, conflict
from resources.contracts import REPO, SQL, contracts

MODULES = sorted(path for layer in MAY_IMPORT for path in (REPO / layer).rglob("*.py"))
LONGEST_MODULE = 400
"""Lines after which a module is two."""


def relative(path: Path) -> str:
    return path.relative_to(REPO).as_posix()


VENDORED = "warehouse/seeds/gitleaks/"
"""Rules as their project publishes them: they name paths and keys to find them."""


def tracked_texts() -> list[tuple[str, str]]:
    """(path, text) of every file that is, or is about to be, part of the project and its own."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=REPO, capture_output=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    texts = []
    for name in listed.stdout.decode().split("\0"):
        if name.startswith(VENDORED):
            continue
        try:
            texts.append((name, (REPO / name).read_text(encoding="utf-8")))
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
    return texts


# layers


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_module_keeps_to_its_layer(path: Path) -> None:
    assert faults(relative(path), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("resources/store.py", "from assets.tables import asset_key"),
        ("resources/store.py", "import duckdb"),
        ("resources/store.py", "import dagster as dg"),
        ("resources/warehouse.py", "from deltalake import DeltaTable"),
        ("resources/store.py", "def f():\n    from deltalake import DeltaTable"),
        ("assets/tables.py", "from pipelines import clock"),
        ("assets/cost/assets.py", "import duckdb"),
        ("assets/cost/price_rows.py", "import dagster"),
        ("assets/cost/price_rows.py", "from resources.store import Store"),
        ("assets/cost/price_rows.py", "from pathlib import Path"),
        ("assets/cost/price_rows.py", "from assets.cost.assets import prices_asset"),
        ("assets/cost/price_rows.py", "rows = open('prices.yml')"),
        ("assets/cost/price_rows.py", "text = path.read_text()"),
        ("assets/cost/assets.py", "from datetime import datetime\ndef f():\n    return datetime.now()"),
        ("resources/days.py", "import time\nstarted = time.time()"),
        ("resources/days.py", "import os\nhome = os.environ['NOCTURNE_HOME']"),
        ("simulator/traffic.py", "from resources.contracts import contracts"),
        ("pipelines/build.py", "import mlflow"),
        ("pipelines/build.py", "from simulator import x\ntry:\n    import torch\nexcept ImportError:\n    pass"),
        ("trainers/lora.py", "from pipelines.settings import Settings"),
    ],
)
def test_each_rule_of_the_layers_can_fail(path: str, source: str) -> None:
    assert faults(path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("assets/drift/psi.py", "import numpy as np\ndef f():\n    import pandas"),
        ("resources/registry.py", "def client():\n    import mlflow"),
        ("resources/registry.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch"),
        ("trainers/lora.py", "import torch"),
        ("pipelines/clock.py", "from datetime import datetime\nnow = datetime.now()"),
        ("resources/failpoints.py", "import os\nwanted = os.environ.get('NOCTURNE_FAILPOINT')"),
    ],
)
def test_what_the_layers_allow_passes(path: str, source: str) -> None:
    assert faults(path, source) == []


@pytest.mark.parametrize("path", [p for p in MODULES if p.name == "__init__.py"], ids=relative)
def test_an_init_is_a_docstring(path: Path) -> None:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    assert len(body) == 1 and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_module_says_what_it_is_and_stays_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "open with what belongs here"
    assert text.count("\n") < LONGEST_MODULE, "split it by what changes together"


def test_loading_the_definitions_imports_nothing_slow() -> None:
    slow = [*SLOW, "genai_prices", "sklearn", "simulator"]
    program = f"import sys, pipelines.definitions; print(*[m for m in {slow} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], cwd=REPO, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


# names


def test_every_table_has_its_sql_or_its_python_and_all_sql_a_contract() -> None:
    files = [path for path in SQL.glob("*/*.sql") if path.parent.name not in ("_macros", "sources")]
    computed = {c.name: c for c in contracts().values() if c.kind in ("derived", "view")}
    named = {f"{path.parent.name}.{path.stem}" for path in files}
    assert named <= computed.keys()
    taken_apart = {f"{path.parent.parent.name}.{path.parent.name}" for path in SQL.glob("*/*/*.sql")}
    assert taken_apart <= computed.keys() and not taken_apart & named, "a SELECT is one file, or the files of one folder"
    named |= taken_apart
    for name in computed.keys() - named:
        assert computed[name].kind == "derived", f"{name}: a view is a SELECT"
        python_table(computed[name])


@pytest.mark.parametrize("name", ["apps", "assets", "pipelines", "resources", "simulator", "trainers"])
def test_the_folders_are_this_checkouts_and_nobody_elses(name: str) -> None:
    """Common words as import names: an installed distribution that owned one would be imported instead."""
    assert name not in packages_distributions()
    assert Path(str(importlib.import_module(name).__file__)).parent == REPO / name


# what tools load


def test_dagster_loads_the_project() -> None:
    """[tool.dg] as `make dev` uses it: every definition resolves, every resource is there."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("dg")), "check", "defs"], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workspace_and_the_project_name_the_same_code() -> None:
    [entry] = yaml.safe_load((REPO / "workspace.yaml").read_text(encoding="utf-8"))["load_from"]
    project = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["dg"]["project"]
    workspace = entry["python_file"]
    assert workspace["relative_path"] == project["code_location_target_module"].replace(".", "/") + ".py"
    assert workspace["location_name"] == project["code_location_name"]
    assert workspace["working_directory"] == "."


# what files may not say

FOREIGN = {
    "a machine's path": r"(?<![\w.])/(work|root|Users|home/\w+|tmp/\w+)/",
    "a package registry": r"https?://[^\s\"'`]+/(simple|packages)/|--(extra-)?index-[u]rl|--find-[l]inks",
    "a secret": r"AKIA[0-9A-Z]{16}|\bsk-[A-Za-z0-9_-]{24,}|gh[pousr]_\w{30,}|xox[bp]-\w{10,}|-----BEGIN [A-Z ]*PRIVATE KEY",
}


@pytest.mark.parametrize("what", FOREIGN)
def test_no_file_names(what: str) -> None:
    found = [f"{name}: {match.group()}" for name, text in tracked_texts() for match in re.finditer(FOREIGN[what], text)]
    assert found == []


def test_what_files_may_not_say_is_recognised() -> None:
    for what, text in {
        "a machine's path": "see /" + "home/somebody/notes",
        "a package registry": "https:" + "//registry.example/simple/",
        "a secret": "key = '" + "AKIA" + "A" * 16 + "'",
    }.items():
        assert re.search(FOREIGN[what], text)


def test_pins_are_exact_and_name_no_place() -> None:
    lines = (REPO / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!]+", pin) for pin in pins)
    assert not any(pin.startswith("nvidia") for pin in pins)


# which FAISS


def test_the_two_faiss_exclude_each_other() -> None:
    assert conflict("cpu", ["numpy", "faiss-cpu"]) is None
    assert conflict("gpu", []) is None
    assert "faiss-gpu is installed" in (conflict("cpu", ["faiss_gpu"]) or "")
    assert "faiss-cpu is installed" in (conflict("gpu", ["faiss-cpu"]) or "")
    assert "no extra 'tpu'" in (conflict("tpu", []) or "")


def test_at_most_one_faiss_is_installed() -> None:
    owners = packages_distributions().get("faiss", [])
    assert len(owners) <= 1 and set(owners) <= set(WHEELS.values())
