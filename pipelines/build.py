"""build_defs: all of the project as Dagster sees it. Tests call it with resources of their own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster import colored_console_logger

from assets.cost.assets import prices_asset
from assets.expectations import published_checks
from assets.governance.assets import published_asset
from assets.logs.assets import landing_asset, tenants_asset
from assets.release.assets import prompts_asset, suites_asset
from assets.retrieval.assets import known_asset
from assets.service.assets import declared_asset
from assets.tables import table_asset, with_code_at
from pipelines.clock import WallClock
from pipelines.drift.probe_runs import probe_job, probe_schedule, probes_asset
from pipelines.governance.maintain import maintain
from pipelines.governance.period_review_runs import review_jobs, review_schedules, reviews_asset
from pipelines.governance.retain import retain
from pipelines.governance.review_runs import cases_asset, review_job, review_schedule
from pipelines.jobs import jobs
from pipelines.pages.report_runs import report_job, report_sensor
from pipelines.progress import progress
from pipelines.quality.detector_runs import detector_job, detector_schedule, detectors_asset
from pipelines.quality.judge_runs import judge_job, judge_sensor, judgements_asset
from pipelines.quality.label_runs import label_jobs, label_queue_asset, label_sensors, labels_asset
from pipelines.release.prompt_runs import prompts_job, prompts_schedule, registry_asset
from pipelines.release.release_gate_runs import gates_asset, release_gate_job, replay_job, replays_asset
from pipelines.retrieval.index_runs import index_job, index_schedule, knowledge_asset, releases_asset
from pipelines.schedules import maintenance_schedule, nightly_schedule
from pipelines.sensors import landing_sensor, night_sensor
from pipelines.service.alert_runs import alert_sensor, alerts_asset, alerts_job, deployments_asset
from pipelines.service.watch import watch_sensor
from pipelines.settings import Settings, SettingsError
from pipelines.tuning.registry_runs import registry_sensor
from pipelines.tuning.training_runs import curve_specs
from pipelines.tuning.tuning_runs import candidates_asset, decision_asset, tuning_job, tuning_schedule
from pipelines.validation import validation_sensor
from resources.calendar import CalendarError, calendar
from resources.contracts import contracts
from resources.warehouse_resource import EmbedderResource, RegistryResource, WarehouseResource


def build_resources(settings: Settings) -> dict[str, Any]:
    """The warehouse, the clock and the embedder that settings describe.

    Raises SettingsError, also for a calendar that cannot be used: every command says it in a sentence.
    """
    # Read when torch is first imported: a thread that waits for another must not spin, or a machine with other work, too,
    # spends many times what vectors cost.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # MLflow reports its use to its makers unless this is set before it is imported.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        nightly_hour_utc = calendar().nightly_hour_utc
    except CalendarError as error:
        raise SettingsError(str(error)) from error
    return {
        "warehouse": WarehouseResource(
            data_dir=str(settings.data),
            state_dir=str(settings.home),
            landing_dir=settings.landing_url or str(settings.landing),
            owns_landing=settings.is_own_landing,
            memory_limit=settings.memory_limit,
        ),
        "clock": WallClock(
            nightly_hour_utc=nightly_hour_utc,
            settle_seconds=settings.settle_seconds,
            fixed_now=settings.fixed_now,
        ),
        "embedder": EmbedderResource(
            model=settings.embedder, dtype=settings.embedder_dtype, device=settings.embedder_device
        ),
        "registry": RegistryResource(uri=settings.mlflow_uri),
    }


def with_defaults(resources: Mapping[str, Any]) -> dict[str, Any]:
    """The resources, and those that need no settings where they are left out."""
    return {"embedder": EmbedderResource(), "registry": RegistryResource(), **resources}


def build_defs(resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Assets, checks, jobs, schedule and sensors. Raises ContractError where a contract and its SQL disagree."""
    if resources is None:
        settings = Settings.from_environment()
        defs = build_defs(build_resources(settings))
        code_url = settings.code_url
        return defs.map_asset_specs(func=lambda spec: with_code_at(spec, code_url)) if code_url else defs
    promised = contracts()
    derived = [contract for contract in promised.values() if contract.kind == "derived"]
    validation = published_checks(promised)
    run_jobs = jobs(promised, validation)
    return dg.Definitions(
        assets=[
            landing_asset(promised),
            tenants_asset(promised),
            prices_asset(promised),
            declared_asset(promised),
            known_asset(promised),
            deployments_asset(promised),
            prompts_asset(promised),
            suites_asset(promised),
            *(table_asset(contract, promised) for contract in derived),
            published_asset(promised),
            alerts_asset(promised),
            probes_asset(promised),
            labels_asset(promised),
            detectors_asset(promised),
            label_queue_asset(promised),
            judgements_asset(promised),
            cases_asset(promised),
            knowledge_asset(promised),
            releases_asset(promised),
            decision_asset(promised),
            candidates_asset(promised),
            gates_asset(promised),
            replays_asset(promised),
            registry_asset(promised),
            reviews_asset(promised),
            *curve_specs(),
        ],
        asset_checks=[validation],
        jobs=[
            *run_jobs.values(),
            alerts_job(),
            probe_job(),
            *label_jobs(),
            judge_job(),
            detector_job(),
            review_job(),
            *review_jobs(),
            index_job(),
            tuning_job(),
            release_gate_job(),
            replay_job(),
            prompts_job(),
            report_job,
            maintain,
            retain,
        ],
        schedules=[
            nightly_schedule(),
            probe_schedule(),
            index_schedule(),
            tuning_schedule(),
            prompts_schedule(),
            detector_schedule(),
            review_schedule(),
            *review_schedules(),
            maintenance_schedule(),
        ],
        sensors=[
            landing_sensor(),
            night_sensor(run_jobs),
            alert_sensor(),
            watch_sensor(),
            *label_sensors(),
            judge_sensor(),
            registry_sensor(),
            validation_sensor(promised),
            report_sensor(),
        ],
        loggers={"console": colored_console_logger, "progress": progress},
        resources=with_defaults(resources),
        # 20 trivial steps take 4 s in one process and 49 s in spawned ones; heavy work leaves through Pipes.
        executor=dg.in_process_executor,
    )
