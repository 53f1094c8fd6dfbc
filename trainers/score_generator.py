"""`python -m trainers.score_generator`: what a generator candidate and its champion make of each example of a frozen set.

Of every example: the mean negative logarithm of the probability of the answer's tokens (nats a token; less is better), and
of a preference pair the same of the worse answer, and whether the better one is the likelier of the two, token by token.
Values go to a Parquet file, one row an example and model, and hold no text. resources/generator_scores.py starts it and
reads them.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from peft import PeftModel
from transformers import PreTrainedTokenizerBase

from resources.base_model import BaseModelError
from resources.generator_scores import COLUMNS
from trainers.generator import Message, load, preference_rows, sft_rows
from trainers.session import TrainingDataError

CANDIDATE, CHAMPION = "candidate", "champion"


@dataclass(frozen=True)
class Value:
    """What one model makes of one example. None: not measured, the question alone is longer than what the model is given."""

    example_id: str
    feature: str | None
    group: str | None
    model: str
    nll: float | None
    rejected_nll: float | None
    prefers_chosen: bool | None
    tokens: int
    seconds: float


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Score a generator and its champion on a frozen set.")
    for name in ("base", "candidate", "examples", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--champion", type=Path, help="an adapter; without one the base model itself")
    parser.add_argument("--max-tokens", type=int, default=1024)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    os.umask(0o077)
    try:
        tokenizer, base = load(given.base, given.device)
        adapters = {CANDIDATE: given.candidate, CHAMPION: given.champion}
        model = _with_adapters(base, {name: folder for name, folder in adapters.items() if folder})
        rows = pq.read_table(given.examples).to_pylist()
        named = {name: folder is not None for name, folder in adapters.items()}
        values = [asdict(value) for value in scored(model, tokenizer, rows, named, given.max_tokens)]
    except (BaseModelError, TrainingDataError) as error:
        print(f"score-generator: {error}", file=sys.stderr)
        return 2
    pq.write_table(pa.Table.from_pylist(values, schema=COLUMNS), given.out)
    return 0


def scored(
    model: Any, tokenizer: PreTrainedTokenizerBase, rows: list[dict[str, Any]], adapters: dict[str, bool], most: int
) -> Iterator[Value]:
    """What each model makes of each example, of layout `sft` or `preferences`; in turns, so that a machine that is slower
    for a while is so for both. `adapters`: whether a model is an adapter, or the base itself."""
    model.eval()
    for turn, row in enumerate(rows):
        for name in sorted(adapters, reverse=bool(turn % 2)):
            if adapters[name]:
                model.set_adapter(name)
            with nullcontext() if adapters[name] else model.disable_adapter():
                yield _value(model, tokenizer, row, name, most)


def _value(model: Any, tokenizer: PreTrainedTokenizerBase, row: dict[str, Any], name: str, most: int) -> Value:
    began = time.perf_counter()
    if "chosen" in row:
        asked = preference_rows(row)
        answers = [asked["chosen"], asked["rejected"]]
    else:
        asked = sft_rows(row)
        answers = [asked["completion"]]
    with torch.inference_mode():
        found = [_nll(model, tokenizer, asked["prompt"], answer, most) for answer in answers]
    nlls = [nll for nll, _ in found]
    worse = nlls[1] if len(nlls) == 2 else None
    prefers = nlls[0] < worse if nlls[0] is not None and worse is not None else None
    seconds = time.perf_counter() - began
    tokens = sum(count for _, count in found)
    return Value(row["example_id"], row.get("feature"), row.get("group"), name, nlls[0], worse, prefers, tokens, seconds)


def _nll(
    model: Any, tokenizer: PreTrainedTokenizerBase, prompt: list[Message], answer: list[Message], most: int
) -> tuple[float | None, int]:
    """Mean nats a token of an answer, and how many tokens that is."""
    asked = _ids(tokenizer, prompt, add_generation_prompt=True)
    whole = _ids(tokenizer, [*prompt, *answer])[:most]
    same = (one == two for one, two in zip(asked, whole, strict=False))
    start = sum(1 for _ in takewhile(bool, same))
    if start == 0 or start >= len(whole):
        return None, 0
    ids = torch.tensor([whole], device=model.device)
    logits = model(input_ids=ids).logits[0, start - 1 : -1].float()
    return float(torch.nn.functional.cross_entropy(logits, ids[0, start:])), len(whole) - start


def _ids(tokenizer: PreTrainedTokenizerBase, messages: list[Message], **given: Any) -> list[int]:
    text = tokenizer.apply_chat_template(messages, tokenize=False, **given)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _with_adapters(base: Any, adapters: dict[str, Path]) -> Any:
    model: Any = None
    for name, folder in adapters.items():
        if model is None:
            model = PeftModel.from_pretrained(base, str(folder), adapter_name=name, local_files_only=True)
        else:
            model.load_adapter(str(folder), adapter_name=name, local_files_only=True)
    return model


if __name__ == "__main__":
    sys.exit(main())
