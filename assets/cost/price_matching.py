"""How a logged (provider, model) finds its catalogue entry: genai-prices' matching, compiled into rows for SQL.

Here belong the rules and the few provider names that logs use and the catalogue does not know. The rules depend on
the catalogue version alone, never on what was logged: a model seen for the first time re-opens no earlier day.
Source: genai_prices 0.2.3, data_snapshot.py (`find_provider_model`, `find_provider_by_id`) and types.py
(`Provider._match_model`, the clauses).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING

from assets.cost.price_rows import ALWAYS_FROM, ALWAYS_TO, PriceError, RuleClause

if TYPE_CHECKING:
    from genai_prices.types import MatchLogic, ModelInfo, Provider

PROVIDER_ALIASES = {
    "azure.ai.openai": "azure",
    "az.ai.openai": "azure",
    "azure_openai": "azure",
    "azure.ai.inference": "azure",
    "az.ai.inference": "azure",
    "azure_ai": "azure",
    "gcp.gen_ai": "google",
    "x_ai": "x-ai",
    "fireworks_ai": "fireworks",
    "z_ai": "zai",
}
"""Provider names of OpenTelemetry and LiteLLM that the catalogue does not find, and Azure's, which it takes for OpenAI
because they contain the word (Azure has prices of its own)."""

Clause = tuple[str, str]
"""(operator, operand): equals, starts_with, ends_with, contains, regex or not_regex."""

_TEXT_CLAUSES = {
    "ClauseEquals": "equals",
    "ClauseStartsWith": "starts_with",
    "ClauseEndsWith": "ends_with",
    "ClauseContains": "contains",
}


@dataclass(frozen=True)
class Entry:
    """Where a logged model's price stands. `scope` is the provider it was bought from, `provider` the one whose entry
    prices it; they differ where genai-prices falls back, and then ignores batch and service tier."""

    scope: str
    provider: str
    model: str

    @property
    def is_fallback(self) -> bool:
        return self.scope != self.provider


def catalogue_rules(providers: Sequence[Provider], origin: str) -> list[RuleClause]:
    """All matching rules of a catalogue; raises PriceError for a pattern that cannot be written for RE2."""
    return [
        *_provider_rules(providers, origin),
        *_provider_of_model_rules(providers, origin),
        *_model_rules(providers, origin),
    ]


def _provider_rules(providers: Sequence[Provider], origin: str) -> Iterator[RuleClause]:
    known = {provider.id for provider in providers}
    ranks = count(1)
    named = [(provider.id, provider.id) for provider in providers]
    aliases = [(name, target) for name, target in PROVIDER_ALIASES.items() if target in known and name not in known]
    for name, target in (*named, *aliases):
        yield from rules(f"provider:{name}", [("equals", name)], "provider", target, rank=next(ranks), origin=origin)
    for provider in providers:
        if provider.provider_match:
            rank = next(ranks)
            for number, clauses in enumerate(conjunctions(provider.provider_match), 1):
                yield from rules(
                    f"provider:{provider.id}#{number}", clauses, "provider", provider.id, rank=rank, origin=origin
                )


def _provider_of_model_rules(providers: Sequence[Provider], origin: str) -> Iterator[RuleClause]:
    for rank, provider in enumerate(providers, 1):
        if provider.model_match:
            for number, clauses in enumerate(conjunctions(provider.model_match), 1):
                name = f"provider-of-model:{provider.id}#{number}"
                yield from rules(name, clauses, "provider_of_model", provider.id, rank=rank, origin=origin)


def _model_rules(providers: Sequence[Provider], origin: str) -> Iterator[RuleClause]:
    by_id = {provider.id: provider for provider in providers}
    for scope in providers:
        ranks = count(1)
        fallbacks = [by_id[name] for name in scope.fallback_model_providers or () if name in by_id]
        for provider in (scope, *fallbacks):
            for model in provider.models:
                yield from _one_model(scope, provider, model, next(ranks), origin)


def _one_model(scope: Provider, provider: Provider, model: ModelInfo, rank: int, origin: str) -> Iterator[RuleClause]:
    bought_from = scope.id if scope is provider else f"{scope.id}>{provider.id}"
    for number, clauses in enumerate(conjunctions(model.match), 1):
        yield from rules(
            f"model:{bought_from}/{model.id}#{number}",
            clauses,
            "model",
            provider.id,
            scope=scope.id,
            model=model.id,
            uses_price_context=scope is provider,
            rank=rank,
            origin=origin,
        )


def rules(
    rule_id: str,
    clauses: Sequence[Clause],
    finds: str,
    provider: str,
    *,
    rank: int,
    origin: str,
    scope: str | None = None,
    model: str | None = None,
    uses_price_context: bool = True,
    valid_from: datetime = ALWAYS_FROM,
    valid_to: datetime = ALWAYS_TO,
) -> Iterator[RuleClause]:
    """The rows of one rule, a row for each clause."""
    for number, (operator, operand) in enumerate(clauses, 1):
        yield RuleClause(
            rule_id=rule_id,
            clause_number=number,
            clause_count=len(clauses),
            finds=finds,
            scope_provider=scope,
            operator=operator,
            operand=operand,
            rank=rank,
            found_provider=provider,
            found_model=model,
            uses_price_context=uses_price_context,
            valid_from=valid_from,
            valid_to=valid_to,
            origin=origin,
        )


def conjunctions(logic: MatchLogic) -> list[tuple[Clause, ...]]:
    """Match logic as a list of alternatives, each a tuple of clauses that must all hold. Operands are lower-cased,
    as the texts they meet are; patterns are not (their case is theirs)."""
    kind = type(logic).__name__
    if kind in _TEXT_CLAUSES:
        operator = _TEXT_CLAUSES[kind]
        return [((operator, str(getattr(logic, operator)).lower()),)]
    if kind == "ClauseRegex":
        return [tuple(_re2_clauses(logic.regex))]  # type: ignore[union-attr]
    if kind == "ClauseOr":
        return [alternative for part in logic.or_ for alternative in conjunctions(part)]  # type: ignore[union-attr]
    if kind == "ClauseAnd":
        joined: list[tuple[Clause, ...]] = [()]
        for part in logic.and_:  # type: ignore[union-attr]
            joined = [left + right for left in joined for right in conjunctions(part)]
        return joined
    raise PriceError(f"genai-prices matches by {kind}, which the price tables do not know; teach conjunctions() about it")


def _re2_clauses(pattern: str) -> Iterator[Clause]:
    """RE2 has no lookahead; `^(?!A)B`, the only kind in the catalogue, is "matches ^B and not ^A"."""
    rest = pattern
    if rest.startswith("^(?!"):
        end = _closing(rest, 1)
        yield "not_regex", f"^(?:{rest[4:end]})"
        rest = "^" + rest[end + 1 :]
    if re.search(r"\(\?(?:[=!]|<[=!])", rest) or re.search(r"\\[1-9]", rest):
        raise PriceError(f"genai-prices matches by {pattern!r}, which RE2 cannot express; teach _re2_clauses() about it")
    if rest != "^":
        yield "regex", rest


def _closing(pattern: str, opening: int) -> int:
    """Position of the bracket that closes the one at `opening`; escaped and bracketed brackets do not count."""
    depth, in_set, position = 0, False, opening
    while position < len(pattern):
        char = pattern[position]
        if char == "\\":
            position += 1
        elif in_set:
            in_set = char != "]"
        elif char == "[":
            in_set = True
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if not depth:
                return position
        position += 1
    raise PriceError(f"genai-prices matches by {pattern!r}, whose brackets do not close")


def find_provider(providers: Sequence[Provider], name: str) -> Provider | None:
    """The catalogue's provider for a logged provider name, aliases included."""
    from genai_prices.data_snapshot import find_provider_by_id

    name = name.lower().strip()
    return find_provider_by_id(list(providers), PROVIDER_ALIASES.get(name, name))


def find_entry(providers: Sequence[Provider], provider_name: str, model_name: str) -> Entry | None:
    """The catalogue entry that prices a logged model, as `calc_price` finds it; None where it knows none."""
    scope = find_provider(providers, provider_name)
    model = scope.find_model(model_name, all_providers=list(providers)) if scope else None
    if scope is None or model is None:
        return None
    owner = next(provider for provider in providers if any(model is own for own in provider.models))
    return Entry(scope.id, owner.id, model.id)
