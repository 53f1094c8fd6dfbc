"""The desk of the release gate: a candidate and the live version answer the same cases, and what follows is written down.

What `make gate` and the job release_gate share. The rules are assets/release/release_gate.py; who is asked, the seeds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from assets.release.eval_coverage import coverage
from assets.release.gate_report import CaseOutcome, Report
from assets.release.manifest import PromptManifest
from assets.release.release_gate import Approval, Finding, Rules, findings
from assets.release.releases import approvers, changes, content_digest, live_index, live_releases, refuser
from pipelines.release.approval_reasons import approval_reasons
from pipelines.release.eval_desk import EvalDesk, EvalError, Run, Suite
from pipelines.release.eval_given import given_in_file, given_in_logs
from pipelines.release.eval_rows import failed_checks, results
from pipelines.release.eval_versions import read_manifests, version_of
from resources.events import append, table_rows
from resources.release_seed import ReleaseSeed, RunSettings

GATES, APPROVALS, MANIFESTS = "release.gates", "governance.approvals", "release.manifests"
INDEXES = "retrieval.index_releases"
FROM_FILE, FROM_LOGS = "file:", "logged:"
Say = Callable[[str], Any]


@dataclass(frozen=True)
class Asked:
    """What the gate is to judge. `live`, `suites` None: as the manifest and the seed say; `repeats` None: as the seed says.
    `feature`: whose rules hold where there is no manifest, which names its own."""

    candidate: str
    live: str | None = None
    suites: tuple[str, ...] | None = None
    repeats: int | None = None
    feature: str | None = None
    is_fresh: bool = False
    has_no_live: bool = False


@dataclass(frozen=True)
class Plan:
    """What would be done. `live` None: there is nothing to compare with."""

    candidate: str
    live: str | None
    suites: Suite
    runs: RunSettings
    rules: Rules
    feature: str | None
    warnings: tuple[str, ...]

    def __str__(self) -> str:
        cases = sum(len(cases) for cases in self.suites.values())
        sides = 2 if self.live else 1
        against = f"against {self.live}" if self.live else "against nothing"
        return (
            f"{self.candidate} {against}: {cases} cases of {', '.join(self.suites)}, {self.runs.repeats} repeats, "
            f"at most {sides * cases * self.runs.repeats} questions and {sides * self.runs.usd_a_run} USD"
        )


class ReleaseGateDesk:
    """The release gate of one warehouse."""

    def __init__(self, evals: EvalDesk):
        self.evals = evals
        self.store = evals.store
        self.clock = evals.clock

    def plan(self, asked: Asked) -> Plan:
        """What would be asked, without asking.

        Raises EvalError, VersionError, ManifestError, EvalCaseError, ReleaseSeedError.
        """
        seed, manifests = self.evals.read_seed(), read_manifests(self.evals.seeds)
        manifest = manifests.get(asked.candidate.partition("/")[0])
        if manifest is not None and asked.feature not in (None, manifest.feature):
            raise EvalError(
                f"{manifest.name} belongs to {manifest.feature}, whose rules hold; --feature {asked.feature} is another one"
            )
        feature = manifest.feature if manifest else asked.feature
        suites = self.evals.suites(_suites(asked, seed, manifest))
        live = None if asked.has_no_live else asked.live or self._live(asked, manifest)
        for name in (asked.candidate, live):
            if name is not None and not name.startswith((FROM_FILE, FROM_LOGS)) and name not in self._releases():
                version_of(name, seed, manifests)
        rules = Rules(**seed.rules_of(feature))
        runs = replace(seed.runs, repeats=asked.repeats or seed.runs.repeats)
        told = [f"{name}: {told}" for name, cases in suites.items() for told in coverage(cases, rules).warnings]
        if retrieval := {"index", "embedder"} & set(self._release(manifest)[1] or ()):
            told.append(
                f"what changes is {' and '.join(sorted(retrieval))}: cases bring their documents, so an endpoint that does "
                "not search by itself shows nothing of that; what the index finds is judged by its own gates"
            )
        return Plan(asked.candidate, live, suites, runs, rules, feature, tuple(told))

    def judge(self, asked: Asked, actor: str, say: Say = lambda _: None) -> Report:
        """Let both answer, decide, and write the decision down; the same evidence is decided on once.

        Raises what `plan` does, GivenError, and EndpointError for a key that the environment lacks.
        """
        plan = self.plan(asked)
        seed, manifests = self.evals.read_seed(), read_manifests(self.evals.seeds)
        candidate = self._run(plan.candidate, plan, seed, manifests, asked.is_fresh, say)
        live = self._run(plan.live, plan, seed, manifests, False, say) if plan.live else None
        subject, digest = self._identity(plan.candidate, candidate, seed, manifests)
        manifest = manifests.get(plan.candidate.partition("/")[0])
        approval = self._approval(plan.feature, manifest, subject, digest)
        whole, changed = self._release(manifest)
        found = findings(results(candidate.rows), results(live.rows) if live else None, plan.rules, approval)
        told = [candidate.run_id, live.run_id if live else None, asdict(plan.rules), asdict(approval), digest, whole]
        gate_id = hashlib.sha256(json.dumps(told, default=str).encode()).hexdigest()[:16]
        shared = {
            "gate_id": gate_id, "candidate": candidate.rows[0]["version"], "candidate_digest": digest,
            "release_digest": whole, "changes": changed and ",".join(changed),
            "live": self._shown(plan.live, live), "suite": ",".join(plan.suites),
            "suite_digest": candidate.rows[0]["suite_digest"], "candidate_run": candidate.run_id,
            "live_run": live.run_id if live else None, "actor": actor,
        }  # fmt: skip
        self._append(shared, found)
        facts = {"changes": ", ".join(changed) or "nothing beside what is live"} if changed is not None else {}
        facts |= {"candidate's run": str(candidate), **({"live version's run": str(live)} if live else {})}
        return Report(
            gate_id, str(shared["candidate"]), shared["live"], list(plan.suites), found, _cases(candidate), plan.warnings,
            facts,
        )  # fmt: skip

    def _append(self, shared: Mapping[str, Any], found: Iterable[Finding]) -> None:
        now = self.clock.now()
        rows = [{"day": now.date(), **shared, **asdict(finding), "decided_at": now} for finding in found]
        # The same evidence was decided on before, perhaps on another day.
        append(self.store, GATES, lambda there: [] if any(r["gate_id"] == shared["gate_id"] for r in there) else rows)

    def _run(
        self, name: str, plan: Plan, seed: ReleaseSeed, manifests: Mapping[str, PromptManifest], is_fresh: bool, say: Say
    ) -> Run:
        if name.startswith(FROM_FILE):
            path = Path(name.removeprefix(FROM_FILE))
            identity, given = given_in_file(path, plan.suites, plan.runs.repeats)
        elif name.startswith(FROM_LOGS):
            version, last = name.removeprefix(FROM_LOGS), self.clock.last_due_day()
            identity, given = given_in_logs(self.store, version, plan.suites, plan.runs.repeats, last)
        else:
            if name in (releases := self._releases()):
                return self.evals.stored(str(releases[name]["eval_run"]), plan.suites)
            asked = version_of(name, seed, manifests, table_rows(self.store, INDEXES))
            return self.evals.ask(asked, plan.suites, plan.runs, is_fresh, say)
        return self.evals.read(identity, plan.suites, given, plan.runs.repeats)

    def _identity(
        self, name: str, run: Run, seed: ReleaseSeed, manifests: Mapping[str, PromptManifest]
    ) -> tuple[str, str]:
        """What its approvals are filed under, and the digest of what they are on."""
        if name.startswith((FROM_FILE, FROM_LOGS)):
            return f"release/{run.rows[0]['version']}", run.rows[0]["version_digest"]
        return version_of(name, seed, manifests).approved_as

    def _live(self, asked: Asked, manifest: PromptManifest | None) -> str | None:
        """What to compare with: the version that is released, else the one that would be gone back to, at the candidate's
        endpoint. Of a version that is released already, and whose model or index is another one now, the release itself, by
        the answers that it was judged by."""
        if manifest is None:
            raise EvalError(f"say what {asked.candidate} is compared with: --live <version>, or --no-live where nothing is")
        releases = live_releases(table_rows(self.store, MANIFESTS))
        of_it = [row for (prompt, _), row in sorted(releases.items()) if prompt == manifest.prompt]
        whole, _ = self._release(manifest)
        for row in of_it:
            is_other = row["prompt_version"] == manifest.version and row["content_digest"] not in (None, whole)
            if is_other and row["eval_run"] is not None:
                return str(row["release_id"])
        live = [row["prompt_version"] for row in of_it]
        version = next((one for one in live if one != manifest.version), manifest.rollback_to)
        endpoint = asked.candidate.partition("/")[2]
        return f"{manifest.prompt}@{version}" + (f"/{endpoint}" if endpoint else "") if version else None

    def _releases(self) -> dict[str, Mapping[str, Any]]:
        """All releases by name."""
        return {row["release_id"]: row for row in table_rows(self.store, MANIFESTS)}

    def _release(self, manifest: PromptManifest | None) -> tuple[str | None, list[str] | None]:
        """What a release of it would be, as a digest, and what that changes beside the release that is live."""
        if manifest is None:
            return None, None
        index = live_index(manifest, table_rows(self.store, INDEXES))
        rows = live_releases(self._releases().values())
        live = next((row for (prompt, _), row in sorted(rows.items()) if prompt == manifest.prompt), None)
        return content_digest(manifest, index), changes(manifest, index, live)

    def _shown(self, name: str | None, live: Run | None) -> str | None:
        return None if live is None else name if name in self._releases() else live.rows[0]["version"]

    def _approval(self, feature: str | None, manifest: PromptManifest | None, subject: str, digest: str) -> Approval:
        """Who has to approve, and how many did: by the manifest, the risk class of the feature, and its error budgets."""
        why = approval_reasons(self.store, self.evals.seeds, feature, manifest)
        may = manifest.approvals.by if manifest else ()
        rows = table_rows(self.store, APPROVALS)
        given = [name for name in approvers(rows, subject, digest) if not may or name in may]
        needed = max(manifest.approvals.needed if manifest else 0, 1)
        return Approval(why, needed, len(given), refuser(rows, subject, digest))


def _suites(asked: Asked, seed: ReleaseSeed, manifest: PromptManifest | None) -> Sequence[str]:
    if asked.suites:
        return asked.suites
    own = [manifest.evaluation_set] if manifest and manifest.evaluation_set else []
    found = [*own, *seed.runs.suites]
    if not found:
        raise EvalError("say which suites: --suite <file of seeds/evals without .jsonl>")
    return found


def _cases(run: Run) -> list[CaseOutcome]:
    of_case: dict[str, list[dict[str, Any]]] = {}
    for row in run.rows:
        of_case.setdefault(f"{row['suite']}/{row['case_id']}", []).append(row)
    return [
        CaseOutcome(
            case, sum(row["passed"] is True for row in rows), sum(row["passed"] is False for row in rows),
            sum(row["passed"] is None for row in rows), rows[0]["is_critical"],
            tuple(sorted({name for row in rows for name in failed_checks(row)})),
        )
        for case, rows in of_case.items()
    ]  # fmt: skip
