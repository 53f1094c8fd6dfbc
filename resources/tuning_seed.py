"""warehouse/seeds/tuning.yml: which models may be tuned from the logs, how, when, at what cost, and who lets them go live.

Here belongs the lint of that seed. When a training begins is assets/tuning/triggers.py, what a candidate must show
assets/tuning/gate.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from resources.chat_endpoint import EndpointError, number, refuse_unknown
from resources.contracts import REPO
from resources.seed_fields import features, usd
from resources.seed_yaml import SeedYamlError, read_seed

TUNING_FILE = "tuning.yml"
KINDS = ("retriever", "detector", "sft", "preferences")
MODELS = {
    "retriever": "embedder", "detector": "hallucination_detector", "sft": "generator", "preferences": "generator",
}  # fmt: skip
"""The registered model that candidates of a kind become versions of."""
Recipe = Mapping[str, int | float | list[int]]


class TuningSeedError(ValueError):
    """A tuning.yml that cannot be used as written; says which entry, and what to write."""


@dataclass(frozen=True)
class LimitsSeed:
    """What one training may take, all its attempts together: it is stopped at the first of them, its checkpoint kept."""

    hours: float
    usd: Decimal
    usd_per_hour: Decimal
    """Price of the machine, from which the money of a training is reckoned."""

    @property
    def seconds(self) -> float:
        """Until the first of them."""
        hours = [self.hours, *([float(self.usd / self.usd_per_hour)] if self.usd and self.usd_per_hour else [])]
        return min(hours) * 3600

    def cost_usd(self, seconds: float) -> Decimal:
        """What so many seconds of training cost, to 6 decimals."""
        return (self.usd_per_hour * Decimal(repr(seconds)) / 3600).quantize(Decimal("1e-6"))


@dataclass(frozen=True)
class GateSeed:
    """What a candidate must show. Shares are of 1: 0.01 is one point."""

    floors: Mapping[str, float] = field(default_factory=dict)
    """By metric of tuning.gates, the value below which no candidate goes live, however bad the champion is."""
    most_forgetting: float = 0.01
    most_segment_drop: float = 0.03
    most_slowdown: float = 1.5
    """Candidate's latency by the champion's."""
    most_growth: float = 1.5
    """Candidate's bytes by the champion's."""


@dataclass(frozen=True)
class CardSeed:
    """What only a person can say on a model's card; None: unsaid, and a model without a whole card is not registered."""

    provider: str | None = None
    contact: str | None = None
    licence: str | None = None
    tasks: str | None = None
    systems: str | None = None
    acceptable_use: str | None = None
    distribution: str | None = None
    interaction: str | None = None
    integration: str | None = None
    design: str | None = None
    watts: float | None = None
    """Power that the training machine draws: what energy is estimated from."""


@dataclass(frozen=True)
class KubernetesSeed:
    """Where trainings run that are not started on this machine (docs/training.md)."""

    image: str
    namespace: str = "default"
    service_account: str | None = None
    volume_claim: str | None = None
    """Claim that holds $NOCTURNE_HOME: training reads its dataset and leaves its model there."""
    cpu: str = "2"
    memory: str = "8Gi"
    gpus: int = 0
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True)
class KindSeed:
    """One kind of candidate. `base_model` None: the champion, or what the project is configured with."""

    kind: str
    recipe: Recipe
    limits: LimitsSeed
    enabled: bool = False
    base_model: str | None = None
    """Folder, or id on the hub, that training starts from."""
    cool_down_days: int = 7
    min_new_pairs: int = 1_000
    max_age_days: int | None = None
    """A champion older than this is trained anew, whatever is measured; None: age alone is no reason."""
    smallest_drop: float = 0.02
    """A measure that fell by less is not followed, however certain the fall is."""
    most_incidents_a_week: int | None = None
    """More incidents of its features than this in seven days are a reason; None: they never are."""
    budget_usd_a_month: Decimal = Decimal(0)
    features: frozenset[str] | None = None
    """Features that use the model: their error budgets and incidents count; None: all."""
    general_set: Path | None = None
    """Folder in BEIR layout (corpus.jsonl, queries.jsonl, qrels.tsv): what must not be forgotten."""
    safety_set: Path | None = None
    promotion: Literal["automatic", "approval"] = "approval"
    launcher: Literal["subprocess", "kubernetes"] = "subprocess"
    gate: GateSeed = GateSeed()
    card: CardSeed = CardSeed()

    @property
    def model(self) -> str:
        """Its name in the registry."""
        return MODELS[self.kind]


