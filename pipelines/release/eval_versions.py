"""A version that can be asked: a prompt manifest, or none, on an endpoint of seeds/release.yml.

Here belongs how one is named (`support@v13`, `support@v13/main`, `main`) and what is sent on its behalf.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from assets.quality.eval_case import EvalCase
from assets.release.eval_prompt import messages, tools
from assets.release.manifest import PromptManifest, parse_manifest
from assets.release.releases import INDEX_PARTS, live_index
from resources.chat_endpoint import TOKEN_NAMES
from resources.prompt_seed import read_prompt_files
from resources.release_seed import JSON_SCHEMA, RELEASE_FILE, EvalEndpoint, ReleaseSeed


class VersionError(ValueError):
    """A name that names no version which can be asked; says what there is."""


@dataclass(frozen=True)
class Version:
    """What is asked. Without a manifest the endpoint's own model answers the case as it stands. `index`: how the index that
    it looks things up in was made; where an endpoint searches by itself, its answers follow from that, too."""

    name: str
    endpoint: EvalEndpoint
    manifest: PromptManifest | None = None
    index: Mapping[str, Any] | None = None

    @property
    def provider(self) -> str | None:
        """As the price book names it."""
        return self.manifest.model.provider if self.manifest else self.endpoint.provider

    @property
    def model(self) -> str:
        """The model that is asked for."""
        return (self.manifest.model.asked_as or self.manifest.model.name) if self.manifest else self.endpoint.model

    @property
    def feature(self) -> str | None:
        """The feature that it belongs to; None: it is not said."""
        return self.manifest.feature if self.manifest else None

    @property
    def output_schema(self) -> Mapping[str, Any] | None:
        """The JSON schema of its answers; None: they are free."""
        return self.manifest.output_schema if self.manifest else None

    @cached_property
    def digest(self) -> str:
        """Names all that its answers follow from, 64 hex digits."""
        content = self.manifest.content if self.manifest else None
        told = json.dumps([*self._where, self._settings, content])
        return hashlib.sha256(told.encode()).hexdigest()

    @property
    def approved_as(self) -> tuple[str, str]:
        """The subject that its approvals are filed under, and the digest of what is approved."""
        return (self.manifest.subject, self.manifest.digest) if self.manifest else (f"release/{self.name}", self.digest)

    def body(self, case: EvalCase, repeat: int) -> dict[str, Any]:
        """What is sent for one repeat of a case. A seed, where there is one, is another for each repeat: the same one would
        hide how much answers differ. Raises ManifestError."""
        return self.of(messages(case, self.manifest), repeat) | ({"tools": tools(case)} if case.tools else {})

    def of(self, said: list[dict[str, str]], repeat: int) -> dict[str, Any]:
        """What is sent for messages."""
        body = {"messages": said, "stream": False, **self._settings}
        return body | ({"seed": body["seed"] + repeat - 1} if isinstance(body.get("seed"), int) else {})

    def key(self, body: Mapping[str, Any]) -> str:
        """Names a request to this endpoint."""
        return hashlib.sha256(json.dumps([*self._where, body], sort_keys=True).encode()).hexdigest()

    @property
    def _where(self) -> list[Any]:
        return [self.endpoint.base_url, *([dict(self.index)] if self.index else [])]

    @property
    def _settings(self) -> dict[str, Any]:
        plain = self.endpoint.chat("")
        del plain["messages"], plain["stream"]
        if self.manifest and self.output_schema is not None and self.endpoint.response_format == JSON_SCHEMA:
            form = {"name": self.manifest.prompt, "schema": self.output_schema}
            plain["response_format"] = {"type": JSON_SCHEMA, JSON_SCHEMA: form}
        settings = self.manifest.model.settings if self.manifest else {}
        if not TOKEN_NAMES.isdisjoint(settings):
            # Two caps on one answer are refused by providers; the manifest's is the one that was meant.
            for name in TOKEN_NAMES.difference(settings):
                plain.pop(name, None)
        return {**plain, **settings, "model": self.model}


def read_manifests(seeds: Path) -> dict[str, PromptManifest]:
    """The manifests of seeds/prompts by `prompt@version`. Of files that are no YAML the lint tells. Raises ManifestError."""
    files, _ = read_prompt_files(seeds)
    return {found.name: found for found in (parse_manifest(raw, file) for file, raw in files.items())}


def version_of(
    name: str, seed: ReleaseSeed, manifests: Mapping[str, PromptManifest], indexes: Iterable[Mapping[str, Any]] = ()
) -> Version:
    """The version that a name stands for. `indexes`: rows of retrieval.index_releases. Raises VersionError."""
    prompt, _, endpoint = name.partition("/") if "@" in name else ("", "", name)
    if not endpoint and len(seed.endpoints) == 1:
        [endpoint] = seed.endpoints
    if prompt and prompt not in manifests:
        raise VersionError(f"seeds/prompts has no {prompt!r}; there are: {', '.join(sorted(manifests)) or 'none'}")
    if endpoint not in seed.endpoints:
        there = ", ".join(seed.endpoints) or "none"
        asked = f"{RELEASE_FILE} declares no endpoint {endpoint!r}" if endpoint else f"{name} names no endpoint"
        prompts = "" if prompt else f" Versions of prompts: {', '.join(sorted(manifests)) or 'none'}"
        raise VersionError(
            f"{asked}; there are: {there}. Write {prompt or 'support@v13'}/<endpoint>, or an endpoint alone.{prompts}"
        )
    # A release is looked up by the prompt's version, wherever it was asked.
    manifest = manifests.get(prompt)
    index = live_index(manifest, indexes) if manifest else None
    made = {part: index[part] for part in INDEX_PARTS} if index else None
    return Version(prompt or name, seed.endpoints[endpoint], manifest, made)
