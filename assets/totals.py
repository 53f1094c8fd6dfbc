"""What a day adds up to, as the UI shows it: the largest groups as a table, the totals as numbers that it plots over time.

Made of the measures that the commit of the day recorded (`measures` of the contract): nothing is read again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal

from resources.contracts import Contract

LARGEST = 10
CURRENCY = "billed_currency"
NO_VALUE = "–"

Groups = Mapping[str, Mapping[str, str]]
"""{values of `measures.by` with | between them: {column: total as text}}, as resources/warehouse.py measures."""


def totals(contract: Contract, groups: Groups) -> dict[str, Decimal]:
    """{column: its sum over all groups}; of money a sum for each currency, `list_amount_usd`. Unmeasured: left out."""
    currency = contract.measures.by.index(CURRENCY) if CURRENCY in contract.measures.by else None
    found: dict[str, Decimal] = defaultdict(Decimal)
    for group, sums in groups.items():
        of = "" if currency is None else f"_{group.split('|')[currency].lower() or 'no_currency'}"
        for column in contract.measures.columns:
            if column in sums:
                found[f"{column}{of}"] += Decimal(sums[column])
    return dict(found)


def largest(contract: Contract, groups: Groups) -> str:
    """A Markdown table of the groups that are largest by the last column of `measures`; those without it come last."""
    by, columns = contract.measures.by, contract.measures.columns
    ranked = sorted(groups.items(), key=lambda item: (-Decimal(item[1].get(columns[-1], "-1")), item[0]))
    lines = [
        " | ".join(
            [*(_as_it_stands(part) for part in group.split("|")[: len(by)]),
             *(f"{Decimal(sums[c]):,.12g}" if c in sums else NO_VALUE for c in columns)]
        )
        for group, sums in ranked[:LARGEST]
    ]  # fmt: skip
    heading = f"| {' | '.join((*by, *columns))} |\n|{'---|' * (len(by) + len(columns))}\n"
    more = f"\n\nthe largest {LARGEST} of {len(ranked)}" if len(ranked) > LARGEST else ""
    return heading + "\n".join(f"| {line} |" for line in lines) + more


def _as_it_stands(value: str) -> str:
    """A logged value in Markdown: a name of a model is no picture and no link."""
    words = " ".join(value.replace("`", "'").split())
    return f"`{words}`" if words else NO_VALUE
