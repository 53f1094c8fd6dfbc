"""The SQL of every table keeps to what DuckDB and Spark-compatible engines share; sql/sources is DuckDB's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from portable_sql import RULES, faults

from resources.contracts import SQL, contracts

FILES = sorted(path for path in SQL.rglob("*.sql") if path.parent.name not in ("_macros", "sources"))
HEAD = "-- One row per day.\n"
BAD = {
    "qualify": "select a from t qualify row_number() over (order by a desc) = 1",
    "distinct on": "select distinct on (a) a, b from t",
    "by all": "select a, sum(b) from t group by all",
    "columns()": "select min(columns(*)) from t",
    "star exclude / replace": "select * exclude (a) from t",
    "asof": "select t.a from t asof join u on t.ts >= u.ts",
    "pivot": "pivot t on a using sum(b)",
    "varchar": "select cast(a as varchar) as a from t",
    "from first": "select a from (from t)",
    "double colon": "select a::date from t",
    "quantile_cont": "select quantile_cont(a, 0.5) from t",
    "list functions": "select list_sum(a) from t",
    "list or struct literal": "select a from t where b in [1, 2]",
    "double unnest": "select unnest(a), unnest(b) from t",
    "regular expression": "select regexp_replace(a, 'x', 'y') from t",
    "day of week": "select extract(dow from day) from t",
    "date difference": "select datediff('day', a, b) from t",
    "date - date": "select t.day - u.first_day from t",
    "concat": "select concat(a, b) from t",
    "division": "select a / b from t",
    "approximate": "select approx_count_distinct(a) from t",
    "sum of a boolean": "select sum(is_success) from t",
    "hash": "select hash(a) from t",
    "clock": "select a from t where ts < now()",
    "engine's time functions": "select strftime(ts, '%H') from t",
    "parameter": "select a from t where b = $limit",
    "one statement": "select 1; select 2",
    "pasted parameter": "select a from t where day = '$day'",
    "null order": "select a, row_number() over (partition by b order by c desc, a) from t",
}
MORE_BAD = [
    ("date - date", "select cast(a as date) - cast(b as date) from t"),
    ("sum of a boolean", "select sum(state = 'priced') from t"),
    ("list functions", "select len(a) from t"),
    ("parameter", "select a from t where b = ?"),
]
GOOD = [
    "select a, row_number() over (partition by b order by case when c then 1 else 0 end, d desc, e nulls last) from t",
    "select sum(case when a >= b then 1 else 0 end) / nullif(count(*), 0), a / 2 from t",
    "select cast(day - interval '1' day as date) from t where day = cast($day as date) -- not day - day; or a::b",
    "select a -- a tenant's own; not b::c, and that's all\nfrom t where b = 'x'",
    "select 'a::b [x] qualify; hash(' from t",
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SQL).with_suffix("")))
def test_the_sql_of_a_table_is_portable(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8")) == {}


@pytest.mark.parametrize(("rule", "sql"), [*BAD.items(), *MORE_BAD])
def test_each_rule_can_fail(rule: str, sql: str) -> None:
    assert rule in faults(HEAD + sql)


@pytest.mark.parametrize("sql", GOOD)
def test_what_both_engines_share_passes(sql: str) -> None:
    assert faults(HEAD + sql) == {}


def test_no_rule_is_without_a_bad_example() -> None:
    assert RULES.keys() <= BAD.keys()


@pytest.mark.parametrize("head", ["", "-- Charges.\n", "-- One row per day\n", "\n-- One row per day.\n"])
def test_the_first_line_says_what_a_row_is(head: str) -> None:
    assert "first line" in faults(head + "select a from t")


def test_a_view_has_no_day_parameter_and_a_table_by_day_has_one() -> None:
    """A view is part of the published file, where nothing binds a parameter; a day that ignores $day reads a window."""
    for contract in contracts().values():
        if contract.kind in ("derived", "view") and contract.is_sql:
            has_day = "$day" in contract.sql
            assert has_day == (contract.kind == "derived"), contract.name
