"""Where a table is promised, computed and explained: the files that the UI links beside it.

Here belongs which page speaks of which question. Rows of tables are in no file of this kind.
"""

from __future__ import annotations

from pathlib import Path

from resources.contracts import CONTRACTS, REPO, Contract

GUIDES = {
    "logs": ("docs/landing.md",),
    "cost": ("warehouse/README.md",),
    "service": ("docs/service-levels.md", "docs/alerts.md", "docs/runbooks/README.md"),
    "drift": ("docs/drift.md", "docs/runbooks/README.md"),
    "quality": ("docs/quality.md", "docs/safety.md", "docs/runbooks/README.md"),
    "retrieval": ("docs/retrieval.md", "docs/knowledge.md"),
    "tuning": ("docs/tuning.md", "docs/training.md", "docs/registry.md"),
    "release": ("docs/releases.md", "docs/evaluations.md"),
    "governance": ("docs/days.md", "docs/retention.md"),
}


def files_of(contract: Contract) -> dict[str, Path]:
    """{what it is: path} of a table's contract, of what computes it, and of the pages about its question."""
    found = {"contract": CONTRACTS / contract.question / f"{contract.table}.yml"}
    python = REPO / "assets" / contract.question / f"{contract.table}.py"
    if contract.sql_parts:
        found |= {f"SQL of {path.stem}": path for path in contract.sql_parts}
    elif contract.is_sql:
        found["SQL"] = contract.sql_path
    elif python.exists():
        found["Python"] = python
    return found | {page.rsplit("/", 1)[-1]: REPO / page for page in GUIDES[contract.question]}
