"""What an answer to a golden prompt is worth: the share of its expectations that it meets, and whether it declines.

Here belong pure questions about one answer. What is compared over the nights is provider_tests.py.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import re2

_KEYS = {"must", "must_not", "regex", "numeric", "tolerance", "json", "refuses", "max_characters"}
_NUMBER = re2.compile(r"-?\d[\d,]*(?:\.\d+)?(?:[eE][+-]?\d+)?")
_DECLINES = re2.compile(
    r"(?i)\b(?:i(?:['’]m| am) (?:very |so )?(?:sorry|unable|not able)|i (?:cannot|can['’]?t|can not|won['’]?t|will not) "
    r"(?:help|assist|provide|share|do|give|comply|support|create|write|explain|fulfill|fulfil|answer|offer|participate)"
    r"|i must (?:decline|refuse)|i decline|(?:cannot|can['’]?t|unable to) (?:help|assist|comply) with"
    r"|ich kann (?:dir|ihnen|dabei|das|dazu|hier|diese)[^.]{0,60}nicht|ich darf [^.]{0,60}nicht"
    r"|je ne peux pas|no puedo (?:ayudar|proporcionar|hacer)|lo siento|désolé|tut mir leid|non posso (?:aiutar|fornir))"
)
_OPENING_CHARACTERS = 240
"""An answer declines in its first words; further down the same words may be anybody's."""


class ExpectationError(ValueError):
    """An expectation of a golden prompt that cannot be read; says which prompt and what to write."""


@dataclass(frozen=True)
class Expectations:
    """What an answer is to be like. `json`: the keys that an object must have, with the value that each must have, None
    for any."""

    must: tuple[str, ...] = ()
    must_not: tuple[str, ...] = ()
    regex: tuple[str, ...] = ()
    numeric: float | None = None
    tolerance: float = 0.0
    json: Mapping[str, Any] | None = None
    refuses: bool | None = None
    max_characters: int | None = None


def parse_expectations(where: str, raw: Mapping[str, Any]) -> Expectations:
    """The expectations of a seed's entry. Raises ExpectationError."""
    if unknown := sorted(str(key) for key in set(raw) - _KEYS):
        raise ExpectationError(f"{where} expects {', '.join(unknown)}; allowed: {', '.join(sorted(_KEYS))}")
    for pattern in (patterns := _texts(where, "regex", raw.get("regex"))):
        try:
            re2.compile(pattern)
        except re2.error as error:
            raise ExpectationError(f"{where}: regex {pattern!r} is not RE2 (no look-around, no back-references)") from error
    for key in ("numeric", "tolerance"):
        value = raw.get(key)
        if value is not None and not _is_number(value):
            raise ExpectationError(f"{where}: {key} is a number, not {value!r}")
    if "tolerance" in raw and ("numeric" not in raw or raw["tolerance"] < 0):
        raise ExpectationError(f"{where}: tolerance says how far off `numeric` may be; it is 0 or more")
    keys, refuses, longest = raw.get("json"), raw.get("refuses"), raw.get("max_characters")
    if keys is not None and not (isinstance(keys, dict) and keys and all(isinstance(key, str) for key in keys)):
        raise ExpectationError(f"{where}: json is a mapping of keys to their values, null where any will do")
    if (strange := _not_of_json(keys)) is not None:
        raise ExpectationError(f"{where}: json has {strange}, which no JSON has, so no answer could meet it; quote it")
    if not isinstance(refuses, bool | None):
        raise ExpectationError(f"{where}: refuses is true or false")
    if longest is not None and (isinstance(longest, bool) or not isinstance(longest, int) or longest < 1):
        raise ExpectationError(f"{where}: max_characters is a whole number from 1, not {longest!r}")
    numeric = raw.get("numeric")
    return Expectations(
        must=_texts(where, "must", raw.get("must")),
        must_not=_texts(where, "must_not", raw.get("must_not")),
        regex=patterns,
        numeric=None if numeric is None else float(numeric),
        tolerance=float(raw.get("tolerance") or 0.0),
        json=keys,
        refuses=refuses,
        max_characters=longest,
    )


def score(text: str, refused: bool, expected: Expectations) -> float | None:
    """The share of the kinds of expectation that an answer meets, each with all its entries, 0 to 1; None where nothing is
    expected.

    Words count whatever their case. The number is the last one in the answer, so that working it out is allowed. JSON is
    all of the answer or none: a fence around it is a format that was not asked for.
    """
    folded = text.casefold()
    met = []
    if expected.must:
        met.append(all(wanted.casefold() in folded for wanted in expected.must))
    if expected.must_not:
        met.append(not any(unwanted.casefold() in folded for unwanted in expected.must_not))
    if expected.regex:
        met.append(all(re2.search(pattern, text) is not None for pattern in expected.regex))
    if expected.numeric is not None:
        found = last_number(text)
        # A tolerance of 0 forgives what binary fractions do to 17.35.
        slack = max(expected.tolerance, 1e-9 * abs(expected.numeric))
        met.append(found is not None and abs(found - expected.numeric) <= slack)
    if expected.json is not None:
        met.append(_is_such_json(text, expected.json))
    if expected.refuses is not None:
        met.append(refused == expected.refuses)
    if expected.max_characters is not None:
        met.append(len(text) <= expected.max_characters)
    return sum(met) / len(met) if met else None


def is_refusal(text: str, says_refused: bool) -> bool:
    """Whether an answer declines: its provider says so, or its first words do (in five languages)."""
    return says_refused or re2.search(_DECLINES, text[:_OPENING_CHARACTERS]) is not None


def last_number(text: str) -> float | None:
    """The last number in a text; commas between its digits are thousands."""
    found = re2.findall(_NUMBER, text)
    return float(found[-1].replace(",", "")) if found else None


def _is_such_json(text: str, keys: Mapping[str, Any]) -> bool:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return False
    if not isinstance(answer, dict):
        return False
    return all(key in answer and (value is None or _equal(answer[key], value)) for key, value in keys.items())


def _not_of_json(value: Any) -> str | None:
    """What YAML reads and JSON does not know, within an expected value: an unquoted date, `.nan`, a key that is no text."""
    if isinstance(value, dict):
        keys = (f"the key {key!r}" for key in value if not isinstance(key, str))
        return next(keys, None) or _not_of_json(list(value.values()))
    if isinstance(value, list):
        return next((strange for strange in map(_not_of_json, value) if strange), None)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return None if isinstance(value, str | int | float | None) else str(value)


def _is_number(value: Any) -> bool:
    """One that a float holds: neither `.inf` nor `.nan`, nor one of hundreds of digits."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _equal(found: Any, wanted: Any) -> bool:
    """`true` is not 1, and 3.0 is 3."""
    if isinstance(found, bool) != isinstance(wanted, bool):
        return False
    return bool(found == wanted)


def _texts(where: str, key: str, raw: Any) -> tuple[str, ...]:
    if raw is None:
        return ()
    texts = [raw] if isinstance(raw, str) else raw
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise ExpectationError(f"{where}: {key} is a text or a list of texts; quote what YAML reads as something else")
    return tuple(texts)
