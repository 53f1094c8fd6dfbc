"""What readers see, put before Great Expectations: the same rules as the hot checks, found where these were passed by."""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from core import core_house, priced
from house import House, request

from assets.checks import ALLOWED, RANGE, REQUIRED, UNIQUE, rules
from assets.expectations import due, expectations, key_columns, published_checks, validated_tables
from assets.tables import asset_key
from pipelines.clock import WallClock
from pipelines.jobs import VALIDATE, jobs
from pipelines.nightly import NightRun
from pipelines.settings import Settings
from pipelines.validation import validation_sensor
from resources.contracts import Check, Column, Contract, contracts
from resources.expectations import KEPT_RESULTS, Expectation, Validation, Validator
from resources.table_store import arrow_schema
from resources.warehouse import check_rows, create_database, load_macros, open_published
from resources.warehouse_resource import WarehouseResource

NOW = datetime(2026, 11, 10, 3, tzinfo=UTC)
SEEN_ALL = "all that is published was validated; what was found stands in the checks"
DAY = date(2026, 11, 3)
TABLES = sorted(validated_tables(contracts()))


# one contract, two readings


def value(column: Column, chance: random.Random, is_wild: bool) -> Any:
    """A value of the column's type that keeps its rules; in a wild column, often one that breaks them."""
    breaks = is_wild and chance.random() < 0.4
    if breaks and chance.random() < 0.5 and column.name != "day":
        return None
    low = column.minimum if column.minimum is not None else 0
    high = column.maximum if column.maximum is not None else low + 9
    number = chance.choice([low - 1, high + 1]) if breaks else low + chance.randint(0, int(min(high - low, 3)))
    kind = column.type.split("(")[0]
    match kind:
        case "VARCHAR":
            return chance.choice(["", "nonsense"]) if breaks else chance.choice(column.values or ("a", "b", "c"))
        case "BIGINT" | "INTEGER":
            return int(number)
        case "DOUBLE":
            return float(number)
        case "DECIMAL":
            return Decimal(int(number))
        case "BOOLEAN":
            return chance.random() < 0.5
        case "DATE":
            return DAY
        case "TIMESTAMPTZ":
            return datetime(2026, 11, 3, chance.randint(0, 3), tzinfo=UTC)
        case "FLOAT[]":
            return [chance.random()]
    raise AssertionError(f"no values for {column.type}")


