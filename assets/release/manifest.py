"""A prompt manifest as it stands in warehouse/seeds/prompts: one version of one prompt, and everything that goes with it.

Here belongs the shape of a manifest, and how one is made from YAML. What a manifest may not say though its shape is right is
lint.py's; docs/prompts.md says all of it for people.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

ROLES = ("system", "developer", "user", "assistant")
VARIABLE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
"""A variable of a template, as the MLflow prompt registry writes it."""
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")
_KEYS = {
    "prompt", "version", "feature", "owner", "what", "template", "variables", "model", "system_policy", "retrieval", "tools",
    "output_schema", "evaluation_set", "approvals", "rollback_to", "monitoring",
}  # fmt: skip
_ASKED_BY_NAME = frozenset({
    "messages", "model", "prompt", "input", "system", "stream", "stream_options", "n", "best_of", "tools", "tool_choice",
    "functions", "function_call", "response_format",
})  # fmt: skip
"""What a request is made of by other fields than the settings: a setting of that name would ask something else."""
MOST_VALUES, MOST_LEVELS = 10_000, 64
"""Of a manifest: a few lines of YAML whose aliases name each other stand for billions of values."""
_NEEDED = ("prompt", "version", "feature", "what", "template", "model")


class ManifestError(ValueError):
    """A manifest whose shape is wrong; says the file, the key and what to write."""


@dataclass(frozen=True)
class Message:
    """One message of a template: who speaks, and the words, with `{{variables}}`."""

    role: str
    content: str


@dataclass(frozen=True)
class ModelPin:
    """The model that a prompt was made for: provider and name as they are logged, and its settings as they are sent.

    `asked_as`: the name that the application asks for, where it is an alias of the pinned one; None: the pinned name.
    """

    provider: str
    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    asked_as: str | None = None


@dataclass(frozen=True)
class RetrievalUse:
    """What is looked up before the model is asked: how many documents (`k`) of which index, from which score on."""

    index: str
    k: int
    minimum_score: float | None = None
    require_citations: bool = False
    refuse_if_not_in_context: bool = False


@dataclass(frozen=True)
class Approvals:
    """How many people have to approve a version before it goes live, and who may (empty: anybody)."""

    needed: int = 0
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class PromptManifest:
    """One version of a prompt. `prompt` and `version` are what the application logs as prompt_id and prompt_version.

    `variables`: what each stands for. `tools`: each tool's right, a side effect as seeds/features.yml names them.
    `evaluation_set`: a suite in seeds/evals, without its extension. `rollback_to`: the version that is gone back to; None:
    this is the first. `file`: where it stands.
    """

    prompt: str
    version: str
    feature: str
    what: str
    template: tuple[Message, ...]
    model: ModelPin
    owner: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    system_policy: str | None = None
    retrieval: RetrievalUse | None = None
    tools: Mapping[str, str] = field(default_factory=dict)
    output_schema: Any = None
    evaluation_set: str | None = None
    approvals: Approvals = Approvals()
    rollback_to: str | None = None
    monitoring: str | None = None
    file: str = ""

    @property
    def name(self) -> str:
        """`prompt@version`."""
        return f"{self.prompt}@{self.version}"

    @property
    def subject(self) -> str:
        """What an approval of it is filed under; the approval names `digest`, too."""
        return f"release/{self.name}"

    @property
    def used_variables(self) -> tuple[str, ...]:
        """The variables that the template uses, each once, in their order."""
        found = (name for message in self.template for name in VARIABLE.findall(message.content))
        return tuple(dict.fromkeys(found))

    @cached_property
    def content(self) -> dict[str, Any]:
        """What the application is given, and what its behaviour follows from: JSON types alone."""
        return {
            "prompt": self.prompt,
            "version": self.version,
            "template": [{"role": m.role, "content": m.content} for m in self.template],
            "variables": sorted(self.variables),
            "model": {"provider": self.model.provider, "name": self.model.name, "settings": dict(self.model.settings)},
            "system_policy": self.system_policy,
            "retrieval": None if self.retrieval is None else vars(self.retrieval),
            "tools": dict(self.tools),
            "output_schema": self.output_schema,
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content: a version whose digest changes is another version. What is said about it (owner, notes,
        approvals, the evaluation set) may be corrected."""
        return sha256(canonical(self.content).encode()).hexdigest()

    def filled(self, values: Mapping[str, str]) -> list[dict[str, str]]:
        """The messages with the variables replaced, once: a value that looks like a variable stays as it is.

        Raises ManifestError where a value is missing, or is no variable of it.
        """
        if wrong := set(self.used_variables) ^ set(values):
            takes = ", ".join(self.used_variables) or "none"
            raise ManifestError(f"{self.name} takes the variables {takes}; not so: {min(wrong)}")
        return [{"role": m.role, "content": VARIABLE.sub(lambda found: values[found[1]], m.content)} for m in self.template]