@dataclass(frozen=True)
class TuningSeed:
    """The seed as it stands: every kind has an entry, of those left out one that is not enabled."""

    kinds: Mapping[str, KindSeed]
    kubernetes: KubernetesSeed | None = None

    @property
    def enabled(self) -> list[KindSeed]:
        """The kinds that may be trained, in the order of KINDS."""
        return [self.kinds[kind] for kind in KINDS if self.kinds[kind].enabled]


_TOP = frozenset({"kinds", "kubernetes"})
_KIND = frozenset(KindSeed.__dataclass_fields__) - {"kind"}
_RECIPES: dict[str, dict[str, int | float | list[int]]] = {
    "retriever": {
        "epochs": 1, "batch_size": 128, "mini_batch_size": 32, "learning_rate": 2e-5, "warmup_share": 0.1, "scale": 20.0,
        "matryoshka": [256, 128, 64], "max_tokens": 256, "checkpoint_steps": 50, "seed": 7,
    },
    "detector": {"seed": 7},
    "sft": {
        "epochs": 1, "batch_size": 16, "learning_rate": 2e-4, "warmup_share": 0.1, "lora_rank": 16, "lora_alpha": 32,
        "max_tokens": 1024, "checkpoint_steps": 50, "seed": 7,
    },
    "preferences": {
        "epochs": 1, "batch_size": 16, "learning_rate": 1e-5, "warmup_share": 0.1, "lora_rank": 16, "lora_alpha": 32,
        "beta": 0.1, "max_tokens": 1024, "checkpoint_steps": 50, "seed": 7,
    },
}  # fmt: skip
"""What a recipe says where the seed does not (docs/training.md says why)."""
_FLOORS: dict[str, dict[str, int]] = {
    "retriever": {"ndcg": 1, "recall": 1, "mrr": 1}, "detector": {"auc": 1, "brier": 1}, "sft": {"nll": 100},
    "preferences": {"nll": 100, "preferred": 1},
}  # fmt: skip
"""Metrics that a floor can be asked of, and the largest that each can be."""
_RANGES: dict[str, tuple[Callable[[Any], bool], str, bool]] = {
    "epochs": (lambda v: 0 < v <= 100, "above 0, up to 100", False),
    "batch_size": (lambda v: 1 <= v <= 8192, "from 1 to 8192", True),
    "mini_batch_size": (lambda v: 1 <= v <= 8192, "from 1 to 8192", True),
    "learning_rate": (lambda v: 0 < v <= 1, "above 0, up to 1", False),
    "warmup_share": (lambda v: 0 <= v < 1, "from 0, below 1", False),
    "scale": (lambda v: 0 < v <= 1000, "above 0, up to 1000", False),
    "max_tokens": (lambda v: 8 <= v <= 1_000_000, "from 8 to 1000000", True),
    "checkpoint_steps": (lambda v: 1 <= v <= 1_000_000, "from 1 to 1000000", True),
    "seed": (lambda v: 0 <= v < 2**31, "from 0 on, of at most 31 bits", True),
    "lora_rank": (lambda v: 1 <= v <= 1024, "from 1 to 1024", True),
    "lora_alpha": (lambda v: 1 <= v <= 4096, "from 1 to 4096", True),
    "beta": (lambda v: 0 < v <= 10, "above 0, up to 10", False),
}


def load_tuning(path: Path) -> TuningSeed:
    """The seed of a file; of an absent one, nothing is enabled. Raises TuningSeedError."""
    try:
        raw = read_seed(path)
    except FileNotFoundError:
        raw = None
    except SeedYamlError as error:
        raise TuningSeedError(str(error)) from error
    try:
        return _seed(path.name, {} if raw is None else raw)
    except EndpointError as error:
        raise TuningSeedError(str(error)) from error


