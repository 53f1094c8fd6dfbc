"""The baseline of benchmarks/nightly.py: what a script would do.

Same files, same SELECTs, same prices; none of the promises.

Reads `<root>/landing`, takes the price book from the warehouse in `<root>/data`, writes Parquet by day to `<root>/bare`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

from resources.contracts import contracts
from resources.sources import source_columns
from resources.warehouse import MACROS, literal, parameters_of


def main(root: Path) -> None:
    """One connection, one pass."""
    promised = contracts()
    landed = promised["logs.landed"]
    con = duckdb.connect()
    con.execute("set timezone = 'UTC'")
    con.execute(MACROS.read_text(encoding="utf-8"))
    for question in ("logs", "cost"):
        con.execute(f"create schema {question}")
    texts = source_columns(landed)
    shapes = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in texts)
    typed = ", ".join(
        f"try_cast({name} as {column.type}) as {column.name}"
        for name, column in texts.items()
        if column.name != "record_kind"
    )
    con.execute(
        f"""create table logs.landed as
        select {typed}, md5(concat_ws('|', {', '.join(texts)})) as record_digest,
            'request' as record_kind, cast(try_cast(ts as timestamptz) as date) as day, filename as file_id,
            row_number() over () as record_number, 'gateway' as source, timestamptz '2026-11-01 00:00:00+00' as arrived_at
        from read_json({literal(str(root / "landing" / "*" / "*" / "*.gz"))}, format = 'newline_delimited',
            ignore_errors = true, columns = {{{shapes}}}, filename = true)"""
    )
    con.execute("delete from logs.landed where day is null")
    con.execute("create table logs.tenants (tenant_token varchar, tenant varchar)")
    con.execute(f"attach {literal(str((root / 'data' / 'warehouse.duckdb').resolve()))} as warehouse (read_only)")
    for name in ("prices", "price_models"):
        con.execute(f"create table cost.{name} as select * from warehouse.cost.{name}")
    days = [row[0] for row in con.execute("select distinct day from logs.landed order by day").fetchall()]
    for contract in promised.values():
        if contract.kind != "derived":
            continue
        sql = contract.sql.rstrip().rstrip(";")
        con.execute(
            f"create table {contract.name} as select * from ({sql}) limit 0", parameters_of(sql, {"day": "2026-01-01"})
        )
        for day in days:
            con.execute(f"insert into {contract.name} {sql}", parameters_of(sql, {"day": day.isoformat()}))
        target = root / "bare" / contract.question / contract.table
        target.mkdir(parents=True)
        con.execute(f"copy {contract.name} to {literal(str(target))} (format parquet, compression zstd, partition_by (day))")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
