"""The shape of a prompt manifest: what it is made of, what its digest covers, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_house import manifest

from assets.release.manifest import ManifestError, PromptManifest, newest_first, parse_manifest


def parsed(**changes: Any) -> PromptManifest:
    return parse_manifest(manifest(**changes), "support.yml")


PIN = {"provider": "openai", "name": "m"}


def bomb(levels: int) -> Any:
    """As YAML makes it of aliases: 10 ** levels values, in no more memory than 10 * levels."""
    value: Any = "x"
    for _ in range(levels):
        value = [value] * 10
    return value


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"template": ...}, "lacks 'template'"),
        ({"templat": "x"}, "unknown keys templat"),
        ({"version": 13}, "quote what YAML would read as something else"),
        ({"version": "v 13"}, "version is letters"),
        ({"prompt": "Support Chat"}, "prompt is small letters"),
        ({"template": [{"role": "narrator", "content": "x"}]}, "message 1 of template: role is one of"),
        ({"template": [{"role": "user", "content": " "}]}, "content is a text"),
        ({"model": {"provider": "openai"}}, "needs a provider and a name"),
        ({"model": {"provider": "openai", "name": "m", "temperature": 1}}, "unknown keys temperature"),
        ({"model": {"provider": "openai", "name": "m", "settings": {"stop": float("nan")}}}, "JSON has no form for"),
        ({"retrieval": {"index": "main", "k": 0}}, "k is a number of documents"),
        ({"retrieval": {"index": "main", "k": 3, "require_citations": "yes"}}, "require_citations is true or false"),
        ({"approvals": {"needed": 2, "by": ["ada"]}}, "2 people are needed, and 1 may"),
        ({"tools": ["look_up_order"]}, "tools is a mapping"),
        ({"model": PIN | {"settings": {"messages": []}}}, "settings may not say messages"),
        ({"model": PIN | {"settings": {"n": 2, "model": "m", "temperature": 0}}}, "settings may not say model, n:"),
        ({"model": PIN | {"settings": {"logit_bias": {50256: -100}}}}, "the key 50256, which is no text; quote it"),
        ({"output_schema": {"properties": {True: {}, "a": {}}}}, "the key True, which is no text; quote it"),
        ({"output_schema": [{1: 2}]}, "the key 1, which is no text; quote it"),
        ({"retrieval": {"index": "main", "k": 3, "minimum_score": float("nan")}}, "minimum_score is a finite number"),
        ({"retrieval": {"index": "main", "k": 3, "minimum_score": 10**400}}, "minimum_score is a finite number"),
        ({"output_schema": {"enum": list(range(10_000))}}, "at most 10,000 values"),
        ({"what": bomb(40)}, "at most 10,000 values"),
    ],
)
def test_a_wrong_shape_is_told_with_file_key_and_remedy(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ManifestError, match=told) as error:
        parsed(**changes)
    assert str(error.value).startswith("support.yml")


def test_a_manifest_that_is_nested_without_end_is_told() -> None:
    schema: dict[str, Any] = {}
    for _ in range(70):
        schema = {"items": schema}
    with pytest.raises(ManifestError, match="64 levels deep"):
        parsed(output_schema=schema)


def test_the_digest_covers_what_the_application_gets_and_not_what_is_said_about_it() -> None:
    before = parsed().digest
    for said in ({"owner": "team:search"}, {"monitoring": "refusals"}, {"approvals": {"needed": 1}}, {"what": "other"}):
        assert parsed(**said).digest == before
    for given_to_it in (
        {"template": "Help {{shop}} with {{question}} by look_up_order."},
        {"tools": {}},
        {"system_policy": "2026-10"},
        {"output_schema": {"type": "object"}},
        {"retrieval": {"index": "main", "k": 3}},
        {"model": {"provider": "openai", "name": "gpt-4o-mini-2024-07-18", "settings": {"temperature": 0.3}}},
    ):
        assert parsed(**given_to_it).digest != before


def test_the_order_of_keys_in_a_file_is_no_other_version() -> None:
    raw = manifest()
    assert parse_manifest(dict(reversed(raw.items())), "support.yml").digest == parsed().digest


@given(st.text(), st.text())
def test_a_value_that_looks_like_a_variable_is_not_replaced_in_turn(shop: str, question: str) -> None:
    messages = parsed().filled({"shop": "{{question}}" + shop, "question": question})
    assert messages[0]["content"] == "Help customers of {{question}}" + shop + ". Look orders up with look_up_order."
    assert messages[1]["content"] == question


def test_a_prompt_is_not_filled_with_less_or_more_than_its_variables() -> None:
    with pytest.raises(ManifestError, match="question"):
        parsed().filled({"shop": "a"})
    with pytest.raises(ManifestError, match="tone"):
        parsed().filled({"shop": "a", "question": "b", "tone": "c"})


def test_the_tenth_version_is_newer_than_the_ninth() -> None:
    versions = [parsed(version=version) for version in ("v9", "v10", "v2")]
    assert [m.version for m in newest_first(versions)] == ["v10", "v9", "v2"]
