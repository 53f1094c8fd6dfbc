"""warehouse/seeds/labelling.yml: how many answers are judged, which ones, and what is asked of them.

Here belongs the lint of that seed. How a draw is made is assets/quality/sampling.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resources.seed_yaml import SeedYamlError, read_seed
from resources.service_seeds import RISK_CLASSES

LABELLING_FILE = "labelling.yml"
VERDICTS = ("hallucinated", "grounded", "safety_pass", "toxic", "instruction_followed", "policy_followed")
"""What can be asked: the columns of quality.labels."""
REASONS = ("canary_leak", "incident", "unsafe", "escalation", "thumbs_down", "correction")
"""Why a response can be asked about without being drawn."""
MOST_LABELS, MOST_DAYS = 100_000, 60
_KEYS = {
    "labels_per_night", "double_share", "look_back_days", "late_after_days", "risk_weights", "targeted", "verdicts",
    "severities", "root_causes",
}  # fmt: skip
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")


class LabellingSeedError(ValueError):
    """A labelling.yml that cannot be used as written; says what to write."""


@dataclass(frozen=True)
class LabellingSeed:
    """The seed as it stands. `verdicts`, `severities` and `root_causes` go from names to words for people."""

    labels_per_night: int
    double_share: float
    look_back_days: int
    late_after_days: int
    targeted_per_day: int
    reasons: Sequence[str]
    risk_weights: Mapping[str, float] = field(default_factory=dict)
    verdicts: Mapping[str, str] = field(default_factory=dict)
    severities: Mapping[str, str] = field(default_factory=dict)
    root_causes: Mapping[str, str] = field(default_factory=dict)


def load_labelling(path: Path) -> LabellingSeed:
    """The seed of a file. Raises LabellingSeedError."""
    try:
        raw = read_seed(path)
    except FileNotFoundError:
        raise LabellingSeedError(f"{path.name} is missing; write `labels_per_night: 0` where nobody labels") from None
    except SeedYamlError as error:
        raise LabellingSeedError(str(error)) from error
    name = path.name
    if not isinstance(raw, dict):
        raise LabellingSeedError(f"{name} is a mapping with labels_per_night and what docs/labelling.md names besides")
    _refuse_unknown(name, raw, _KEYS)
    if "labels_per_night" not in raw:
        raise LabellingSeedError(f"{name} needs labels_per_night, how many responses are drawn of a day; 0 for none")
    targeted = raw.get("targeted", {})
    if not isinstance(targeted, dict):
        raise LabellingSeedError(f"{name}: targeted is a mapping with per_day and reasons")
    _refuse_unknown(f"{name}: targeted", targeted, {"per_day", "reasons"})
    return LabellingSeed(
        labels_per_night=int(_number(name, raw, "labels_per_night", 0, MOST_LABELS, None, whole=True)),
        double_share=_number(name, raw, "double_share", 0, 1, 0.25),
        look_back_days=int(_number(name, raw, "look_back_days", 1, MOST_DAYS, 7, whole=True)),
        late_after_days=int(_number(name, raw, "late_after_days", 1, MOST_DAYS, 14, whole=True)),
        targeted_per_day=int(_number(f"{name}: targeted", targeted, "per_day", 0, MOST_LABELS, 50, whole=True)),
        reasons=_reasons(f"{name}: targeted", targeted.get("reasons", list(REASONS))),
        risk_weights=_weights(name, raw.get("risk_weights", {})),
        verdicts=_named(name, "verdicts", raw.get("verdicts"), VERDICTS),
        severities=_named(name, "severities", raw.get("severities")),
        root_causes=_named(name, "root_causes", raw.get("root_causes")),
    )


def _reasons(where: str, raw: Any) -> tuple[str, ...]:
    if not isinstance(raw, list) or not all(reason in REASONS for reason in raw):
        raise LabellingSeedError(f"{where}: reasons is a list of {', '.join(REASONS)}; not {raw!r}")
    if len(set(raw)) < len(raw):
        raise LabellingSeedError(f"{where}: reasons names {max(raw, key=raw.count)!r} twice; keep one of them")
    return tuple(raw)


def _weights(name: str, raw: Any) -> dict[str, float]:
    if not isinstance(raw, dict):
        raise LabellingSeedError(f"{name}: risk_weights is a mapping of {', '.join(RISK_CLASSES)} to numbers")
    _refuse_unknown(f"{name}: risk_weights", raw, set(RISK_CLASSES))
    return {risk: _number(f"{name}: risk_weights", raw, risk, 0.1, 100, 1.0) for risk in RISK_CLASSES}


def _named(name: str, key: str, raw: Any, allowed: Sequence[str] | None = None) -> dict[str, str]:
    """Names to words. Raises LabellingSeedError."""
    if raw is None:
        raise LabellingSeedError(f"{name} needs {key}: a mapping from a name to what it means")
    if not isinstance(raw, dict) or not raw:
        raise LabellingSeedError(f"{name}: {key} is a mapping from a name to what it means, with one entry at least")
    for entry, words in raw.items():
        if allowed is not None and entry not in allowed:
            raise LabellingSeedError(f"{name}: {key} can be {', '.join(allowed)}; not {entry!r}")
        if not isinstance(entry, str) or not _NAME.match(entry):
            raise LabellingSeedError(f"{name}: {key}: a name is lower-case letters, digits and `_`; not {entry!r}")
        if not isinstance(words, str) or not words.strip():
            raise LabellingSeedError(f"{name}: {key}: {entry} needs words for people: what it asks, or means")
    return {entry: words.strip() for entry, words in raw.items()}


def _number(
    where: str, raw: Mapping[str, Any], key: str, least: float, most: float, default: float | None, whole: bool = False
) -> float:
    value = raw.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not least <= value <= most:
        kind = "whole number" if whole else "number"
        raise LabellingSeedError(f"{where}: {key} is a {kind} from {least:g} to {most:g}; not {value!r}")
    return float(value)


def _refuse_unknown(where: str, raw: Mapping[Any, Any], allowed: set[str]) -> None:
    if unknown := sorted(str(key) for key in set(raw) - allowed):
        raise LabellingSeedError(f"{where} has unknown keys {', '.join(unknown)}; allowed: {', '.join(sorted(allowed))}")
