"""Keys, tokens and passwords: the rules of gitleaks, applied as gitleaks applies them.

Here belongs how warehouse/seeds/gitleaks/gitleaks.toml is read and what a find must pass: the rule's keyword, its
expression (RE2, linear in the text), its entropy, its allowlists and the global one. Conditions on file paths and commits
are left out, as a log has neither: a rule bound to a path is tried on every text (but see EVIDENCE), and
`gitleaks:allow` waives nothing.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from math import log2
from pathlib import Path
from typing import Any

from resources.contracts import SEEDS

RULES_FILE = SEEDS / "gitleaks" / "gitleaks.toml"
_ASSIGNMENT = r"(?:=|>|:{1,3}=|\|\||:|=>|\?=|,)"
_WORD_OF_ASSIGNMENT = re.compile(r"\{0,50\}\?\((.*)\)\(\?:\[ \\t\\w\.-\]\{0,20\}\)")
_SYNTAX = re.compile(r"\\.|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]|.", re.S)  # escapes, classes, single characters
_OPTIONAL_START = re.compile(r"^(\(\?i\))?\[\\w\.-\]\{0,50\}\?")
_REPETITION = re.compile(r"\{(\d+)(,\d*)?\}")
_REPETITION_KEPT = 8
_STAND_IN = re.compile(
    r"\W*(?:[a-z_-]*(?:pass(?:word|wd|phrase)?|pwd|secret|token|key|example|change[_-]?(?:me|it)|placeholder|dummy)[a-z_-]*"
    r"|(?:your|my|user).*|x+|\*+|test|[<{$%\[].*)\W*",
    re.I,
)
_GATES = 3
EVIDENCE = {"hashicorp-tf-password": r"(?i)\.(?:tf|hcl)\b|\bterraform\b|\bhcl\b"}
"""What a text must contain for a rule that would be loose without its path: `password = "..."` is in every tutorial."""


@dataclass(frozen=True)
class Allowlist:
    """What is no secret after all: an expression that the secret (or its match, or its line) contains, or a word in it."""

    target: str = "secret"
    regexes: tuple[str, ...] = ()
    stopwords: tuple[str, ...] = ()

    def allows(self, secret: str, match: str, line: str) -> bool:
        text = {"secret": secret, "match": match, "line": line}[self.target]
        if self.regexes and self.expression.search(text):
            return True
        lower = secret.lower()
        return any(word in lower for word in self.stopwords)

    @cached_property
    def expression(self) -> Any:
        """Its expressions as one."""
        return compiled("|".join(f"(?:{regex})" for regex in self.regexes))


@dataclass(frozen=True)
class Rule:
    """One rule; a text is searched only if it contains one of the keywords, whatever their case."""

    id: str
    regex: str
    keywords: tuple[str, ...]
    entropy: float = 0.0
    secret_group: int = 0
    allowlists: tuple[Allowlist, ...] = field(default=())

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where the rule's secrets stand in a text that has a keyword of it."""
        if self.id in EVIDENCE and not compiled(EVIDENCE[self.id]).search(text):
            return
        for match in self.expression.finditer(text):
            start, end = self.secret_span(match)
            secret = text[start:end]
            if self.entropy and shannon_entropy(secret) <= self.entropy:
                continue
            line = text[text.rfind("\n", 0, match.start()) + 1 : (text.find("\n", match.end()) + 1 or len(text) + 1) - 1]
            if any(allowlist.allows(secret, match[0].strip("\n"), line) for allowlist in self.allowlists):
                continue
            if self.id in EVIDENCE and is_stand_in(secret):
                continue
            if len(secret) > 1 and secret[0] in "\"'" and secret[0] == secret[-1]:
                start, end = start + 1, end - 1  # JSON stays JSON
            yield start, end

    def secret_span(self, match: Any) -> tuple[int, int]:
        """Where the secret stands in a match: the group that the rule names, else its first that is not empty."""
        groups = [self.secret_group] if self.secret_group else range(1, match.re.groups + 1)
        start, end = next((match.span(group) for group in groups if match[group]), match.span())
        return start, end

    @cached_property
    def expression(self) -> Any:
        """The rule's expression as google-re2 holds it."""
        return compiled(self.regex)


def is_stand_in(text: str) -> bool:
    """Whether a value says that a secret belongs in its place: `your-password`, `changeme`, `${TOKEN}`, `xxxx`."""
    return bool(_STAND_IN.fullmatch(text))


def shannon_entropy(text: str) -> float:
    """Bits per character of a text, from the frequencies of its own characters."""
    return -sum(n / len(text) * log2(n / len(text)) for n in Counter(text).values())


