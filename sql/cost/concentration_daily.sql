-- One row per day (UTC): the share of the cost that its dearest 1 % of requests have.

with ranked as (
    select
        day,
        priced_contracted_amount as amount,
        row_number() over (partition by day order by priced_contracted_amount desc, request_id asc nulls last) as place,
        count(*) over (partition by day) as requests
    from cost.request_costs
    where priced_contracted_amount is not null
),

days as (
    select
        day,
        count(*) as requests,
        -- Integer arithmetic: the dearest 1 %, rounded up, is every place below (requests + 99) / 100.
        sum(case when place * 100 < requests + 100 then 1 else 0 end) as dearest_requests,
        sum(amount) as amount,
        sum(case when place * 100 < requests + 100 then amount else 0 end) as dearest_amount
    from ranked
    group by day
)

select
    cast(day as date) as day,
    cast(requests as bigint) as requests,
    cast(dearest_requests as bigint) as dearest_requests,
    cast(amount as decimal(38, 12)) as contracted_amount,
    cast(dearest_amount as decimal(38, 12)) as dearest_amount,
    cast(cast(dearest_amount as double) / nullif(cast(amount as double), 0) as double) as dearest_share
from days
