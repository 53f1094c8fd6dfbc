"""Rows of quality.judgements, and what those of a night leave of its bounds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from assets.quality.llm_judge import OF_THE_ANSWER, Verdict
from resources.chat_client import Reply
from resources.judge_seed import JudgeSeed

Row = dict[str, Any]
GIVES_UP_AFTER = 3
"""Questions in a row without an answer, each tried several times: the endpoint is left alone for the night."""
NO_VERDICT_AFTER = 10
"""Answers in a row that hold no verdict: this model does not do what it is asked."""
_UNSAID = ("verdict", "p_hallucinated", "unsupported_sentences", "error_class", "http_status", "answered_model")


@dataclass
class Tonight:
    """What was asked in a night so far: counted row by row, in the order of asking."""

    asked: int = 0
    reserved_usd: Decimal = Decimal(0)
    first_at: datetime | None = None
    unanswered: int = 0
    without_verdict: int = 0
    is_unauthorised: bool = False

    def count(self, row: Row) -> None:
        """Take a row in. What was not sent counts for nothing."""
        if row["attempts"] == 0:
            return
        self.asked += 1
        self.reserved_usd += row["reserved_usd"]
        self.first_at = self.first_at or row["asked_at"]
        error = row["error_class"]
        self.is_unauthorised |= error == "unauthorised"
        self.unanswered = self.unanswered + 1 if error and error not in OF_THE_ANSWER else 0
        self.without_verdict = self.without_verdict + 1 if error in OF_THE_ANSWER else 0

    def begin_anew(self) -> None:
        """Forget what was wrong with the endpoint: somebody may have mended it. What is spent stays spent."""
        self.unanswered = self.without_verdict = 0
        self.is_unauthorised = False

    def over(self, seed: JudgeSeed, most_usd: Decimal = Decimal(0), is_late: bool = False) -> str | None:
        """Why nothing more is asked tonight that may cost `most_usd`; None: it is."""
        if is_late:
            return f"minutes_a_night ({seed.minutes_a_night:g}) are over"
        if self.asked >= seed.answers_a_night:
            return f"answers_a_night ({seed.answers_a_night:,}) are asked"
        if self.reserved_usd + most_usd > seed.usd_a_night:
            return f"usd_a_night ({seed.usd_a_night}) might be exceeded"
        if self.is_unauthorised:
            return "its key is not accepted"
        if self.unanswered >= GIVES_UP_AFTER:
            return f"{self.unanswered} questions in a row got no answer"
        if self.without_verdict >= NO_VERDICT_AFTER:
            return f"{self.without_verdict} replies in a row held no verdict"
        return None

    def seconds_left(self, seed: JudgeSeed, now: datetime) -> float:
        """Of minutes_a_night, which begin with the night's first question."""
        return 60 * seed.minutes_a_night - (now - (self.first_at or now)).total_seconds()


def row_of(base: Row, reply: Reply, said: Verdict | str | None, seed: JudgeSeed, most_usd: Decimal) -> Row:
    """The row of a question that was sent. `said`: what was read in the reply; `most_usd`: what an attempt costs at most.
    The words of the reply end here."""
    error: str | None = reply.error_class
    if error is None and reply.says_refused:
        error = "declined"
    elif error is None and reply.finish_reason == "length":
        error = "cut_short"
    elif error is None and not isinstance(said, Verdict):
        error = said
    cost = None
    if reply.input_tokens is not None and reply.output_tokens is not None:
        cost = seed.cost_usd(reply.input_tokens, reply.output_tokens)
    row = {
        **base, **_nothing(), "error_class": error, "http_status": reply.http_status, "answered_model": reply.model,
        "attempts": reply.attempts, "input_tokens": reply.input_tokens, "output_tokens": reply.output_tokens,
        "cost_usd": cost, "reserved_usd": (most_usd if cost is None else cost) + most_usd * (reply.attempts - 1),
    }  # fmt: skip
    if error is None and isinstance(said, Verdict):
        row |= {
            "verdict": said.supported, "p_hallucinated": said.p_hallucinated,
            "unsupported_sentences": json.dumps(list(said.unsupported)),
        }  # fmt: skip
    return row


def cached_row(base: Row, known: Row) -> Row:
    """The row of an answer whose equal was asked about before: `known`, what that one's row says."""
    told = ("verdict", "p_hallucinated", "unsupported_sentences", "error_class", "answered_model")
    return {**base, **_nothing(), **{name: known[name] for name in told}, "is_cached": True}


def too_long_row(base: Row) -> Row:
    """The row of an answer that is not asked about because there is too much to read."""
    return {**base, **_nothing(), "error_class": "too_long"}


def _nothing() -> Row:
    nothing = {"is_cached": False, "attempts": 0, "input_tokens": None, "output_tokens": None}
    return {**dict.fromkeys(_UNSAID), **nothing, "cost_usd": Decimal(0), "reserved_usd": Decimal(0)}
