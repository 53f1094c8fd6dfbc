-- One row per day (UTC) and tag (tenant, team or feature): how much traffic and cost lacks it.

with tagged as (
    select day, 'tenant' as tag, tenant is null as is_untagged, priced_contracted_amount as amount from cost.request_costs
    union all
    select day, 'team', team is null, priced_contracted_amount from cost.request_costs
    union all
    select day, 'feature', feature is null, priced_contracted_amount from cost.request_costs
),

tags as (
    select
        day,
        tag,
        count(*) as requests,
        sum(case when is_untagged then 1 else 0 end) as untagged_requests,
        sum(amount) as amount,
        sum(case when is_untagged then amount end) as untagged_amount
    from tagged
    group by day, tag
)

select
    cast(day as date) as day,
    cast(tag as string) as tag,
    cast(requests as bigint) as requests,
    cast(untagged_requests as bigint) as untagged_requests,
    cast(amount as decimal(38, 12)) as contracted_amount,
    cast(case when amount is not null then coalesce(untagged_amount, 0) end as decimal(38, 12)) as untagged_amount,
    cast(cast(untagged_requests as double) / nullif(requests, 0) as double) as untagged_request_share,
    cast(
        cast(case when amount is not null then coalesce(untagged_amount, 0) end as double) / nullif(cast(amount as double), 0)
        as double
    ) as untagged_cost_share
from tags
