"""When a training must stop, and which checkpoint of it counts."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from training_house import FREE, wait_for

from resources.base_model import BaseModel
from resources.contracts import REPO
from resources.dataset_store import Dataset
from resources.training_folder import OVERDUE, seconds_spent
from resources.training_spec import CURVE, TrainingSpec, read_curve
from resources.tuning_seed import LimitsSeed
from trainers.checkpoints import is_whole, newest_whole, place_model, prune, seal
from trainers.limits import reached
from trainers.session import Session

ORPHAN = """
import sys, time
from pathlib import Path
from trainers.limits import Interrupted
asked = Interrupted()
assert asked.stop() is None
Path(sys.argv[1], "ready").touch()
for _ in range(2000):
    if (stop := asked.stop()) is not None:
        Path(sys.argv[1], "stopped").write_text(f"{stop.state}: {stop.reason}")
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
    told = (tmp_path / "stopped").read_text(encoding="utf-8")
    assert told == "interrupted: the process that started it is gone", "nobody cancelled it: it may go on"


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
    assert LimitsSeed(1.0, Decimal(1), Decimal("0.1")).cost_usd(360.0) == Decimal("0.010000")


def session_of(folder: Path, limits: LimitsSeed = FREE) -> Session:
    """An attempt at nothing, in a candidate's folder."""
    spec = TrainingSpec("detector", "datasets/detector/x", "x", {"seed": 7}, limits)
    dataset, base = Dataset(folder, {}), BaseModel(None, "")
    return Session(spec, folder, dataset, base, lambda: None, lambda message: None)


def test_what_is_done_again_after_a_kill_is_paid_again(tmp_path: Path) -> None:
    (tmp_path / CURVE).write_text('{"step": 40, "seconds": 40.0}\n{"step": 90, "seconds": 90.0}\n', encoding="utf-8")
    with session_of(tmp_path).counted():
        pass  # It is killed before it has a point of its own; the curve lost those after the checkpoint.
    assert read_curve(tmp_path) == []
    again = session_of(tmp_path, LimitsSeed(1.0, Decimal("0.02"), Decimal(1)))
    assert again.seconds >= 90.0
    stop = again.stop()
    assert stop is not None and stop.state == "limit" and "0.03 USD" in stop.reason


def test_time_is_written_down_while_it_passes_and_none_is_none(tmp_path: Path) -> None:
    assert seconds_spent(tmp_path) is None
    session = session_of(tmp_path)
    with session.counted(every_s=0.01):
        first = seconds_spent(tmp_path)
        wait_for(lambda: (seconds_spent(tmp_path) or 0.0) > (first or 0.0), "a later count", 30)


HANGING = """
import sys, time
from pathlib import Path
sys.path.insert(0, "tests"), sys.path.insert(0, "tests/unit")
from decimal import Decimal
from resources.tuning_seed import LimitsSeed
from test_training_limits import session_of
with session_of(Path(sys.argv[1]), LimitsSeed(1e-6, Decimal(0), Decimal(0))).counted(0.01, 0.0):
    time.sleep(120)
"""


def test_a_training_that_hangs_where_nobody_is_left_to_end_it_ends_itself(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HANGING, str(tmp_path)]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == OVERDUE and done.stderr.strip().endswith("it hung, and was ended long after its limit")


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
