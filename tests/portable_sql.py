"""The lint behind tests/test_portable_sql.py: SQL that means the same on DuckDB and on a Spark-compatible engine.

It reads text, not syntax trees: each rule is a pattern over SQL without comments and string literals. What patterns
cannot see (a double cast to an integer, a NULL handed to a function) is compared by running both engines.
"""

from __future__ import annotations

import re

from resources.warehouse import strip_comments

RULES: dict[str, tuple[str, str]] = {
    # name: (pattern, what to write instead)
    "qualify": (r"\bqualify\b", "filter on row_number() in a subquery"),
    "distinct on": (r"\bdistinct\s+on\b", "filter on row_number() in a subquery"),
    "by all": (r"\b(group|order)\s+by\s+all\b", "name the columns"),
    "columns()": (r"\bcolumns\s*\(", "name the columns"),
    "star exclude / replace": (r"\*\s*(exclude|except|replace|rename)\b", "name the columns"),
    "asof": (r"\basof\b", "join on valid_from <= ts and ts < valid_to"),
    "pivot": (r"\b(un)?pivot\b", "sum(case when ... end)"),
    "varchar": (r"\bvarchar\b", "string"),
    "from first": (r"(?:^|\()\s*from\b", "begin with select"),
    "double colon": (r"::", "cast(x as type)"),
    "quantile_cont": (r"\bquantile\w*\s*\(", "percentile_cont(p) within group (order by x)"),
    "list functions": (r"\b(list|array)_\w+\s*\(|\blen\s*\(", "a macro in sql/_macros"),
    "list or struct literal": (r"[\[{]", "a values list, or a macro in sql/_macros"),
    "double unnest": (r"\bunnest\b.*\bunnest\b", "one unnest, then another in an outer query"),
    "regular expression": (
        r"\bregexp_(matches|full_match|extract|extract_all|replace)\s*\(",
        "regexp_like, or a macro in sql/_macros",
    ),
    "day of week": (r"\b(dayofweek|weekday|isodow|dow|dayname)\b", "a calendar table"),
    "date difference": (r"\b(datediff|date_diff|age)\s*\(", "compare with date + interval"),
    "date - date": (
        r"\b(\w*day|\w*date)\)?\s*-\s*(?!\s*interval\b)(?=[a-z(])",
        "compare with date + interval",
    ),
    "concat": (r"\bconcat\s*\(", "||, and say what a NULL becomes"),
    "division": (r"/(?!\s*(nullif\s*\(|\d))", "divide by nullif(x, 0)"),
    "approximate": (r"\bapprox_\w+", "an exact aggregate"),
    "sum of a boolean": (
        r"\bsum\s*\(\s*((\w+\.)?(is|has)_\w+\s*\)|(?!case\b)[^()]*[<>=])",
        "sum(case when ... then 1 else 0 end) or count_if",
    ),
    "hash": (r"\bhash\s*\(", "md5 or sha256: hash() collides"),
    "clock": (r"\b(now\s*\(|current_(date|time|timestamp)\b|today\s*\()", "$day: a query does not know what time it is"),
    "engine's time functions": (r"\b(strftime|strptime|epoch\w*|make_timestamp\w*)\s*\(", "a macro in sql/_macros"),
    "parameter": (r"\$(?!day\b)|\?", "$day is the only parameter"),
}
FIRST_LINE = re.compile(r"-- One [A-Za-z].*\.\n")


def faults(sql: str) -> dict[str, str]:
    """What in a SELECT is not portable: {rule: what to write instead}."""
    bare = re.sub(r"'(?:[^']|'')*'", "''", strip_comments(sql)).lower()
    found = {name: instead for name, (pattern, instead) in RULES.items() if re.search(pattern, bare, flags=re.S)}
    if not FIRST_LINE.match(sql):
        found["first line"] = "begin with `-- One row per ...`: a comment that says what a row is, and ends in a full stop"
    if ";" in bare.rstrip().rstrip(";"):
        found["one statement"] = "a table is one SELECT"
    if "$day" in "".join(re.findall(r"'(?:[^']|'')*'", strip_comments(sql))):
        found["pasted parameter"] = "cast($day as date), not '$day'"
    if any(not _says_nulls(item) for item in _ascending(bare)):
        found["null order"] = "nulls first or nulls last after an ascending column: engines differ"
    return found


def _ascending(bare: str) -> list[str]:
    """The items of every ORDER BY that do not say desc (for those, engines agree: NULL comes last)."""
    items = []
    for match in re.finditer(r"\border by\b", bare):
        depth, item, rest = 0, "", bare[match.end() :]
        for sign in rest + ")":
            depth += (sign == "(") - (sign == ")")
            if depth < 0 or (sign == "," and depth == 0):
                items.append(item.strip())
                item = ""
                if depth < 0:
                    break
            else:
                item += sign
    items = [re.split(r"\b(?:rows|range|limit)\b", item)[0].strip() for item in items]
    return [item for item in items if not re.search(r"\bdesc\b", item)]


def _says_nulls(item: str) -> bool:
    # A case with an else is a rank that somebody spelt out.
    return bool(re.search(r"\bnulls (first|last)$", item) or re.fullmatch(r"case .* else .* end", item))
