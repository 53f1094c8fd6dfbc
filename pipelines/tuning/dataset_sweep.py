"""The sweep of datasets: what may not be kept, or may not teach any more, leaves the disk.

A dataset goes as a whole, when one of its days is closed for the texts that it was made of (of a detector: for the
scores), when one of its requests is gone or may not be trained on any more, or a week after it was written where no
candidate was made of it. A legal hold on one of its days keeps it: of
holds that name somebody those alone that have a row in it. tuning.datasets keeps what it was; a later build makes another.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipelines.quality.label_population import SCORES, ask
from pipelines.tuning.dataset_desk import LOCK
from pipelines.tuning.dataset_evidence import TEXTS
from pipelines.tuning.tuning_ledger import CANDIDATES
from resources import audit
from resources.dataset_store import KINDS, PROVENANCE, Dataset, DatasetError, DatasetStore
from resources.events import alone, closed_days_of, table_rows
from resources.failpoints import failpoint
from resources.retention import Hold
from resources.store import Store

SWEPT = "datasets_swept"
"""Action in governance.audit."""
EXPIRED = "texts of its days are not kept any more"
BARRED = "it holds requests that nothing may be trained on any more"
BROKEN = "it cannot be read"
UNUSED = "no candidate was made of it"
UNUSED_FOR = timedelta(days=7)
"""A pass that was killed once it had written a dataset asks for a candidate with the next."""
_ALLOWED = "select request_id from logs.requests where request_id in (select unnest($ids)) and coalesce(may_train, true)"


@dataclass
class Swept:
    """What went, and why, and what holds keep, as kind/version."""

    gone: dict[str, str] = field(default_factory=dict)
    held: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        if not self.gone and not self.held:
            return "no dataset is due to go"
        told = [f"{name} went: {why}" for name, why in self.gone.items()]
        return "; ".join([*told, *(f"{name} is kept by a legal hold" for name in self.held)])


def sweep_datasets(store: Store, holds: Iterable[Hold], now: datetime) -> Swept:
    """Remove what is due, and say so in the audit. Twice is once."""
    datasets, done = DatasetStore(store.state), Swept()
    if not datasets.root.is_dir():
        return done
    standing = [hold for hold in holds if hold.until >= now.date()]
    with alone(store, LOCK):
        datasets.tidy()
        used = {row["dataset_version"] for row in table_rows(store, CANDIDATES)}
        for kind in KINDS:
            for version in datasets.versions(kind):
                dataset = _read(datasets, kind, version)
                if (why := BROKEN if dataset is None else _due(store, dataset, used, now)) is None:
                    continue
                name = f"{kind}/{version}"
                if any(_keeps(hold, dataset) for hold in standing):
                    done.held.append(name)
                else:
                    done.gone[name] = why
        if done.gone:
            # Before they go: of folders that a kill left, the next sweep tells again.
            audit.append(store, SWEPT, now.isoformat(), dict(done.gone), now)
            failpoint("dataset.sweep_recorded")
        for name in done.gone:
            datasets.remove(*name.split("/"))
    return done


def _read(datasets: DatasetStore, kind: str, version: str) -> Dataset | None:
    try:
        return datasets.open(kind, version)
    except DatasetError:
        return None


def _due(store: Store, dataset: Dataset, used: Collection[str], now: datetime) -> str | None:
    """Why a dataset is to go; None: it stays."""
    made_of = dataset.table(PROVENANCE).select(["day", "request_id"]).to_pylist()
    source = SCORES if dataset.kind == "detector" else TEXTS
    days = {row["day"] for row in made_of}
    if days & closed_days_of(store, source):
        return EXPIRED
    ids = {row["request_id"] for row in made_of}
    allowed = ask(store, _ALLOWED, {"logs.requests": days}, {"ids": sorted(ids)})
    if {row["request_id"] for row in allowed} != ids:
        return BARRED
    built_at = datetime.fromisoformat(dataset.manifest["built_at"])
    return UNUSED if dataset.version not in used and built_at + UNUSED_FOR < now else None


def _keeps(hold: Hold, dataset: Dataset | None) -> bool:
    """Whether a hold wants a dataset kept. Of what cannot be read nobody knows whose it is: as long as there is a hold, it
    stays. A hold on a tenant keeps its days: datasets do not say whose tenant's a row is."""
    if dataset is None:
        return True
    rows = [row for row in dataset.table(PROVENANCE).to_pylist() if hold.spans(row["day"])]
    if not hold.names_somebody or hold.tenant:
        return bool(rows)
    return any(row["user_token"] in hold.user or row["request_id"] in hold.request for row in rows)
