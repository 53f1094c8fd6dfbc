"""Whom a night lets into what it writes, whatever the umask: its owner into all, analysts into what they may see."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from killing import REPO

from resources.contracts import contracts

READ, WRITE, ENTER = 4, 2, 1
SECRETS = ("keys", "staging", "spill", "landing", "dagster", "validation", "data_docs")


def others(path: Path) -> int:
    """What somebody in the group or in neither may do, as bits."""
    mode = stat.S_IMODE(path.lstat().st_mode)
    return (mode >> 3 | mode) & 0o7


def open_to_others(root: Path, right: int) -> set[Path]:
    """Files and folders below `root` with a right for others on them, and a way in through every folder above them."""
    found = {root} if others(root) & right else set()
    if others(root) & ENTER:
        for path in root.iterdir():
            if path.is_dir() and not path.is_symlink():
                found |= open_to_others(path, right)
            elif not path.is_symlink() and others(path) & right:
                found.add(path)
    return found


def test_what_others_may_open_is_found(tmp_path: Path) -> None:
    shut, wide = tmp_path / "shut", tmp_path / "wide"
    for folder, mode in ((shut, 0o700), (wide, 0o711)):
        folder.mkdir()
        (folder / "file").touch()
        (folder / "file").chmod(0o604)
        folder.chmod(mode)
    tmp_path.chmod(0o755)
    assert open_to_others(tmp_path, READ) == {tmp_path, wide / "file"}


@pytest.mark.parametrize("umask", [0o000, pytest.param(0o027, marks=pytest.mark.proof)], ids=oct)
def test_a_night_keeps_what_is_not_for_analysts_to_its_owner(tmp_path: Path, umask: int) -> None:
    home, data = tmp_path / "home", tmp_path / "data"
    (tmp_path / "came").mkdir()
    record = {"ts": "2026-11-08T10:00:00Z", "request_id": "r1", "prompt_text": "hello", "user_id": "somebody"}
    lines = [json.dumps(record), json.dumps(record | {"request_id": "r2", "prompt_text": "again"}), "{no json"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NOCTURNE_", "DAGSTER_"))}
    environment |= {
        "NOCTURNE_HOME": str(home), "NOCTURNE_DATA": str(data), "NOCTURNE_NOW": "2026-11-10T03:00:00",
        "NOCTURNE_SETTLE_SECONDS": "0",
    }  # fmt: skip
    command = [sys.executable, "-W", "ignore", "-m", "pipelines.nightly", "--no-sample"]
    for failpoint in ("reference.opened", None):
        # A first night that furnishes the home and is killed: the folder that a team puts its logs into.
        killed = {"NOCTURNE_FAILPOINT": failpoint} if failpoint else {}
        night = subprocess.run(
            command, cwd=REPO, env=environment | killed, umask=umask, capture_output=True, text=True, check=False
        )
        assert night.returncode in ((-9,) if failpoint else (0,)), night.stdout + night.stderr
        (home / "landing" / "gateway").mkdir(exist_ok=True)
        (home / "landing" / "gateway" / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert open_to_others(home, READ | WRITE | ENTER) == set()
    # Each of them is shut by itself: a home that its owner opened opens none of them.
    home.chmod(0o755)
    assert {path.name for path in home.iterdir() if path.is_dir() and others(path)} == set()
    assert {name for name in SECRETS if not (home / name).is_dir()} == set()
    assert [path for path in (home / "keys").rglob("*") if others(path)] == []
    with_words = {c.name for c in contracts().values() if any(column.class_ == "text" for column in c.columns)}
    assert "logs.texts" in with_words
    assert {n for n in with_words if (f := data / Path(*n.split("."))).exists() and others(f)} == set()
    assert (data / "logs" / "texts" / "_delta_log").is_dir()
    assert open_to_others(data, WRITE) == set()
    readable = open_to_others(data, READ)
    assert {data / "_published" / "warehouse-1.duckdb", data} <= readable
    assert any(path.suffix == ".parquet" and "requests" in path.parts for path in readable)
