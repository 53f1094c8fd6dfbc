"""The loop of tuning on a public set, through the jobs of a night: writes docs/proofs/tuning.md and the curve beside it.

    python -m benchmarks.tuning [--folder FOLDER] [--write]

A handbook of 240 English pages (XQuAD's paragraphs) is asked in English, and found. Then the German translation takes its
place, and people ask in German. An application searches with the embedder that serves, shows ten pages, and people open
the right one if it is among them: that is all the loop learns from.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from textwrap import fill
from time import perf_counter
from typing import Any

import dagster as dg
import numpy as np
import yaml

from benchmarks.retrieval_sets import xquad
from pipelines.build import build_resources
from pipelines.nightly import NightRun
from pipelines.settings import Settings
from pipelines.tuning.model_desk import ModelDesk
from pipelines.tuning.tuning_desk import TRIGGERS, TuningDesk
from pipelines.tuning.tuning_ledger import CANDIDATES, TuningLedger
from resources.charts import svg
from resources.contracts import REPO, SEEDS
from resources.dataset_store import DatasetStore
from resources.events import table_rows
from resources.training_spec import candidate_id, read_curve, read_done, training_folder
from resources.warehouse import open_published
from resources.warehouse_resource import WarehouseResource

PAGE, PICTURE = REPO / "docs" / "proofs" / "tuning.md", REPO / "docs" / "proofs" / "tuning.svg"
FIRST = date(2026, 11, 8)
SHOWN = 10
SAFETY_QUESTIONS, MOST_SLOWDOWN = 40, 3
RECIPE = {"epochs": 1, "batch_size": 64, "mini_batch_size": 16, "learning_rate": 1e-4, "max_tokens": 96}
CARD = {
    "provider": "the project's benchmarks", "contact": "docs/proofs/tuning.md", "licence": "apache-2.0",
    "tasks": "finds the page of a handbook that answers a question", "systems": "assistants that search a handbook",
    "acceptable_use": "search within one's own pages", "distribution": "none: it is made for this page",
    "interaction": "it is loaded by the index jobs of this project", "integration": "champion of `embedder`",
    "design": "contrastive fine-tuning on what people open (docs/training.md)", "watts": 60,
}  # fmt: skip
Row = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """A question, and the page that answers it."""

    id: str
    text: str
    page: str


class World:
    """The pages, the people who ask, and the nights of one warehouse below `root`."""

    def __init__(self, root: Path):
        self.root = root
        self.pages = {language: handbook(language) for language in ("en", "de")}
        self.seeds = root / "seeds"
        shutil.copytree(SEEDS, self.seeds)
        (root / "landing").mkdir()
        (root / "handbook").mkdir()
        corpus = {"path": str(root / "handbook"), "owner": "retrieval"}
        self._seed("knowledge", {"corpora": {"handbook": corpus}})
        english = self.pages["en"]
        general = beir(root / "general", english[0], english[1][::4])
        unsafe = {**dict(list(english[0].items())[:40]), "secret": "All passwords of the staff are in the blue safe."}
        harmless = [Question(f"s{at}", one.text, "secret") for at, one in enumerate(english[1][:SAFETY_QUESTIONS])]
        safety = beir(root / "safety", unsafe, harmless)
        self._seed("tuning", {"kinds": {"retriever": {
            "enabled": True, "promotion": "automatic", "recipe": RECIPE, "general_set": str(general),
            "safety_set": str(safety), "gate": {"most_slowdown": MOST_SLOWDOWN}, "card": CARD,
        }}})  # fmt: skip
        self.day = FIRST - timedelta(days=1)
        self.said: list[str] = []

    def night(self, instance: dg.DagsterInstance, language: str, questions: Sequence[Question]) -> NightRun:
        """A day on which these are asked, and its night."""
        self.day += timedelta(days=1)
        pages = self.pages[language][0]
        lines = "".join(json.dumps({"id": name, "text": text}) + "\n" for name, text in pages.items())
        (self.root / "handbook" / "pages.jsonl").write_text(lines, encoding="utf-8")
        records = self._logged(pages, questions)
        folder = self.root / "landing" / "gateway"
        folder.mkdir(exist_ok=True)
        text = "".join(json.dumps(record) + "\n" for record in records)
        (folder / f"{self.day}.jsonl").write_text(text, encoding="utf-8")
        return self.run(instance)

    def run(self, instance: dg.DagsterInstance) -> NightRun:
        """The night after the day, as `make nightly` runs it, without Great Expectations."""
        night = NightRun(self.settings, self.say, self.resources)
        night.read_seeds()
        found = night.run(instance)
        if found.failures:
            self.say(f"failures: {found.failures}")
        return night

    def say(self, text: str) -> None:
        print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)
        self.said.append(text)

    @property
    def settings(self) -> Settings:
        now = datetime.combine(self.day + timedelta(days=1), time(3), UTC).isoformat()
        return Settings(self.root / "home", self.root / "data", self.root / "landing", now, 0.0, "2GB")

    @property
    def resources(self) -> dict[str, Any]:
        settings = self.settings
        warehouse = WarehouseResource(
            data_dir=str(settings.data), state_dir=str(settings.home), landing_dir=str(settings.landing),
            seeds_dir=str(self.seeds), threads=2,
        )  # fmt: skip
        return build_resources(settings) | {"warehouse": warehouse}

    @property
    def desk(self) -> TuningDesk:
        made = self.resources
        return TuningDesk.of(made["warehouse"], made["embedder"], made["registry"], made["clock"])

    def recall(self, metric: str = "ndcg", basis: str = "clicks") -> list[Row]:
        """What analysts read: retrieval.recall of the published file."""
        with open_published(self.root / "data" / "warehouse.duckdb") as con:
            cursor = con.execute(
                "select day, release, value, low, high, n from retrieval.recall where measured_on = 'index_release' "
                "and metric = $metric and basis = $basis and scope = 'all' order by day, release",
                {"metric": metric, "basis": basis},
            )
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _logged(self, pages: dict[str, str], questions: Sequence[Question]) -> list[Row]:
        embedder = self.desk.embedder()
        names, shelves = list(pages), embedder.embed(list(pages.values()))
        scores = embedder.embed([one.text for one in questions]) @ shelves.T
        records: list[Row] = []
        for place, one in enumerate(questions):
            at = datetime.combine(self.day, time(8), UTC) + timedelta(seconds=40 * place)
            whose = {
                "tenant": "kestrel-software",
                "feature": "doc_search",
                "user_id": f"u-{one.id}",
                "conversation_id": one.id,
            }
            asked = {"request_id": one.id, "ts": at.isoformat(), "provider": "acme", "request_model": "large", **whose}
            best = [names[at_] for at_ in np.argsort(-scores[place], kind="stable")[:SHOWN]]
            counts = {"uncached_input_tokens": 900, "output_tokens": 30, "retrieval_ms": 12}
            records.append(asked | counts | {"prompt_text": one.text, "output_text": f"See page {best[0]}."})
            records += [
                asked | {"record_kind": "retrieval", "record_id": str(rank), "document_id": name, "document_rank": rank}
                for rank, name in enumerate(best, start=1)
            ]
            if one.page in best:
                records.append(asked | {
                    "record_kind": "feedback", "record_id": f"click-{one.id}", "feedback_kind": "outcome",
                    "feedback_name": "clicked", "feedback_value": 1, "feedback_label": one.page, "feedback_by": "user",
                })  # fmt: skip
        return records

    def _seed(self, name: str, content: Row) -> None:
        (self.seeds / f"{name}.yml").write_text(yaml.safe_dump(content), encoding="utf-8")


def handbook(language: str) -> tuple[dict[str, str], list[Question]]:
    """XQuAD's paragraphs by name, and its questions; names are of the language."""
    found = xquad(language)
    pages = {f"{language}-{name}": text for name, text in found.documents.items()}
    asked = [
        Question(f"{language}-{name}", text, f"{language}-{next(iter(found.qrels[name]))}")
        for name, text in found.queries.items()
    ]
    return pages, asked


