"""Whether a release may take the place of the one that is live.

Here belong the gates, as numbers of ours. A gate that has nothing to go by says so, and does not pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from assets.retrieval.ranking import Estimate

TARGET = 0.99
"""Of what is nearest, found among the first ten."""
TUNED_TO = 0.993
"""What an operating point has to find of the questions that it is tuned with: of others it finds a little less."""
TOLERATED_LOSS = 0.005
TOLERATED_LOSS_GOLDEN = 0.02
MOST_SHRINKAGE = 0.2
THIN = 20
"""Queries below which chance is no excuse: then the loss itself decides, not its interval."""
INTEGRITY = ("deletions", "freshness", "completeness")
"""Gates that nobody can overrule."""


@dataclass(frozen=True)
class Facts:
    """What is known of a candidate. `chunks`: those that it can find; `live_now`: those that are live, and valid, when it is
    to be published; `changes`: by metric, the candidate less the live release on the same queries; `golden`: queries of the
    seed, `golden_judged` those that name a live document."""

    recall: Estimate | None
    chunks: frozenset[str]
    live_now: frozenset[str]
    removed_and_found: int
    chunks_before: int | None
    changes: Mapping[str, Estimate] = field(default_factory=dict)
    golden: int = 0
    golden_judged: int = 0


@dataclass(frozen=True)
class Failure:
    """A gate that did not pass: its name, and why in a clause."""

    gate: str
    why: str


def failures(facts: Facts) -> list[Failure]:
    """The gates that a candidate does not pass; none: it may be live."""
    found = [*_integrity(facts), *_size(facts), *_recall(facts)]
    if facts.golden and not facts.golden_judged:
        told = f"none of {facts.golden} golden queries names a document that is live"
        found.append(Failure("golden_queries", f"{told}: write ids as retrieval.documents_now has them"))
    for metric, change in sorted(facts.changes.items()):
        tolerated = TOLERATED_LOSS if metric == "index_recall" else TOLERATED_LOSS_GOLDEN
        if is_worse(change, tolerated):
            span = f"{100 * change.low:+.1f} to {100 * change.high:+.1f}"
            told = f"{metric} changes by {100 * change.value:+.1f} points ({span}, {change.n} queries)"
            found.append(Failure("comparison", f"{told} against the live release"))
    return found


def is_worse(change: Estimate, tolerated: float) -> bool:
    """More is lost than is tolerated, and that is not chance; with few queries, whether or not it is."""
    return change.value < -tolerated and (change.high < 0 or change.n < THIN)


def _integrity(facts: Facts) -> list[Failure]:
    found = []
    if facts.removed_and_found:
        found.append(Failure("deletions", f"{facts.removed_and_found} removed chunks can still be found"))
    if surplus := len(facts.chunks - facts.live_now):
        found.append(Failure("freshness", f"{surplus} of its chunks are not live any more: the corpus changed meanwhile"))
    if missing := len(facts.live_now - facts.chunks):
        found.append(Failure("completeness", f"{missing} chunks that are live are not in it"))
    return found


def _size(facts: Facts) -> list[Failure]:
    if not facts.chunks:
        return [Failure("size", "it is empty")]
    if facts.chunks_before and len(facts.chunks) < (1 - MOST_SHRINKAGE) * facts.chunks_before:
        lost = 1 - len(facts.chunks) / facts.chunks_before
        return [Failure("size", f"it has {lost:.0%} fewer chunks than the live one ({len(facts.chunks):,})")]
    return []


def _recall(facts: Facts) -> list[Failure]:
    if facts.recall is None:
        return [Failure("recall", "there is no query to measure it with")]
    if facts.recall.value < TARGET - TOLERATED_LOSS:
        span = f"{facts.recall.low:.1%} to {facts.recall.high:.1%}"
        return [Failure("recall", f"it finds {facts.recall.value:.1%} of what is nearest ({span}), {TARGET:.0%} is the aim")]
    return []
