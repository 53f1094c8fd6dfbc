"""Releases: what goes live where, what has to be there first, and what is gone back to.

Here belong the rules over rows of release.manifests, release.gates and governance.approvals, and the release manifest as
JSON. What is written and moved is pipelines/release/release_desk.py's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from assets.governance.approvals import APPROVE, REFUSE, decision_on
from assets.release.manifest import PromptManifest, canonical

PROMOTE, ROLLBACK = "promote", "rollback"
LIVE, CANDIDATE = "live", "candidate"
"""Aliases of the prompt registry: what a feature's users get, and what is tried."""
INDEX_PARTS = ("embedder", "chunker")
"""How an index was made, whatever documents it has."""
Row = Mapping[str, Any]
_ENVIRONMENT = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


@dataclass(frozen=True)
class Said:
    """What somebody decided: what is done, when, who, and why."""

    act: str
    now: datetime
    actor: str
    reason: str


@dataclass(frozen=True)
class Evidence:
    """What was known then. `index`: the live row of retrieval.index_releases; `verdict`: of release.gates; None: nothing."""

    registry_version: int | None = None
    index: Row | None = None
    verdict: Row | None = None
    approved_by: Sequence[str] = ()


@dataclass(frozen=True)
class Wanted:
    """What a verdict has to rest on: these suites at least, and a comparison with one of these (empty: none is live)."""

    suites: frozenset[str] = frozenset()
    live: tuple[str, ...] = ()

    def is_met(self, verdict: Row) -> bool:
        """Whether a row of release.gates does."""
        return self.suites <= set(verdict["suite"].split(",")) and (not self.live or verdict["live"] in self.live)

    def __str__(self) -> str:
        suites = f"the suites {', '.join(sorted(self.suites))}" if self.suites else "any suite"
        return f"{suites}, compared with {' or '.join(self.live)}" if self.live else suites


class ReleaseError(ValueError):
    """A release that cannot be made as asked; says what is missing and how it is got."""


def alias_of(environment: str, counted: Collection[str]) -> str:
    """The alias that says what is live in an environment: `live` in those that the feature's promises count (empty: in all),
    else `live-<environment>`. Raises ReleaseError for a name that can be no alias."""
    if not _ENVIRONMENT.match(environment):
        raise ReleaseError(f"environment {environment!r} is no name: letters, digits, `-` and `_`, as it is logged")
    return LIVE if not counted or environment in counted else f"{LIVE}-{environment}"


def live_releases(rows: Iterable[Row]) -> dict[tuple[str, str], Row]:
    """The release that counts, by (prompt, environment): the one with the highest number."""
    newest: dict[tuple[str, str], Row] = {}
    for row in rows:
        place = row["prompt"], row["environment"]
        if place not in newest or row["number"] > newest[place]["number"]:
            newest[place] = row
    return newest


def approvers(rows: Iterable[Row], subject: str, digest: str) -> list[str]:
    """Who approved exactly this content, and did not take it back; nobody where the newest decision is a refusal."""
    mine = [row for row in rows if row["subject"] == subject and row["subject_digest"] == digest]
    newest = decision_on(mine, subject, digest)
    if newest is None or newest["decision"] == REFUSE:
        return []
    said = {a: decision_on([row for row in mine if row["actor"] == a], subject, digest) for a in {r["actor"] for r in mine}}
    return sorted(actor for actor, row in said.items() if row is not None and row["decision"] == APPROVE)


def refuser(rows: Iterable[Row], subject: str, digest: str) -> str | None:
    """Who refused exactly this content, where that is the newest decision on it."""
    newest = decision_on(rows, subject, digest)
    return str(newest["actor"]) if newest is not None and newest["decision"] == REFUSE else None


def live_index(m: PromptManifest, rows: Iterable[Row]) -> Row | None:
    """The row of retrieval.index_releases that says which release of a prompt's index is live; None: it has none."""
    wanted = m.retrieval.index if m.retrieval else None
    live = [row for row in rows if row["index_name"] == wanted and row["state"] == "live"]
    return max(live, key=lambda row: (row["recorded_at"], row["release"]), default=None)


def content_digest(m: PromptManifest, index: Row | None) -> str:
    """SHA-256 of all that a release's behaviour follows from: the manifest with its safety policy and retrieval, the model
    as it is asked for, and how the index was made. Which documents it has changes nightly, under gates of its own."""
    made = {name: index[name] for name in INDEX_PARTS} if index else None
    return sha256(canonical([m.digest, m.model.asked_as, made]).encode()).hexdigest()


