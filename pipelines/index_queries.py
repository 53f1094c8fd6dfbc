"""What an index is measured with: questions that people asked it, questions of the seed, and what answers cited.

Here belong the reading of them and their way through the embedder. What is made of the vectors is index_measures.py; the
words end here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import sha256
from typing import Protocol

import numpy as np

from pipelines.label_population import ask
from resources.golden_seed import GoldenQuery
from resources.live_index import Vectors
from resources.store import Store

MOST = 1_000
"""Logged questions of a night."""
WINDOW_DAYS = 7
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
)
order by sha256($night || r.request_id)
limit $most
"""
_CITED = """
select distinct request_id, document_id
from logs.retrievals
where is_cited and request_id in (select unnest($ids))
"""


class Embeds(Protocol):
    """What the desk needs of an embedder (resources/embedder.py)."""

    @property
    def fingerprint(self) -> str: ...

    def embed(self, texts: Sequence[str]) -> Vectors: ...


@dataclass(frozen=True)
class Cited:
    """A logged question whose answer cited documents, or chunks of them."""

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
    cited: list[Cited] = field(default_factory=list)

    @property
    def golden_ids(self) -> list[str]:
        """A name for each golden query that lasts as long as its words do."""
        return [sha256(one.query.encode()).hexdigest()[:16] for one in self.golden]


def questions(store: Store, index_name: str, golden: list[GoldenQuery], embedder: Embeds, night: date) -> Questions:
    """The questions of the week up to the night, a sample; where they name a release, this index's alone."""
    days = {night - timedelta(days=n) for n in range(WINDOW_DAYS)}
    near = days | {min(days) - timedelta(days=1), night + timedelta(days=1)}
    inputs = {"logs.requests": days, "logs.texts": near, "logs.retrievals": near}
    given = {"index_name": index_name, "night": night.isoformat(), "most": MOST}
    rows = ask(store, _ASKED, inputs, given)
    # An embedder that is asked nothing need not be loaded.
    vectors, golden_vectors = (
        embedder.embed(texts) if texts else np.empty((0, 0), np.float32)
        for texts in ([row["text"] for row in rows], [one.query for one in golden])
    )
    by_request: dict[str, set[str]] = {}
    for row in ask(store, _CITED, {"logs.retrievals": near}, {"ids": [row["request_id"] for row in rows]}):
        by_request.setdefault(row["request_id"], set()).add(row["document_id"])
    cited = [
        Cited(vector, row["tenant"], frozenset(by_request[row["request_id"]]))
        for row, vector in zip(rows, vectors, strict=True)
        if row["request_id"] in by_request
    ]
    asked, come_from = (vectors, "logs") if len(rows) >= FEWEST else (golden_vectors, "golden_queries")
    if len(asked) < FEWEST:
        asked, come_from = asked[:0], "chunks"
    return Questions(asked, come_from, golden, golden_vectors, cited)
