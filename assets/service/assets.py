"""service: what people declare about features: promises, owners, tools, canaries. All other tables are SQL or pure files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa

from assets.service.openslo import OpenSloError, Promised, check_runbooks, parse, rows
from assets.tables import asset_key, asset_spec
from resources import capture
from resources.contracts import REPO, Contract
from resources.references import replace_reference
from resources.seed_yaml import SeedYamlError, read_documents
from resources.service_seeds import (
    Feature,
    ServiceSeedError,
    canary_rows,
    declared_rows,
    feature_rows,
    load_features,
    tool_rows,
)
from resources.service_seeds_owners import Owner, load_owners, owner_rows
from resources.table_store import arrow_schema
from resources.warehouse_resource import WarehouseResource

RUNBOOKS = REPO / "docs" / "runbooks"
DECLARED = (
    "service.features", "service.tools", "service.canaries", "service.declared_versions", "service.owners", "service.slos",
)  # fmt: skip


@dataclass(frozen=True)
class ServiceSeeds:
    """What the seeds of the question say; `slos` are the rows of service.slos."""

    features: dict[str, Feature]
    owners: list[Owner]
    slos: list[dict[str, Any]]


def read_service_seeds(seeds: Path) -> ServiceSeeds:
    """features.yml, owners.yml and slos/*.yml, which have to fit each other. Raises ServiceSeedError."""
    try:
        documents = parse({path.stem: read_documents(path) for path in sorted((seeds / "slos").glob("*.yml"))})
        check_runbooks(documents, [page.stem for page in RUNBOOKS.glob("*.md") if page.stem != "README"])
        features = load_features(seeds / "features.yml", documents.sets)
        promised = {f.name: Promised(f.slo_set, f.owner, f.environment_list) for f in features.values()}
        return ServiceSeeds(features, load_owners(seeds / "owners.yml"), rows(documents, promised))
    except (OpenSloError, SeedYamlError) as error:
        raise ServiceSeedError(str(error)) from error


def declared_tables(seeds_dir: Path, contracts: Mapping[str, Contract]) -> dict[str, pa.Table]:
    """The rows of the tables in DECLARED. Raises ServiceSeedError."""
    seeds = read_service_seeds(seeds_dir)
    features = list(seeds.features.values())
    return {
        "service.features": feature_rows(features, capture.load(seeds_dir / "capture.yml")),
        "service.tools": tool_rows(features),
        "service.canaries": canary_rows(features),
        "service.declared_versions": declared_rows(features),
        "service.owners": owner_rows(seeds.owners),
        "service.slos": pa.Table.from_pylist(seeds.slos, schema=arrow_schema(contracts["service.slos"])),
    }


def declared_asset(contracts: dict[str, Contract]) -> dg.AssetsDefinition:
    """service.features, tools, canaries, declared_versions, owners, slos: the seeds as tables, replaced where different."""

    @dg.multi_asset(name="service__declared", specs=[asset_spec(contracts[name], contracts) for name in DECLARED])
    def declared(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        store, tables = warehouse.store(), declared_tables(warehouse.seeds, contracts)
        for name in DECLARED:
            changed = replace_reference(store, name, tables[name])
            context.log.info(f"{name}: {tables[name].num_rows:,} rows, {'changed' if changed else 'as before'}")
            yield dg.MaterializeResult(
                asset_key=asset_key(name), metadata={"dagster/row_count": tables[name].num_rows, "changed": changed}
            )

    return declared
