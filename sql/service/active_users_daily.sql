-- One row per day (UTC) and scope (all traffic, a tenant, a feature, or a tenant's feature): its distinct users.
with scopes as (
    select
        day,
        case
            when grouping(tenant) = 0 and grouping(feature) = 0 then 'tenant_feature'
            when grouping(tenant) = 0 then 'tenant'
            when grouping(feature) = 0 then 'feature'
            else 'all'
        end as scope,
        tenant,
        feature,
        count(*) as requests,
        count(user_token) as requests_with_user,
        count(distinct user_token) as active_users
    from logs.requests
    where coalesce(is_shadow, false) = false
    group by grouping sets ((day), (day, tenant), (day, feature), (day, tenant, feature))
)

select
    cast(day as date) as day,
    cast(scope as string) as scope,
    cast(tenant as string) as tenant,
    cast(feature as string) as feature,
    cast(requests as bigint) as requests,
    cast(requests_with_user as bigint) as requests_with_user,
    cast(case when requests_with_user > 0 then active_users end as bigint) as active_users,
    cast(cast(requests_with_user as double) / nullif(case when requests_with_user > 0 then active_users end, 0) as double)
        as requests_per_active_user
from scopes
