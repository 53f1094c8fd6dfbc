"""retrieval: what people declare about access, and what is known of documents, as tables. The rest is SQL, or a desk's."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg
import pyarrow as pa

from assets.retrieval.document_states import READS, document_states
from assets.tables import asset_key, asset_spec
from resources.access_seed import ACCESS_FILE, access_rows, load_access
from resources.contracts import Contract
from resources.references import replace_reference
from resources.store import Store
from resources.warehouse_resource import WarehouseResource

KNOWN = ("retrieval.access_rules", "retrieval.document_states")
DOCUMENTS = "retrieval.documents"


def known_tables(store: Store, seeds: Path) -> Mapping[str, pa.Table]:
    """The rows of the tables in KNOWN. Raises AccessSeedError."""
    with store.connection() as con:
        documents = con.sql(f"select {', '.join(READS)} from ({store.scan_all(DOCUMENTS)})").pl()
    return {
        "retrieval.access_rules": access_rows(load_access(seeds / ACCESS_FILE)),
        "retrieval.document_states": document_states(documents).to_arrow(),
    }


def known_asset(contracts: dict[str, Contract]) -> dg.AssetsDefinition:
    """retrieval.access_rules and document_states, replaced where they differ."""

    rules, states = (asset_spec(contracts[name], contracts) for name in KNOWN)

    @dg.multi_asset(name="retrieval__known", specs=[rules, states.replace_attributes(deps=[asset_key(DOCUMENTS)])])
    def known(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        store = warehouse.store()
        for name, rows in known_tables(store, warehouse.seeds).items():
            changed = replace_reference(store, name, rows)
            context.log.info(f"{name}: {rows.num_rows:,} rows, {'changed' if changed else 'as before'}")
            yield dg.MaterializeResult(
                asset_key=asset_key(name), metadata={"dagster/row_count": rows.num_rows, "changed": changed}
            )

    return known
