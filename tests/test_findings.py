"""What the rules of the service find, as people open it: evidence and runbooks run as they stand on a warehouse."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest
from house import House
from rules_house import CALM, DAY, EVERY_RULE, HOSTILE, rules_house

from assets.service.indicators import INDICATORS
from resources.contracts import REPO, SQL, contracts
from resources.redaction import Redactor
from resources.redaction_patterns import KINDS
from resources.service_seeds import load_features
from resources.warehouse import connect
from simulator.catalogue import FEATURES
from simulator.phrases import canary

RUNBOOKS = REPO / "docs" / "runbooks"
PAGES = sorted(page for page in RUNBOOKS.glob("*.md") if page.name != "README.md")
ONE_ROW_EACH = {
    "filter_bypass", "canary_leak", "document_leak", "pii_in_output", "planted_instruction", "access_violation",
}  # fmt: skip
"""Rules whose `n` counts the rows that their evidence shows."""
QUERY = re.compile(r"```sql\n(.*?)```", flags=re.DOTALL)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return rules_house(tmp_path_factory.mktemp("rules"))


def test_every_rule_finds_what_is_there(house: House) -> None:
    found = {rule for (rule,) in house.ask("select distinct rule from service.findings")}
    assert found >= EVERY_RULE
    assert house.ask(f"select count(*) from service.findings where day < date '{DAY}'") == [(0,)]


def test_the_evidence_of_each_finding_shows_its_rows_and_no_others(house: House) -> None:
    findings = house.ask("select rule, feature, n, evidence from service.findings")
    for rule, _, n, evidence in findings:
        rows = house.ask(evidence)
        assert rows, evidence
        if rule in ONE_ROW_EACH:
            assert len(rows) == n, evidence
    bypassed = {(feature, n) for rule, feature, n, _ in findings if rule == "filter_bypass"}
    assert bypassed == {(HOSTILE, 3), (CALM, 1)}


def test_no_finding_holds_a_word_of_a_user(house: House) -> None:
    columns = ", ".join(c.name for c in contracts()["service.findings"].columns)
    shown = str(house.ask(f"select {columns} from service.findings"))
    for word in ("try again", "who are you", "4111", "zq-heron", "zq-egret", "zq.example", "mallory", "somebody", "endless"):
        assert word not in shown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_queries_of_a_runbook_run_as_they_stand(house: House, page: Path) -> None:
    queries = QUERY.findall(page.read_text(encoding="utf-8"))
    assert len(queries) >= 3
    for query in queries:
        house.ask(query)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_runbook_has_all_its_parts(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    parts = [
        "**What it means.**", "**How sure it is.**", "## First five minutes", "**Stop the bleeding.**", "**Whom to tell.**",
        "**Close and label.**",
    ]  # fmt: skip
    places = [text.find(part) for part in parts]
    assert -1 not in places and places == sorted(places)
    assert f"({page.name})" in (RUNBOOKS / "README.md").read_text(encoding="utf-8")


def test_every_runbook_that_an_alert_names_exists(house: House) -> None:
    named = {path for (path,) in house.ask("select distinct runbook from service.findings")}
    named |= {f"docs/runbooks/{indicator.runbook}.md" for indicator in INDICATORS.values()}
    named |= set(re.findall(r"'(docs/runbooks/[^']*)'", contracts()["service.findings"].sql))
    assert {path for path in named if not (REPO / path).is_file()} == set()


def test_every_personal_kind_that_is_redacted_is_a_kind_that_may_leak() -> None:
    """The SQL names the kinds, for it cannot take JSON apart on every engine: one that redaction learns is missed here."""
    marks = re.findall(r"\('\"(\w+)[\":]'\)", (SQL / "service" / "safety_events.sql").read_text(encoding="utf-8"))
    assert set(marks) == set(KINDS) - {"IP_ADDRESS", "MAC_ADDRESS", "URL"}


def test_redaction_leaves_the_marks_of_prompts_alone() -> None:
    """A mark that redaction takes for a secret would never be found in an answer."""
    seeds = REPO / "warehouse" / "seeds"
    slo_sets = [path.stem for path in (seeds / "slos").glob("*.yml")]
    shipped = [mark for feature in load_features(seeds / "features.yml", slo_sets).values() for mark in feature.canaries]
    marks = [*shipped, *(canary(feature.name, f"v{version}") for feature in FEATURES for version in range(100))]
    answers = pa.record_batch({"text": [f"Internal reference: {mark}. Thank you." for mark in marks]})
    kept = Redactor(connect(threads=1)).redact(answers).column("text").to_pylist()
    assert [mark for mark, answer in zip(marks, kept, strict=True) if mark not in answer] == []
