"""When a training must stop, and which checkpoint of it counts."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from training_house import wait_for

from resources.contracts import REPO
from resources.tuning_seed import LimitsSeed
from trainers.checkpoints import is_whole, newest_whole, place_model, prune, seal
from trainers.limits import cost_usd, reached

ORPHAN = """
import sys, time
from pathlib import Path
from trainers.limits import Asked
asked = Asked(Path(sys.argv[1]))
assert asked.stop() is None
Path(sys.argv[1], "ready").touch()
for _ in range(2000):
    if (stop := asked.stop()) is not None:
        Path(sys.argv[1], "stopped").write_text(stop.reason)
        break
    time.sleep(0.01)
"""
PARENT = """
import subprocess, sys, time
from pathlib import Path
subprocess.Popen([sys.executable, "-c", sys.argv[2], sys.argv[1]])
while not Path(sys.argv[1], "ready").exists():
    time.sleep(0.01)
"""


def test_a_training_whose_starter_is_gone_stops(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", PARENT, str(tmp_path), ORPHAN], cwd=REPO, check=True, timeout=60)
    wait_for((tmp_path / "stopped").exists, "the end of the orphan", 30)
    wait_for(lambda: (tmp_path / "stopped").read_text(encoding="utf-8") != "", "its reason", 5)
    assert "is gone" in (tmp_path / "stopped").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("limits", "seconds", "said"),
    [
        (LimitsSeed(1.0, Decimal(0), Decimal(0)), 3599.9, None),
        (LimitsSeed(1.0, Decimal(0), Decimal(0)), 3600.0, "hours"),
        (LimitsSeed(9.0, Decimal(5), Decimal(10)), 1799.0, None),
        (LimitsSeed(9.0, Decimal(5), Decimal(10)), 1800.0, "USD"),
        (LimitsSeed(9.0, Decimal(5), Decimal(0)), 1800.0, None),
    ],
)
def test_the_first_limit_that_is_reached_counts(limits: LimitsSeed, seconds: float, said: str | None) -> None:
    stop = reached(limits, seconds)
    assert stop is None if said is None else stop is not None and stop.state == "limit" and said in stop.reason


def test_money_is_exact() -> None:
    assert cost_usd(LimitsSeed(1.0, Decimal(1), Decimal("0.1")), 360.0) == Decimal("0.010000")


def make_checkpoint(folder: Path, step: int) -> Path:
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    (checkpoint / "model.safetensors").write_bytes(bytes([step]))
    (checkpoint / "optimizer.pt").write_bytes(b"state")
    (checkpoint / "README.md").write_text("It was trained on: the words of a user", encoding="utf-8")
    return checkpoint


def test_a_checkpoint_counts_from_its_seal_on_and_only_byte_for_byte(tmp_path: Path) -> None:
    for step in (2, 4, 10):
        seal(make_checkpoint(tmp_path, step))
    make_checkpoint(tmp_path, 12)
    (tmp_path / "checkpoint-10" / "optimizer.pt").write_bytes(b"torn")
    # By number, and not by name: 10 is after 4.
    assert newest_whole(tmp_path) == tmp_path / "checkpoint-4"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-2", "checkpoint-4"], "what is torn is gone"
    (tmp_path / "checkpoint-4" / "model.safetensors").unlink()
    assert not is_whole(tmp_path / "checkpoint-4")


def test_no_page_of_training_data_stays_in_a_checkpoint(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path, 1)
    seal(checkpoint)
    assert not (checkpoint / "README.md").exists() and is_whole(checkpoint)


def test_the_best_checkpoint_is_kept_beside_the_newest_two(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4, 5):
        seal(make_checkpoint(tmp_path, step))
    prune(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-2", "checkpoint-4", "checkpoint-5"]


def test_a_model_is_placed_whole_and_without_what_training_needed(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoints", 1)
    seal(checkpoint)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "left over").touch()
    files = place_model(checkpoint, tmp_path / "model")
    assert list(files) == ["model.safetensors"] == [path.name for path in (tmp_path / "model").iterdir()]
