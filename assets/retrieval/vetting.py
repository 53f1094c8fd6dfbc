"""Whether a document may be indexed: what it must not hold, and how that is said without saying what was found.

Pure. What identifies people and opens doors is found by the redactor (resources/redaction.py) and comes in as counts by
kind; injected instructions are told by the rules that also read logs (assets/quality/injection_rules.py).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence

import polars as pl

from assets.quality.injection_rules import VERSION as INJECTION_RULES
from assets.quality.injection_scores import ATTEMPT, categories, scored

VERSION = f"vetting-1 {INJECTION_RULES}"
"""What was vetted by other rules is vetted anew."""
WINDOW_CHARACTERS, WINDOW_OVERLAP = 4_000, 500
"""The rules were measured on texts of about this length; of a longer one they would read the beginning alone."""
SECRET = "SECRET"
_INVISIBLE = re.compile("[\\s\u00ad\u200b-\u200f\u2060-\u2064\ufeff\U000e0000-\U000e007f]+")


def faults(
    found: Mapping[str, int], permitted: Collection[str], injected: Sequence[str] = (), canaries: Sequence[str] = ()
) -> str | None:
    """Why a document is quarantined: kinds, and no values; None: it may be indexed.

    `found`: finds by kind, a secret as `SECRET:<rule>`. `injected`: categories of attempts. `canaries`: what those stand in.
    """
    secrets = sorted(kind.partition(":")[2] for kind in found if kind.partition(":")[0] == SECRET)
    personal = sorted(kind for kind in found if kind.partition(":")[0] != SECRET and kind not in permitted)
    named = {
        "secret": secrets, "personal data": personal, "injected instruction": injected,
        "canary": [f"of a {place}" for place in sorted(set(canaries))],
    }  # fmt: skip
    return "; ".join(f"{what}: {', '.join(kinds)}" for what, kinds in named.items() if kinds) or None


def injections(texts: Sequence[str]) -> list[list[str]]:
    """The categories of attempts in each text, read as what is given to a model; of a long text window by window."""
    windows = [(place, window) for place, text in enumerate(texts) for window in _windows(text)]
    read = pl.DataFrame(
        {"text": [window for _, window in windows], "is_given": [True] * len(windows)},
        schema={"text": pl.String, "is_given": pl.Boolean},
    )
    found: list[set[str]] = [set() for _ in texts]
    for (place, _), score, rules in zip(windows, *scored(read).select("score", "rules").get_columns(), strict=True):
        if score >= ATTEMPT:
            found[place].update(categories(list(rules)))
    return [sorted(one) for one in found]


def canaries_in(text: str, canaries: Mapping[str, str]) -> list[str]:
    """Where the canaries that a text holds should stand, and nowhere else; whatever their case, spaces and invisible signs.

    `canaries`: from the mark to the place that it guards.
    """
    squeezed = _squeezed(text)
    return [place for mark, place in canaries.items() if _squeezed(mark) in squeezed]


def _windows(text: str) -> list[str]:
    step = WINDOW_CHARACTERS - WINDOW_OVERLAP
    return [text[start : start + WINDOW_CHARACTERS] for start in range(0, max(1, len(text) - WINDOW_OVERLAP), step)]


def _squeezed(text: str) -> str:
    return _INVISIBLE.sub("", unicodedata.normalize("NFKC", text).casefold())
