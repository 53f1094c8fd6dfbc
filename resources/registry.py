"""The model registry: MLflow on a SQLite file in the warehouse's state, or wherever `uri` points.

Here belongs how a model's parameters get a version and how the champion is named; what they mean is not known here. A
model is one JSON file: nothing is pickled, and loading one runs no code. MLflow is imported when it is needed, which takes
seconds, and a new store is migrated first, which takes five.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from resources.without_spark import without_spark

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CHAMPION = "champion"
_FILE = "model/parameters.json"
_DIGEST = "digest"


class RegistryError(RuntimeError):
    """The registry cannot do what was asked; says what, and what to do."""


@dataclass(frozen=True)
class Registered:
    """One version of a model: its number, the run that made it, and its parameters as they were registered."""

    version: str
    run_id: str
    parameters: str


@dataclass(frozen=True)
class Registry:
    """The registry of one warehouse. `folder` is its own; `uri` names another store, such as a server's address, which then
    keeps the files, too."""

    folder: Path
    uri: str = ""

    @classmethod
    def of(cls, state: Path, uri: str = "") -> Registry:
        """The registry of a warehouse with this state."""
        return cls(state / "mlflow", uri)

    def register(
        self, model: str, digest: str, parameters: str, metrics: Mapping[str, float], facts: Mapping[str, str]
    ) -> Registered:
        """The version of a model that has this digest, made and called champion where there is none yet.

        `metrics` and `facts` go to its run: numbers and names, never words of users. Raises RegistryError.
        """
        with without_spark():
            from mlflow.exceptions import MlflowException

            try:
                found = self._find(model, digest) or self._create(model, digest, parameters, metrics, facts)
                self._client.set_registered_model_alias(model, CHAMPION, found.version)
                return self._read(found)
            except MlflowException as error:
                raise RegistryError(f"model {model} cannot be registered in {self._place}: {error.error_code}") from error

    def champion(self, model: str) -> Registered | None:
        """The version that serves; None where nobody registered one."""
        with without_spark():
            if not self._known(model) or CHAMPION not in self._client.get_registered_model(model).aliases:
                return None
            return self._read(self._client.get_model_version_by_alias(model, CHAMPION))

    @property
    def _place(self) -> str:
        """The store as it may be shown: an address without its password."""
        address = urlsplit(self.uri)
        return address._replace(netloc=address.hostname or "", query="").geturl() if self.uri else str(self.folder)

    @cached_property
    def _client(self) -> MlflowClient:
        from mlflow import MlflowClient

        # A migration says a hundred lines of what nobody asked.
        logging.getLogger("alembic").setLevel(logging.WARNING)
        if not self.uri:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        uri = self.uri or f"sqlite:///{self.folder.absolute() / 'mlflow.db'}"
        return MlflowClient(tracking_uri=uri, registry_uri=uri)

    def _known(self, model: str) -> bool:
        return bool(self._client.search_registered_models(_named(model)))

    def _find(self, model: str, digest: str) -> ModelVersion | None:
        if not self._known(model):
            return None
        versions = self._client.search_model_versions(_named(model))
        return next((version for version in versions if version.tags.get(_DIGEST) == digest), None)

    def _create(
        self, model: str, digest: str, parameters: str, metrics: Mapping[str, float], facts: Mapping[str, str]
    ) -> ModelVersion:
        client = self._client
        experiment = client.get_experiment_by_name(model)
        if experiment is None:
            place = None if self.uri else (self.folder.absolute() / "artifacts").as_uri()
            experiment = client.get_experiment(client.create_experiment(model, artifact_location=place))
        if not self._known(model):
            client.create_registered_model(model)
        run = client.create_run(experiment.experiment_id, run_name=digest)
        for name, value in metrics.items():
            client.log_metric(run.info.run_id, name, value)
        for name, fact in facts.items():
            client.set_tag(run.info.run_id, name, fact)
        client.log_text(run.info.run_id, parameters, _FILE)
        client.set_terminated(run.info.run_id)
        source = f"{run.info.artifact_uri}/{_FILE.partition('/')[0]}"
        return client.create_model_version(model, source, run.info.run_id, tags={_DIGEST: digest})

    def _read(self, version: ModelVersion) -> Registered:
        run_id = version.run_id or ""
        with TemporaryDirectory() as folder:
            path = Path(self._client.download_artifacts(run_id, _FILE, folder))
            return Registered(str(version.version), run_id, path.read_text(encoding="utf-8"))


def _named(model: str) -> str:
    """MLflow's filter for one model; it takes no parameters, so the name must be a plain word."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", model):
        raise ValueError(f"{model!r} is no name of a model: small letters, digits and _")
    return f"name = '{model}'"
