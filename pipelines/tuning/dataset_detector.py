"""Scores of responses that people judged: the candidates of the detector's dataset. Its rows are numbers, and no words.

Here belongs who is believed, and what may be learnt from. What a labelled row is, detector_labels.py says.
"""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from assets.tuning.refine import LABEL_FLIP, MAY_TRAIN, SPLITS, Candidate, Refined
from pipelines.quality.detector_labels import labelled
from pipelines.tuning.dataset_evidence import LABELS, annotators_of, asked, distrusted, facts_of, name_of
from resources.events import table_rows
from resources.store import Store

SOURCE = "labelled"


class DetectorRows:
    """The candidates of one warehouse."""

    def __init__(self, store: Store):
        self.store = store
        self._columns: pl.DataFrame = pl.DataFrame()

    def candidates(self) -> list[Candidate]:
        """One for each judged response that has a score."""
        by_all = labelled(self.store)
        said = table_rows(self.store, LABELS)
        doubted = distrusted(self.store, said)
        believed = labelled(self.store, doubted) if doubted else by_all
        frame = by_all if believed.is_empty() else believed
        if frame.is_empty():
            return []
        self._columns = frame.clear()
        rows = {(row["day"], row["request_id"]): row for row in believed.iter_rows(named=True)}
        scored = {(row["day"], row["request_id"]): row for row in by_all.iter_rows(named=True)} | rows
        judged_by = annotators_of(row for row in said if row["annotator"] not in doubted)
        requests = asked(self.store, {day for day, _ in scored}, {request for _, request in scored})
        known = {(row["day"], row["request_id"]): row for row in requests}
        found = []
        for key, row in sorted(scored.items()):
            if (facts := known.get(key)) is None:
                continue  # Shadow traffic, or a request that is gone.
            group = row["conversation_token"] or row["request_id"]
            fault = MAY_TRAIN if facts["may_train"] is False else None if key in rows else LABEL_FLIP
            found.append(Candidate(
                name_of("detector", *map(str, key)), source=SOURCE, group=group, fault=fault,
                annotators=tuple(sorted(judged_by[row["request_id"]])), row=row | {"group": group}, **facts_of(facts),
            ))  # fmt: skip
        return found

    def tables(self, refined: Refined) -> dict[str, pa.Table]:
        """train, dev and test of what is kept: the columns of quality.scores with label, inclusion and group."""
        schema = self._columns.with_columns(pl.lit(None, pl.String).alias("group")).schema
        return {
            split: pl.DataFrame([dict(one.row) for one in refined.kept[split]], schema=schema).to_arrow() for split in SPLITS
        }
