"""Trains the detector of a warehouse in a process that a test may kill: `detector_worker.py <root> <now>`."""

from __future__ import annotations

import sys
from pathlib import Path

from house import selected
from retention_house import RetentionHouse

from pipelines.clock import WallClock
from pipelines.quality.detector_desk import DetectorDesk
from resources.contracts import SEEDS
from resources.registry import Registry

if __name__ == "__main__":
    root, now = Path(sys.argv[1]), sys.argv[2]
    house = RetentionHouse(root, selected("quality.scores"), now)
    print(DetectorDesk(house.store, Registry.of(root / "home"), SEEDS, WallClock(fixed_now=now)).work())
