"""What tuning.candidates says of the candidates, and how a step is added to it: once, and only where it may follow.

Here belong the rows and their order. What is done between two steps is tuning_desk.py's business.
"""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from resources.clock import Clock
from resources.events import append, table_rows
from resources.store import Store
from resources.training_folder import seconds_spent
from resources.training_spec import training_folder
from resources.tuning_seed import MODELS, LimitsSeed, Recipe

CANDIDATES = "tuning.candidates"
NOCTURNE = "nocturne"
REQUESTED, TRAINING, TRAINED, PASSED, REJECTED = "requested", "training", "trained", "passed", "rejected"
REGISTERED, PROMOTED, RETIRED, FAILED, CANCELLED = "registered", "promoted", "retired", "failed", "cancelled"
_FOLLOWS: dict[str | None, frozenset[str]] = {
    None: frozenset({REQUESTED}),
    REQUESTED: frozenset({TRAINING, FAILED, CANCELLED}),
    TRAINING: frozenset({TRAINED, FAILED, CANCELLED}),
    TRAINED: frozenset({PASSED, REJECTED, FAILED, CANCELLED}),
    PASSED: frozenset({REGISTERED, REJECTED, CANCELLED}),
    REGISTERED: frozenset({PROMOTED, REJECTED, RETIRED, CANCELLED}),
    REJECTED: frozenset({REJECTED}),
    PROMOTED: frozenset({RETIRED}),
    RETIRED: frozenset({PROMOTED}),
    FAILED: frozenset({REQUESTED}),
    CANCELLED: frozenset({REQUESTED}),
}
"""A rejected one is rejected again, with its version, once it stands in the registry."""
OPEN = frozenset({REQUESTED, TRAINING})
"""What a pass has to train; of a killed one it resumes what says training."""
Row = dict[str, Any]


def spent_on(home: Path, candidate: str, limits: LimitsSeed) -> Row:
    """What all attempts at a candidate have taken by now, as columns; none where none began."""
    seconds = seconds_spent(training_folder(home, candidate))
    return {} if seconds is None else {"training_seconds": seconds, "cost_usd": limits.cost_usd(seconds)}


class TuningLedger:
    """The candidates of one warehouse, as their newest rows say; read anew whenever it is made."""

    def __init__(self, store: Store, clock: Clock):
        self._store = store
        self._clock = clock
        self.rows = sorted(
            table_rows(store, CANDIDATES), key=lambda row: (row["recorded_at"], row["candidate"], row["step"])
        )
        self.newest = _newest(self.rows)

    def request(
        self, candidate: str, kind: str, dataset_version: str, base_model: str, recipe: Recipe, reason: str, actor: str
    ) -> bool:
        """A candidate is to be trained; whether that is new. It is not where it was trained before, whatever became of it,
        or another of its kind is still to be trained: of two nights at once one asks."""
        told = {
            "kind": kind, "dataset_version": dataset_version, "base_model": base_model or "none",
            "recipe": json.dumps(dict(recipe), sort_keys=True), "mlflow_run_id": None, "model_version": None,
            "training_seconds": None, "cost_usd": None,
        }  # fmt: skip
        return self._append(candidate, REQUESTED, reason, actor, told)

    def step(self, candidate: str, state: str, reason: str | None = None, actor: str = NOCTURNE, **known: Any) -> bool:
        """A candidate takes a step, if it may from where it is now; whether it did. `known`: columns that are known now."""
        return self._append(candidate, state, reason, actor, known)

    def in_state(self, *states: str, kind: str | None = None) -> list[Row]:
        """The newest rows of candidates in one of these states, in the order of their last step."""
        found = [row for row in self.newest.values() if row["state"] in states and kind in (None, row["kind"])]
        return sorted(found, key=lambda row: (row["recorded_at"], row["candidate"]))

    def requested_last(self, kind: str) -> Row | None:
        """The newest request of a kind."""
        return max(self._of(kind, REQUESTED), key=lambda row: row["recorded_at"], default=None)

    def promoted(self, model: str) -> Row | None:
        """The candidate that is champion of a model by this ledger; None: none ever was, or somebody else's model is."""
        mine = [row for row in self.in_state(PROMOTED) if MODELS[row["kind"]] == model]
        return mine[-1] if mine else None

    def spent_usd(self, kind: str, month: date) -> Decimal:
        """What attempts at candidates of a kind cost that ended in the month (UTC) of a day, failed ones included."""
        spent, known = Decimal(0), dict[str, Decimal]()
        for row in sorted(self._of(kind, TRAINED, FAILED, CANCELLED), key=lambda row: row["step"]):
            if (cost := row["cost_usd"]) is not None:
                before = known.get(row["candidate"], Decimal(0))
                known[row["candidate"]] = cost
                if (row["day"].year, row["day"].month) == (month.year, month.month):
                    # It is said of all attempts together; of one whose folder was removed (training_sweep.py), anew.
                    spent += cost - before if cost >= before else cost
        return spent

    def _of(self, kind: str, *states: str) -> list[Row]:
        return [row for row in self.rows if row["kind"] == kind and row["state"] in states]

    def _append(self, candidate: str, state: str, reason: str | None, actor: str, known: dict[str, Any]) -> bool:
        now = self._clock.now()
        added: list[Row] = []

        def decide(there: list[Row]) -> list[Row]:
            mine = sorted((row for row in there if row["candidate"] == candidate), key=lambda row: row["step"])
            before: Row | None = mine[-1] if mine else None
            added.clear()
            is_said = before is not None and before["state"] == REJECTED and before["model_version"] is not None
            if is_said or state not in _FOLLOWS[before["state"] if before else None]:
                return []
            is_busy = any(row["state"] in OPEN and row["kind"] == known.get("kind") for row in _newest(there).values())
            if state == REQUESTED and is_busy:
                return []
            told = {
                "day": now.date(), "recorded_at": now, "candidate": candidate, "state": state, "reason": reason,
                "actor": actor, "step": before["step"] + 1 if before else 1,
            }  # fmt: skip
            added.append((before or {}) | known | told)
            return added

        if not append(self._store, CANDIDATES, decide):
            return False
        self.rows.append(added[0])
        self.newest[candidate] = added[0]
        return True


def _newest(rows: list[Row]) -> dict[str, Row]:
    return {row["candidate"]: row for row in sorted(rows, key=lambda row: int(row["step"]))}
