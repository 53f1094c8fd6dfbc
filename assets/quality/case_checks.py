"""What a case of a suite may hold against an answer beside its words: the field `checks`, its lint and its defaults.

Here belongs what may be written; how an answer is held against it is assets/release/eval_checks.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import re2

from assets.quality.json_forms import schema_error

LEAST_SIMILARITY = 0.7
"""Of an answer to the reference, where a case says no number: paraphrases lie above it, answers to other questions below."""
LEAST_GROUNDED = 0.6
LONGEST_PATTERN = 1000
_KEYS = ("regex", "json_schema", "numeric", "tolerance", "similarity", "groundedness", "citation", "tools", "judge")


class CaseChecksError(ValueError):
    """A check that cannot be used; says which and what to write, without where it stands."""


@dataclass(frozen=True)
class Checks:
    """What else a right answer is like; None or empty: not asked.

    `regex`: RE2 patterns that it has. `json_schema`: a JSON Schema that all of it satisfies. `numeric`: the last number in
    it, give or take `tolerance`. `similarity`, `groundedness`: at least so much (0 to 1), to the reference and of its words
    in the context. `cites`: documents of the case that it names; empty: any of them, and None: not asked. `calls`,
    `never_calls`: tools. `judge`: an LLM finds nothing made up.
    """

    regex: tuple[str, ...] = ()
    json_schema: Mapping[str, Any] | None = None
    numeric: float | None = None
    tolerance: float = 0.0
    similarity: float | None = None
    groundedness: float | None = None
    cites: tuple[str, ...] | None = None
    calls: tuple[str, ...] = ()
    never_calls: tuple[str, ...] = ()
    judge: bool = False

    @property
    def is_empty(self) -> bool:
        """Nothing is asked."""
        return self == Checks()


def parse_checks(raw: Any) -> Checks:
    """The checks of a case from its JSON; None or absent: none. Raises CaseChecksError."""
    raw = {} if raw is None else raw
    if not isinstance(raw, dict) or set(raw) - set(_KEYS):
        unknown = sorted(set(raw) - set(_KEYS)) if isinstance(raw, dict) else raw
        raise CaseChecksError(f"checks is an object with {', '.join(_KEYS)}; not {unknown!r}")
    tools = raw.get("tools", {})
    if not isinstance(tools, dict) or set(tools) - {"must", "must_not"}:
        raise CaseChecksError(f'tools is an object such as {{"must_not": ["issue_refund"]}}; not {tools!r}')
    citation = raw.get("citation")
    return Checks(
        regex=_patterns(raw.get("regex", ())),
        json_schema=_schema(raw.get("json_schema")),
        numeric=_number("numeric", raw.get("numeric")),
        tolerance=_tolerance(raw),
        similarity=_share("similarity", raw.get("similarity"), LEAST_SIMILARITY),
        groundedness=_share("groundedness", raw.get("groundedness"), LEAST_GROUNDED),
        cites=() if citation is True else None if citation in (None, False) else _texts("citation", citation),
        calls=_texts("tools: must", tools.get("must", [])),
        never_calls=_texts("tools: must_not", tools.get("must_not", [])),
        judge=_flag("judge", raw.get("judge", False)),
    )


def _patterns(raw: Any) -> tuple[str, ...]:
    patterns = (raw,) if isinstance(raw, str) else _texts("regex", list(raw) if isinstance(raw, tuple) else raw)
    for pattern in patterns:
        if len(pattern) > LONGEST_PATTERN:
            raise CaseChecksError(f"regex is at most {LONGEST_PATTERN} characters")
        try:
            re2.compile(pattern)
        except (re2.error, ValueError):
            raise CaseChecksError(f"regex {pattern!r} is not RE2 (no look-around, no back-references)") from None
    return patterns


def _schema(raw: Any) -> Mapping[str, Any] | None:
    if (wrong := schema_error(raw)) is not None:
        raise CaseChecksError(f"json_schema is no JSON Schema: {wrong}")
    found: Mapping[str, Any] | None = raw
    return found


def _tolerance(raw: Mapping[str, Any]) -> float:
    if "tolerance" not in raw:
        return 0.0
    found = _number("tolerance", raw["tolerance"])
    if found is None or found < 0 or raw.get("numeric") is None:
        raise CaseChecksError("tolerance says how far off `numeric` may be; it is 0 or more")
    return found


def _number(name: str, raw: Any) -> float | None:
    if raw is None:
        return None
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise CaseChecksError(f"{name} is a number; not {raw!r}")
    try:
        found = float(raw)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise CaseChecksError(f"{name} is a number of at most 308 digits")
    return found


def _share(name: str, raw: Any, default: float) -> float | None:
    if raw in (None, False):
        return None
    if raw is True:
        return default
    found = _number(name, raw)
    if found is None or not 0 < found <= 1:
        raise CaseChecksError(f"{name} is true, or the least share that will do, above 0 and up to 1; not {raw!r}")
    return found


def _texts(name: str, raw: Any) -> tuple[str, ...]:
    if not isinstance(raw, list) or not all(isinstance(entry, str) and entry.strip() for entry in raw):
        raise CaseChecksError(f"{name} is a list of texts, none empty; not {raw!r}")
    return tuple(raw)


def _flag(name: str, raw: Any) -> bool:
    if not isinstance(raw, bool):
        raise CaseChecksError(f"{name} is true or false; not {raw!r}")
    return raw
