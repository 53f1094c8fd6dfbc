"""Small models and datasets, made on the spot, on which every kind of training can be run in seconds."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pyarrow as pa

from assets.quality.detector import FEATURES
from resources.base_model import base_model
from resources.contracts import REPO
from resources.dataset_store import DatasetStore
from resources.trainer import Trainer
from resources.training_spec import CURVE, Done, TrainingSpec, write_spec
from resources.tuning_seed import LimitsSeed

QUICK = {"epochs": 1, "learning_rate": 1e-2, "warmup_share": 0.1, "max_tokens": 64, "checkpoint_steps": 2, "seed": 7}
RECIPES: dict[str, dict[str, Any]] = {
    "retriever": QUICK | {"learning_rate": 5e-3, "batch_size": 16, "mini_batch_size": 8, "scale": 20.0, "matryoshka": [16]},
    "detector": {"seed": 7},
    "sft": QUICK | {"batch_size": 4, "lora_rank": 4, "lora_alpha": 8},
    "preferences": QUICK | {"batch_size": 4, "lora_rank": 4, "lora_alpha": 8, "beta": 0.1},
}
FREE = LimitsSeed(hours=1.0, usd=Decimal(0), usd_per_hour=Decimal(0))
TOPICS = [(f"wug{at}", f"blick{at}", f"dax{at}") for at in range(24)]
"""Three words of a topic: questions use the first, passages the others, so that what belongs together must be learned."""


def make_embedder(folder: Path) -> Path:
    """A sentence embedder of random weights that knows the words of TOPICS."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, BertTokenizerFast, set_seed

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "what", "is", "the", *sum(TOPICS, ())]
    tokens = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="[UNK]"))
    tokens.pre_tokenizer = pre_tokenizers.Whitespace()
    tokens.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    set_seed(1)
    size = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    inner = folder.with_name(f"{folder.name}-inner")
    BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=64, **size)).save_pretrained(str(inner))
    BertTokenizerFast(tokenizer_object=tokens, model_max_length=64).save_pretrained(str(inner))
    whole = SentenceTransformer(modules=[Transformer(str(inner)), Pooling(32)], device="cpu")
    whole.save_pretrained(str(folder), create_model_card=False)
    return folder


