"""What is wrong with prompt manifests whose shape is right: each fault in a sentence that says what to do.

Here belong the rules. What they are held against (features, owners, suites, the price catalogue, the registry) comes as
`Known`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from assets.quality.json_forms import schema_error
from assets.release.manifest import VARIABLE, PromptManifest, newest_first

RIGHTS = ("none", "read", "write", "irreversible")
"""What a tool may do, from little to much; seeds/features.yml calls it side_effect."""
_PINNED = re.compile(r"(?:^|[-_@:.])(?:20\d{2}-?\d{2}(?:-?\d{2})?|\d{3,4})(?=$|[-_@:.])|sha256:[0-9a-f]{8,}")
_MOVING = re.compile(r"(?:^|[-_@:./])latest$")
_RELEASE = re.compile(r"[0-9-]{3,10}\Z")
_NO_VARIABLE = re.compile(rf"(?!{VARIABLE.pattern})\{{\{{|\{{%")


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with one manifest: `rule` names the kind."""

    file: str
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.message}"


@dataclass(frozen=True)
class Known:
    """What manifests are held against.

    `features`: of each feature its tools and their side effects. `owners`: teams and channels. `suites`: names of
    seeds/evals. `models`: names that the price catalogue knows, in lower case. `synced`: the digest that the prompt registry
    has of a (prompt, version). `secrets`: the rules that find a key or a password in a text.
    """

    features: Mapping[str, Mapping[str, str]]
    owners: Collection[str]
    suites: Collection[str]
    models: Collection[str] = frozenset()
    synced: Mapping[tuple[str, str], str] = field(default_factory=dict)
    secrets: Callable[[str], Iterable[str]] = lambda text: ()


def lint(manifests: Sequence[PromptManifest], known: Known) -> list[Fault]:
    """All faults, by file. A manifest in no fault may be synced and released."""
    found = [Fault(m.file, rule, message) for m in manifests for rule, message in _faults_of_one(m, known)]
    found += [Fault(m.file, rule, message) for m, rule, message in _faults_together(manifests)]
    return sorted(found, key=lambda fault: (fault.file, fault.rule, fault.message))


def is_pinned(model: str, models: Collection[str] = frozenset()) -> bool:
    """Whether a model's name always means the same weights, as far as names can say so.

    It does where it carries a date or a release number, or a digest. A name without one passes only where the catalogue
    knows no dated release of it, since then there is nothing to pin it to; `latest` never does.
    """
    name = model.lower()
    if _MOVING.search(name):
        return False
    return bool(_PINNED.search(name)) or not releases_of(name, models)


def releases_of(model: str, models: Collection[str]) -> list[str]:
    """The dated or numbered releases of an alias that the catalogue knows."""
    stem = _MOVING.sub("", model.lower()) + "-"
    return sorted(name for name in models if name.startswith(stem) and _RELEASE.match(name[len(stem) :]))


def _faults_of_one(m: PromptManifest, known: Known) -> Iterable[tuple[str, str]]:
    yield from _faults_of_words(m, known)
    if m.owner is None or m.owner not in known.owners:
        listed = ", ".join(sorted(known.owners)) or "none"
        told = "has no owner" if m.owner is None else f"has the owner {m.owner!r}, whom nobody knows"
        yield "missing_owner", f"{told}; name a team of features.yml or a channel of owners.yml: {listed}"
    if m.evaluation_set is None or m.evaluation_set not in known.suites:
        told = "names no evaluation_set" if m.evaluation_set is None else f"names evaluation_set {m.evaluation_set!r}"
        yield "missing_evaluation_set", f"{told}; write its cases into seeds/evals/{m.evaluation_set or m.prompt}.jsonl"
    if not is_pinned(m.model.name, known.models):
        to = releases_of(m.model.name, known.models)
        told = f"; pin it, such as {', '.join(to[-3:])}" if to else "; name the release that it means today"
        yield "unpinned_model", f"model {m.model.name!r} means another one tomorrow{told}. What is asked for is asked_as"
    yield from _faults_of_tools(m, known)
    if (wrong := schema_error(m.output_schema)) is not None:
        yield "output_schema", f"output_schema is no JSON schema: {wrong}"
    before = known.synced.get((m.prompt, m.version))
    if before is not None and before != m.digest:
        yield "changed_after_sync", (
            f"{m.name} is in the prompt registry with other content ({before[:12]}, now {m.digest[:12]}); a version does "
            "not change: undo it, or give it a new version"
        )


