"""The desk where an LLM is asked about answers: what the night, the sensor's run and `make judge` share.

What is to be asked is what has no row, so a pass that is killed goes on where it was. The seed, the keys, the words, the
client and the clock meet here; the words end here, too.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import groupby
from typing import Any

from assets.quality.keyed_order import uniform
from assets.quality.llm_judge import OF_THE_ANSWER, SYSTEM, Question, judge_name, question, read_verdict
from pipelines.asking_desk import ROWS_OF_A_COMMIT, AskingDesk
from pipelines.quality.judge_rows import Tonight, cached_row, row_of, too_long_row
from pipelines.quality.label_population import ask, population
from pipelines.response_words import response_words
from resources.chat_client import ATTEMPTS, ChatClient
from resources.chat_endpoint import EndpointError
from resources.events import alone, closed_days_of, storing, table_rows
from resources.failpoints import failpoint
from resources.judge_seed import JUDGE_FILE, JudgeSeed, load_judge
from resources.key_record import open_keyring

Row = dict[str, Any]
JUDGEMENTS, FRAME, TEXTS = "quality.judgements", "quality.label_frame", "logs.texts"
_AT_ONCE = 200
"""Answers whose words are in memory at a time."""
_KNOWN = """
select content_key, verdict, p_hallucinated, unsupported_sentences, error_class, answered_model
from quality.judgements
where
    judge = $judge and content_key in (select unnest($keys))
    and (error_class is null or error_class in (select unnest($of_the_answer)))