def changes(m: PromptManifest, index: Row | None, live: Row | None) -> list[str]:
    """What a candidate changes beside the release that is live (a row of release.manifests); none is live: everything."""
    now = {
        "prompt version": m.version,
        "model": m.model.asked_as or m.model.name,
        "index": m.retrieval.index if m.retrieval else None,
        "embedder": index["embedder"] if index else None,
        "safety policy": m.system_policy,
    }
    if live is None:
        return [name for name, value in now.items() if value is not None]
    was = (
        live["prompt_version"], live["asked_as"] or live["model"], live["index_name"], live["embedder"],
        live["safety_policy_version"],
    )  # fmt: skip
    return [name for (name, value), before in zip(now.items(), was, strict=True) if value != before]


def check_approved(m: PromptManifest, rows: Iterable[Row], why: Sequence[str] = ()) -> list[str]:
    """Who approved a version, as many as it needs and of those who may. `why`: the reasons for asking somebody at all.

    Raises ReleaseError, always of one that was refused. Who makes the release counts as an approver like anybody else: how
    many are needed says whether four eyes are.
    """
    rows = list(rows)
    if who := refuser(rows, m.subject, m.digest):
        raise ReleaseError(
            f"{who} refused exactly this content of {m.name} (digest {m.digest[:12]}); release a new version, or have it "
            f"approved after all: make approve WHAT={m.subject}"
        )
    found = approvers(rows, m.subject, m.digest)
    counted = [name for name in found if not m.approvals.by or name in m.approvals.by]
    needed = max(m.approvals.needed, 1 if why else 0)
    if len(counted) < needed:
        may = f" of {', '.join(m.approvals.by)}" if m.approvals.by else ""
        because = f" ({'; '.join(why)})" if why else ""
        raise ReleaseError(
            f"{m.name} needs {needed} approvals{may} and has {len(counted)}{because}; approve its content: "
            f"make approve WHAT={m.subject} (digest {m.digest[:12]})"
        )
    return found


def wanted_of(m: PromptManifest, environment: str, alias: str, suites: Iterable[str], rows: Iterable[Row]) -> Wanted:
    """What a verdict has to rest on for a version to go live in an environment, as things stand there now.

    It is compared with what users get. Elsewhere than at the alias `live`, and where nothing is live yet, with what is live
    in any environment. Of a version that is live with another model or index, with that release, or its rollback target.
    `suites`: those that every version is asked; `rows`: all of release.manifests.
    """
    releases = [row for (prompt, _), row in sorted(live_releases(rows).items()) if prompt == m.prompt]
    here = [row for row in releases if row["environment"] == environment]
    compared = here if here and alias == LIVE else releases
    if any(row["prompt_version"] == m.version for row in here):
        names = [f"{m.prompt}@{m.rollback_to}"] if m.rollback_to else []
        compared = here
    else:
        compared = [row for row in compared if row["prompt_version"] != m.version]
        names = [f"{m.prompt}@{row['prompt_version']}" for row in compared]
    # A release has answers to be compared with where it was judged itself.
    names += [str(row["release_id"]) for row in compared if row["eval_run"] is not None]
    return Wanted(frozenset({*suites, *([m.evaluation_set] if m.evaluation_set else [])}), tuple(dict.fromkeys(names)))


def verdict_on(m: PromptManifest, rows: Iterable[Row], content: str | None = None) -> Row | None:
    """The newest verdict of the release gate on exactly this prompt version, and on a release of exactly this content where
    one is given; None: it was never judged."""
    asked = ("verdict", m.name, m.digest)
    verdicts = [
        row
        for row in rows
        if (row["gate"], row["candidate"], row["candidate_digest"]) == asked and content in (None, row["release_digest"])
    ]
    return max(verdicts, key=lambda row: (row["decided_at"], row["gate_id"]), default=None)


def check_gate(
    m: PromptManifest, index: Row | None, rows: Iterable[Row], without: str | None, wanted: Wanted
) -> Row | None:  # fmt: skip
    """The verdict by which a version may go live with the index as it is; None where it goes without one, for the reason
    `without`. Verdicts that rest on less than what is wanted are nothing to go by.

    Raises ReleaseError where no verdict lets it pass and no reason is given.
    """
    rows = list(rows)
    verdict = verdict_on(m, [row for row in rows if wanted.is_met(row)], content_digest(m, index))
    if verdict is not None and verdict["outcome"] == "passed":
        return verdict
    if without and without.strip():
        return None
    if verdict is not None:
        told = f"did not pass the gate ({verdict['outcome']})"
    elif verdict_on(m, rows, content_digest(m, index)) is not None:
        told = f"was judged by less than is needed, which is {wanted}"
    elif verdict_on(m, rows) is not None:
        told = "was judged with another model or another embedder of its index than it would run with"
    else:
        told = "was never put before the gate"
    raise ReleaseError(f"{m.name} {told}; run make gate, or say why it goes live all the same: --without-gate 'because ...'")


