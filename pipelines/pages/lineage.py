"""Where each published column comes from: read out of the SQL that computes it, by sqlglot, and never out of prose.

Here belongs the reading. sqlglot sees names and not rows: a column that only decides which rows there are (a filter, a join)
is no origin; those tables are among a table's inputs. Tables that Python computes have inputs (their contract's `reads`) and
no column origins.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp
from sqlglot.lineage import Node, lineage
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import build_scope

from resources.contracts import Contract

DIALECT = "duckdb"
_PARAMETER = re.compile(r"\$(day)\b")
Schema = dict[str, object]
"""Question to table to column to type."""


@dataclass(frozen=True)
class Lineage:
    """Of one table: the tables that it is made from, and of each column that SQL computes its origins, as `table.column`.

    A column without origins is a constant, a count of rows, or the day that is computed. `is_sql` False: Python computes it.
    """

    tables: tuple[str, ...]
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    is_sql: bool = True


def schema_of(promised: Mapping[str, Contract]) -> Schema:
    """The columns of every table, as sqlglot asks for them."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for contract in promised.values():
        found.setdefault(contract.question, {})[contract.table] = {c.name: c.type for c in contract.columns}
    return dict(found)


def lineage_of(contract: Contract, promised: Mapping[str, Contract], schema: Schema) -> Lineage:
    """Where a table's columns come from. Raises SqlglotError for SQL that cannot be read."""
    read = tuple(name for name in contract.reads if name in promised)
    if not contract.is_sql or contract.kind not in ("derived", "view"):
        return Lineage(read, is_sql=False)
    # A warning about each function that is ours, a macro, tells nothing.
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    tree = sqlglot.parse_one(_PARAMETER.sub(r"cast('2000-01-01' as date)", contract.sql), read=DIALECT)
    qualified = qualify(
        tree, schema=schema, dialect=DIALECT, validate_qualify_columns=False, quote_identifiers=False, identify=False
    )
    tables = sorted({name for t in tree.find_all(exp.Table) if (name := f"{t.db}.{t.name}") in promised})
    # All columns at once, of a tree that is qualified once: one by one, they would take minutes.
    nodes = lineage(None, qualified, schema, dialect=DIALECT, scope=build_scope(qualified), trim_selects=False, copy=False)
    columns = {c.name: _origins(nodes.get(c.name), promised) for c in contract.columns if c.name != "day"}
    return Lineage(tuple(dict.fromkeys([*tables, *read])), columns)


def _origins(node: Node | None, promised: Mapping[str, Contract]) -> tuple[str, ...]:
    leaves = _leaves(node) if node else []
    return tuple(sorted({name for leaf in leaves if (name := _stored(leaf, promised))}))


def _leaves(node: Node) -> list[Node]:
    """The ends of a column's graph, each once."""
    ends, waiting, seen = [], [node], set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        waiting += one.downstream
        if not one.downstream:
            ends.append(one)
    return ends


def _stored(leaf: Node, promised: Mapping[str, Contract]) -> str | None:
    """The `question.table.column` of an end that is a stored column."""
    if not isinstance(leaf.expression, exp.Table):
        return None
    table = f"{leaf.expression.db}.{leaf.expression.name}"
    return f"{table}.{leaf.name.rsplit('.', 1)[-1]}" if table in promised else None
