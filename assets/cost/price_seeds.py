"""Prices that a person wrote: warehouse/seeds/prices.yml, checked and laid over the catalogue.

Here belongs the meaning of an override. Reading the file belongs to whoever calls `parse_overrides`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from assets.cost.price_matching import Entry, find_entry, find_provider, rules
from assets.cost.price_rows import (
    ALWAYS_FROM,
    ALWAYS_TO,
    CHARGE_CLASSES,
    NO_TOKEN_LIMIT,
    SECONDS_PER_DAY,
    UNITS,
    PriceRow,
    RuleClause,
    midnight,
)

if TYPE_CHECKING:
    from genai_prices.types import Provider

ORIGIN = "seed"
_KEYS = {
    "provider", "model", "valid_from", "valid_to", "is_batch", "service_tier", "currency", "rates", "contracted", "note",
}  # fmt: skip
_HIGHEST_RATE = Decimal(10) ** 13
_SEED_RANK = 0
"""Before every rank of the catalogue."""


class PriceSeedError(ValueError):
    """An override that cannot be kept as written; says which entry, what is wrong and what to write."""


@dataclass(frozen=True)
class Override:
    """Rates of one model for a span of UTC days, in one context; `rates` is the list price, `contracted` what is paid.

    Rates are USD per million units of each charge class (for the class `request`: per million requests).
    """

    number: int
    provider: str
    model: str
    valid_from: datetime
    valid_to: datetime
    is_batch: bool
    service_tier: str | None
    rates: Mapping[str, Decimal]
    contracted: Mapping[str, Decimal]

    @property
    def name(self) -> str:
        return f"prices.yml, override {self.number} ({self.provider} {self.model})"

    @property
    def span(self) -> tuple[datetime, datetime]:
        return self.valid_from, self.valid_to


Context = tuple[str, str, bool, str | None]
Book = dict[Context, list[PriceRow]]


def parse_overrides(raw: object) -> list[Override]:
    """The overrides of a parsed prices.yml; raises PriceSeedError naming the entry at fault.

    An empty file and an empty list are no overrides. Two entries that give the same rate twice for one day are refused:
    which one is right is not ours to guess.
    """
    if raw is None:
        return []
    if not isinstance(raw, Mapping) or set(raw) - {"overrides"}:
        raise PriceSeedError("prices.yml: the file is a mapping with the one key `overrides`, a list")
    entries = raw.get("overrides") or []
    if not isinstance(entries, list):
        raise PriceSeedError("prices.yml: `overrides` is a list; start each entry with `- provider:`")
    overrides = [_override(number, entry) for number, entry in enumerate(entries, 1)]
    _refuse_doubles(overrides)
    return overrides


def _override(number: int, raw: object) -> Override:
    where = f"prices.yml, override {number}"
    if not isinstance(raw, Mapping):
        raise PriceSeedError(f"{where}: an override is a mapping with provider, model, valid_from and rates")
    if unknown := sorted(str(key) for key in set(raw) - _KEYS):
        raise PriceSeedError(f"{where}: unknown keys {unknown}; allowed: {sorted(_KEYS)}")
    provider, model = (_text(where, raw, key) for key in ("provider", "model"))
    where = f"{where} ({provider} {model})"
    valid_from = _day(where, raw, "valid_from")
    valid_to = _day(where, raw, "valid_to") if raw.get("valid_to") is not None else ALWAYS_TO
    if not ALWAYS_FROM <= valid_from < valid_to <= ALWAYS_TO:
        raise PriceSeedError(f"{where}: valid_to is the first day without the rate, so it comes after valid_from")
    if raw.get("currency", "USD") != "USD":
        raise PriceSeedError(f"{where}: currency {raw['currency']!r}; only USD is billed so far: write the rate in USD")
    if not isinstance(raw.get("is_batch", False), bool):
        raise PriceSeedError(f"{where}: is_batch is true or false")
    rates, contracted = (_rates(where, raw, key) for key in ("rates", "contracted"))
    if not rates and not contracted:
        raise PriceSeedError(f"{where}: give `rates`, `contracted` or both, such as `rates: {{output: 10.00}}`")
    return Override(
        number=number,
        provider=provider,
        model=model,
        valid_from=valid_from,
        valid_to=valid_to,
        is_batch=raw.get("is_batch", False),
        service_tier=_text(where, raw, "service_tier") if raw.get("service_tier") is not None else None,
        rates=rates,
        contracted=contracted,
    )


def _text(where: str, raw: Mapping[Any, Any], key: str) -> str:
    value = raw.get(key)
    if not isinstance(value, str) or not value.strip():
        raise PriceSeedError(
            f"{where}: {key!r} is a name, such as {'openai' if key == 'provider' else 'gpt-4o'!r}; got {value!r}"
        )
    return value.strip() if key == "service_tier" else value.strip().lower()


def _day(where: str, raw: Mapping[Any, Any], key: str) -> datetime:
    value = raw.get(key)
    if isinstance(value, datetime) or not isinstance(value, date):
        raise PriceSeedError(f"{where}: {key} is a day such as 2026-01-31 (UTC, without a time); got {value!r}")
    return midnight(value)


def _rates(where: str, raw: Mapping[Any, Any], key: str) -> dict[str, Decimal]:
    given = raw.get(key) or {}
    if not isinstance(given, Mapping):
        raise PriceSeedError(f"{where}: `{key}` is a mapping of charge class to USD per million, such as {{output: 10.00}}")
    if unknown := sorted(str(name) for name in set(given) - set(CHARGE_CLASSES)):
        raise PriceSeedError(f"{where}: `{key}` names {unknown}; the charge classes are {', '.join(CHARGE_CLASSES)}")
    return {charge_class: _one_rate(f"{where}: {key}.{charge_class}", value) for charge_class, value in given.items()}


def _one_rate(where: str, value: object) -> Decimal:
    try:
        rate = Decimal(str(value)) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except InvalidOperation:
        rate = None
    if rate is None or not rate.is_finite() or not 0 <= rate < _HIGHEST_RATE:
        raise PriceSeedError(f"{where} is {value!r}; a rate is a number of USD per million, 0 or more")
    if rate != round(rate, 6):
        raise PriceSeedError(f"{where} is {value!r}; a rate has at most six decimals")
    return rate


def _refuse_doubles(overrides: Sequence[Override]) -> None:
    for position, first in enumerate(overrides):
        for second in overrides[position + 1 :]:
            same = (first.provider, first.model, first.is_batch, first.service_tier) == (
                second.provider,
                second.model,
                second.is_batch,
                second.service_tier,
            )
            twice = sorted(set(first.rates) & set(second.rates) | set(first.contracted) & set(second.contracted))
            if same and twice and first.valid_from < second.valid_to and second.valid_from < first.valid_to:
                raise PriceSeedError(
                    f"{second.name} gives {', '.join(twice)} again for days of override {first.number}; "
                    "end the one before the other begins"
                )


def apply_overrides(
    prices: Sequence[PriceRow], matching: Sequence[RuleClause], overrides: Sequence[Override], providers: Sequence[Provider]
) -> tuple[list[PriceRow], list[RuleClause]]:
    """Catalogue prices and rules with the overrides laid over them.

    Days outside an override keep their rows as they are, price id included, so that a correction of two days is one
    of two days. A model that is not itself a catalogue entry gets an entry of its own for those days: a copy of what
    the catalogue would charge, then the override.
    """
    book: Book = {}
    for row in prices:
        book.setdefault(row.context, []).append(row)
    targets = [_target(override, providers) for override in overrides]
    added: list[RuleClause] = []
    for target, source in dict(targets).items():
        spans = _united(o.span for o, (to, _) in zip(overrides, targets, strict=True) if to == target)
        if source != target:
            _copy_entry(book, source, target, spans)
            added += _seed_rules(target, spans, providers)
    for override, (target, _) in zip(overrides, targets, strict=True):
        _lay_rates(book, override, target)
    for override, (target, _) in zip(overrides, targets, strict=True):
        _lay_contracted(book, override, target)
    return [row for rows in book.values() for row in rows], [*added, *matching]


def _target(override: Override, providers: Sequence[Provider]) -> tuple[Entry, Entry | None]:
    """The entry that an override writes to, and the catalogue entry that it starts from (itself, another, or none)."""
    scope = find_provider(providers, override.provider)
    if scope and scope.id != override.provider and not _is_alias(override.provider, scope):
        raise PriceSeedError(
            f"{override.name}: the catalogue takes provider {override.provider!r} for {scope.id!r}; write {scope.id!r} "
            f"to change its price wherever it is logged"
        )
    found = find_entry(providers, override.provider, override.model)
    if found and not found.is_fallback and found.model.lower() == override.model:
        return found, found
    name = scope.id if scope else override.provider
    return Entry(name, name, override.model), found


def _is_alias(name: str, scope: Provider) -> bool:
    from assets.cost.price_matching import PROVIDER_ALIASES

    return PROVIDER_ALIASES.get(name) == scope.id


def _united(spans: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    united: list[tuple[datetime, datetime]] = []
    for start, end in sorted(spans):
        if united and start <= united[-1][1]:
            united[-1] = united[-1][0], max(end, united[-1][1])
        else:
            united.append((start, end))
    return united


def _copy_entry(book: Book, source: Entry | None, target: Entry, spans: Sequence[tuple[datetime, datetime]]) -> None:
    if source is None:
        return
    contexts = [context for context in book if context[:2] == (source.provider, source.model)]
    for context in contexts:
        _, _, is_batch, service_tier = context
        if source.is_fallback and (is_batch or service_tier):
            continue
        for start, end in spans:
            copies = [_moved(inside, target) for row in book[context] for inside in _within(row, start, end)]
            book.setdefault((target.provider, target.model, is_batch, service_tier), []).extend(copies)


def _moved(row: PriceRow, target: Entry) -> PriceRow:
    price_id = f"{target.provider}/{target.model}{row.price_id.removeprefix(f'{row.provider}/{row.model}')}"
    return replace(row, price_id=price_id, provider=target.provider, model=target.model)


def _seed_rules(
    target: Entry, spans: Sequence[tuple[datetime, datetime]], providers: Sequence[Provider]
) -> Iterator[RuleClause]:
    is_known = any(provider.id == target.scope for provider in providers)
    for start, end in spans:
        rank, origin = _SEED_RANK, ORIGIN
        if not is_known:
            named = [("equals", target.scope)]
            name = f"provider:{target.scope}:seed:{target.model}"
            yield from rules(name, named, "provider", target.scope, rank=rank, origin=origin, valid_from=start, valid_to=end)
        yield from rules(
            f"model:{target.scope}/{target.model}:seed",
            [("equals", target.model)],
            "model",
            target.provider,
            scope=target.scope,
            model=target.model,
            rank=rank,
            origin=origin,
            valid_from=start,
            valid_to=end,
        )


def _within(row: PriceRow, start: datetime, end: datetime) -> list[PriceRow]:
    """The part of a row inside a span: one row, or none."""
    valid_from, valid_to = max(row.valid_from, start), min(row.valid_to, end)
    return [replace(row, valid_from=valid_from, valid_to=valid_to)] if valid_from < valid_to else []


def _cut(rows: list[PriceRow], charge_class: str, start: datetime, end: datetime) -> tuple[list[PriceRow], list[PriceRow]]:
    """Rows outside a span or of other classes, and the rows of the class inside it."""
    outside, inside = [], []
    for row in rows:
        cut = _within(row, start, end) if row.charge_class == charge_class else []
        inside += cut
        outside += [*_within(row, ALWAYS_FROM, start), *_within(row, end, ALWAYS_TO)] if cut else [row]
    return outside, inside


def _context(book: Book, override: Override, target: Entry) -> list[PriceRow]:
    """The rows of the override's context; a context the model did not have starts as its standard prices."""
    key = (target.provider, target.model, override.is_batch, override.service_tier)
    rows = book.setdefault(key, [])
    if (override.is_batch or override.service_tier) and not any(_within(row, *override.span) for row in rows):
        for row in book.get((target.provider, target.model, False, None), []):
            suffix = (":batch" if override.is_batch else "") + (
                f":tier={override.service_tier}" if override.service_tier else ""
            )
            head = f"{row.provider}/{row.model}:{row.charge_class}"
            price_id = head + suffix + row.price_id.removeprefix(head)
            in_context = replace(row, price_id=price_id, is_batch=override.is_batch, service_tier=override.service_tier)
            rows += _within(in_context, *override.span)
    return rows


