"""The desk of prompts: what seeds/prompts says gets into the prompt registry, each version once; aliases are looked at.

What the night, the Dagster job and the commands share. Releases are decided at release_desk.py; here their aliases are
moved, and what a kill left undone is done by the next pass.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assets.release.assets import REGISTRY_LOG, Prompts, read_prompts
from assets.release.manifest import PromptManifest, canonical
from assets.release.releases import CANDIDATE, LIVE, alias_of, live_releases
from assets.service.assets import read_service_seeds
from resources.clock import Clock
from resources.events import alone, append, table_rows
from resources.failpoints import failpoint
from resources.prompt_registry import PromptEntry, PromptRegistry, RegisteredPrompt
from resources.store import Store
from resources.warehouse_resource import RegistryResource, WarehouseResource

MANIFESTS = "release.manifests"
LOCK = "prompts.lock"
Row = dict[str, Any]


@dataclass
class Synced:
    """What one pass did: versions that are new to the registry, aliases that it moved, and those that it found moved.
    `waiting`: of releases whose alias could not be moved, by name, why."""

    registered: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [f"registered {', '.join(self.registered)}" if self.registered else "no version is new to the registry"]
        parts += [f"alias {one}" for one in self.moved]
        parts += [f"somebody else moved alias {one}" for one in self.found]
        parts += [f"{release}: {why}" for release, why in self.waiting.items()]
        return "; ".join(parts)


class PromptDesk:
    """The prompts of one warehouse."""

    def __init__(self, store: Store, seeds: Path, registry: PromptRegistry, clock: Clock):
        self.store = store
        self.seeds = seeds
        self.registry = registry
        self.clock = clock
        # MLflow reports its use to its makers unless this is set before it is imported.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

    @classmethod
    def of(cls, warehouse: WarehouseResource, registry: RegistryResource, clock: Clock) -> PromptDesk:
        """The desk of a warehouse."""
        store = warehouse.store()
        return cls(store, warehouse.seeds, PromptRegistry.of(store.state, registry.uri), clock)

    def prompts(self) -> Prompts:
        """The manifests as they stand, linted. Raises ServiceSeedError."""
        return read_prompts(self.seeds, self.store)

    def is_used(self) -> bool:
        """Whether anything was ever registered from here. MLflow is not asked, which takes seconds: whoever never synced a
        prompt does not wait for it."""
        return bool(self.store.newest(REGISTRY_LOG).files() or self.store.newest(MANIFESTS).files())

    def sync(self) -> Synced:
        """Register what is sound and not there, and let aliases point as releases say. Twice is once; who is killed is
        repeated. Raises RegistryError and ServiceSeedError."""
        with alone(self.store, LOCK):
            return self.sync_alone(self.prompts())

    def sync_alone(self, prompts: Prompts) -> Synced:
        """The same, by whoever holds the lock."""
        done = Synced()
        for prompt in sorted({m.prompt for m in prompts.sound}):
            self._register(prompt, [m for m in reversed(prompts.sound) if m.prompt == prompt], done)
        self._look_at_aliases(done)
        self.apply(done)
        return done

    def apply(self, done: Synced) -> None:
        """Move the aliases of releases that have not moved theirs, by whoever holds the lock. Raises RegistryError."""
        for row in self._unapplied(table_rows(self.store, REGISTRY_LOG)):
            alias = self.alias(row["feature"], row["environment"])
            there = {one.version: one for one in self.registry.versions(row["prompt"])}
            one = there.get(row["prompt_version"])
            if alias is None or one is None:
                lacks = f"the registry has no {row['prompt']}@{row['prompt_version']}; `make prompts` says what it lacks"
                if alias is None:
                    lacks = f"features.yml has no feature {row['feature']!r}, whose environments name it; declare it"
                done.waiting[row["release_id"]] = f"its alias did not move: {lacks}"
                continue
            self.point(one, alias, row["actor"], row["release_id"])
            done.moved.append(f"{alias} of {row['prompt']} to {row['prompt_version']}")

    def point(self, one: RegisteredPrompt, alias: str, actor: str | None, release_id: str | None = None) -> None:
        """Let an alias point to a version, and write it down. Raises RegistryError."""
        self.registry.point(one.prompt, alias, one.number)
        failpoint("prompt.pointed")
        self._log(one.prompt, "alias_moved", one, alias=alias, actor=actor, release_id=release_id)

    def alias(self, feature: str, environment: str) -> str | None:
        """The alias that says what is live in an environment of a feature, by the seed as it stands: the table of features
        is a night behind it. None: it has no such feature. Raises ReleaseError and ServiceSeedError."""
        declared = read_service_seeds(self.seeds).features.get(feature)
        return None if declared is None else alias_of(environment, declared.environments)

    def _register(self, prompt: str, manifests: list[PromptManifest], done: Synced) -> None:
        there = {one.version: one for one in self.registry.versions(prompt)}
        logged = {row["prompt_version"] for row in table_rows(self.store, REGISTRY_LOG) if _is_registered(row, prompt)}
        for m in manifests:
            # Of one that is there the registry says whether it is the same, too.
            known = there.get(m.version)
            one = known if known is not None and known.digest == m.digest else self.registry.register(entry_of(m))
            if m.version not in logged:
                self._log(prompt, "registered", one)
                done.registered.append(m.name)

    def _look_at_aliases(self, done: Synced) -> None:
        """Write down where aliases point, where that is not what was written down last."""
        log = table_rows(self.store, REGISTRY_LOG)
        for prompt in sorted({row["prompt"] for row in log}):
            pointed = _pointed(log, prompt)
            now = self.registry.pointed(prompt, {LIVE, CANDIDATE, *pointed})
            versions = {one.number: one for one in self.registry.versions(prompt)} if now else {}
            for alias in sorted({*pointed, *now}):
                if now.get(alias) != pointed.get(alias):
                    act = "alias_found" if alias in now else "alias_gone"
                    if self._is_ours(log, prompt, alias, versions.get(now.get(alias, 0))):
                        continue
                    self._log(prompt, act, versions.get(now.get(alias, 0)), alias=alias, actor=None)
                    done.found.append(f"{alias} of {prompt}")

    def _is_ours(self, log: list[Row], prompt: str, alias: str, one: RegisteredPrompt | None) -> bool:
        """Whether a kill came between moving an alias and writing it down: a release wants it just so."""
        return one is not None and any(
            row["prompt"] == prompt
            and row["prompt_version"] == one.version
            and self.alias(row["feature"], row["environment"]) == alias
            for row in self._unapplied(log)
        )

    def _unapplied(self, log: list[Row]) -> list[Row]:
        """The releases that count whose alias was not moved yet."""
        applied = {row["release_id"] for row in log}
        live = live_releases(table_rows(self.store, MANIFESTS)).values()
        return [dict(row) for row in live if row["release_id"] not in applied]

    def _log(
        self, prompt: str, act: str, one: RegisteredPrompt | None, alias: str | None = None, actor: str | None = "nocturne",
        release_id: str | None = None,
    ) -> None:  # fmt: skip
        now = self.clock.now()

        def next_row(there: list[Row]) -> list[Row]:
            if act == "registered" and one and any(_is_registered(r, prompt, one.version) for r in there):
                return []
            change = max((row["change"] for row in there if row["prompt"] == prompt), default=0) + 1
            return [{
                "day": now.date(), "prompt": prompt, "change": change, "act": act,
                "prompt_version": one and one.version, "registry_version": one and one.number, "digest": one and one.digest,
                "alias": alias, "release_id": release_id, "actor": actor, "recorded_at": now,
            }]  # fmt: skip

        append(self.store, REGISTRY_LOG, next_row)


def entry_of(m: PromptManifest) -> PromptEntry:
    """A manifest as the registry keeps it."""
    settings = {key: value for key, value in m.model.settings.items() if key not in ("provider", "model_name")}
    return PromptEntry(
        m.prompt, m.version, m.digest,
        [{"role": message.role, "content": message.content} for message in m.template],
        m.what,
        {"provider": m.model.provider, "model_name": m.model.name, **settings},
        m.output_schema,
        {"nocturne.feature": m.feature, "nocturne.content": canonical(m.content)},
    )  # fmt: skip


def _pointed(log: list[Row], prompt: str) -> dict[str, int]:
    """Where aliases of a prompt pointed when they were written down last."""
    found: dict[str, int] = {}
    for row in sorted((row for row in log if row["prompt"] == prompt and row["alias"]), key=lambda row: row["change"]):
        if row["registry_version"] is None:
            found.pop(row["alias"], None)
        else:
            found[row["alias"]] = row["registry_version"]
    return found


def _is_registered(row: Row, prompt: str, version: str | None = None) -> bool:
    return row["act"] == "registered" and row["prompt"] == prompt and version in (None, row["prompt_version"])