def rollback_version(live: Row, rows: Iterable[Row]) -> str:
    """The version that is gone back to: the one that the manifest of what is live names, else the one that was live before
    it. What a rollback left is not gone back to. `rows`: all releases of the prompt in the environment.

    Raises ReleaseError where there is none.
    """
    if live["rollback_to"] is not None:
        return str(live["rollback_to"])
    stood: list[str] = []
    for row in sorted(rows, key=lambda row: row["number"]):
        version = str(row["prompt_version"])
        if row["act"] == ROLLBACK and version in stood[:-1]:
            del stood[len(stood) - 1 - stood[-2::-1].index(version) :]
        elif row["act"] == ROLLBACK and stood:
            stood[-1] = version
        elif not stood or stood[-1] != version:
            stood.append(version)
    if len(stood) < 2:
        name = f"{live['prompt']}@{live['prompt_version']}"
        raise ReleaseError(f"{name} is the first version in {live['environment']}; there is none to go back to")
    return stood[-2]


def was_live(m: PromptManifest, rows: Iterable[Row]) -> Row:
    """The newest release of exactly this version, which may be gone back to. `rows`: all releases of the prompt in the
    environment.

    Raises ReleaseError where it was never live there, and where its manifest is another one now.
    """
    known = max((row for row in rows if row["prompt_version"] == m.version), key=lambda row: row["number"], default=None)
    if known is None:
        raise ReleaseError(
            f"{m.name} was never live in this environment: there is nothing to go back to. Release it by promote, or say "
            "--to which version that was live; `make release ARGS=list` names them"
        )
    if known["prompt_digest"] != m.digest:
        raise ReleaseError(f"{m.name} is not what {known['release_id']} was: its manifest was changed; undo that")
    return known


def check_reason(reason: str) -> None:
    """Raises ReleaseError for a release that nobody gives a reason for."""
    if not reason.strip():
        raise ReleaseError("say why, in words that anybody may read: --reason is empty")


def release_row(m: PromptManifest, environment: str, there: Iterable[Row], said: Said, evidence: Evidence) -> dict[str, Any]:
    """The row of release.manifests of what goes live now, behind those that are there."""
    before = live_releases(there).get((m.prompt, environment))
    number = before["number"] + 1 if before else 1
    row: dict[str, Any] = {
        "day": said.now.date(),
        "release_id": f"{m.prompt}-{environment}-{number}",
        "number": number,
        "act": said.act,
        "feature": m.feature,
        "environment": environment,
        "prompt": m.prompt,
        "prompt_version": m.version,
        "prompt_digest": m.digest,
        "content_digest": content_digest(m, evidence.index),
        "registry_version": evidence.registry_version,
        "provider": m.model.provider,
        "model": m.model.name,
        "asked_as": m.model.asked_as,
        "index_name": m.retrieval.index if m.retrieval else None,
        "index_release": evidence.index["release"] if evidence.index else None,
        "embedder": evidence.index["embedder"] if evidence.index else None,
        "safety_policy_version": m.system_policy,
        "gate_id": evidence.verdict["gate_id"] if evidence.verdict else None,
        "eval_run": evidence.verdict["candidate_run"] if evidence.verdict else None,
        "approved_by": ",".join(evidence.approved_by),
        "rollback_to": m.rollback_to,
        "replaces": before["release_id"] if before else None,
        "reason": said.reason,
        "actor": said.actor,
        "live_from": said.now,
    }
    text = canonical(release_manifest(m, row))
    return row | {"digest": sha256(text.encode()).hexdigest(), "manifest": text}


def release_manifest(m: PromptManifest, row: Row) -> dict[str, Any]:
    """All that a release ties together, as JSON types; without the words of the prompt, which its digest names."""
    return {
        "release": row["release_id"],
        "act": row["act"],
        "feature": row["feature"],
        "environment": row["environment"],
        "live_from": row["live_from"].isoformat(),
        "prompt": {"name": m.prompt, "version": m.version, "digest": m.digest, "registry_version": row["registry_version"]},
        "model": m.content["model"] | {"asked_as": m.model.asked_as},
        "retrieval": None if m.retrieval is None else vars(m.retrieval) | {"release": row["index_release"]},
        "embedder": row["embedder"],
        "content": row["content_digest"],
        "safety_policy": m.system_policy,
        "tools": dict(m.tools),
        "evaluation": {"suite": m.evaluation_set, "run": row["eval_run"], "gate": row["gate_id"]},
        "approvals": {"needed": m.approvals.needed, "by": [name for name in row["approved_by"].split(",") if name]},
        "rollback": {"to": m.rollback_to, "replaces": row["replaces"]},
        "owner": m.owner,
        "reason": row["reason"],
        "actor": row["actor"],
    }
