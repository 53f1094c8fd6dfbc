"""The sensor `registry`: it follows the alias champion of the embedder, and has the indexes released with who bears it.

Offered to build.py: `registry_sensor`. Which embedder that is, is champion.py's; what a release takes, index_night.py's.
"""

import json
from collections.abc import Iterator
from hashlib import sha256

import dagster as dg

from pipelines.clock import WallClock
from pipelines.retrieval.index_runs import INDEX
from pipelines.retrieval.knowledge_desk import KnowledgeDesk
from pipelines.sensor_opening import Opening, request_of
from pipelines.settings import sensor_seconds
from pipelines.tuning.champion import EMBEDDER
from resources import terminal
from resources.model_version import CHAMPION, RegistryError
from resources.warehouse_resource import EmbedderResource, RegistryResource, WarehouseResource

REGISTRY = "registry"
_NOBODY = "nobody"


def registry_sensor() -> dg.SensorDefinition:
    """A champion that changed, or an alias that moved back, is a run of the job `index`.

    The cursor holds the champion that was seen last, and a mark of the move to it, which no other move has: a run that
    failed is repeated, one that ended well is not, whatever is restarted in between.
    """
    opening = Opening(INDEX, "an index run is queued or running")

    @dg.sensor(
        name=REGISTRY,
        job_name=INDEX,
        minimum_interval_seconds=sensor_seconds(15),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Follows the embedder's alias champion in the model registry: indexes are released with its vectors.",
    )
    def registry_(
        context: dg.SensorEvaluationContext,
        warehouse: WarehouseResource,
        embedder: EmbedderResource,
        registry: RegistryResource,
        clock: WallClock,
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        store = warehouse.store()
        if KnowledgeDesk.of(warehouse, embedder, clock).is_off():
            yield dg.SkipReason("no corpus in seeds/knowledge.yml")
            return
        try:
            found = registry.open(store).by_alias(EMBEDDER, CHAMPION)
        except RegistryError as error:
            yield dg.SkipReason(terminal.one_line(str(error)))
            return
        champion = f"{found.name} {found.digest}" if found else _NOBODY
        seen = json.loads(context.cursor) if context.cursor else {"champion": _NOBODY, "move": ""}
        if seen["champion"] != champion:
            move = sha256(f"{seen['move']} {champion} {clock.now().isoformat()}".encode()).hexdigest()[:16]
            seen = {"champion": champion, "move": move}
            context.update_cursor(json.dumps(seen))
        name = found.name if found else "the configured embedder"
        if not seen["move"]:
            yield dg.SkipReason("nobody is champion, and nobody was")
            return
        runs = opening(context)
        if not isinstance(runs, dg.SkipReason):
            ended, failed = runs.ended(seen["move"])
            if ended > failed:
                yield dg.SkipReason(f"indexes were released with {name}")
                return
        yield request_of(opening, context, REGISTRY, seen["move"], "")

    return registry_
