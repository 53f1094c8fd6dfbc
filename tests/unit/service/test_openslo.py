"""OpenSLO documents: what is kept, what is refused and with which words, and the presets that ship."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from assets.service.assets import read_service_seeds
from assets.service.indicators import INDICATORS, VERDICT_WINDOWS_DAYS, Indicator
from assets.service.openslo import Documents, OpenSloError, Promised, check_runbooks, parse, rows
from resources.contracts import REPO, SEEDS, contracts
from resources.seed_yaml import read_documents
from resources.service_seeds import ServiceSeedError

SERVICE = {"apiVersion": "openslo/v1", "kind": "Service", "metadata": {"name": "gold"}, "spec": {"description": "The best"}}
FEATURES = {
    "chat": Promised("gold", "team:support", "prod"),
    "search": Promised("gold", "team:search", None),
    "tags": Promised(None, "team:data", None),
}


def source(**spec: Any) -> dict[str, Any]:
    return {"metricSource": {"type": "nocturne", "spec": spec}}


def slo(name: str = "fast", service: str = "gold", **changes: Any) -> dict[str, Any]:
    """A promise of 95 % within 500 ms; `changes` replace fields of its spec."""
    ratio = {"counter": True, "good": source(events="latency_ms", lte=500), "total": source(events="latency_ms")}
    spec = {
        "service": service,
        "indicator": {"metadata": {"name": name}, "spec": {"ratioMetric": ratio}},
        "timeWindow": [{"duration": "4w", "isRolling": True}],
        "budgetingMethod": "Occurrences",
        "objectives": [{"targetPercent": 95}],
    }
    return {"apiVersion": "openslo/v1", "kind": "SLO", "metadata": {"name": name}, "spec": spec | changes}


def measuring(good: dict[str, Any], total: dict[str, Any], **changes: Any) -> dict[str, Any]:
    document = slo(**changes)
    document["spec"]["indicator"]["spec"]["ratioMetric"] |= {"good": source(**good), "total": source(**total)}
    return document


def kept(*documents: Any, name: str = "gold") -> list[dict[str, Any]]:
    return rows(parse({name: [SERVICE, *documents]}), FEATURES)


def test_a_promise_of_a_set_holds_for_every_feature_that_names_it_and_no_other() -> None:
    found = kept(slo())
    assert [(row["slo"], row["feature"], row["owner"], row["environments"]) for row in found] == [
        ("fast", "chat", "team:support", "prod"),
        ("fast", "search", "team:search", None),
    ]
    first = found[0]
    assert (first["indicator"], first["threshold"], first["operator"]) == ("latency_ms", 500.0, "lte")
    assert (first["target"], first["window_days"], first["budgeting"]) == (0.95, 28, "occurrences")
    assert (first["severity_policy"], first["runbook"], first["title"]) == ("page", "docs/runbooks/latency.md", "fast")
    assert set(first) == {column.name for column in contracts()["service.slos"].columns}


def test_a_promise_to_one_feature_needs_no_set() -> None:
    found = rows(parse({"own": [slo(service="tags")]}), FEATURES)
    assert [(row["feature"], row["slo_set"]) for row in found] == [("tags", "own")]


def test_annotations_set_severity_and_runbook_and_those_of_other_programs_are_left_alone() -> None:
    document = slo()
    document["metadata"]["annotations"] = {"severity": "ticket", "runbook": "slow-models", "example.com/team": "x"}
    document["metadata"] |= {"displayName": "Quick answers", "labels": {"tier": "1"}}
    (row, _) = kept(document)
    assert (row["severity_policy"], row["runbook"], row["title"]) == (
        "ticket",
        "docs/runbooks/slow-models.md",
        "Quick answers",
    )


def test_a_runbook_that_is_no_page_is_refused_with_the_pages_that_there_are() -> None:
    document = slo()
    document["metadata"]["annotations"] = {"runbook": "latenzy"}
    named = parse({"gold": [SERVICE, document]})
    check_runbooks(named, ["latenzy"])
    said = r"slos/gold.yml: SLO fast: the annotation runbook names 'latenzy', .*; there are: availability, latency\Z"
    with pytest.raises(OpenSloError, match=said):
        check_runbooks(named, ["latency", "availability"])
    check_runbooks(parse({"gold": [SERVICE, slo()]}), [])


def test_the_seeds_are_read_against_the_pages_that_there_are(tmp_path: Path) -> None:
    (tmp_path / "slos").mkdir()
    document = slo()
    document["metadata"]["annotations"] = {"runbook": "latenzy"}
    (tmp_path / "slos" / "gold.yml").write_text(yaml.safe_dump_all([SERVICE, document]), encoding="utf-8")
    with pytest.raises(ServiceSeedError, match=r"names 'latenzy', which is no page .* availability, .* truncation"):
        read_service_seeds(tmp_path)


def test_an_indicator_that_nothing_counts_yet_is_kept_and_says_so() -> None:
    good = {"events": "retrieval_recall", "are": "good"}
    (row, _) = kept(measuring(good, {"events": "retrieval_recall"}))
    assert (row["is_measured"], row["is_sampled"], row["threshold"]) == (False, True, None)


def test_what_people_judge_is_promised_over_a_window_that_has_a_rate() -> None:
    answers = {"events": "hallucination"}
    month = measuring(answers | {"are": "good"}, answers, timeWindow=[{"duration": "30d", "isRolling": True}])
    (row, _) = kept(month)
    assert (row["is_measured"], row["is_sampled"], row["window_days"]) == (True, True, 30)
    with pytest.raises(OpenSloError, match=r"estimated over 1d, 7d, 30d; not '4w'"):
        kept(measuring(answers | {"are": "good"}, answers))
    windows = contracts()["quality.rates"].column("window_days").values
    assert windows == tuple(str(days) for days in VERDICT_WINDOWS_DAYS)
    verdicts = contracts()["quality.rates"].column("verdict").values
    assert {known.verdict for known in INDICATORS.values()} - {None} <= set(verdicts)


def test_spend_is_promised_by_the_hour() -> None:
    slices = {"target": 0.99, "timeSliceTarget": 1.0, "timeSliceWindow": "1h"}
    spend = {"events": "spend_usd_per_hour"}
    document = measuring(spend | {"lte": 20}, spend, budgetingMethod="Timeslices", objectives=[slices])
    (row, _) = kept(document)
    assert (row["budgeting"], row["threshold"], row["target"]) == ("timeslices", 20.0, 0.99)


def test_feedback_is_promised_by_its_name() -> None:
    thumbs = {"events": "feedback", "name": "thumbs"}
    (row, _) = kept(measuring(thumbs | {"gte": 1}, thumbs))
    assert (row["feedback_name"], row["operator"], row["threshold"], row["is_sampled"]) == ("thumbs", "gte", 1.0, True)


AVAILABLE = {"events": "availability", "are": "good"}
LATENCY = {"events": "latency_ms"}
REFUSED: list[tuple[Any, str]] = [
    ("text", "is a mapping"),
    ({**SERVICE, "kind": "SLI"}, "the kinds Service and SLO are read, not 'SLI'"),
    ({**slo(), "apiVersion": "openslo/v1alpha"}, "write apiVersion: openslo/v1, not 'openslo/v1alpha'"),
    ({**slo(), "extra": 1}, "has the field extra, which is not read; allowed: apiVersion, kind, metadata, spec"),
    ({**slo(), "metadata": {}}, "metadata lacks name"),
    (slo("Fast answers"), "metadata.name is lower-case letters"),
    ({**SERVICE, "metadata": {"name": "silver"}}, "the Service of a file has the file's name; call it gold"),
    (slo(service="nobody"), "service 'nobody' is neither a feature of features.yml nor the set 'gold'"),
    (slo(service=None), "spec lacks service"),
    (slo(alertPolicies=[]), "alertPolicies, which is not read; the burn-rate rules are the same for every promise"),
    (slo(description="x" * 1051), "more than 1050 characters"),
    (slo(timeWindow=[]), "exactly one window"),
    (slo(timeWindow=[{"duration": "1M", "isRolling": True}]), "duration is 1d to 30d, or 1w to 4w; not '1M'"),
    (slo(timeWindow=[{"duration": "31d", "isRolling": True}]), "not '31d'"),
    (slo(timeWindow=[{"duration": "0d", "isRolling": True}]), "not '0d'"),
    (slo(timeWindow=[{"duration": "7d", "isRolling": False}]), "write isRolling: true"),
    (slo(timeWindow=[{"duration": "7d", "isRolling": True, "calendar": {}}]), "windows are rolling"),
    (slo(budgetingMethod="RatioTimeslices"), "write budgetingMethod: Occurrences"),
    (slo(budgetingMethod="Timeslices"), "write budgetingMethod: Occurrences"),
    (slo(objectives=[{"target": 0.9}, {"target": 0.99}]), "exactly one; write a promise of its own"),
    (slo(objectives=[{}]), "either target, such as 0.995, or targetPercent"),
    (slo(objectives=[{"target": 0.9, "targetPercent": 90}]), "either target"),
    (slo(objectives=[{"target": 1}]), "a target of 1 leaves no budget"),
    (slo(objectives=[{"target": 99.5}]), "a target of 99.5 leaves no budget"),
    (slo(objectives=[{"targetPercent": 0}]), "a target of 0 leaves no budget"),
    (slo(objectives=[{"target": "high"}]), "the target is a number, not 'high'"),
    (slo(objectives=[{"target": True}]), "the target is a number, not True"),
    (slo(objectives=[{"target": 0.9, "op": "lte"}]), "the threshold stands in the spec of good"),
    (slo(objectives=[{"target": 0.9, "timeSliceTarget": 1}]), "timeSliceTarget, which is not read"),
    (slo(indicatorRef="x"), "indicatorRef, which is not read; write the indicator itself"),
    (measuring({"events": "speed"}, {"events": "speed"}), "total counts unknown events 'speed'; there are: availability"),
    (measuring({"events": "latency", "lte": 5}, LATENCY), "good counts unknown events 'latency'; there are: availability"),
    (measuring({"lte": 5}, LATENCY), "good counts what total counts, so it repeats {events: latency_ms}"),
    (measuring({"events": ["latency_ms"]}, {"events": ["latency_ms"]}), "total counts unknown events ['latency_ms']"),
    (
        measuring({"events": "routing", "are": "good"}, LATENCY),
        "good counts what total counts, so it repeats {events: latency_ms}",
    ),
    (measuring(LATENCY, LATENCY), "good says `lte: <number>` beside {events: latency_ms}"),
    (measuring(LATENCY | {"gte": 5}, LATENCY), "good says `lte: <number>`"),
    (measuring(LATENCY | {"lt": 500}, LATENCY), "good says `lte: <number>`"),
    (measuring(LATENCY | {"lte": "500ms"}, LATENCY), "lte is a number of at least 0, not '500ms'"),
    (measuring(LATENCY | {"lte": -1}, LATENCY), "lte is a number of at least 0, not -1"),
    (measuring(LATENCY | {"lte": 1, "model": "m"}, LATENCY | {"model": "m"}), "model, which is not read; allowed: events"),
    (measuring({"events": "availability"}, {"events": "availability"}), "good says `are: good`"),
    (measuring(AVAILABLE | {"lte": 1}, {"events": "availability"}), "good says `are: good`"),
    (measuring({"events": "feedback", "gte": 1}, {"events": "feedback"}), "the spec of total lacks name"),
    (
        measuring({"events": "spend_usd_per_hour", "lte": 1}, {"events": "spend_usd_per_hour"}),
        "objectives lacks timeSliceTarget",
    ),
]


@pytest.mark.parametrize(("document", "said"), REFUSED, ids=[said[:40] for _, said in REFUSED])
def test_what_is_refused_is_told_with_what_to_write(document: Any, said: str) -> None:
    with pytest.raises(OpenSloError) as raised:
        kept(document)
    assert said in str(raised.value)
    assert str(raised.value).startswith("slos/gold.yml: ")


@pytest.mark.parametrize("side", ["good", "total"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"metricSource": {"type": "Prometheus", "spec": {}}}, "write type: nocturne, not 'Prometheus'"),
        ({"metricSource": {"metricSourceRef": "x", "type": "nocturne", "spec": {}}}, "metricSourceRef, which is not read"),
        ({"metricSource": {"type": "nocturne", "spec": "latency"}}, "spec is a mapping such as {events: availability}"),
        ({"query": "x"}, "has the field query"),
    ],
)
def test_a_source_that_is_not_ours_is_told_on_its_side(side: str, change: Any, said: str) -> None:
    document = deepcopy(slo())
    document["spec"]["indicator"]["spec"]["ratioMetric"][side] = change
    with pytest.raises(OpenSloError, match=side) as raised:
        kept(document)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ({"thresholdMetric": {}}, "write a ratioMetric of good and total events"),
        ({"ratioMetric": {"counter": False, "good": {}, "total": {}}}, "write counter: true"),
        ({"ratioMetric": {"counter": True, "bad": {}, "total": {}}}, "bad, which is not read; write good and total"),
    ],
)
def test_other_kinds_of_metric_are_refused(metric: Any, said: str) -> None:
    with pytest.raises(OpenSloError) as raised:
        kept(slo(indicator={"spec": metric}))
    assert said in str(raised.value)


@pytest.mark.parametrize("annotations", [{"severity": "loud"}, {"runbook": "docs/runbooks/x.md"}, {"team": "x"}])
def test_an_annotation_that_nobody_reads_is_refused(annotations: dict[str, str]) -> None:
    document = slo()
    document["metadata"]["annotations"] = annotations
    with pytest.raises(OpenSloError, match="annotation"):
        kept(document)


def test_one_name_is_one_promise() -> None:
    with pytest.raises(OpenSloError, match="SLO fast stands twice; keep one of them"):
        kept(slo(), slo())
    files = {"gold": [SERVICE, slo()], "own": [slo(service="chat")]}
    with pytest.raises(OpenSloError, match=r"slos/own.yml: SLO fast is promised to chat by slos/gold.yml, too; rename"):
        rows(parse(files), FEATURES)


def test_a_file_without_a_service_is_no_set() -> None:
    assert parse({"gold": [slo()]}).sets == ()
    with pytest.raises(OpenSloError, match="with a `kind: Service` in this file"):
        rows(parse({"gold": [slo()]}), FEATURES)


# what ships


def shipped() -> Documents:
    return parse({path.stem: read_documents(path) for path in (SEEDS / "slos").glob("*.yml")})


def test_the_presets_promise_what_they_say() -> None:
    promised = {
        slo_set: {(s.indicator, s.threshold): s.target for s in shipped().slos if s.slo_set == slo_set}
        for slo_set in ("critical", "standard")
    }
    assert promised["critical"] == {
        ("availability", None): 0.999,
        ("latency_ms", 500): 0.95,
        ("latency_ms", 1500): 0.99,
        ("error_rate", None): 0.999,
        ("window_truncation", None): 0.995,
        ("response_cache_hit", None): 0.6,
        ("routing", None): 0.99,
        ("incident_feedback_coverage", None): 0.2,
        ("billing_anomalies", None): 0.966,
    }
    assert promised["standard"] == {
        ("availability", None): 0.995,
        ("latency_ms", 500): 0.95,
        ("time_to_first_token_ms", 2000): 0.95,
        ("error_rate", None): 0.995,
        ("safety_pass", None): 0.999,
        ("hallucination", None): 0.95,
        ("retrieval_recall", None): 0.9,
        ("groundedness", None): 0.95,
        ("model_load_ms", 30_000): 0.99,
    }


@pytest.mark.parametrize("slo_set", ["critical", "standard", "sample"])
def test_every_promise_that_ships_says_its_gotcha(slo_set: str) -> None:
    documents = (SEEDS / "slos" / f"{slo_set}.yml").read_text(encoding="utf-8").split("\n---\n")[1:]
    assert documents
    for document in documents:
        assert document.startswith("# ") and "Gotcha:" in document.split("apiVersion")[0], yaml.safe_load(document)[
            "metadata"
        ]


def test_what_ships_fits_together_and_every_indicator_is_one_of_the_contract() -> None:
    seeds = read_service_seeds(SEEDS)
    assert {row["slo_set"] for row in seeds.slos} == {"sample"}
    assert {row["feature"] for row in seeds.slos} == set(seeds.features)
    assert set(INDICATORS) == set(contracts()["service.slos"].column("indicator").values)
    owners = {(owner.component, owner.cause_class) for owner in seeds.owners}
    assert {(i.component, i.cause_class) for i in INDICATORS.values()} <= owners


@pytest.mark.parametrize("indicator", INDICATORS.values(), ids=list(INDICATORS))
def test_a_break_of_every_indicator_has_a_page_that_says_what_to_do(indicator: Indicator) -> None:
    assert (REPO / "docs" / "runbooks" / f"{indicator.runbook}.md").is_file()


def test_a_slip_in_any_of_the_files_is_one_kind_of_error(tmp_path: Path) -> None:
    """What `make nightly` catches before it begins."""
    texts = {path.relative_to(SEEDS): path.read_text() for path in (SEEDS / "slos").glob("*.yml")}
    texts |= {Path(name): (SEEDS / name).read_text() for name in ("features.yml", "owners.yml")}
    slips = {
        "slos/sample.yml": ("budgetingMethod: Occurrences", "budgetingMethods: Occurrences", "budgetingMethods"),
        "slos/critical.yml": ("kind: Service", "kind: Service\nkind: Service", "names 'kind' twice, in line"),
        "slos/standard.yml": ("metadata:", "metadata: [", "is not YAML"),
        "features.yml": ("slo_set: sample", "slo_set: samples", "slo_set 'samples', which is no file in seeds/slos"),
        "owners.yml": ("gateway:", "gatway:", "unknown component; there are: gateway"),
    }
    for wrong, (old, new, said) in slips.items():
        folder = tmp_path / wrong.replace("/", "_")
        (folder / "slos").mkdir(parents=True)
        for name, text in texts.items():
            (folder / name).write_text(text.replace(old, new, 1) if name == Path(wrong) else text)
        with pytest.raises(ServiceSeedError) as raised:
            read_service_seeds(folder)
        assert said in str(raised.value)
