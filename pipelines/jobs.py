"""The four jobs of a night: land what came, compute stale days, publish what fits together, validate what is published."""

from __future__ import annotations

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.cost.assets import PRICE_BOOK
from assets.governance.assets import WRITTEN
from assets.logs.assets import LEDGER
from assets.release.assets import PROMPTS, SUITES
from assets.service.assets import DECLARED
from assets.tables import asset_key
from resources.contracts import Contract

LAND, COMPUTE, PUBLISH, VALIDATE = "land", "compute_days", "publish", "validate"


def jobs(
    contracts: dict[str, Contract], published_checks: dg.AssetChecksDefinition
) -> dict[str, UnresolvedAssetJobDefinition]:
    """Landing with the references, the derived tables by day, publishing, which has no dependencies of its own, and
    validating what was published, which belongs to none of the others.
    """
    checks = dg.AssetSelection.checks(*published_checks.check_keys)
    landed = [*LEDGER, *PRICE_BOOK, *DECLARED, "logs.tenants", "release.deployments", PROMPTS, SUITES]
    derived = [c.name for c in contracts.values() if c.kind == "derived"]
    published = [c.name for c in contracts.values() if c.kind in ("projection", "view") or c.name in WRITTEN]
    defined = [
        dg.define_asset_job(
            LAND,
            selection=_keys(landed) - checks,
            description="Land every new file, and refresh prices and what the seeds declare.",
        ),
        dg.define_asset_job(
            COMPUTE,
            selection=_keys(derived) - checks,
            description="Bring a range of days up to date, table by table. Days that are fresh are left alone.",
        ),
        dg.define_asset_job(
            PUBLISH,
            selection=_keys(published) - checks,
            description="Put all that passed and fits together before the readers.",
        ),
        dg.define_asset_job(
            VALIDATE,
            selection=checks,
            description="Put the published days that have changed before Great Expectations, and write Data Docs. "
            "`whole: true` in the configuration takes all days.",
        ),
    ]
    return {job.name: job for job in defined}


def _keys(names: list[str]) -> dg.AssetSelection:
    return dg.AssetSelection.assets(*(asset_key(name) for name in names))
