"""The three jobs of a night: land what came, compute stale days, publish what fits together."""

from __future__ import annotations

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.cost.assets import PRICE_BOOK
from assets.logs.assets import LEDGER
from assets.tables import asset_key
from resources.audit import AUDIT
from resources.contracts import Contract

LAND, COMPUTE, PUBLISH = "land", "compute_days", "publish"


def jobs(contracts: dict[str, Contract]) -> dict[str, UnresolvedAssetJobDefinition]:
    """Landing with the references, the derived tables by day, and publishing, which has no dependencies of its own."""
    landed = [*LEDGER, *PRICE_BOOK, "logs.tenants"]
    derived = [c.name for c in contracts.values() if c.kind == "derived"]
    published = [c.name for c in contracts.values() if c.kind in ("projection", "view")] + [AUDIT]
    defined = [
        dg.define_asset_job(
            LAND, selection=_keys(landed), description="Land every new file, and refresh prices and declared tenants."
        ),
        dg.define_asset_job(
            COMPUTE,
            selection=_keys(derived),
            description="Bring a range of days up to date, table by table. Days that are fresh are left alone.",
        ),
        dg.define_asset_job(
            PUBLISH, selection=_keys(published), description="Put all that passed and fits together before the readers."
        ),
    ]
    return {job.name: job for job in defined}


def _keys(names: list[str]) -> dg.AssetSelection:
    return dg.AssetSelection.assets(*(asset_key(name) for name in names))
