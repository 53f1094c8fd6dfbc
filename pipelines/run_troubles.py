"""What went wrong in a run, in sentences for a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import dagster as dg

from resources import disk_trouble


def troubles_of(result: dg.ExecuteInProcessResult, job: str, only_errors: bool = True) -> Iterator[str]:
    """Steps that failed, each with its first cause, and checks that did not pass; with `only_errors`, warnings left out."""
    for event in result.all_events:
        if event.is_step_failure:
            cause = event.step_failure_data.error
            while cause is not None and cause.cause is not None:
                cause = cause.cause
            reason = cause.message.strip() if cause else "no reason given"
            yield f"{job}: step {event.step_key} failed: {disk_trouble.explain(reason) or reason}"
    for check in result.get_asset_check_evaluations():
        if not check.passed and (check.severity == dg.AssetCheckSeverity.ERROR or not only_errors):
            if sentences := check.metadata.get("sentences"):
                yield from map(str, cast("list[str]", sentences.value))
                continue
            where = check.metadata.get("where")
            yield f"check {check.check_name} of {check.asset_key.to_user_string()} failed: {where.value if where else ''}"
