"""What differs between two versions of a prompt, in lines that a person reads.

Here belongs the comparison alone; both manifests come parsed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import unified_diff
from typing import Any

from assets.release.manifest import PromptManifest, canonical

_CONTEXT = 2
_TOLD = ("owner", "evaluation_set", "approvals", "rollback_to", "monitoring", "variables")
"""What is said about a version beside its content; of variables what each stands for."""


def diff(before: PromptManifest, after: PromptManifest) -> str:
    """The changes from one to the other: first settings, a line each, then the words of the messages that changed."""
    lines = [f"{before.name} -> {after.name}: {after.what}"]
    lines += _settings(_flat(before), _flat(after))
    lines += _words(before, after)
    if len(lines) == 1:
        lines.append("they say the same" if before.content["template"] == after.content["template"] else "")
    return "\n".join(lines)


def _flat(m: PromptManifest) -> dict[str, str]:
    """Each setting by its dotted name, as text."""
    said = {key: value for key, value in m.content.items() if key not in ("prompt", "version", "template", "variables")}
    said["model"] = said["model"] | {"asked_as": m.model.asked_as}
    for key in _TOLD:
        value = getattr(m, key)
        said[key] = vars(value) if key == "approvals" else value
    return dict(_leaves("", said))


def _leaves(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(f"{name}.{key}" if name else str(key), inner)
    elif value not in (None, {}, (), []):
        yield name, value if isinstance(value, str) else canonical(value)


def _settings(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*before, *after}):
        was, now = before.get(name), after.get(name)
        if was is None:
            yield f"+ {name}: {now}"
        elif now is None:
            yield f"- {name}: {was}"
        elif was != now:
            yield f"  {name}: {was} -> {now}"


def _words(before: PromptManifest, after: PromptManifest) -> Iterator[str]:
    """The messages line by line; of what did not change, two lines around."""
    was, now = _lines(before), _lines(after)
    for line in list(unified_diff(was, now, lineterm="", n=_CONTEXT))[2:]:
        yield "template:" if line.startswith("@@") else line


def _lines(m: PromptManifest) -> list[str]:
    return [f"{message.role}| {line}" for message in m.template for line in message.content.splitlines()]
