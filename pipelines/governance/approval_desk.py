"""The desk where a person's decision is written down: on what, in which content, and why.

Here belongs how the digest of a subject is found, so that nobody types it. What follows from a decision is
assets/governance/approvals.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from assets.governance.approvals import APPROVE
from assets.release.assets import read_prompts
from pipelines.tuning.tuning_ledger import PASSED, REGISTERED, REJECTED, TuningLedger
from resources import audit
from resources.artefact_seal import SealError, folder_digest
from resources.clock import Clock
from resources.events import append
from resources.failpoints import failpoint
from resources.registry import Registry
from resources.store import Store
from resources.training_spec import read_done, training_folder
from resources.tuning_seed import MODELS

APPROVALS = "governance.approvals"
DECIDED = {"approve": "approved", "refuse": "refused"}
"""Action in governance.audit, by decision."""
_TUNING = re.compile(r"tuning/(?P<model>[a-z][a-z0-9_]*)/(?P<candidate>[0-9a-f]{16}|[0-9]{1,9})")
_RELEASE = re.compile(r"release/(?P<name>[^/@]+@[^/@]+)")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FORMS = "tuning/<model>/<candidate> or release/<prompt>@<version>"
_MOST_CHARACTERS = 2_000
Decision = Literal["approve", "refuse"]
Row = dict[str, Any]


class ApprovalError(ValueError):
    """A decision that cannot be written down as said; says what to write."""


@dataclass(frozen=True)
class ApprovalDesk:
    """The decisions of one warehouse."""

    store: Store
    registry: Registry
    seeds: Path
    clock: Clock

    def decide(self, subject: str, decision: Decision, actor: str, reason: str, digest: str | None = None) -> Row:
        """Write a decision down, in governance.approvals and in the audit; the row.

        `digest`: of what was looked at; None: of what the subject is now. Raises ApprovalError, RegistryError,
        TrainingSpecError, ServiceSeedError.
        """
        self._refuse_what_cannot_be(subject, decision)
        if not actor.strip() or not reason.strip():
            raise ApprovalError("a decision needs a person and a reason: ARGS=\"--reason 'read the card'\"")
        if len(reason) > _MOST_CHARACTERS:
            raise ApprovalError(f"a reason has up to {_MOST_CHARACTERS:,} characters")
        if digest is not None and not _DIGEST.fullmatch(digest):
            raise ApprovalError("a digest has 64 digits of 0-9 and a-f; left out, it is that of what the subject is now")
        now = self.clock.now()
        row: Row = {
            "day": now.date(), "recorded_at": now, "subject": subject, "subject_digest": digest or self.digest_of(subject),
            "decision": decision, "actor": actor.strip(), "reason": reason.strip(),
        }  # fmt: skip
        details = {"digest": row["subject_digest"]}
        audit.append(self.store, DECIDED[decision], f"{subject} {now.isoformat()}", details, now, row["actor"])
        failpoint("registry.decided")
        if not append(self.store, APPROVALS, lambda _: [row]):
            raise ApprovalError(f"on {subject} something was decided at this very moment; look, and decide again")
        return row

    def digest_of(self, subject: str) -> str:
        """Digest of what a subject is now: a candidate's files, or the content of a prompt's version. Raises as decide."""
        if tuned := _TUNING.fullmatch(subject):
            return self._candidate(tuned["model"], tuned["candidate"])
        if released := _RELEASE.fullmatch(subject):
            found = {m.name: m.digest for m in read_prompts(self.seeds, self.store).manifests}
            if released["name"] not in found:
                told = ", ".join(sorted(found)) or "none"
                raise ApprovalError(f"seeds/prompts has no {released['name']}; there are: {told}. Or give its --digest")
            return found[released["name"]]
        raise self._nothing(subject)

    @property
    def waiting(self) -> str:
        """The candidates that no gate holds back and that are not live, in a sentence."""
        found = self._ledger.in_state(PASSED, REGISTERED)
        subjects = [f"tuning/{MODELS[row['kind']]}/{row['candidate']}" for row in found]
        return f"What waits: {', '.join(subjects)}" if subjects else "No candidate waits for a person"

    def _refuse_what_cannot_be(self, subject: str, decision: Decision) -> None:
        """A subject of no form, of a model that there is not, or one that no approval lets live. Raises ApprovalError."""
        tuned = _TUNING.fullmatch(subject)
        if tuned is None:
            if not _RELEASE.fullmatch(subject):
                raise self._nothing(subject)
            return
        models = sorted(set(MODELS.values()))
        if tuned["model"] not in models:
            raise ApprovalError(f"there is no model {tuned['model']}, but {', '.join(models)}. {self.waiting}")
        known = self._ledger.newest.get(tuned["candidate"])
        if known is None:
            return
        if MODELS[known["kind"]] != tuned["model"]:
            rightly = f"tuning/{MODELS[known['kind']]}/{tuned['candidate']}"
            raise ApprovalError(f"{tuned['candidate']} is a candidate of another model: {rightly}. {self.waiting}")
        if known["state"] == REJECTED and decision == APPROVE:
            raise ApprovalError(
                f"{tuned['candidate']} was rejected ({known['reason']}), and no approval overrules that. {self.waiting}"
            )

    def _nothing(self, subject: str) -> ApprovalError:
        return ApprovalError(f"{subject!r} is nothing that can be approved; write {_FORMS}. {self.waiting}")

    @property
    def _ledger(self) -> TuningLedger:
        return TuningLedger(self.store, self.clock)

    def _candidate(self, model: str, candidate: str) -> str:
        folder = training_folder(self.store.state, candidate)
        done = read_done(folder) if folder.is_dir() else None
        try:
            if done is not None and done.model and MODELS[done.kind] == model:
                return folder_digest(folder / done.model)
        except SealError as error:
            raise ApprovalError(f"the model of {candidate} cannot be approved: {error}") from error
        for version in reversed(self.registry.versions(model)):
            if candidate in (version.tags.get("candidate"), version.version):
                return version.digest
        raise ApprovalError(f"no candidate {candidate} of {model} was trained here, or registered. {self.waiting}")