def some_rows(contract: Contract, seed: int) -> pa.Table:
    """Rows of a table in which about half of the columns break their rules, and some rows come twice."""
    chance = random.Random(seed)
    # A step's rows are of one day: it is never what tells two of them apart.
    wild = {column.name for column in contract.columns if chance.random() < 0.5 and column.name != "day"}
    rows = [{c.name: value(c, chance, c.name in wild) for c in contract.columns} for _ in range(40)]
    rows += [dict(row) for row in chance.sample(rows, chance.choice([0, 3]))]
    # `day` is the partition, and stands in no stored file.
    schema = pa.schema([*([("day", pa.date32())] if contract.is_partitioned else []), *arrow_schema(contract)])
    schema = pa.schema(list({field.name: field for field in schema}.values()))
    return pa.Table.from_pylist([{name: row[name] for name in schema.names} for row in rows], schema=schema)


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as publishing makes it, with rows that break contracts."""
    root = tmp_path_factory.mktemp("sampled")
    path = root / "warehouse-1.duckdb"
    con = create_database(path)
    load_macros(con)
    for number, name in enumerate(TABLES):
        contract = contracts()[name]
        con.execute(f"create schema if not exists {contract.question}")
        con.register("made", some_rows(contract, seed=number))
        shown = ", ".join(
            f"{c.name} at time zone 'UTC' as {c.name}"
            if c.type == "TIMESTAMPTZ"
            else f"cast({c.name} as {c.type}) as {c.name}"
            for c in contract.columns
            if c.class_ != "text"
        )
        con.execute(f"create table {name} as select {shown} from made")
        con.unregister("made")
    con.close()
    return path


def validate(path: Path, contract: Contract, expected: list[Expectation], where: str | None = None) -> Validation:
    validator = Validator(path, path.parent / "home", NOW, "manifest-1")
    return validator.validate(contract.name, key_columns(contract), expected, where)


def verdicts_of_hot_checks(path: Path, contract: Contract) -> Counter[tuple[str, str | None]]:
    """Failing rows by rule and column, as the scan before a commit counts them."""
    words = [c.name for c in contract.columns if c.class_ == "text"]
    asked = [rule for rule in rules(contract) if not any(re.search(rf"\b{w}\b", rule.failing_count) for w in words)]
    found: Counter[tuple[str, str | None]] = Counter()
    con = open_published(path)
    try:
        select = f"select * from {contract.name}"
        for verdict in check_rows(con, select, asked):
            found[verdict.name, verdict.column] += verdict.failing_rows
    finally:
        con.close()
    return found


def repeated_keys(path: Path, contract: Contract) -> int:
    """Keys that stand more than once. Great Expectations leaves out those with an empty part, of which `required` tells."""
    con = open_published(path)
    try:
        key = ", ".join(key_columns(contract))
        whole = " and ".join(f"{column} is not null" for column in key_columns(contract))
        twice = f"select {key} from {contract.name} where {whole} group by {key} having count(*) > 1"
        return int(con.execute(f"select count(*) from ({twice})").fetchall()[0][0])
    finally:
        con.close()


def kinds_of(contract: Contract) -> set[tuple[Any, ...]]:
    """What sets its expectations apart for Great Expectations: their kinds, of which types of column, and its key."""
    types = {column.name: column.type.split("(")[0] for column in contract.columns}
    expected = expectations(contract)
    return {(e.kind, e.blocking, types.get(e.column or "")) for e in expected} | {(len(key_columns(contract)) > 1,)}


def few_of_every_kind() -> list[str]:
    """Tables with few expectations that together have every kind."""
    few, missing = [], set().union(*(kinds_of(contracts()[name]) for name in TABLES))
    while missing:
        few.append(max(TABLES, key=lambda n: len(kinds_of(contracts()[n]) & missing) / len(expectations(contracts()[n]))))
        missing -= kinds_of(contracts()[few[-1]])
    return few


FEW = few_of_every_kind()


def found_by_both(path: Path, contract: Contract, expected: list[Expectation]) -> None:
    """Assert that what was expected was found broken by as many rows as the scan before a commit counts."""
    hot = verdicts_of_hot_checks(path, contract)
    validation = validate(path, contract, expected)
    assert [finding.error for finding in validation.findings if finding.error] == []
    found = {(f.expectation.name, f.expectation.column): f for f in validation.findings}
    assert found.pop(("columns", None)).passed
    for (rule, column), failing_rows in hot.items():
        if rule not in {e.name for e in expected}:
            continue
        # A key of one column is an expectation of that column; a duplicate is counted once before, twice afterwards.
        finding = found.pop((rule, column)) if (rule, column) in found else found.pop((rule, contract.key[0]))
        if rule == UNIQUE:
            failing_rows = repeated_keys(path, contract)
        assert finding.passed == (failing_rows == 0), (rule, column)
        if rule != UNIQUE:
            assert finding.failing_rows == failing_rows, (rule, column)
        if failing_rows:
            assert finding.ids and all(set(ids) == set(key_columns(contract)) for ids in finding.ids)
    assert found == {}, "nothing is expected afterwards that was not asked before"


@pytest.mark.parametrize("name", [pytest.param(name, marks=[] if name in FEW else pytest.mark.proof) for name in TABLES])
def test_great_expectations_and_the_hot_checks_find_the_same_rows_in_every_table(sampled: Path, name: str) -> None:
    found_by_both(sampled, contracts()[name], expectations(contracts()[name]))


@pytest.mark.parametrize("name", [name for name in TABLES if contracts()[name].checks and name not in FEW])
def test_a_table_s_own_checks_find_the_same_rows_before_and_afterwards(sampled: Path, name: str) -> None:
    """Of the tables that the test above leaves to `make proof`: each predicate is its own, the other kinds are generic."""
    own = [e for e in expectations(contracts()[name]) if e.kind == "FailingRows"]
    found_by_both(sampled, contracts()[name], own)


@pytest.mark.parametrize("name", FEW)
def test_what_one_scan_passes_is_what_great_expectations_passes_when_it_asks(
    sampled: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = contracts()[name]
    scanned = validate(sampled, contract, expectations(contract))
    monkeypatch.setattr("resources.expectations.count_failing", lambda *_: None)
    asked = validate(sampled, contract, expectations(contract))
    assert scanned.findings == asked.findings and scanned.rows == asked.rows
    assert any(finding.passed for finding in asked.findings)


def test_the_rows_of_the_test_above_keep_and_break_each_kind_of_rule(sampled: Path) -> None:
    verdicts = [verdict for name in TABLES for verdict in verdicts_of_hot_checks(sampled, contracts()[name]).items()]
    for kind in (REQUIRED, ALLOWED, RANGE, UNIQUE):
        assert {failing > 0 for (rule, _), failing in verdicts if rule == kind} == {True, False}, kind


def test_a_predicate_with_braces_colons_and_quotes_reaches_the_engine_as_it_stands(sampled: Path) -> None:
    failing = "regexp_like(coalesce(team, 'a :b {c}'), '^a :b [{]c[}]$|^a{1}$') and true is true"
    odd = Expectation("odd", "FailingRows", "Odd", False, None, {"failing": failing})
    contract = contracts()["cost.request_costs"]
    found = validate(sampled, contract, [odd], f"team is null or team = 'a' and day = date '{DAY}'")
    assert found.findings[0].error is None
    assert found.findings[0].failing_rows == found.rows > 0


def test_a_column_that_is_missing_or_of_another_type_is_named(sampled: Path) -> None:
    contract = contracts()["logs.tenants"]
    promised = replace(
        contract,
        columns=(
            replace(contract.columns[0], type="BIGINT"),
            *contract.columns[1:],
            Column("country", "VARCHAR", "Country", required=True),
        ),
    )
    columns, *others = validate(sampled, promised, expectations(promised)).findings
    assert [(row["column_name"], row["promised_type"], row["found_type"]) for row in columns.ids] == [
        ("country", "VARCHAR", "NULL"),
        ("tenant_token", "BIGINT", "VARCHAR"),
    ]
    asked = {f.expectation.column: f for f in others if f.expectation.name == "required_columns"}
    assert not asked["country"].passed and "country" in (asked["country"].error or "")


@pytest.mark.parametrize("name", TABLES)
def test_nothing_is_expected_of_words_and_no_key_is_made_of_them(name: str) -> None:
    contract = contracts()[name]
    words = {c.name for c in contract.columns if c.class_ == "text"}
    assert not words & set(key_columns(contract))
    for expected in expectations(contract):
        assert expected.column not in words
        assert not any(re.search(rf"\b{word}\b", str(expected.arguments.get("failing"))) for word in words)


# what Dagster shows


class Readers:
    """A warehouse with three days of requests, and the job that validates what it publishes."""

    def __init__(self, house: House, promised: dict[str, Contract]):
        self.house = house
        self.promised = promised
        checks = published_checks(promised)
        self.warehouse = WarehouseResource(
            data_dir=str(house.root / "data"), state_dir=str(house.root / "home"), landing_dir=str(house.landing)
        )
        self.resources = {"warehouse": self.warehouse, "clock": WallClock(fixed_now=house.now.isoformat())}
        self.repository = dg.Definitions(
            asset_checks=[checks],
            jobs=[jobs(promised, checks)[VALIDATE]],
            sensors=[validation_sensor(promised)],
            resources=self.resources,
            executor=dg.in_process_executor,
        ).get_repository_def()
        self.instance = dg.DagsterInstance.ephemeral()

    def tick(self) -> tuple[list[dg.RunRequest], str | None]:
        context = dg.build_sensor_context(instance=self.instance, repository_def=self.repository, resources=self.resources)
        found = self.repository.get_sensor_def("validation").evaluate_tick(context)
        return list(found.run_requests or []), found.skip_message

    def validate(self, tags: dict[str, str] | None = None, whole: bool = False, only: dg.AssetCheckKey | None = None) -> Any:
        job = self.repository.get_job(VALIDATE)
        if only:
            job = job.get_subset(asset_check_selection={only})
        config = {"ops": {"validate_published": {"config": {"whole": whole}}}}
        result = job.execute_in_process(instance=self.instance, tags=tags or {}, run_config=config)
        return {(c.asset_key.to_user_string(), c.check_name): c for c in result.get_asset_check_evaluations()}

    def stored(self, table: str, day: str) -> Path:
        (path,) = self.house.publisher.manifest()["tables"][table]["days"][day]["files"]
        return Path(path)


def three_days(root: Path) -> Readers:
    house = priced(core_house(root))
    promised = {name: contracts()[name] for name in ("logs.requests", "logs.request_days", "logs.files", "cost.prices")}
    slow = Check("quick_enough", "latency_ms > 1000", "Answers come within a second", blocking=False)
    promised["logs.requests"] = replace(promised["logs.requests"], checks=(*promised["logs.requests"].checks, slow))
    days = ("11-03", "11-04", "11-08")
    house.deliver("a.jsonl", [request(f"r{d}", f"2026-{d}T10:00:00Z", user_id="u", latency_ms=10) for d in days])
    house.night()
    return Readers(house, promised)


@pytest.fixture
def readers(tmp_path: Path) -> Readers:
    return three_days(tmp_path)


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Readers:
    """A warehouse in which nothing more happens; what was validated before may differ."""
    return three_days(tmp_path_factory.mktemp("settled"))


def test_rows_that_break_their_contract_are_found_after_the_hot_checks_with_their_ids(readers: Readers) -> None:
    """Each row gets past the night: one is only reported, one is changed where it lies."""
    house = readers.house
    house.deliver("slow.jsonl", [request("slow", "2026-11-04T11:00:00Z", latency_ms=5000)])
    house.night()
    path = readers.stored("logs.requests", "2026-11-08")
    rows = pq.read_table(path, partitioning=None)
    number = rows.schema.get_field_index("output_tokens")
    pq.write_table(rows.set_column(number, rows.schema.field(number), pa.array([-1], rows.schema.field(number).type)), path)

    (wanted,), _ = readers.tick()
    found = readers.validate(dict(wanted.tags))
    failed = {key: check for key, check in found.items() if not check.passed}
    ranges, quick = (
        failed.pop(("logs/requests", "published_in_range")),
        failed.pop(("logs/requests", "published_quick_enough")),
    )
    assert failed == {}
    assert (ranges.severity, quick.severity) == (dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN)
    assert ranges.metadata["failing_rows"].value == 1
    assert ranges.metadata["failing_ids"].value == {"output_tokens": [{"day": "2026-11-08", "request_id": "r11-08"}]}
    assert ranges.metadata["observed"].value == {"output_tokens": {"-1": 1}}
    assert quick.metadata["failing_ids"].value == {"quick_enough": [{"day": "2026-11-04", "request_id": "slow"}]}
    page = Path(quick.metadata["data_docs"].value).read_text(encoding="utf-8")
    assert "request_id slow" in page and "r11-08" in page and "Answers come within a second" in page
    assert "r11-03" not in page, "rows that hold are not shown"
    index = (house.root / "home" / "data_docs" / "index.html").read_text(encoding="utf-8")
    assert index.index("logs.requests") < index.index("cost.prices"), "what failed comes first"

    assert readers.tick() == ([], SEEN_ALL), "the same rows are not validated for ever"


def test_only_what_changed_is_validated_again_and_a_failure_stays_until_it_is_healed(readers: Readers) -> None:
    requests = ("logs/requests", "published_quick_enough")
    assert readers.validate()[requests].metadata["validated_days"].value == "2026-11-03 to 2026-11-08, 3 days"
    assert readers.tick() == ([], SEEN_ALL)
    assert readers.validate() == {}, "nothing has changed"

    readers.house.deliver("slow.jsonl", [request("slow", "2026-11-04T11:00:00Z", latency_ms=5000)])
    readers.house.night()
    again = readers.validate()
    assert again[requests].metadata["validated_days"].value == "2026-11-04"
    assert not again[requests].passed
    assert ("cost/prices", "published_columns") not in again, "the price book is as it was"

    # A later day comes, and the failing one is looked at with it.
    readers.house.deliver("later.jsonl", [request("later", "2026-11-09T11:00:00Z")])
    readers.house.night()
    assert readers.validate()[requests].metadata["failing_ids"].value == {
        "quick_enough": [{"day": "2026-11-04", "request_id": "slow"}]
    }
    readers.house.now += timedelta(minutes=1)
    readers.house.deliver("quick.jsonl", [request("slow", "2026-11-04T11:00:00Z", latency_ms=500)])
    readers.house.night()
    assert readers.validate()[requests].passed
    assert due(readers.promised, readers.house.publisher) is None
    assert readers.validate(whole=True)[requests].metadata["validated_days"].value == "2026-11-03 to 2026-11-09, 4 days"


def test_another_rule_makes_every_day_of_its_table_one_to_validate(settled: Readers) -> None:
    settled.validate()
    stricter = dict(settled.promised)
    stricter["logs.requests"] = replace(
        stricter["logs.requests"], checks=(Check("quicker", "latency_ms > 1", "Answers come at once", blocking=False),)
    )
    found = Readers(settled.house, stricter).validate()
    assert {table for table, _ in found} == {"logs/requests"}
    assert found["logs/requests", "published_quicker"].metadata["failing_rows"].value == 3


def test_a_single_check_that_somebody_starts_by_hand_runs_over_all_days(settled: Readers) -> None:
    settled.validate()
    only = dg.AssetCheckKey(asset_key("logs.requests"), "published_unique_key")
    found = settled.validate(only=only)
    assert set(found) == {("logs/requests", "published_unique_key")}
    assert found["logs/requests", "published_unique_key"].metadata["validated_rows"].value == 3


def test_data_docs_hold_no_words_and_ask_nobody_for_anything(readers: Readers) -> None:
    words = "zanzibar-quagga-parallax"
    record = request("words", "2026-11-04T12:00:00Z", latency_ms=9000, prompt_text=words, output_text=words, user_id=words)
    readers.house.deliver("words.jsonl", [record])
    readers.house.night()
    found = readers.validate()
    assert not found["logs/requests", "published_quick_enough"].passed
    home = readers.house.root / "home"
    written = [*(home / "data_docs").rglob("*.html"), *(home / "validation").rglob("*.json")]
    assert len(written) > 10
    for path in written:
        text = path.read_text(encoding="utf-8")
        assert words not in text
        assert not re.search(r"<script|<link|<img|(?:src|href)\s*=\s*[\"']?https?:", text), path


def test_pages_of_old_validations_go(sampled: Path, tmp_path: Path) -> None:
    contract = contracts()["logs.files"]
    for number in range(1, KEPT_RESULTS + 3):
        validator = Validator(sampled, tmp_path, NOW + timedelta(minutes=number), f"manifest-{number}")
        validator.validate(contract.name, key_columns(contract), expectations(contract)[:1], None)
    for folder in (tmp_path / "data_docs" / "validations", tmp_path / "validation" / "results"):
        kept = {run.parent.name for run in (folder / "logs" / "files").glob("*/*")}
        assert kept == {f"manifest-{number}" for number in range(3, KEPT_RESULTS + 3)}


def test_a_night_tells_what_readers_see_is_doubtful_and_has_not_failed_for_it(tmp_path: Path) -> None:
    readers = three_days(tmp_path)
    path = readers.stored("logs.requests", "2026-11-08")
    rows = pq.read_table(path, partitioning=None)
    pq.write_table(pa.concat_tables([rows, rows]), path)
    settings = Settings(
        tmp_path / "home", tmp_path / "data", tmp_path / "landing", readers.house.now.isoformat(), 0.0, "1GB"
    )
    night = NightRun(settings, lambda text: None, readers.resources)
    night.validate(readers.instance)
    assert night.night.doubts == ["check published_unique_key of logs/requests failed: {'unique_key': 2}"]
    assert night.night.failures == []
    night.validate(readers.instance)
    assert night.night.doubts == ["rows of logs.requests break its contract, as before"]
