"""Fine-tuning of the embedder on questions, passages that answer them, and passages that only look as if they did.

The recipe: in-batch negatives and one mined hard negative (CachedMultipleNegativesRankingLoss, whose memory does not grow
with the batch), each also at shorter vectors (MatryoshkaLoss), no text twice in a batch. Each checkpoint is measured on
questions that were set aside, through the embedder that serves, and the best one becomes the model.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset as Rows
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss, MatryoshkaLoss
from sentence_transformers.sentence_transformer.training_args import BatchSamplers

from assets.retrieval.ranking import measured
from resources.embedder import Embedder
from trainers.checkpoints import checkpoint_of, place_model
from trainers.session import Outcome, Session, TrainingDataError
from trainers.watch import Watch, facts, planned_steps, run, shared_arguments

EVALUATIONS = 4
"""At least so many checkpoints in a training, as long as it has as many steps."""
POOL = {"cpu": 400, "cuda": 5_000}
"""Passages among which those of the questions set aside are looked for."""
NDCG = "dev_ndcg_at_10"


def train(session: Session) -> Outcome:
    """Train to the end or to a stop."""
    batch = session.whole("batch_size")
    model = SentenceTransformer(
        str(session.base.folder),
        device=session.spec.device,
        local_files_only=True,
        model_kwargs={"use_safetensors": True},
    )
    rows = training_rows(session.dataset.table("train").to_pylist())
    if len(rows) < 2:
        raise TrainingDataError(f"{session.dataset.folder} has {len(rows)} pairs to learn from; two are the least")
    cut = _cut(model, session.whole("max_tokens"))
    rows = [{name: cut(text) for name, text in row.items()} for row in rows]
    planned = planned_steps(len(rows), batch, session.number("epochs"))
    dev = Dev.of(session)
    if not session.values(NDCG):
        session.point(0, {NDCG: dev.ndcg(session.base.folder or Path())})
    trainer = SentenceTransformerTrainer(
        model=model,
        args=SentenceTransformerTrainingArguments(
            **shared_arguments(session, planned, batch),
            save_steps=max(1, min(session.whole("checkpoint_steps"), planned // EVALUATIONS)),
            batch_sampler=BatchSamplers.NO_DUPLICATES,
        ),
        train_dataset=Rows.from_list(rows),
        loss=_loss(model, session),
        callbacks=[Watch(session, lambda checkpoint: {NDCG: dev.ndcg(checkpoint)}, lambda: _best_step(session))],
    )
    steps = run(trainer, session)
    if steps < trainer.state.max_steps and (stop := session.stop()):
        return Outcome(steps, trainer.state.max_steps, stop)
    best, found, losses = _best_step(session) or steps, session.values(NDCG), session.values("loss")
    return Outcome(
        steps,
        trainer.state.max_steps,
        metrics={
            f"{NDCG}_before": found[0], NDCG: found[best], "dev_queries": float(len(dev.queries)),
            "loss_first": losses[min(losses)], "loss_last": losses[max(losses)],
        },
        files=place_model(checkpoint_of(session.checkpoints, best), session.model),
        parameters={**facts(session, trainer), "rows": len(rows), "best_step": best},
    )  # fmt: skip


def training_rows(pairs: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Anchor, positive and hard negative of each pair. Where nothing was mined for a pair, the negative is a passage of
    another question, one that the batch is likely to hold in any case."""
    relevant: dict[str, set[str]] = {}
    for pair in pairs:
        relevant.setdefault(pair["query_id"], set()).add(pair["positive_id"])
    rows = []
    for at, pair in enumerate(pairs):
        negatives = [
            text
            for chunk, text in zip(pair["negative_ids"], pair["negatives"], strict=True)
            if chunk not in relevant[pair["query_id"]]
        ]
        others = (pairs[(at + step) % len(pairs)] for step in range(1, len(pairs)))
        stand_in = (one["positive"] for one in others if one["positive_id"] not in relevant[pair["query_id"]])
        negative = next(iter(negatives), None) or next(stand_in, None)
        if negative is None:
            continue  # One passage alone answers everything: there is nothing to tell it from.
        rows.append({"anchor": pair["query"], "positive": pair["positive"], "negative": negative})
    return rows


class Dev:
    """Questions that were set aside, and the passages among which theirs are looked for."""

    def __init__(self, queries: dict[str, str], qrels: dict[str, dict[str, int]], pool: dict[str, str], device: str):
        self.queries = queries
        self._qrels = qrels
        self._pool = pool
        self._device = device

    @classmethod
    def of(cls, session: Session) -> Dev:
        """Those of a dataset."""
        queries: dict[str, str] = {}
        qrels: dict[str, dict[str, int]] = {}
        pool: dict[str, str] = {}
        for row in session.dataset.table("dev").to_pylist():
            queries[row["query_id"]] = row["query"]
            qrels.setdefault(row["query_id"], {})[row["positive_id"]] = 1
            pool[row["positive_id"]] = row["positive"]
            pool.update(zip(row["negative_ids"], row["negatives"], strict=True))
        for row in session.dataset.table("corpus").to_pylist():
            if len(pool) >= POOL[session.spec.device]:
                break
            pool.setdefault(row["chunk_id"], row["text"])
        return cls(queries, qrels, pool, session.spec.device)

    def ndcg(self, model: Path) -> float:
        """Mean nDCG@10 of the questions with the model of a folder."""
        embedder = Embedder(model=str(model), device=self._device)
        names = np.array(list(self._pool))
        vectors = embedder.embed([*self.queries.values(), *self._pool.values()])
        scores = vectors[: len(self.queries)] @ vectors[len(self.queries) :].T
        best = np.argsort(-scores, axis=1, kind="stable")[:, :10]
        runs = {query: list(names[places]) for query, places in zip(self.queries, best, strict=True)}
        return float(measured(runs, self._qrels)["ndcg"].mean())


def _loss(model: SentenceTransformer, session: Session) -> Any:
    inner = CachedMultipleNegativesRankingLoss(
        model, scale=session.number("scale"), mini_batch_size=session.whole("mini_batch_size")
    )
    whole, said = int(model.get_embedding_dimension() or 0), session.spec.recipe.get("matryoshka")
    shorter = [size for size in said if size < whole] if isinstance(said, list) else []
    return MatryoshkaLoss(model, inner, [whole, *shorter]) if shorter else inner


def _cut(model: SentenceTransformer, tokens: int) -> Callable[[str], str]:
    """Texts to their first tokens: what is learned from is shortened, and not what the model reads ever after."""
    if tokens >= (model.max_seq_length or 10**9):
        return lambda text: text

    def cut(text: str) -> str:
        offsets = model.tokenizer(text, truncation=True, max_length=tokens, return_offsets_mapping=True)["offset_mapping"]
        return text[: max(end for _, end in offsets)]

    return cut


def _best_step(session: Session) -> int | None:
    """The checkpoint that finds most, the first of equals; the base model, at step 0, is no candidate."""
    found = {step: value for step, value in session.values(NDCG).items() if step}
    return max(found, key=lambda step: found[step]) if found else None
