"""`make maintain`: the daily `maintain` job now, in this process, for whoever runs nights without the schedules.

The same job as the schedule's, recorded in the same Dagster instance. Exit status 1: a step failed; 2: it could not start.
"""

from __future__ import annotations

import argparse
import sys
from uuid import uuid4

import dagster as dg

from pipelines.build import build_defs, build_resources
from pipelines.governance.maintain import MAINTAIN
from pipelines.jobs import COMPUTE, LAND, PUBLISH
from pipelines.runs import Runs
from pipelines.settings import Settings, SettingsError
from resources import disk_trouble, terminal
from resources.contracts import ContractError
from resources.process_mark import process_mark
from resources.warehouse_resource import PROCESS_TAG


def maintain_now(settings: Settings, instance: dg.DagsterInstance) -> list[str]:
    """Run the job and print what it counted; the failures, in sentences. Raises SettingsError while a night is in flight."""
    Runs(instance, COMPUTE).bury_the_dead()
    for job in (LAND, COMPUTE, PUBLISH):
        if Runs(instance, job).is_in_flight():
            raise SettingsError(f"a {job} run is in flight; run `make maintain` again when it has ended")
    run_id = str(uuid4())
    result = (
        build_defs(build_resources(settings))
        .get_repository_def()
        .get_job(MAINTAIN)
        .execute_in_process(
            instance=instance,
            run_id=run_id,
            tags={PROCESS_TAG: process_mark(run_id)},
            raise_on_error=False,
            run_config={"loggers": {"progress": {}}},
        )
    )
    failures = []
    for event in result.all_events:
        if event.is_successful_output:
            counts = {name: v.value for name, v in event.step_output_data.metadata.items() if isinstance(v.value, int)}
            print(f"{event.step_key}: " + ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in counts.items()))
        elif event.is_step_failure:
            cause = event.step_failure_data.error
            while cause is not None and cause.cause is not None:
                cause = cause.cause
            reason = cause.message.strip() if cause else "no reason given"
            failures.append(f"step {event.step_key} failed: {disk_trouble.explain(reason) or reason}")
    return failures


def main(arguments: list[str] | None = None) -> int:
    """The command line of `make maintain`."""
    argparse.ArgumentParser(prog="make maintain", description=__doc__).parse_args(arguments)
    try:
        settings = Settings.from_environment()
        settings.check_folders()
        settings.prepare_instance()
        with settings.instance() as instance:
            failures = maintain_now(settings, instance)
    except (ContractError, SettingsError) as error:
        print(f"maintain: {terminal.lines(str(error))}", file=sys.stderr)
        return 2
    for failure in failures:
        print(f"maintain: {terminal.lines(failure)}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
