"""What one entry of a label file says, or why it cannot be taken.

Here belongs what each field may hold. Whether the response is known, and what was said before, the import asks the tables.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from assets.quality.judged import VERDICTS

YES, NO, CANNOT_SAY = ("yes", "true", "1"), ("no", "false", "0"), ("cannot say", "cannot_say", "unsure", "n/a")
LONGEST_COMMENT, LONGEST_NAME = 4_000, 200
AHEAD = timedelta(hours=1)
"""Clocks of people's machines differ."""


@dataclass(frozen=True)
class Said:
    """One annotator's answer. `labelled_at` None: the file does not say when. `verdicts` by name; None: cannot say."""

    request_id: str
    day: date | None
    annotator: str
    labelled_at: datetime | None
    verdicts: Mapping[str, bool | None]
    severity: str | None
    root_cause: str | None
    comment: str | None


@dataclass(frozen=True)
class Fault:
    """Why an entry cannot be taken: one word, the field at fault and what it takes."""

    reason: str
    column_name: str | None = None
    expected: str | None = None


class _Wrong(Exception):
    """Ends the reading of one entry; its argument is the Fault."""


def read_entry(
    fields: Mapping[str, Any], severities: Collection[str], root_causes: Collection[str], now: datetime
) -> Said | Fault | None:
    """The answer, the fault, or None where nobody has answered."""
    try:
        request_id = _text(fields, "request_id", LONGEST_NAME)
        if request_id is None:
            raise _Wrong(Fault("missing", "request_id", "the id as it was exported"))
        given = {name: _verdict(fields, name) for name in VERDICTS}
        severity, cause = (_one_of(fields, n, a) for n, a in (("severity", severities), ("root_cause", root_causes)))
        comment = _text(fields, "comment", LONGEST_COMMENT)
        if not any(value is not None for value in (*given.values(), severity, cause, comment)):
            return None
        annotator = one_name(_text(fields, "annotator", LONGEST_NAME) or "")
        if not annotator:
            raise _Wrong(Fault("missing", "annotator", "who judged"))
        verdicts = {name: {"yes": True, "no": False}.get(value or "") for name, value in given.items()}
        labelled_at = _moment(fields, now)
        return Said(request_id, _day(fields), annotator, labelled_at, verdicts, severity, cause, comment)
    except _Wrong as wrong:
        fault: Fault = wrong.args[0]
        return fault


def one_name(text: str) -> str:
    """One spelling for one person, whatever tool they judged with: lower case, single spaces, no signs that nobody sees."""
    seen = "".join(letter for letter in unicodedata.normalize("NFC", text) if unicodedata.category(letter) != "Cf")
    return " ".join(seen.casefold().split())


def _text(fields: Mapping[str, Any], name: str, longest: int) -> str | None:
    value = fields.get(name)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _Wrong(Fault("wrong_value", name, "text"))
    text = str(value).strip()
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise _Wrong(Fault("wrong_value", name, "text without half characters"))
    if len(text) > longest:
        raise _Wrong(Fault("too_long", name, f"at most {longest:,} characters"))
    return text


def _verdict(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    said = str(value).strip().lower() if isinstance(value, str | int) else ""
    for meaning, spellings in (("yes", YES), ("no", NO), ("cannot say", CANNOT_SAY)):
        if said in spellings:
            return meaning
    raise _Wrong(Fault("wrong_value", name, "yes, no, cannot say, or nothing"))


def _one_of(fields: Mapping[str, Any], name: str, allowed: Collection[str]) -> str | None:
    value = _text(fields, name, LONGEST_NAME)
    if value is not None and value not in allowed:
        raise _Wrong(Fault("wrong_value", name, f"one of {', '.join(allowed)}"))
    return value


def _moment(fields: Mapping[str, Any], now: datetime) -> datetime | None:
    value = _text(fields, "labelled_at", LONGEST_NAME)
    if value is None:
        return None
    try:
        said = datetime.fromisoformat(value)
        moment = said.replace(tzinfo=UTC) if said.tzinfo is None else said.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _Wrong(Fault("wrong_value", "labelled_at", "a time such as 2026-11-10T09:30:00Z")) from None
    if moment > now + AHEAD:
        raise _Wrong(Fault("ahead_of_time", "labelled_at", "a time that has been"))
    return moment


def _day(fields: Mapping[str, Any]) -> date | None:
    value = _text(fields, "day", LONGEST_NAME)
    try:
        return None if value is None else date.fromisoformat(value)
    except ValueError:
        raise _Wrong(Fault("wrong_value", "day", "a day such as 2026-11-09, as it was exported")) from None
