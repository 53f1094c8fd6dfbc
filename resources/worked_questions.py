"""Worked answers: questions in words, each with its SQL, from warehouse/queries."""

from __future__ import annotations

import re

from resources.contracts import REPO

QUERIES = REPO / "warehouse" / "queries"


def worked_questions(question: str) -> list[tuple[str, str]]:
    """(question in words, SQL) of each worked answer in warehouse/queries/<question>.sql."""
    path = QUERIES / f"{question}.sql"
    if not path.exists():
        return []
    blocks = re.split(r"^-- (.+\?)\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return list(zip(blocks[1::2], (sql.strip() for sql in blocks[2::2]), strict=True))
