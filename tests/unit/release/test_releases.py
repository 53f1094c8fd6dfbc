"""What may go live, who approved it, and what is gone back to: the rules over rows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_house import manifest

from assets.release.manifest import parse_manifest
from assets.release.releases import (
    PROMOTE,
    ROLLBACK,
    Evidence,
    ReleaseError,
    Said,
    Wanted,
    alias_of,
    approvers,
    changes,
    check_approved,
    check_gate,
    content_digest,
    live_index,
    live_releases,
    release_row,
    rollback_version,
    wanted_of,
)

M = parse_manifest(manifest(), "13.yml")
M_MODEL = manifest()["model"]
ANY = Wanted()
NOW = datetime(2026, 11, 10, 9, tzinfo=UTC)


def decision(actor: str, second: int, said: str = "approve", digest: str = M.digest) -> dict[str, Any]:
    at = NOW.replace(second=second)
    return {"subject": M.subject, "subject_digest": digest, "actor": actor, "recorded_at": at, "decision": said}


def verdict(
    outcome: str, minute: int, digest: str = M.digest, suite: str = "support", live: str | None = None
) -> dict[str, Any]:
    said = {"gate": "verdict", "candidate": M.name, "candidate_digest": digest, "outcome": outcome}
    said |= {"release_digest": content_digest(M, None), "suite": suite, "live": live}
    return said | {"gate_id": f"g{minute}", "decided_at": NOW.replace(minute=minute)}


def released(*steps: tuple[str, str]) -> list[dict[str, Any]]:
    """Rows of releases of a prompt, one after the other: (act, version)."""
    rows: list[dict[str, Any]] = []
    for act, version in steps:
        m = parse_manifest(manifest(version=version, rollback_to=...), "x.yml")
        rows.append(release_row(m, "prod", rows, Said(act, NOW, "ada", "so"), Evidence()))
    return rows


def test_a_refusal_after_approvals_counts_and_so_does_an_approval_after_it() -> None:
    rows = [decision("ada", 1), decision("grace", 2), decision("edsger", 3, "refuse")]
    assert approvers(rows, M.subject, M.digest) == []
    assert approvers([*rows, decision("grace", 4)], M.subject, M.digest) == ["ada", "grace"]


def test_whoever_takes_an_approval_back_is_no_approver() -> None:
    rows = [decision("ada", 1), decision("ada", 2, "refuse"), decision("grace", 3)]
    assert approvers(rows, M.subject, M.digest) == ["grace"]


def test_a_refusal_holds_a_version_up_that_needs_no_approval() -> None:
    assert M.approvals.needed == 0 and check_approved(M, []) == []
    refused = [decision("ada", 1), decision("edsger", 2, "refuse")]
    with pytest.raises(ReleaseError, match="edsger refused exactly this content of support-chat@v13"):
        check_approved(M, refused)
    assert check_approved(M, [*refused, decision("grace", 3)]) == ["ada", "grace"]
    assert check_approved(M, [decision("edsger", 2, "refuse", digest="0" * 64)]) == []


def test_an_approval_of_other_content_is_none() -> None:
    assert approvers([decision("ada", 1, digest="0" * 64)], M.subject, M.digest) == []


def test_only_who_may_approve_counts_and_one_person_counts_once() -> None:
    m = parse_manifest(manifest(approvals={"needed": 2, "by": ["ada", "grace"]}), "13.yml")
    rows = [decision("ada", 1), decision("ada", 2), decision("edsger", 3)]
    with pytest.raises(ReleaseError, match="needs 2 approvals of ada, grace and has 1"):
        check_approved(m, rows)
    assert check_approved(m, [*rows, decision("grace", 4)]) == ["ada", "edsger", "grace"]


def test_the_newest_verdict_of_the_gate_counts() -> None:
    passed = verdict("passed", 1)
    assert check_gate(M, None, [passed], None, ANY) == passed
    with pytest.raises(ReleaseError, match=r"did not pass the gate \(blocked\)"):
        check_gate(M, None, [passed, verdict("blocked", 2)], None, ANY)
    assert check_gate(M, None, [passed, verdict("blocked", 2)], "an incident", ANY) is None
    with pytest.raises(ReleaseError, match="never put before the gate"):
        check_gate(M, None, [verdict("passed", 1, digest="0" * 64)], None, ANY)


def test_a_verdict_of_a_small_suite_or_against_nothing_is_none_to_go_by() -> None:
    rows = released((PROMOTE, "v11"), (PROMOTE, "v12"))
    wanted = wanted_of(M, "prod", "live", ("adversarial",), rows)
    assert wanted == Wanted(frozenset({"support", "adversarial"}), ("support-chat@v12",))
    both = "support,adversarial"
    enough = verdict("passed", 1, suite=f"{both},more", live="support-chat@v12")
    less = [verdict("passed", 2, suite=both, live=None), verdict("passed", 3, suite="support", live="support-chat@v12")]
    less += [verdict("passed", 4, suite=both, live="support-chat@v11"), verdict("blocked", 5, suite="tiny")]
    for one in less:
        with pytest.raises(ReleaseError, match=r"judged by less.* adversarial, support, compared with .*@v12"):
            check_gate(M, None, [one], None, wanted)
    assert check_gate(M, None, [enough, *less], None, wanted) == enough
    with pytest.raises(ReleaseError, match="did not pass"):
        worse = verdict("blocked", 6, suite=both, live="support-chat@v12")
        check_gate(M, None, [enough, worse], None, wanted)


def test_where_nothing_is_live_nothing_is_compared_and_elsewhere_with_what_is_live_anywhere() -> None:
    assert wanted_of(M, "prod", "live", (), []).live == ()
    rows = released((PROMOTE, "v12"))
    staged = parse_manifest(manifest(version="v11", rollback_to=...), "11.yml")
    evidence = Evidence(verdict={"gate_id": "g", "candidate_run": "r"})
    rows.append(release_row(staged, "staging", rows, Said(PROMOTE, NOW, "ada", "so"), evidence))
    assert wanted_of(M, "prod", "live", (), rows).live == ("support-chat@v12",)
    anywhere = ("support-chat@v12", "support-chat@v11", "support-chat-staging-1")
    assert wanted_of(M, "staging", "live-staging", (), rows).live == anywhere
    assert wanted_of(M, "production", "live", (), rows).live == anywhere
    assert wanted_of(staged, "staging", "live-staging", (), rows).live == ("support-chat-staging-1",)


def test_a_reason_for_an_approval_that_came_after_the_verdict_counts() -> None:
    why = ["the error budget of fast is spent"]
    with pytest.raises(ReleaseError, match=r"needs 1 approvals and has 0 \(the error budget of fast is spent\)"):
        check_approved(M, [], why)
    assert check_approved(M, [decision("ada", 1)], why) == ["ada"]


def index(release: int, embedder: str, chunker: str = "sentences", state: str = "live") -> dict[str, Any]:
    at = NOW.replace(minute=release)
    named = {"index_name": "handbook", "release": release, "embedder": embedder, "chunker": chunker}
    return named | {"state": state, "recorded_at": at}


SEARCHES = parse_manifest(manifest(retrieval={"index": "handbook", "k": 5}, system_policy="1"), "13.yml")


def test_a_verdict_is_of_the_whole_release_and_not_of_its_documents() -> None:
    judged_with = index(3, "a")
    passed = verdict("passed", 1, SEARCHES.digest) | {"release_digest": content_digest(SEARCHES, judged_with)}
    assert check_gate(SEARCHES, index(4, "a"), [passed], None, ANY) == passed, "new documents are the index's own affair"
    for other in (index(4, "b"), index(4, "a", "pages"), None):
        with pytest.raises(ReleaseError, match="another model or another embedder of its index"):
            check_gate(SEARCHES, other, [passed], None, ANY)
    asked_as = parse_manifest(
        manifest(retrieval={"index": "handbook", "k": 5}, system_policy="1", model=dict(M_MODEL, asked_as="mini")), "13.yml"
    )
    assert asked_as.digest == SEARCHES.digest
    with pytest.raises(ReleaseError, match="another model"):
        check_gate(asked_as, judged_with, [passed], None, ANY)


def test_the_index_that_counts_is_the_one_that_went_live_last() -> None:
    rows = [index(3, "a"), index(5, "c", state="rejected"), index(4, "b"), index(9, "x") | {"index_name": "other"}]
    assert live_index(SEARCHES, rows) == rows[2] and live_index(M, rows) is None


def test_what_a_candidate_changes_is_named() -> None:
    [live] = [release_row(SEARCHES, "prod", [], Said(PROMOTE, NOW, "ada", "so"), Evidence(index=index(3, "a")))]
    assert changes(SEARCHES, index(4, "a"), live) == [] and changes(SEARCHES, index(4, "b"), live) == ["embedder"]
    safer = parse_manifest(manifest(version="v14", system_policy="2"), "14.yml")
    assert changes(safer, None, live) == ["prompt version", "index", "embedder", "safety policy"]
    assert changes(M, None, None) == ["prompt version", "model"]


def test_each_release_replaces_the_one_before_in_its_environment_alone() -> None:
    rows = released((PROMOTE, "v1"), (PROMOTE, "v2"))
    rows.append(release_row(M, "staging", rows, Said(PROMOTE, NOW, "ada", "so"), Evidence()))
    assert [(row["release_id"], row["replaces"]) for row in rows] == [
        ("support-chat-prod-1", None), ("support-chat-prod-2", "support-chat-prod-1"), ("support-chat-staging-1", None),
    ]  # fmt: skip
    assert {place: row["prompt_version"] for place, row in live_releases(reversed(rows)).items()} == {
        ("support-chat", "prod"): "v2", ("support-chat", "staging"): "v13",
    }  # fmt: skip


def test_what_a_rollback_left_is_not_gone_back_to() -> None:
    rows = released((PROMOTE, "v1"), (PROMOTE, "v2"), (PROMOTE, "v3"))
    assert rollback_version(rows[-1], rows) == "v2"
    rows = released((PROMOTE, "v1"), (PROMOTE, "v2"), (PROMOTE, "v3"), (ROLLBACK, "v2"))
    assert rollback_version(rows[-1], rows) == "v1"


@given(st.lists(st.sampled_from(["v1", "v2", "v3"]), min_size=1, max_size=6))
def test_rolling_back_again_and_again_ends_and_never_stays(versions: list[str]) -> None:
    steps = [(PROMOTE, version) for version in versions]
    for _ in range(10):
        rows = released(*steps)
        try:
            to = rollback_version(rows[-1], rows)
        except ReleaseError:
            return
        assert to != rows[-1]["prompt_version"]
        steps.append((ROLLBACK, to))
    raise AssertionError(f"it goes back for ever: {steps}")


def test_environments_that_promises_count_share_the_alias_live() -> None:
    assert alias_of("prod", ["prod", "production"]) == "live"
    assert alias_of("staging", ["prod"]) == "live-staging"
    assert alias_of("anything", []) == "live"
    with pytest.raises(ReleaseError, match="is no name"):
        alias_of("prod eu", ["prod"])
