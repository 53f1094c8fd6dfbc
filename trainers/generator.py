"""Fine-tuning of a generator: on good answers (SFT) or on pairs of a better and a worse one (DPO), with LoRA.

The model is an adapter of some megabytes beside a base model that stays as it is. Learned from is what the assistant says
last; the messages before it are given. Weights are read and written as safetensors alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset as Rows
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from resources.base_model import BaseModelError
from trainers.checkpoints import checkpoint_of, place_model
from trainers.session import Outcome, Session, TrainingDataError
from trainers.watch import Watch, facts, planned_steps, run, shared_arguments

PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + eos_token + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
"""How messages are written for a base model that has no way of its own; kept with the adapter."""
DROPOUT = 0.05
Message = dict[str, str]


def train(session: Session) -> Outcome:
    """Train to the end or to a stop."""
    spec = session.spec
    assert session.base.folder is not None
    tokenizer, model = load(session.base.folder, spec.device)
    make = sft_rows if spec.kind == "sft" else preference_rows
    rows = [make(row) for row in session.dataset.table("train").to_pylist()]
    if not rows:
        raise TrainingDataError(f"{session.dataset.folder} has nothing to learn from")
    dev = [make(row) for row in session.dataset.table("dev").to_pylist()]
    batch = session.whole("batch_size")
    at_once, pieces = _pieces(batch, spec.device)
    planned = planned_steps(len(rows), batch, session.number("epochs"))
    arguments = shared_arguments(session, planned, at_once) | {
        "gradient_accumulation_steps": pieces,
        "per_device_eval_batch_size": at_once,
        "save_steps": session.whole("checkpoint_steps"),
        "max_length": session.whole("max_tokens"),
        "gradient_checkpointing": spec.device == "cuda",
    }
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=session.whole("lora_rank"),
        lora_alpha=session.whole("lora_alpha"),
        lora_dropout=DROPOUT,
        target_modules="all-linear",
    )
    watch = Watch(session, lambda checkpoint: _evaluated(trainer) if dev else {})
    given: dict[str, Any] = {
        "model": model, "processing_class": tokenizer, "peft_config": lora, "callbacks": [watch],
        "train_dataset": Rows.from_list(rows), "eval_dataset": Rows.from_list(dev) if dev else None,
    }  # fmt: skip
    trainer: SFTTrainer | DPOTrainer
    if spec.kind == "sft":
        trainer = SFTTrainer(args=SFTConfig(**arguments), **given)
    else:
        trainer = DPOTrainer(args=DPOConfig(**arguments, beta=session.number("beta")), **given)
    if dev and not session.values("dev_loss"):
        session.point(0, _evaluated(trainer))
    steps = run(trainer, session)
    if steps < trainer.state.max_steps and (stop := session.stop()):
        return Outcome(steps, trainer.state.max_steps, stop)
    losses, dev_losses = session.values("loss"), session.values("dev_loss")
    metrics = {"loss_first": losses[min(losses)], "loss_last": losses[max(losses)]}
    if dev_losses:
        metrics |= {"dev_loss_before": dev_losses[0], "dev_loss": dev_losses[steps]}
    if accuracies := session.values("dev_accuracy"):
        metrics |= {"dev_accuracy_before": accuracies[0], "dev_accuracy": accuracies[steps]}
    return Outcome(
        steps,
        trainer.state.max_steps,
        metrics=metrics,
        files=place_model(checkpoint_of(session.checkpoints, steps), session.model),
        parameters={**facts(session, trainer), "rows": len(rows), **_speed(session)},
    )


def load(folder: Path, device: str) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """A base model and its tokenizer from a folder. Raises BaseModelError."""
    if (folder / "adapter_config.json").exists():
        raise BaseModelError(f"{folder} is an adapter, which cannot be trained upon; merge it into its model first")
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        model: Any = AutoModelForCausalLM.from_pretrained(
            str(folder),
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.bfloat16 if device == "cuda" and torch.cuda.is_bf16_supported() else torch.float32,
        )
    except (OSError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BaseModelError(f"{folder} cannot be loaded as a causal language model ({reason})") from error
    if tokenizer.eos_token is None:
        raise BaseModelError(f"the tokenizer of {folder} has no eos_token: a model could not learn where an answer ends")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.chat_template is None:
        tokenizer.chat_template = PLAIN_TEMPLATE
    return tokenizer, model.to(device)


def sft_rows(row: dict[str, Any]) -> dict[str, list[Message]]:
    """The messages that are given, and the answer that is learned. Raises TrainingDataError."""
    messages = _messages(row["messages"], row["example_id"])
    if len(messages) < 2 or messages[-1]["role"] != "assistant":
        raise TrainingDataError(f"example {row['example_id']} does not end with an answer of the assistant to something")
    return {"prompt": messages[:-1], "completion": messages[-1:]}


def preference_rows(row: dict[str, Any]) -> dict[str, list[Message]]:
    """The messages that are given, the better answer and the worse one. Raises TrainingDataError."""
    prompt = _messages(row["prompt"], row["example_id"])
    chosen, rejected = ([{"role": "assistant", "content": str(row[which])}] for which in ("chosen", "rejected"))
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def _messages(said: str, example: str) -> list[Message]:
    try:
        return [{"role": str(one["role"]), "content": str(one["content"])} for one in json.loads(said)]
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingDataError(f"the messages of example {example} are no JSON list of role and content") from error


def _pieces(batch: int, device: str) -> tuple[int, int]:
    """Rows at once and how often, so that together they are about a batch: memory holds a few at a time."""
    most = 8 if device == "cuda" else 4
    at_once = max(size for size in range(1, min(most, batch) + 1) if batch % size == 0)
    return at_once, batch // at_once


def _evaluated(trainer: SFTTrainer | DPOTrainer) -> dict[str, float]:
    said = trainer.evaluate()
    named = {"eval_loss": "dev_loss", "eval_rewards/accuracies": "dev_accuracy", "eval_rewards/margins": "dev_margin"}
    return {ours: float(said[theirs]) for theirs, ours in named.items() if theirs in said}


def _speed(session: Session) -> dict[str, float]:
    """Tokens that were seen, and how many a second from the curve's first point to its last, evaluations included."""
    seen = [(point["num_tokens"], point["seconds"]) for point in session.points if "num_tokens" in point]
    if len(seen) < 2 or seen[-1][1] <= seen[0][1]:
        return {}
    speed = (seen[-1][0] - seen[0][0]) / (seen[-1][1] - seen[0][1])
    return {"tokens": float(seen[-1][0]), "tokens_per_second": round(float(speed), 1)}
