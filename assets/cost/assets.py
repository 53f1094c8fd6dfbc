"""cost: the price book, from genai-prices and the overrides in seeds. All other tables of the question are SQL."""

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import dagster as dg
import pyarrow as pa

from assets.cost.price_catalogue import price_tables
from assets.cost.price_seeds import Override, PriceSeedError, parse_overrides
from assets.tables import asset_key, asset_spec
from resources.contracts import Contract
from resources.day_inputs import digest
from resources.references import made_from, replace_reference
from resources.seed_yaml import SeedYamlError, read_seed
from resources.warehouse_resource import WarehouseResource

PRICE_BOOK = ("cost.prices", "cost.price_models")


def prices_asset(contracts: dict[str, Contract]) -> dg.AssetsDefinition:
    """cost.prices and cost.price_models, replaced where they differ."""

    @dg.multi_asset(name="price_book", specs=[asset_spec(contracts[name], contracts) for name in PRICE_BOOK])
    def price_book(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        store = warehouse.store()
        seed = (warehouse.seeds / "prices.yml").read_text(encoding="utf-8")
        overrides = read_overrides(warehouse.seeds / "prices.yml")
        origin = _origin(seed)
        made: dict[str, pa.Table] = {}
        # Reading the catalogue takes seconds: only when it, the overrides or the code that reads it have changed.
        if any(made_from(store.open(name)) != origin for name in PRICE_BOOK):
            made = dict(zip(PRICE_BOOK, price_tables(overrides), strict=True))
        for name in PRICE_BOOK:
            changed = name in made and replace_reference(store, name, made[name], origin)
            rows = sum(f.rows for f in store.open(name).files())
            context.log.info(f"{name}: {rows:,} rows, {'changed' if changed else 'as before'}")
            yield dg.MaterializeResult(
                asset_key=asset_key(name),
                metadata={"dagster/row_count": rows, "changed": changed, "overrides": len(overrides)},
            )

    return price_book


def read_overrides(path: Path) -> list[Override]:
    """The overrides of seeds/prices.yml. Raises PriceSeedError, which names the file or the entry."""
    try:
        return parse_overrides(read_seed(path))
    except SeedYamlError as error:
        raise PriceSeedError(str(error)) from error


def _origin(seed: str) -> str:
    """What the price book is made from: the installed catalogue, the overrides, and the code in between."""
    code = [path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("price_*.py"))]
    return digest(version("genai-prices"), seed, *code)
