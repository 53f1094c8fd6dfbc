"""governance.audit: a hash-chained list of acts.

Racing appends are refused by the table and tried again behind the winner."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pyarrow as pa

from resources.failpoints import failpoint
from resources.store import Store
from resources.stored_rows import stored_rows
from resources.table_store import CommitConflict, arrow_schema

AUDIT = "governance.audit"
GENESIS = "0" * 64


def chain_digest(prev_digest: str, row: Mapping[str, Any]) -> str:
    """SHA-256 over the previous digest and the row's facts, as canonical JSON."""
    facts = {key: row[key] for key in ("seq", "recorded_at", "action", "subject", "actor", "details")}
    facts["recorded_at"] = facts["recorded_at"].astimezone(UTC).isoformat()
    return sha256((prev_digest + json.dumps(facts, sort_keys=True)).encode()).hexdigest()


def entries(store: Store) -> list[dict[str, Any]]:
    """The whole chain as it is stored, oldest first."""
    contract = store.contracts[AUDIT]
    names = [c.name for c in contract.columns]
    rows = store.rows(f"select {', '.join(names)} from ({store.scan_all(AUDIT)}) order by seq")
    return [dict(zip(names, row, strict=True)) for row in rows]


def is_recorded(store: Store, action: str, subject: str) -> bool:
    """Whether an act was recorded for a subject."""
    return any(e["action"] == action and e["subject"] == subject for e in stored_rows(store, AUDIT, ("seq",)))


def append(
    store: Store, action: str, subject: str, details: Mapping[str, Any], now: datetime, actor: str = "nocturne"
) -> bool:
    """Record an act once: an act already recorded for this subject is left alone. True if it was recorded now."""
    return append_all(store, action, {subject: details}, now, actor) == 1


def append_all(
    store: Store, action: str, subjects: Mapping[str, Mapping[str, Any]], now: datetime, actor: str = "nocturne"
) -> int:
    """Record an act on each of some subjects (with details) once, in one commit. The number recorded now."""
    contract = store.contracts[AUDIT]
    while True:
        table = store.open(AUDIT)
        chain = stored_rows(store, AUDIT, ("seq",))
        recorded = {e["subject"] for e in chain if e["action"] == action}
        seq, digest = (chain[-1]["seq"], chain[-1]["digest"]) if chain else (0, GENESIS)
        rows: list[dict[str, Any]] = []
        for subject, details in subjects.items():
            if subject in recorded:
                continue
            row = {
                "day": now.date(),
                "seq": seq + 1,
                "recorded_at": now.astimezone(UTC),
                "action": action,
                "subject": subject,
                "actor": actor,
                "details": json.dumps(dict(details), sort_keys=True),
                "prev_digest": digest,
            }
            seq, digest = seq + 1, chain_digest(digest, row)
            rows.append(row | {"digest": digest})
        if not rows:
            return 0
        content = pa.Table.from_pylist(rows, schema=arrow_schema(contract)).to_reader()
        try:
            if table.append_numbered("audit", seq, content, {"audit": seq}):
                failpoint("audit.appended")
                return len(rows)
        except CommitConflict:
            continue


def broken_link(chain: list[dict[str, Any]]) -> int | None:
    """The seq of the first row that does not follow from the one before it; None where the chain is whole."""
    previous = GENESIS
    for expected, row in enumerate(chain, start=1):
        if row["seq"] != expected or row["prev_digest"] != previous or chain_digest(previous, row) != row["digest"]:
            return int(row["seq"])
        previous = row["digest"]
    return None
