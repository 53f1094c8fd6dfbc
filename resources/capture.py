"""Capture: which words are kept, from warehouse/seeds/capture.yml.

Here belongs the lint of that seed and the decision as SQL. What is done to words that are kept is redaction's business;
that words which are not kept never leave the typing statement is record_typing.py's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from resources.contracts import SEEDS
from resources.seed_yaml import SeedYamlError, read_seed

CAPTURE_FILE = SEEDS / "capture.yml"
Mode = Literal["off", "sampled", "full"]
FILTERS = ("source", "tenant", "feature", "environment")
_RULE_KEYS = {*FILTERS, "mode", "share", "full_for"}
_TOP_KEYS = {"redact", "ner", "capture", "incidents"}
_ERRORS, _INCIDENTS = "errors", "incidents"
_HEX_DIGITS = 13
"""52 bits: the most that a DOUBLE holds exactly."""

Bind = Callable[[str, Any], str]
"""Binds a value under a name and gives the parameter that stands for it in SQL."""


class CaptureError(ValueError):
    """A capture.yml that cannot be used as written; says where, what is wrong and what is allowed."""


@dataclass(frozen=True)
class Rule:
    """What is kept of records that fit all of `only`. `share` is the inclusion probability where `mode` is sampled."""

    mode: Mode
    share: float = 0.0
    only: dict[str, tuple[str, ...]] = field(default_factory=dict)
    full_for: frozenset[str] = frozenset()

    @property
    def keeps_nothing(self) -> bool:
        return self.mode == "off" and not self.full_for

    def may_fit(self, source: str) -> bool:
        return "source" not in self.only or source in self.only["source"]


@dataclass(frozen=True)
class Incident:
    """A stretch of time whose words some rules keep in full; of one tenant, or of all."""

    start: datetime
    end: datetime
    tenant: str | None = None


@dataclass(frozen=True)
class CapturePolicy:
    """The first rule that fits a record decides; where none fits, nothing is kept. `redact` is off only where whoever
    writes the logs has redacted them."""

    rules: tuple[Rule, ...] = ()
    incidents: tuple[Incident, ...] = ()
    redact: bool = True
    ner: bool = False

    def probability_sql(self, source: str, bind: Bind) -> str | None:
        """SQL: the probability with which a record's words are kept, 0 where they are not; None: never for this source.

        Speaks of the texts `t_<column>` of the typing statement and of $inner_pad and $outer_pad. Whether a request is
        sampled depends on its id and the key alone: its retrievals and tool calls share its fate, and so does a
        re-delivery.
        """
        rules = [rule for rule in self.rules if rule.may_fit(source)]
        if all(rule.keeps_nothing for rule in rules):
            return None
        whens = ["when lower(t_may_store_text) in ('false', '0') then 0.0"]
        for number, rule in enumerate(rules):
            tests = [
                f"list_contains({bind(f'capture_{number}_{name}', list(values))}, coalesce(t_{name}, ''))"
                for name, values in rule.only.items()
                if name != "source"
            ]
            whens.append(f"when {' and '.join(tests) or 'true'} then {self._probability(number, rule, bind)}")
        return f"case {' '.join(whens)} else 0.0 end"

    def _probability(self, number: int, rule: Rule, bind: Bind) -> str:
        kept = {"off": "0.0", "full": "1.0"}.get(rule.mode)
        if kept is None:
            share = bind(f"capture_{number}_share", rule.share)
            message = "encode('capture:' || coalesce(t_request_id, t_trace_id, cast(record_number as varchar)))"
            digest = f"sha256($outer_pad || unhex(sha256($inner_pad || {message})))"
            uniform = f"cast('0x' || left({digest}, {_HEX_DIGITS}) as bigint) / {float(1 << (4 * _HEX_DIGITS))!r}"
            kept = f"(case when {uniform} < {share} then {share} else 0.0 end)"
        always = []
        if _ERRORS in rule.full_for:
            always.append(
                "(t_error_class is not null or try_cast(t_http_status as integer) >= 400 or t_tool_status = 'error' "
                "or t_safety_input_verdict in ('flag', 'block') or t_safety_output_verdict in ('flag', 'block'))"
            )
        if _INCIDENTS in rule.full_for:
            for place, incident in enumerate(self.incidents):
                start, end = bind(f"incident_{place}_start", incident.start), bind(f"incident_{place}_end", incident.end)
                test = f"v_ts >= {start} and v_ts < {end}"
                if incident.tenant is not None:
                    test += f" and t_tenant = {bind(f'incident_{place}_tenant', incident.tenant)}"
                always.append(f"({test})")
        return f"case when {' or '.join(always)} then 1.0 else {kept} end" if always else kept


def load(path: Path = CAPTURE_FILE, sources: Collection[str] | None = None) -> CapturePolicy:
    """The policy of a seed; without the file nothing is kept. `sources` are those that a rule may name.

    Raises CaptureError.
    """
    try:
        raw = read_seed(path)
    except FileNotFoundError:
        return CapturePolicy()
    except SeedYamlError as error:
        raise CaptureError(str(error)) from error
    policy = parse(raw)
    for number, rule in enumerate(policy.rules, 1):
        unknown = set(rule.only.get("source", ())) - set(sources) if sources is not None else ()
        if unknown:
            names = ", ".join(sorted(unknown))
            raise CaptureError(f"capture.yml: rule {number} names source {names}, which sources.yml does not have")
    return policy


def parse(raw: Any) -> CapturePolicy:
    """The policy of a seed's content; raises CaptureError."""
    if raw is None:
        return CapturePolicy()
    if not isinstance(raw, dict) or set(raw) - _TOP_KEYS:
        raise CaptureError(f"capture.yml is one mapping with the keys {', '.join(sorted(_TOP_KEYS))}")
    for key in ("redact", "ner"):
        if not isinstance(raw.get(key, False), bool):
            raise CaptureError(f"capture.yml: {key} is true or false, not {raw[key]!r}")
    return CapturePolicy(
        rules=tuple(_rule(f"capture.yml: rule {n}", rule) for n, rule in enumerate(_list(raw, "capture"), 1)),
        incidents=tuple(_incident(f"capture.yml: incident {n}", i) for n, i in enumerate(_list(raw, "incidents"), 1)),
        redact=raw.get("redact", True),
        ner=raw.get("ner", False),
    )


