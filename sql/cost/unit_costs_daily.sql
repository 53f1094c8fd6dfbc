-- One row per day (UTC) and scope (all traffic, or one tenant, team, feature or environment): what a unit of use cost.

with scopes as (
    select
        day,
        case
            when grouping(tenant) = 0 then 'tenant'
            when grouping(team) = 0 then 'team'
            when grouping(feature) = 0 then 'feature'
            when grouping(environment) = 0 then 'environment'
            else 'all'
        end as scope,
        coalesce(tenant, team, feature, environment) as scope_value,
        count(*) as requests,
        sum(case when is_success then 1 else 0 end) as successful_requests,
        sum(case when state in ('unpriced', 'partly_priced') then 1 else 0 end) as not_fully_priced_requests,
        count(distinct user_token) as active_users,
        sum(priced_list_amount) as list_amount,
        sum(priced_contracted_amount) as contracted_amount
    from cost.request_costs
    group by grouping sets ((day), (day, tenant), (day, team), (day, feature), (day, environment))
)

select
    cast(day as date) as day,
    cast(scope as string) as scope,
    cast(scope_value as string) as scope_value,
    cast(requests as bigint) as requests,
    cast(successful_requests as bigint) as successful_requests,
    cast(not_fully_priced_requests as bigint) as not_fully_priced_requests,
    cast(list_amount as decimal(38, 12)) as list_amount,
    cast(contracted_amount as decimal(38, 12)) as contracted_amount,
    cast(active_users as bigint) as active_users,
    cast(cast(contracted_amount as double) * 1000 / nullif(requests, 0) as double) as usd_per_1000_requests,
    cast(cast(contracted_amount as double) / nullif(successful_requests, 0) as double) as usd_per_successful_request,
    cast(cast(contracted_amount as double) / nullif(active_users, 0) as double) as usd_per_active_user
from scopes
