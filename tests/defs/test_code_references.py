"""Each table's page in the UI links the files that promise, compute and explain it; none of the links is dead."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from assets.tables import CODE_REFERENCES, asset_key
from pipelines.build import build_defs
from resources.contracts import REPO, contracts


def links(defs: dg.Definitions, name: str) -> list[dg.LocalFileCodeReference | dg.UrlCodeReference]:
    shown = defs.resolve_all_asset_specs()
    [spec] = [spec for spec in shown if spec.key == asset_key(name)]
    return list(spec.metadata[CODE_REFERENCES].code_references)


def test_every_table_links_files_that_are_there() -> None:
    defs = build_defs()
    for spec in defs.resolve_all_asset_specs():
        if ".".join(spec.key.path) in contracts():
            files = [Path(link.file_path) for link in spec.metadata[CODE_REFERENCES].code_references]
            assert len(files) >= 2 and [file for file in files if not file.is_file()] == [], spec.key
    labels = [link.label for link in links(defs, "service.slo_status")]
    assert labels == ["contract", "Python", "service-levels.md", "alerts.md", "README.md"]


def test_a_deployment_links_where_its_checkout_is_browsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOCTURNE_CODE_URL", "https://git.example.com/data/nocturne/blob/main/")
    shown = links(build_defs(), "cost.charges")
    assert [link.url for link in shown if isinstance(link, dg.UrlCodeReference)] == [
        f"https://git.example.com/data/nocturne/blob/main/{path}"
        for path in ("warehouse/contracts/cost/charges.yml", "sql/cost/charges.sql", "warehouse/README.md")
    ]
    assert (REPO / "sql/cost/charges.sql").is_file()
