"""The lint of prompt manifests: each planted mistake is found, by its own rule, and nothing else is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from prompt_house import manifest

from assets.release.lint import Known, is_pinned, lint, releases_of
from assets.release.manifest import parse_manifest
from resources.secret_rules import secrets

MODELS = frozenset({"gpt-4o", "gpt-4o-2024-05-13", "gpt-4o-2024-11-20", "gpt-4o-mini", "gpt-4o-mini-2024-07-18", "o4-mini"})
KNOWN = Known(
    features={"support_chat": {"look_up_order": "read", "start_return": "write"}, "doc_search": {}},
    owners={"team:support", "search-team"},
    suites={"support"},
    models=MODELS,
    secrets=lambda text: (rule for rule, _, _ in secrets(text)),
)
FIRST = {"version": "v12", "rollback_to": ...}
SECRET = "gh" + "p_" + "a8Kd93jfLwq02MzXcVbN45tyUiOp67GhRe1s"


def model(name: str) -> dict[str, Any]:
    return {"provider": "openai", "name": name}


def found(*changes: dict[str, Any], known: Known = KNOWN) -> list[tuple[str, str]]:
    """(file, rule) of the faults of manifests: a sound first version, and one for each change."""
    raws = [manifest(**FIRST), *(manifest(**change) for change in changes)]
    made = [parse_manifest(raw, f"{number}.yml") for number, raw in enumerate(raws)]
    return [(fault.file, fault.rule) for fault in lint(made, known)]


def test_sound_manifests_have_no_fault() -> None:
    assert found({}) == []


TEMPLATE = "Help with {{question}} at {{shop}} by look_up_order."


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"template": TEMPLATE + " {{tone}}"}, "missing_variable"),
        ({"variables": {"shop": "name", "question": "asked", "tone": "polite"}}, "unused_variable"),
        ({"template": f"{TEMPLATE} Use the key {SECRET}."}, "secret"),
        ({"monitoring": f"ask the gateway with {SECRET}"}, "secret"),
        ({"model": model("gpt-4o-mini") | {"settings": {"headers": {"x-key": f"token {SECRET}"}}}}, "secret unpinned_model"),
        ({"variables": {"shop": "name", "question": f"asked with {SECRET}"}}, "secret"),
        ({"approvals": {"needed": 1, "by": ["ada", SECRET]}}, "secret"),
        ({"system_policy": SECRET}, "secret"),
        ({"template": TEMPLATE + " {{ user.name }}"}, "placeholder"),
        ({"template": TEMPLATE + " {{user-name}}"}, "placeholder"),
        ({"template": TEMPLATE + " {% if shop %}now{% endif %}"}, "placeholder"),
        ({"template": TEMPLATE.replace("{{question}}", "{{{question}}}")}, "placeholder"),
        ({"model": model("gpt-4o")}, "unpinned_model"),
        ({"model": model("mistral-small-latest")}, "unpinned_model"),
        ({"model": model("latest")}, "unpinned_model"),
        ({"owner": ...}, "missing_owner"),
        ({"owner": "team:nobody"}, "missing_owner"),
        ({"evaluation_set": ...}, "missing_evaluation_set"),
        ({"evaluation_set": "refunds"}, "missing_evaluation_set"),
        ({"tools": {"look_up_order": "read", "start_return": "write"}}, "unused_tool"),
        ({"template": "{{question}} {{shop}} Never say look_up_orders."}, "unused_tool"),
        ({"tools": {"look_up_order": "admin"}}, "unknown_right"),
        ({"tools": {"look_up_order": "write"}}, "unknown_right"),
        ({"template": f"{TEMPLATE} issue_refund", "tools": {"issue_refund": "read"}}, "undeclared_tool"),
        ({"output_schema": {"type": "objekt"}}, "output_schema"),
        ({"output_schema": ["answer"]}, "output_schema"),
        ({"output_schema": {"$schema": [1]}}, "output_schema"),
        ({"output_schema": {"$ref": "#/$defs/answer"}}, "output_schema"),
        ({"output_schema": {"pattern": "(?=x)"}}, "output_schema"),
        ({"output_schema": {"type": "object", "required": "answer"}}, "output_schema"),
        ({"rollback_to": "v11"}, "rollback_target"),
        ({"rollback_to": "v13"}, "rollback_target"),
        ({"feature": "chat"}, "unknown_feature"),
    ],
)
def test_each_planted_mistake_is_found_and_nothing_else_is_said(change: dict[str, Any], rule: str) -> None:
    assert found(change) == [("1.yml", one) for one in rule.split()]


def test_a_version_that_stands_twice_is_told_of_both_files() -> None:
    assert found({}, {"what": "the same once more"}) == [("1.yml", "duplicate_version"), ("2.yml", "duplicate_version")]


def test_rollbacks_in_a_circle_are_told_of_its_members_and_not_of_what_leads_there() -> None:
    circle = [{"version": "v14", "rollback_to": "v15"}, {"version": "v15", "rollback_to": "v14"}]
    into_it = {"version": "v16", "rollback_to": "v14"}
    assert found(*circle, into_it) == [("1.yml", "rollback_target"), ("2.yml", "rollback_target")]


def test_a_second_version_that_could_not_be_rolled_back_is_told() -> None:
    assert found({"rollback_to": ...}) == [("1.yml", "rollback_target")]


def test_a_version_that_was_synced_may_not_change_and_its_notes_may() -> None:
    as_synced = parse_manifest(manifest(), "1.yml").digest
    known = replace(KNOWN, synced={("support-chat", "v13"): as_synced})
    assert found({"owner": "search-team", "monitoring": "watch refusals"}, known=known) == []
    assert found({"system_policy": "2026-11"}, known=known) == [("1.yml", "changed_after_sync")]


def test_no_fault_repeats_the_secret() -> None:
    raw = manifest(template=f"{TEMPLATE} {SECRET}", rollback_to=...)
    faults = lint([parse_manifest(raw, "1.yml")], KNOWN)
    assert [fault.rule for fault in faults] == ["secret"] and SECRET not in str(faults[0])


@pytest.mark.parametrize(
    ("name", "pinned"),
    [
        ("gpt-4o-2024-08-06", True),
        ("claude-haiku-4-5-20251001", True),
        ("openai/gpt-4o-2024-08-06", True),
        ("gpt-4-0613", True),
        ("gemini-1.5-pro-002", True),
        ("heron-8b-2026-09", True),
        ("registry.internal/heron@sha256:0f3acb12", True),
        ("gpt-4o", False),
        ("GPT-4o", False),
        ("gpt-4o-mini", False),
        ("chatgpt-4o-latest", False),
        ("heron:latest", False),
        # Nothing to pin it to is known: the catalogue has no dated release of it.
        ("o4-mini", True),
        ("heron-8b", True),
    ],
)
def test_what_is_pinned(name: str, pinned: bool) -> None:
    assert is_pinned(name, MODELS) is pinned


def test_a_longer_name_is_no_release_of_a_shorter_one() -> None:
    assert releases_of("gpt-4o", MODELS) == ["gpt-4o-2024-05-13", "gpt-4o-2024-11-20"]
