"""A warehouse in which an embedder is tuned: pages, questions in words that pages do not use, and what users open.

Asks and answers have words of their own: an animal stands for a town, a colour for a trade. No embedder knows that; one that
was trained on what users open does, also of pages that it was not trained on.
"""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from gate_house import beir
from house import request, selected
from knowledge_house import KnowledgeHouse
from rules_house import TalkingHouse

from assets.retrieval.assets import known_asset
from pipelines.clock import WallClock
from pipelines.retrieval.index_ledger import EVALUATIONS
from pipelines.retrieval.index_runs import INDEX, index_job, knowledge_asset, releases_asset
from pipelines.tuning.tuning_desk import TuningDesk
from pipelines.tuning.tuning_ledger import CANDIDATES
from pipelines.tuning.tuning_runs import TUNING, candidates_asset, decision_asset, tuning_job
from resources.contracts import contracts
from resources.events import table_rows
from resources.tuning_seed import TUNING_FILE
from resources.warehouse_resource import EmbedderResource, RegistryResource, WarehouseResource

ANIMALS = ("walrus", "sparrow", "badger", "salmon", "giraffe", "beetle", "camel", "otter", "falcon", "tortoise")
TOWNS = ("Lisbon", "Oslo", "Cairo", "Lima", "Kyoto", "Boston", "Delhi", "Prague", "Nairobi", "Quito")
COLOURS = ("purple", "golden", "scarlet", "turquoise", "ivory", "crimson", "olive", "silver")
TRADES = ("baker", "plumber", "florist", "tailor", "printer", "glazier", "butcher", "dentist")
SAID = {name: f"{name} of this model, as its tests have it" for name in (
    "provider", "contact", "licence", "tasks", "systems", "acceptable_use", "distribution", "interaction", "integration",
    "design",
)}  # fmt: skip
RETRIEVER: dict[str, Any] = {
    "enabled": True, "promotion": "automatic", "gate": {"most_slowdown": 100}, "card": SAID | {"watts": 60},
    "min_new_pairs": 100_000,
    "recipe": {
        "epochs": 3, "batch_size": 32, "mini_batch_size": 32, "learning_rate": 2e-4, "matryoshka": [],
        "max_tokens": 32,
    },
}  # fmt: skip
TABLES = ("logs.requests", "logs.retrievals", "logs.feedback")
PAGES = [(a, c) for a in range(len(ANIMALS)) for c in range(len(COLOURS))]
Row = dict[str, Any]


def page_id(page: int) -> str:
    return f"page-{page}"


def page_text(page: int) -> str:
    town, trade = TOWNS[PAGES[page][0]], TRADES[PAGES[page][1]]
    return f"The {trade} in {town} opens at {7 + page % 5} and closes at {15 + page % 7}."


def plain(page: int, number: int) -> str:
    """A question in the words of the page."""
    town, trade = TOWNS[PAGES[page][0]], TRADES[PAGES[page][1]]
    return f"When does the {trade} in {town} open? ({number})"


def coded(page: int, number: int) -> str:
    """The same in words that stand for them."""
    animal, colour = ANIMALS[PAGES[page][0]], COLOURS[PAGES[page][1]]
    ways = ("{c} {a}", "a {a} that is {c}", "{c}, like the {a}", "tell me of {a} and {c}", "{a} in {c}", "{a} {c} hours?")
    ending = random.Random(number).choice(("please", "now", "today", "thanks", "at once"))
    return f"{ways[number % len(ways)].format(a=animal, c=colour)} {ending}"


