"""The card of a candidate: what is known of it, gathered from its files, its training and its gates, as Markdown.

Here belongs where each fact lies. What the card has to say, item by item, is assets/tuning/card.py.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from math import prod
from pathlib import Path
from typing import Any

from assets.quality.detector_training import FOLDS
from assets.tuning.card import CardError, CardFacts
from assets.tuning.card import card as written
from pipelines.tuning.detector_measures import detector_of
from pipelines.tuning.gate_desk import Contender, Verdict
from resources.base_model import base_model
from resources.dataset_store import open_dataset
from resources.training_spec import SPEC, Done, TrainingSpec, home_of, read_curve, read_done, read_spec
from resources.tuning_seed import KindSeed

_SOFTWARE = {
    "retriever": ("sentence-transformers", "transformers", "tokenizers", "torch", "safetensors"),
    "detector": ("numpy", "polars"),
    "sft": ("peft", "transformers", "tokenizers", "torch", "safetensors"),
    "preferences": ("peft", "transformers", "tokenizers", "torch", "safetensors"),
}
_TEXTS_A_ROW = {"retriever": 3, "sft": 1, "preferences": 2}
"""Passages that a training step reads for a row: question, answer and hard negative; an answer; two of them."""
_MOST_ITERATIONS = 1_000


@dataclass(frozen=True)
class _Model:
    """What a model's files say of it."""

    architecture: str
    parameters: int
    inputs: str
    outputs: str
    most_input: str
    loading: str


def card(
    candidate: Contender, training: Path, dataset: Path, verdict: Verdict, seed: KindSeed, released_on: date
) -> str:
    """The model card of a candidate, with all 22 items. `training`: its folder with spec.json, done.json and curve.jsonl.

    Raises CardError, which names each item of which nothing is said, and where to say it; TrainingSpecError, DatasetError.
    """
    spec, done = read_spec(training / SPEC), read_done(training)
    if done is None:
        raise CardError(f"{training} has no done.json: a card is of a model whose training has ended")
    base = base_model(spec.kind, spec.base_model, home_of(training / SPEC))
    described = {"retriever": _embedder, "detector": _detector}.get(spec.kind, _generator)
    model = described(candidate.folder, base.folder)
    opened = open_dataset(dataset)
    facts = CardFacts(
        model=seed.model, candidate=candidate.name, kind=spec.kind, released_on=released_on, base_model=_base(spec),
        recipe=spec.recipe, steps=done.steps, training_seconds=done.seconds, cost_usd=str(done.cost_usd), device=done.device,
        operations=_operations(spec, done, model.parameters), dataset_version=opened.version,
        data=opened.manifest.get("summary", {}), outcome=verdict.outcome, reasons=verdict.reasons, gates=verdict.rows,
        software=_software(spec.kind), metrics=done.metrics, curve=read_curve(training), **vars(model),
    )  # fmt: skip
    return written(facts, asdict(seed.card))


def _embedder(folder: Path, base: Path | None) -> _Model:
    config, pooling = _json(folder / "config.json"), _json(folder / "1_Pooling" / "config.json")
    size = pooling.get("embedding_dimension") or pooling.get("word_embedding_dimension") or config.get("hidden_size")
    limits = (
        _json(folder / "sentence_bert_config.json").get("max_seq_length"),
        _json(folder / "tokenizer_config.json").get("model_max_length"),
        config.get("max_position_embeddings"),
    )
    tokens = min(limit or 10**9 for limit in limits)
    return _Model(
        f"sentence embedder: {_network(config)}, pooled to one vector",
        _counted(folder),
        "text (UTF-8), a question or a passage.",
        f"a vector of {size} numbers (float32) of length 1; compared by their product.",
        f"{tokens:,} tokens; of a longer text the rest is cut off." if tokens < 10**9 else "",
        "Opened by sentence-transformers from a folder of safetensors and JSON; resources/embedder.py does it.",
    )


