"""What is said of a model when it is registered, and what the registry says of a version of it.

Here belong the words alone: names of states and aliases, what a registration holds, the shapes of inputs and outputs. How
MLflow keeps them is registry.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

CHAMPION, CHALLENGER = "champion", "challenger"
"""Aliases: what serves, and what may serve next."""
Status = Literal["passed", "waiting", "rejected"]
PASSED: Status = "passed"
WAITING: Status = "waiting"
REJECTED: Status = "rejected"
"""passed: it may be champion; waiting: once a person approves; rejected: never, and `reason` says why."""


class RegistryError(RuntimeError):
    """The registry cannot do what was asked; says what, and what to do."""


class RegistryUnreachableError(RegistryError):
    """The registry does not answer, or answers nobody: what was asked for is not known. Nothing was changed."""


@dataclass(frozen=True)
class Signature:
    """What goes into a model and what comes out, each as MLflow writes schemas: a JSON list of columns or tensors. Empty:
    not said."""

    inputs: str
    outputs: str


def text_to_vector(dimensions: int) -> Signature:
    """Of an embedder: texts in, rows of float32 out."""
    tensor = {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, dimensions]}}
    return Signature(_columns(text="string"), json.dumps([tensor]))


def messages_to_text() -> Signature:
    """Of a generator: a conversation as a JSON list of role and content in, an answer out."""
    return Signature(_columns(messages="string"), _columns(answer="string"))


def numbers_to_probability(features: Sequence[str]) -> Signature:
    """Of a detector: one number a feature in, a probability out."""
    return Signature(_columns(**dict.fromkeys(features, "double")), _columns(probability="double"))


def _columns(**types: str) -> str:
    columns = [{"type": type_, "name": name, "required": True} for name, type_ in types.items()]
    return json.dumps(columns) if columns else ""


@dataclass(frozen=True)
class TrainingData:
    """A dataset that a model was made from or measured with: an input of its run. Counts and names, never rows."""

    name: str
    version: str
    """Up to 36 characters."""
    context: Literal["training", "validation", "evaluation"] = "training"
    source: str = ""
    """Where it lies, from the home on."""
    profile: Mapping[str, int | float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Registration:
    """A model to be registered. `folder` holds the files that make it, and nothing else: they are copied as they are."""

    model: str
    """Registered model: embedder, hallucination_detector, generator."""
    folder: Path
    signature: Signature
    metrics: Mapping[str, float] = field(default_factory=dict)
    curve: Sequence[Mapping[str, float | None]] = ()
    """Rows with `step`, and a number for each metric that was measured then."""
    parameters: Mapping[str, str | int | float] = field(default_factory=dict)
    """Of the training: learning rate and so on."""
    datasets: Sequence[TrainingData] = ()
    lineage: Mapping[str, str] = field(default_factory=dict)
    """Tags of run and version: candidate, data_version, code_revision, orchestrator_run, parent_version, base_model."""
    card: str = ""
    """The model's card, Markdown: kept whole beside the model, and as the version's description."""
    status: Status = PASSED
    reason: str = ""
    """Why it is rejected, or waits."""


@dataclass(frozen=True)
class Version:
    """One version as the registry has it. `digest`: of its files (artefact_seal.py); `tags`: lineage besides."""

    model: str
    version: str
    run_id: str
    digest: str
    status: Status
    reason: str
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """embedder@3"""
        return f"{self.model}@{self.version}"
