"""Files in the home that hold words of users, besides the exported queue: the words leave when retention takes them.

Proposals of cases and answers of evaluation runs go whole; of a review the quoted words go, and the rest stays.
"""

from __future__ import annotations

from datetime import date, timedelta

from assets.quality.weekly_review import first_day, without_words
from pipelines.release.case_files import ProposalFiles
from resources.durable import write_atomically
from resources.eval_answers import EvalAnswers
from resources.events import closed_days_of
from resources.store import Store

TEXTS = "logs.texts"


def remove_words(store: Store) -> int:
    """Take the words of closed days out of proposals and reviews; how many files were removed or changed."""
    closed = closed_days_of(store, TEXTS)
    return ProposalFiles(store.state).remove(closed) + _quiet_reviews(store, closed) + _forget_answers(store, closed)


def _forget_answers(store: Store, closed: set[date]) -> int:
    """Answers of evaluation runs are of a day on which perhaps nothing was logged, so that it is never closed: they leave
    with the newest day that is, unless the words of their day are held."""
    answers = EvalAnswers(store.state)
    held = {file.day for file in store.newest(TEXTS).files()} if closed else set()
    return answers.remove(day for day in answers.days() if closed and day <= max(closed) and day not in held)


def _quiet_reviews(store: Store, closed: set[date]) -> int:
    changed = 0
    for path in sorted((store.state / "reviews").glob("????-W??.md")):
        first = first_day(path.stem)
        if any(first + timedelta(days=n) in closed for n in range(7)):
            text = path.read_text(encoding="utf-8")
            if (quiet := without_words(text)) != text:
                write_atomically(path, quiet.encode(), mode=0o600)
                changed += 1
    return changed
