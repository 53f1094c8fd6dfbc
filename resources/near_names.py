"""What a message says where a name is not one of those that are known: the known ones that it may have been meant for."""

from __future__ import annotations

from collections.abc import Collection
from difflib import SequenceMatcher

MOST_NEAR = 6
_LIKE = 0.75


def allowed_names(wrong: Collection[str], known: Collection[str], all_stand_in: str) -> str:
    """The known names that are near the wrong ones, and where all of them stand; all of them where none is near."""
    names = list(dict.fromkeys(known))
    near = sorted((name for name in names if nearness(wrong, name) >= _LIKE), key=lambda name: -nearness(wrong, name))
    if not near:
        return ", ".join(names)
    shown = near[:MOST_NEAR]
    others = len(names) - len(shown)
    return ", ".join(shown) + (f" and {others} more ({all_stand_in})" if others else "")


def nearness(wrong: Collection[str], name: str) -> float:
    """How like a name is to one of the wrong ones: from 0 to 1, more than 1 where it has all of one's words."""
    return max(
        SequenceMatcher(None, one.lower(), name).ratio() + set(one.lower().split("_")).issubset(name.split("_"))
        for one in wrong
    )


def nearest_name(wrong: str, known: Collection[str]) -> str | None:
    """The known name that a wrong one was most likely meant for."""
    best = max(known, key=lambda name: nearness([wrong], name), default=None)
    return best if best is not None and nearness([wrong], best) >= _LIKE else None
