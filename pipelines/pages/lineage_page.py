"""docs/lineage.md: for each published column, from which columns it comes; and the tables of each question as a drawing."""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.pages.lineage import Lineage, lineage_of, schema_of
from resources.contracts import REPO, Contract

PAGE = REPO / "docs" / "lineage.md"
INTRODUCTION = """# Where each column comes from

Of every table and view of the warehouse: the tables that it is made from, and of each column that SQL computes the
columns that it is made from. What each column means stands in [warehouse/README.md](../warehouse/README.md).

- Only columns whose values go into a column count. A column that decides which rows there are (a filter, the key of a join)
  is no origin of others; its table is among those named.
- *made here*: a constant, a count of rows, or a value of the day.
- Tables that Python computes, ledgers and facts that are appended have inputs at most; their code is named.

*This page is made by `make docs` from the contracts and the SQL; edit those.*
"""


def lineage_page(promised: Mapping[str, Contract]) -> str:
    """The whole page."""
    schema = schema_of(promised)
    found = {name: lineage_of(contract, promised, schema) for name, contract in promised.items()}
    parts = [INTRODUCTION]
    for question in dict.fromkeys(contract.question for contract in promised.values()):
        own = {name: found[name] for name in sorted(found) if promised[name].question == question}
        parts += [f"\n## {question}\n", _drawing(own)]
        parts += [_table(promised[name], lineage) for name, lineage in own.items()]
    return "\n".join(parts) + "\n"


def _drawing(own: Mapping[str, Lineage]) -> str:
    """The tables of a question and what they are made from, left to right; those of other questions have round corners."""
    edges = [(read, name) for name, lineage in own.items() for read in lineage.tables]
    nodes = dict.fromkeys([*own, *(read for read, _ in edges)])
    lines = ["```mermaid", "flowchart LR"]
    lines += [f'  {_id(name)}["{name}"]' if name in own else f'  {_id(name)}("{name}")' for name in nodes]
    lines += [f"  {_id(read)} --> {_id(name)}" for read, name in edges]
    return "\n".join([*lines, "```"])


def _id(name: str) -> str:
    return name.replace(".", "_")


def _table(contract: Contract, lineage: Lineage) -> str:
    inputs = ", ".join(f"`{table}`" for table in lineage.tables)
    lines = [f"\n### {contract.name}\n", f"{contract.kind}; from {inputs or 'nothing else'}"]
    if not lineage.is_sql:
        python = REPO / "assets" / contract.question / f"{contract.table}.py"
        if contract.kind == "derived":
            lines[-1] += f"; computed by [{python.relative_to(REPO)}](../{python.relative_to(REPO)})"
        return "\n".join(lines)
    kept: dict[str, list[str]] = {}
    made: list[str] = []
    for column, origins in lineage.columns.items():
        table, _, name = origins[0].rpartition(".") if len(origins) == 1 else ("", "", "")
        if name == column:
            kept.setdefault(table, []).append(f"`{column}`")
        else:
            made.append(f"| `{column}` | {_by_table(origins)} |")
    lines += [f"\nOf `{table}`, under the same name: {', '.join(columns)}" for table, columns in kept.items()]
    if made:
        lines += ["\n| column | from |", "|---|---|", *made]
    return "\n".join(lines)


def _by_table(origins: tuple[str, ...]) -> str:
    if not origins:
        return "*made here*"
    tables: dict[str, list[str]] = {}
    for origin in origins:
        table, _, column = origin.rpartition(".")
        tables.setdefault(table, []).append(column)
    return "; ".join(f"`{table}`: {', '.join(columns)}" for table, columns in tables.items())
