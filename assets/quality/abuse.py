"""quality.abuse: users and API keys that, on one day, tried too often to get round the rules, or read too much.

Here belongs which events of whom are counted; when they are too many is abuse_rules.py. A user is judged first; a key by
what is left of it without the users that are found, so that one attacker is one row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from assets.quality.abuse_rules import (
    ATTEMPTS,
    FEWEST_SEARCHERS,
    REPHRASINGS,
    Asked,
    Severity,
    Threshold,
    expected_documents,
    rephrasings,
    severity,
    signs,
    spread,
)
from assets.quality.injection_rules import EXTRACTION, JAILBREAK, OVERRIDE
from assets.quality.injections import is_blocked

Row = dict[str, Any]
USER, KEY = "user_token", "api_key_token"
_FACTS = ("tenant", "feature", "environment")
_EVIDENCE = 5
_PLACE = ["file_id", "record_number"]
_COUNTS = ("requests", "events", "different", "overrides", "jailbreaks", "extractions", "answered")
_SCHEMA: dict[str, Any] = {
    "day": pl.Date, "subject": pl.String, "subject_token": pl.String, "pattern": pl.String, "severity": pl.String,
    **dict.fromkeys([*_FACTS, USER, KEY], pl.String), **dict.fromkeys(_COUNTS, pl.Int64), "usual": pl.Float64,
    "first_seen": pl.Datetime("us", "UTC"), "last_seen": pl.Datetime("us", "UTC"), "evidence": pl.String,
}  # fmt: skip
COLUMNS = {
    "logs.requests": [
        "request_id", "ts", *_PLACE, *_FACTS, USER, KEY, "is_shadow", "prompt_fingerprint", "error_class",
        "safety_input_verdict", "safety_output_verdict", "finish_reason",
    ],
    "logs.texts": [*_PLACE, "part", "text"],
    "logs.retrievals": ["request_id", "document_id"],
    "quality.injections": ["request_id", "part", "categories", "prompt_fingerprint", "outcome"],
}  # fmt: skip


def abuse(
    day: date, requests: pl.DataFrame, texts: pl.DataFrame, retrievals: pl.DataFrame, injections: pl.DataFrame
) -> pl.DataFrame:
    """One row per user or API key and pattern of `day` that is worth a look."""
    prompts = texts.filter(pl.col("part") == "prompt").select(*_PLACE, prompt="text")
    seen = requests.filter(~pl.col("is_shadow").fill_null(False)).with_columns(is_blocked=is_blocked())
    asked = seen.join(prompts, on=_PLACE)
    typed = injections.filter(pl.col("part") == "prompt").drop("part", "prompt_fingerprint")
    rows = [
        *_by_user_then_key(asked, asked.join(typed, on="request_id"), "injection", ATTEMPTS),
        *_by_user_then_key(asked, _rephrased(asked), "rephrasing", REPHRASINGS),
        *_crawling(seen, retrievals),
    ]
    found = pl.DataFrame([{"day": day} | row for row in rows], schema=_SCHEMA)
    return found.sort("subject", "subject_token", "pattern")


def _by_user_then_key(asked: pl.DataFrame, events: pl.DataFrame, pattern: str, threshold: Threshold) -> Iterator[Row]:
    guilty: list[str] = []
    for subject in (USER, KEY):
        left = asked.filter(pl.col(subject).is_not_null() & ~pl.col(USER).is_in(guilty).fill_null(False))
        trials = dict(left.group_by(subject).len().iter_rows())
        of = events.join(left.select("request_id"), on="request_id", how="semi")
        for (token,), some in of.group_by(subject):
            n, all_trials = some.height, left.height
            if subject == KEY and 2 * trials[token] > all_trials:
                continue  # It is most of the traffic: there are no others to say what is usual.
            level, usual = severity(n, trials[token], of.height - n, all_trials - trials[token], threshold)
            # The same words again and again are a program that is stuck, not somebody who looks for a way in.
            different = some["prompt_fingerprint"].n_unique()
            if level == "abuse" and different < threshold.watch:
                level = "watch"
            if level is not None:
                yield _row(subject, token, pattern, level, some, trials[token], n, different, usual * trials[token])
            if level == "abuse" and subject == USER:
                guilty.append(token)


def _rephrased(asked: pl.DataFrame) -> pl.DataFrame:
    """The answered requests that say what was blocked before, in other words."""
    suspects = asked.filter(pl.col("is_blocked") & pl.col(USER).is_not_null()).select(USER).unique()
    found: list[str] = []
    columns = ("request_id", "ts", "is_blocked", "error_class", "prompt")
    for _, of in asked.join(suspects, on=USER).group_by(USER):
        said = [
            Asked(request_id, ts, blocked, not blocked and error is None, signs(prompt))
            for request_id, ts, blocked, error, prompt in of.select(columns).iter_rows()
        ]
        found += [passed.request_id for _, passed in rephrasings(said)]
    rows = asked.filter(pl.col("request_id").is_in(found))
    return rows.with_columns(categories=pl.lit(""), outcome=pl.lit("answered"))


def _crawling(seen: pl.DataFrame, retrievals: pl.DataFrame) -> Iterator[Row]:
    """Many different documents and few repeats, against what the day's searches show by chance."""
    found = retrievals.join(seen, on="request_id")
    popularity = found.group_by("document_id").len().sort("document_id")["len"].to_numpy()
    guilty: list[str] = []
    for subject in (USER, KEY):
        left = found.filter(pl.col(subject).is_not_null() & ~pl.col(USER).is_in(guilty).fill_null(False))
        totals = left.group_by(subject).agg(
            searches=pl.col("request_id").n_unique(), finds=pl.len(), different=pl.col("document_id").n_unique()
        )
        if totals.height < FEWEST_SEARCHERS:
            continue
        middle = float(np.median(totals["different"].to_numpy()))
        for token, searches, finds, different in totals.sort(subject).iter_rows():
            expected, deviation = expected_documents(popularity / popularity.sum(), searches, finds)
            level = spread(different, expected, deviation, middle)
            if level is None:
                continue
            some = left.filter(pl.col(subject) == token).unique("request_id")
            some = some.with_columns(categories=pl.lit(""), outcome=pl.lit(None, pl.String))
            yield _row(subject, token, "crawling", level, some, searches, finds, different, expected)
            if level == "abuse" and subject == USER:
                guilty.append(token)


def _row(
    subject: str, token: str, pattern: str, level: Severity, events: pl.DataFrame, requests: int, n: int, different: int,
    usual: float,
) -> Row:  # fmt: skip
    ordered = events.sort("ts", "request_id")
    tried = Counter(category for row in ordered["categories"] for category in row.split(","))
    return {
        "subject": subject.removesuffix("_token"), "subject_token": token, "pattern": pattern, "severity": level,
        **{name: _most(ordered[name]) for name in (*_FACTS, KEY)}, USER: token if subject == USER else None,
        "requests": requests, "events": n, "different": different, "overrides": tried[OVERRIDE],
        "jailbreaks": tried[JAILBREAK], "extractions": tried[EXTRACTION],
        "answered": None if pattern == "crawling" else int((ordered["outcome"] == "answered").sum()),
        "usual": round(usual, 4), "first_seen": ordered["ts"][0], "last_seen": ordered["ts"][-1],
        "evidence": ",".join(ordered["request_id"].head(_EVIDENCE)),
    }  # fmt: skip


def _most(values: pl.Series) -> str | None:
    """The value that most events have; of two the first in the alphabet."""
    counted = Counter(value for value in values if value is not None)
    return min(counted, key=lambda value: (-counted[value], value), default=None)