def _faults_of_words(m: PromptManifest, known: Known) -> Iterable[tuple[str, str]]:
    used, declared = set(m.used_variables), set(m.variables)
    for name in sorted(used - declared):
        yield "missing_variable", f"the template uses {{{{{name}}}}}, which variables does not explain; add it there"
    for name in sorted(declared - used):
        yield "unused_variable", f"variables explains {name!r}, which the template does not use; take it out, or use it"
    for number, message in enumerate(m.template, 1):
        if _NO_VARIABLE.search(message.content):
            yield "placeholder", (
                f"message {number} of the template has {{{{ or {{% that begins no {{{{variable}}}}, and would be sent as it "
                "stands; the name of a variable is letters, digits and _"
            )
    for rule in sorted({rule for text in _strings(asdict(m)) for rule in known.secrets(text)}):
        yield "secret", f"it holds what looks like a secret ({rule}); take it out, and change that secret"


def _faults_of_tools(m: PromptManifest, known: Known) -> Iterable[tuple[str, str]]:
    if m.feature not in known.features:
        listed = ", ".join(sorted(known.features)) or "none"
        yield "unknown_feature", f"features.yml declares no feature {m.feature!r}; there are: {listed}"
        return
    allowed = known.features[m.feature]
    words = " ".join(message.content for message in m.template)
    for tool, right in m.tools.items():
        if right not in RIGHTS:
            yield "unknown_right", f"tool {tool} has the right {right!r}; rights are {', '.join(RIGHTS)}"
        elif tool not in allowed:
            yield "undeclared_tool", f"tool {tool} is not declared for {m.feature} in features.yml; declare it there first"
        elif RIGHTS.index(right) > RIGHTS.index(allowed[tool]):
            yield "unknown_right", f"tool {tool} has the right {right!r}, and {m.feature} may only {allowed[tool]} with it"
        if not re.search(rf"(?<![A-Za-z0-9_]){re.escape(tool)}(?![A-Za-z0-9_])", words):
            yield "unused_tool", f"the template never names the tool {tool}; say when it is called, or take it out"


def _faults_together(manifests: Sequence[PromptManifest]) -> Iterable[tuple[PromptManifest, str, str]]:
    """What only several manifests show: versions that stand twice, rollback targets that lead nowhere."""
    by_name: dict[tuple[str, str], list[PromptManifest]] = defaultdict(list)
    for m in manifests:
        by_name[m.prompt, m.version].append(m)
    # Oldest first: the one version of a prompt that may lead back to nothing.
    first: dict[str, str] = {}
    for m in reversed(newest_first([m for m in manifests if m.rollback_to is None])):
        first.setdefault(m.prompt, m.version)
    for m in manifests:
        if len(twins := by_name[m.prompt, m.version]) > 1:
            others = ", ".join(sorted(twin.file for twin in twins if twin is not m))
            yield m, "duplicate_version", f"{m.name} stands in {others}, too; a version has one manifest"
        if m.rollback_to is None:
            if m.version != first[m.prompt]:
                yield m, "rollback_target", f"{m.name} has no rollback_to; only the first has none, so name one"
        elif (m.prompt, m.rollback_to) not in by_name:
            yield m, "rollback_target", f"rollback_to {m.rollback_to!r} has no manifest; go back to one that has"
        elif (circle := _circle(m, by_name)) is not None:
            yield m, "rollback_target", f"rollback leads in a circle: {' -> '.join(circle)}; end it at a version without one"


def _circle(m: PromptManifest, by_name: Mapping[tuple[str, str], list[PromptManifest]]) -> list[str] | None:
    trail, version = [m.version], m.rollback_to
    while version is not None:
        if version in trail:
            return [*trail[trail.index(version) :], version] if version == m.version else None
        trail.append(version)
        target = by_name.get((m.prompt, version))
        version = target[0].rollback_to if target else None
    return None


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for key, inner in value.items() for text in (str(key), *_strings(inner))]
    return [text for inner in value for text in _strings(inner)] if isinstance(value, list | tuple) else []
