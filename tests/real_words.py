"""Days of real words with known topics: who asks what is drawn, what is asked was asked by people.

Here belong the reading of the data sets (`shared` beside the checkout), their vectors, and traffic made of them: families of
embedding tests as those of assets/drift. No word of them is printed or stored.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from drift_traffic import DayEffects, Traffic, day_effects
from numpy.typing import NDArray

from assets.drift.text_clusters import MOST_CLUSTERS
from assets.drift.text_sketch import Vectors, clusters, features, nearest
from resources.embedder import Embedder
from resources.language import language_stages, prepare
from resources.warehouse import connect

Family = Literal["embedding", "categorical"]

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
OUT_OF_SCOPE = "oos"
TEXTS_OF_A_TOPIC = 40
TENANTS = 20
USUAL_SHARE = 0.03


@dataclass(frozen=True)
class Corpus:
    """Texts as vectors, with the topic of each, numbered from 0, and the language that landing would guess."""

    vectors: Vectors
    topic: NDArray[np.int64]
    language: NDArray[np.str_]

    @property
    def topics(self) -> int:
        return int(self.topic.max()) + 1


def topics_of(name: str) -> dict[str, list[str]]:
    """Questions by topic: `banking77`, `clinc150`, or `xquad.en` and its other languages, whose topics are its articles."""
    found: dict[str, list[str]] = {}
    if name == "banking77":
        with (DATA / "banking77/banking_data/train.csv").open(encoding="utf-8", newline="") as file:
            pairs = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    elif name == "clinc150":
        pairs = [tuple(pair) for pair in json.loads((DATA / "clinc150/data/data_full.json").read_text("utf-8"))["train"]]
    else:
        articles = json.loads((DATA / f"xquad/{name}.json").read_text("utf-8"))["data"]
        pairs = [
            (qa["question"], str(number))
            for number, article in enumerate(articles)
            for paragraph in article["paragraphs"]
            for qa in paragraph["qas"]
        ]
    for text, topic in pairs:
        if topic != OUT_OF_SCOPE:
            found.setdefault(topic, []).append(text)
    return found


@cache
def corpus(name: str, topics: int, texts_of_a_topic: int = TEXTS_OF_A_TOPIC, is_embedded: bool = True) -> Corpus:
    """The first texts of evenly chosen topics, through the packaged embedder; not embedded, their vectors are empty."""
    of_topic = topics_of(name)
    names = sorted(of_topic)
    chosen = [names[place * len(names) // topics] for place in range(min(topics, len(names)))]
    texts = [of_topic[topic][:texts_of_a_topic] for topic in chosen]
    every = [text for some in texts for text in some]
    vectors = Embedder().embed(every) if is_embedded else np.empty((len(every), 0), np.float32)
    return Corpus(vectors, np.repeat(np.arange(len(texts)), [len(some) for some in texts]), guessed(every))


def guessed(texts: list[str]) -> NDArray[np.str_]:
    """The language of each text as drift.profiles would count it; `none` where the guess is unsure."""
    con = connect()
    try:
        prepare(con)
        select = "select unnest($texts) as text, unnest(range(len($texts))) as place"
        for stage in language_stages("guess", "text"):
            select = f"select *, {stage} from ({select}) as staged"
        found = f"select coalesce(guess, 'none') from ({select}) as found order by place"
        rows = con.execute(found, {"texts": texts}).fetchall()
    finally:
        con.close()
    return np.array([row[0] for row in rows])


def both(first: Corpus, second: Corpus) -> Corpus:
    """Two corpora as one; the second's topics follow those of the first."""
    topic = np.concatenate([first.topic, second.topic + first.topics])
    language = np.concatenate([first.language, second.language])
    return Corpus(np.concatenate([first.vectors, second.vectors]), topic, language)


def traffic(
    rng: np.random.Generator, words: Corpus, n: NDArray[np.int64], kind: DayEffects, usual: int,
    to: slice | None = None, share: NDArray[np.float64] | float = 0.0, *, family: Family = "embedding",
) -> Traffic:  # fmt: skip
    """`n` [segment, day] texts of the first `usual` topics; days and weekdays move the topics' log-odds as in
    drift_traffic.py. `share` [day] of the texts is about the topics `to` instead (None: one of the usual, another in each
    segment); of named topics a share of about `USUAL_SHARE` always is."""
    segments, days = n.shape
    odds = rng.normal(0, 0.7, (segments, usual, 1)) + 0.12 * day_effects(rng, kind, segments, usual, days)
    odds = odds + rng.normal(0, 0.15, (segments, usual, 7))[..., np.arange(days) % 7]
    shares = np.zeros((segments, days, words.topics))
    shares[:, :, :usual] = np.moveaxis(np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True), 1, 2)
    goal = np.zeros((segments, 1, words.topics))
    if to is None:
        goal[np.arange(segments), 0, rng.integers(0, usual, segments)] = 1.0
    else:
        goal[:, 0, to] = 1 / len(range(*to.indices(words.topics)))
    moved = np.broadcast_to(share, (segments, days))
    if to is not None:
        moved = moved + USUAL_SHARE * np.exp(0.2 * day_effects(rng, kind, segments, days))
    shares = shares + (goal - shares) * moved[:, :, None]
    sizes = np.bincount(words.topic)
    of_texts = shares[:, :, words.topic] / sizes[words.topic]
    counts = rng.multinomial(n, of_texts / of_texts.sum(axis=2, keepdims=True)).astype(np.float64)
    return _as_family(family, words, counts, usual)


def _as_family(family: Family, words: Corpus, counts: NDArray[np.float64], usual: int) -> Traffic:
    """`counts` [segment, day, text] by their guessed language; or as sums of features, with clusters found in the usual
    texts."""
    n = counts.sum(axis=2)
    if family == "categorical":
        _, place = np.unique(words.language, return_inverse=True)
        return Traffic("categorical", counts @ np.eye(place.max() + 1)[place], n)
    centres, _ = clusters(words.vectors[words.topic < usual], MOST_CLUSTERS)
    place, _ = nearest(words.vectors, centres)
    means = counts @ features(words.vectors) / np.maximum(n, 1)[:, :, None]
    return Traffic("embedding", means, n, clusters=counts @ np.eye(len(centres))[place])


def volumes_of_tenants(rng: np.random.Generator, days: int, typical: float) -> NDArray[np.int64]:
    """Requests a day [tenant, day] of the 20 largest tenants of servegen that ask every day: their 14 days again and again,
    scaled so that a tenant's median day is `typical`, and drawn as whole requests. No tenant has fewer than 30 a day."""
    rows = []
    for path in sorted((DATA / "servegen/data/language/m-small").glob("*.csv")):
        windows = np.genfromtxt(path, delimiter=",", usecols=(0, 1))
        rows.append(np.bincount((windows[:, 0] // 86_400).astype(int), 600 * windows[:, 1], minlength=14)[:14])
    tenants = np.array(rows)
    daily = tenants[(tenants > 100).all(axis=1)]
    daily = daily[np.argsort(-daily.sum(axis=1))][:TENANTS]
    expected = daily / np.median(daily, axis=1, keepdims=True) * typical
    asked: NDArray[np.int64] = np.clip(rng.poisson(expected[:, np.arange(days) % 14]), 30, 20 * int(typical))
    return asked
