"""`make docs`: the pages that are made from what they speak of.

warehouse/README.md, the analysts' guide, from the contracts and the worked questions; docs/formats/differences.md from the
list that tests/unit/test_format_parity.py holds; docs/panels.md from the first comments of the panels.
"""

from __future__ import annotations

import yaml

from apps.pages.panels import panels
from resources.contracts import REPO, Contract, contracts
from resources.worked_questions import worked_questions

WAREHOUSE = REPO / "warehouse"
DIFFERENCES = REPO / "docs" / "formats" / "differences.md"
PANELS = REPO / "docs" / "panels.md"
Ways = dict[str, dict[str, str]]
"""How columns differ, and each column's reason; without one where the log just does not have it."""
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

DIFFERENCES_INTRODUCTION = """# One call in several formats

The same invented calls, written in each format after its tool's documentation, land as the rows that the canonical log lands
as, column by column and word by word, but for what stands here. A column that is not named is the same. Another log of the
same format may say more: what is read of it stands on the page of its format. What a log does not say is NULL; where two
speak *otherwise*, do not compare their sources in that column.

- **not said**: the log does not have it
- **not always said**: the log lacks it in some records
- **said here only**: the log has it where the canonical one is silent
- **otherwise**: both say something, and not the same

*This page is made by `make docs` from `tests/fixtures/formats/differences.yml`, which the tests hold to what is there.*"""


PAGES = {"executive": "Executive", "on_call": "On call", "debug": "Debug", "request": "One request"}
PANELS_INTRODUCTION = """# What each panel means

The pages of `make pages` ([pages.md](pages.md)), panel by panel. `$day` is the newest day with requests, `$days` the time
that is chosen.

*This page is made by `make docs` from `apps/pages/sql`; edit those.*"""


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


def known_differences() -> dict[str, dict[str, str | Ways]]:
    """By log and kind of record: how its columns differ from the canonical log's; a text where it has no such records."""
    path = REPO / "tests" / "fixtures" / "formats" / "differences.yml"
    told: dict[str, dict[str, str | Ways]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    for kinds in told.values():
        for ways in kinds.values():
            if not isinstance(ways, str) and isinstance(ways.get("not said"), list):
                ways["not said"] = dict.fromkeys(ways["not said"], "not said")
    return told


def differences_page(known: dict[str, dict[str, str | Ways]]) -> str:
    """The whole page."""
    parts = [DIFFERENCES_INTRODUCTION]
    for log, kinds in known.items():
        parts += [f"\n## {log}\n", "| record | how | column |", "|---|---|---|"]
        for kind, ways in kinds.items():
            if isinstance(ways, str):
                parts.append(f"| `{kind}` | {ways} | every one |")
                continue
            for way, columns in ways.items():
                for why in dict.fromkeys(columns.values()):
                    names = ", ".join(f"`{column}`" for column, reason in columns.items() if reason == why)
                    reason = "" if why == way else f": {why}"
                    parts.append(f"| `{kind}` | {way.replace('other', 'otherwise')} | {names}{reason} |")
    return "\n".join(parts) + "\n"


def panels_page() -> str:
    """Every panel of the pages and what it means."""
    parts = [PANELS_INTRODUCTION]
    for page, title in PAGES.items():
        parts.append(f"\n## {title}\n")
        for panel in panels(page):
            unit = "" if panel.unit == "facts" else f" ({panel.unit})"
            source = f"[SQL](../{panel.path.relative_to(REPO).as_posix()})"
            parts.append(f"- **{panel.title}**{unit}: {panel.meaning} {source}")
    return "\n".join(parts) + "\n"


def main() -> None:
    """Write the pages."""
    # One reads all SQL with a parser that only development installs.
    from pipelines.pages import configuration_page, lineage_page

    configuration_page.PAGE.write_text(configuration_page.configuration(), encoding="utf-8")
    lineage_page.PAGE.write_text(lineage_page.lineage_page(contracts()), encoding="utf-8")
    PANELS.write_text(panels_page(), encoding="utf-8")
    (WAREHOUSE / "README.md").write_text(guide(contracts()), encoding="utf-8")
    DIFFERENCES.write_text(differences_page(known_differences()), encoding="utf-8")


if __name__ == "__main__":
    main()
