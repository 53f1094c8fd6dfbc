"""The desk where a day's responses are drawn for labelling: what the night, the sensor's run and `make label-queue` share.

A draw is one commit of quality.label_frame; the queue and the line about the draw follow from it, so that a pass that is
killed goes on where it was. The seed, the key, the tables and the clock meet here.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from assets.quality.judged import mean_verdicts
from assets.quality.label_draw import Plan, draw_row, earned_rho, frame_rows, queue_rows, targeted_rows
from pipelines.quality.label_population import SCORES, population, suspicious
from resources.clock import Clock
from resources.events import append, closed_days_of, table_rows
from resources.failpoints import failpoint
from resources.key_record import open_keyring
from resources.keyring import Keyring
from resources.labelling_seed import LABELLING_FILE, LabellingSeed, load_labelling
from resources.store import Store
from resources.warehouse_resource import WarehouseResource

Row = dict[str, Any]
FRAME, DRAWS, QUEUE, LABELS = "quality.label_frame", "quality.label_draws", "quality.label_queue", "quality.labels"
TEXTS = "logs.texts"
RHO_DAYS = 28
"""Labels of so many days say how well the score does."""
_STEERING = "hallucinated"
"""The verdict whose probability the score is."""


@dataclass
class Drawn:
    """What a pass put into the queue. `excluded`: responses that may not be labelled, by day of those that were drawn."""

    drawn: dict[date, int] = field(default_factory=dict)
    late: dict[date, int] = field(default_factory=dict)
    targeted: dict[date, int] = field(default_factory=dict)
    excluded: int = 0

    def __bool__(self) -> bool:
        return bool(self.drawn or self.late or self.targeted)

    def __str__(self) -> str:
        parts = [f"{sum(self.drawn.values())} responses of {len(self.drawn)} days drawn"]
        parts += [f"{sum(self.late.values())} that came late"] if self.late else []
        parts += [f"{sum(self.targeted.values())} targeted"] if self.targeted else []
        parts += [f"{self.excluded} left out that may not be labelled"] if self.excluded else []
        return ", ".join(parts)


class LabelDesk:
    """The draws of one warehouse."""

    def __init__(self, store: Store, seeds: Path, clock: Clock):
        self.store = store
        self.seeds = seeds
        self.clock = clock

    @classmethod
    def of(cls, warehouse: WarehouseResource, clock: Clock) -> LabelDesk:
        """The desk of a warehouse."""
        return cls(warehouse.store(), warehouse.seeds, clock)

    def read_seed(self) -> LabellingSeed:
        """labelling.yml. Raises LabellingSeedError."""
        return load_labelling(self.seeds / LABELLING_FILE)

    def days(self) -> list[date]:
        """The due days that are drawn from: those of the look-back that retention has left their words."""
        last = self.clock.last_due_day()
        window = [last - timedelta(days=n) for n in reversed(range(self.read_seed().look_back_days))]
        closed = closed_days_of(self.store, TEXTS) | closed_days_of(self.store, FRAME) | closed_days_of(self.store, QUEUE)
        return [day for day in window if day not in closed]

    def pending(self) -> str | None:
        """A digest of what a pass would put into the queue now; None where that is nothing."""
        seed = self.read_seed()
        if not seed.labels_per_night:
            return None
        due = []
        for day in self.days():
            frame = table_rows(self.store, FRAME, {day})
            queue = {row["request_id"] for row in table_rows(self.store, QUEUE, {day})}
            drawn = {row["draw"] for row in table_rows(self.store, DRAWS, {day})}
            known = {row["request_id"] for row in frame}
            new = [row["request_id"] for row in population(self.store, day) if row["request_id"] not in known]
            missing = [row["request_id"] for row in frame if row["is_drawn"] and row["request_id"] not in queue]
            untold = {row["draw"] for row in frame} - drawn
            targeted = self._targeted(seed, day, frame, table_rows(self.store, QUEUE, {day}))
            if new or missing or untold or targeted:
                due.append(f"{day} {new} {missing} {sorted(untold)} {[row['request_id'] for row in targeted]}")
        return hashlib.sha256("\n".join(due).encode()).hexdigest()[:16] if due else None

    def work(self) -> Drawn:
        """Draw what is not drawn yet, day by day. Twice is once. Raises LabellingSeedError, KeyringError."""
        seed, done = self.read_seed(), Drawn()
        if seed.labels_per_night:
            for day in self.days():
                self._draw(seed, day, done)
        return done

    def _draw(self, seed: LabellingSeed, day: date, done: Drawn) -> None:
        responses = population(self.store, day)
        plan: list[Plan] = []

        def decide(there: list[Row]) -> list[Row]:
            if not {row["request_id"] for row in responses} - {row["request_id"] for row in there}:
                return []
            plan[:] = [self._plan(seed, day)]
            return frame_rows(day, responses, there, plan[0])

        new = append(self.store, FRAME, decide, days={day})
        frame, now = table_rows(self.store, FRAME, {day}), self.clock.now()
        if not frame:
            return
        failpoint("label.drawn")
        append(self.store, QUEUE, lambda _: queue_rows(day, frame, self._key, now), days={day})
        failpoint("label.queued")
        told = {row["draw"] for row in table_rows(self.store, DRAWS, {day})}
        untold = sorted({row["draw"] for row in frame} - told)
        if untold:
            plan = plan or [self._plan(seed, day)]
            rows = [draw_row(day, number, frame, plan[0], self._keyring.key_id, now) for number in untold]
            append(self.store, DRAWS, lambda _: rows, days={day})
        targeted = append(self.store, QUEUE, lambda there: self._targeted(seed, day, frame, there), days={day})
        done.excluded += sum(row["excluded"] is not None for row in new)
        if new:
            counted = done.drawn if new[0]["draw"] == 1 else done.late
            counted[day] = sum(row["is_drawn"] for row in new)
        if targeted:
            done.targeted[day] = len(targeted)

    def _targeted(self, seed: LabellingSeed, day: date, frame: list[Row], there: list[Row]) -> list[Row]:
        if not seed.targeted_per_day:
            return []
        reasons = tuple(seed.reasons)
        found = suspicious(self.store, day, self.clock.last_due_day(), reasons)
        if not found:
            return []
        now = self.clock.now()
        return targeted_rows(day, frame, there, found, reasons, seed.targeted_per_day, self._key, now)

    def _plan(self, seed: LabellingSeed, day: date) -> Plan:
        return Plan(seed.labels_per_night, seed.double_share, seed.risk_weights, self._key, self._rho(day))

    def _rho(self, day: date) -> float | None:
        """How well the score has done on the days before `day`."""
        earlier = {day - timedelta(days=n) for n in range(1, RHO_DAYS + 1)}
        rows = table_rows(self.store, LABELS, earlier) if SCORES in self.store.contracts else []
        if not rows:
            return None
        labels = pl.DataFrame(rows, infer_schema_length=None)
        return earned_rho(table_rows(self.store, FRAME, earlier), mean_verdicts(labels, _STEERING))

    @cached_property
    def _keyring(self) -> Keyring:
        return open_keyring(self.store, self.clock.now())

    @cached_property
    def _key(self) -> bytes:
        """Secret, and no pseudonym's: made of the keyring, and gone from it by no look at what was drawn."""
        return hmac.digest(self._keyring.key, b"nocturne label draw", "sha256")