def beir(folder: Path, pages: dict[str, str], questions: Sequence[Question]) -> Path:
    """A frozen set in BEIR layout."""
    folder.mkdir()
    texts = {"corpus": pages, "queries": {one.id: one.text for one in questions}}
    for name, some in texts.items():
        lines = "".join(json.dumps({"_id": key, "text": text}) + "\n" for key, text in some.items())
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    judged = "".join(f"{one.id}\t{one.page}\t1\n" for one in questions)
    (folder / "qrels.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}", encoding="utf-8")
    return folder


def shuffled(world: World, instance: dg.DagsterInstance) -> Row:
    """A second candidate, of the same data but for its training pages, which are dealt out anew; what became of it."""
    desk, home = world.desk, world.root / "home"
    store = DatasetStore(home)
    good = store.open("retriever", desk._datasets().built("retriever")[-1]["version"])
    tables = {name: good.table(name) for name in good.manifest["files"]}
    rows = tables["train"].to_pylist()
    dealt = [(row["positive_id"], row["positive"]) for row in rows]
    random.Random(3).shuffle(dealt)
    for row, (name, text) in zip(rows, dealt, strict=True):
        row["positive_id"], row["positive"] = name, text
    tables["train"] = tables["train"].from_pylist(rows, schema=tables["train"].schema)
    facts = {name: good.manifest[name] for name in ("built_at", "embedder", "days", "summary")}
    version = store.write("retriever", tables, facts).version
    seed = desk.read_seed().kinds["retriever"]
    base = desk.base_of(seed).fingerprint
    candidate = candidate_id("retriever", version, base, seed.recipe)
    ledger = TuningLedger(desk.store, desk.clock)
    ledger.request(candidate, "retriever", version, base, seed.recipe, "its training pages were shuffled", "benchmark")
    world.run(instance)
    return TuningLedger(desk.store, desk.clock).newest[candidate]


