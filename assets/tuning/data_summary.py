"""What a person is told of a dataset: counts by source, licence and language, removals by reason, and shares of people.

Here belong the facts of tuning.datasets and of the manifest. Nothing of it quotes anybody.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from assets.tuning.refine import RULES, SPLITS, Candidate, Refined
from assets.tuning.splits import TRAIN

UNDECLARED, UNKNOWN = "undeclared", "unknown"


def summary(refined: Refined, held: Mapping[str, int], licences: Mapping[str, str]) -> dict[str, Any]:
    """The columns of tuning.datasets that follow from what became of the candidates. `held`: how many texts of each
    evaluation set they were kept apart from. Raises ValueError where nothing was kept."""
    kept = [one for split in SPLITS for one in refined.kept[split]]
    if not kept:
        raise ValueError("nothing was kept: there is no dataset to sum up")
    return {
        "first_day": min(one.day for one in kept), "last_day": max(one.day for one in kept),
        "candidates_seen": refined.seen, **{split: len(refined.kept[split]) for split in SPLITS},
        "removed": len(refined.gone), "removals": _told(refined.removals),
        "sources": _counted(one.source for one in kept),
        "log_sources": _counted(one.log_source or UNKNOWN for one in kept),
        "licences": _counted(licences.get(one.log_source or "", UNDECLARED) for one in kept),
        "languages": _counted(one.language or UNKNOWN for one in kept),
        "users": len({one.user for one in refined.kept[TRAIN] if one.user is not None}),
        "unattributed": sum(one.user is None for one in kept),
        "user_cap": refined.users.share, "largest_user_share": refined.users.largest,
        "annotator_cap": refined.annotators.share, "largest_annotator_share": refined.annotators.largest,
        "later_than_test": refined.later_than_test, "evaluation_sets": _told(held), "rules": RULES,
    }  # fmt: skip


def provenance(refined: Refined) -> list[dict[str, Any]]:
    """Which request, and whose, each kept row is made of: what erasure, holds and retention look for."""
    return [
        {
            "example_id": one.id, "split": split, "day": day, "request_id": request, "user_token": one.user,
            "annotators": list(one.annotators), "source": one.source,
        }
        for split in SPLITS
        for one in refined.kept[split]
        for day, request in _requests(one)
    ]  # fmt: skip


def too_few(refined: Refined, fewest: Mapping[str, int]) -> str | None:
    """Why nothing can be trained or judged on what is left, with what became of the rest; None: it can."""
    short = [f"{len(refined.kept[split])} of {least} for {split}" for split, least in fewest.items()
             if len(refined.kept[split]) < least]  # fmt: skip
    if not short:
        return None
    gone = ", ".join(f"{count} {reason}" for reason, count in refined.removals.items()) or "none"
    return f"too few rows: {', '.join(short)}; of {refined.seen} candidates were removed: {gone}"


def _requests(one: Candidate) -> list[tuple[date, str]]:
    """The day and id of its request, and of the one whose answer it is compared with."""
    other = one.row.get("other")
    return [(one.day, one.request_id), *([other] if other else [])]


def _counted(values: Iterable[str]) -> str:
    return _told(Counter(values))


def _told(counts: Mapping[str, int]) -> str:
    return json.dumps(dict(sorted(counts.items())), ensure_ascii=False)
