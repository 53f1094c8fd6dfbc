"""The code location that Dagster loads."""

from pipelines.build import build_defs

defs = build_defs()