def make_generator(folder: Path) -> Path:
    """A causal language model of some ten thousand random weights, and its tokenizer."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

    words = ["<unk>", "<s>", "</s>", "user", "assistant", ":", "what", "is", *sum(TOPICS, ())]
    tokens = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="<unk>"))
    tokens.pre_tokenizer = pre_tokenizers.Whitespace()
    set_seed(1)
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=128, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(str(folder))
    special = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    PreTrainedTokenizerFast(tokenizer_object=tokens, **special).save_pretrained(str(folder))
    return folder


def pairs(count: int, seed: int) -> list[dict[str, Any]]:
    """Questions of topics with the passage that belongs to each and one that does not."""
    rng = random.Random(seed)
    rows = []
    for at in range(count):
        topic = rng.randrange(len(TOPICS))
        other = (topic + 1 + rng.randrange(len(TOPICS) - 1)) % len(TOPICS)
        rows.append({
            "query_id": f"q{seed}-{at}", "query": f"what is the {TOPICS[topic][0]} " * (1 + at % 3),
            "positive_id": f"p{topic}", "positive": passage(topic),
            "negative_ids": [f"p{other}"], "negatives": [passage(other)],
        })  # fmt: skip
    return rows


def passage(topic: int) -> str:
    """The passage of a topic."""
    return f"the {TOPICS[topic][1]} is the {TOPICS[topic][2]}"


def answers(count: int, seed: int) -> list[dict[str, Any]]:
    """Questions with the answer of their topic, as messages."""
    rows = []
    for at in range(count):
        first, second, third = TOPICS[(at * 7 + seed) % len(TOPICS)]
        said = [{"role": "user", "content": f"what is {first}"}, {"role": "assistant", "content": f"{second} {third}"}]
        rows.append({"example_id": f"e{seed}-{at}", "messages": json.dumps(said), "feature": "help", "group": f"g{at}"})
    return rows


def preferences(count: int, seed: int) -> list[dict[str, Any]]:
    """Questions with the answer of their topic and a worse one."""
    rows = []
    for at in range(count):
        first, second, third = TOPICS[(at * 7 + seed) % len(TOPICS)]
        rows.append({
            "example_id": f"e{seed}-{at}", "prompt": json.dumps([{"role": "user", "content": f"what is {first}"}]),
            "chosen": f"{second} {third}", "rejected": "user user", "feature": "help", "group": f"g{at}",
        })  # fmt: skip
    return rows


def labels(count: int, seed: int) -> pl.DataFrame:
    """Scored responses with what people said of them: unsupported ones are often hallucinated."""
    rng = random.Random(seed)
    rows = []
    for at in range(count):
        bad = rng.random() < 0.4
        row: dict[str, Any] = {name: round(rng.random(), 3) for name in FEATURES}
        row |= {"support_mean": rng.gauss(0.4 if bad else 0.8, 0.15), "similarity_mean": rng.gauss(0.5 if bad else 0.7, 0.1)}
        row |= {"request_id": f"r{seed}-{at}", "label": bad, "inclusion": 0.5, "group": f"c{seed}-{at // 2}"}
        rows.append(row)
    return pl.DataFrame(rows)


def make_dataset(home: Path, kind: str, rows: int = 96, make: Callable[[int, int], Any] | None = None) -> str:
    """A dataset of a kind in a home, of rows that `make` makes of a count and a seed; its version."""
    made: dict[str, Callable[[int, int], Any]] = {
        "retriever": pairs, "sft": answers, "preferences": preferences, "detector": labels,
    }  # fmt: skip
    tables = {}
    for seed, (split, count) in enumerate({"train": rows, "dev": max(8, rows // 4), "test": 8}.items()):
        found = (make or made[kind])(count, seed)
        tables[split] = found.to_arrow() if isinstance(found, pl.DataFrame) else pa.Table.from_pylist(found)
    tables["provenance"] = pa.table({"row": ["none"]})
    if kind == "retriever":
        chunks = [{"chunk_id": f"p{at}", "document_id": f"d{at}", "text": passage(at)} for at in range(len(TOPICS))]
        tables["corpus"] = pa.Table.from_pylist(chunks)
    return DatasetStore(home).write(kind, tables, {}).version


def spec_of(
    home: Path, kind: str, model: str = "", rows: int = 96, limits: LimitsSeed = FREE, **recipe: Any
) -> TrainingSpec:
    """A training of a new dataset, on one thread of the CPU."""
    version = make_dataset(home, kind, rows)
    return TrainingSpec(
        kind=kind,
        dataset=f"datasets/{kind}/{version}",
        dataset_version=version,
        recipe=RECIPES[kind] | recipe,
        limits=limits,
        base_model=model,
        base_fingerprint=base_model(kind, model, home).fingerprint,
        device="cpu",
        threads=1,
    )


def command(path: Path) -> list[str]:
    """What starts a training by hand."""
    return [sys.executable, "-W", "ignore", "-m", "trainers.train", "--spec", str(path)]


def trained(home: Path, spec: TrainingSpec, status: int = 0, **environment: str) -> str:
    """Run a training in a process of its own; what it said. Fails where it ends with another status."""
    given = {name: value for name, value in os.environ.items() if not name.startswith(("NOCTURNE_", "HF_"))}
    done = subprocess.run(
        command(write_spec(home, spec)), cwd=REPO, env=given | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout + done.stderr


def killed(home: Path, spec: TrainingSpec, failpoint: str) -> None:
    """Run a training that is killed at a failpoint."""
    trained(home, spec, -signal.SIGKILL, NOCTURNE_FAILPOINT=failpoint)


def in_dagster(trainer: Trainer, spec: TrainingSpec, instance: dg.DagsterInstance) -> Done:
    """A training from within a Dagster run."""
    found: list[Done] = []

    @dg.asset
    def candidates(context):  # type: ignore[no-untyped-def]
        found.append(trainer.train(context, spec))
        return dg.MaterializeResult()

    dg.materialize([candidates], instance=instance)
    return found[0]


def wait_for(is_so: Callable[[], bool], what: str, seconds: float = 120.0) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"{what} did not come within {seconds} s"
        time.sleep(0.05)


def steps_of(folder: Path) -> int:
    """Lines of a curve so far."""
    path = folder / CURVE
    return path.read_text(encoding="utf-8").count("\n") if path.exists() else 0


def numbers(points: list[Mapping[str, Any]], name: str) -> list[float]:
    """A number of a curve in the order of its steps."""
    return [float(point[name]) for point in points if name in point]
