"""Schemas and answers that mean harm: nothing hangs, nothing is fetched, nothing crashes; an odd answer just fails."""

from __future__ import annotations

import json
from typing import Any

import pytest

from assets.quality.json_forms import satisfies, schema_error

DIGITS = {"type": "string", "pattern": "^(a+)+$"}


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        (DIGITS, '"aaa"', json.dumps("a" * 5000 + "!")),
        ({"patternProperties": {"^(a+)+$": {"type": "integer"}}}, json.dumps({"a" * 5000 + "!": "x"}), '{"a": "x"}'),
        ({"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False}, '{"aa": 1}', json.dumps({"aa!": 1})),
        ({"properties": {"a": {}}, "additionalProperties": {"type": "integer"}}, '{"a": "x", "b": 1}', '{"b": "x"}'),
        ({"uniqueItems": True}, json.dumps([[n] for n in range(20_000)]), "[1, 2, 1.0]"),
        ({"uniqueItems": True}, '[1, true, "1", [1], {"a": 1}]', '[{"a": 1, "b": [2]}, {"b": [2.0], "a": 1}]'),
        ({"multipleOf": 2}, "4", "NaN"),
        ({"multipleOf": 0.5}, "4", "1e999"),
        ({"type": "number"}, "1e300", "-Infinity"),
        ({"type": "number"}, "1", "9" * 5000),
        ({"items": {"$ref": "#"}, "type": "array"}, "[[], [[]]]", "[" * 5000 + "]" * 5000),
        (DIGITS, '"a"', r'"\ud800"'),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/definitions/n",
          "definitions": {"n": {"type": "integer"}}}, "1", '"x"'),
    ],
)  # fmt: skip
def test_a_right_answer_passes_and_a_wrong_or_odd_one_fails_at_once(schema: dict[str, Any], right: str, wrong: str) -> None:
    assert schema_error(schema) is None
    assert satisfies(right, schema)
    assert not satisfies(wrong, schema)


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        (["answer"], "it is a mapping"),
        ({"$schema": [1]}, "$schema is a text"),
        ({"type": "objekt"}, "type: 'objekt' is not valid"),
        ({"items": [{"pattern": "(?=x)"}], "$schema": "http://json-schema.org/draft-07/schema#"}, "is not RE2"),
        ({"$defs": {"a": {"patternProperties": {r"(a)\1": {}}}}}, "is not RE2"),
        ({"pattern": "\ud800"}, "is not RE2"),
        ({"patternProperties": {"a": {}}, "unevaluatedProperties": False}, "do not go together"),
        ({"$ref": "http://example.com/x"}, "nothing is fetched"),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "nothing is fetched"),
        ({"items": {"$ref": "answer.json"}}, "nothing is fetched"),
        ({"$id": "https://example.com/", "items": {"$ref": "answer.json#/a"}}, "nothing is fetched"),
        ({"items": {"$ref": "#/$defs/answr"}, "$defs": {"answer": {}}}, "leads to no schema"),
        ({"items": {"$ref": "#answer"}}, "leads to no schema"),
        ({"title": "x", "items": {"$ref": "#/title"}}, "leads to no schema"),
        ({"items": {"$id": "https://example.com/a", "$ref": "#"}}, "only the whole has one"),
    ],
)
def test_a_schema_that_cannot_be_used_says_why_and_nothing_satisfies_it(schema: Any, told: str) -> None:
    assert told in str(schema_error(schema))
    assert not satisfies("{}", schema)


def test_data_and_properties_that_are_named_like_keywords_are_no_schemas() -> None:
    schema = {
        "properties": {"pattern": {"enum": [{"pattern": "(?=x)", "$ref": "http://a.b"}]}, "$ref": {"type": "string"}},
        "default": {"$ref": "http://example.com"},
    }
    assert schema_error(schema) is None
    assert satisfies('{"$ref": "x"}', schema)


def test_a_reference_within_the_document_is_followed() -> None:
    schema = {"$defs": {"day": {"$anchor": "day", "type": "integer"}}, "items": {"$ref": "#day"}}
    assert schema_error(schema) is None
    assert satisfies("[1]", schema) and not satisfies('["x"]', schema)
