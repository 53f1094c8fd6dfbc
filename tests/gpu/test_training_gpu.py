"""Trainings on a GPU: the same programs, and how fast a LoRA run of a real size is (docs/training.md has the numbers)."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from training_house import answers, make_dataset, make_embedder, make_generator, spec_of, trained

from resources.base_model import base_model
from resources.training_spec import read_done

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, which this machine has not"),
]


@pytest.mark.parametrize("kind", ["retriever", "sft", "preferences"])
def test_each_kind_learns_on_a_gpu(tmp_path: Path, kind: str) -> None:
    (make_embedder if kind == "retriever" else make_generator)(tmp_path / "models" / "tiny")
    spec = replace(spec_of(tmp_path, kind, "models/tiny"), device="auto", threads=0)
    trained(tmp_path, spec)
    done = read_done(spec.folder(tmp_path))
    assert done is not None and done.state == "trained" and done.device == "cuda"
    assert done.metrics["loss_last"] < done.metrics["loss_first"] and done.parameters["peak_memory_bytes"] > 0


def test_a_lora_run_of_a_real_size(tmp_path: Path) -> None:
    """NOCTURNE_GPU_LAYERS: of 2,048 wide, some 45 million weights each."""
    layers = int(os.environ.get("NOCTURNE_GPU_LAYERS", "16"))
    make_generator(tmp_path / "models" / "tiny")
    large = make_large(tmp_path / "models" / "tiny", tmp_path / "models" / "large", layers)
    spec = spec_of(tmp_path, "sft", "models/tiny", rows=512, batch_size=16, max_tokens=1024, lora_rank=16, lora_alpha=32)

    # The same examples, each long: words are repeated until 1,024 tokens are there.
    def long(count: int, seed: int) -> list[dict[str, Any]]:
        rows = answers(count, seed)
        for row in rows:
            messages = json.loads(row["messages"])
            messages[1]["content"] = " ".join([messages[1]["content"]] * 500)
            row["messages"] = json.dumps(messages)
        return rows

    version = make_dataset(tmp_path, "sft", 512, make=long)
    spec = replace(
        spec, dataset=f"datasets/sft/{version}", dataset_version=version, base_model="models/large", device="auto",
        base_fingerprint=base_model("sft", "models/large", tmp_path).fingerprint,
    )  # fmt: skip
    trained(tmp_path, spec)
    done = read_done(spec.folder(tmp_path))
    assert done is not None and done.device == "cuda" and large.is_dir()
    told = {name: done.parameters[name] for name in ("gpu", "all_parameters", "trained_parameters", "peak_memory_bytes")}
    print(told | {"tokens_per_second": done.parameters["tokens_per_second"], "seconds": done.seconds})
    assert done.metrics["dev_loss"] < done.metrics["dev_loss_before"]


def make_large(tokenizer: Path, folder: Path, layers: int) -> Path:
    """A Llama of random weights, in bfloat16, with the tokenizer of another."""
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=32_000, hidden_size=2_048, intermediate_size=5_632, num_hidden_layers=layers, num_attention_heads=32,
        num_key_value_heads=8, max_position_embeddings=2_048, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(str(folder))
    AutoTokenizer.from_pretrained(str(tokenizer)).save_pretrained(str(folder))
    return folder
