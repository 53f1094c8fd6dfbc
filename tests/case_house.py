"""A house whose failures become evaluation cases. As a program: one pass of its desk, in its own process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from house import price
from label_house import LabelHouse, answered

from pipelines.governance.review_desk import ReviewDesk
from pipelines.release.case_desk import LOG, PROPOSALS, CaseDesk
from pipelines.release.case_files import ProposalFiles
from resources.events import Row, table_rows

MONDAY = "2026-11-16T05:00:00"
"""The week of 9 November is over."""
QUESTION = "How many days do I have to return shoes?"


class CaseHouse(LabelHouse):
    """At 05:00 UTC of Monday, 16 November 2026; prices are known."""

    def __init__(self, root: Path, now: str = MONDAY):
        super().__init__(root, now, ("cost.request_costs", "quality.cases_now"))
        self.declare(look_back_days=14)
        self.set_prices([price("large", 2.0)])

    def judge(self, *said: Row) -> None:
        """Draw everything, and take these lines as a label file."""
        self.desk().work()
        self.drop(f"{len(self.imports())}.jsonl", list(said))
        assert all(file.is_clean for file in self.read_labels())

    def cases(self) -> CaseDesk:
        return CaseDesk(self.store, self.seeds, self.clock)

    def review(self) -> ReviewDesk:
        return ReviewDesk(self.cases())

    def proposals(self) -> list[Row]:
        return sorted(table_rows(self.store, PROPOSALS), key=lambda row: (row["day"], row["request_id"], row["failure"]))

    def log(self) -> list[Row]:
        return sorted(table_rows(self.store, LOG), key=lambda row: (row["case_id"], row["change"]))

    def files(self) -> ProposalFiles:
        return ProposalFiles(self.store.state)

    def lines(self) -> list[Row]:
        """What people are given, in the order of files and lines."""
        paths = sorted(self.files().folder.glob("*.jsonl"))
        return [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").split("\n") if line]


def complaint(request_id: str, kind: str = "rating", ts: str = "2026-11-10T12:00:00Z", **more: Any) -> dict[str, Any]:
    """A thumbs down, or what else `kind` says."""
    value = {"feedback_value": 0} if kind == "rating" else {}
    said = {"record_kind": "feedback", "request_id": request_id, "ts": ts, "feedback_kind": kind, "tenant": None}
    return {**said, **value, **more}


def asked(name: str, question: str = QUESTION, answer: str = "You have 60 days.", **more: Any) -> dict[str, Any]:
    """An answered request of chat, on 9 November unless it says otherwise."""
    return answered(name, **{"feature": "chat", "prompt_text": question, "output_text": answer, **more})


def act_in(root: str, act: str, *case_id: str) -> None:
    """What a process of its own does in the house at `root`: `propose`, or `accept` with a case's id."""
    desk = CaseHouse(Path(root)).cases()
    if act == "propose":
        desk.propose()
    else:
        desk.accept(*case_id, "ana", kind="answerable", must=["30"])
