"""Where traffic is logged: which tool keeps whose calls, in which format, and how carefully it ships them.

A row goes to the first source whose rule fits it and that is wanted; what fits none, is answered from the gateway's own
cache, is turned away by its filter or goes through a provider's batch interface, is in the gateway's log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from simulator.catalogue import FEATURE_CODES, MODELS, TENANT_CODES
from simulator.chunk import ABSENT, BoolArray, Chunk
from simulator.dirt import NO_DIRT, Dirt
from simulator.formats.anthropic import Anthropic
from simulator.formats.canonical import Canonical, Flat
from simulator.formats.format import Format
from simulator.formats.langfuse import Langfuse
from simulator.formats.litellm import LiteLLM
from simulator.formats.openai import OpenAI
from simulator.formats.otlp import OTLP
from simulator.fragments import ANSWERED, BLOCKED
from simulator.shape import IntArray

TWICE_SHARE = 0.06
"""The share of answered LiteLLM calls that its callback sends to Langfuse as well."""
_MILD = replace(NO_DIRT, late_1d=0.004, late_3d=0.0008, copied_same_file=0.004, copied_next_day=0.002)
"""Exporters repeat and delay, but what they write is whole."""


@dataclass(frozen=True)
class Rule:
    """Whose calls: those of these features, tenants and models' providers. An empty list fits all."""

    features: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()

    def fits(self, chunk: Chunk) -> BoolArray:
        """Rows that the rule names."""
        models = [code for code, model in enumerate(MODELS) if model.provider in self.providers]
        rows = np.ones(len(chunk), dtype=bool)
        for column, names, codes in (
            ("feature", self.features, [FEATURE_CODES[name] for name in self.features]),
            ("tenant", self.tenants, [TENANT_CODES[name] for name in self.tenants]),
            ("model", self.providers, models),
        ):
            if names:
                rows &= np.isin(chunk.codes[column], codes)
        return rows


@dataclass(frozen=True)
class Source:
    """A landing sub-folder. `files_per_day` None: as many as the world says. Tidy sources ship whole lines only."""

    name: str
    format: Format
    rules: tuple[Rule, ...] = ()
    files_per_day: int | None = 1
    packing: str = ".gz"
    is_tidy: bool = True

    def dirt(self, dirt: Dirt) -> Dirt:
        """How much of the world's dirt is in this source's files: none where the world has none."""
        return _MILD if self.is_tidy and dirt != NO_DIRT else dirt


_TWO_TENANTS = ("larkspur-retail", "kestrel-software")
GATEWAY = Source("gateway", Canonical(), files_per_day=None, is_tidy=False)
OTHERS: tuple[Source, ...] = (
    Source("partner", Flat(), (Rule(tenants=("pocket-florist",)),), packing=""),
    Source("otel", OTLP(), (Rule(features=("doc_search",), tenants=_TWO_TENANTS),), packing=""),
    Source("litellm", LiteLLM(), (Rule(features=("summaries",)),)),
    Source("langfuse", Langfuse(), (Rule(features=("nightly_tagging",)), Rule(("support_chat",), ("everest-travel",)))),
    Source(
        "openai_raw", OpenAI(), (Rule(("code_assist", "voice_agent"), _TWO_TENANTS, ("openai",)),), packing=".zst"
    ),
    Source("anthropic_raw", Anthropic(), (Rule(features=("code_assist",), providers=("anthropic",)),)),
)  # fmt: skip
OTHER_NAMES: tuple[str, ...] = tuple(source.name for source in OTHERS)


def wanted(names: Sequence[str]) -> tuple[Source, ...]:
    """The sources of these names, in their own order; raises ValueError for a name that is none."""
    unknown = sorted(set(names) - set(OTHER_NAMES))
    if unknown:
        raise ValueError(f"unknown sources {', '.join(unknown)}; there are {', '.join(OTHER_NAMES)}")
    return tuple(source for source in OTHERS if source.name in names)


def route(chunk: Chunk, others: Sequence[Source]) -> IntArray:
    """For each row the place of its source in `others`, or -1 for the gateway."""
    place = np.full(len(chunk), ABSENT, dtype=np.int64)
    may_leave = (chunk.codes["response_cache"] != 1) & (chunk.codes["is_batch"] != 1)
    may_leave &= chunk.codes["outcome"] != BLOCKED
    for code, source in enumerate(others):
        for rule in source.rules:
            place = np.where((place == ABSENT) & may_leave & rule.fits(chunk), code, place)
    return place


def logged_twice(chunk: Chunk, place: IntArray, others: Sequence[Source], rng: np.random.Generator) -> IntArray:
    """For each row the place of a second source that logs the same call, or -1."""
    lot = rng.random(len(chunk))
    names = [source.name for source in others]
    second = np.full(len(chunk), ABSENT, dtype=np.int64)
    if "litellm" in names and "langfuse" in names:
        both = (place == names.index("litellm")) & (chunk.codes["outcome"] == ANSWERED) & (lot < TWICE_SHARE)
        second[both] = names.index("langfuse")
    return second
