"""Which reader reads which seed: what a night reads before it begins, and what others read when they need it.

Here belongs only who reads what; what a seed says, and the error that names its fault, is its reader's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from assets.cost.assets import read_overrides
from assets.cost.price_seeds import PriceSeedError
from assets.quality.eval_case import EvalCaseError
from assets.release.deployments import DeploymentError
from assets.release.manifest import ManifestError
from assets.service.assets import read_service_seeds
from pipelines.drift.probe_desk import ProbeDesk
from pipelines.governance.review_seed import REVIEWS_FILE, ReviewSeedError, load_reviews
from pipelines.quality.judge_desk import JudgeDesk
from pipelines.quality.label_desk import LabelDesk
from pipelines.release.case_files import Suites
from pipelines.release.eval_versions import read_manifests
from pipelines.retrieval.knowledge_desk import KnowledgeDesk
from pipelines.service.alert_desk import AlertDesk
from pipelines.tuning.tuning_desk import TuningDesk
from resources.access_seed import ACCESS_FILE, AccessSeedError, load_access
from resources.calendar import CalendarError, calendar
from resources.capture import CaptureError
from resources.contracts import contracts
from resources.dataset_seed import DATASETS_FILE, DatasetSeedError, load_datasets
from resources.golden_seed import GOLDEN_FILE, GoldenSeedError, load_golden
from resources.judge_seed import JudgeSeedError
from resources.knowledge_seed import KnowledgeSeedError
from resources.labelling_seed import LabellingSeedError
from resources.notify_seed import NotifyError
from resources.probe_seed import ProbeSeedError
from resources.redaction_seed import RedactionError
from resources.redaction_seed import load as load_redaction
from resources.release_seed import RELEASE_FILE, ReleaseSeedError, load_release
from resources.retention import RetentionError, load_holds, load_policy
from resources.seed_yaml import SeedYamlError
from resources.service_seeds import ServiceSeedError
from resources.sources import SourceError
from resources.tenants import TenantError, declared_tenants
from resources.tuning_seed import TuningSeedError
from resources.warehouse_resource import WarehouseResource

Readers = dict[str, Callable[[], object]]
"""Seeds by name, those that have to fit each other under one, each to what raises one of FAULTY_SEED."""
FAULTY_SEED = (
    AccessSeedError, CalendarError, CaptureError, DeploymentError, GoldenSeedError, JudgeSeedError, KnowledgeSeedError,
    LabellingSeedError, NotifyError, PriceSeedError, ProbeSeedError, RedactionError, RetentionError, ServiceSeedError,
    SourceError, TenantError, TuningSeedError,
)  # fmt: skip
"""What is wrong with a seed that a night reads: it begins nothing."""
FAULTY_OTHER = (DatasetSeedError, EvalCaseError, ManifestError, ReleaseSeedError, ReviewSeedError, SeedYamlError)


def night_readers(resources: Mapping[str, Any]) -> Readers:
    """The seeds that a night reads before anything is done with them."""
    warehouse: WarehouseResource = resources["warehouse"]
    clock, embedder, seeds = resources["clock"], resources["embedder"], warehouse.seeds
    tuning = TuningDesk.of(warehouse, embedder, resources["registry"], clock)
    return {
        "calendar.yml": calendar,
        "sources.yml, capture.yml": warehouse.landing,
        "redaction.yml": lambda: load_redaction(seeds / "redaction.yml"),
        "retention.yml": lambda: load_policy(seeds / "retention.yml", contracts()),
        "legal_holds.yml": lambda: load_holds(seeds / "legal_holds.yml"),
        "prices.yml": lambda: read_overrides(seeds / "prices.yml"),
        "tenants.yml": lambda: declared_tenants(seeds / "tenants.yml"),
        GOLDEN_FILE: lambda: load_golden(seeds / GOLDEN_FILE),
        "knowledge.yml": KnowledgeDesk.of(warehouse, embedder, clock).read_seed,
        "tuning.yml": tuning.read_seed,
        "probes.yml": ProbeDesk.of(warehouse, clock).read_seed,
        "labelling.yml": LabelDesk.of(warehouse, clock).read_seed,
        "judge.yml": JudgeDesk.of(warehouse, clock).read_seed,
        "features.yml, owners.yml, slos": lambda: read_service_seeds(seeds),
        "notify.yml, deployments.yml": lambda: AlertDesk.of(warehouse, clock).read_seeds(read_service_seeds(seeds)),
    }


def other_readers(resources: Mapping[str, Any]) -> Readers:
    """The seeds that are read by commands of their own: a faulty one stops no night."""
    seeds = resources["warehouse"].seeds
    return {
        ACCESS_FILE: lambda: load_access(seeds / ACCESS_FILE),
        DATASETS_FILE: lambda: load_datasets(seeds / DATASETS_FILE),
        RELEASE_FILE: lambda: load_release(seeds / RELEASE_FILE),
        REVIEWS_FILE: lambda: load_reviews(seeds / REVIEWS_FILE),
        "prompts": lambda: read_manifests(seeds),
        "evals": lambda: Suites(seeds).all(),
    }
