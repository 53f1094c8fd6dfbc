"""The desk where a registered model becomes champion, or goes back, by somebody's decision; each act stands in the audit.

What `make model` and the tuning loop share. Which approvals count is assets/governance/approvals.py; what indexes do with a
new embedder, registry_runs.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from assets.governance.approvals import decision_on, is_approved
from resources import audit
from resources.clock import Clock
from resources.events import table_rows
from resources.failpoints import failpoint
from resources.model_version import CHALLENGER, CHAMPION, PASSED, REJECTED, WAITING, Version
from resources.registry import Registry
from resources.store import Store
from resources.tuning_seed import MODELS, TUNING_FILE, load_tuning

APPROVALS = "governance.approvals"
PROMOTED, ROLLED_BACK = "model_promoted", "model_rolled_back"
"""Actions in governance.audit."""


class ModelDeskError(ValueError):
    """A model that cannot be promoted or rolled back as asked; says why, and what to do."""


def subject_of(version: Version) -> str:
    """What an approval of a version is on: the candidate that it was made of, or the version itself."""
    return f"tuning/{version.model}/{version.tags.get('candidate', version.version)}"


@dataclass(frozen=True)
class ModelDesk:
    """The registered models of one warehouse."""

    store: Store
    registry: Registry
    seeds: Path
    clock: Clock

    def versions(self, model: str | None = None) -> list[Version]:
        """All versions, the oldest first; of one model, or of all that the project registers. Raises RegistryError."""
        names = [model] if model else sorted(set(MODELS.values()))
        return [version for name in names for version in self.registry.versions(name)]

    def promote(self, model: str, version: str, actor: str, reason: str = "") -> Version:
        """Make a version champion; twice is once. Raises ModelDeskError where it needs an approval that is not there, and
        RegistryError, also where it was rejected or is not what was signed for."""
        found = self.registry.version(model, version)
        needs_one = found.status == WAITING or self.needs_approval(model)
        return self._promoted(found, needs_one, actor, reason)

    def promote_first(self, model: str, version: str, actor: str, reason: str) -> Version:
        """Make a version champion where nothing that was trained serves yet: it needs nobody's approval, but must not have
        been refused. Raises as `promote`."""
        return self._promoted(self.registry.version(model, version), False, actor, reason)

    def _promoted(self, found: Version, needs_approval: bool, actor: str, reason: str) -> Version:
        model, version, subject = found.model, found.version, subject_of(found)
        if found.status == REJECTED:
            raise ModelDeskError(f"{found.name} was rejected: {found.reason}. It is kept, and serves nobody")
        approved = self.is_approved(found)
        refused = None if approved else self._decision(found)
        if refused or (needs_approval and not approved):
            told = f"{refused['actor']} refused it: {refused['reason']}" if refused else found.reason or "nobody has yet"
            raise ModelDeskError(
                f"{found.name} needs an approval ({told}). Run: make approve WHAT={subject} ARGS=\"--reason '...'\""
            )
        if found.status == WAITING:
            self.registry.set_status(model, version, PASSED)
        champion = self.registry.by_alias(model, CHAMPION)
        if champion is None or champion.version != version:
            self.registry.files(found)
            self._record(PROMOTED, model, found, champion, actor, reason)
            champion = self.registry.set_alias(model, CHAMPION, version)
        if CHALLENGER in found.aliases:
            self.registry.drop_alias(model, CHALLENGER)
        return champion

    def rollback(self, model: str, actor: str, reason: str = "") -> Version | None:
        """Give the alias back to the champion before; None: to nobody, as nobody was. Done twice, it takes itself back.

        Raises ModelDeskError, RegistryError.
        """
        now = self.registry.by_alias(model, CHAMPION)
        if now is None:
            raise ModelDeskError(f"{model} has no champion: there is nothing to go back from")
        former = self.registry.former_champion(model)
        if former == now.version:
            raise ModelDeskError(f"{now.name} is champion, and nobody knows who was before; promote the one that you mean")
        if former is None:
            self._record(ROLLED_BACK, model, None, now, actor, reason)
            self.registry.drop_alias(model, CHAMPION)
            return None
        back = self.registry.version(model, former)
        self.registry.files(back)
        self._record(ROLLED_BACK, model, back, now, actor, reason)
        return self.registry.set_alias(model, CHAMPION, former)

    def needs_approval(self, model: str) -> bool:
        """Whether the seed lets no version be champion that no person approved: so it is until all kinds of candidates
        of the model say `promotion: automatic`. Raises TuningSeedError."""
        kinds = load_tuning(self.seeds / TUNING_FILE).kinds.values()
        return any(kind.promotion == "approval" for kind in kinds if kind.model == model)

    def is_approved(self, version: Version) -> bool:
        """Whether a person approved exactly these files."""
        return is_approved(table_rows(self.store, APPROVALS), subject_of(version), version.digest)

    def approved_at(self, version: Version) -> datetime | None:
        """When a person approved exactly these files; None: nobody did, or somebody refused them since."""
        decided = self._decision(version)
        return decided["recorded_at"] if decided is not None and self.is_approved(version) else None

    def _decision(self, version: Version) -> Mapping[str, Any] | None:
        return decision_on(table_rows(self.store, APPROVALS), subject_of(version), version.digest)

    def _record(
        self, action: str, model: str, now: Version | None, before: Version | None, actor: str, reason: str
    ) -> None:
        """Before it is done: of a kill in between the audit has a line too many, and never one too few."""
        at = self.clock.now()
        said = {"version": now.name if now else None, "digest": now.digest if now else None}
        details = {**said, "before": before.name if before else None, "reason": reason}
        # An act may be repeated; of each subject the audit has it once.
        audit.append(self.store, action, f"{model} {at.isoformat()}", details, at, actor)
        failpoint("registry.audited")
