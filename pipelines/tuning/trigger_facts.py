"""What the decision about a training rests on, read from the tables of the night.

Here belong the questions to the tables. What follows from the answers is assets/tuning/triggers.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from assets.tuning.triggers import LATEST_DAYS, REFERENCE_DAYS, Facts, Limits, Night, Series
from pipelines.quality.label_population import ask
from pipelines.retrieval.index_ledger import EVALUATIONS, LIVE, RELEASES_TABLE
from pipelines.tuning.tuning_ledger import OPEN, TuningLedger
from resources.events import table_rows
from resources.store import Store
from resources.tuning_seed import KindSeed

METRIC = "ndcg"
CHANGES, VERDICTS, INCIDENTS = "quality.rate_changes", "drift.drift_verdicts", "service.incidents"
_WORSE = """
select day, concat_ws(' ', scope, feature, prompt_version, model) as what
from quality.rate_changes
where verdict = 'hallucinated' and state = 'worse' and ($every or scope = 'all' or feature in (select unnest($features)))
"""
_DRIFTED = """
select title from drift.drift_verdicts
where
    family = 'embedding'
    and ($every or segment_kind = 'all' or (segment_kind = 'feature' and segment in (select unnest($features))))
order by effect / nullif(floor, 0) desc, title
limit 5
"""
GENERATORS = frozenset({"sft", "preferences"})


def limits_of(seed: KindSeed) -> Limits:
    """The seed's limits, as the decision takes them."""
    costs = seed.limits.usd if seed.limits.usd_per_hour else None
    return Limits(
        seed.smallest_drop, seed.min_new_pairs, seed.most_incidents_a_week, seed.max_age_days, seed.cool_down_days,
        seed.budget_usd_a_month, costs,
    )  # fmt: skip


def facts_of(
    store: Store, seed: KindSeed, ledger: TuningLedger, night: date, pairs: int | None = None, new_pairs: int | None = None
) -> Facts:
    """The facts of a night about one kind. Measures of releases before the champion's first day are not held against it."""
    last, champion = ledger.requested_last(seed.kind), ledger.promoted(seed.model)
    since = champion["day"] if champion else None
    return Facts(
        night=night,
        series=_series(store, seed, night, since) if seed.kind == "retriever" else (),
        worse=_worse(store, seed, night) if seed.kind in GENERATORS else {},
        drifted=_drifted(store, seed, night),
        incidents_of_a_week=_incidents(store, seed, night),
        new_pairs=new_pairs,
        pairs=pairs,
        champion_since=since,
        trained_last=last["day"] if last else None,
        is_in_training=any(row["kind"] == seed.kind for row in ledger.in_state(*OPEN)),
        spent_usd=ledger.spent_usd(seed.kind, night),
    )


def _series(store: Store, seed: KindSeed, night: date, since: date | None) -> list[Series]:
    """nDCG at ten of the release that was live, night by night, by index and basis."""
    first = night - timedelta(days=REFERENCE_DAYS)
    days = {first + timedelta(days=n) for n in range(REFERENCE_DAYS + 1)}
    live = {(row["index_name"], row["release"]) for row in table_rows(store, RELEASES_TABLE) if row["state"] == LIVE}
    nights: dict[tuple[str, str], dict[date, tuple[int, Night]]] = {}
    for row in table_rows(store, EVALUATIONS, days):
        if row["metric"] != METRIC or row["scope"] != "all" or (row["index_name"], row["release"]) not in live:
            continue
        if since is not None and row["day"] < since:
            continue
        mine = nights.setdefault((row["index_name"], row["basis"]), {})
        point = Night(row["day"], row["value"], row["low"], row["high"], row["n"])
        # Two releases of one night: the later one is what serves.
        if row["day"] not in mine or mine[row["day"]][0] < row["release"]:
            mine[row["day"]] = (row["release"], point)
    floor = seed.gate.floors.get(METRIC)
    return [
        Series(f"{METRIC} of {index} by {basis}", [point for _, point in found.values()], floor)
        for (index, basis), found in sorted(nights.items())
    ]


def _worse(store: Store, seed: KindSeed, night: date) -> Mapping[date, list[str]]:
    if CHANGES not in store.contracts:
        return {}
    days = {night - timedelta(days=n) for n in range(LATEST_DAYS + 1)}
    found: dict[date, list[str]] = {}
    for row in ask(store, _WORSE, {CHANGES: days}, _features(seed)):
        if row["what"] not in found.setdefault(row["day"], []):
            found[row["day"]].append(row["what"])
    return found


def _drifted(store: Store, seed: KindSeed, night: date) -> list[str]:
    if VERDICTS not in store.contracts:
        return []
    return [row["title"] for row in ask(store, _DRIFTED, {VERDICTS: {night}}, _features(seed))]


def _incidents(store: Store, seed: KindSeed, night: date) -> int:
    """Incidents of its features that were opened in the seven days up to the night's."""
    until = datetime.combine(night + timedelta(days=1), time(), UTC)
    return sum(
        row["act"] == "opened"
        and until - timedelta(days=7) <= row["happened_at"] < until
        and (seed.features is None or row["feature"] in seed.features)
        for row in table_rows(store, INCIDENTS)
    )


def _features(seed: KindSeed) -> dict[str, object]:
    return {"every": seed.features is None, "features": sorted(seed.features or ())}
