"""The desk of releases: a version goes live in an environment, or an earlier one again; who decided it, on what evidence.

A release is its row in release.manifests. What follows from it (the alias in the prompt registry, the statement in
release.deployments, the entry in governance.audit) is done right after, and by the next pass where somebody was killed. It
states what is to be live: whether the application reads it shows in release.live_versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from assets.release.assets import Prompts
from assets.release.deployments import newest_statements, statement, statements_to_add
from assets.release.manifest import PromptManifest
from assets.release.releases import (
    CANDIDATE,
    PROMOTE,
    ROLLBACK,
    Evidence,
    ReleaseError,
    Said,
    check_approved,
    check_gate,
    check_reason,
    content_digest,
    live_index,
    live_releases,
    release_row,
    rollback_version,
    wanted_of,
    was_live,
)
from pipelines.release.approval_reasons import approval_reasons
from pipelines.release.prompt_desk import LOCK, MANIFESTS, PromptDesk, Synced, entry_of
from resources import audit
from resources.events import alone, append, table_rows
from resources.failpoints import failpoint
from resources.model_version import RegistryError
from resources.prompt_registry import RegisteredPrompt
from resources.release_seed import RELEASE_FILE, load_release
from resources.stored_rows import stored_rows

APPROVALS, GATES, DEPLOYMENTS, INDEXES = (
    "governance.approvals", "release.gates", "release.deployments", "retrieval.index_releases",
)  # fmt: skip
_AUDITED = (
    "feature", "environment", "prompt", "prompt_version", "prompt_digest", "replaces", "reason", "gate_id", "digest",
)  # fmt: skip
Row = dict[str, Any]


@dataclass
class Released:
    """What was decided, and what is still to be done: `trouble` says why the registry does not show it yet."""

    row: Row
    synced: Synced = field(default_factory=Synced)
    trouble: str | None = None

    def __str__(self) -> str:
        row = self.row
        done = "goes live" if row["act"] == PROMOTE else "is live again"
        told = f"{row['release_id']}: {row['prompt']}@{row['prompt_version']} {done} in {row['environment']}"
        return f"{told}; {self.trouble}" if self.trouble else told


class ReleaseDesk:
    """Releases of one warehouse. `prompts`: the desk that keeps the registry true to them."""

    def __init__(self, prompts: PromptDesk):
        self.prompts = prompts
        self.store = prompts.store
        self.clock = prompts.clock

    def promote(
        self, name: str, environment: str, actor: str, reason: str, without_gate: str | None = None,
        window: timedelta = timedelta(minutes=30),
    ) -> Released:  # fmt: skip
        """A version goes live: linted, approved, let through by the gate (or not, for a reason), registered.

        `window`: how long alerts of what it changes are held back. Raises ReleaseError, RegistryError, ReleaseSeedError
        and ServiceSeedError; nothing is written then.
        """
        check_reason(reason)
        with alone(self.store, LOCK):
            prompts = self.prompts.prompts()
            m = manifest_of(prompts, name)
            if faults := prompts.faults_of(m):
                raise ReleaseError(f"{m.name} cannot be released: {faults[0].message}")
            alias = self.prompts.alias(m.feature, environment)
            if alias is None:
                raise ReleaseError(f"features.yml has no feature {m.feature!r}; declare it, with its environments")
            before, index = live_releases(table_rows(self.store, MANIFESTS)).get((m.prompt, environment)), self._index(m)
            if before is not None and before["content_digest"] == content_digest(m, index):
                raise ReleaseError(f"{m.name} is live in {environment} already, by {before['release_id']}")
            why = approval_reasons(self.store, self.prompts.seeds, m.feature, m)
            approved = check_approved(m, table_rows(self.store, APPROVALS), why)
            suites = load_release(self.prompts.seeds / RELEASE_FILE).runs.suites
            wanted = wanted_of(m, environment, alias, suites, table_rows(self.store, MANIFESTS))
            verdict = check_gate(m, index, table_rows(self.store, GATES), without_gate, wanted)
            one = self.prompts.registry.register(entry_of(m))
            told = f"{reason}; without the gate: {without_gate}" if verdict is None else reason
            said = Said(PROMOTE, self.clock.now(), actor, told)
            row = self._decide(m, environment, said, Evidence(one.number, index, verdict, approved))
            return self._carry_out(Released(row), prompts, window)

    def rollback(self, prompt: str, environment: str, actor: str, reason: str, to: str | None = None) -> Released:
        """The version before goes live again: the one that the live version's manifest names, else the one that was live
        before it, or `to`. A registry that does not answer does not hold it up: its alias moves with the next pass.

        What it goes back to has been live in that environment with just this content, so that it needs neither lint nor
        gate nor approval. Raises ReleaseError where nothing is live or there is nothing to go back to.
        """
        check_reason(reason)
        with alone(self.store, LOCK):
            prompts = self.prompts.prompts()
            rows = [r for r in table_rows(self.store, MANIFESTS) if (r["prompt"], r["environment"]) == (prompt, environment)]
            live = live_releases(rows).get((prompt, environment))
            if live is None:
                raise ReleaseError(f"no release of {prompt} in {environment} is known; `make release ARGS=list` names them")
            m = manifest_of(prompts, f"{prompt}@{to or rollback_version(live, rows)}")
            if m.digest == live["prompt_digest"]:
                raise ReleaseError(f"{m.name} is live in {environment} already, by {live['release_id']}")
            known = was_live(m, rows)
            said = Said(ROLLBACK, self.clock.now(), actor, reason)
            row = self._decide(m, environment, said, Evidence(known["registry_version"], self._index(m)))
            return self._carry_out(Released(row), prompts, timedelta(minutes=1))

    def candidate(self, name: str, actor: str) -> RegisteredPrompt:
        """Let the registry's alias `candidate` point to a version. Raises ReleaseError, RegistryError."""
        with alone(self.store, LOCK):
            prompts = self.prompts.prompts()
            m = manifest_of(prompts, name)
            if faults := prompts.faults_of(m):
                raise ReleaseError(f"{m.name} cannot be a candidate: {faults[0].message}")
            self.prompts.sync_alone(prompts)
            one = self.prompts.registry.register(entry_of(m))
            self.prompts.point(one, CANDIDATE, actor)
            return one

    def work(self) -> Synced:
        """One pass: what follows from releases and was not done, then the registry. Raises as PromptDesk.sync does."""
        with alone(self.store, LOCK):
            self._finish()
            return self.prompts.sync_alone(self.prompts.prompts())

    def _finish(self) -> None:
        """Say in release.deployments and in the audit what was decided and is not said there yet."""
        for row in self._unfinished():
            self._state(row, timedelta(minutes=1))
            self._audit(row)

    def _unfinished(self) -> list[Row]:
        """Releases without a statement in release.deployments or an entry in the audit, oldest first."""
        stated = newest_statements(table_rows(self.store, DEPLOYMENTS))
        told = {e["subject"] for e in stored_rows(self.store, audit.AUDIT, ("seq",)) if e["action"].startswith("release.")}
        rows = table_rows(self.store, MANIFESTS)
        left = [row for row in rows if row["release_id"] not in stated or row["release_id"] not in told]
        return sorted(left, key=lambda row: (row["live_from"], row["release_id"]))

    def _decide(self, m: PromptManifest, environment: str, said: Said, evidence: Evidence) -> Row:
        """Write the release down: from here on it counts."""
        rows = append(self.store, MANIFESTS, lambda there: [release_row(m, environment, there, said, evidence)])
        failpoint("release.decided")
        return rows[0]

    def _carry_out(self, released: Released, prompts: Prompts, window: timedelta) -> Released:
        self._state(released.row, window)
        failpoint("release.stated")
        self._finish()
        try:
            released.synced = self.prompts.sync_alone(prompts)
        except RegistryError as error:
            released.trouble = f"its alias waits for the next pass: {error}"
        else:
            released.trouble = released.synced.waiting.get(released.row["release_id"])
        return released

    def _state(self, row: Row, window: timedelta) -> None:
        """Say in release.deployments that it takes place; what was said of it before stays."""

        def stated(there: list[Row]) -> list[Row]:
            if row["release_id"] in newest_statements(there):
                return []
            what = f"{row['act']} of {row['prompt']}@{row['prompt_version']} in {row['environment']}: {row['reason']}"
            said = statement(
                row["release_id"], starts_at=row["live_from"], ends_at=row["live_from"] + window, feature=row["feature"],
                model=None, prompt_version=row["prompt_version"], what=what, actor=row["actor"], is_cancelled=False,
            )  # fmt: skip
            return statements_to_add({row["release_id"]: said}, there, self._now())

        append(self.store, DEPLOYMENTS, stated)

    def _audit(self, row: Row) -> None:
        details = {name: row[name] for name in _AUDITED}
        audit.append(self.store, f"release.{row['act']}", row["release_id"], details, self._now(), row["actor"])

    def _index(self, m: PromptManifest) -> Mapping[str, Any] | None:
        """The release of its index that is live."""
        return live_index(m, table_rows(self.store, INDEXES))

    def _now(self) -> datetime:
        return self.clock.now()


def manifest_of(prompts: Prompts, name: str) -> PromptManifest:
    """The manifest of `prompt@version`. Raises ReleaseError, which lists what there is."""
    for m in prompts.manifests:
        if m.name == name:
            return m
    raise ReleaseError(f"seeds/prompts has no {name}; there are: {', '.join(m.name for m in prompts.manifests) or 'none'}")
