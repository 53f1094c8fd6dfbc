"""seeds/access.yml: what it says becomes rows, and a slip that would open or close a door is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from resources.access_seed import AccessSeedError, Grant, access_rows, load_access
from resources.contracts import SEEDS, contracts
from resources.table_store import arrow_schema


def seed(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "access.yml"
    path.write_text(text, encoding="utf-8")
    return path


def test_conditions_of_one_entry_go_together_and_entries_are_alternatives(tmp_path: Path) -> None:
    text = "labels: {open: {all: true}, hr: [{tenants: [a, b], features: [f]}, {endpoints: [/x]}]}"
    labels = load_access(seed(tmp_path, text))
    assert labels == {"open": (Grant(),), "hr": (Grant(tenants=("a", "b"), features=("f",)), Grant(endpoints=("/x",)))}
    rows = access_rows(labels)
    columns = ("access_label", "grant_number", "tenants", "features", "endpoints")
    assert [tuple(row[name] for name in columns) for row in rows.to_pylist()] == [
        ("open", 1, None, None, None), ("hr", 1, "a,b", "f", None), ("hr", 2, None, None, "/x"),
    ]  # fmt: skip
    assert rows.schema == arrow_schema(contracts()["retrieval.access_rules"])


def test_a_file_that_is_missing_or_empty_knows_no_label(tmp_path: Path) -> None:
    assert load_access(tmp_path / "none.yml") == {}
    assert [load_access(seed(tmp_path, text)) for text in ("labels:\n", "")] == [{}, {}]


def test_the_shipped_seed_knows_the_label_that_documents_have_by_default() -> None:
    assert "internal" in load_access(SEEDS / "access.yml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("labels: {a: {all: false}}", "`all` is true and stands alone"),
        ("labels: {a: {all: true, tenants: [x]}}", "`all` is true and stands alone"),
        ("labels: {a: {}}", "is a mapping"),
        ("labels: {a: []}", "has an empty list"),
        ("labels: {a: {tenants: []}}", "a: tenants is a list of texts with at least one"),
        ("labels: {a: {tenant: [x]}}", "unknown keys tenant"),
        ("labels: {a: {tenants: ['x,y']}}", "'x,y' has a comma"),
        ("labels: {a: {user_classes: [everyone]}}", "no user class 'everyone'"),
        ("labels: {no: {all: true}}", "a label is a text, not False"),
        ("labels: {a: {all: true}, a: {tenants: [x]}}", "names 'a' twice"),
        ("rights: {}", "is one mapping, `labels:`"),
    ],
)
def test_a_slip_is_refused_with_what_to_write(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(AccessSeedError) as refused:
        load_access(seed(tmp_path, text))
    assert says in str(refused.value) and "access.yml" in str(refused.value)
