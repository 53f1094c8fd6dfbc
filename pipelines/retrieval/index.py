"""`make index`: read the knowledge base and release the indexes that are due, now (docs/knowledge.md, docs/retrieval.md).

`rollback <index> [release]` puts an earlier release before applications, less what was deleted since. Exit status 1: a gate
held a release back, or a corpus or a release is not as it should be. 2: nothing could be done, and the message says why.
"""

from __future__ import annotations

import argparse
import sys

from pipelines.build import build_resources
from pipelines.ending import end
from pipelines.retrieval.index_desk import IndexDesk
from pipelines.retrieval.index_night import IndexDeskError
from pipelines.retrieval.index_runs import troubles
from pipelines.retrieval.knowledge_desk import KnowledgeDesk
from pipelines.retrieval.knowledge_sweep import sweep
from pipelines.settings import Settings, SettingsError
from pipelines.tuning.champion import retrieval_embedder
from resources import terminal
from resources.access_seed import AccessSeedError
from resources.embedder import EmbedderError
from resources.golden_seed import GoldenSeedError
from resources.index_store import IndexStoreError
from resources.knowledge_seed import KnowledgeSeedError
from resources.live_index import IndexRefusedError
from resources.model_version import RegistryError
from resources.redaction_seed import RedactionError
from resources.retention import RetentionError
from resources.service_seeds import ServiceSeedError

COULD_NOT = (
    AccessSeedError, EmbedderError, GoldenSeedError, IndexDeskError, IndexRefusedError, IndexStoreError, KnowledgeSeedError,
    OSError, RedactionError, RegistryError, RetentionError, ServiceSeedError, SettingsError,
)  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make index", description=__doc__)
    parser.add_argument("--check", action="store_true", help="read the seeds, and do nothing")
    parser.add_argument("--accept", action="append", default=[], metavar="INDEX", help="release it although a gate holds it")
    commands = parser.add_subparsers(dest="command")
    back = commands.add_parser("rollback", help="put an earlier release before applications")
    back.add_argument("index")
    back.add_argument("release", type=int, nargs="?", help="left out: the one that was live before")
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except COULD_NOT as error:
        print(f"index: {terminal.lines(str(error))}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    settings = Settings.from_environment()
    settings.check_folders()
    resources = build_resources(settings)
    warehouse, clock = resources["warehouse"], resources["clock"]
    store = warehouse.store()
    declared = KnowledgeDesk.of(warehouse, resources["embedder"], clock)
    if options.command is None and (options.check or declared.is_off()):
        corpora = [f"{corpus.name} ({corpus.path})" for corpus in declared.read_seed().corpora]
        _say(f"knowledge.yml: {', '.join(corpora) or 'no corpus is declared'}")
        return 0
    chosen = retrieval_embedder(store, resources["embedder"], resources["registry"].open(store))
    knowledge = KnowledgeDesk(store, warehouse.seeds, chosen.embedder, clock)
    desk = IndexDesk(store, warehouse.seeds, knowledge.embedder, clock)
    if options.command == "rollback":
        back = desk.rollback(options.index, options.release)
        _say(str(back))
        return 1 if back.is_trouble else 0
    if chosen.version:
        _say(str(chosen))
    done = knowledge.work(_say)
    _say(str(done))
    released = desk.work(accept=options.accept)
    for one in released:
        _say(str(one))
    swept = sweep(store, done.embedder, warehouse.retention().holds, clock.now())
    _say(str(swept))
    wrong = [*chosen.troubles, *done.reading.troubles, *troubles(released), *swept.troubles]
    for sentence in wrong:
        print(f"index: {terminal.lines(sentence)}", file=sys.stderr)
    return 1 if wrong else 0


def _say(text: str) -> None:
    print(terminal.one_line(text), flush=True)


if __name__ == "__main__":
    end(main())