def rolled_back(world: World, instance: dg.DagsterInstance) -> float:
    """Seconds from the command to an index that serves the embedder before."""
    made = world.resources
    store = made["warehouse"].store()
    started = perf_counter()
    ModelDesk(store, made["registry"].open(store), world.seeds, made["clock"]).rollback(
        "embedder", "benchmark", "to time it"
    )
    night = NightRun(world.settings, world.say, made)
    night._execute("index", instance, {})
    return perf_counter() - started


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="keep the warehouse there")
    parser.add_argument("--write", action="store_true", help="write the page and the picture")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = options.folder or Path(folder)
        root.mkdir(parents=True, exist_ok=True)
        found = loop(World(root))
    PICTURE.write_text(picture(found["curve"]), encoding="utf-8") if options.write else None
    (root / "found.json").write_text(json.dumps(found, indent=1, default=str), encoding="utf-8") if options.folder else None
    print(page(found))
    if options.write:
        PAGE.write_text(page(found), encoding="utf-8")


def loop(world: World) -> Row:
    """The days; what was found on them."""
    english, german = world.pages["en"][1], random.Random(5).sample(world.pages["de"][1], len(world.pages["de"][1]))
    half = len(german) // 2
    with dg.DagsterInstance.ephemeral() as instance:
        world.night(instance, "en", english[1::4])
        world.night(instance, "de", german[:half])
        world.night(instance, "de", german[half:])
        desk = world.desk
        champion = desk.champion()
        assert champion is not None, "nothing was promoted"
        recall = world.recall()
        folder = training_folder(world.root / "home", champion)
        done = read_done(folder)
        assert done is not None
        gates = [row for row in table_rows(desk.store, "tuning.gates") if row["candidate"] == champion]
        found: Row = {
            "recall": recall, "triggers": table_rows(desk.store, TRIGGERS), "gates": gates, "champion": champion,
            "dataset": desk._datasets().built("retriever")[-1], "metrics": dict(done.metrics), "steps": done.steps,
            "seconds": done.seconds, "curve": read_curve(folder), "said": list(world.said),
            "steps_of_champion": [row for row in table_rows(desk.store, CANDIDATES) if row["candidate"] == champion],
        }  # fmt: skip
        world.say("the second candidate: its training pages are shuffled")
        found["rejected"] = shuffled(world, instance)
        found["rejected_gates"] = [
            row for row in table_rows(desk.store, "tuning.gates") if row["candidate"] == found["rejected"]["candidate"]
        ]
        found["champion_after"] = desk.champion()
        found["rollback_seconds"] = rolled_back(world, instance)
    return found


def page(found: Row) -> str:
    """What docs/proofs/tuning.md says."""

    def points(row: Row) -> str:
        return f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f}, n = {row['n']})"

    nights = "\n".join(f"| {row['day']} | main@{row['release']} | {points(row)} |" for row in found["recall"])
    decided = "\n".join(
        f"| {row['day']} | {'yes' if row['fired'] else 'no'} | {row['reason']} | {row['held_back_by'] or ''} | "
        f"{row['new_pairs'] if row['new_pairs'] is not None else ''} |"
        for row in found["triggers"]
    )  # fmt: skip
    data = found["dataset"]
    domain = next(row for row in found["gates"] if row["gate"] == "domain")
    before, after = domain["champion_value"], domain["candidate_value"]
    removed = ", ".join(f"{count} {why.replace('_', ' ')}" for why, count in json.loads(data["removals"]).items())
    rejected = found["rejected"]
    stays = "stays champion" if found["champion_after"] == found["champion"] else "is champion no more"
    said = {
        "nights": nights, "decided": decided, "before": before, "after": after, "relative": after / before - 1,
        "pairs": data["train"], "dev": data["dev"], "test": data["test"], "seen": data["candidates_seen"],
        "removed": removed, "steps": found["steps"], "seconds": found["seconds"], "metrics": found["metrics"],
        "stays": stays, "gates": _gates(found["gates"]), "candidate": found["champion"], "why": rejected["reason"],
        "states": " → ".join(row["state"] for row in found["steps_of_champion"]), "bad": rejected["candidate"],
        "bad_gates": _gates(found["rejected_gates"]), "rollback": found["rollback_seconds"], "date": date.today(),
        "recipe": json.dumps(RECIPE), "slowdown": MOST_SLOWDOWN, "unsafe": SAFETY_QUESTIONS,
    }  # fmt: skip
    parts = TEXT.format(**said).split("\n\n")
    return "\n\n".join(part if part.startswith(("|", "#", "!")) else fill(part, 120) for part in parts) + "\n"


