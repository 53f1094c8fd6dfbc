"""What a version is sent for a case: its template filled with the case, or, without a template, the case as it stands.

Here belong the messages and the tools on offer. Which model answers, and how, is the version's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from assets.quality.eval_case import EvalCase
from assets.release.manifest import ManifestError, PromptManifest

Messages = list[dict[str, str]]
OF_A_CASE: Mapping[str, Callable[[EvalCase], str]] = {
    **dict.fromkeys(("question", "prompt", "input", "message"), lambda case: case.question),
    **dict.fromkeys(("context", "documents", "passages"), lambda case: documents(case)),
    **dict.fromkeys(("history", "conversation"), lambda case: case.history or ""),
}
"""The variables of a template that a case has words for."""


def messages(case: EvalCase, manifest: PromptManifest | None) -> Messages:
    """The messages in their order. Raises ManifestError where the template has a variable that no case has words for.

    What the template has no place for stands in messages of its own: the case's system words before it, context, history and
    question behind it.
    """
    if manifest is None:
        found, used = Messages(), frozenset[str]()
    else:
        used = frozenset(manifest.used_variables)
        if strange := sorted(used - set(OF_A_CASE)):
            there = ", ".join(sorted(OF_A_CASE))
            raise ManifestError(f"{manifest.name}: no case has words for its variable {strange[0]}; cases fill {there}")
        found = manifest.filled({name: OF_A_CASE[name](case) for name in used})
    if case.system:
        # Beside the prompt's own, in one message: some models take only one.
        first = next((m for m in found if m["role"] in ("system", "developer")), None)
        if first is None:
            found.insert(0, {"role": "system", "content": case.system})
        else:
            first["content"] += f"\n\n{case.system}"
    asked = [
        text
        for name, text in (("context", documents(case)), ("history", case.history or ""), ("question", case.question))
        if text and not any(OF_A_CASE[variable] is OF_A_CASE[name] for variable in used)
    ]
    return [*found, {"role": "user", "content": "\n\n".join(asked)}] if asked else found


def documents(case: EvalCase) -> str:
    """The texts that the model is given, each under its id."""
    names = [*case.document_ids, *(str(place) for place in range(len(case.document_ids) + 1, len(case.context) + 1))]
    return "\n\n".join(f"[{name}]\n{text}" for name, text in zip(names, case.context, strict=False))


def tools(case: EvalCase) -> list[dict[str, Any]]:
    """The tools on offer, as chat completions take them; their arguments are free, for it is the call that is looked at."""
    free = {"type": "object", "additionalProperties": True}
    return [
        {"type": "function", "function": {"name": name, "description": name.replace("_", " "), "parameters": free}}
        for name in case.tools
    ]
