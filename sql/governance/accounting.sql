-- One day of the ledger's balance: every landed record is a request or a duplicate.
with counted as (
    select day, count(*) as landed_records, 0 as requests, 0 as duplicates
    from logs.landed where record_kind = 'request' group by day
    union all
    select day, 0, count(*), 0 from logs.requests group by day
    union all
    select day, 0, 0, count(*) from logs.duplicates group by day
),

settled as (
    -- A day speaks for the ids of the days around it: a neighbour that is behind makes the balance open.
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
    cast(days.day as date) as day,
    cast(days.landed_records as bigint) as landed_records,
    cast(days.requests as bigint) as requests,
    cast(days.duplicates as bigint) as duplicates,
    cast(
        coalesce(here.is_fresh, 0) = 1
        and coalesce(before.is_fresh, 1) = 1
        and coalesce(after.is_fresh, 1) = 1
        as boolean
    ) as is_settled
from days
left join settled as here on days.day = here.day
left join settled as before on cast(days.day - interval '1' day as date) = before.day
left join settled as after on cast(days.day + interval '1' day as date) = after.day