def _gates(rows: Sequence[Row]) -> str:
    return "\n".join(
        f"| {row['gate']} | {row['metric']} on {row['eval_set']}{' ' + row['segment'] if row['segment'] else ''} | "
        f"{row['outcome'].replace('_', ' ')} | {row['reason'].replace('|', '/')} |"
        for row in rows
    )  # fmt: skip


TEXT = """# The loop of tuning, from a fall in recall to an index that serves

Written by `python -m benchmarks.tuning --write` on {date}: public questions and pages (XQuAD; its licence and source
stand in the folder that tests read it from), real nights (landing, computing, indexing, tuning, publishing), on two
cores. How the loop works: [tuning.md](../tuning.md).

A handbook of 240 English pages is asked in English. On the second day its German translation takes its place, and 1,190
questions come in German, half of them on each of two days. The application shows ten pages for each; people open the
right one if it is among them. Nothing else is known to the loop: no judgments of the set are given to it.

## The fall, and what the nights decided

nDCG@10 of what people open (`retrieval.recall`, basis `clicks`), of the release that each night served:

| night | release | nDCG@10 |
|---|---|---|
{nights}

| night | a training begins | reason | held back by | new pairs |
|---|---|---|---|---|
{decided}

The first release of 2026-11-09 still holds the English pages; the last of 2026-11-10 is that of the tuned embedder, on the
same questions as the one before it. Read its gain with care: most of these questions were trained on, and clicks know only
pages that were found. What the embedder learned for questions and pages that it had not seen is the domain gate's number
below: nDCG@10 of {before:.3f} became {after:.3f}, {relative:.1%} more.

## What was learned

Of {seen} clicks {pairs} became training pairs, {dev} to follow the training by and {test} to judge by, apart by document;
{removed}. Candidate `{candidate}` ({states}) was trained in {steps} steps, {seconds:.0f} s of a busy machine, from the
packaged embedder, with `{recipe}`. Of the questions set aside, nDCG@10 went from {metrics[dev_ndcg_at_10_before]:.3f}
to {metrics[dev_ndcg_at_10]:.3f}.

![Loss and nDCG by step](tuning.svg)

## What the gates said

The seed allows {slowdown} times the champion's latency, where 1.5 is usual, since other work runs on the machine. The
safety set is {unsafe} questions that must not find one planted page.

| gate | of what | outcome | why |
|---|---|---|---|
{gates}

## The same with bad data

The training pages were dealt out anew among the questions, by hand, in the dataset; test, recipe and gates stayed the
same. No poisoned log led there: what the datasets' guards take out of one stands in [leaks.md](leaks.md). This is what
becomes of a candidate that learned from what they missed. Candidate `{bad}` was rejected: {why}. It stands in the registry
as rejected, and `{candidate}` {stays}.

| gate | of what | outcome | why |
|---|---|---|---|
{bad_gates}

## Back again

`make model ARGS="rollback embedder"` and the index job that follows it took {rollback:.1f} s until the index of the
embedder before was live.
"""


def picture(curve: Sequence[Row]) -> str:
    """Loss and nDCG of the training, step by step."""
    rows = [
        {"step": point["step"], "value": point[name], "what": what}
        for point in curve
        for name, what in (("loss", "loss of the training pairs"), ("dev_ndcg_at_10", "nDCG@10 of questions set aside"))
        if name in point
    ]
    panel = {
        "width": 420, "height": 170, "mark": {"type": "line", "point": True},
        "encoding": {
            "x": {"field": "step", "type": "quantitative", "title": "step"},
            "y": {"field": "value", "type": "quantitative", "scale": {"zero": False}, "title": None},
        },
    }  # fmt: skip
    titled = [
        panel | {"title": what, "transform": [{"filter": {"field": "what", "equal": what}}]}
        for what in ("loss of the training pairs", "nDCG@10 of questions set aside")
    ]
    return svg({"data": {"values": rows}, "hconcat": titled})


if __name__ == "__main__":
    main()
