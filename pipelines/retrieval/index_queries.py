"""What an index is measured with: questions that people asked it, questions of the seed, and logged ones that are judged.

Here belong the reading of them and their way through the embedder. Who judges is index_judgments.py, what is made of the
vectors index_measures.py; the words end here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import sha256
from typing import Protocol

import numpy as np

from pipelines.quality.label_population import ask
from pipelines.retrieval.index_judgments import Judgments, cited, clicks, opinion
from resources.golden_seed import GoldenQuery
from resources.live_index import Vectors
from resources.store import Store

MOST = 1_000
"""Logged questions of a night, and judged ones of each basis."""
WINDOW_DAYS = 7
LABELLED_DAYS = 28
"""Labels come late, and are few: responses of so many days. Texts are kept a little longer."""
FEWEST = 50
"""With fewer questions, chunks are taken for questions."""
_ASKED = """
select r.request_id, r.tenant, t.text
from logs.requests as r
inner join logs.texts as t on t.file_id = r.file_id and t.record_number = r.record_number
where t.record_kind = 'request' and t.part = 'prompt' and exists (
    select 1 from logs.retrievals as v
    where
        v.request_id = r.request_id
        and (starts_with(v.index_version, $index_name || '@') or coalesce(instr(v.index_version, '@'), 0) = 0)
) and ($every or r.request_id in (select unnest($ids)))
order by sha256($night || r.request_id)
limit $most
"""


class Embeds(Protocol):
    """What the desk needs of an embedder (resources/embedder.py)."""

    @property
    def fingerprint(self) -> str: ...

    def embed(self, texts: Sequence[str]) -> Vectors: ...


@dataclass(frozen=True)
class Judged:
    """A logged question, and the documents, or chunks of them, that answer it by one basis of index_judgments.py."""

    basis: str
    vector: Vectors
    tenant: str | None
    documents: frozenset[str]


@dataclass(frozen=True)
class Questions:
    """`asked` are vectors, of `come_from` (logs, golden_queries; chunks: too few were asked, the index's own are taken)."""

    asked: Vectors
    come_from: str
    golden: list[GoldenQuery] = field(default_factory=list)
    golden_vectors: Vectors = field(default_factory=lambda: np.empty((0, 0), np.float32))
    judged: list[Judged] = field(default_factory=list)

    @property
    def golden_ids(self) -> list[str]:
        """A name for each golden query that lasts as long as its words do."""
        return [sha256(one.query.encode()).hexdigest()[:16] for one in self.golden]


def questions(store: Store, index_name: str, golden: list[GoldenQuery], embedder: Embeds, night: date) -> Questions:
    """The questions of the week up to the night, a sample; where they name a release, this index's alone. Judged are those
    of the sample that cited something, and others, a sample too, that were clicked or labelled."""
    week = _days_up_to(night, WINDOW_DAYS)
    near = _near(week)
    said = opinion(store, _days_up_to(night, LABELLED_DAYS))
    asked = _Asked(store, index_name, night)
    rows = asked.on(week)
    judgments = {
        "cited": _less(cited(store, near), said.blamed),
        "clicks": _less(clicks(store, near), said.blamed),
        "labels": {name: found for name, found in cited(store, _near(said.days)).items() if name in said.vouched},
    }
    sampled = {
        "cited": [row for row in rows if row["request_id"] in judgments["cited"]],
        "clicks": asked.on(week, judgments["clicks"]),
        "labels": asked.on(said.days, judgments["labels"]),
    }
    texts = list(dict.fromkeys(row["text"] for some in (rows, *sampled.values()) for row in some))
    # An embedder that is asked nothing need not be loaded.
    vectors, golden_vectors = (
        embedder.embed(words) if words else np.empty((0, 0), np.float32) for words in (texts, [one.query for one in golden])
    )
    vector_of = dict(zip(texts, vectors, strict=True))
    judged = [
        Judged(basis, vector_of[row["text"]], row["tenant"], judgments[basis][row["request_id"]])
        for basis, some in sampled.items()
        for row in some
    ]
    if len(rows) >= FEWEST:
        return Questions(np.stack([vector_of[row["text"]] for row in rows]), "logs", golden, golden_vectors, judged)
    if len(golden) >= FEWEST:
        return Questions(golden_vectors, "golden_queries", golden, golden_vectors, judged)
    return Questions(np.empty((0, 0), np.float32), "chunks", golden, golden_vectors, judged)


@dataclass(frozen=True)
class _Asked:
    """Logged questions of one index, as rows of request_id, tenant and text; at most MOST, drawn by the night."""

    store: Store
    index_name: str
    night: date

    def on(self, days: set[date], judged: Judgments | None = None) -> list[dict[str, str]]:
        """Of these days; `judged`: those requests alone."""
        if judged is not None and not judged:
            return []
        inputs = {"logs.requests": days, "logs.texts": _near(days), "logs.retrievals": _near(days)}
        given = {"index_name": self.index_name, "night": self.night.isoformat(), "most": MOST}
        return ask(self.store, _ASKED, inputs, given | {"every": judged is None, "ids": sorted(judged or ())})


def _less(judgments: Judgments, blamed: frozenset[str]) -> Judgments:
    return {request: documents for request, documents in judgments.items() if request not in blamed}


def _days_up_to(night: date, days: int) -> set[date]:
    return {night - timedelta(days=n) for n in range(days)}


def _near(days: set[date]) -> set[date]:
    """With the days beside them: what belongs to a request may be filed there."""
    return days | {day + timedelta(days=n) for day in days for n in (-1, 1)}