@cache
def compiled(regex: str) -> Any:
    """An RE2 expression as google-re2 holds it."""
    import re2

    return re2.compile(regex, _options())


def _options() -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = 64 << 20
    return options


@cache
def rules(path: Path = RULES_FILE) -> tuple[Rule, ...]:
    """All rules that have an expression, those of one vendor before the generic one."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    everywhere = _allowlists([content["allowlist"]])
    found = (
        Rule(
            id=raw["id"],
            regex=raw["regex"],
            keywords=tuple(keyword.lower() for keyword in raw["keywords"]),
            entropy=float(raw.get("entropy", 0)),
            secret_group=raw.get("secretGroup", 0),
            allowlists=everywhere + _allowlists(raw.get("allowlists", [])),
        )
        for raw in content["rules"]
        if "regex" in raw
    )
    return tuple(sorted(found, key=lambda rule: (rule.id.startswith("generic"), rule.id)))


def _allowlists(raw: list[dict[str, Any]]) -> tuple[Allowlist, ...]:
    return tuple(
        Allowlist(
            entry.get("regexTarget", "secret"),
            tuple(entry.get("regexes", ())),
            tuple(word.lower() for word in entry.get("stopwords", ())),
        )
        for entry in raw
        if entry.get("condition") != "AND"  # all of these name a path
    )


def is_assignment(regex: str) -> bool:
    """Whether an expression has the form `word = value`."""
    return _ASSIGNMENT in regex


@cache
def gates() -> tuple[str, ...]:
    """A few RE2 expressions of which one is true on every text in which a rule matches.

    The rules' own expressions in groups, with long repetitions made open-ended: hundreds of states instead of many
    thousands, so that RE2 keeps them in its automaton. Those of the form `word = value` share one expression.
    """
    alternatives = [alternative for rule in rules() for alternative in _alternatives(rule.regex)]
    words = "|".join(_word(regex) for regex in alternatives if is_assignment(regex))
    shared = (
        rf"(?i)(?:{words})[ \t\w.-]{{0,20}}[\s'\"]{{0,3}}{_ASSIGNMENT}"
        rf"[\x60'\"\s=]{{0,5}}\"?[\w.=+/~:-]{{{_REPETITION_KEPT}}}"
    )
    shapes = [_loosened(regex) for regex in alternatives if not is_assignment(regex)]
    groups = [shapes[start::_GATES] for start in range(_GATES)]
    return (shared, *("|".join(f"(?:{shape})" for shape in group) for group in groups))


def _alternatives(regex: str) -> list[str]:
    """The branches of an expression, each with the flags that it begins with."""
    flags = "(?i)" if regex.startswith("(?i)") else ""
    branches, depth = [""], 0
    for piece in _SYNTAX.findall(regex.removeprefix(flags)):
        depth += (piece == "(") - (piece == ")")
        if piece == "|" and depth == 0:
            branches.append("")
        else:
            branches[-1] += piece
    return [flags + branch for branch in branches]


def _word(regex: str) -> str:
    """What stands before the assignment in an expression of that form."""
    head = regex.partition(_ASSIGNMENT)[0]
    found = _WORD_OF_ASSIGNMENT.search(head[head.rfind("{0,50}?") :])
    return f"({found[1]})" if found else _loosened(head)


def _loosened(regex: str) -> str:
    """An expression that matches wherever `regex` does."""
    return _REPETITION.sub(_open_ended, _OPTIONAL_START.sub(r"\1", regex))


def _open_ended(repetition: re.Match[str]) -> str:
    least = int(repetition[1])
    return repetition[0] if least <= _REPETITION_KEPT and not repetition[2] else f"{{{min(least, _REPETITION_KEPT)},}}"


@cache
def _keywords() -> tuple[Any, tuple[tuple[Rule, ...], ...]]:
    """A matcher that yields the places of the keywords in a text, and the rules by place."""
    import re2

    found = re2.Set.SearchSet(_options())
    keywords = sorted({keyword for rule in rules() for keyword in rule.keywords})
    for keyword in keywords:
        found.Add(f"(?i){re2.escape(keyword)}")
    found.Compile()
    return found, tuple(tuple(rule for rule in rules() if keyword in rule.keywords) for keyword in keywords)


def secrets(text: str) -> Iterator[tuple[str, int, int]]:
    """(rule, start, end) of the secrets in a text."""
    matcher, rules_of = _keywords()
    tried = {rule.id: rule for place in matcher.Match(text) or () for rule in rules_of[place]}
    for rule in tried.values():
        for start, end in rule.spans(text):
            yield rule.id, start, end
