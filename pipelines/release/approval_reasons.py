"""Why a version waits for a person, as things stand now: asked by the gate when it judges, and when a release is made."""

from __future__ import annotations

from pathlib import Path

from assets.release.manifest import PromptManifest
from assets.service.assets import read_service_seeds
from resources.events import table_rows
from resources.store import Store

STATUS = "service.slo_status"
HIGH_RISK = "high"


def approval_reasons(store: Store, seeds: Path, feature: str | None, manifest: PromptManifest | None) -> tuple[str, ...]:
    """Its manifest, the risk class of the feature, and its error budgets; none: nobody is asked. Raises ServiceSeedError."""
    declared = read_service_seeds(seeds).features if feature else {}
    why = []
    if manifest is not None and manifest.approvals.needed:
        why.append(f"its manifest wants {manifest.approvals.needed}")
    if feature in declared and declared[feature].risk_class == HIGH_RISK:
        why.append(f"the risk class of {feature} is high")
    if spent := _spent(store, feature):
        why.append(f"the error budget of {', '.join(spent)} is spent")
    return tuple(why)


def _spent(store: Store, feature: str | None) -> list[str]:
    """The promises of a feature whose budget is spent, on the newest day that says."""
    newest = max((file.day for file in store.newest(STATUS).files() if file.day), default=None)
    rows = table_rows(store, STATUS, {newest}) if newest else []
    return sorted({row["slo"] for row in rows if row["feature"] == feature and row["is_spent"]})
