"""warehouse/seeds/judge.yml: which LLM is asked about answers, which ones, and at what cost. Without an endpoint, none.

Here belongs the lint of that seed. What is asked is assets/quality/llm_judge.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from resources.chat_endpoint import ENDPOINT_KEYS, ChatEndpoint, EndpointError, endpoint_fields, number, refuse_unknown
from resources.seed_fields import features, usd
from resources.seed_yaml import SeedYamlError, read_seed

JUDGE_FILE = "judge.yml"
_KEYS = frozenset({
    "endpoint", "usd_per_million", "usd_a_night", "answers_a_night", "minutes_a_night", "drawn", "share", "features",
    "look_back_days", "most_characters",
})  # fmt: skip
_PRICES = frozenset({"input", "output"})


class JudgeSeedError(ValueError):
    """A judge.yml that cannot be used as written; says what to write, never a key."""


@dataclass(frozen=True)
class JudgeSeed:
    """The seed as it stands, of a judge that is declared. Prices are USD per million tokens; `features` None: all."""

    endpoint: ChatEndpoint
    input_usd: Decimal
    output_usd: Decimal
    usd_a_night: Decimal
    answers_a_night: int = 200
    minutes_a_night: float = 60.0
    drawn: bool = True
    share: float = 0.0
    features: frozenset[str] | None = None
    look_back_days: int = 3
    most_characters: int = 24_000

    def cost_usd(self, input_tokens: int, output_tokens: int) -> Decimal:
        """What so many tokens cost, to 12 decimals."""
        exact = (input_tokens * self.input_usd + output_tokens * self.output_usd) / 1_000_000
        return exact.quantize(Decimal("1e-12"))


def load_judge(path: Path) -> JudgeSeed | None:
    """The seed of a file; None where none is declared, or the file is absent. Raises JudgeSeedError."""
    try:
        raw = read_seed(path)
    except FileNotFoundError:
        return None
    except SeedYamlError as error:
        raise JudgeSeedError(str(error)) from error
    try:
        return _judge(path.name, {} if raw is None else raw)
    except EndpointError as error:
        raise JudgeSeedError(str(error)) from error


def _judge(name: str, raw: Any) -> JudgeSeed | None:
    refuse_unknown(name, raw, _KEYS)
    if raw.get("endpoint") is None:
        return None
    where = f"{name}: endpoint"
    refuse_unknown(where, raw["endpoint"], ENDPOINT_KEYS)
    prices = raw.get("usd_per_million")
    if not isinstance(prices, dict) or set(prices) != _PRICES:
        example = '`usd_per_million: {input: "0.15", output: "0.60"}`'
        raise JudgeSeedError(f"{name} needs the judge's prices, such as {example}")
    numbers = {
        "answers_a_night": number(name, raw, "answers_a_night", lambda v: 1 <= v <= 100_000, "from 1 to 100000", whole=True),
        "minutes_a_night": number(name, raw, "minutes_a_night", lambda v: 0 < v <= 600, "up to 600"),
        "share": number(name, raw, "share", lambda v: 0 <= v <= 1, "from 0 to 1"),
        "look_back_days": number(name, raw, "look_back_days", lambda v: 1 <= v <= 60, "from 1 to 60", whole=True),
        "most_characters": number(
            name, raw, "most_characters", lambda v: 100 <= v <= 1_000_000, "from 100 to 1000000", whole=True
        ),
    }
    if not isinstance(raw.get("drawn", True), bool):
        raise JudgeSeedError(f"{name}: drawn is true or false; not {raw['drawn']!r}")
    seed = JudgeSeed(
        ChatEndpoint("judge", **endpoint_fields(where, raw["endpoint"])),
        usd(f"{name}: usd_per_million", prices, "input"),
        usd(f"{name}: usd_per_million", prices, "output"),
        usd(name, raw, "usd_a_night"),
        drawn=raw.get("drawn", True),
        features=features(name, raw.get("features")),
        **{key: value for key, value in numbers.items() if key in raw},
    )
    if not seed.drawn and not seed.share:
        raise JudgeSeedError(f"{name} names an endpoint and nothing to ask it; write `drawn: true`, or a share above 0")
    return seed
