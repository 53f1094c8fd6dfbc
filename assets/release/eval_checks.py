"""One answer held against what its case expects: which checks passed, and by what value.

Here belong pure questions about one answer. Vectors and the verdict of a judge are the caller's: without them such a check
is not measured, and neither passes nor fails. Words end here; what comes out is names and numbers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import re2

from assets.drift.probe_scores import last_number
from assets.quality.case_checks import Checks
from assets.quality.citations import BORNE_OUT, Document, citations, cited
from assets.quality.eval_case import EvalCase
from assets.quality.json_forms import satisfies
from assets.quality.refusal import refuses
from assets.quality.sentences import plain, sentences
from assets.quality.support import Context


@dataclass(frozen=True)
class Answer:
    """What came back. `says_refused`: the provider says that it declined. `calls`: names of the tools that it called.

    `similarity`: cosine to the case's reference; `p_made_up`: what a judge says, 0 to 1; None: not measured.
    """

    text: str
    says_refused: bool = False
    calls: tuple[str, ...] = ()
    similarity: float | None = None
    p_made_up: float | None = None


@dataclass(frozen=True)
class Outcome:
    """`passed` None: not measured. `value`: what it was measured by, None where that is only yes or no."""

    passed: bool | None
    value: float | None = None


def outcomes(case: EvalCase, answer: Answer, output_schema: Mapping[str, Any] | None = None) -> dict[str, Outcome]:
    """By check that the case asks for, in a fixed order. At least one: a case expects something.

    `output_schema`: the form of the version's answers. One that calls a tool instead, or that the provider itself declined,
    has no form to keep.
    """
    expects, said = case.expects, answer.text
    found: dict[str, Outcome] = {}
    if case.must:
        found["must"] = _all(says(said, entry) for entry in case.must)
    if case.must_not:
        found["must_not"] = _all(not says(said, entry) for entry in case.must_not)
    if case.expected_refusal is not None:
        found["refusal"] = Outcome(declines(answer) == case.expected_refusal)
    if expects.regex:
        found["regex"] = _all(re2.search(pattern, said) is not None for pattern in expects.regex)
    if expects.json_schema is not None:
        found["json_schema"] = Outcome(satisfies(said, expects.json_schema))
    if expects.numeric is not None:
        found["numeric"] = _near(last_number(said), expects)
    if expects.similarity is not None:
        found["similarity"] = _at_least(answer.similarity, expects.similarity)
    if expects.groundedness is not None:
        found["groundedness"] = _at_least(groundedness(said, case.context), expects.groundedness)
    if expects.cites is not None:
        found["citation"] = _cites(said, case, expects.cites)
    if expects.calls or expects.never_calls:
        kept = [name in answer.calls for name in expects.calls] + [name not in answer.calls for name in expects.never_calls]
        found["tools"] = _all(kept)
    if expects.judge:
        p = answer.p_made_up
        found["judge"] = Outcome(None if p is None else p < 0.5, p)
    if output_schema is not None and not answer.says_refused and not answer.calls:
        found["output_schema"] = Outcome(satisfies(said, output_schema))
    return found


def passed(found: Mapping[str, Outcome]) -> bool | None:
    """Whether an answer passes: false where a check failed, None where one is not measured and none failed."""
    said = [outcome.passed for outcome in found.values()]
    return False if False in said else None if None in said or not said else True


def as_json(found: Mapping[str, Outcome]) -> str:
    """As release.eval_runs has it."""
    rounded = {
        name: {"passed": o.passed, **({} if o.value is None else {"value": round(o.value, 6)})} for name, o in found.items()
    }
    return json.dumps(rounded)


def says(text: str, entry: str) -> bool:
    """Whether a text has an entry of must or must_not: whole words, without case and accents, however they are spaced."""
    words = r"\s+".join(re.escape(word) for word in plain(entry).split())
    return re.search(rf"(?<!\w){words}(?!\w)", plain(text)) is not None


def declines(answer: Answer) -> bool:
    """It says that it cannot or will not help, or that it found nothing; an answer that calls a tool goes ahead."""
    if answer.says_refused:
        return True
    if answer.calls:
        return False
    return bool(pl.select(refuses(pl.lit(answer.text))).item())


def groundedness(text: str, context: Sequence[str]) -> float | None:
    """The share of an answer's words, rarer ones weighing more, that its context has; the mean of its sentences. None where
    it has no words."""
    there = Context(tuple(context))
    shares = [share for sentence in sentences(text) if (share := there.support(sentence).words) is not None]
    return sum(shares) / len(shares) if shares else None


def _cites(text: str, case: EvalCase, wanted: Sequence[str]) -> Outcome:
    """It cites all documents that are wanted (none named: any), and what it cites bears it out."""
    documents = [
        Document(name, rank, Context((words,)))
        for rank, (name, words) in enumerate(zip(case.document_ids, case.context, strict=True), 1)
    ]
    said = sentences(text)
    ranks = {str(document.rank): document.id.casefold() for document in documents}
    named = {ranks.get(label, label) for sentence in said for label in cited(sentence, documents)[0]}
    correct = citations(said, documents).correct
    has_all = named.issuperset(name.casefold() for name in wanted) and bool(named)
    return Outcome(has_all and correct is not None and correct >= BORNE_OUT, correct)


def _near(found: float | None, expects: Checks) -> Outcome:
    assert expects.numeric is not None
    # A tolerance of 0 forgives what binary fractions do to 17.35.
    slack = max(expects.tolerance, 1e-9 * abs(expects.numeric))
    return Outcome(found is not None and abs(found - expects.numeric) <= slack, found)


def _at_least(value: float | None, least: float) -> Outcome:
    return Outcome(None if value is None else value >= least, value)


def _all(kept: Iterable[bool]) -> Outcome:
    said = list(kept)
    return Outcome(all(said), sum(said) / len(said))
