"""The sweep of trainings: what a training left in its folder goes once nothing will be done with it any more.

A model that was registered lives on in the registry, its curve in the registry's run. One that failed or was cancelled keeps
its checkpoint for a while, so that it can be asked for again and goes on.
"""

from __future__ import annotations

import shutil
from datetime import timedelta

from pipelines.tuning_desk import LOCK
from pipelines.tuning_ledger import CANCELLED, FAILED, PROMOTED, REJECTED, RETIRED, TuningLedger
from resources.clock import Clock
from resources.events import alone_at_once
from resources.store import Store
from resources.training_spec import training_folder

KEPT = timedelta(days=30)
"""After a candidate's last step."""
_ENDED = (CANCELLED, FAILED, PROMOTED, REJECTED, RETIRED)


def sweep_trainings(store: Store, clock: Clock) -> list[str]:
    """Remove the folders of candidates that ended long ago; whose those were. None while a pass of tuning is at work."""
    gone = []
    with alone_at_once(store, LOCK) as is_ours:
        for row in TuningLedger(store, clock).in_state(*_ENDED) if is_ours else ():
            is_wanted = row["state"] == REJECTED and row["model_version"] is None  # It is still to be registered.
            folder = training_folder(store.state, row["candidate"])
            if not is_wanted and folder.is_dir() and row["recorded_at"] + KEPT < clock.now():
                shutil.rmtree(folder)
                gone.append(row["candidate"])
    return gone
