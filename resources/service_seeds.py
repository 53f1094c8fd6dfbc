"""warehouse/seeds/features.yml: what each product feature is, who answers for it, what it may do.

Here belongs the lint of that seed and its rows. Promises (seeds/slos) are assets/service/openslo.py, who is called
service_seeds_owners.py.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from resources.capture import CapturePolicy, Rule
from resources.seed_yaml import SeedYamlError, read_seed

RISK_CLASSES = ("minimal", "limited", "high")
SIDE_EFFECTS = ("none", "read", "write", "irreversible")
DEFAULT_CACHE_MAX_AGE_S = 3600.0
SHORTEST_CANARY = 8
"""Characters; a shorter mark is found in answers that leak nothing."""
_KEYS = {
    "owner", "use_case", "risk_class", "slo_set", "environments", "cache_max_age_s", "tools", "canaries",
    "document_canaries", "declared",
}  # fmt: skip
DECLARED_KINDS = {
    "models": "model", "prompt_versions": "prompt_version", "embedders": "embedder_version", "indexes": "index_version",
    "tokenizers": "tokenizer_version",
}  # fmt: skip
"""Keys of `declared`, and what drift.config_drift calls them."""
_TEAM = re.compile(r"team:[a-z0-9][a-z0-9-]*\Z")


class ServiceSeedError(ValueError):
    """A seed of the question `service` that cannot be used as written; says the file, the entry and what to write."""


@dataclass(frozen=True)
class Tool:
    """A tool that a feature may call. `needs_approval`: a person lets each call through."""

    name: str
    side_effect: str
    needs_approval: bool


@dataclass(frozen=True)
class Feature:
    """A product feature. `environments` are those that its promises speak of; empty: all, and traffic that names none."""

    name: str
    owner: str
    use_case: str
    risk_class: str
    slo_set: str | None = None
    environments: tuple[str, ...] = ()
    cache_max_age_s: float = DEFAULT_CACHE_MAX_AGE_S
    tools: tuple[Tool, ...] = ()
    canaries: tuple[str, ...] = ()
    document_canaries: tuple[str, ...] = ()
    declared: tuple[tuple[str, str], ...] = ()

    @property
    def environment_list(self) -> str | None:
        """As the tables hold it: comma-separated; None where all count."""
        return ",".join(self.environments) or None


def load_features(path: Path, slo_sets: Collection[str]) -> dict[str, Feature]:
    """All features by name, in file order; `slo_sets` are those that seeds/slos has. Raises ServiceSeedError."""
    try:
        raw = read_seed(path)
    except FileNotFoundError:
        raise ServiceSeedError(f"{path.name} is missing; write `features: {{}}` where nothing is promised") from None
    except SeedYamlError as error:
        raise ServiceSeedError(str(error)) from error
    if not isinstance(raw, dict) or set(raw) != {"features"} or not isinstance(raw["features"], dict | None):
        raise ServiceSeedError(f"{path.name} is one mapping, `features:`, with an entry per feature")
    return {
        str(name): _feature(f"{path.name}: {name}", str(name), entry, slo_sets)
        for name, entry in (raw["features"] or {}).items()
    }


def _feature(where: str, name: str, raw: Any, slo_sets: Collection[str]) -> Feature:
    if not isinstance(raw, dict):
        raise ServiceSeedError(f"{where} is a mapping with owner, use_case and risk_class")
    refuse_unknown(where, raw, _KEYS)
    owner = raw.get("owner")
    if not isinstance(owner, str) or not _TEAM.match(owner):
        raise ServiceSeedError(f"{where} needs an owner such as `owner: team:support`, not {owner!r}")
    if not isinstance(raw.get("use_case"), str) or not raw["use_case"].strip():
        raise ServiceSeedError(f"{where} needs a use_case: what it does, for whom, in a sentence")
    if raw.get("risk_class") not in RISK_CLASSES:
        raise ServiceSeedError(f"{where} needs a risk_class: {', '.join(RISK_CLASSES)}; not {raw.get('risk_class')!r}")
    slo_set = raw.get("slo_set")
    if slo_set is not None and slo_set not in slo_sets:
        known = ", ".join(sorted(slo_sets)) or "none"
        raise ServiceSeedError(f"{where} names slo_set {slo_set!r}, which is no file in seeds/slos; there are: {known}")
    age = raw.get("cache_max_age_s", DEFAULT_CACHE_MAX_AGE_S)
    if isinstance(age, bool) or not isinstance(age, int | float) or age <= 0:
        raise ServiceSeedError(f"{where}: cache_max_age_s is a number of seconds above 0, not {age!r}")
    environments = _names(where, "environments", raw.get("environments"))
    if any("," in environment for environment in environments):
        raise ServiceSeedError(f"{where}: environments is a list, an entry each, such as [prod, production]")
    canaries, of_documents = (_names(where, key, raw.get(key)) for key in ("canaries", "document_canaries"))
    if short := [mark for mark in canaries + of_documents if len(mark) < SHORTEST_CANARY]:
        raise ServiceSeedError(
            f"{where}: canary {short[0]!r} is too short to be a mark; give it {SHORTEST_CANARY} characters"
        )
    if both := set(canaries) & set(of_documents):
        raise ServiceSeedError(f"{where}: {min(both)!r} is in canaries and document_canaries; a mark stands in one place")
    return Feature(
        name, owner, raw["use_case"].strip(), raw["risk_class"], slo_set, environments, float(age),
        _tools(where, raw.get("tools")), canaries, of_documents, _declared(where, raw.get("declared")),
    )  # fmt: skip


def _tools(where: str, raw: Any) -> tuple[Tool, ...]:
    if not isinstance(raw, dict | None):
        raise ServiceSeedError(f"{where}: tools is a mapping, tool to {{side_effect: ..., needs_approval: ...}}")
    found = []
    for name, entry in (raw or {}).items():
        here = f"{where}: tool {name}"
        if not isinstance(entry, dict) or entry.get("side_effect") not in SIDE_EFFECTS:
            raise ServiceSeedError(f"{here} needs a side_effect: {', '.join(SIDE_EFFECTS)}")
        refuse_unknown(here, entry, {"side_effect", "needs_approval"})
        needs = entry.get("needs_approval", entry["side_effect"] == "irreversible")
        if not isinstance(needs, bool):
            raise ServiceSeedError(f"{here}: needs_approval is true or false, not {needs!r}")
        found.append(Tool(str(name), entry["side_effect"], needs))
    return tuple(found)


def _declared(where: str, raw: Any) -> tuple[tuple[str, str], ...]:
    """(kind, version) of each version that a feature is declared to use."""
    if not isinstance(raw, dict | None):
        raise ServiceSeedError(f"{where}: declared is a mapping of {', '.join(DECLARED_KINDS)} to lists")
    refuse_unknown(f"{where}: declared", raw or {}, DECLARED_KINDS)
    lists = {kind: _names(where, f"declared {key}", (raw or {}).get(key)) for key, kind in DECLARED_KINDS.items()}
    return tuple((kind, value) for kind, values in lists.items() for value in values)


def _names(where: str, key: str, raw: Any) -> tuple[str, ...]:
    if raw is None:
        return ()
    if not isinstance(raw, list) or not all(isinstance(name, str) and name for name in raw):
        raise ServiceSeedError(f"{where}: {key} is a list of texts; quote what YAML would read as something else")
    if len(set(raw)) < len(raw):
        raise ServiceSeedError(f"{where}: {key} names {max(raw, key=raw.count)!r} twice; keep one of them")
    return tuple(raw)


def refuse_unknown(where: str, raw: Mapping[Any, Any], allowed: Collection[str]) -> None:
    """Raises ServiceSeedError where an entry has a key that nothing reads."""
    if unknown := sorted(str(key) for key in set(raw) - set(allowed)):
        raise ServiceSeedError(f"{where} has unknown keys {', '.join(unknown)}; allowed: {', '.join(sorted(allowed))}")


def text_policy(feature: str, policy: CapturePolicy) -> str:
    """Which words of a feature are kept, in words: the rules of capture.yml that can fit it, in their order."""
    rules = [rule for rule in policy.rules if feature in rule.only.get("feature", (feature,))]
    said = [_in_words(rule) for rule in rules]
    # Behind a rule that fits all of the feature's records, no other is asked.
    for place, rule in enumerate(rules):
        if not set(rule.only) - {"feature"}:
            return "; ".join(said[: place + 1])
    return "; ".join([*said, "off" if not said else "else off"])


def _in_words(rule: Rule) -> str:
    mode = f"sampled {rule.share:g}" if rule.mode == "sampled" else rule.mode
    full_for = f" (full for {', '.join(sorted(rule.full_for))})" if rule.full_for else ""
    filters = [f"{name} {', '.join(values)}" for name, values in rule.only.items() if name != "feature"]
    return f"{mode}{full_for}{' for ' + ' and '.join(filters) if filters else ''}"


def feature_rows(features: Sequence[Feature], policy: CapturePolicy) -> pa.Table:
    """The rows of service.features."""
    return pa.Table.from_pylist(
        [
            {
                "feature": f.name,
                "owner": f.owner,
                "use_case": f.use_case,
                "risk_class": f.risk_class,
                "slo_set": f.slo_set,
                "environments": f.environment_list,
                "cache_max_age_s": f.cache_max_age_s,
                "text_policy": text_policy(f.name, policy),
            }
            for f in features
        ],
        schema=pa.schema(
            [(n, pa.string()) for n in ("feature", "owner", "use_case", "risk_class", "slo_set", "environments")]
            + [("cache_max_age_s", pa.float64()), ("text_policy", pa.string())]
        ),
    )


def tool_rows(features: Sequence[Feature]) -> pa.Table:
    """The rows of service.tools."""
    return pa.Table.from_pylist(
        [
            {"feature": f.name, "tool_name": t.name, "side_effect": t.side_effect, "needs_approval": t.needs_approval}
            for f in features
            for t in f.tools
        ],
        schema=pa.schema(
            [(n, pa.string()) for n in ("feature", "tool_name", "side_effect")] + [("needs_approval", pa.bool_())]
        ),
    )


def canary_rows(features: Sequence[Feature]) -> pa.Table:
    """The rows of service.canaries."""
    return pa.Table.from_pylist(
        [
            {"feature": f.name, "canary": mark, "stands_in": place}
            for f in features
            for place, marks in (("system_prompt", f.canaries), ("document", f.document_canaries))
            for mark in marks
        ],
        schema=pa.schema([(n, pa.string()) for n in ("feature", "canary", "stands_in")]),
    )


def declared_rows(features: Sequence[Feature]) -> pa.Table:
    """The rows of service.declared_versions."""
    return pa.Table.from_pylist(
        [{"feature": f.name, "kind": kind, "value": value} for f in features for kind, value in f.declared],
        schema=pa.schema([(n, pa.string()) for n in ("feature", "kind", "value")]),
    )