def _detector(folder: Path, base: Path | None) -> _Model:
    found = detector_of("candidate", folder)
    return _Model(
        f"logistic model over {len(found.features)} features with a monotone calibration of {len(found.knots)} points",
        len(found.coefficients) + 1 + 2 * len(found.knots),
        f"numbers: {', '.join(found.features)}, as quality.scores has them; one that is missing counts as its mean.",
        "a probability from 0 to 1 that an answer states something made up.",
        "one row an answer; any number of rows.",
        "Read from parameters.json (JSON); assets/quality/detector.py does it.",
    )


def _generator(folder: Path, base: Path | None) -> _Model:
    adapter, config = _json(folder / "adapter_config.json"), _json((base or folder) / "config.json")
    tokens = config.get("max_position_embeddings") or config.get("n_positions")
    lora = f"LoRA adapter of rank {adapter.get('r')} (alpha {adapter.get('lora_alpha')}) on " if adapter else ""
    return _Model(
        f"{lora}a causal language model: {_network(config)}",
        _counted(folder) + (_counted(base) if adapter and base else 0),
        "text (UTF-8): messages, each with a role, put together by the tokenizer's template.",
        "text, one token after the other.",
        f"{tokens:,} tokens, what was written before and the answer together." if tokens else "",
        "Opened by PEFT on the base model, from safetensors and JSON.",
    )


def _network(config: Mapping[str, Any]) -> str:
    layers, width = (config.get(name) for name in ("num_hidden_layers", "hidden_size"))
    layers, width = layers or config.get("n_layer"), width or config.get("n_embd")
    return f"{config.get('model_type', 'network')} of {layers} layers, {width} wide"


def _base(spec: TrainingSpec) -> str:
    if spec.kind == "detector":
        return "nothing: its parameters are fitted from nothing"
    named = Path(spec.base_model).name or "all-MiniLM-L6-v2, as packaged (Apache-2.0)"
    return f"{named} (fingerprint {spec.base_fingerprint})"


def _operations(spec: TrainingSpec, done: Done, parameters: int) -> tuple[float, str]:
    """Floating-point operations of a training, and how they are reckoned."""
    if spec.kind == "detector":
        rows = float(done.metrics.get("labels", 0))
        fits = (FOLDS + 1) * (FOLDS + 1)
        told = f"at most {fits} fits of {_MOST_ITERATIONS:,} steps, 4 operations a step for each parameter and row"
        return 4.0 * fits * _MOST_ITERATIONS * parameters * rows, told
    if tokens := float(done.parameters.get("tokens", 0)):
        return 6.0 * parameters * tokens, f"6 for each of {parameters:,} parameters and of {tokens:,.0f} tokens"
    rows, tokens_a_text = float(done.parameters.get("rows", 0)), float(spec.recipe.get("max_tokens", 0))  # type: ignore[arg-type]
    share = done.steps / done.planned_steps if done.planned_steps else 0.0
    texts = rows * _TEXTS_A_ROW[spec.kind] * float(spec.recipe.get("epochs", 1)) * share  # type: ignore[arg-type]
    told = f"at most 6 for each of {parameters:,} parameters and of {tokens_a_text:.0f} tokens of {texts:,.0f} texts"
    return 6.0 * parameters * tokens_a_text * texts, told


def _software(kind: str) -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _SOFTWARE[kind]:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # Not installed here: nothing of it is used.
    return found


def _counted(folder: Path) -> int:
    """Parameters in the safetensors of a folder, by their headers alone."""
    from safetensors import safe_open

    total = 0
    for path in sorted(folder.rglob("*.safetensors")):
        with safe_open(path, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - it is no mapping
                tensor = tensors.get_slice(name)
                # Whole numbers are positions, not weights.
                total += prod(tensor.get_shape()) if "F" in tensor.get_dtype() else 0
    return total


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
