"""Reference tables: small, replaced whole, and only when their rows differ."""

from __future__ import annotations

import pyarrow as pa

from resources.failpoints import failpoint
from resources.store import Store
from resources.table_store import CommitConflict, Table, arrow_schema
from resources.warehouse import fingerprint


def reference_version(table: Table) -> str:
    """The fingerprint of a reference table's rows as its newest commit recorded it; empty before the first."""
    versions = [c.metadata["version"] for c in table.commits() if "version" in c.metadata]
    return versions[-1] if versions else ""


def made_from(table: Table) -> str | None:
    """What the newest rows of a reference table were made from, as its maker named it."""
    origins = [c.metadata.get("made_from") for c in table.commits()]
    return origins[-1] if origins else None


def replace_reference(store: Store, name: str, rows: pa.Table, origin: str | None = None) -> bool:
    """Make `rows` the whole of a reference table. False, and no commit, where it held the same rows already.

    `origin` names what they were made from, so that a maker can see that nothing changed before it makes them.
    """
    contract = store.contracts[name]
    rows = rows.select([c.name for c in contract.columns]).cast(arrow_schema(contract))
    with store.connection() as con:
        con.register("incoming", rows)
        version, count = fingerprint(con, contract, "select * from incoming")
    while True:
        table = store.open(name)
        failpoint("reference.opened")
        commits = table.commits()
        if commits and reference_version(table) == version and made_from(table) == origin:
            return False
        try:
            table.replace_all(rows.to_reader(), len(commits) + 1, {"version": version, "rows": count, "made_from": origin})
        except CommitConflict:
            continue
        failpoint("reference.committed")
        return True
