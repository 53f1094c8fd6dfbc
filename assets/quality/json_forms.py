"""JSON schemas that answers are held against: what is wrong with one, and whether a text keeps to it.

Both the schema and the text may be hostile: nothing is fetched, patterns are RE2, which no text makes slow, and whether
items are unique takes one look at each.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import re2

_DATA = frozenset({"enum", "const", "default", "examples"})
"""Keywords whose values are no schemas."""
_BY_NAME = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"})
"""Keywords with a schema for each of some names, which are not keywords."""
_ODD = (ValueError, TypeError, OverflowError, RecursionError, AttributeError, ArithmeticError, re2.error)
"""What the library raises for values that it does not expect, such as a NaN that is to be a multiple of 2."""


def schema_error(schema: Any) -> str | None:
    """What is wrong with a JSON schema, by its own dialect (2020-12 where it names none); None: nothing is."""
    if schema is None:
        return None
    if not isinstance(schema, dict):
        return "it is a mapping, such as {type: object, ...}"
    if not isinstance(schema.get("$schema", ""), str):
        return f"$schema is a text, not {schema['$schema']!r}"
    from jsonschema import FormatChecker
    from jsonschema.exceptions import SchemaError

    try:
        # Patterns are RE2's to judge: no formats here.
        _dialect(schema).check_schema(schema, format_checker=FormatChecker(formats=()))
        return _pattern_error(schema) or _reference_error(schema)
    except SchemaError as error:
        return f"{'/'.join(map(str, error.absolute_path)) or 'as a whole'}: {error.message}"
    except _ODD as error:
        return f"it cannot be read ({type(error).__name__})"


def satisfies(text: str, schema: Mapping[str, Any]) -> bool:
    """Whether all of a text is JSON, and of that form. A fence around it is a format that nobody asked for. Nothing
    satisfies a schema that has an error."""
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        validator = _validator(json.dumps(schema))
        return validator is not None and bool(validator.is_valid(value))
    except _ODD:
        return False


@lru_cache(64)
def _validator(told: str) -> Any:
    """What looks at values by the schema of a JSON text; None where that has an error."""
    from jsonschema.validators import extend
    from referencing import Registry

    schema = json.loads(told)
    if schema_error(schema) is not None:
        return None
    own = {
        "pattern": _pattern, "patternProperties": _pattern_properties, "additionalProperties": _additional_properties,
        "uniqueItems": _unique_items,
    }  # fmt: skip
    # A registry of its own: the library's would fetch what a schema refers to.
    return extend(_dialect(schema), own)(schema, registry=Registry())


def _dialect(schema: Mapping[str, Any]) -> Any:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for

    return validator_for(schema, default=Draft202012Validator)


def _pattern_error(schema: Mapping[str, Any]) -> str | None:
    for inner in _schemas(schema):
        by_name = inner.get("patternProperties")
        # A keyword of another dialect may stand there with a value of another kind.
        told = (inner.get("pattern"), *(by_name if isinstance(by_name, dict) else ()))
        for pattern in (one for one in told if isinstance(one, str)):
            try:
                _compiled(pattern)
            except (re2.error, ValueError):
                return f"pattern {pattern!r} is not RE2 (no look-around, no back-references)"
    whole = json.dumps(schema)
    if '"patternProperties"' in whole and '"unevaluatedProperties"' in whole:
        return "patternProperties and unevaluatedProperties do not go together here; write additionalProperties"
    return None


def _reference_error(schema: Mapping[str, Any]) -> str | None:
    from referencing import Registry, Resource
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    resolver = Registry().resolver_with_root(Resource.from_contents(schema, default_specification=DRAFT202012))
    for inner in _schemas(schema):
        if inner is not schema and isinstance(inner.get("$id"), str):
            return f"$id {inner['$id']!r} stands within it; only the whole has one"
        for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
            to = inner.get(keyword)
            if not isinstance(to, str):
                continue
            if not to.startswith("#"):
                return f"{keyword} {to!r} refers to another document; write it out, nothing is fetched"
            try:
                found = resolver.lookup(to).contents
            except (Unresolvable, ValueError, TypeError, LookupError):
                found = None
            if not isinstance(found, dict | bool):
                return f"{keyword} {to!r} leads to no schema of this document"
    return None


def _schemas(schema: Any) -> Iterator[Mapping[str, Any]]:
    """A schema and all within it."""
    if not isinstance(schema, dict):
        return
    yield schema
    for key, value in schema.items():
        if key in _DATA:
            continue
        by_name = key in _BY_NAME and isinstance(value, dict)
        for inner in value.values() if by_name else value if isinstance(value, list) else [value]:
            yield from _schemas(inner)


@lru_cache(256)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:
    if validator.is_type(instance, "string") and not _compiled(pattern).search(instance):
        yield _wrong("pattern")


def _pattern_properties(validator: Any, by_pattern: Mapping[str, Any], instance: Any, schema: Any) -> Iterator[Any]:
    if validator.is_type(instance, "object"):
        for pattern, inner in by_pattern.items():
            for key, value in instance.items():
                if _compiled(pattern).search(key):
                    yield from validator.descend(value, inner, path=key, schema_path=pattern)


def _additional_properties(validator: Any, inner: Any, instance: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
    if validator.is_type(instance, "object"):
        named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        for key, value in instance.items():
            if key not in named and not any(_compiled(pattern).search(key) for pattern in patterns):
                yield from validator.descend(value, inner, path=key)


def _unique_items(validator: Any, is_wanted: bool, instance: Any, schema: Any) -> Iterator[Any]:
    if is_wanted and validator.is_type(instance, "array"):
        told = {json.dumps(_one_form(item), sort_keys=True) for item in instance}
        if len(told) < len(instance):
            yield _wrong("uniqueItems")


def _one_form(value: Any) -> Any:
    """Equal values alike: to JSON Schema 1.0 is 1, and true is not."""
    if isinstance(value, dict):
        return {key: _one_form(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_one_form(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _wrong(keyword: str) -> Any:
    from jsonschema import ValidationError

    return ValidationError(keyword)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _finite(told: str) -> float:
    if not math.isfinite(value := float(told)):
        raise ValueError("a number beyond all that is counted with")
    return value