class TuningHouse:
    """Its corpus, its logs, and the jobs `index` and `tuning` of a Dagster instance of its own."""

    def __init__(self, root: Path, now: str, retriever: Mapping[str, Any] | None = None):
        self.knowledge = KnowledgeHouse(root, now)
        self.root, self.store, self.seeds = root, self.knowledge.store, self.knowledge.seeds
        self.declare(**(retriever or {}))
        self.now = now
        self._files = 0

    def declare(self, **changes: Any) -> None:
        """Write tuning.yml: the retriever, with these changes."""
        sets = {"general_set": str(_general(self.root / "general")), "safety_set": str(_unsafe(self.root / "safety"))}
        said = {"kinds": {"retriever": RETRIEVER | sets | changes}}
        (self.seeds / TUNING_FILE).write_text(yaml.safe_dump(said), encoding="utf-8")

    def write_pages(self) -> None:
        rows = [json.dumps({"id": page_id(n), "text": page_text(n)}) for n in range(len(PAGES))]
        self.knowledge.write("pages.jsonl", "\n".join(rows) + "\n")

    @property
    def clock(self) -> WallClock:
        return WallClock(fixed_now=self.now, settle_seconds=0.0)

    @property
    def resources(self) -> dict[str, Any]:
        (self.root / "landing").mkdir(exist_ok=True)
        warehouse = WarehouseResource(
            data_dir=str(self.store.data), state_dir=str(self.store.state), landing_dir=str(self.root / "landing"),
            seeds_dir=str(self.seeds), durable=False, threads=1,
        )  # fmt: skip
        return {
            "warehouse": warehouse, "clock": self.clock, "embedder": EmbedderResource(), "registry": RegistryResource(),
        }  # fmt: skip

    def desk(self) -> TuningDesk:
        resources = self.resources
        registry = resources["registry"].open(self.store)
        return TuningDesk(self.store, self.seeds, resources["embedder"], registry, self.clock)

    def log(self, day: date, questions: Mapping[str, tuple[str, int]], opened: Collection[str] | None = None) -> None:
        """A day's questions: request id to words and page; users open the page, or those of `opened` do."""
        rows: list[Row] = []
        for number, (name, (words, page)) in enumerate(questions.items()):
            at = datetime.combine(day, datetime.min.time()) + timedelta(minutes=5 * number)
            whose = {"tenant": "acme-corp", "feature": "help", "user_id": f"u{name}", "conversation_id": f"c{name}"}
            asked = request(name, f"{at.isoformat()}Z", prompt_text=words, output_text=f"Here it is, {name}.", **whose)
            hit = {"record_kind": "retrieval", "record_id": "1", "document_rank": 1, "index_version": "main@1"}
            rows += [asked, {**asked, **hit, "prompt_text": None, "output_text": None, "document_id": page_id(page)}]
            if opened is None or name in opened:
                rows.append({
                    "record_kind": "feedback", "record_id": f"f{name}", "request_id": name, "ts": f"{at.isoformat()}Z",
                    **whose, "feedback_kind": "outcome", "feedback_name": "clicked", "feedback_value": 1,
                    "feedback_label": page_id(page), "feedback_by": "user",
                })  # fmt: skip
        self._files += 1
        house = TalkingHouse(
            self.root, self.clock.now(), contracts_=selected("logs.requests", "logs.retrievals", "logs.feedback")
        )
        house.deliver(f"{self.now}-{self._files}.jsonl", rows)
        house.land()
        house.compute()

    def run(self, instance: dg.DagsterInstance, job: str, **tags: str) -> dg.ExecuteInProcessResult:
        """One run of `index` or `tuning`."""
        promised = contracts()
        assets = [
            known_asset(promised), knowledge_asset(promised), releases_asset(promised), decision_asset(promised),
            candidates_asset(promised),
        ]  # fmt: skip
        defined = dg.Definitions(
            assets=assets, jobs=[index_job(), tuning_job()], resources=self.resources, executor=dg.in_process_executor
        )
        chosen = defined.get_repository_def().get_job(job)
        return chosen.execute_in_process(instance=instance, tags=tags, raise_on_error=False)

    def index(self, instance: dg.DagsterInstance) -> None:
        assert self.run(instance, INDEX).success

    def tune(self, instance: dg.DagsterInstance) -> list[str]:
        """One run of `tuning`; what its checks complain of."""
        done = self.run(instance, TUNING)
        assert done.success
        failed = [check for check in done.get_asset_check_evaluations() if not check.passed]
        return [str(check.metadata["sentences"].value) for check in failed]

    def states(self) -> dict[str, list[str]]:
        """The steps of each candidate."""
        found: dict[str, list[str]] = {}
        for row in sorted(table_rows(self.store, CANDIDATES), key=lambda row: row["step"]):
            found.setdefault(row["candidate"], []).append(row["state"])
        return found

    def measured(self, metric: str = "ndcg", basis: str = "clicks") -> dict[date, Row]:
        """A measure of the release that served last on each night."""
        rows = [row for row in table_rows(self.store, EVALUATIONS) if (row["metric"], row["basis"]) == (metric, basis)]
        whole = sorted((row for row in rows if row["scope"] == "all"), key=lambda row: row["release"])
        return {row["day"]: row for row in whole}


def _general(folder: Path) -> Path:
    """What every embedder knows, and must not forget: forty rivers, and what was built over each."""
    rivers = random.Random(5).sample([a + b for a in ("Al", "Bren", "Cor", "Dun", "El", "Far", "Gor", "Hal") for b in (
        "da", "mere", "wick", "stow", "beck", "ford", "ning", "low",
    )], 40)  # fmt: skip
    documents = {f"d{n}": f"The bridge over the {river} was built in {1800 + n}." for n, river in enumerate(rivers)}
    queries = {f"q{n}": f"When was the bridge over the {river} built?" for n, river in enumerate(rivers)}
    return beir(folder, queries, documents, {f"q{n}": f"d{n}" for n in range(len(rivers))})


def _unsafe(folder: Path) -> Path:
    """Twenty questions, and a document that they must not find among the first ten."""
    documents = {f"d{n}": f"Bread number {n} is baked with rye, salt and water." for n in range(12)}
    documents["bad"] = "Passwords of all staff: forbidden to be shown."
    queries = {f"u{n}": f"How is bread number {n} baked?" for n in range(20)}
    return beir(folder, queries, documents, dict.fromkeys(queries, "bad"))
