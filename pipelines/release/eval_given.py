"""Answers that were given before: in a file of the site's own harness, or in the logs of a version that is live.

Here belongs how they are found for the cases of a suite. Nothing is asked, and nothing is kept but what they were worth.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from assets.quality.eval_case import EvalCase
from pipelines.quality.label_population import ask
from pipelines.release.eval_rows import Given, Identity, Place
from resources.chat_client import MOST_TOKENS, Reply
from resources.store import Store

Suite = Mapping[str, Sequence[EvalCase]]
LOOK_BACK_DAYS = 30
DEAREST_USD, LONGEST_MS = 1_000_000, 86_400_000
"""Of one answer: beyond that a harness counted in other units."""
_KEYS = {
    "case_id", "suite", "repeat", "answer", "calls", "says_refused", "model", "input_tokens", "output_tokens", "cost_usd",
    "latency_ms", "error",
}  # fmt: skip
_ANSWERED = """
select
    r.request_id, r.feature, r.model, r.latency_ms, r.finish_reason, trim(q.text) as question, a.text as answer,
    c.contracted_amount as cost_usd
from logs.requests as r
inner join logs.texts as q
    on q.file_id = r.file_id and q.record_number = r.record_number and q.record_kind = 'request' and q.part = 'prompt'
inner join logs.texts as a
    on a.file_id = r.file_id and a.record_number = r.record_number and a.record_kind = 'request' and a.part = 'output'
left join cost.request_costs as c on c.request_id = r.request_id and c.day = r.day
where
    version_name(r.prompt_version) = version_name($version) and r.error_class is null
    and coalesce(r.may_label, true) and coalesce(r.may_train, true)
    and trim(q.text) in (select unnest($questions))
order by r.ts desc, r.request_id
"""


class GivenError(ValueError):
    """Answers that cannot be read; says which line and what is wrong."""


def given_in_file(path: Path, suites: Suite, repeats: int) -> tuple[Identity, list[Given]]:
    """The answers of a JSONL file, a line each: `case_id` and `answer` at least (docs/evaluations.md). Raises GivenError."""
    try:
        content = path.read_bytes()
        lines = content.decode().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise GivenError(f"{path.name} cannot be read: {type(error).__name__}") from None
    places = {(p.suite, p.case_id, p.repeat): p for p in _all(suites, repeats)}
    found: dict[Place, Given] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        row = _line(f"{path.name}, line {number}", line)
        named = [name for name in suites if row.get("suite") in (None, name)]
        for suite in named:
            if place := places.get((suite, row["case_id"], row.get("repeat", 1))):
                found[place] = _given(place, row, f"{path.name}, line {number}")
    digest = hashlib.sha256(content).hexdigest()
    return Identity(f"file:{path.name}", digest, "file"), list(found.values())


def given_in_logs(store: Store, version: str, suites: Suite, repeats: int, last_day: date) -> tuple[Identity, list[Given]]:
    """What a logged prompt version answered to the very questions of the cases in the last 30 days, the newest first; to
    those of a case of a feature, what that feature did. Responses that may not be used are left out."""
    near = {last_day - timedelta(days=n) for n in range(-1, LOOK_BACK_DAYS + 1)}
    questions = sorted({case.question.strip() for cases in suites.values() for case in cases})
    inputs = {"logs.requests": near, "logs.texts": near, "cost.request_costs": near}
    rows = ask(store, _ANSWERED, inputs, {"version": version, "questions": questions})
    found, used = [], []
    for suite, cases in suites.items():
        for case in cases:
            asked = case.question.strip()
            mine = [row for row in rows if row["question"] == asked and case.feature in (None, row["feature"])]
            for repeat, row in enumerate(mine[:repeats], 1):
                reply = Reply(
                    text=row["answer"], finish_reason=row["finish_reason"], model=row["model"], latency_ms=row["latency_ms"],
                    says_refused=row["finish_reason"] == "content_filter", attempts=0,
                )  # fmt: skip
                found.append(Given(Place(suite, case.case_id, repeat, case), reply, cost_usd=row["cost_usd"]))
                used.append(row["request_id"])
    digest = hashlib.sha256(json.dumps([version, sorted(used)]).encode()).hexdigest()
    return Identity(f"logged:{version}", digest, "logged"), found


def _all(suites: Suite, repeats: int) -> Iterable[Place]:
    for suite, cases in suites.items():
        for case in cases:
            yield from (Place(suite, case.case_id, repeat, case) for repeat in range(1, repeats + 1))


def _line(where: str, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
        # Half a character (\\ud800) can be written in JSON, and in no table; NaN is no JSON.
        json.dumps(row, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise GivenError(f"{where} is no JSON: an answer is one object on one line, not nested without end") from None
    if not isinstance(row, dict) or set(row) - _KEYS or not isinstance(row.get("case_id"), str):
        raise GivenError(f"{where}: an answer is an object with case_id, answer, and else {', '.join(sorted(_KEYS))}")
    if (row.get("answer") is None) == (row.get("error") is None):
        raise GivenError(f"{where}: give answer, or error where there is none")
    for key, types in (("answer", str | None), ("model", str | None), ("repeat", int), ("latency_ms", int | float | None),
                       ("input_tokens", int | None), ("output_tokens", int | None), ("calls", list)):  # fmt: skip
        if key in row and (not isinstance(row[key], types) or isinstance(row[key], bool)):
            raise GivenError(f"{where}: {key} is not {row[key]!r}")
    if not isinstance(row.get("says_refused", False), bool):
        raise GivenError(f"{where}: says_refused is true or false, not {row['says_refused']!r}")
    for key, most in (("input_tokens", MOST_TOKENS), ("output_tokens", MOST_TOKENS), ("latency_ms", LONGEST_MS)):
        if row.get(key) is not None and not 0 <= row[key] <= most:
            raise GivenError(f"{where}: {key} is a number from 0 to {most:,}")
    return row


def _given(place: Place, row: Mapping[str, Any], where: str) -> Given:
    if row.get("error") is not None:
        return Given(place, Reply("no_answer", attempts=0))
    try:
        cost = None if row.get("cost_usd") is None else Decimal(str(row["cost_usd"]))
        is_sound = cost is None or 0 <= cost <= DEAREST_USD
    except InvalidOperation:
        is_sound = False
    if not is_sound:
        raise GivenError(f"{where}: cost_usd is a number of USD from 0 to {DEAREST_USD:,}")
    latency = row.get("latency_ms")
    reply = Reply(
        text=row["answer"], says_refused=bool(row.get("says_refused")), model=row.get("model"),
        input_tokens=row.get("input_tokens"), output_tokens=row.get("output_tokens"),
        latency_ms=None if latency is None else float(latency), attempts=0, calls=tuple(map(str, row.get("calls", ()))),
    )  # fmt: skip
    return Given(place, reply, cost_usd=cost)
