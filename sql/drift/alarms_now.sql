-- One row per change that drift tests ever found: since when, whether it goes on, and what its ticket turned out to be.

with named as (
    select
        change_id,
        min(day) as first_found_day,
        max(day) as last_found_day,
        count(distinct day) as nights,
        max(change_family) as family,
        min(change_since_day) as since_day
    from drift.changes
    group by change_id
),

tests as (
    select change_id, day, count(*) as tests
    from drift.changes
    group by change_id, day
),

newest as (
    select max(day) as day from drift.drift_tests
),

-- A change has several alerts where it was found again after it had been gone; the last one speaks for it.
told as (
    select
        fingerprint,
        alert_id,
        outcome,
        row_number() over (partition by fingerprint order by day desc, alert_id nulls last) as place
    from service.alert_ledger
)

select
    cast(n.first_found_day as date) as day,
    cast(n.change_id as string) as change_id,
    cast(case when n.last_found_day = newest.day then 'found' else 'over' end as string) as state,
    cast(n.since_day as date) as since_day,
    cast(n.last_found_day as date) as last_found_day,
    cast(n.nights as bigint) as nights,
    cast('drift.' || n.family as string) as rule,
    cast(c.segment_kind as string) as segment_kind,
    cast(c.segment as string) as segment,
    cast(c.metric as string) as metric,
    cast(c.status as string) as status,
    cast(c.effect as double) as effect,
    cast(c.floor as double) as floor,
    cast(c.n as bigint) as n,
    cast(t.tests as bigint) as tests,
    cast(c.ticket as string) as title,
    cast(told.alert_id as string) as alert_id,
    cast(told.outcome as string) as outcome
from named as n
inner join drift.changes as c on n.change_id = c.change_id and n.last_found_day = c.day and c.place = 1
inner join tests as t on n.change_id = t.change_id and n.last_found_day = t.day
cross join newest
left join told on told.fingerprint = 'drift|||||' || n.change_id and told.place = 1
