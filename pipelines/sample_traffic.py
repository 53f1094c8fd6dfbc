"""Invented traffic for a warehouse into which nothing has landed yet: what the first `make nightly` shows.

Here belongs when it is made, and how much of it. What it is like is the simulator's.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pipelines.build import build_resources
from pipelines.clock import WallClock
from pipelines.settings import Settings
from pipelines.summary import relative
from resources.sources import load

SAMPLE_DAYS, SAMPLE_REQUESTS_PER_DAY, SAMPLE_SEED, SAMPLE_FILES_PER_DAY = 5, 400, 7, 1
SAMPLE_SOURCES = ("otel", "litellm", "langfuse", "openai_raw", "anthropic_raw")
"""Simulated tools beside the gateway; those of them that seeds/sources.yml declares log a part of the sample."""


def is_new(settings: Settings) -> bool:
    """Whether nothing has landed here yet and nothing waits to: the one case in which sample traffic is welcome."""
    has_files = settings.landing.exists() and any(settings.landing.iterdir())
    return not has_files and not (settings.data / "logs" / "files").exists()


def make_sample(settings: Settings, say: Any = print) -> None:
    """Some days of invented traffic, up to yesterday, into an empty landing folder. Raises SourceError."""
    from simulator.traffic import simulate

    resources = build_resources(settings)
    clock: WallClock = resources["clock"]
    declared = load(resources["warehouse"].seeds / "sources.yml")
    first = clock.last_due_day() - timedelta(days=SAMPLE_DAYS - 1)
    say(
        f"the landing folder is empty: making {SAMPLE_DAYS} days of sample traffic "
        f"({SAMPLE_REQUESTS_PER_DAY:,} requests a day)"
    )
    truth = settings.home / "sample"
    for _ in simulate(
        settings.landing, truth, first, SAMPLE_DAYS, SAMPLE_REQUESTS_PER_DAY, SAMPLE_SEED,
        files_per_day=SAMPLE_FILES_PER_DAY, texts=True, others=[name for name in SAMPLE_SOURCES if name in declared],
    ):  # fmt: skip
        pass
    say(f"  what was planted in it: {relative(truth / 'ground_truth.json')}")