def _seed(name: str, raw: Any) -> TuningSeed:
    refuse_unknown(name, raw, _TOP)
    entries = raw.get("kinds") or {}
    refuse_unknown(f"{name}: kinds", entries, frozenset(KINDS))
    kinds = {kind: _kind(f"{name}: {kind}", kind, entries.get(kind) or {}) for kind in KINDS}
    said = raw.get("kubernetes")
    kubernetes = None if said is None else _kubernetes(f"{name}: kubernetes", said)
    for one in kinds.values():
        if one.enabled and one.launcher == "kubernetes" and kubernetes is None:
            raise TuningSeedError(f"{name}: {one.kind} is launched on kubernetes, of which nothing is said; write it down")
    return TuningSeed(kinds, kubernetes)


def _kind(where: str, kind: str, raw: Any) -> KindSeed:
    refuse_unknown(where, raw, _KIND)
    whole: dict[str, tuple[Callable[[Any], bool], str, bool]] = {
        "cool_down_days": (lambda v: 0 <= v <= 365, "from 0 to 365", False),
        "min_new_pairs": (lambda v: 1 <= v <= 10_000_000, "from 1 to 10000000", False),
        "max_age_days": (lambda v: 1 <= v <= 3650, "from 1 to 3650, or null", True),
        "most_incidents_a_week": (lambda v: 0 <= v <= 1000, "from 0 to 1000, or null", True),
    }
    given: dict[str, Any] = {
        key: number(where, raw, key, fits, told, whole=True, nullable=nullable)
        for key, (fits, told, nullable) in whole.items()
        if key in raw
    }
    if "smallest_drop" in raw:
        given["smallest_drop"] = number(where, raw, "smallest_drop", lambda v: 0 < v <= 1, "above 0, up to 1")
    if "budget_usd_a_month" in raw:
        given["budget_usd_a_month"] = usd(where, raw, "budget_usd_a_month")
    enabled, base_model = _bool(where, raw, "enabled"), _text(where, raw, "base_model")
    if enabled and MODELS[kind] == "generator" and base_model is None:
        raise TuningSeedError(f"{where} needs a model to start from: `base_model:` is a folder, or an id on the hub")
    limits = _limits(f"{where}: limits", raw.get("limits") or {})
    if limits.usd_per_hour and not given.get("budget_usd_a_month"):
        raise TuningSeedError(f"{where}: a training costs money; say what a month may cost, `budget_usd_a_month:`")
    card = _card(f"{where}: card", raw.get("card") or {})
    blank = [name for name in CardSeed.__dataclass_fields__ if getattr(card, name) is None]
    if enabled and blank:
        raise TuningSeedError(
            f"{where}: its card does not say {', '.join(blank)}; nothing is trained that cannot be registered"
        )
    return KindSeed(
        kind,
        _recipe(f"{where}: recipe", kind, raw.get("recipe") or {}),
        limits,
        **({"min_new_pairs": 500 if kind == "preferences" else 1_000} | given),
        enabled=enabled,
        base_model=base_model,
        features=features(where, raw.get("features")),
        general_set=_folder(where, raw, "general_set"),
        safety_set=_folder(where, raw, "safety_set"),
        promotion=_one_of(where, raw, "promotion", ("approval", "automatic")),
        launcher=_one_of(where, raw, "launcher", ("subprocess", "kubernetes")),
        gate=_gate(f"{where}: gate", kind, raw.get("gate") or {}),
        card=card,
    )


def _recipe(where: str, kind: str, raw: Any) -> Recipe:
    refuse_unknown(where, raw, frozenset(_RECIPES[kind]))
    found = dict(_RECIPES[kind])
    for key in raw:
        if key == "matryoshka":
            sizes = raw[key]
            if not isinstance(sizes, list) or any(type(size) is not int or size < 1 for size in sizes):
                raise TuningSeedError(f"{where}: matryoshka is a list of sizes of shortened vectors, such as [256, 128]")
            found[key] = sorted(set(sizes), reverse=True)
        else:
            fits, told, whole = _RANGES[key]
            found[key] = number(where, raw, key, fits, told, whole=whole)
    return found


