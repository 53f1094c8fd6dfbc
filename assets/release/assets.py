"""release: prompt manifests as a table, held against all that they name, and suites with what they cover. Other tables of
the question are SQL or events."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import dagster as dg
import pyarrow as pa

from assets.quality.eval_case import EvalCase, EvalCaseError, read_suite
from assets.release.eval_coverage import Coverage, coverage, coverage_page, suite_digest
from assets.release.lint import Fault, Known, lint
from assets.release.manifest import ManifestError, PromptManifest, canonical, newest_first, parse_manifest
from assets.release.release_gate import Rules
from assets.service.assets import read_service_seeds
from assets.tables import asset_key, asset_spec
from resources.contracts import Contract
from resources.day_inputs import digest
from resources.events import table_rows
from resources.prompt_seed import PROMPTS_FOLDER, read_prompt_files
from resources.references import made_from, reference_version, replace_reference
from resources.release_seed import RELEASE_FILE, ReleaseSeedError, load_release
from resources.secret_rules import secrets
from resources.store import Store
from resources.table_store import arrow_schema
from resources.warehouse_resource import WarehouseResource

PROMPTS, REGISTRY_LOG, SUITES = "release.prompts", "release.registry_log", "release.suites"
EVALS_FOLDER = "evals"
SOUND, COVERED = "manifests_are_sound", "suites_cover_enough"
_MODELS = "cost.price_models"


@dataclass(frozen=True)
class Prompts:
    """What seeds/prompts says: its manifests, newest versions first, and what is wrong."""

    manifests: tuple[PromptManifest, ...]
    faults: tuple[Fault, ...]

    @property
    def sound(self) -> tuple[PromptManifest, ...]:
        """The manifests without fault: those that may be synced and released."""
        faulty = {fault.file for fault in self.faults}
        return tuple(m for m in self.manifests if m.file not in faulty)

    def faults_of(self, manifest: PromptManifest) -> list[Fault]:
        """What is wrong with one of them."""
        return [fault for fault in self.faults if fault.file == manifest.file]


def read_prompts(seeds: Path, store: Store) -> Prompts:
    """The manifests of seeds/prompts, linted. Faults are told, never raised. Raises ServiceSeedError for the seeds that
    they are held against."""
    files, broken = read_prompt_files(seeds)
    faults = [Fault(*_file_and_rest(told)) for told in broken]
    manifests = []
    for name, raw in files.items():
        try:
            manifests.append(parse_manifest(raw, name))
        except ManifestError as error:
            faults.append(Fault(*_file_and_rest(str(error))))
    if manifests:
        faults += lint(manifests, _known(seeds, store))
    return Prompts(tuple(newest_first(manifests)), tuple(sorted(faults, key=str)))


def prompt_rows(prompts: Prompts, contract: Contract) -> pa.Table:
    """The rows of release.prompts; of a version that stands twice, the first file's."""
    rows = {m.name: _row(m, prompts.faults_of(m)) for m in sorted(prompts.manifests, key=lambda m: m.file, reverse=True)}
    return pa.Table.from_pylist(list(rows.values()), schema=arrow_schema(contract))


