"""Secrets made from the rules' own expressions, in prose: what a key of each vendor looks like, and nobody's.

Here belongs how an RE2 expression becomes random text. A sample matches its rule, has more than the rule's entropy, and
none of the expressions of the rule's allowlists calls it harmless; whether a stop word occurs in it is not asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from random import Random

from rstr import Rstr

from resources.secret_rules import EVIDENCE, Rule, rules, shannon_entropy

_TRIES = 200
_LONGEST_REPETITION = 320  # rstr draws at most 100 and fails where an expression asks for more
_PROSE = (
    "The deployment failed again this morning, and this is what stood in the settings:\n{}\nCan you tell me what is wrong?",
    "I copied the line from the wiki.\n\n{}\n\nShould it be quoted, or is the order of the lines the trouble?",
    "Here is my file, please shorten it:\n```\n{}\n```\nThe rest of it is fine as it is.",
)
# What RE2 writes otherwise than Python, and flags, which no sample needs.
_TO_PYTHON = (
    ("[[:alnum:]]", "[a-zA-Z0-9]"), (r"\z", "$"),
    ("(?s:.)", "[\n ]"), (r"\s", " "), ("(?-i:", "(?:"), ("(?i:", "(?:"), ("(?i)", ""),
)  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """A text that holds one secret of a rule."""

    rule: str
    secret: str
    text: str


def samples(per_rule: int, seed: int) -> Iterator[Sample]:
    """So many texts of every rule; raises AssertionError where a rule yields none."""
    vars(import_module("rstr.xeger"))["STAR_PLUS_LIMIT"] = _LONGEST_REPETITION
    random = Random(seed)
    generator = Rstr(random)
    for rule in rules():
        shape = _python_shape(rule.regex)
        made = 0
        for _ in range(_TRIES * per_rule):
            if made == per_rule:
                break
            text = random.choice(_PROSE).format(generator.xeger(shape).strip())
            if not any(keyword in text.lower() for keyword in rule.keywords):
                # The vendor's name need not be in the key, but gitleaks wants it in the text.
                text = f"We use {rule.keywords[0]}. {text}"
            if rule.id in EVIDENCE:
                text = f"This is main.tf. {text}"
            secret = _secret_in(rule, text)
            if secret and shannon_entropy(secret) > rule.entropy and not _is_harmless(rule, secret):
                made += 1
                yield Sample(rule.id, secret.strip("\"'"), text)
        assert made == per_rule, f"{rule.id}: {made} of {per_rule} samples; teach {__name__} its expression"


def _python_shape(regex: str) -> str:
    for ours, pythons in _TO_PYTHON:
        regex = regex.replace(ours, pythons)
    return re.sub(r"\{(\d+),\}", lambda found: f"{{{found[1]},{int(found[1]) + 20}}}", regex)


def _secret_in(rule: Rule, text: str) -> str | None:
    match = rule.expression.search(text)
    if not match:
        return None
    start, end = rule.secret_span(match)
    return text[start:end]


def _is_harmless(rule: Rule, secret: str) -> bool:
    return any(entry.target == "secret" and entry.regexes and entry.expression.search(secret) for entry in rule.allowlists)