def canonical(value: Any) -> str:
    """JSON of one form for one value."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def parse_manifest(raw: Any, file: str) -> PromptManifest:
    """A manifest from its YAML mapping. Raises ManifestError."""
    if not isinstance(raw, dict):
        raise ManifestError(f"{file} is one mapping, with {', '.join(_NEEDED)} at least")
    _check_size(file, raw)
    _refuse_unknown(file, raw, _KEYS)
    for key in _NEEDED:
        if raw.get(key) in (None, "", [], {}):
            raise ManifestError(f"{file} lacks {key!r}")
    prompt, version = _text(file, raw, "prompt"), _text(file, raw, "version")
    for key, value, pattern, allowed in (
        ("prompt", prompt, NAME, "small letters, digits, `-` and `_`"),
        ("version", version, VERSION, "letters, digits, `-`, `_` and `.`"),
    ):
        if not pattern.match(str(value)):
            raise ManifestError(f"{file}: {key} is {allowed}; not {value!r}")
    _check_json(f"{file}: output_schema", raw.get("output_schema"))
    return PromptManifest(
        prompt=str(prompt),
        version=str(version),
        feature=str(_text(file, raw, "feature")),
        what=str(_text(file, raw, "what")),
        template=_template(file, raw["template"]),
        model=_model(file, raw["model"]),
        owner=_text(file, raw, "owner"),
        variables=_texts(file, "variables", raw.get("variables"), "what it stands for"),
        system_policy=_text(file, raw, "system_policy"),
        retrieval=_retrieval(file, raw.get("retrieval")),
        tools=_texts(file, "tools", raw.get("tools"), "its right, such as `read`"),
        output_schema=raw.get("output_schema"),
        evaluation_set=_text(file, raw, "evaluation_set"),
        approvals=_approvals(file, raw.get("approvals")),
        rollback_to=_text(file, raw, "rollback_to"),
        monitoring=_text(file, raw, "monitoring"),
        file=file,
    )


def newest_first(versions: Sequence[PromptManifest]) -> list[PromptManifest]:
    """Versions of prompts, those with higher numbers in their names first: v10 before v9."""
    return sorted(versions, key=lambda m: (m.prompt, _numbers(m.version), m.version), reverse=True)


def _numbers(version: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", version)]


def _template(file: str, raw: Any) -> tuple[Message, ...]:
    if isinstance(raw, str):
        raw = [{"role": "system", "content": raw}]
    if not isinstance(raw, list):
        raise ManifestError(f"{file}: template is a text, or a list of messages with role and content")
    messages = []
    for number, entry in enumerate(raw, 1):
        where = f"{file}: message {number} of template"
        if not isinstance(entry, dict) or set(entry) != {"role", "content"}:
            raise ManifestError(f"{where} has role and content, and nothing else")
        if entry["role"] not in ROLES:
            raise ManifestError(f"{where}: role is one of {', '.join(ROLES)}; not {entry['role']!r}")
        if not isinstance(entry["content"], str) or not entry["content"].strip():
            raise ManifestError(f"{where}: content is a text")
        messages.append(Message(entry["role"], entry["content"]))
    return tuple(messages)


def _model(file: str, raw: Any) -> ModelPin:
    where = f"{file}: model"
    if not isinstance(raw, dict):
        raise ManifestError(f"{where} is a mapping with provider, name and settings")
    _refuse_unknown(where, raw, {"provider", "name", "settings", "asked_as"})
    provider, name, asked_as = (_text(where, raw, key) for key in ("provider", "name", "asked_as"))
    settings = raw.get("settings") or {}
    if not provider or not name:
        raise ManifestError(f"{where} needs a provider and a name, as they are logged")
    if not isinstance(settings, dict) or not all(isinstance(key, str) for key in settings):
        raise ManifestError(f"{where}: settings is a mapping, such as {{temperature: 0.2, max_tokens: 600}}")
    _check_json(f"{where}: settings", settings)
    if strange := sorted(_ASKED_BY_NAME & set(settings)):
        raise ManifestError(
            f"{where}: settings may not say {', '.join(strange)}: template, name, tools and output_schema of the manifest do"
        )
    return ModelPin(provider, name, settings, asked_as)


def _retrieval(file: str, raw: Any) -> RetrievalUse | None:
    if raw is None:
        return None
    where = f"{file}: retrieval"
    if not isinstance(raw, dict):
        raise ManifestError(f"{where} is a mapping with index and k; left out: nothing is looked up")
    _refuse_unknown(where, raw, {"index", "k", "minimum_score", "require_citations", "refuse_if_not_in_context"})
    index, k, least = _text(where, raw, "index"), raw.get("k"), raw.get("minimum_score")
    if not index:
        raise ManifestError(f"{where} needs an index")
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= 1000:
        raise ManifestError(f"{where}: k is a number of documents, from 1 to 1000; not {k!r}")
    if isinstance(least, bool) or not isinstance(least, int | float | None) or not _is_finite(least):
        raise ManifestError(f"{where}: minimum_score is a finite number; left out: none. Not {least!r}")
    flags = {key: raw.get(key, False) for key in ("require_citations", "refuse_if_not_in_context")}
    if wrong := [key for key, value in flags.items() if not isinstance(value, bool)]:
        raise ManifestError(f"{where}: {wrong[0]} is true or false, not {flags[wrong[0]]!r}")
    return RetrievalUse(index, k, None if least is None else float(least), **flags)


def _approvals(file: str, raw: Any) -> Approvals:
    if raw is None:
        return Approvals()
    where = f"{file}: approvals"
    if not isinstance(raw, dict):
        raise ManifestError(f"{where} is a mapping, such as {{needed: 1, by: [ada, grace]}}")
    _refuse_unknown(where, raw, {"needed", "by"})
    needed, by = raw.get("needed", 1), raw.get("by", [])
    if isinstance(needed, bool) or not isinstance(needed, int) or not 0 <= needed <= 10:
        raise ManifestError(f"{where}: needed is a number of people, from 0 to 10; not {needed!r}")
    if not isinstance(by, list) or not all(isinstance(name, str) and name for name in by):
        raise ManifestError(f"{where}: by is a list of names")
    if by and len(set(by)) < needed:
        raise ManifestError(f"{where}: {needed} people are needed, and {len(set(by))} may")
    return Approvals(needed, tuple(by))


def _text(where: str, raw: Mapping[str, Any], key: str) -> str | None:
    value = raw.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise ManifestError(f"{where}: {key} is a text; quote what YAML would read as something else. Not {value!r}")
    return value.strip()


def _texts(file: str, key: str, raw: Any, meaning: str) -> dict[str, str]:
    if raw is None:
        return {}
    if not isinstance(raw, dict) or not all(isinstance(v, str) and v.strip() for pair in raw.items() for v in pair):
        raise ManifestError(f"{file}: {key} is a mapping from a name to {meaning}")
    return {name.strip(): value.strip() for name, value in raw.items()}


def _is_finite(value: int | float | None) -> bool:
    try:
        return value is None or math.isfinite(value)
    except OverflowError:
        return False


def _check_size(file: str, raw: Any) -> None:
    """Raises ManifestError where there are more than MOST_VALUES values, or MOST_LEVELS of them within each other."""
    holders, count, level = [raw], 0, 0
    while holders:
        count, level = count + sum(map(len, holders)), level + 1
        if count > MOST_VALUES or level > MOST_LEVELS:
            raise ManifestError(f"{file} has at most {MOST_VALUES:,} values, {MOST_LEVELS} levels deep; make it smaller")
        inner = [value for holder in holders for value in (holder.values() if isinstance(holder, dict) else holder)]
        holders = [value for value in inner if isinstance(value, dict | list)]


def _check_json(where: str, value: Any) -> None:
    """Raises ManifestError for what JSON has no form for. Keys are texts: YAML reads `on:` and `1:` as something else."""
    if (strange := next(_strange_keys(value), None)) is not None:
        raise ManifestError(f"{where} has the key {strange!r}, which is no text; quote it")
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise ManifestError(f"{where} holds what JSON has no form for, such as a date; quote it") from None


def _strange_keys(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from (key for key in value if not isinstance(key, str))
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _strange_keys(inner)


def _refuse_unknown(where: str, raw: Mapping[Any, Any], allowed: set[str]) -> None:
    if unknown := sorted(str(key) for key in set(raw) - allowed):
        raise ManifestError(f"{where} has unknown keys {', '.join(unknown)}; allowed: {', '.join(sorted(allowed))}")