def prompts_asset(contracts: dict[str, Contract]) -> dg.AssetsDefinition:
    """release.prompts, replaced where it differs; a manifest with faults fails the check and nothing else."""
    told = "Every manifest of seeds/prompts may be registered and released"
    check = dg.AssetCheckSpec(SOUND, asset=asset_key(PROMPTS), description=told)

    # After the price book, whose names say which models can be pinned.
    spec = asset_spec(contracts[PROMPTS], contracts).replace_attributes(deps=[asset_key(_MODELS)])

    @dg.multi_asset(name="release__prompts", specs=[spec], check_specs=[check])
    def prompts(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:  # type: ignore[type-arg]
        store, origin = warehouse.store(), _origin(warehouse.seeds, warehouse.store())
        faults: tuple[Fault, ...] = ()
        changed = made_from(store.open(PROMPTS)) != origin
        if changed:
            found = read_prompts(warehouse.seeds, store)
            faults = found.faults
            # With faults it is no origin: they are looked for, and told, until they are mended.
            changed = replace_reference(store, PROMPTS, prompt_rows(found, contracts[PROMPTS]), None if faults else origin)
        rows = sum(file.rows for file in store.open(PROMPTS).files())
        context.log.info(f"{PROMPTS}: {rows:,} versions, {len(faults)} faults, {'changed' if changed else 'as before'}")
        yield dg.MaterializeResult(
            asset_key=asset_key(PROMPTS), metadata={"dagster/row_count": rows, "changed": changed, "faults": len(faults)}
        )
        yield dg.AssetCheckResult(
            check_name=SOUND,
            asset_key=asset_key(PROMPTS),
            passed=not faults,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={"sentences": dg.MetadataValue.json([str(fault) for fault in faults])} if faults else {},
        )

    return prompts


@dataclass(frozen=True)
class Suites:
    """The suites of seeds/evals by name, each with what it covers; and what is wrong with those that cannot be read."""

    cases: dict[str, list[EvalCase]]
    covered: dict[str, Coverage]
    faults: tuple[str, ...]

    @property
    def gaps(self) -> list[str]:
        """What suites lack, in sentences."""
        return [f"{name}: {told}" for name, found in self.covered.items() for told in found.gaps]


def read_suites(seeds: Path) -> Suites:
    """The suites, held against the rules of release.yml. Faults are told, never raised."""
    cases, faults, rules = {}, [], Rules()
    try:
        rules = Rules(**load_release(seeds / RELEASE_FILE).rules)
    except ReleaseSeedError as error:
        faults.append(str(error))
    for path in sorted((seeds / EVALS_FOLDER).glob("*.jsonl")):
        try:
            cases[path.stem] = read_suite(path.read_text(encoding="utf-8"), path.name)
        except (EvalCaseError, UnicodeDecodeError) as error:
            faults.append(str(error) if isinstance(error, EvalCaseError) else f"{path.name} is not UTF-8; write it anew")
    return Suites(cases, {name: coverage(found, rules) for name, found in cases.items()}, tuple(faults))


def suites_asset(contracts: dict[str, Contract]) -> dg.AssetsDefinition:
    """release.suites, replaced where it differs; a suite with gaps warns, one that cannot be read fails the check."""
    told = "Every suite has 20 cases, some of each kind, and critical ones"
    check = dg.AssetCheckSpec(COVERED, asset=asset_key(SUITES), description=told)

    @dg.multi_asset(name="release__suites", specs=[asset_spec(contracts[SUITES], contracts)], check_specs=[check])
    def suites(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:  # type: ignore[type-arg]
        store, found = warehouse.store(), read_suites(warehouse.seeds)
        changed = replace_reference(store, SUITES, suite_rows(found, contracts[SUITES]))
        context.log.info(f"{SUITES}: {len(found.cases)} suites, {'changed' if changed else 'as before'}")
        yield dg.MaterializeResult(
            asset_key=asset_key(SUITES),
            metadata={
                "dagster/row_count": len(found.cases), "changed": changed,
                "coverage": dg.MetadataValue.md(coverage_page(found.covered)),
            },
        )  # fmt: skip
        sentences = [*found.faults, *found.gaps]
        yield dg.AssetCheckResult(
            check_name=COVERED,
            asset_key=asset_key(SUITES),
            passed=not sentences,
            severity=dg.AssetCheckSeverity.ERROR if found.faults else dg.AssetCheckSeverity.WARN,
            metadata={"sentences": dg.MetadataValue.json(sentences)} if sentences else {},
        )

    return suites


def suite_rows(found: Suites, contract: Contract) -> pa.Table:
    """The rows of release.suites."""
    rows = [_suite_row(name, found.cases[name], covered) for name, covered in found.covered.items()]
    return pa.Table.from_pylist(rows, schema=arrow_schema(contract))


def _suite_row(name: str, cases: list[EvalCase], covered: Coverage) -> dict[str, object]:
    return {
        "suite": name,
        "suite_digest": suite_digest(cases),
        "cases": covered.cases,
        "critical_cases": covered.critical,
        **{f"{kind}_cases": count for kind, count in covered.by_kind.items()},
        "by_segment": canonical(dict(covered.by_segment)),
        "by_feature": canonical(dict(covered.by_feature)),
        "by_check": canonical(dict(covered.by_check)),
        "gaps": "\n".join(covered.gaps) or None,
        "limits": "\n".join(covered.limits) or None,
    }


def _known(seeds: Path, store: Store) -> Known:
    declared = read_service_seeds(seeds)
    channels = {name for owner in declared.owners for name in (owner.channel, owner.backup_channel)}
    return Known(
        features={name: {tool.name: tool.side_effect for tool in f.tools} for name, f in declared.features.items()},
        owners={f.owner for f in declared.features.values()} | channels,
        suites=_suites(seeds),
        models=_models(store),
        synced={
            (row["prompt"], row["prompt_version"]): row["digest"]
            for row in table_rows(store, REGISTRY_LOG)
            if row["act"] == "registered"
        },
        secrets=lambda text: (rule for rule, _, _ in secrets(text)),
    )


def _suites(seeds: Path) -> set[str]:
    return {path.stem for path in (seeds / EVALS_FOLDER).glob("*.jsonl")}


def _models(store: Store) -> set[str]:
    """The names that the price catalogue knows."""
    if _MODELS not in store.contracts:
        return set()
    named = f"from ({store.scan_all(_MODELS)}) where finds = 'model'"
    rows = store.rows(
        f"select lower(operand) {named} and operator in ('equals', 'starts_with', 'contains') "
        f"union select lower(found_model) {named}"
    )
    return {name for (name,) in rows}


def _origin(seeds: Path, store: Store) -> str:
    """What release.prompts is made from: the manifests, what they are held against, and the code in between."""
    read = [*(seeds / PROMPTS_FOLDER).glob("*.yml"), seeds / "features.yml", seeds / "owners.yml"]
    read += [path for path in Path(__file__).parent.glob("*.py") if path.name in ("assets.py", "lint.py", "manifest.py")]
    texts = [f"{path.name}\n{path.read_text(encoding='utf-8', errors='replace')}" for path in sorted(read) if path.exists()]
    models = reference_version(store.open(_MODELS)) if _MODELS in store.contracts else ""
    registered = store.newest(REGISTRY_LOG).version if REGISTRY_LOG in store.contracts else 0
    return digest(*texts, *sorted(_suites(seeds)), models, str(registered))


def _row(m: PromptManifest, faults: list[Fault]) -> dict[str, object]:
    template = m.content["template"]
    return {
        "prompt": m.prompt,
        "prompt_version": m.version,
        "feature": m.feature,
        "owner": m.owner,
        "what": m.what,
        "digest": m.digest,
        "template_digest": sha256(canonical(template).encode()).hexdigest(),
        "template_characters": sum(len(message.content) for message in m.template),
        "variables": ",".join(m.used_variables),
        "provider": m.model.provider,
        "model": m.model.name,
        "asked_as": m.model.asked_as,
        "settings": canonical(m.content["model"]["settings"]),
        "safety_policy_version": m.system_policy,
        "retrieval": None if m.retrieval is None else canonical(m.content["retrieval"]),
        "tools": canonical(m.content["tools"]),
        "has_output_schema": m.output_schema is not None,
        "evaluation_set": m.evaluation_set,
        "approvals_needed": m.approvals.needed,
        "rollback_to": m.rollback_to,
        "monitoring": m.monitoring,
        "fault_count": len(faults),
        "faults": "\n".join(fault.message for fault in faults) or None,
        "file": m.file,
    }


def _file_and_rest(told: str) -> tuple[str, str, str]:
    """A sentence that begins with its file's name as the three parts of a Fault."""
    file, _, rest = told.partition(".yml")
    return f"{file}.yml", "shape", rest.lstrip(": ")
