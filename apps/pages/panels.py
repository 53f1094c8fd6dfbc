"""Panels as files: apps/pages/sql/<page>/<place>_<panel>.sql is one panel, and its first comment says what it shows.

Here belongs reading and checking such a file. What its rows become is board.py; the columns that each way of showing takes
are listed in docs/pages.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml

HERE = Path(__file__).parent
SQL = HERE / "sql"
SHOWN_AS = {
    "tile": {"value"},
    "line": {"moment", "value"},
    "bars": {"name", "value"},
    "table": set[str](),
    "facts": set[str](),
    "steps": {"step", "start_ms", "duration_ms"},
}
"""The ways of showing rows, each with the columns that it cannot do without."""
UNITS = ("share", "USD", "ms", "count", "times", "facts")
GOOD = ("up", "down", "neither")
_FILE = re.compile(r"(\d\d)_([a-z0-9_]+)\.sql\Z")
_HEADER = re.compile(r"(?:--[^\n]*\n)+")


class PanelError(ValueError):
    """A panel's file that cannot be used; names it and says what it takes."""


@dataclass(frozen=True)
class Panel:
    """One panel. `columns`: headings of a table that are not the columns' own names. `good`: where a figure should go.

    `empty`: what stands there instead of no rows.
    """

    page: str
    name: str
    title: str
    show: str
    unit: str
    meaning: str
    section: str
    good: str = "neither"
    empty: str = "Nothing in this time."
    columns: dict[str, str] = field(default_factory=dict)
    sql: str = ""
    path: Path = Path()

    @property
    def key(self) -> str:
        """How addresses call it."""
        return f"{self.page}/{self.name}"


def read_panel(path: Path) -> Panel:
    """The panel of a file. Raises PanelError."""
    found = _FILE.match(path.name)
    if not found:
        raise PanelError(f"{path.name} is no panel's name: two digits for its place, then letters, such as 10_spend.sql")
    text = path.read_text(encoding="utf-8")
    header = _HEADER.match(text)
    try:
        said = yaml.safe_load(re.sub(r"(?m)^-- ?", "", header.group())) if header else None
    except yaml.YAMLError as error:
        raise PanelError(f"{path.name}: its first comment is no YAML ({' '.join(str(error).split())})") from None
    if header is None or not isinstance(said, dict):
        raise PanelError(f"{path.name}: begin with a comment of `title:`, `show:`, `unit:`, `section:` and `meaning:`")
    known = Panel.__dataclass_fields__.keys() - {"page", "name", "sql", "path"}
    if strange := said.keys() - known:
        raise PanelError(
            f"{path.name}: its comment says {', '.join(map(str, sorted(strange)))}; it takes {', '.join(sorted(known))}"
        )
    if missing := {"title", "show", "unit", "section", "meaning"} - said.keys():
        raise PanelError(f"{path.name}: its comment lacks {', '.join(sorted(missing))}")
    for name, allowed in (("show", tuple(SHOWN_AS)), ("unit", UNITS), ("good", GOOD)):
        if said.get(name, allowed[0]) not in allowed:
            raise PanelError(f"{path.name}: `{name}: {said[name]}` is none of {', '.join(allowed)}")
    texts = [name for name, value in said.items() if name != "columns" and not isinstance(value, str)]
    if texts or not isinstance(said.get("columns", {}), dict):
        raise PanelError(
            f"{path.name}: {', '.join(texts) or 'columns'} cannot be read; write plain text (columns: a mapping)"
        )
    said["meaning"] = " ".join(said["meaning"].split())
    sql = text[header.end() :].strip()
    return Panel(page=path.parent.name, name=found.group(2), sql=sql, path=path, **said)


@cache
def panels(page: str, root: Path = SQL) -> tuple[Panel, ...]:
    """The panels of a page, in their places. Raises PanelError, also for two of one name."""
    found = tuple(read_panel(path) for path in sorted((root / page).glob("*.sql")))
    names = [panel.name for panel in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise PanelError(f"{page}: two files are called {', '.join(sorted(twice))}")
    return found
