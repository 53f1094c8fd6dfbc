"""Promises in OpenSLO v1: YAML documents checked, and laid over the features they are made for.

Here belongs the meaning of a document (https://github.com/OpenSLO/OpenSLO, version v1). Reading the files belongs to whoever
calls `parse`; what may be promised is indicators.py.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assets.service.indicators import INDICATORS, VERDICT_WINDOWS_DAYS, Indicator

API_VERSION = "openslo/v1"
SOURCE = "nocturne"
LONGEST_WINDOW_DAYS = 30
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
_DURATION = re.compile(r"([1-9][0-9]*)([dw])\Z")
_LONGEST_DESCRIPTION = 1050
_BUDGETING = {"Occurrences": "occurrences", "Timeslices": "timeslices"}
_ANNOTATIONS = ("severity", "runbook")
_INSTEAD = {
    "indicatorRef": "write the indicator itself",
    "alertPolicies": "the burn-rate rules are the same for every promise (docs/slos.md)",
    "thresholdMetric": "write a ratioMetric of good and total events",
    "bad": "write good and total",
    "raw": "write good and total",
    "rawType": "write good and total",
    "metricSourceRef": f"write type: {SOURCE}",
    "op": "the threshold stands in the spec of good",
    "value": "the threshold stands in the spec of good",
    "calendar": "windows are rolling",
}


class OpenSloError(ValueError):
    """A document that cannot be kept as written; says the file, the promise, and what to write."""


@dataclass(frozen=True)
class Slo:
    """One promise as it is written. `service` is a feature or the set; `target` the share of events that is to be good."""

    slo_set: str
    name: str
    title: str
    service: str
    indicator: str
    threshold: float | None
    operator: str | None
    feedback_name: str | None
    target: float
    window_days: int
    budgeting: str
    severity: str
    runbook: str

    @property
    def where(self) -> str:
        return f"slos/{self.slo_set}.yml: SLO {self.name}"


@dataclass(frozen=True)
class Promised:
    """What a feature adds to its promises."""

    slo_set: str | None
    owner: str
    environments: str | None


@dataclass(frozen=True)
class Documents:
    """All that stands in seeds/slos: the sets that a feature may name, and the promises."""

    sets: tuple[str, ...]
    slos: tuple[Slo, ...]


def parse(files: Mapping[str, Sequence[Any]]) -> Documents:
    """The promises of each file's documents, by the file's name without .yml; raises OpenSloError.

    A `kind: Service` that is named as its file makes the file a set.
    """
    sets: list[str] = []
    slos: list[Slo] = []
    for file, documents in files.items():
        seen: set[tuple[str, str]] = set()
        for number, raw in enumerate(documents, 1):
            kind, name, metadata = _header(f"slos/{file}.yml: document {number}", raw)
            if (kind, name) in seen:
                raise OpenSloError(f"slos/{file}.yml: {kind} {name} stands twice; keep one of them")
            seen.add((kind, name))
            where = f"slos/{file}.yml: {kind} {name}"
            if kind == "SLO":
                slos.append(_slo(where, file, name, metadata, raw["spec"]))
                continue
            _fields(where + ": spec", raw["spec"] or {}, (), ("description",))
            if name != file:
                raise OpenSloError(f"{where}: the Service of a file has the file's name; call it {file}")
            sets.append(file)
    return Documents(tuple(sets), tuple(slos))


def check_runbooks(documents: Documents, pages: Collection[str]) -> None:
    """Raises OpenSloError where a promise names a runbook that is no page; `pages` are their names without .md."""
    for slo in documents.slos:
        if slo.runbook != INDICATORS[slo.indicator].runbook and slo.runbook not in pages:
            raise OpenSloError(
                f"{slo.where}: the annotation runbook names {slo.runbook!r}, which is no page in docs/runbooks; "
                f"there are: {', '.join(sorted(pages)) or 'none'}"
            )


def rows(documents: Documents, features: Mapping[str, Promised]) -> list[dict[str, Any]]:
    """The rows of service.slos: one for each promise and feature that it holds for. Raises OpenSloError."""
    found: dict[tuple[str, str], Slo] = {}
    for slo in documents.slos:
        if slo.service == slo.slo_set and slo.slo_set in documents.sets:
            names = [name for name, feature in features.items() if feature.slo_set == slo.slo_set]
        elif slo.service in features:
            names = [slo.service]
        else:
            raise OpenSloError(
                f"{slo.where}: service {slo.service!r} is neither a feature of features.yml nor the set {slo.slo_set!r} "
                f"with a `kind: Service` in this file; features: {', '.join(sorted(features)) or 'none'}"
            )
        for name in names:
            if other := found.get((slo.name, name)):
                raise OpenSloError(f"{slo.where} is promised to {name} by slos/{other.slo_set}.yml, too; rename one of them")
            found[slo.name, name] = slo
    return [_row(slo, feature, features[feature]) for (_, feature), slo in found.items()]


def _row(slo: Slo, feature: str, promised: Promised) -> dict[str, Any]:
    indicator = INDICATORS[slo.indicator]
    return {
        "slo": slo.name,
        "feature": feature,
        "slo_set": slo.slo_set,
        "title": slo.title,
        "indicator": slo.indicator,
        "threshold": slo.threshold,
        "operator": slo.operator,
        "feedback_name": slo.feedback_name,
        "target": slo.target,
        "window_days": slo.window_days,
        "budgeting": slo.budgeting,
        "environments": promised.environments,
        "severity_policy": slo.severity,
        "component": indicator.component,
        "cause_class": indicator.cause_class,
        "owner": promised.owner,
        "runbook": f"docs/runbooks/{slo.runbook}.md",
        "is_sampled": indicator.is_sampled,
        "is_measured": indicator.is_measured,
    }


def _header(where: str, raw: Any) -> tuple[str, str, Mapping[str, Any]]:
    document = _fields(where, raw, ("apiVersion", "kind", "metadata", "spec"), ())
    if document["apiVersion"] != API_VERSION:
        raise OpenSloError(f"{where}: write apiVersion: {API_VERSION}, not {document['apiVersion']!r}")
    if document["kind"] not in ("Service", "SLO"):
        raise OpenSloError(f"{where}: the kinds Service and SLO are read, not {document['kind']!r}")
    metadata = _fields(f"{where}: metadata", document["metadata"], ("name",), ("displayName", "labels", "annotations"))
    _text(f"{where}: metadata.displayName", metadata.get("displayName", "-"))
    name = metadata["name"]
    if not isinstance(name, str) or not _NAME.match(name):
        raise OpenSloError(f"{where}: metadata.name is lower-case letters, digits and -, at most 63; not {name!r}")
    return document["kind"], name, metadata


def _slo(where: str, file: str, name: str, metadata: Mapping[str, Any], raw: Any) -> Slo:
    needed = ("service", "indicator", "timeWindow", "budgetingMethod", "objectives")
    spec = _fields(f"{where}: spec", raw, needed, ("description",))
    if len(_text(f"{where}: spec.description", spec.get("description", "-"))) > _LONGEST_DESCRIPTION:
        raise OpenSloError(f"{where}: spec.description has more than {_LONGEST_DESCRIPTION} characters")
    indicator, threshold, operator, feedback = _indicator(f"{where}: indicator", spec["indicator"])
    known = INDICATORS[indicator]
    severity, runbook = _annotations(where, metadata.get("annotations"), known)
    return Slo(
        slo_set=file,
        name=name,
        title=metadata.get("displayName", name),
        service=_text(f"{where}: spec.service", spec["service"]),
        indicator=indicator,
        threshold=threshold,
        operator=operator,
        feedback_name=feedback,
        target=_objective(where, spec["objectives"], known),
        window_days=_window_days(f"{where}: timeWindow", spec["timeWindow"], known),
        budgeting=_budgeting(where, spec["budgetingMethod"], known),
        severity=severity,
        runbook=runbook,
    )


def _indicator(where: str, raw: Any) -> tuple[str, float | None, str | None, str | None]:
    """(name, threshold, operator, name of the feedback) of an inline indicator."""
    inline = _fields(where, raw, ("spec",), ("metadata",))
    _fields(f"{where}.metadata", inline.get("metadata") or {}, (), ("name", "displayName", "labels", "annotations"))
    spec = _fields(f"{where}.spec", inline["spec"], ("ratioMetric",), ("description",))
    metric = _fields(f"{where}.spec.ratioMetric", spec["ratioMetric"], ("counter", "good", "total"), ())
    if metric["counter"] is not True:
        raise OpenSloError(f"{where}: write counter: true, since good and total are counts")
    sides = {side: _source(f"{where}: {side}", metric[side]) for side in ("total", "good")}
    for side, source in sides.items():
        # Events that good does not name at all are told below, with what to write.
        if (side == "total" or "events" in source) and source.get("events") not in tuple(INDICATORS):
            raise OpenSloError(
                f"{where}: {side} counts unknown events {source.get('events')!r}; there are: {', '.join(INDICATORS)}"
            )
    total, good = sides["total"], sides["good"]
    name = total["events"]
    known = INDICATORS[name]
    _fields(f"{where}: the spec of total", total, ("events", "name") if known.is_named else ("events",), ())
    if known.is_named:
        _text(f"{where}: name in the spec of total", total["name"])
    rest = {key: value for key, value in good.items() if key not in total}
    if any(good.get(key) != value for key, value in total.items()):
        raise OpenSloError(
            f"{where}: good counts what total counts, so it repeats {_inline(total)}; it says {_inline(good)}"
        )
    if not known.operators:
        if rest != {"are": "good"}:
            raise OpenSloError(f"{where}: good says `are: good` beside {_inline(total)}; it says {_inline(good)}")
        return name, None, None, None
    operators = " or ".join(f"`{operator}: <number>`" for operator in known.operators)
    if len(rest) != 1 or next(iter(rest)) not in known.operators:
        raise OpenSloError(f"{where}: good says {operators} beside {_inline(total)}; it says {_inline(good)}")
    operator, threshold = next(iter(rest.items()))
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 <= threshold < float("inf"):
        raise OpenSloError(f"{where}: {operator} is a number of at least 0, not {threshold!r}")
    return name, float(threshold), operator, total.get("name")


def _source(where: str, raw: Any) -> dict[str, Any]:
    source = _fields(where, raw, ("metricSource",), ())["metricSource"]
    source = _fields(f"{where}.metricSource", source, ("type", "spec"), ())
    if source["type"] != SOURCE:
        raise OpenSloError(f"{where}: write type: {SOURCE}, not {source['type']!r}")
    if not isinstance(source["spec"], Mapping):
        raise OpenSloError(f"{where}: spec is a mapping such as {{events: availability}}")
    return dict(source["spec"])


def _window_days(where: str, raw: Any, known: Indicator) -> int:
    if not isinstance(raw, list) or len(raw) != 1:
        raise OpenSloError(f"{where} is a list of exactly one window: [{{duration: 30d, isRolling: true}}]")
    window = _fields(where, raw[0], ("duration", "isRolling"), ())
    duration = _DURATION.match(str(window["duration"]))
    days = int(duration[1]) * (7 if duration[2] == "w" else 1) if duration else 0
    if not 1 <= days <= LONGEST_WINDOW_DAYS:
        raise OpenSloError(f"{where}: duration is 1d to {LONGEST_WINDOW_DAYS}d, or 1w to 4w; not {window['duration']!r}")
    if window["isRolling"] is not True:
        raise OpenSloError(f"{where}: write isRolling: true; calendar windows are not kept")
    if known.verdict and days not in VERDICT_WINDOWS_DAYS:
        kept = ", ".join(f"{days}d" for days in VERDICT_WINDOWS_DAYS)
        raise OpenSloError(f"{where}: what people judge is estimated over {kept}; not {window['duration']!r}")
    return days


def _budgeting(where: str, raw: Any, known: Indicator) -> str:
    wanted = "Timeslices" if known.is_by_hour else "Occurrences"
    if raw != wanted:
        raise OpenSloError(f"{where}: write budgetingMethod: {wanted} for {known.events}, not {raw!r}")
    return _BUDGETING[wanted]


def _objective(where: str, raw: Any, known: Indicator) -> float:
    if not isinstance(raw, list) or len(raw) != 1:
        raise OpenSloError(
            f"{where}: objectives is a list of exactly one; write a promise of its own for each further target"
        )
    slices = ("timeSliceTarget", "timeSliceWindow") if known.is_by_hour else ()
    objective = _fields(f"{where}: objectives", raw[0], slices, ("displayName", "target", "targetPercent"))
    if known.is_by_hour and (str(objective["timeSliceWindow"]), objective["timeSliceTarget"]) not in (("1h", 1), ("60", 1)):
        raise OpenSloError(f"{where}: write timeSliceWindow: 1h and timeSliceTarget: 1 for {known.events}")
    if ("target" in objective) == ("targetPercent" in objective):
        raise OpenSloError(f"{where}: objectives needs either target, such as 0.995, or targetPercent, such as 99.5")
    given = objective.get("target", objective.get("targetPercent"))
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise OpenSloError(f"{where}: the target is a number, not {given!r}")
    target = float(given) if "target" in objective else round(float(given) / 100, 12)
    if not 0 < target < 1:
        raise OpenSloError(f"{where}: a target of {given!r} leaves no budget or no promise; write one between 0 and 100 %")
    return target


def _annotations(where: str, raw: Any, known: Indicator) -> tuple[str, str]:
    """(severity, runbook); annotations with a prefix such as example.com/team are other programs' business."""
    own = {key: value for key, value in _fields(where, raw or {}, (), None).items() if "/" not in str(key)}
    _fields(f"{where}: annotations", own, (), _ANNOTATIONS)
    severity = own.get("severity", known.severity)
    if severity not in ("page", "ticket"):
        raise OpenSloError(f"{where}: the annotation severity is page or ticket, not {severity!r}")
    runbook = own.get("runbook", known.runbook)
    if not isinstance(runbook, str) or not _NAME.match(runbook):
        raise OpenSloError(
            f"{where}: the annotation runbook is the name of a file in docs/runbooks without .md, not {runbook!r}"
        )
    return severity, runbook


def _fields(where: str, raw: Any, required: Iterable[str], optional: Collection[str] | None) -> Mapping[str, Any]:
    """`raw` as a mapping that has all required fields and, beside them, optional ones only (None: any)."""
    if not isinstance(raw, Mapping):
        raise OpenSloError(f"{where} is a mapping, not {_inline(raw)}")
    required = tuple(required)
    if optional is not None:
        for unknown in (str(key) for key in raw if key not in (*required, *optional)):
            instead = _INSTEAD.get(unknown, f"allowed: {', '.join((*required, *optional)) or 'none'}")
            raise OpenSloError(f"{where} has the field {unknown}, which is not read; {instead}")
    if missing := [key for key in required if raw.get(key) is None]:
        raise OpenSloError(f"{where} lacks {', '.join(missing)}")
    return raw


def _text(where: str, raw: Any) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise OpenSloError(f"{where} is a text, not {raw!r}")
    return raw


def _inline(raw: Any) -> str:
    if isinstance(raw, Mapping):
        return "{" + ", ".join(f"{key}: {value}" for key, value in raw.items()) + "}"
    return repr(raw)
