"""A real sentence embedder of half a megabyte: the packaged one's tokenizer cut to few words, one layer, random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from resources.embedder import Embedder

WIDTH = 32


def tiny_embedder(folder: Path, seed: int = 1) -> Path:
    """Make one below a folder. Another seed is another model."""
    import torch
    from transformers import BertConfig, BertModel

    packaged = Embedder().folder
    for name in ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json", "special_tokens_map.json",
                 "tokenizer.json", "tokenizer_config.json", "vocab.txt"):  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(packaged / name, folder / name)
    pooling = json.loads((packaged / "1_Pooling" / "config.json").read_text(encoding="utf-8"))
    (folder / "1_Pooling").mkdir()
    said = json.dumps(pooling | {"word_embedding_dimension": WIDTH})
    (folder / "1_Pooling" / "config.json").write_text(said, encoding="utf-8")
    _cut_words(folder)
    words = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(words), hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=512,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder, safe_serialization=True)
    return folder


def _cut_words(folder: Path) -> None:
    """Keep the first thousands of the tokenizer's words: its letters and commonest pieces."""
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    kept = {word: place for word, place in tokenizer["model"]["vocab"].items() if place < 3_000}
    tokenizer["model"]["vocab"] = kept
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    words = sorted(kept, key=lambda word: kept[word])
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
