-- One day of the ledger's balance: every landed record is a request, a retrieval, a tool call, feedback or a duplicate.
with counted as (
    select
        day, count(*) as landed_records, 0 as requests, 0 as retrievals, 0 as tool_calls, 0 as feedback, 0 as duplicates
    from logs.landed group by day
    union all
    select day, 0, count(*), 0, 0, 0, 0 from logs.requests group by day
    union all
    select day, 0, 0, count(*), 0, 0, 0 from logs.retrievals group by day
    union all
    select day, 0, 0, 0, count(*), 0, 0 from logs.tool_calls group by day
    union all
    select day, 0, 0, 0, 0, count(*), 0 from logs.feedback group by day
    union all
    select day, 0, 0, 0, 0, 0, count(*) from logs.duplicates group by day
),

settled as (
    -- A day speaks for the ids of the days around it: a neighbour that is behind makes the balance open.
    select day, min(case when state = 'fresh' then 1 else 0 end) as is_fresh
    from governance.freshness
    where question = 'logs'
    group by day
),

days as (
    select
        day,
        sum(landed_records) as landed_records,
        sum(requests) as requests,
        sum(retrievals) as retrievals,
        sum(tool_calls) as tool_calls,
        sum(feedback) as feedback,
        sum(duplicates) as duplicates
    from counted
    group by day
)

select
    cast(days.day as date) as day,
    cast(days.landed_records as bigint) as landed_records,
    cast(days.requests as bigint) as requests,
    cast(days.retrievals as bigint) as retrievals,
    cast(days.tool_calls as bigint) as tool_calls,
    cast(days.feedback as bigint) as feedback,
    cast(days.duplicates as bigint) as duplicates,
    cast(
        days.landed_records - days.requests - days.retrievals - days.tool_calls - days.feedback - days.duplicates as bigint
    ) as unaccounted_records,
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
