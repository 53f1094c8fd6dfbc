"""One index on one night: what is due is built, measured, put to its gates, and published or not.

Here belongs the order of these steps. A pass that is killed is repeated: the live release answers meanwhile, whole, and what
was half made goes. Where a gate holds a release back the old one stays, less what was deleted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from assets.retrieval.index_gate import INTEGRITY, TUNED_TO, Facts, Failure, failures
from assets.retrieval.index_rules import Due, Standing, Wanted, due, kind_for
from pipelines.retrieval.corpus import VectorsMissingError, corpus_version, live_chunks, vectors_of
from pipelines.retrieval.index_build import (
    Loaded,
    Made,
    gone_from,
    made_from_nothing,
    made_from_parent,
    made_without_what_is_gone,
    still_found,
)
from pipelines.retrieval.index_ledger import BUILT, GATED, REJECTED, IndexLedger
from pipelines.retrieval.index_measures import Found, Searched, changes, judged, recall_of, rows, tuned
from pipelines.retrieval.index_queries import Embeds, questions
from resources.clock import Clock
from resources.failpoints import failpoint
from resources.faiss_index import device
from resources.golden_seed import GoldenQuery
from resources.index_store import Draft, IndexStore
from resources.live_index import IndexRefusedError, Vectors
from resources.store import Store

_TAKES_AWAY = ("deletions", "rollback")
"""Ways of making a release that add nothing: only integrity, and the size, are asked of them."""


FAILED = "failed"


class IndexDeskError(ValueError):
    """Something that cannot be done as asked; says why, and what to do."""


@dataclass(frozen=True)
class Done:
    """What a pass did for one index. `state`: unchanged, live (a new release), rejected (a gate held it back) or failed. Of
    the last two `release`, the one that answers, may be new all the same: less what was deleted; None: there is none, or
    its folder is not as it should be."""

    index: str
    state: str
    release: int | None
    why: str

    @property
    def is_trouble(self) -> bool:
        return self.state in ("rejected", FAILED)

    def __str__(self) -> str:
        if self.release is None and self.state == FAILED:
            return f"{self.index} is left as it is: {self.why}"
        if self.release is None:
            return f"{self.index} has no release: {self.why}"
        told = {"unchanged": "stays", "live": "is live", "rejected": "answers, another was held back", FAILED: "answers"}
        return f"{self.index}@{self.release} {told[self.state]}: {self.why}"


class IndexNight:
    """The state of one index as a pass finds it, and what it makes of it."""

    def __init__(
        self, store: Store, indexes: IndexStore, index: str, golden: list[GoldenQuery], embedder: Embeds, clock: Clock,
        threads: int,
    ):  # fmt: skip
        self.store, self.indexes, self.index, self.golden = store, indexes, index, golden
        self.embedder, self.clock, self.threads = embedder, clock, threads
        self.ledger = IndexLedger(store, indexes, index, clock)
        self.ledger.mend()
        self._tidy()
        self.corpus = self._corpus_now()
        self.questions = questions(store, index, golden, embedder, clock.last_due_day())
        self.live, self.refused = self._live()
        self.before = self._measured_live()
        self.gone = gone_from(self.live, self.corpus)

    def work(self, is_accepted: bool) -> Done:
        """Release what is due, if anything is."""
        if self.live is None and not self.corpus.num_rows:
            return self._done("unchanged", "the corpus has no chunk that is live")
        if self.live is not None and self.live.manifest["held"] and not is_accepted:
            return self._less_what_is_gone("unchanged", "a rollback holds until the index is accepted")
        try:
            plan = self._due()
            if plan.what is None and self.corpus.num_rows:
                return self._done("unchanged", plan.why)
            made = self._made(plan)
        except VectorsMissingError as error:
            return self._less_what_is_gone(FAILED, str(error))
        failed = self._offered(plan.what or "deletions", made, self.refused or plan.why, self.live, is_accepted)
        if not failed:
            return self._done("live", self.refused or plan.why)
        told = "; ".join(failure.why for failure in failed)
        if any(failure.gate == "size" for failure in failed):
            return self._done("rejected", told)  # What lost so much is not taken for deleted before a person said so.
        return self._less_what_is_gone("rejected", told)

    def rolled_back(self, to: int | None) -> Done:
        """Publish an earlier release anew. Raises IndexDeskError, IndexRefusedError."""
        number = self.indexes.live(self.index)
        earlier = [one for one in self.indexes.numbers(self.index) if one != number]
        wanted = to if to is not None else next(iter(self.ledger.before(number)), None)
        if wanted not in earlier or wanted is None:
            told = ", ".join(map(str, earlier)) or "none"
            raise IndexDeskError(f"{self.index} cannot go back to release {wanted}; on disk, and not live: {told}")
        back = self._loaded(wanted)
        made = made_without_what_is_gone(back, self.corpus)
        if not made.chunks.num_rows:
            raise IndexDeskError(f"of {self.index}@{wanted} no chunk is live any more: nothing would be found")
        failed = self._offered("rollback", made, f"back to {self.index}@{wanted}", back, is_accepted=True)
        if failed:
            return self._done("rejected", "; ".join(failure.why for failure in failed))
        return self._done("live", f"back to {self.index}@{wanted}; it holds until the index is accepted")

    # What stands, and what is due.

    def _corpus_now(self) -> pa.Table:
        return live_chunks(self.store, self.index, self.clock.now().date())

    def _live(self) -> tuple[Loaded | None, str | None]:
        """What is live; where it cannot be loaded, why: then it is built anew."""
        number = self.indexes.live(self.index)
        try:
            return (None, None) if number is None else (self._loaded(number), None)
        except (IndexRefusedError, FileNotFoundError) as error:
            return None, f"the live release is refused: {error}"

    def _loaded(self, number: int) -> Loaded:
        index, release = self.indexes.load(self.index, number, self.threads)
        return Loaded(release.manifest, Searched(index, release.chunks, release.point))

    def _measured_live(self) -> Found | None:
        """What the live release finds tonight; None where there is none, or it cannot be asked: its embedder is another."""
        if self.live is None or self.live.manifest["embedder"] != self.embedder.fingerprint:
            return None
        if not self.live.searched.chunks.num_rows:
            return None
        found = self._found(self.live.searched, recall_of(self.live.searched, self.questions))
        self.ledger.measured(self.live.number, rows(found))
        return found

    def _due(self) -> Due:
        if not self.corpus.num_rows:
            return Due(None, "all its documents are gone")
        version = corpus_version(self.corpus)
        wanted = Wanted(self.corpus.num_rows, self._dimensions, self.embedder.fingerprint, self._chunkers(), version)
        if self.live is None:
            return due(None, wanted)
        said = self.live.manifest
        recall = self.before.index_recall if self.before else None
        standing = Standing(
            said["kind"], said["embedder"], tuple(said["chunker"].split(",")), said["corpus_version"],
            said["ntotal"] + said["tombstones"], said["tombstones"], said["built_recall"], recall.value if recall else None,
        )  # fmt: skip
        plan = due(standing, wanted)
        return Due("full", "the rollback holds no longer") if plan.what is None and said["held"] else plan

    def _made(self, plan: Due) -> Made:
        if self.live is not None and plan.what is None:
            return made_without_what_is_gone(self.live, self.corpus)
        if self.live is not None and plan.what == "churn":
            return made_from_parent(self.live, self.corpus, self._vectors, self.embedder.fingerprint)
        kind = kind_for(self.corpus.num_rows, self._dimensions)
        return made_from_nothing(kind, self._dimensions, self.corpus, self._vectors, self.threads)

    def _chunkers(self) -> tuple[str, ...]:
        return tuple(sorted(self.corpus["chunker"].unique().to_pylist()))

    @cached_property
    def _dimensions(self) -> int:
        return int(self._vectors(self.corpus.slice(0, 1)).shape[1])

    def _vectors(self, corpus: pa.Table) -> Vectors:
        return vectors_of(self.store, corpus["text_digest"], self.embedder.fingerprint)

    # From what was made to what is live.

    def _less_what_is_gone(self, state: str, why: str) -> Done:
        """The live release less what was deleted, and with today's labels and dates, where either changed."""
        live, _ = self._live()  # Afresh: what a candidate was made from is changed in memory.
        if live is None:
            return self._done(state, why)
        made = made_without_what_is_gone(live, self.corpus)
        if made.chunks.equals(live.searched.chunks):
            return self._done(state, why)
        failed = self._offered("deletions", made, f"what was deleted goes, although {why}", live, is_accepted=False)
        return self._done("rejected" if failed else state, "; ".join([why, *(failure.why for failure in failed)]))

    def _offered(self, what: str, made: Made, why: str, parent: Loaded | None, is_accepted: bool) -> list[Failure]:
        """Measure, seal and gate what was made, and publish it if it may be live; the gates that hold it back."""
        searched, found, facts = self._measured(what, made, parent)
        number = self.ledger.next_number()
        self.indexes.make(self.index, number, Draft(made.index, made.chunks, facts))
        self.ledger.record(number, BUILT, why)
        failpoint("index.recorded")
        self.ledger.measured(number, rows(found))
        failed = self._failures(what, searched, found)
        held_back = [failure for failure in failed if failure.gate in INTEGRITY or not is_accepted]
        if held_back:
            self.ledger.record(number, REJECTED, "; ".join(failure.why for failure in held_back))
        else:
            overruled = "; ".join(failure.why for failure in failed)
            self.ledger.record(number, GATED, f"accepted by a person, although {overruled}" if overruled else None)
            failpoint("index.gated")
            self.indexes.publish(self.index, number)
            self.ledger.went_live(number)
        self._tidy()
        return held_back

    def _measured(self, what: str, made: Made, parent: Loaded | None) -> tuple[Searched, Found, dict[str, Any]]:
        """What was made, as it will be searched; what it finds; and what its manifest says."""
        said = parent.manifest if parent is not None and what != "full" else None
        mine = {"embedder": self.embedder.fingerprint, "chunker": ",".join(self._chunkers()), "device": device()}
        if parent is not None and said is not None and what in _TAKES_AWAY:
            searched = Searched(made.index, made.chunks, parent.searched.point)
            can_be_asked = said["embedder"] == self.embedder.fingerprint and made.chunks.num_rows > 0
            recall = recall_of(searched, self.questions) if can_be_asked else np.empty(0)
            mine = {name: said[name] for name in mine}
        else:
            best, recall = tuned(made.index, self.questions, TUNED_TO)
            searched, can_be_asked = Searched(made.index, made.chunks, best.point), True
        found = self._found(searched, recall) if can_be_asked else Found(recall, self.questions.come_from)
        interval = found.index_recall
        return searched, found, mine | {
            "what": what, "parent": said["release"] if said else None, "corpus_version": corpus_version(made.chunks),
            "operating_point": {"nprobe": searched.point.nprobe, "k_factor": searched.point.k_factor},
            "index_recall": [interval.value, interval.low, interval.high] if interval else None,
            "built_recall": said["built_recall"] if said else interval and interval.value,
            "held": what == "rollback" or (what == "deletions" and said is not None and said["held"]),
            "build_seconds": made.seconds, "golden": found.golden(),
        }  # fmt: skip

    def _found(self, searched: Searched, recall: np.ndarray[Any, Any]) -> Found:
        documents = set(self.corpus["document_id"].to_pylist())
        return replace(judged(searched, self.questions, documents), recall=recall)

    def _failures(self, what: str, searched: Searched, found: Found) -> list[Failure]:
        live = self.live
        facts = Facts(
            recall=found.index_recall,
            chunks=searched.chunk_ids(),
            live_now=frozenset(self._corpus_now()["chunk_id"].to_pylist()),
            removed_and_found=still_found(self.gone, searched),
            chunks_before=live.manifest["ntotal"] if live is not None else None,
            changes=changes(found, self.before, live.manifest["golden"] if live is not None else {}),
            golden=len(self.golden),
            golden_judged=len(found.golden_ids),
        )
        asked = (*INTEGRITY[:2], "size") if what in _TAKES_AWAY else None
        return [failure for failure in failures(facts) if asked is None or failure.gate in asked]

    def _tidy(self) -> None:
        self.indexes.tidy(self.index, keep=self.ledger.before(self.indexes.live(self.index)))

    def _done(self, state: str, why: str) -> Done:
        return Done(self.index, state, self.indexes.live(self.index), why)