def _list(raw: dict[str, Any], key: str) -> list[Any]:
    found = raw.get(key) or []
    if not isinstance(found, list):
        raise CaptureError(f"capture.yml: {key} is a list")
    return found


def _rule(where: str, raw: Any) -> Rule:
    if not isinstance(raw, dict) or raw.get("mode") not in ("off", "sampled", "full", False):
        # YAML reads a bare `off` as false.
        raise CaptureError(f"{where} needs `mode`: off, sampled or full")
    unknown = sorted(str(k) for k in set(raw) - _RULE_KEYS)
    if unknown:
        raise CaptureError(f"{where} has unknown keys {', '.join(unknown)}; allowed: {', '.join(sorted(_RULE_KEYS))}")
    mode: Mode = raw["mode"] or "off"
    share = raw.get("share")
    if mode == "sampled" and not (isinstance(share, int | float) and not isinstance(share, bool) and 0 < share <= 1):
        raise CaptureError(f"{where}: mode sampled needs `share`, more than 0 and at most 1, not {share!r}")
    if mode != "sampled" and share is not None:
        raise CaptureError(f"{where}: `share` belongs to mode sampled, not to {mode}")
    full_for = raw.get("full_for") or []
    if not isinstance(full_for, list) or not set(full_for) <= {_ERRORS, _INCIDENTS}:
        raise CaptureError(f"{where}: full_for is a list of {_ERRORS} and {_INCIDENTS}")
    only = {}
    for name in FILTERS:
        if name in raw:
            values = raw[name] if isinstance(raw[name], list) else [raw[name]]
            if not values or not all(isinstance(v, str) and v for v in values):
                raise CaptureError(f"{where}: {name} is a name or a list of names")
            only[name] = tuple(values)
    return Rule(mode, float(share or 0), only, frozenset(full_for))


def _incident(where: str, raw: Any) -> Incident:
    if not isinstance(raw, dict) or not {"from", "to"} <= set(raw) or set(raw) - {"from", "to", "tenant"}:
        raise CaptureError(f"{where} is a mapping with from, to and perhaps tenant")
    start, end = _time(f"{where}: from", raw["from"]), _time(f"{where}: to", raw["to"])
    if start >= end:
        raise CaptureError(f"{where} ends before it begins")
    if not isinstance(raw.get("tenant"), str | None):
        raise CaptureError(f"{where}: tenant is a name")
    return Incident(start, end, raw.get("tenant"))


def _time(where: str, value: Any) -> datetime:
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise CaptureError(f"{where} is a time such as 2026-11-01T03:00:00Z, not {value!r}") from None
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
