-- One day of the balance of sql/governance/accounting.sql where all that lands is requests.
with counted as (
    select day, count(*) as landed_records, 0 as requests, 0 as duplicates
    from logs.landed group by day
    union all
    select day, 0, count(*), 0 from logs.requests group by day
    union all
    select day, 0, 0, count(*) from logs.duplicates group by day
),

settled as (
    select day, min(case when state = 'fresh' then 1 else 0 end) as is_fresh
    from governance.freshness
    where question = 'logs'
    group by day
),

days as (
    select day, sum(landed_records) as landed_records, sum(requests) as requests, sum(duplicates) as duplicates
    from counted
    group by day
)

select
    days.day,
    cast(days.landed_records as bigint) as landed_records,
    cast(days.requests as bigint) as requests,
    cast(days.duplicates as bigint) as duplicates,
    cast(days.landed_records - days.requests - days.duplicates as bigint) as unaccounted_records,
    coalesce(here.is_fresh, 0) = 1 and coalesce(before.is_fresh, 1) = 1 and coalesce(after.is_fresh, 1) = 1 as is_settled
from days
left join settled as here on days.day = here.day
left join settled as before on cast(days.day - interval '1' day as date) = before.day
left join settled as after on cast(days.day + interval '1' day as date) = after.day
