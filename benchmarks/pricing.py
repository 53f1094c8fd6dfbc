"""Pricing requests in SQL, beside the price library's own calculator.

    python -m benchmarks.pricing [--requests 200000] [--write]

Ours: sql/cost/charges.sql over one day of random requests of models from the catalogue, charge by charge, on one thread.
Baseline: `genai_prices.calc_price`, a call a request, on a sample of the same requests. CPU seconds, in the same run.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import time
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
from genai_prices import Usage, calc_price
from genai_prices.data import providers

from assets.cost.price_catalogue import price_tables
from assets.cost.price_rows import INPUT_CLASSES, TOKEN_CLASSES
from resources.contracts import contracts
from resources.table_store import arrow_schema
from resources.warehouse import connect, load_macros, parameters_of

REPO = Path(__file__).resolve().parent.parent
DAY = datetime(2026, 11, 1, tzinfo=UTC)
SOLD_BY = ("openai", "anthropic", "google")
SAMPLE = 5_000
RUNS = 3
"""Of the SELECT: the fastest counts, as memory is new to the first."""
USED = ("uncached_input", "cache_read", "output", "reasoning")


def made_up(number: int, models: list[tuple[str, str]], draw: random.Random) -> dict[str, Any]:
    """A random request of that day."""
    provider, model = draw.choice(models)
    tokens = {f"{name}_tokens": int(10 ** draw.uniform(0, 4)) if name in USED else None for name in TOKEN_CLASSES}
    return {
        "request_id": f"r{number}", "day": DAY.date(), "ts": DAY + timedelta(seconds=draw.randrange(86_400)),
        "provider": provider, "model": model, "is_batch": draw.random() < 0.05,
        "input_tokens": sum(tokens[f"{name}_tokens"] or 0 for name in INPUT_CLASSES), **tokens,
    }  # fmt: skip


def in_sql(requests: list[dict[str, Any]]) -> tuple[float, int]:
    """(CPU seconds, charge rows) of a day."""
    promised = contracts()
    con = connect(threads=1)
    load_macros(con)
    con.register("given_requests", pa.Table.from_pylist(requests, schema=arrow_schema(promised["logs.requests"])))
    prices, rules = price_tables()
    con.register("given_prices", prices)
    con.register("given_rules", rules)
    for schema in ("logs", "cost"):
        con.execute(f"create schema {schema}")
    given_as = {"logs.requests": "given_requests", "cost.prices": "given_prices", "cost.price_models": "given_rules"}
    for name, given in given_as.items():
        con.execute(f"create table {name} as select * from {given}")
    sql = promised["cost.charges"].sql_path.read_text(encoding="utf-8").rstrip().rstrip(";")
    spent = float("inf")
    for _ in range(RUNS):
        started = time.process_time()
        con.execute(f"create or replace table cost.charges as {sql}", parameters_of(sql, {"day": DAY.date()}))
        spent = min(spent, time.process_time() - started)
    ((charges,),) = con.execute("select count(*) from cost.charges where state = 'priced'").fetchall()
    con.close()
    return spent, int(charges)


def one_by_one(requests: list[dict[str, Any]]) -> float:
    """CPU seconds of a call a request."""
    started = time.process_time()
    for request in requests:
        calc_price(
            Usage(
                input_tokens=request["input_tokens"], cache_read_tokens=request["cache_read_tokens"],
                output_tokens=request["output_tokens"] + request["reasoning_tokens"],
                output_reasoning_tokens=request["reasoning_tokens"],
            ),
            request["model"], provider_id=request["provider"], genai_request_timestamp=request["ts"],
            price_context={"processing": "batch"} if request["is_batch"] else None,
        )  # fmt: skip
    return time.process_time() - started


def main() -> None:
    """Make the requests, price them twice, print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    draw = random.Random(3)
    models = [(p.id, m.id) for p in providers if p.id in SOLD_BY for m in p.models if p.find_model(m.id) is m]
    requests = [made_up(number, models, draw) for number in range(options.requests)]
    spent, charges = in_sql(requests)
    sampled = requests[:SAMPLE]
    called = one_by_one(sampled)
    ours, theirs = options.requests / spent, len(sampled) / called
    text = "\n".join(
        [
            "# Pricing requests",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({platform.machine()}), "
            f"Python {platform.python_version()}, duckdb {version('duckdb')}, genai-prices {version('genai-prices')}.",
            f"{options.requests:,} requests of {len(models)} models, {charges:,} priced charges. "
            f"Command: `python -m benchmarks.pricing --requests {options.requests}`",
            "",
            "| | requests per CPU second | charges per CPU second |",
            "|---|---:|---:|",
            f"| `sql/cost/charges.sql` | {ours:,.0f} | {charges / spent:,.0f} |",
            f"| `calc_price`, a call a request ({len(sampled):,}) | {theirs:,.0f} | |",
            "",
            f"**{charges / spent / theirs:.0f} × by charge, {ours / theirs:.0f} × by request.** A call gives one total of a "
            "request; the SELECT gives each class of tokens a row, with its rate, both amounts, and the reason where it has "
            "none.",
            "",
        ]
    )
    print(text)
    if options.write:
        (REPO / "benchmarks" / "results" / "pricing.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
