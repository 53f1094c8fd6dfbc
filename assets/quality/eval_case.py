"""One evaluation case as it stands in a suite, warehouse/seeds/evals/<suite>.jsonl: what is asked, and what is expected.

Here belongs the shape of a line and its lint; docs/eval-cases.md says it for people. Suites are read by whoever runs them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

from assets.quality.case_checks import LEAST_SIMILARITY, CaseChecksError, Checks, parse_checks
from assets.quality.sentences import plain

KINDS = ("answerable", "unanswerable", "ambiguous", "injected", "confidential", "messy")
_MAY_SAY = ("system", "tools", "checks", "segment", "critical")
LONGEST_WORD = 200
"""Characters of one entry of must and must_not: a fact, not an essay."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}\Z")
_TEXTS = ("question", "case_id", "kind")
_LISTS = ("context", "document_ids", "must", "must_not", "tools")
CRITICAL_KINDS = frozenset({"injected", "confidential"})
"""A failure of such a case is a critical safety failure, unless it says otherwise."""
_NUMBER = re.compile(r"[€$£]?\d(?:[\d.,:]*\d)?\s?%?")


class EvalCaseError(ValueError):
    """A line of a suite that cannot be used; says which and why."""


@dataclass(frozen=True)
class EvalCase:
    """A question, what it is asked with, and what the answer must and must not say. None or empty: not said.

    `reference` is an answer that a person calls right. `expected_refusal`: true: the answer declines; false: it does not;
    None: either will do. `provenance` is the name of its case in quality.case_log; None: somebody wrote it. `checks`: what
    else a right answer is like, as case_checks.py reads it. `system`: words that stand in the system message beside the
    prompt's own. `tools`: what the model is offered. `segment`: the part of the traffic that it stands for. `critical`: see
    is_critical; None: as its kind is.
    """

    case_id: str
    kind: str
    question: str
    feature: str | None = None
    history: str | None = None
    context: Sequence[str] = ()
    document_ids: Sequence[str] = ()
    reference: str | None = None
    must: Sequence[str] = ()
    must_not: Sequence[str] = ()
    expected_refusal: bool | None = None
    provenance: str | None = None
    system: str | None = None
    tools: Sequence[str] = ()
    checks: Mapping[str, Any] | None = None
    segment: str | None = None
    critical: bool | None = None

    def line(self) -> str:
        """The line of a suite, without its end; what it may say and does not is left out."""
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        unsaid = [name for name in _MAY_SAY if not said[name] and said[name] is not False]
        told = {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}
        return json.dumps({name: value for name, value in told.items() if name not in unsaid}, ensure_ascii=False)

    @property
    def texts(self) -> list[str]:
        """All its words."""
        single = [text for text in (self.question, self.history, self.reference, self.system) if text]
        patterns = self.expects.regex
        schema = [json.dumps(self.expects.json_schema, ensure_ascii=False)] if self.expects.json_schema else []
        return [*single, *self.context, *self.must, *self.must_not, *patterns, *schema]

    @cached_property
    def expects(self) -> Checks:
        """Its checks, read. A case that has nothing but a reference expects an answer that is like it."""
        found = parse_checks(self.checks)
        nothing = not (self.must or self.must_not) and self.expected_refusal is None and found.is_empty
        return replace(found, similarity=LEAST_SIMILARITY) if nothing and self.reference else found

    @property
    def is_critical(self) -> bool:
        """An answer that fails it is a critical safety failure."""
        return self.kind in CRITICAL_KINDS if self.critical is None else self.critical


def read_suite(text: str, name: str) -> list[EvalCase]:
    """The cases of a suite; a byte order mark is no part of it. Raises EvalCaseError: what is wrong in which line."""
    found: dict[str, EvalCase] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if not line.strip():
            continue
        where = f"{name}, line {number}"
        try:
            raw = json.loads(line)
            # Half a character (\\ud800) can be written in JSON, and in no file and no request.
            json.dumps(raw, ensure_ascii=False, allow_nan=False).encode()
        except UnicodeEncodeError:
            raise EvalCaseError(f"{where} has half a character (a lone surrogate); write the whole one") from None
        except (ValueError, RecursionError):
            raise EvalCaseError(f"{where} is no JSON: a case is one object on one line, not nested without end") from None
        case = parse(raw, where)
        if case.case_id in found:
            raise EvalCaseError(f"{where}: case_id {case.case_id} stands there twice; each case has one of its own")
        found[case.case_id] = case
    return list(found.values())


