"""Whether the environment says what it is meant to: names of variables that nobody reads are told. No value is shown."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from pipelines.doctor.finding import Finding, fail, ok, warn
from pipelines.settings import SETTINGS

PREFIX = "NOCTURNE_"
_NAME = re.compile(rf"\b{PREFIX}[A-Z0-9_]+\b")
_OF_TESTS = re.compile(rf"{PREFIX}(PROOF_[A-Z]+|GPU_LAYERS)")
_FAILPOINT = "NOCTURNE_FAILPOINT"


def names_in_seeds(seeds: Path) -> set[str]:
    """Variables that seeds name: addresses of channels, keys of endpoints."""
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in seeds.rglob("*.yml"))
    return {name for text in texts for name in _NAME.findall(text)}


def settings_findings(environment: Mapping[str, str], named_in_seeds: Collection[str]) -> list[Finding]:
    """Every NOCTURNE_ variable of the environment against what is read."""
    found = []
    known = {*SETTINGS, *named_in_seeds}
    ours = sorted(name for name in environment if name.upper().startswith(PREFIX))
    for name in ours:
        if name in known or _OF_TESTS.fullmatch(name):
            continue
        if name == _FAILPOINT:
            found.append(fail("settings", f"{name} kills every process at a named step", f"unset {name}; it is for tests"))
            continue
        near = difflib.get_close_matches(name.upper(), sorted(known), n=1, cutoff=0.75)
        if near:
            found.append(fail("settings", f"{name} is set, and nothing reads it", f"did you mean {near[0]}?"))
        else:
            found.append(warn("settings", f"{name} is set, and nothing reads it", "docs/configuration.md says what is"))
    given = [name for name in ours if name in SETTINGS]
    return found or [ok("settings", f"set: {', '.join(given) or 'none, so defaults hold'}; all are known")]
