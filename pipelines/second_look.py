"""A second look for personal data and secrets, before words leave the tables they were landed in.

Landing redacts by the rules of its day. Here belongs the same by today's rules, and also for the kinds that landing leaves
in texts: what becomes a case, a dataset or anything else that people and programs take along has none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from resources import capture
from resources.redaction import Redactor
from resources.redaction_seed import load as redaction_rules
from resources.store import Store


def are_clean(store: Store, seeds: Path, texts: Sequence[str]) -> list[bool]:
    """Whether nothing is found in each text. Raises CaptureError, RedactionError for a faulty seed."""
    if not texts:
        return []
    rules = replace(redaction_rules(seeds / "redaction.yml"), leave=frozenset())
    with store.connection() as con:
        redactor = Redactor(con, ner=capture.load(seeds / capture.CAPTURE_FILE.name).ner, rules=rules)
        clean: list[bool] = redactor.is_clean(pa.array(texts, pa.string())).to_pylist()
    return clean
