"""What the states of logs.files say of a file: whether its records count, and what takes its place.

Here belong rules over states that were read already. How they are written is landing.py's.
"""

from __future__ import annotations

from typing import Any

from resources.sources import Source
from resources.staged_file import StagedFile

OF_THE_CONTENT = ("landed", "superseded")
"""States that say whether a file's records count. `copy` and `refused` speak of one path: the same bytes under a name
that cannot be read take nothing away from the file that was."""


def landed_nothing(state: dict[str, Any] | None) -> bool:
    """Whether a file was read as something that it is not: its bytes may still land, once they are declared as they are."""
    return state is not None and not state["records_landed"] and state["records_quarantined"] + state["lines_refused"] > 0


def prefix_sizes(states: list[dict[str, Any]], path: str) -> frozenset[int]:
    """How long the files were that count and came under a path: one that begins with their bytes takes their place."""
    return frozenset(state["decompressed_bytes"] for state in live_from(states, path))


def live_from(states: list[dict[str, Any]], path: str) -> list[dict[str, Any]]:
    """The newest states of the files that count and came under this path, first or as a copy."""
    newest: dict[str, dict[str, Any]] = {}
    for state in states:
        if state["state"] in OF_THE_CONTENT:
            best = newest.get(state["file_id"])
            if best is None or state["state_number"] > best["state_number"]:
                newest[state["file_id"]] = state
    came = {s["file_id"] for s in states if s["path"] == path}
    return [s for s in newest.values() if s["file_id"] in came and s["state"] == "landed"]


def is_superseded(old: dict[str, Any], states: list[dict[str, Any]], stage: StagedFile, source: Source) -> bool:
    """Whether a file that came under the path of `stage` counts no longer: it grew, or was replaced and has no copy."""
    if stage.prefix_digests.get(old["decompressed_bytes"]) == old["file_id"]:
        return True
    holds: dict[str, str] = {}
    for state in sorted(states, key=lambda s: (s["arrived_at"], s["modified_ns"])):
        if state["state"] != "superseded":
            holds[state["path"]] = state["file_id"]
    has_copy = any(file_id == old["file_id"] and path != stage.path for path, file_id in holds.items())
    return source.on_same_path == "replace" and not has_copy