def _limits(where: str, raw: Any) -> LimitsSeed:
    refuse_unknown(where, raw, frozenset(LimitsSeed.__dataclass_fields__))
    said = {"hours": 2.0, "usd": 0, "usd_per_hour": 0} | raw
    hours = number(where, said, "hours", lambda v: 0 < v <= 720, "above 0, up to 720")
    limits = LimitsSeed(hours, usd(where, said, "usd"), usd(where, said, "usd_per_hour"))
    if limits.usd_per_hour and not limits.usd:
        raise TuningSeedError(f"{where}: an hour costs {limits.usd_per_hour} USD; say what a training may cost, `usd:`")
    return limits


def _gate(where: str, kind: str, raw: Any) -> GateSeed:
    refuse_unknown(where, raw, frozenset(GateSeed.__dataclass_fields__))
    floors = raw.get("floors") or {}
    if not isinstance(floors, dict):
        raise TuningSeedError(f"{where}: floors is a mapping of a metric to its least value")
    refuse_unknown(f"{where}: floors", floors, frozenset(_FLOORS[kind]))
    found: dict[str, Any] = {
        key: number(where, raw, key, fits, told)
        for key, fits, told in (
            ("most_forgetting", lambda v: 0 <= v <= 1, "from 0 to 1"),
            ("most_segment_drop", lambda v: 0 <= v <= 1, "from 0 to 1"),
            ("most_slowdown", lambda v: 1 <= v <= 100, "from 1 to 100"),
            ("most_growth", lambda v: 1 <= v <= 100, "from 1 to 100"),
        )
        if key in raw
    }
    least = {key: _floor(f"{where}: floors", floors, key, _FLOORS[kind][key]) for key in floors}
    return GateSeed(least, **found)


def _floor(where: str, floors: dict[str, Any], metric: str, most: int) -> float:
    found: float = number(where, floors, metric, lambda v: 0 <= v <= most, f"from 0 to {most}")
    return found


def _card(where: str, raw: Any) -> CardSeed:
    refuse_unknown(where, raw, frozenset(CardSeed.__dataclass_fields__))
    words = {key: _text(where, raw, key) for key in CardSeed.__dataclass_fields__ if key != "watts"}
    return CardSeed(**words, watts=number(where, raw, "watts", lambda v: 0 < v <= 1e6, "of watts, up to 1e6", nullable=True))


def _kubernetes(where: str, raw: Any) -> KubernetesSeed:
    refuse_unknown(where, raw, frozenset(KubernetesSeed.__dataclass_fields__))
    names = ("image", "namespace", "service_account", "volume_claim", "cpu", "memory")
    words = {key: _text(where, raw, key) for key in names}
    if words["image"] is None:
        raise TuningSeedError(f"{where} needs the image that holds this project, such as `image: nocturne:1.0`")
    selector, tolerations = raw.get("node_selector") or {}, raw.get("tolerations") or []
    if not isinstance(selector, dict) or not (
        isinstance(tolerations, list) and all(isinstance(t, dict) for t in tolerations)
    ):
        raise TuningSeedError(f"{where}: node_selector is a mapping of labels, tolerations a list of mappings")
    said = {key: value for key, value in words.items() if value is not None}
    return KubernetesSeed(
        **said,
        gpus=number(where, raw, "gpus", lambda v: 0 <= v <= 64, "from 0 to 64", whole=True) or 0,
        node_selector={str(key): str(value) for key, value in selector.items()},
        tolerations=tuple({str(key): str(value) for key, value in one.items()} for one in tolerations),
    )


def _bool(where: str, raw: Mapping[str, Any], key: str) -> bool:
    value = raw.get(key, False)
    if not isinstance(value, bool):
        raise TuningSeedError(f"{where}: {key} is true or false; not {value!r}")
    return value


def _text(where: str, raw: Mapping[str, Any], key: str) -> str | None:
    value = raw.get(key)
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise TuningSeedError(f"{where}: {key} is some words, or null; quote what looks like a number. Not {value!r}")
    return None if value is None else value.strip()


def _folder(where: str, raw: Mapping[str, Any], key: str) -> Path | None:
    """Absolute, or from the project's folder on."""
    said = _text(where, raw, key)
    return None if said is None else REPO / Path(said).expanduser()


def _one_of(where: str, raw: Mapping[str, Any], key: str, allowed: tuple[str, ...]) -> Any:
    value = raw.get(key, allowed[0])
    if value not in allowed:
        raise TuningSeedError(f"{where}: {key} is one of {', '.join(allowed)}; not {value!r}")
    return value
