"""`make docs`: warehouse/README.md, the analysts' guide, from the contracts and the worked questions."""

from __future__ import annotations

import re
from pathlib import Path

from resources.contracts import Contract, contracts

WAREHOUSE = Path(__file__).resolve().parent.parent / "warehouse"
INTRODUCTION = """# The warehouse, for analysts

`warehouse/data/warehouse.duckdb` is one consistent snapshot of every table, replaced whole by each publish. Open it
read-only, from DuckDB 1.2 on; an open session keeps its snapshot until it connects again.

```
duckdb -readonly warehouse/data/warehouse.duckdb          # the command line
```
```python
import duckdb
con = duckdb.connect("warehouse/data/warehouse.duckdb", read_only=True)
con.sql("select * from cost.cost_daily limit 5")
```

- Times are UTC, shown as TIMESTAMP; a day is a UTC day. `where day = ...` reads only that day's files.
- Money is DECIMAL in USD. NULL means not measured, or not priced; it never means zero.
- User, conversation and API-key ids are pseudonyms; tenants are shown by name where declared.
- `governance.freshness` says how each day stands; `logs.restatements` what changed after it was published.
- The file holds views over Parquet files with absolute paths. A snapshot older than the retention (7 days) may be gone.

*This page is made by `make docs` from `warehouse/contracts` and `warehouse/queries`; edit those.*
"""


def worked_questions(question: str) -> list[tuple[str, str]]:
    """(question in words, SQL) of each worked answer in warehouse/queries/<question>.sql."""
    path = WAREHOUSE / "queries" / f"{question}.sql"
    if not path.exists():
        return []
    blocks = re.split(r"^-- (.+\?)\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return list(zip(blocks[1::2], (sql.strip() for sql in blocks[2::2]), strict=True))


def guide(promised: dict[str, Contract]) -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for question in dict.fromkeys(c.question for c in promised.values()):
        tables = sorted((c for c in promised.values() if c.question == question), key=lambda c: c.table)
        parts.append(f"\n## `{question}`\n")
        parts += [f"- [`{c.name}`](#{c.question}{c.table}): {c.row}" for c in tables]
        for words, sql in worked_questions(question):
            parts.append(f"\n**{words}**\n\n```sql\n{sql}\n```")
        parts += [_table(contract) for contract in tables]
    return "\n".join(parts) + "\n"


def _table(contract: Contract) -> str:
    lines = [f"\n### {contract.name}\n", contract.row]
    if contract.caveats:
        lines.append(f"\n{contract.caveats.strip()}")
    facts = [f"kind: {contract.kind}"]
    if contract.key:
        facts.append(f"key: {', '.join(contract.key)}")
    if contract.reads:
        facts.append(f"from: {', '.join(contract.reads)}")
    lines += ["", "; ".join(facts), "", "| column | type | unit | meaning |", "|---|---|---|---|"]
    for column in contract.columns:
        values = f". One of: {', '.join(column.values)}" if column.values else ""
        kind = "TIMESTAMP" if column.type == "TIMESTAMPTZ" else column.type
        lines.append(f"| {column.name} | {kind} | {column.unit or ''} | {column.meaning}{values} |".replace("\\|", "|"))
    return "\n".join(lines)


def main() -> None:
    """Write the page."""
    (WAREHOUSE / "README.md").write_text(guide(contracts()), encoding="utf-8")


if __name__ == "__main__":
    main()
