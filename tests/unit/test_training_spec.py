"""What a training is told and leaves: ids, and files that are read back as they were written, or refused."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from resources.base_model import BaseModelError, base_model
from resources.training_spec import (
    CURVE,
    Done,
    TrainingSpec,
    TrainingSpecError,
    candidate_id,
    home_of,
    read_curve,
    read_done,
    read_spec,
    write_done,
    write_spec,
)
from resources.tuning_seed import LimitsSeed

SPEC = TrainingSpec(
    kind="sft",
    dataset="datasets/sft/0123456789abcdef",
    dataset_version="0123456789abcdef",
    recipe={"epochs": 2, "learning_rate": 2e-4, "matryoshka": [256, 128]},
    limits=LimitsSeed(2.0, Decimal("12.50"), Decimal("3.10")),
    base_model="models/llm",
    base_fingerprint="f" * 32,
)


def test_a_spec_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = write_spec(tmp_path, SPEC)
    assert read_spec(path) == SPEC and home_of(path) == tmp_path
    assert path.stat().st_mode & 0o077 == 0 and path.parent.stat().st_mode & 0o077 == 0


def test_what_decides_on_a_model_decides_on_its_id_and_nothing_else_does() -> None:
    def named(**changed: object) -> str:
        given = {"kind": "sft", "dataset_version": "a", "base_fingerprint": "b", "recipe": {"epochs": 1, "seed": 7}}
        return candidate_id(**(given | changed))  # type: ignore[arg-type]

    others: list[dict[str, object]] = [{"kind": "preferences"}, {"dataset_version": "c"}, {"base_fingerprint": "c"}]
    others += [{"recipe": {"epochs": 2, "seed": 7}}]
    assert len({named(), *(named(**one) for one in others)}) == 5
    assert named(recipe={"seed": 7, "epochs": 1.0}) == named(), "neither order nor 1.0 for 1 makes another candidate"


def test_limits_and_machines_do_not_make_another_candidate(tmp_path: Path) -> None:
    from dataclasses import replace

    other = replace(SPEC, limits=LimitsSeed(9.0, Decimal(0), Decimal(0)), device="cuda", threads=8, environment={"A": "b"})
    assert other.candidate == SPEC.candidate


def test_a_spec_that_was_edited_or_moved_is_refused(tmp_path: Path) -> None:
    path = write_spec(tmp_path, SPEC)
    raw = json.loads(path.read_text(encoding="utf-8"))
    for broken in ({"dataset_version": "c" * 16}, {"kind": "other"}, {"limits": {}}, {"surprise": 1}):
        path.write_text(json.dumps(raw | broken), encoding="utf-8")
        with pytest.raises(TrainingSpecError):
            read_spec(path)
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(TrainingSpecError):
        read_spec(path)


def test_an_end_is_read_as_it_was_written_with_money_exact(tmp_path: Path) -> None:
    done = Done("a" * 16, "sft", "trained", "", 3, 3, 1.5, Decimal("0.000125"), "cpu", 2, {"loss": 0.5}, "model", {"a": "b"})
    assert read_done(tmp_path) is None
    write_done(tmp_path, done)
    assert read_done(tmp_path) == done
    (tmp_path / "done.json").write_text("{}", encoding="utf-8")
    with pytest.raises(TrainingSpecError, match="delete it to train again"):
        read_done(tmp_path)


def test_the_line_that_a_kill_cut_off_is_no_point(tmp_path: Path) -> None:
    (tmp_path / CURVE).write_text('{"step": 1, "seconds": 0.5}\n{"step": 2, "sec', encoding="utf-8")
    assert read_curve(tmp_path) == [{"step": 1, "seconds": 0.5}]


def test_weights_that_could_run_code_are_no_base_model(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(BaseModelError, match="safetensors"):
        base_model("sft", "models", tmp_path)
    (tmp_path / "models" / "model.safetensors").write_bytes(b"weights")
    first = base_model("sft", "models", tmp_path)
    assert first.folder == tmp_path / "models"
    (tmp_path / "models" / "config.json").write_text("{}", encoding="utf-8")
    assert base_model("sft", "models", tmp_path).fingerprint != first.fingerprint


def test_a_generator_needs_a_model_that_somebody_named(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="base_model"):
        base_model("preferences", "", tmp_path)
    assert base_model("detector", "", tmp_path).folder is None
