"""cost: the price book, from genai-prices and the overrides in seeds. All other tables of the question are SQL."""

from collections.abc import Iterator

import dagster as dg
import yaml

from assets.cost.price_catalogue import price_tables
from assets.cost.price_seeds import parse_overrides
from assets.tables import asset_key, asset_spec
from resources.contracts import Contract
from resources.references import replace_reference
from resources.warehouse_resource import WarehouseResource

PRICE_BOOK = ("cost.prices", "cost.price_models")


def prices_asset(contracts: dict[str, Contract]) -> dg.AssetsDefinition:
    """cost.prices and cost.price_models, replaced where they differ."""

    @dg.multi_asset(name="price_book", specs=[asset_spec(contracts[name], contracts) for name in PRICE_BOOK])
    def price_book(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        overrides = parse_overrides(yaml.safe_load((warehouse.seeds / "prices.yml").read_text(encoding="utf-8")))
        for name, rows in zip(PRICE_BOOK, price_tables(overrides), strict=True):
            changed = replace_reference(warehouse.store(), name, rows)
            context.log.info(f"{name}: {rows.num_rows:,} rows, {'changed' if changed else 'as before'}")
            yield dg.MaterializeResult(
                asset_key=asset_key(name),
                metadata={"dagster/row_count": rows.num_rows, "changed": changed, "overrides": len(overrides)},
            )

    return price_book
