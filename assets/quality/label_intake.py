"""What becomes of the entries of one label file, given what is known: rows, or the reason why not.

Here belong duplicates, second thoughts, conflicts, and responses that nobody asked about. What an entry says is
label_entry.py; where rows go is the import's business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from assets.quality.judged import VERDICTS
from assets.quality.label_entry import Fault, Said

Row = dict[str, Any]
Named = Callable[[str], Sequence[str]]
"""All pseudonyms that a name may have been given, the current one first."""
COUNTED_AS = {"unknown_id": "unknown", "several_days": "unknown", "conflicting": "conflicting", "closed_day": "closed"}
"""Reasons that quality.label_imports counts by themselves; all others are `faulty`."""


@dataclass(frozen=True)
class Asked:
    """What is known of the responses of the queue: by request id, the days on which it is in it, with the user's token."""

    days: Mapping[str, Mapping[date, str | None]]
    closed: Collection[date]


@dataclass(frozen=True)
class Reading:
    """One file: its digest, when it was written and read, and what makes labels of it theirs."""

    file_id: str
    written_at: datetime
    read_at: datetime
    pseudonyms: Named
    label_id: Callable[[Sequence[Any]], str]


@dataclass
class Taken:
    """What became of each entry: rows of quality.labels, the words to them by label id, faults by number, and counts."""

    labels: list[Row] = field(default_factory=list)
    comments: dict[str, str] = field(default_factory=dict)
    faults: dict[int, Fault] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def refuse(self, number: int, fault: Fault) -> None:
        """Write down why an entry is not taken."""
        self.faults[number] = fault
        self.counts[COUNTED_AS.get(fault.reason, "faulty")] += 1


def placed(said: Said, asked: Asked) -> tuple[date, str | None] | Fault:
    """The day of the response that somebody judged, and the user's token; or why there is none."""
    if said.day in asked.closed:
        return Fault("closed_day", "day", "a day that retention has not closed")
    days = asked.days.get(said.request_id, {})
    fitting = [day for day in sorted(days) if said.day in (None, day)]
    if not fitting:
        return Fault("unknown_id", "request_id", "a response of quality.label_queue")
    if len(fitting) > 1:
        return Fault("several_days", "day", "the day, since the id was used on several")
    (day,) = fitting
    if said.labelled_at is not None and said.labelled_at.date() < day:
        return Fault("before_the_response", "labelled_at", "a time after the response")
    if day in asked.closed:
        return Fault("closed_day", "day", "a day that retention has not closed")
    return day, days[day]


def take(
    answers: Iterable[tuple[int, Said]],
    asked: Asked,
    there: Iterable[Row],
    reading: Reading,
    is_first: bool,
    late_after_days: int,
) -> Taken:
    """The labels of a file, in its order. `there`: rows of quality.labels of the same days. `is_first`: the file has not
    been counted yet, so that rows that it has brought (a pass that was killed) are counted as its own."""
    taken = Taken()
    known: dict[str, Row] = {row["label_id"]: row for row in there}
    said_by: dict[tuple[date, str, str], list[Row]] = {}
    for row in known.values():
        if not (is_first and row["file_id"] == reading.file_id):
            said_by.setdefault((row["day"], row["request_id"], row["annotator"]), []).append(row)
    seen: set[str] = set()
    for number, said in answers:
        place = placed(said, asked)
        if isinstance(place, Fault):
            taken.refuse(number, place)
            continue
        row = _row(said, *place, reading)
        names = reading.pseudonyms(said.annotator)
        before = [r for name in names for r in said_by.get((row["day"], row["request_id"], name), [])]
        own = known.get(row["label_id"])
        is_own = is_first and own is not None and own["file_id"] == reading.file_id and row["label_id"] not in seen
        if row["label_id"] in seen or (own is not None and not is_own) or _repeats(row, before, said.labelled_at is None):
            taken.counts["duplicates"] += 1
        elif any(r["labelled_at"] == row["labelled_at"] for r in before):
            taken.refuse(number, Fault("conflicting", "labelled_at", "one answer of an annotator at a time"))
        else:
            row["is_revision"] = bool(before)
            taken.labels.append(row)
            taken.counts["labels"] += 1
            taken.counts["revisions"] += bool(before)
            taken.counts["late"] += (reading.read_at.date() - row["day"]).days > late_after_days
            said_by.setdefault((row["day"], row["request_id"], row["annotator"]), []).append(row)
            if said.comment is not None:
                taken.comments[row["label_id"]] = said.comment
        seen.add(row["label_id"])
    return taken


def _repeats(row: Row, before: Sequence[Row], is_untimed: bool) -> bool:
    """Whether an annotator says again what they said last."""
    if not before:
        return False
    last = max(before, key=lambda r: (r["labelled_at"], r["label_id"]))
    is_same = all(row[name] == last[name] for name in (*VERDICTS, "severity", "root_cause"))
    return is_same and (not row["has_comment"] or (is_untimed and last["has_comment"]))


def _row(said: Said, day: date, user_token: str | None, reading: Reading) -> Row:
    at = said.labelled_at or reading.written_at
    verdicts = {name: said.verdicts.get(name) for name in VERDICTS}
    content = [*verdicts.values(), said.severity, said.root_cause, said.comment]
    return {
        "day": day,
        "label_id": reading.label_id([str(day), said.request_id, said.annotator, at.isoformat(), *content]),
        "request_id": said.request_id,
        "user_token": user_token,
        "annotator": reading.pseudonyms(said.annotator)[0],
        "labelled_at": at,
        **verdicts,
        "severity": said.severity,
        "root_cause": said.root_cause,
        "has_comment": said.comment is not None,
        "is_revision": False,
        "file_id": reading.file_id,
        "recorded_at": reading.read_at,
    }
