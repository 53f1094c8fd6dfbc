"""The MLflow run behind a version: its numbers, its datasets, and the sealed folder of files.

Here belongs what of a registration goes where in a run. A run that a kill cut short is found by its digest, and finished:
what it has by then is written once more, and is the same.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from resources.artefact_seal import ARTEFACTS, write_seal
from resources.failpoints import failpoint
from resources.mlflow_store import MlflowStore
from resources.model_version import Registration, RegistryError
from resources.signing_key import SigningKey

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Metric, Run

FOLDER = "model"
"""Of a run's artefacts: what a version is."""
CARD = "README.md"
_SAFE = frozenset({".safetensors", ".json", ".txt", ".md", ".model", ".jinja"})
"""What loading cannot run. .model: a tokenizer's tables; .jinja: a template of messages, which is run in a sandbox."""
_AT_ONCE = 1_000
"""Metrics of one request, at most."""


def finished_run(
    client: MlflowClient, store: MlflowStore, what: Registration, digest: str, key: SigningKey,
    making: Callable[[], AbstractContextManager[Path]],
) -> Run:  # fmt: skip
    """A run with all that a registration says, its files uploaded and sealed. Raises RegistryError, SealError."""
    _refuse_what_can_run(what.folder)
    experiment = client.get_experiment_by_name(what.model)
    if experiment is None:
        made = client.create_experiment(what.model, artifact_location=store.artefact_location)
        experiment = client.get_experiment(made)
    _make_registered_model(client, what.model)
    tags = {**what.lineage, "digest": digest}
    begun = client.search_runs([experiment.experiment_id], f"tags.digest = '{digest}'")
    run = begun[0] if begun else client.create_run(experiment.experiment_id, tags=tags, run_name=digest[:12])
    failpoint("registry.begun")
    _say_numbers(client, run, what)
    client.log_inputs(run.info.run_id, datasets=_inputs(what))
    with making() as folder:
        _fill(folder / FOLDER, run, what, key)
        client.log_artifacts(run.info.run_id, str(folder / FOLDER), FOLDER)
    failpoint("registry.uploaded")
    client.set_terminated(run.info.run_id)
    failpoint("registry.finished")
    return run


def remove_files(client: MlflowClient, run_id: str) -> None:
    """Take what a version is loaded from out of its run; its card, seal and numbers stay. Twice is once."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    kept = get_artifact_repository(client.get_run(run_id).info.artifact_uri, tracking_uri=client.tracking_uri)
    if any(file.path == f"{FOLDER}/{ARTEFACTS}" for file in kept.list_artifacts(FOLDER)):
        kept.delete_artifacts(f"{FOLDER}/{ARTEFACTS}")  # type: ignore[no-untyped-call]


def _make_registered_model(client: MlflowClient, model: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _say_numbers(client: MlflowClient, run: Run, what: Registration) -> None:
    """Metrics, curve, parameters, tags. All carry the time at which the run began: said twice, a number is one."""
    from mlflow.entities import Param, RunTag

    numbers = list(_metrics(what, run.info.start_time))
    for start in range(0, len(numbers), _AT_ONCE):
        client.log_batch(run.info.run_id, metrics=numbers[start : start + _AT_ONCE])
    said = [Param(name, str(value)) for name, value in what.parameters.items()]
    tags = [RunTag(name, value) for name, value in what.lineage.items()]
    client.log_batch(run.info.run_id, params=said, tags=tags)


def _metrics(what: Registration, at: int) -> Iterator[Metric]:
    from mlflow.entities import Metric

    for name, value in what.metrics.items():
        yield Metric(name, value, at, 0)
    for row in what.curve:
        for name, number in row.items():
            if name != "step" and number is not None:
                # A curve's last value would take the place of a metric of the same name.
                yield Metric(f"curve/{name}", number, at, int(row["step"] or 0))


def _inputs(what: Registration) -> list[DatasetInput]:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    return [
        DatasetInput(
            Dataset(
                one.name, one.version, "local", json.dumps({"uri": one.source or one.name}),
                profile=json.dumps(dict(one.profile), sort_keys=True),
            ),
            [InputTag("mlflow.data.context", one.context)],
        )
        for one in what.datasets
    ]  # fmt: skip


def _fill(folder: Path, run: Run, what: Registration, key: SigningKey) -> None:
    """The sealed folder: the model's files, MLmodel with the signature, and the card."""
    from mlflow.models import Model, ModelSignature

    shutil.copytree(what.folder, folder / ARTEFACTS)
    said = {"inputs": what.signature.inputs, "outputs": what.signature.outputs}
    described = Model(
        artifact_path=FOLDER, run_id=run.info.run_id, signature=ModelSignature.from_dict(said),
        flavors={"nocturne": {"data": ARTEFACTS}},
    )  # fmt: skip
    described.save(str(folder / "MLmodel"))
    if what.card:
        (folder / CARD).write_text(what.card, encoding="utf-8")
    write_seal(folder, what.model, {**what.lineage, "run_id": run.info.run_id}, key.sign)


def _refuse_what_can_run(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in _SAFE:
            raise RegistryError(
                f"{path} can run code when it is loaded, or is unknown; a model is made of {', '.join(sorted(_SAFE))} "
                "(save weights as safetensors)"
            )
