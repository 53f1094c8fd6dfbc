-- One row per rule and severity: how many of its alerts turned out to be incidents, as far as anybody said.

with said as (
    select
        alert_id,
        outcome,
        row_number() over (partition by alert_id order by number desc) as place
    from service.alert_log
    where act = 'outcome'
),

counted as (
    select
        a.rule,
        a.severity,
        count(*) as alerts,
        sum(case when s.outcome is not null then 1 else 0 end) as n,
        sum(case when s.outcome = 'incident' then 1 else 0 end) as incidents,
        sum(case when s.outcome = 'noise' then 1 else 0 end) as noise,
        min(a.day) as first_day,
        max(a.day) as last_day
    from service.alerts as a
    left join said as s on a.alert_id = s.alert_id and s.place = 1
    where a.state = 'open' or s.outcome is not null
    group by a.rule, a.severity
)

select
    cast(rule as string) as rule,
    cast(severity as string) as severity,
    cast(alerts as bigint) as alerts,
    cast(n as bigint) as n,
    cast(incidents as bigint) as incidents,
    cast(noise as bigint) as noise,
    cast(cast(incidents as double) / nullif(cast(n as double), 0) as double) as precision,
    cast(wilson_low(cast(incidents as bigint), cast(n as bigint)) as double) as low,
    cast(wilson_high(cast(incidents as bigint), cast(n as bigint)) as double) as high,
    cast(first_day as date) as first_day,
    cast(last_day as date) as last_day
from counted
