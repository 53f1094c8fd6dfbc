"""The code location that Dagster loads."""

import warnings

import dagster as dg

from pipelines.build import build_defs

# The pinned version is the one that was tried: what it calls beta is no news to whoever reads its log.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
defs = build_defs()