def parse(raw: Any, where: str) -> EvalCase:
    """A case from its JSON. Raises EvalCaseError."""
    known = {field.name for field in fields(EvalCase)}
    if not isinstance(raw, dict) or set(raw) - known:
        unknown = sorted(set(raw) - known) if isinstance(raw, dict) else raw
        raise EvalCaseError(f"{where}: a case is an object with {', '.join(sorted(known))}; not {unknown!r}")
    for name in _TEXTS:
        if not isinstance(raw.get(name), str) or not raw[name].strip():
            raise EvalCaseError(f"{where}: {name} is a text, and needed")
    if not _NAME.match(raw["case_id"]):
        raise EvalCaseError(f"{where}: case_id is lower-case letters, digits, `.`, `_` and `-`; not {raw['case_id']!r}")
    if raw["kind"] not in KINDS:
        raise EvalCaseError(f"{where}: kind is one of {', '.join(KINDS)}; not {raw['kind']!r}")
    for name in ("feature", "history", "reference", "provenance", "system", "segment"):
        if not isinstance(raw.get(name), str | None):
            raise EvalCaseError(f"{where}: {name} is a text or null; not {raw[name]!r}")
    for name in _LISTS:
        entries = raw.get(name, [])
        if not isinstance(entries, list) or not all(isinstance(entry, str) and entry.strip() for entry in entries):
            raise EvalCaseError(f"{where}: {name} is a list of texts, none empty")
    for name in ("expected_refusal", "critical"):
        if not isinstance(raw.get(name), bool | None):
            raise EvalCaseError(f"{where}: {name} is true, false or null; not {raw[name]!r}")
    case = EvalCase(**{**raw, **{name: tuple(raw.get(name, ())) for name in _LISTS}})
    _check_expectation(case, where)
    return case


def _check_expectation(case: EvalCase, where: str) -> None:
    try:
        expects = case.expects
    except CaseChecksError as error:
        raise EvalCaseError(f"{where}: {error}") from None
    said = case.must or case.must_not or case.reference or case.expected_refusal is not None or not expects.is_empty
    if not said:
        raise EvalCaseError(f"{where}: it expects nothing; give must, must_not, reference or expected_refusal, or checks")
    _check_material(case, expects, where)
    for entry in (*case.must, *case.must_not):
        if len(entry) > LONGEST_WORD:
            raise EvalCaseError(f"{where}: an entry of must or must_not is at most {LONGEST_WORD} characters: a fact each")
    if both := {plain(entry) for entry in case.must} & {plain(entry) for entry in case.must_not}:
        raise EvalCaseError(f"{where}: must and must_not both have {min(both)!r}")


def _check_material(case: EvalCase, expects: Checks, where: str) -> None:
    """Raises EvalCaseError where a check has nothing to hold an answer against."""
    if case.segment is not None and not _NAME.match(case.segment):
        raise EvalCaseError(f"{where}: segment is lower-case letters, digits, `.`, `_` and `-`; not {case.segment!r}")
    if expects.similarity is not None and not case.reference:
        raise EvalCaseError(f"{where}: similarity needs a reference to be similar to")
    if expects.groundedness is not None and not case.context:
        raise EvalCaseError(f"{where}: groundedness needs a context")
    if expects.cites is not None and not (case.document_ids and len(case.document_ids) == len(case.context)):
        raise EvalCaseError(f"{where}: citation needs documents: context, and as many document_ids")
    for name, wanted, there in (
        ("citation", expects.cites or (), case.document_ids),
        ("tools", (*expects.calls, *expects.never_calls), case.tools),
    ):
        if strange := sorted(set(wanted) - set(there)):
            raise EvalCaseError(f"{where}: {name} names {strange[0]!r}, which the case does not have")


def expected_of(correction: str | None, answer: str | None) -> Mapping[str, list[str]]:
    """`must` and `must_not` as a correction suggests them: the numbers in which it and the answer differ.

    A start for whoever writes the case; of a correction that differs in words alone nothing is guessed.
    """
    if not correction or not answer:
        return {"must": [], "must_not": []}
    right, wrong = _numbers(correction), _numbers(answer)
    return {"must": [n for n in right if n not in wrong], "must_not": [n for n in wrong if n not in right] if right else []}


def _numbers(text: str) -> list[str]:
    return list(dict.fromkeys(match[0].strip() for match in _NUMBER.finditer(text)))
