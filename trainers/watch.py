"""What the trainers of sentence-transformers and of TRL, which are the same underneath, tell a session, and are told."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from trainers.checkpoints import checkpoint_of, prune, seal
from trainers.session import Session

POINTS = 100
"""At most so many points of loss in a curve."""
_TOLD = (
    "loss", "learning_rate", "grad_norm", "epoch", "mean_token_accuracy", "num_tokens", "rewards/accuracies",
    "rewards/margins",
)  # fmt: skip
Evaluated = Callable[[Path], dict[str, float]]
"""Numbers of a checkpoint, such as what it finds of the questions that were set aside."""


class Watch(TrainerCallback):
    """Puts losses and evaluations on the curve, seals checkpoints, and stops where the session says so."""

    def __init__(self, session: Session, evaluated: Evaluated, best_step: Callable[[], int | None] = lambda: None):
        self._session = session
        self._evaluated = evaluated
        self._best_step = best_step

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        logs = given["logs"]
        if "loss" in logs:
            numbers = {name.replace("/", "_"): float(logs[name]) for name in _TOLD if name in logs}
            self._session.point(state.global_step, {name: one for name, one in numbers.items() if math.isfinite(one)})

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        checkpoint = checkpoint_of(self._session.checkpoints, state.global_step)
        # Who asks it to stop does not wait for an evaluation.
        if state.global_step >= state.max_steps or self._session.stop() is None:
            self._session.point(state.global_step, self._evaluated(checkpoint))
        seal(checkpoint)
        prune(self._session.checkpoints, self._best_step())
        self._session.sealed(state.global_step)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        if self._session.stop() is not None and state.global_step < state.max_steps:
            control.should_save = True
            control.should_training_stop = True


def planned_steps(rows: int, batch: int, epochs: float) -> int:
    """Steps of a training of so many rows."""
    return max(1, math.ceil(math.ceil(rows / batch) * epochs))


def shared_arguments(session: Session, planned: int, rows_at_once: int) -> dict[str, Any]:
    """What all kinds tell their library in the same words."""
    on_cuda = session.spec.device == "cuda"
    return {
        "output_dir": str(session.checkpoints),
        "num_train_epochs": session.number("epochs"),
        "per_device_train_batch_size": rows_at_once,
        "learning_rate": session.number("learning_rate"),
        "warmup_steps": math.ceil(planned * session.number("warmup_share")),
        "bf16": torch.cuda.is_bf16_supported() if on_cuda else _multiplies_bfloat16(),
        "use_cpu": not on_cuda,
        "dataloader_pin_memory": on_cuda,
        "seed": session.whole("seed"),
        "logging_strategy": "steps",
        "logging_steps": max(1, planned // POINTS),
        "save_strategy": "steps",
        "report_to": "none",
        "disable_tqdm": True,
    }


def _multiplies_bfloat16() -> bool:
    """Whether the processor does: products of a training are then four times as fast, its weights stay float32."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def run(trainer: Trainer, session: Session) -> int:
    """Train to the end or to a stop; the step that was reached."""
    if session.spec.threads:
        torch.set_num_threads(session.spec.threads)
    trainer.train(resume_from_checkpoint=str(session.checkpoint) if session.checkpoint else None)
    return int(trainer.state.global_step)


def facts(session: Session, trainer: Trainer) -> dict[str, Any]:
    """What a card tells of a training: sizes, memory, versions."""
    from importlib.metadata import version

    assert trainer.model is not None
    found: dict[str, Any] = {"products_in": "bfloat16" if trainer.args.bf16 else "float32"}
    counted = [(one.numel(), one.requires_grad) for one in trainer.model.parameters()]
    found |= {
        "all_parameters": sum(count for count, _ in counted),
        "trained_parameters": sum(count for count, is_trained in counted if is_trained),
        "libraries": {name: version(name) for name in ("torch", "transformers", "sentence-transformers", "trl", "peft")},
    }
    if session.spec.device == "cuda":
        found |= {"peak_memory_bytes": torch.cuda.max_memory_allocated(), "gpu": torch.cuda.get_device_name()}
    return found
