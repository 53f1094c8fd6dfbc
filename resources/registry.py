"""The model registry: MLflow on a SQLite file in the warehouse's state, or wherever `uri` points.

Here belongs how a model gets a version, how a version is called champion, and how it comes back as the files that were
signed for; what a model means is not known here. A version is a sealed folder of data files: nothing is pickled, and loading
one runs no code.

A kill may cut anywhere how a version is made: a run, its numbers and files, the version, its alias. Before the version there
is nothing to load; whoever registers the same files again finds by their digest what is there, and goes on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from resources.artefact_seal import ARTEFACTS, SealError, folder_digest, proven
from resources.failpoints import failpoint
from resources.mlflow_store import MlflowStore
from resources.model_copies import ModelCopies
from resources.model_version import (
    CHAMPION,
    PASSED,
    REJECTED,
    Registration,
    RegistryError,
    Status,
    Version,
    numbers_to_probability,
)
from resources.registry_run import FOLDER, finished_run, remove_files
from resources.signing_key import SigningKey, SigningKeyError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

_PARAMETERS = "parameters.json"
_DIGEST, _STATUS, _REASON = "digest", "status", "reason"
_FORGOTTEN = "files_removed"
_FORMER = "former_champion"
"""Tag of a registered model: the version that was champion before, to which a rollback leads."""
_MOST_CHARACTERS = 5_000
"""Of a version's description, in MLflow's tables. The whole card lies beside the model."""


@dataclass(frozen=True)
class Registered:
    """One version of a model that is one JSON file: its number, the run that made it, and its parameters."""

    version: str
    run_id: str
    parameters: str


@dataclass(frozen=True)
class Registry:
    """The registry of the warehouse with this state. `uri` names a server, which then keeps everything; keys and verified
    copies stay here."""

    state: Path
    uri: str = ""

    @classmethod
    def of(cls, state: Path, uri: str = "") -> Registry:
        """The registry of a warehouse with this state."""
        return cls(state, uri)

    @property
    def folder(self) -> Path:
        """Where it lies, unless `uri` names a server."""
        return self.state / "mlflow"

    @property
    def place(self) -> str:
        """The store as it may be shown."""
        return self._store.place

    # Registering.

    def register_folder(self, what: Registration) -> Version:
        """The version of a model that has these files: made now, or found, then with today's status and reason.

        Nothing is champion by it: `set_alias` says so. Raises RegistryError, also where the folder holds what can run.
        """
        _named(what.model)
        try:
            digest = folder_digest(what.folder)
            with self._copies.alone(), self._asking(f"{what.model} cannot be registered") as client:
                found = self._find(client, what.model, digest)
                if found is None:
                    run = finished_run(client, self._store, what, digest, self._key, self._copies.making)
                    tags = {**what.lineage, _DIGEST: digest, _STATUS: what.status, _REASON: what.reason}
                    source = f"{run.info.artifact_uri}/{FOLDER}"
                    card = what.card[:_MOST_CHARACTERS]
                    found = client.create_model_version(what.model, source, run.info.run_id, tags, description=card)
                    failpoint("registry.created")
                elif (found.tags[_STATUS], found.tags.get(_REASON, "")) != (what.status, what.reason):
                    self._tell(client, found, what.status, what.reason)
                return self._described(client, found)
        except (SealError, SigningKeyError) as error:
            raise RegistryError(f"{what.model} cannot be registered: {error}") from error

    def register(
        self, model: str, digest: str, parameters: str, metrics: Mapping[str, float], facts: Mapping[str, str]
    ) -> Registered:
        """The version of a model that is these parameters (JSON), made where there is none yet. Nothing is champion by it.

        `digest`, its name, `metrics` and `facts` go to its run: numbers and names, never words of users. Raises
        RegistryError.
        """
        with TemporaryDirectory() as folder:
            path = Path(folder, _PARAMETERS)
            path.write_text(parameters, encoding="utf-8")
            signature = numbers_to_probability(json.loads(parameters).get("features", []))
            lineage = {**facts, "name": digest}
            made = self.register_folder(Registration(model, path.parent, signature, metrics=metrics, lineage=lineage))
        return self._read(made)

    def set_status(self, model: str, version: str, status: Status, reason: str = "") -> Version:
        """Say anew what becomes of a version. Raises RegistryError."""
        with self._asking(f"{model}@{version} cannot be called {status}") as client:
            found = client.get_model_version(model, version)
            self._tell(client, found, status, reason)
            return self._described(client, found)

    def set_alias(self, model: str, alias: str, version: str) -> Version:
        """Call a version champion or challenger; the one that was champion is kept in mind. Twice is once.

        Raises RegistryError; also where champion is to be what is not passed, or not what was signed for.
        """
        with self._asking(f"{model}@{version} cannot become {alias}") as client:
            found = self._described(client, client.get_model_version(model, version))
            if alias in found.aliases:
                return found
            if alias == CHAMPION:
                if found.status != PASSED:
                    told = f"{found.status}: {found.reason}" if found.reason else found.status
                    raise RegistryError(f"{found.name} cannot become {alias}: it is {told}")
                self.files(found)
                before = client.get_registered_model(model).aliases.get(CHAMPION)
                # Before the alias: a kill in between leaves what a repetition mends.
                client.set_registered_model_tag(model, _FORMER, before or "")
                failpoint("registry.remembered")
            client.set_registered_model_alias(model, alias, version)
            failpoint("registry.alias")
            return replace(found, aliases=(*found.aliases, alias))

    def drop_alias(self, model: str, alias: str) -> None:
        """Nothing is called so any more. Raises RegistryError."""
        with self._asking(f"{model} cannot be without a {alias}") as client:
            client.delete_registered_model_alias(model, alias)

    def forget_files(self, version: Version) -> bool:
        """Remove what a rejected version would be loaded from; its row, card, curve and numbers stay. Whether there was
        something. Twice is once. Raises RegistryError, also of a version that was not rejected."""
        if version.status != REJECTED:
            raise RegistryError(f"{version.name} is {version.status}: its files are kept")
        if _FORGOTTEN in version.tags:
            return False
        with self._asking(f"the files of {version.name} cannot be removed") as client:
            remove_files(client, version.run_id)
            failpoint("registry.files_removed")
            client.set_model_version_tag(version.model, version.version, _FORGOTTEN, "yes")
        return True

    # Asking.

    def versions(self, model: str) -> list[Version]:
        """All versions of a model, the oldest first; of one that nobody registered, none. Raises RegistryError."""
        if self._store.is_new:
            return []
        with self._asking(f"the versions of {model} cannot be read") as client:
            found = client.search_model_versions(_named(model))
            aliases = _aliases(client, model) if found else {}
            return sorted((_version(one, aliases) for one in found), key=lambda one: int(one.version))

    def version(self, model: str, version: str) -> Version:
        """One version. Raises RegistryError where there is none."""
        with self._asking(f"{model}@{version} cannot be read") as client:
            return self._described(client, client.get_model_version(model, version))

    def by_alias(self, model: str, alias: str) -> Version | None:
        """The version that is called so; None: none is. A poll: some tenths of a second. Raises RegistryError."""
        if self._store.is_new:
            return None
        with self._asking(f"the {alias} of {model} cannot be looked up") as client:
            aliases = _aliases(client, model)
            if alias not in aliases:
                return None
            return _version(client.get_model_version(model, aliases[alias]), aliases)

    def is_known(self, model: str) -> bool:
        """Whether a version of it was ever registered. Raises RegistryError."""
        if self._store.is_new:
            return False
        with self._asking(f"{model} cannot be looked up") as client:
            return _registered(client, model) is not None

    def former_champion(self, model: str) -> str | None:
        """The version that was champion before this one; None: none was, or nobody knows. Raises RegistryError."""
        with self._asking(f"the former champion of {model} cannot be looked up") as client:
            found = _registered(client, model)
            return (found.tags.get(_FORMER) or None) if found else None

    def files(self, version: Version) -> Path:
        """The folder of what a version is loaded from, downloaded once and verified at every call. Raises RegistryError."""
        if _FORGOTTEN in version.tags:
            raise RegistryError(f"{version.name} was rejected long ago: its files were removed, its card and numbers stay")
        with self._copies.alone():
            try:
                key = self._key.public_key()
                if not self._copies.has(version, key):
                    with self._copies.making() as folder:
                        with self._asking(f"{version.name} cannot be downloaded") as client:
                            client.download_artifacts(version.run_id, FOLDER, str(folder))
                        seal = proven(folder / FOLDER, version.model, key)
                        if seal.digest != version.digest:
                            raise SealError(f"its files are those of {seal.digest[:12]}, not of {version.digest[:12]}")
                        self._copies.keep(version, folder / FOLDER)
                return self._copies.place(version) / ARTEFACTS
            except SealError as error:
                raise RegistryError(f"{version.name} is refused: {error}") from error
            except SigningKeyError as error:
                raise RegistryError(f"{version.name} cannot be verified: {error}") from error

    def champion_folder(self, model: str) -> tuple[Version, Path] | None:
        """The champion and its verified files; None: there is none. Raises RegistryError."""
        found = self.by_alias(model, CHAMPION)
        return None if found is None else (found, self.files(found))

    def champion(self, model: str) -> Registered | None:
        """The champion of a model that is one JSON file; None: there is none. Raises RegistryError."""
        found = self.by_alias(model, CHAMPION)
        return None if found is None else self._read(found)

    # How it is done.

    @cached_property
    def _store(self) -> MlflowStore:
        return MlflowStore(self.folder, self.uri)

    @cached_property
    def _copies(self) -> ModelCopies:
        return ModelCopies(self.state)

    @cached_property
    def _key(self) -> SigningKey:
        return SigningKey(self.state)

    @contextmanager
    def _asking(self, what: str) -> Iterator[MlflowClient]:
        with self._store.asking(what) as client:
            yield client

    def _find(self, client: MlflowClient, model: str, digest: str) -> ModelVersion | None:
        """The version with these files; one without a status was registered before versions were sealed, one whose files
        were removed has none."""
        found = client.search_model_versions(_named(model))
        mine = [
            one for one in found
            if one.tags.get(_DIGEST) == digest and _STATUS in one.tags and _FORGOTTEN not in one.tags
        ]  # fmt: skip
        return min(mine, key=lambda one: int(one.version), default=None)

    def _tell(self, client: MlflowClient, found: ModelVersion, status: Status, reason: str) -> None:
        client.set_model_version_tag(found.name, found.version, _REASON, reason)
        client.set_model_version_tag(found.name, found.version, _STATUS, status)
        found.tags.update({_REASON: reason, _STATUS: status})

    def _described(self, client: MlflowClient, found: ModelVersion) -> Version:
        return _version(found, _aliases(client, found.name))

    def _read(self, version: Version) -> Registered:
        text = (self.files(version) / _PARAMETERS).read_text(encoding="utf-8")
        return Registered(version.version, version.run_id, text)


def _registered(client: MlflowClient, model: str) -> RegisteredModel | None:
    """A registered model. What searches find has no aliases."""
    return client.get_registered_model(model) if client.search_registered_models(_named(model)) else None


def _aliases(client: MlflowClient, model: str) -> dict[str, str]:
    """Version by alias."""
    found = _registered(client, model)
    return {alias: str(version) for alias, version in found.aliases.items()} if found else {}


def _version(found: ModelVersion, aliases: Mapping[str, str]) -> Version:
    tags = dict(found.tags)
    digest, status, reason = tags.pop(_DIGEST, ""), tags.pop(_STATUS, REJECTED), tags.pop(_REASON, "")
    mine = tuple(sorted(alias for alias, version in aliases.items() if version == str(found.version)))
    return Version(found.name, str(found.version), found.run_id or "", digest, status, reason, mine, tags)  # type: ignore[arg-type]


def _named(model: str) -> str:
    """MLflow's filter for one model; it takes no parameters, so the name must be a plain word."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", model):
        raise RegistryError(f"{model!r} is no name of a model: small letters, digits and _")
    return f"name = '{model}'"
