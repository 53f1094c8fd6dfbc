"""Data Docs that stand alone: the pages of Great Expectations without what they load from elsewhere, and a first page.

As they are written, the pages fetch scripts, styles and a logo from six hosts each time somebody opens them, and show
next to nothing without. Here they lose all that, get a style of their own, and a policy that lets no value run as code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from resources.durable import write_atomically

_FOREIGN = re.compile(
    r"<script\b.*?</script>|<link\b[^>]*>|<img\b[^>]*>|<footer\b.*?</footer>", flags=re.DOTALL | re.IGNORECASE
)
_HEAD = """<head>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 1500px; padding: 0 1.5rem; color: #1c2733 }
a { color: #1f5fae } ol.breadcrumb { list-style: none; display: flex; gap: 1rem; padding: 0 } nav { height: auto !important }
.row { display: grid; grid-template-columns: minmax(13rem, 1fr) 5fr; gap: 2rem } .row .row { display: block }
table { border-collapse: collapse; margin: .3rem 0 1rem } td, th { border: 1px solid #d8dee6; padding: .25rem .6rem }
th { text-align: left; background: #f2f5f8 } td { vertical-align: top } table table td span + span::before { content: " · " }
h4, h5, h6, .h6 { margin: .8rem 0 .3rem; font-size: 1rem; font-weight: 600 } ul { list-style: none; padding: 0; margin: 0 }
.text-danger { color: #b3261e } .text-success { color: #1c7c3c } i.fa-times::before { content: "failed" }
i.fa-check-circle::before { content: "holds" } i { font-style: normal; font-weight: 600 }
i.fa-exclamation-triangle::before { content: "could not be asked" }
body:has(#option2:checked) tr:has(> .hide-succeeded-validation-target-child) { display: none }
</style>"""


def standing_alone(page: str) -> str:
    """One page so that it needs, and asks for, nothing from elsewhere."""
    return _FOREIGN.sub("", page).replace("<head>", _HEAD, 1)


def write_index(docs: Path, results: Path) -> Path:
    """The first page: the newest verdict on each table, those that failed first. Returns its path."""
    newest = {}
    for path in sorted(results.rglob("*.json"), key=lambda file: file.stat().st_mtime_ns):
        result = json.loads(path.read_text(encoding="utf-8"))
        newest[result["suite_name"]] = (docs / "validations" / path.relative_to(results)).with_suffix(".html"), result
    rows = [_row(docs, page, newest[table][1]) for table, (page, _) in sorted(newest.items(), key=_failed_first)]
    head = ("table", "verdict", "expectations", "failed", "rows", "manifest", "validated")
    target = docs / "index.html"
    write_atomically(
        target,
        f"<!DOCTYPE html>\n<html lang='en'>{_HEAD}<meta charset='utf-8'>"
        "<title>What readers see, against its contracts</title></head>"
        "<body><h4>What readers see, against its contracts</h4><p>The newest validation of each table. "
        f"Days that passed are not validated again until they change.</p><table><tr>{_cells('th', head)}</tr>"
        f"{''.join(rows)}</table></body></html>\n".encode(),
    )
    return target


def _failed_first(entry: tuple[str, tuple[Path, Mapping[str, Any]]]) -> tuple[bool, str]:
    table, (_, result) = entry
    return result["success"], table


def _row(docs: Path, page: Path, result: Mapping[str, Any]) -> str:
    statistics, run, query = result["statistics"], result["meta"]["run_id"], result["meta"]["batch_spec"]["query"]
    verdict = "<i class='fa-check-circle text-success'></i>" if result["success"] else "<i class='fa-times text-danger'></i>"
    link = f"<a href='{escape(page.relative_to(docs).as_posix())}'>{escape(result['suite_name'])}</a>"
    days = query.count("date '")
    shown = (
        statistics["evaluated_expectations"],
        statistics["unsuccessful_expectations"],
        f"of {days} days" if days else "all",
        run["run_name"],
        run["run_time"][:19].replace("T", " "),
    )
    return f"<tr><td>{link}</td><td>{verdict}</td>{_cells('td', shown)}</tr>"


def _cells(tag: str, values: Iterable[Any]) -> str:
    return "".join(f"<{tag}>{escape(str(value))}</{tag}>" for value in values)