def _lay_rates(book: Book, override: Override, target: Entry) -> None:
    rows = _context(book, override, target)
    for charge_class, rate in override.rates.items():
        outside, _ = _cut(rows, charge_class, *override.span)
        rows[:] = [*outside, _seed_row(override, target, charge_class, rate)]


def _seed_row(override: Override, target: Entry, charge_class: str, rate: Decimal) -> PriceRow:
    parts = [f"{target.provider}/{target.model}:{charge_class}"]
    parts += ["batch"] if override.is_batch else []
    parts += [f"tier={override.service_tier}"] if override.service_tier else []
    return PriceRow(
        price_id=":".join([*parts, f"seed={rate:f}"]),
        provider=target.provider,
        model=target.model,
        charge_class=charge_class,
        unit=UNITS[charge_class],
        is_batch=override.is_batch,
        service_tier=override.service_tier,
        tier_from_tokens=0,
        tier_to_tokens=NO_TOKEN_LIMIT,
        from_second_of_day=0,
        to_second_of_day=SECONDS_PER_DAY,
        rate_per_million=rate,
        contracted_rate_per_million=rate,
        currency="USD",
        valid_from=override.valid_from,
        valid_to=override.valid_to,
        origin=ORIGIN,
    )


def _lay_contracted(book: Book, override: Override, target: Entry) -> None:
    rows = _context(book, override, target)
    for charge_class, rate in override.contracted.items():
        outside, inside = _cut(rows, charge_class, *override.span)
        if not inside:
            raise PriceSeedError(
                f"{override.name}: {charge_class} has no list price on these days; give it under `rates`, too"
            )
        # Named after the rate, not after its days: an entry that is cut in two keeps its name on either side.
        agreement = f"contract={rate:f}"
        agreed = [
            replace(row, price_id=f"{row.price_id}:{agreement}", contracted_rate_per_million=rate, origin=ORIGIN)
            for row in inside
        ]
        rows[:] = [*outside, *agreed]