"""


@dataclass
class Judged:
    """What a pass did. `left_out`: answers that nothing was asked about, for the reason `why`; `gone`: their words are."""

    judged: int = 0
    cached: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    gone: int = 0
    left_out: int = 0
    usd: Decimal = Decimal(0)
    why: str | None = None

    @property
    def is_silent(self) -> bool:
        """Something was to be asked, and nothing was answered."""
        return self.judged + self.cached == 0 and bool(self.failed or self.left_out)

    def __str__(self) -> str:
        parts = [f"{self.judged} answers judged for {self.usd.normalize():f} USD"]
        parts += [f"{self.cached} known by their words"] if self.cached else []
        parts += [f"{number} {name.replace('_', ' ')}" for name, number in sorted(self.failed.items())]
        parts += [f"{self.gone} whose words are not kept any more"] if self.gone else []
        parts += [f"{self.left_out} left out: {self.why}"] if self.left_out else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Due:
    """`inputs`: a digest of what can be asked now, None where that is nothing; `why`: something is, and cannot be asked."""

    inputs: str | None = None
    why: str | None = None


class JudgeDesk(AskingDesk):
    """The judge of one warehouse."""

    def read_seed(self) -> JudgeSeed | None:
        """judge.yml; None where no judge is declared. Raises JudgeSeedError."""
        return load_judge(self.seeds / JUDGE_FILE)

    def look(self) -> Due:
        """What a pass would ask about now. Raises JudgeSeedError, KeyringError."""
        seed = self.read_seed()
        if seed is None or not (open_ := self._open(seed)):
            return Due()
        try:
            seed.endpoint.key(self._environment)
        except EndpointError as error:
            return Due(why=str(error))
        if why := self._tonight(seed).over(seed):
            return Due(why=why)
        told = "\n".join(f"{row['day']} {row['request_id']}" for row in open_)
        return Due(hashlib.sha256(f"{judge_name(seed.endpoint.model)}\n{told}".encode()).hexdigest()[:16])

    def work(self, say: Callable[[str], Any] = lambda text: None) -> Judged | None:
        """Ask about what has no row yet, within the night's bounds; rows are stored as they come. Twice is once. None
        where no judge is declared.

        Raises JudgeSeedError, KeyringError. An endpoint that cannot be asked is told in what it returns.
        """
        seed = self.read_seed()
        if seed is None:
            return None
        with alone(self.store, ".judging.lock"):
            # Two would ask about the same answers, and twice as fast as is declared.
            return self._judge(seed, say)

    def _judge(self, seed: JudgeSeed, say: Callable[[str], Any]) -> Judged:
        open_, done, tonight = self._open(seed), Judged(), self._tonight(seed)
        try:
            key = seed.endpoint.key(self._environment)
        except EndpointError as error:
            done.left_out, done.why = len(open_), str(error)
            return done
        tonight.begin_anew()
        here: dict[str, Row] = {}
        until = self._monotonic() + tonight.seconds_left(seed, self.clock.now())
        storing_ = storing(self.store, JUDGEMENTS, ROWS_OF_A_COMMIT, lambda: failpoint("judge.stored"))
        with ChatClient(seed.endpoint, key, self._sleep, self._monotonic) as client, storing_ as keep:
            for place, (row, asked, known) in enumerate(self._questions(seed, open_)):
                if asked is None:
                    done.gone += 1
                    continue
                base = self._base(seed, row, asked)
                if known := known or here.get(asked.content_key):
                    found = cached_row(base, known)
                elif asked.characters > seed.most_characters:
                    found = too_long_row(base)
                else:
                    body = seed.endpoint.chat(asked.message, SYSTEM)
                    # No tokenizer makes more tokens than there are bytes.
                    most = seed.cost_usd(len(json.dumps(body).encode()), seed.endpoint.max_tokens)
                    is_late = self._monotonic() >= until
                    done.why = tonight.over(seed, ATTEMPTS * most, is_late)
                    if done.why:
                        done.left_out = len(open_) - place
                        break
                    reply = client.ask(body, until)
                    said = read_verdict(reply.text, asked) if reply.text is not None else None
                    found = row_of(base, reply, said, seed, most)
                keep(found)
                if found["error_class"] is None or found["error_class"] in OF_THE_ANSWER:
                    here[asked.content_key] = found
                tonight.count(found)
                _count(done, found)
                if (place + 1) % ROWS_OF_A_COMMIT == 0:
                    say(f"{place + 1:,} of {len(open_):,} answers: {done}")
        return done

    def _questions(self, seed: JudgeSeed, rows: Sequence[Row]) -> Iterator[tuple[Row, Question | None, Row | None]]:
        """What is asked about each answer (None: its words are gone), and what is known of an equal content."""
        judge = judge_name(seed.endpoint.model)
        for day, of_day in groupby(rows, key=lambda row: row["day"]):
            waiting = list(of_day)
            for start in range(0, len(waiting), _AT_ONCE):
                some = waiting[start : start + _AT_ONCE]
                words = response_words(self.store, day, [row["request_id"] for row in some])
                asked = {
                    name: question(judge, found["texts"], self._key)
                    for name, found in words.items()
                    if found["may_label"] and "output" in found["texts"]
                }
                known = self._known(judge, [one.content_key for one in asked.values()])
                for row in some:
                    one = asked.get(row["request_id"])
                    yield row, one, known.get(one.content_key) if one else None

    def _known(self, judge: str, keys: Sequence[str]) -> dict[str, Row]:
        given = {"judge": judge, "keys": list(keys), "of_the_answer": sorted(OF_THE_ANSWER)}
        return {row["content_key"]: row for row in ask(self.store, _KNOWN, {JUDGEMENTS: None}, given)}

    def _open(self, seed: JudgeSeed) -> list[Row]:
        """Answers to be judged: the newest day first, what people are asked about before the rest, and then as the key
        decides, so that what a bound leaves out is left to chance."""
        judge, found = judge_name(seed.endpoint.model), list[Row]()
        for day in self._days(seed):
            known = {row["request_id"] for row in table_rows(self.store, JUDGEMENTS, {day}) if row["judge"] == judge}
            frame = table_rows(self.store, FRAME, {day}) if seed.drawn else []
            drawn = {row["request_id"] for row in frame if row["is_drawn"]}
            rows = [
                row
                for row in population(self.store, day)
                if row["may_label"] is not False and (seed.features is None or row["feature"] in seed.features)
            ]
            lots = uniform(self._key, f"judge {day}", [row["request_id"] for row in rows])
            chosen = [
                (row["request_id"] not in drawn, lot, row)
                for row, lot in zip(rows, lots, strict=True)
                if row["request_id"] not in known and (row["request_id"] in drawn or lot < seed.share)
            ]
            chosen.sort(key=lambda entry: (*entry[:2], entry[2]["request_id"]))
            found += [{**row, "day": day, "reason": "share" if late else "drawn"} for late, _, row in chosen]
        return found

    def _days(self, seed: JudgeSeed) -> list[date]:
        last = self.clock.last_due_day()
        window = [last - timedelta(days=n) for n in range(seed.look_back_days)]
        closed = closed_days_of(self.store, TEXTS) | closed_days_of(self.store, JUDGEMENTS)
        return [day for day in window if day not in closed]

    def _tonight(self, seed: JudgeSeed) -> Tonight:
        night = self.clock.last_due_day()
        days = {night - timedelta(days=n) for n in range(seed.look_back_days)}
        tonight = Tonight()
        rows = [row for row in table_rows(self.store, JUDGEMENTS, days) if row["night"] == night]
        for row in sorted(rows, key=lambda row: row["asked_at"]):
            tonight.count(row)
        return tonight

    def _base(self, seed: JudgeSeed, row: Row, asked: Question) -> Row:
        return {
            "day": row["day"], "request_id": row["request_id"], "user_token": row["user_token"],
            "judge": judge_name(seed.endpoint.model), "night": self.clock.last_due_day(), "reason": row["reason"],
            "content_key": asked.content_key, "sentences": asked.sentences, "asked_at": self.clock.now(),
        }  # fmt: skip

    @cached_property
    def _key(self) -> bytes:
        """Secret, and no pseudonym's."""
        return hmac.digest(open_keyring(self.store, self.clock.now()).key, b"nocturne judge", "sha256")


def _count(done: Judged, row: Row) -> None:
    done.usd += row["cost_usd"] or 0
    if row["error_class"]:
        done.failed[row["error_class"]] += 1
    elif row["is_cached"]:
        done.cached += 1
    else:
        done.judged += 1
