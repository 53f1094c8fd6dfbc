"""Plans: which incidents a world has, and when. A plan is a function of the world's first day and its number of days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Literal, get_args

from simulator.catalogue import FEATURE_CODES
from simulator.drift_incidents import LanguageSwitch, LengthShift, NewPromptVersion, ProviderSwitch, TopicSurge
from simulator.fragments import prompt_version
from simulator.incidents import Incident, NewModel, PriceChange, TokenSpike
from simulator.knowledge import POISONED_ON
from simulator.quality_incidents import HallucinationRise
from simulator.retrieval_incidents import PoisonedPage
from simulator.seasons import Season
from simulator.service_incidents import (
    DeployWindow,
    ErrorBurst,
    LatencyRegression,
    Misrouting,
    PromptLoop,
    QueueBacklog,
    SafetyBypass,
    TruncationRise,
)

Plan = Callable[[date, int], tuple[Incident, ...]]
Size = Literal["small", "medium", "large"]
SIZES: tuple[Size, ...] = get_args(Size)
QUIET_DAYS, DAYS_APART = 14, 3
"""Of a service plan: days before the first incident, for rules that look back, and from one incident to the next."""
REFERENCE_DAYS, DRIFTS_APART, DRIFT_DAYS = 56, 7, 4
"""Of a drift plan: likewise, and how long a drift lasts."""
RISES_APART, RISE_DAYS = 14, 4
"""Of a quality plan: from one rise to the next (and so long it is quiet first), and how long a rise lasts."""


def quiet_plan(first_day: date, days: int) -> tuple[Incident, ...]:
    """Nothing happens."""
    return ()


def default_plan(first_day: date, days: int) -> tuple[Incident, ...]:
    """One incident of each kind, placed in proportion to the days of the world."""

    def at(share: float, hour: int = 0) -> datetime:
        return _at(first_day, int(days * share), hour)

    def during(share: float, hour: int, hours: int) -> tuple[datetime, datetime]:
        return at(share, hour), at(share, hour) + timedelta(hours=hours)

    end, support = _at(first_day, days), {"feature": "support_chat"}
    contract = {"uncached_input_tokens": 0.12, "cache_read_tokens": 0.06, "output_tokens": 0.48}
    key_1, key_2 = ({"api_key_id": f"key-kestrel-software-{number}"} for number in (1, 2))
    key_of_spike = {"tenant": "larkspur-retail", "api_key_id": "key-larkspur-retail-1"}
    return (
        LatencyRegression("haiku-slows-down", *during(0.15, 12, 12), {"request_model": "claude-haiku-4-5"}, 3.0),
        DeployWindow("support-prompt-deployed", *during(0.22, 17, 1), support, 0.9, burst=timedelta(minutes=40)),
        ErrorBurst("anthropic-overloaded", *during(0.3, 15, 6), {"provider": "anthropic"}, 0.6),
        QueueBacklog("heron-backlog", *during(0.36, 12, 10), {"request_model": "heron-8b"}, 6.0),
        PromptLoop("kestrel-agent-loops", *during(0.43, 20, 3), key_2, 60.0),
        TokenSpike("larkspur-prompt-spike", *during(0.5, 14, 8), key_of_spike, 8.0),
        TruncationRise("history-kept-too-long", *during(0.58, 9, 8), support, 2.0),
        PriceChange(
            "gpt-4o-mini-contract", at(0.65), end, {"request_model": "gpt-4o-mini"}, 0.8,
            provider="openai", usd_per_million=contract,
        ),
        SafetyBypass("filter-answers-attacks", *during(0.72, 12, 12), support, 0.1),
        NewModel("orion-2-arrives", at(0.8), end, {"feature": "doc_search"}, 0.15, model="orion-2-preview"),
        Misrouting("support-goes-dear", *during(0.86, 8, 12), support, 0.4, model="gpt-4o"),
        PromptLoop("kestrel-talk-grows", *during(0.93, 17, 4), key_1 | {"feature": "code_assist"}, 15.0, growth_tokens=900),
    )  # fmt: skip


def service_plan(first_day: date, days: int, size: Size = "medium") -> tuple[Incident, ...]:
    """Incidents of service, one every three days after two quiet weeks, kind after kind, all of one size.

    When all kinds have had their turn they come again, elsewhere. Raises ValueError where the days are too few for each
    kind to come once.
    """
    if days < QUIET_DAYS + DAYS_APART * len(_KINDS):
        raise ValueError(f"a service plan takes {QUIET_DAYS + DAYS_APART * len(_KINDS)} days or more, not {days}")
    place = SIZES.index(size)
    return tuple(
        _KINDS[number % len(_KINDS)](_at(first_day, day), number // len(_KINDS), place)
        for number, day in enumerate(range(QUIET_DAYS, days - DAYS_APART + 1, DAYS_APART))
    )


def calm_plan(first_day: date, days: int) -> tuple[Incident, ...]:
    """Nothing happens, as in life: days differ, two are holidays, months end, some customers speak other languages."""
    begin, end = _at(first_day, 0), _at(first_day, days)
    holidays = tuple(first_day + timedelta(days=int(days * share)) for share in (0.35, 0.8))
    speakers = {"german": ("brightwater-bank", "de", 0.3), "spanish": ("larkspur-retail", "es", 0.12)}
    spoken = (
        LanguageSwitch(f"{name}-speakers", begin, end, {"tenant": tenant}, share, language=code, is_usual=True)
        for name, (tenant, code, share) in speakers.items()
    )
    return (Season("seasons", begin, end, {}, 0.1, holidays=holidays), *spoken)


def drift_plan(first_day: date, days: int, size: Size = "medium") -> tuple[Incident, ...]:
    """A calm world in which, after eight weeks of reference, something drifts for four days every week, kind after kind.

    When all kinds have had their turn they come again, elsewhere. Raises ValueError where the days are too few for each
    kind to come once.
    """
    if days < REFERENCE_DAYS + DRIFTS_APART * len(_DRIFTS):
        raise ValueError(f"a drift plan takes {REFERENCE_DAYS + DRIFTS_APART * len(_DRIFTS)} days or more, not {days}")
    place = SIZES.index(size)
    drifts = (
        _DRIFTS[number % len(_DRIFTS)](_at(first_day, day), number // len(_DRIFTS), place)
        for number, day in enumerate(range(REFERENCE_DAYS, days - DRIFTS_APART + 1, DRIFTS_APART))
    )
    return (*calm_plan(first_day, days), *drifts)


def quality_plan(first_day: date, days: int, size: Size = "medium") -> tuple[Incident, ...]:
    """After two quiet weeks, and every two weeks again, a new prompt version makes things up, feature after feature.

    Each begins with a day on which the feature's usual version is new, so that it lasts. Raises ValueError where the days
    are too few for one.
    """
    if days < 2 * RISES_APART:
        raise ValueError(f"a quality plan takes {2 * RISES_APART} days or more, not {days}")
    rises = []
    for turn, day in enumerate(range(RISES_APART, days - RISES_APART + 1, RISES_APART)):
        feature = _MAKING_UP[turn % len(_MAKING_UP)]
        begin = _newest_version(first_day + timedelta(days=day), FEATURE_CODES[feature])
        points = (0.03, 0.07, 0.15)[SIZES.index(size)]
        rises.append(HallucinationRise(f"made-up-{turn}", *_days(begin, RISE_DAYS), {"feature": feature}, points))
    return tuple(rises)


def retrieval_plan(first_day: date, days: int) -> tuple[Incident, ...]:
    """A calm world whose searches find a poisoned page for two days, from the day on which it is in the knowledge base."""
    since = _at(first_day, days * POISONED_ON // 14)
    poisoned = PoisonedPage("tips-give-orders", since, since + timedelta(days=2), {"feature": "doc_search"}, 0.2)
    return (*calm_plan(first_day, days), poisoned)


PLANS: dict[str, Callable[[Size], Plan]] = {
    "default": lambda size: default_plan,
    "service": lambda size: partial(service_plan, size=size),
    "drift": lambda size: partial(drift_plan, size=size),
    "quality": lambda size: partial(quality_plan, size=size),
    "quiet": lambda size: quiet_plan,
    "calm": lambda size: calm_plan,
    "retrieval": lambda size: retrieval_plan,
}
"""Plans by the name that the command line knows; only those of service, drift and quality have sizes."""

_MODELS = ("claude-haiku-4-5", "gpt-4o-mini", "gemini-2.5-flash")
_PROVIDERS = ("anthropic", "google", "openai")
_ERRORS = ("overloaded_error", "internal_server_error", "gateway_timeout")
_TALKS = ("support_chat", "doc_search")
_DEPLOYED = ("support_chat", "code_assist", "doc_search")
_ROUTED = (("support_chat", "gpt-4o"), ("doc_search", "gemini-2.5-pro"))
_CALLERS = tuple(f"key-{caller}" for caller in ("kestrel-software-1", "larkspur-retail-2", "brightwater-bank-1"))
_DEAR_CALLERS = ("key-kestrel-software-1", "key-kestrel-software-2")
"""Whose prompts cost enough to be missed: a spike of the others stays far below a dollar an hour."""
_SURGES = (("support_chat", "warranty"), ("doc_search", "garden"), ("voice_agent", "stores"))
_SPEAKERS = (("doc_search", "fr"), ("support_chat", "de"), ("doc_search", "es"))
_LONGER: tuple[tuple[str, Literal["prompt", "answer"]], ...] = (
    ("summaries", "prompt"), ("code_assist", "answer"), ("support_chat", "prompt"),
)  # fmt: skip
_SWITCHED = ("gemini-2.5-flash", "gpt-4o-mini", "claude-sonnet-4-5")
_REWRITTEN = ("code_assist", "support_chat", "doc_search")
_MAKING_UP = ("support_chat", "doc_search", "summaries")


def _latency(day: datetime, turn: int, size: int) -> Incident:
    scope = {"request_model": _MODELS[turn % len(_MODELS)]}
    return LatencyRegression(f"latency-{turn}", *_hours(day, 10, 8), scope, (1.3, 2.0, 8.0)[size])


def _errors(day: datetime, turn: int, size: int) -> Incident:
    scope, code = {"provider": _PROVIDERS[turn % len(_PROVIDERS)]}, _ERRORS[turn % len(_ERRORS)]
    return ErrorBurst(f"errors-{turn}", *_hours(day, 14, 4), scope, (0.03, 0.15, 0.6)[size], error_code=code)


def _truncation(day: datetime, turn: int, size: int) -> Incident:
    scope = {"feature": _TALKS[turn % len(_TALKS)]}
    return TruncationRise(f"truncation-{turn}", *_hours(day, 9, 8), scope, (1.03, 1.3, 4.0)[size])


def _misrouting(day: datetime, turn: int, size: int) -> Incident:
    feature, model = _ROUTED[turn % len(_ROUTED)]
    return Misrouting(f"misrouting-{turn}", *_hours(day, 8, 12), {"feature": feature}, (0.03, 0.15, 0.5)[size], model=model)


def _bypass(day: datetime, turn: int, size: int) -> Incident:
    scope = {"feature": _TALKS[turn % len(_TALKS)]}
    return SafetyBypass(f"bypass-{turn}", *_hours(day, 11, 10), scope, (0.002, 0.01, 0.05)[size])


def _backlog(day: datetime, turn: int, size: int) -> Incident:
    return QueueBacklog(f"backlog-{turn}", *_hours(day, 12, 8), {"request_model": "heron-8b"}, (0.25, 2.0, 10.0)[size])


def _loop(day: datetime, turn: int, size: int) -> Incident:
    scope = {"api_key_id": _CALLERS[turn % len(_CALLERS)]}
    return PromptLoop(f"loop-{turn}", *_hours(day, 13, 4), scope, (10.0, 100.0, 400.0)[size])


def _growth(day: datetime, turn: int, size: int) -> Incident:
    scope = {"api_key_id": _CALLERS[turn % len(_CALLERS)]}
    return PromptLoop(f"growth-{turn}", *_hours(day, 14, 4), scope, (4.0, 10.0, 25.0)[size], growth_tokens=600)


def _deployment(day: datetime, turn: int, size: int) -> Incident:
    scope = {"feature": _DEPLOYED[turn % len(_DEPLOYED)]}
    return DeployWindow(f"deployment-{turn}", *_hours(day, 15, 1), scope, (0.1, 0.3, 0.6)[size])


def _spike(day: datetime, turn: int, size: int) -> Incident:
    # An office: on a Sunday thirteen requests are no spike.
    day += timedelta(days=(7 - day.weekday()) % 7 if day.weekday() >= 5 else 0)
    scope = {"api_key_id": _DEAR_CALLERS[turn % len(_DEAR_CALLERS)]}
    return TokenSpike(f"spike-{turn}", *_hours(day, 13, 8), scope, (2.0, 6.0, 15.0)[size])


def _surge(day: datetime, turn: int, size: int) -> Incident:
    feature, topic = _SURGES[turn % len(_SURGES)]
    return TopicSurge(f"surge-{turn}", *_days(day), {"feature": feature}, (0.03, 0.1, 0.25)[size], topic=topic)


def _language(day: datetime, turn: int, size: int) -> Incident:
    feature, code = _SPEAKERS[turn % len(_SPEAKERS)]
    return LanguageSwitch(f"language-{turn}", *_days(day), {"feature": feature}, (0.02, 0.1, 0.3)[size], language=code)


def _length(day: datetime, turn: int, size: int) -> Incident:
    feature, part = _LONGER[turn % len(_LONGER)]
    return LengthShift(f"length-{turn}", *_days(day), {"feature": feature}, (0.05, 0.3, 0.8)[size], part=part)


def _provider(day: datetime, turn: int, size: int) -> Incident:
    scope = {"request_model": _SWITCHED[turn % len(_SWITCHED)]}
    return ProviderSwitch(f"provider-{turn}", *_days(day), scope, (0.95, 0.75, 0.5)[size])


def _prompt(day: datetime, turn: int, size: int) -> Incident:
    scope = {"feature": _REWRITTEN[turn % len(_REWRITTEN)]}
    return NewPromptVersion(f"prompt-{turn}", *_days(day), scope, (1.05, 1.4, 2.0)[size])


_KINDS: tuple[Callable[[datetime, int, int], Incident], ...] = (
    _latency, _errors, _truncation, _misrouting, _bypass, _backlog, _loop, _growth, _deployment, _spike,
)  # fmt: skip
"""A kind makes an incident of (its day, how often the kind was there before, 0 | 1 | 2 for its size)."""
_DRIFTS: tuple[Callable[[datetime, int, int], Incident], ...] = (_surge, _language, _length, _provider, _prompt)


def _at(first_day: date, days: int, hour: int = 0) -> datetime:
    return datetime.combine(first_day + timedelta(days=days), time(hour), tzinfo=UTC)


def _hours(day: datetime, hour: int, hours: int) -> tuple[datetime, datetime]:
    return day + timedelta(hours=hour), day + timedelta(hours=hour + hours)


def _days(day: datetime, days: int = DRIFT_DAYS) -> tuple[datetime, datetime]:
    return day, day + timedelta(days=days)


def _newest_version(day: date, feature: int) -> datetime:
    """The first day from `day` on with another version of a feature's prompt than the day before."""
    while prompt_version(day, feature) == prompt_version(day - timedelta(days=1), feature):
        day += timedelta(days=1)
    return _at(day, 0)
