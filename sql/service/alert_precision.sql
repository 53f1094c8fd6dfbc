-- One row per rule, severity and status: how many of its alerts were right, as far as anybody said.

with counted as (
    select
        rule,
        severity,
        status,
        count(*) as alerts,
        count(outcome) as n,
        sum(case when outcome = 'incident' then 1 else 0 end) as incidents,
        sum(case when outcome = 'expected' then 1 else 0 end) as expected,
        sum(case when outcome = 'noise' then 1 else 0 end) as noise,
        min(day) as first_day,
        max(day) as last_day
    from service.alert_ledger
    group by rule, severity, status
)

select
    cast(rule as string) as rule,
    cast(severity as string) as severity,
    cast(status as string) as status,
    cast(alerts as bigint) as alerts,
    cast(n as bigint) as n,
    cast(incidents as bigint) as incidents,
    cast(expected as bigint) as expected,
    cast(noise as bigint) as noise,
    cast(alerts - n as bigint) as unknown,
    cast(cast(incidents + expected as double) / nullif(cast(n as double), 0) as double) as precision,
    cast(wilson_low(cast(incidents + expected as bigint), cast(n as bigint)) as double) as low,
    cast(wilson_high(cast(incidents + expected as bigint), cast(n as bigint)) as double) as high,
    cast(first_day as date) as first_day,
    cast(last_day as date) as last_day
from counted
