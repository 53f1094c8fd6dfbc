"""The prompt registry: MLflow's, in the same store as the models (mlflow_store.py).

Here belongs how a version of a prompt gets there once, and how aliases point; what a prompt says, and which version is to be
live, is not known here. A version is known by the tags that it is made with, in one transaction of MLflow's: who is killed
before or after leaves nothing half, and the next call finds what is there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources.failpoints import failpoint
from resources.mlflow_store import MlflowStore
from resources.model_version import RegistryError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry.prompt_version import PromptVersion

_VERSION, _DIGEST = "nocturne.version", "nocturne.digest"
_PAGE = 200


@dataclass(frozen=True)
class PromptEntry:
    """What is registered of a version: messages with `{{variables}}`, the model and its settings, the schema of answers."""

    prompt: str
    version: str
    digest: str
    messages: Sequence[Mapping[str, str]]
    what: str
    model: Mapping[str, Any] = field(default_factory=dict)
    output_schema: Mapping[str, Any] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RegisteredPrompt:
    """One version in the registry, by its `number` there. `version` None: somebody else than this project registered it."""

    prompt: str
    number: int
    version: str | None
    digest: str | None


@dataclass(frozen=True)
class PromptRegistry:
    """The prompts of one MLflow store."""

    mlflow: MlflowStore

    @classmethod
    def of(cls, state: Path, uri: str = "") -> PromptRegistry:
        """The prompts in the MLflow of the warehouse with this state, or of the server at `uri`."""
        return cls(MlflowStore(state / "mlflow", uri))

    def versions(self, prompt: str) -> list[RegisteredPrompt]:
        """All versions of a prompt, oldest first; none where nobody registered it. Raises RegistryError."""
        if self.mlflow.is_new:
            return []
        with self.mlflow.asking(f"prompt {prompt} cannot be looked up") as client:
            return _versions(client, prompt)

    def register(self, entry: PromptEntry) -> RegisteredPrompt:
        """The version with this name, registered now unless it is there. Raises RegistryError, also where it is there with
        other content: a version does not change."""
        with self.mlflow.asking(f"prompt {entry.prompt}@{entry.version} cannot be registered") as client:
            if (found := self._found(client, entry)) is not None:
                return found
            client.register_prompt(
                entry.prompt,
                [dict(message) for message in entry.messages],
                commit_message=f"{entry.version}: {entry.what}",
                tags={**entry.tags, _VERSION: entry.version, _DIGEST: entry.digest},
                response_format=dict(entry.output_schema) if entry.output_schema else None,
                model_config=dict(entry.model) or None,
            )
            failpoint("prompt.registered")
            made = self._found(client, entry)
        if made is None:
            raise RegistryError(f"prompt {entry.prompt}@{entry.version} was registered, and is gone again; look at MLflow")
        return made

    def pointed(self, prompt: str, aliases: Collection[str]) -> dict[str, int]:
        """Where those of some aliases point that point anywhere, by number. Raises RegistryError."""
        if self.mlflow.is_new or not aliases:
            return {}
        with self.mlflow.asking(f"aliases of prompt {prompt} cannot be looked up") as client:
            found = {alias: _pointed(client, prompt, alias) for alias in sorted(aliases)}
        return {alias: number for alias, number in found.items() if number is not None}

    def point(self, prompt: str, alias: str, number: int) -> None:
        """Let an alias point to a version, by its number there. Raises RegistryError."""
        with self.mlflow.asking(f"alias {alias} of prompt {prompt} cannot be moved") as client:
            client.set_prompt_alias(prompt, alias, number)

    def drop(self, prompt: str, alias: str) -> None:
        """Take an alias away. Raises RegistryError."""
        with self.mlflow.asking(f"alias {alias} of prompt {prompt} cannot be taken away") as client:
            client.delete_prompt_alias(prompt, alias)

    @staticmethod
    def _found(client: MlflowClient, entry: PromptEntry) -> RegisteredPrompt | None:
        mine = [one for one in _versions(client, entry.prompt) if one.version == entry.version]
        if not mine:
            return None
        if mine[0].digest != entry.digest:
            raise RegistryError(
                f"prompt {entry.prompt}@{entry.version} is in the registry with other content; a version does not change: "
                "give it a new one"
            )
        return mine[0]


def _pointed(client: MlflowClient, prompt: str, alias: str) -> int | None:
    from mlflow.exceptions import MlflowException

    try:
        return int(client.get_prompt_version_by_alias(prompt, alias).version)
    except MlflowException as error:
        # Of an alias that is not there the stores say the one, of a prompt that is not the other.
        if error.error_code in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"):
            return None
        raise


def _versions(client: MlflowClient, prompt: str) -> list[RegisteredPrompt]:
    if client.get_prompt(prompt) is None:
        return []
    found: list[PromptVersion] = []
    token = None
    while True:
        page = client.search_prompt_versions(prompt, max_results=_PAGE, page_token=token)
        found += page
        token = page.token
        if not token:
            break
    listed = [RegisteredPrompt(prompt, int(v.version), v.tags.get(_VERSION), v.tags.get(_DIGEST)) for v in found]
    return sorted(listed, key=lambda one: one.number)
